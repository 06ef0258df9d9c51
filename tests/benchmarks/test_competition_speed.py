"""The oracle of several providers. Nothing is asserted about time.

Run with `pytest tests/benchmarks --override-ini addopts=`, on a quiet machine.
"""

import numpy as np
import pytest

from aigc_market import competition
from aigc_market.competition import Competition


def crowd(K):
    rng = np.random.default_rng(0)
    return Competition(
        M=3,
        K=K,
        cost=[1.0, 1.5, 2.0],
        satisfaction=rng.uniform(100, 300, K),
        access_cost=rng.uniform(0, 50, (3, K)),
    )


def batch(N):
    rng = np.random.default_rng(0)
    return Competition(
        M=2,
        K=2,
        satisfaction=rng.uniform(100, 300, (N, 2)),
        cost=rng.uniform(1, 2, (N, 2)),
        temperature=rng.uniform(20, 100, N),
    )


@pytest.mark.parametrize("K", [100, 100_000], ids=["K=100, ≤ 50 ms", "K=100000, ≤ 1 s"])
def test_nash_with_its_certificate(benchmark, K):
    market = crowd(K)
    found = benchmark.pedantic(competition.nash, (market,), rounds=5, warmup_rounds=1)
    assert found.converged


@pytest.mark.parametrize("K", [2, 100])
def test_the_cartel(benchmark, K):
    benchmark.pedantic(competition.cartel, (crowd(K),), rounds=5, warmup_rounds=1)


def test_the_best_deviation(benchmark):
    market = crowd(100)
    benchmark(competition.best_deviation, market, 0, [3.0, 4.0, 5.0])


def test_a_batch_against_its_markets_one_by_one(compare):
    market = batch(10_000)
    assert np.all(competition.nash(market).converged)

    def together():
        competition.nash(market)
        return 10_000

    def one_by_one():
        for i in range(50):
            competition.nash(market.lanes(i))
        return 50

    compare("Nash of 10,000 markets at once, against one by one", "≥ 50", together, one_by_one)
