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

from aigc_market import Scenario, parallel_env
from aigc_market.distributions import DemandShare, LogUniform, SharedLevel, Uniform
from aigc_market.envs.competition.settings import Settings as CompetitionSettings
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.settings import Settings
from aigc_market.equilibrium import solve
from aigc_market.moves import Drift, Road, Shift, Traffic
from aigc_market.torchrl import MarketEnv
from aigc_market.torchrl.draws import Draws

SAMPLES = 8000
CHANCE = 1e-6


@pytest.fixture
def draws():
    draws = Draws(torch.device("cpu"), torch.float32)
    draws.seed(0)
    return draws


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


def test_the_stream(draws):
    uniform = draws.random((2, SAMPLES // 2))
    assert uniform.shape == (2, SAMPLES // 2)
    assert uniform.dtype == torch.float32
    assert uniform.min() >= 0
    assert uniform.max() < 1
    for sample, law in (
        (uniform, stats.uniform()),
        (draws.uniform(2.0, 5.0, (SAMPLES,)), stats.uniform(2, 3)),
        (draws.standard_normal((SAMPLES,)), stats.norm()),
        (draws.standard_exponential((SAMPLES,)), stats.expon()),
    ):
        check_law(sample, law)
    bounds = torch.tensor([[1.0], [10.0]])
    between = draws.uniform(bounds, 2 * bounds, (2, 100))
    assert torch.all((between >= bounds) & (between <= 2 * bounds))


@pytest.mark.parametrize(
    "law",
    [Uniform(3, 7), LogUniform(80, 400), SharedLevel(LogUniform(80, 400), spread=0.3)],
    ids=lambda law: type(law).__name__,
)
def test_laws_of_satisfaction(draws, law):
    on_tensors = law.draw(draws, (SAMPLES, 2))
    assert on_tensors.shape == (SAMPLES, 2)
    assert on_tensors.dtype == torch.float32
    assert on_tensors.min() >= law.low * (1 - 1e-6)
    assert on_tensors.max() <= law.high * (1 + 1e-6)
    of_numpy = law.draw(np.random.default_rng(0), (SAMPLES, 2))
    check_same_law(on_tensors[:, 0], of_numpy[:, 0])
    check_same_law(on_tensors[:, 1] / on_tensors[:, 0], of_numpy[:, 1] / of_numpy[:, 0])


def test_the_law_of_quadratics(draws):
    law = LAWS["ssim"]
    on_tensors, of_numpy = (
        law.draw(draws, (SAMPLES,)),
        law.draw(np.random.default_rng(0), (SAMPLES,)),
    )
    assert on_tensors.alpha.shape == on_tensors.beta.shape == (SAMPLES, 1)
    check_same_law(on_tensors.alpha, of_numpy.alpha)
    check_same_law(on_tensors.beta, of_numpy.beta)
    check_same_law(on_tensors.alpha * on_tensors.beta, of_numpy.alpha * of_numpy.beta)


def test_the_law_of_capacities(draws):
    settings = Settings.make(scenario="capacity", K=3)
    market = MarketProcess(settings, draws, lanes=(SAMPLES,)).market
    free = solve(market.replace(capacity=None)).steps.sum(-1)
    buys = free > 0
    assert buys.float().mean() > 0.9
    share = (market.capacity / free)[buys]
    law = settings.capacity.share
    check_law(share, stats.uniform(law.low, law.high - law.low))
    assert torch.all(market.capacity[~buys] == 3 * settings.market.max_steps)


def hidden_numbers(market):
    """All that may be drawn of markets, (N, …) each, by name."""
    model = market.ssim[0] if isinstance(market.ssim, tuple) else market.ssim
    numbers = {
        name: getattr(market, name, None) for name in ("satisfaction", "capacity", "access_cost")
    }
    numbers |= {"alpha": model.alpha, "beta": model.beta}
    return {n: v for n, v in numbers.items() if np.ndim(v) and len(v) == SAMPLES}


@pytest.mark.parametrize(("game", "scenario"), SCENARIOS)
def test_markets_of_all_scenarios_follow_the_same_law(draws, game, scenario):
    """At first, after a round and after twenty."""
    settings = (Settings if game == "stackelberg" else CompetitionSettings).make(scenario=scenario)
    on_tensors = MarketProcess(settings, draws, lanes=(SAMPLES,))
    of_numpy = MarketProcess(settings, np.random.default_rng(1), lanes=(SAMPLES,))
    drawn = False
    for number in range(21):
        if number in (0, 1, 20):
            expected = hidden_numbers(of_numpy.market)
            found = hidden_numbers(on_tensors.market)
            assert found.keys() == expected.keys()
            for name in expected:
                drawn = True
                a, b = (np.asarray(v[name]).reshape(SAMPLES, -1) for v in (found, expected))
                check_same_law(a[:, 0], b[:, 0])
                weights = 1.0 + np.arange(a.shape[-1])
                check_same_law(a @ weights, b @ weights)
            if settings.masked:
                a, b = (np.asarray(p.market.active).sum(-1) for p in (on_tensors, of_numpy))
                table = [np.bincount(c, minlength=11) for c in (a, b)]
                table = np.array(table)[:, np.sum(table, 0) > 20]
                assert stats.chi2_contingency(table).pvalue > CHANCE
        on_tensors.advance()
        of_numpy.advance()
    assert drawn == (scenario not in ("paper", "duopoly", "calvano"))


def process(draws, move, **arguments):
    kind = CompetitionSettings if move.reaches else Settings
    settings = kind.make(scenario=Scenario("moved", "noisy", arguments, (move,)))
    return MarketProcess(settings, draws, lanes=(SAMPLES,))


def test_drift(draws):
    """Its stationary spread, and how soon it forgets."""
    market = process(draws, Drift(persistence=0.9, step=0.1), K=2, satisfaction=200.0)
    assert torch.equal(market.market.satisfaction, torch.full((SAMPLES, 2), 200.0))
    levels = []
    for _ in range(80):
        market.advance()
        satisfaction = market.market.satisfaction
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


def test_shift(draws):
    """Its rate; a game that does not change keeps everything."""
    move = Shift(probability=0.1)
    markets = process(draws, move, K=2, capacity=DemandShare(Uniform(0.4, 1.0)), **LAWS)
    hits = []
    for _ in range(10):
        before = hidden_numbers(markets.market)
        markets.advance()
        after = hidden_numbers(markets.market)
        assert len(after) == 4
        columns = [(after[name] == before[name]).reshape(SAMPLES, -1) for name in after]
        kept = torch.cat(columns, -1)
        assert torch.equal(kept.all(-1), kept.any(-1))  # all or nothing
        hits.append(~kept.any(-1))
    check_share(torch.stack(hits), 0.1)


def test_traffic(draws):
    """Who is there at first, who comes and goes; and that a change of VMU always shows."""
    busy, arrival, departure = 0.4, 0.15, 0.25
    market = process(
        draws, Traffic(busy, arrival, departure), K=3, satisfaction=LogUniform(80, 400)
    )
    now = market.market
    check_share(now.active, busy)
    came, left = [], []
    newcomers = []
    for _ in range(10):
        before = now
        market.advance()
        now = market.market
        came.append(now.active[~before.active])
        left.append(~now.active[before.active])
        stays = before.active & now.active
        assert torch.equal(now.satisfaction[stays], before.satisfaction[stays])
        comes = now.active & ~before.active
        assert not (now.satisfaction[comes] == before.satisfaction[comes]).any()
        newcomers.append(now.satisfaction[comes])
    check_share(torch.cat(came), arrival)
    check_share(torch.cat(left), departure)
    law = stats.loguniform(80, 400)
    check_law(torch.cat(newcomers), law)


@pytest.mark.parametrize(("arrival", "departure"), [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)])
def test_traffic_at_its_extremes(draws, arrival, departure):
    market = process(draws, Traffic(0.5, arrival, departure), K=2)
    for _ in range(5):
        before = market.market.active
        market.advance()
        after = market.market.active
        assert torch.all(after[~before] == bool(arrival))
        assert torch.all(after[before] == (not departure))


def test_road(draws):
    """Where vehicles begin, how fast they are, and what reaching a unit costs."""
    road = Road(rate=100.0, slowest=0.01, fastest=0.03)
    cost = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    market = process(draws, road, M=3, K=2, access_cost=cost)
    first = places = market.places
    check_law(first, stats.uniform())
    speeds = []
    for _ in range(60):
        stands = (torch.arange(3) + 0.5) / 3
        way = (places[:, None, :] - stands[:, None]).abs()
        reached = torch.tensor(cost) + 100.0 * torch.minimum(way, 1 - way)
        torch.testing.assert_close(market.market.access_cost, reached, rtol=1e-5, atol=1e-4)
        before = places
        market.advance()
        places = market.places
        assert places.min() >= 0
        assert places.max() <= 1
        speeds.append((places - before) % 1.0)
    speed = torch.stack(speeds)
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
