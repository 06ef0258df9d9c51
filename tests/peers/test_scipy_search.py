"""Several providers against SciPy's global searches, where demand is elastic and capacities bind.

The searches see profits that are written apart from the package, in `competition_by_hand`, and
nothing of how they come about. They prove nothing, but they know no hills, kinks or jumps either.
"""

import competition_by_hand as by_hand
import numpy as np
import pytest
from scipy.optimize import differential_evolution, minimize
from test_competition_game import made

from aigc_market import competition

TOLERANCE = 1e-6


def highest(function, low, high, seed):
    """The most of a function of points (n, P) within bounds (n,), by differential evolution."""

    def loss(points):
        return -function(points)

    found = differential_evolution(
        loss,
        list(zip(low, high, strict=True)),
        popsize=24,
        maxiter=120,
        tol=1e-9,
        rng=np.random.default_rng(seed),
        init="sobol",
        polish=False,
        vectorized=True,
        updating="deferred",
    )
    top = minimize(
        lambda point: float(loss(np.clip(point, low, high)[:, None])[0]),
        found.x,
        method="Nelder-Mead",
        options={"xatol": 1e-11, "fatol": 1e-12},
    )
    return -min(found.fun, top.fun)


def drawn(seed, *, capacity, outside, providers=None):
    """A market with or without capacities and a way out; curves of all kinds by turns."""
    rng = np.random.default_rng([12, seed])
    kinds = [("quadratic",), ("saturating",), ("table",), ("all",)][seed % 4]
    while True:
        M = providers or int(rng.integers(2, 5))
        plain = by_hand.draw(rng, providers=M, followers=int(rng.integers(1, 9)), kinds=kinds)
        if (plain["capacity"] is not None, plain["outside"] is not None) == (capacity, outside):
            return plain, rng


CASES = [(seed, seed % 3 < 2, seed % 2 == 0) for seed in range(24)]


@pytest.mark.parametrize(("seed", "capacity", "outside"), CASES)
def test_nobody_gains_by_another_price(seed, capacity, outside, compared):
    plain, rng = drawn(seed, capacity=capacity, outside=outside)
    market = made(plain)
    found = competition.nash(market)
    prices = rng.uniform(plain["cost"], 12.0)
    for m in range(plain["M"]):
        bounds = plain["cost"][[m]], plain["max_price"][[m]]

        def best_against(prices, m=m, bounds=bounds):
            def utility(own):
                return by_hand.utility(plain, m, prices, own[0])

            return highest(utility, *bounds, seed)

        if found.converged:
            best = best_against(found.prices)
            compared("nobody gains", "scipy", found.asp_utility[m], best, TOLERANCE)
        ours = competition.best_deviation(market, m, prices).utility
        compared("best deviation", "scipy", ours, best_against(prices), TOLERANCE)


@pytest.mark.parametrize(("seed", "capacity", "outside"), CASES)
def test_no_cartel_earns_more(seed, capacity, outside, compared):
    """Of three providers with tables the search would find no top that can be told from others."""
    providers = 3 if seed >= 12 and seed % 4 < 2 else 2
    plain, _ = drawn(seed, capacity=capacity, outside=outside, providers=providers)
    ours = competition.cartel(made(plain)).asp_utility.sum()
    bounds = plain["cost"], plain["max_price"]
    best = max(
        highest(lambda prices: by_hand.total(plain, prices.T), *bounds, [seed, start])
        for start in range(providers)
    )
    compared("total of a cartel", "scipy", ours, best, TOLERANCE)
