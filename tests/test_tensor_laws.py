"""Laws and moves on tensors against NumPy's: their generators differ, their laws must not.

Seeds are fixed. Each comparison of samples fails by chance for one seed in a million, each bound of
five standard errors for one in 1.7 million.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from tensor_games import LAWS, SCENARIOS
from views import menu_lanes, pricing_lanes, rival_lanes

from aigc_market import parallel_env
from aigc_market.distributions import LogUniform, SharedLevel, Uniform
from aigc_market.equilibrium import solve
from aigc_market.torchrl import MarketEnv

SAMPLES = 8000
CHANCE = 1e-6


def check_same_law(sample, other):
    """Kolmogorov and Smirnov's test of two samples."""
    sample, other = (np.asarray(values, np.float64).ravel() for values in (sample, other))
    assert stats.ks_2samp(sample, other, method="asymp").pvalue > CHANCE


def check_law(sample, law):
    """The same of a sample and a law of scipy's."""
    assert stats.kstest(np.asarray(sample, np.float64).ravel(), law.cdf).pvalue > CHANCE


def check_share(hits, share):
    """That trials hit with this probability, by five standard errors."""
    hits = np.asarray(hits, np.float64).ravel()
    assert abs(hits.mean() - share) < 5 * math.sqrt(share * (1 - share) / len(hits))


def course(game="stackelberg", **arguments):
    """Markets of many games on tensors, round by round."""
    how = {"judged": False, "state": False, "max_cycles": 10**6, "history": 1, "seed": 0}
    env = MarketEnv(SAMPLES, game, **{**how, **arguments})
    env.reset()
    actions = env.full_action_spec.zero()
    while True:
        yield env.market
        env.step(actions.clone())


def course_of_numpy(game="stackelberg", **arguments):
    """The same of lanes."""
    how = {"judged": False, "max_cycles": 10**6, "history": 1}
    if game == "competition":
        how |= {"rivals": lambda *_: 2.0, "followers": "best_response"}
    views = {"stackelberg": pricing_lanes, "competition": rival_lanes, "menus": menu_lanes}
    env = views[game](SAMPLES, **how, **arguments)
    env.reset(seed=1)
    while True:
        yield env.market
        env.step(np.full(env.action_space.shape, 2, env.action_space.dtype))


@pytest.mark.parametrize(
    "law",
    [Uniform(3, 7), LogUniform(80, 400), SharedLevel(LogUniform(80, 400), spread=0.3)],
    ids=lambda law: type(law).__name__,
)
def test_laws_of_satisfaction(law):
    on_tensors = next(course(satisfaction=law)).satisfaction
    assert on_tensors.shape == (SAMPLES, 2)
    assert on_tensors.dtype == torch.float32
    assert on_tensors.min() >= law.low * (1 - 1e-6)
    assert on_tensors.max() <= law.high * (1 + 1e-6)
    of_numpy = law.draw(np.random.default_rng(0), (SAMPLES, 2))
    check_same_law(on_tensors[:, 0], of_numpy[:, 0])
    check_same_law(on_tensors[:, 1] / on_tensors[:, 0], of_numpy[:, 1] / of_numpy[:, 0])


def test_the_law_of_quadratics():
    on_tensors = next(course(ssim=LAWS["ssim"])).ssim
    of_numpy = LAWS["ssim"].draw(np.random.default_rng(0), (SAMPLES,))
    assert on_tensors.alpha.shape == on_tensors.beta.shape == (SAMPLES, 1)
    check_same_law(on_tensors.alpha, of_numpy.alpha)
    check_same_law(on_tensors.beta, of_numpy.beta)
    check_same_law(on_tensors.alpha * on_tensors.beta, of_numpy.alpha * of_numpy.beta)


def test_the_law_of_capacities():
    market = next(course(scenario="capacity", K=3))
    free = solve(market.replace(capacity=None)).steps.sum(-1)
    buys = free > 0
    assert buys.float().mean() > 0.9
    check_law((market.capacity / free)[buys], stats.uniform(0.4, 0.6))
    assert torch.all(market.capacity[~buys] == 3 * market.max_steps)


def hidden_numbers(market):
    """All that may be drawn of markets, (N, …) each, by name."""
    model = market.ssim[0] if isinstance(market.ssim, tuple) else market.ssim
    names = ("satisfaction", "capacity", "access_cost", "active")
    numbers = {name: getattr(market, name, None) for name in names}
    numbers |= {"alpha": model.alpha, "beta": model.beta}
    return {
        name: np.asarray(value, np.float64).reshape(SAMPLES, -1)
        for name, value in numbers.items()
        if np.ndim(value) and len(value) == SAMPLES
    }


@pytest.mark.parametrize(
    ("game", "scenario"),
    [case for case in SCENARIOS if case[1] not in ("paper", "duopoly", "calvano")],
)
def test_markets_of_all_scenarios_follow_the_same_law(game, scenario):
    """At first, after a round and after twenty; so do the changes, and how many change together."""
    both = course(game, scenario=scenario), course_of_numpy(game, scenario=scenario)
    rounds = [[hidden_numbers(next(markets)) for _ in range(21)] for markets in both]
    looked_at = [[of_one[number] for of_one in rounds] for number in (0, 1, 20)]
    counts = np.zeros((2, 64))
    for count, of_one in zip(counts, rounds, strict=True):
        for a, b in itertools.pairwise(of_one):
            changed = np.concatenate([b[name] != a[name] for name in a], axis=1)
            count += np.bincount(changed.sum(axis=1), minlength=len(count))
    assert stats.chi2_contingency(counts[:, counts.sum(axis=0) > 20]).pvalue > CHANCE
    looked_at.append([])  # of each game the mean size of a change
    for of_one in rounds:
        sizes = {n: [abs(b[n] - a[n]) for a, b in itertools.pairwise(of_one)] for n in of_one[0]}
        looked_at[-1].append({name: np.mean(size, axis=0) for name, size in sizes.items()})
    for found, expected in looked_at:
        assert found.keys() == expected.keys() != set()
        for name, a in found.items():
            weights = 1.0 + np.arange(a.shape[-1])
            for of_vmus in (weights == 1.0, weights):  # one alone, and all together
                check_same_law(a @ of_vmus, expected[name] @ of_vmus)


def first_prices(env, resets):
    return np.concatenate(
        [env.reset()["asp", "observation"][:, 0, 0].numpy() for _ in range(resets)]
    )


def test_first_prices():
    parallel = parallel_env(cost=2.0, max_price=11.0)
    expected = []
    for seed in range(2000):
        expected.append(parallel.reset(seed=seed)[0]["asp_0"][0])
    check_same_law(first_prices(MarketEnv(2000, cost=2.0, max_price=11.0, seed=0), 2), expected)
    env = MarketEnv(4800, continuous_actions=False, seed=0)
    levels, counts = np.unique(first_prices(env, 2), return_counts=True)
    np.testing.assert_allclose(levels, np.linspace(1, 20, 96), rtol=1e-6)
    assert stats.chisquare(counts).pvalue > CHANCE
    narrowed = env.reset(options={"max_price": 10.0})["asp", "observation"][:, 0, 0]
    check_share(narrowed == 10.0, (96 - 45) / 96)
