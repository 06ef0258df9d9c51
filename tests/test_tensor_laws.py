"""Laws and moves on tensors against NumPy's: their generators differ, their laws must not.

Seeds are fixed. Each comparison of samples fails by chance for one seed in a million, each bound of
five standard errors for one in 1.7 million.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from tensor_games import LAWS, SCENARIOS
from views import pricing_lanes, rival_lanes

from aigc_market import Scenario, parallel_env
from aigc_market.distributions import DemandShare, LogUniform, SharedLevel, Uniform
from aigc_market.equilibrium import solve
from aigc_market.moves import Drift, Road, Shift, Traffic
from aigc_market.torchrl import MarketEnv

SAMPLES = 8000
CHANCE = 1e-6


def check_same_law(sample, other):
    """Kolmogorov and Smirnov's test of two samples."""
    sample, other = (np.asarray(values, np.float64).ravel() for values in (sample, other))
    assert stats.ks_2samp(sample, other).pvalue > CHANCE


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
    env = (pricing_lanes if game == "stackelberg" else rival_lanes)(SAMPLES, **how, **arguments)
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
    numbers = {
        name: getattr(market, name, None) for name in ("satisfaction", "capacity", "access_cost")
    }
    numbers |= {"alpha": model.alpha, "beta": model.beta}
    return {n: v for n, v in numbers.items() if np.ndim(v) and len(v) == SAMPLES}


@pytest.mark.parametrize(
    ("game", "scenario"),
    [case for case in SCENARIOS if case[1] not in ("paper", "duopoly", "calvano")],
)
def test_markets_of_all_scenarios_follow_the_same_law(game, scenario):
    """At first, after a round and after twenty."""
    both = course(game, scenario=scenario), course_of_numpy(game, scenario=scenario)
    for number, (on_tensors, of_numpy) in zip(range(21), zip(*both, strict=True), strict=False):
        if number not in (0, 1, 20):
            continue
        expected, found = hidden_numbers(of_numpy), hidden_numbers(on_tensors)
        assert found.keys() == expected.keys() != set()
        for name in expected:
            a, b = (np.asarray(v[name]).reshape(SAMPLES, -1) for v in (found, expected))
            check_same_law(a[:, 0], b[:, 0])
            weights = 1.0 + np.arange(a.shape[-1])
            check_same_law(a @ weights, b @ weights)
        if scenario == "crowd":
            counts = (np.asarray(market.active).sum(-1) for market in (on_tensors, of_numpy))
            table = np.array([np.bincount(count, minlength=11) for count in counts])
            assert stats.chi2_contingency(table[:, table.sum(0) > 20]).pvalue > CHANCE


def moved(move, game="stackelberg", **arguments):
    more = {name: arguments.pop(name) for name in ("K", "M") if name in arguments}
    return course(game, scenario=Scenario("moved", "noisy", arguments, (move,)), **more)


def test_drift():
    """Its stationary spread, and how soon it forgets."""
    path = moved(Drift(persistence=0.9, step=0.1), K=2, satisfaction=200.0)
    assert torch.all(torch.as_tensor(next(path).satisfaction) == 200.0)
    levels = []
    for _ in range(80):
        satisfaction = next(path).satisfaction
        assert torch.equal(satisfaction[:, 0], satisfaction[:, 1])  # all VMUs together
        levels.append((satisfaction[:, 0] / 200.0).log().double())
    spread = 0.1 / math.sqrt(1 - 0.9**2)
    last, before = levels[-1], levels[-2]
    assert abs(last.mean()) < 5 * spread / math.sqrt(SAMPLES)
    # The ends that are held, at four deviations, take less than a thousandth of it.
    assert abs(last.std() / spread - 1) < 5 / math.sqrt(2 * SAMPLES) + 1e-3
    correlation = torch.corrcoef(torch.stack([last, before]))[0, 1]
    assert abs(correlation - 0.9) < 5 * (1 - 0.9**2) / math.sqrt(SAMPLES) + 1e-3
    assert max(level.abs().max() for level in levels) <= 4 * spread * (1 + 1e-5)


def test_shift():
    """Its rate; a game that does not change keeps everything."""
    path = moved(Shift(probability=0.1), K=2, capacity=DemandShare(Uniform(0.4, 1.0)), **LAWS)
    hits, after = [], hidden_numbers(next(path))
    for _ in range(10):
        before, after = after, hidden_numbers(next(path))
        assert len(after) == 4
        columns = [(after[name] == before[name]).reshape(SAMPLES, -1) for name in after]
        kept = torch.cat(columns, -1)
        assert torch.equal(kept.all(-1), kept.any(-1))  # all or nothing
        hits.append(~kept.any(-1))
    check_share(torch.stack(hits), 0.1)


def test_traffic():
    """Who is there at first, who comes and goes; and that a change of VMU always shows."""
    busy, arrival, departure = 0.4, 0.15, 0.25
    path = moved(Traffic(busy, arrival, departure), K=3, satisfaction=LogUniform(80, 400))
    now = next(path)
    check_share(now.active, busy)
    came, left, newcomers = [], [], []
    for _ in range(10):
        before, now = now, next(path)
        came.append(now.active[~before.active])
        left.append(~now.active[before.active])
        stays = before.active & now.active
        assert torch.equal(now.satisfaction[stays], before.satisfaction[stays])
        comes = now.active & ~before.active
        assert not (now.satisfaction[comes] == before.satisfaction[comes]).any()
        newcomers.append(now.satisfaction[comes])
    check_share(torch.cat(came), arrival)
    check_share(torch.cat(left), departure)
    check_law(torch.cat(newcomers), stats.loguniform(80, 400))


@pytest.mark.parametrize(("arrival", "departure"), [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)])
def test_traffic_at_its_extremes(arrival, departure):
    path = moved(Traffic(0.5, arrival, departure), K=2)
    after = next(path).active
    for _ in range(5):
        before, after = after, next(path).active
        assert torch.all(after[~before] == bool(arrival))
        assert torch.all(after[before] == (not departure))


def places_of(way):
    """Where on a ring of three units (at 1/6, 1/2 and 5/6) the ways to them, (N, 3, K), lead."""
    units = torch.tensor([1.0, 3.0, 5.0])[:, None] / 6
    found, misses = [], []
    for side in (1, -1):
        place = (units[0] + side * way[:, 0]) % 1.0
        there = (place[:, None] - units).abs()
        found.append(place)
        misses.append((torch.minimum(there, 1 - there) - way).abs().amax(1))
    assert torch.minimum(*misses).max() < 1e-5
    return torch.where(misses[0] < misses[1], *found)


def test_road():
    """Where vehicles begin, how fast they are, and what reaching a unit costs."""
    road = Road(rate=100.0, slowest=0.01, fastest=0.03)
    cost = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    path = moved(road, "competition", M=3, K=2, access_cost=cost.tolist())
    places = [places_of((next(path).access_cost - cost) / 100.0) for _ in range(60)]
    check_law(places[0], stats.uniform())
    speed = torch.stack(places).diff(dim=0) % 1.0
    assert (speed.max(0).values - speed.min(0).values).max() < 1e-5  # each drives at its own
    check_law(speed[0], stats.uniform(0.01, 0.02))


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
