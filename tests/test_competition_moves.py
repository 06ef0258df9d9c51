"""Several providers: markets that are drawn and move, and scripted VMUs."""

import numpy as np
import pytest

import aigc_market
from aigc_market import Competition, competition
from aigc_market.competition import followers
from aigc_market.competition.scenarios import SCENARIOS, resolve
from aigc_market.envs.competition.settings import Settings
from aigc_market.envs.market_process import MarketProcess
from aigc_market.moves import Drift, Road, Shift

LANES = [(), (5,)]
every_batch = pytest.mark.parametrize("lanes", LANES, ids=["one", "batch"])


def course(scenario, lanes=(), seed=0, options=None, **arguments):
    settings = Settings.make(scenario, **arguments)
    return MarketProcess(settings, np.random.default_rng(seed), options, lanes)


def rounds(path, count):
    """Markets and places, round by round."""
    for _ in range(count):
        yield path.market, path.places
        path.advance()


def ring_distance(places, M):
    """(…, M, K) the shorter way round to each unit, written apart from the move."""
    units = (np.arange(M) + 0.5) / M
    ahead = (places[..., None, :] - units[:, None]) % 1
    return np.minimum(ahead, 1 - ahead)


@every_batch
@pytest.mark.parametrize("M", [2, 3])
def test_on_the_road_access_costs_are_the_rate_times_the_way_to_each_unit(lanes, M):
    path = course("road", lanes, M=M, K=7, access_cost=10.0)
    for market, places in rounds(path, 40):
        assert market.access_cost.shape == (*lanes, M, 7)
        assert places.shape == (*lanes, 7)
        assert places.min() >= 0
        assert places.max() < 1
        expected = 10 + 300 * ring_distance(places, M)
        np.testing.assert_allclose(market.access_cost, expected, atol=1e-9)
        assert market.access_cost.max() <= path._settings.seen_access_cost_bounds[1]


@every_batch
def test_each_vehicle_keeps_a_speed_of_its_own(lanes):
    path = course("road", lanes, K=200)
    places = np.array([places for _, places in rounds(path, 6)])
    ways = np.diff(places, axis=0) % 1
    np.testing.assert_allclose(ways, np.broadcast_to(ways[:1], ways.shape), atol=1e-12)
    assert ways.min() >= 0.01
    assert ways.max() <= 0.03
    assert len(np.unique(ways[0].round(9))) == ways[0].size
    quarters = np.quantile(places[0], [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quarters, [0.25, 0.5, 0.75], atol=0.12)


def test_the_road_is_drawn_from_the_seed():
    def everything(seed):
        path = course("road", seed=seed)
        return b"".join(market.access_cost.tobytes() for market, _ in rounds(path, 5))

    assert everything(1) == everything(1) != everything(2)


def test_past_markets_stay_as_they_were():
    path = course("road", (3,))
    kept = [
        (market, market.access_cost.copy(), places, places.copy())
        for market, places in rounds(path, 10)
    ]
    for market, cost, places, before in kept:
        np.testing.assert_array_equal(market.access_cost, cost)
        np.testing.assert_array_equal(places, before)


def test_market_power_comes_and_goes_on_the_road():
    path = course("road", (10,))
    nash = [competition.nash(market) for market, _ in list(rounds(path, 41))[::20]]
    assert all(each.converged.all() for each in nash)
    earned = np.array([each.asp_utility for each in nash])
    assert np.median(np.ptp(earned, axis=0)) > 50  # of some 300
    assert earned.max() > 1.5 * earned.min()


def test_the_given_access_cost_stands_below_that_of_the_road():
    path = course("road", options={"access_cost": [[1.0] * 4, [2.0] * 4]})
    expected = 300 * ring_distance(path.places, 2) + [[1.0], [2.0]]
    np.testing.assert_allclose(path.market.access_cost, expected)


@every_batch
def test_drift_and_shift_move_what_several_providers_cannot_see(lanes):
    arguments = SCENARIOS["hidden"].arguments
    moving = aigc_market.Scenario(
        "moving", arguments=arguments, moves=[Drift(), Shift(0.5), Road()]
    )
    path = course(moving, lanes, M=3)
    low, high = path._settings.seen_satisfaction_bounds
    models, levels = set(), set()
    for market, _ in rounds(path, 12):
        assert market.batch_shape == lanes
        assert market.satisfaction.shape == (*lanes, 2)
        assert market.satisfaction.min() >= low
        assert market.satisfaction.max() <= high
        assert market.ssim[0] is market.ssim[2]
        models.add(market.ssim[0].alpha.tobytes())
        levels.add(market.satisfaction.tobytes())
    assert len(levels) == 12
    assert 2 <= len(models) <= 12


def test_hidden_markets_are_those_of_one_provider():
    ours, theirs = SCENARIOS["hidden"], aigc_market.scenarios.SCENARIOS["hidden"]
    assert dict(ours.arguments) == {"M": 2, **theirs.arguments}
    assert ours.vmus == theirs.vmus


def test_hidden_and_duopoly_stand_still():
    for name in ("duopoly", "calvano", "hidden"):
        path = course(name)
        market, oracle = path.market, path.oracle
        path.advance()
        assert path.market is market
        assert path.oracle is oracle
        assert path.places is None


def test_presets_by_name():
    assert list(SCENARIOS) == ["duopoly", "calvano", "road", "hidden"]
    assert resolve(None) is resolve("duopoly") is SCENARIOS["duopoly"]
    own = aigc_market.Scenario("own")
    assert resolve(own) is own


# Scripted VMUs

MARKETS = {
    "plain": Competition(M=3, K=4, satisfaction=[90.0, 150.0, 200.0, 330.0]),
    "outside": Competition(M=2, K=3, outside=20.0, min_steps=5.0, max_steps=77.0),
    "batch": Competition(M=2, K=3, satisfaction=np.linspace(80, 400, 30).reshape(10, 3)),
}
every_market = pytest.mark.parametrize("market", MARKETS.values(), ids=MARKETS)


def prices_of(market):
    rng = np.random.default_rng(0)
    return rng.uniform(2, 12, (*market.batch_shape, market.M))


@every_market
@pytest.mark.parametrize("name", followers.SCRIPTED)
def test_scripted_vmus_answer_within_what_is_allowed(market, name):
    prices, policy = prices_of(market), followers.resolve(name)
    shares, steps = followers.answers(policy, market, prices, np.random.default_rng(1))
    assert shares.shape == steps.shape == (*market.batch_shape, market.M, market.K)
    assert steps.min() >= market.min_steps
    assert steps.max() <= market.max_steps
    settled = competition.settle(market, prices, shares, steps)
    rational = competition.respond(market, prices).vmu_utility
    forgone = rational - settled.wished_utility()
    assert forgone.min() > -1e-9 * rational.max()
    assert (forgone.max() < 1e-9 * rational.max()) == (name == "best_response")
    again = followers.answers(policy, market, prices, np.random.default_rng(1))
    np.testing.assert_array_equal(again.shares, shares)
    other = followers.answers(policy, market, prices, np.random.default_rng(2))
    assert np.array_equal(other.steps, steps) == (name == "best_response")


@every_market
def test_noise_is_about_what_is_rational(market):
    prices = prices_of(market)
    exact = competition.respond(market, prices)
    silent = followers.answers(followers.Noisy(0.0), market, prices, np.random.default_rng(0))
    np.testing.assert_allclose(silent.shares, exact.shares, rtol=1e-6)
    np.testing.assert_allclose(silent.steps, exact.steps, rtol=1e-6)
    rng = np.random.default_rng(0)
    noisy = [followers.answers(followers.Noisy(0.1), market, prices, rng) for _ in range(400)]
    mean = np.mean([answer.shares for answer in noisy], axis=0)
    np.testing.assert_allclose(mean, exact.shares, atol=0.02)
    if market.outside is not None:  # its bounds are too narrow to see the noise
        return
    inside = (exact.steps > market.min_steps + 20) & (exact.steps < market.max_steps * 0.7)
    ratios = np.array([answer.steps / np.maximum(exact.steps, 1) for answer in noisy])[:, inside]
    assert ratios.mean() == pytest.approx(1, abs=0.02)
    assert ratios.std() == pytest.approx(0.1, abs=0.01)


def test_random_vmus_are_uniform():
    market = Competition(M=2, K=4000, outside=0.0, min_steps=10, max_steps=50)
    shares, steps = followers.random(market, np.array([3.0, 4.0]), np.random.default_rng(0))
    # Uniform on a triangle: each part has mean 1/3 and is below 1/2 in three of four draws.
    np.testing.assert_allclose(shares.mean(axis=-1), 1 / 3, atol=0.02)
    np.testing.assert_allclose((shares < 0.5).mean(axis=-1), 0.75, atol=0.03)
    np.testing.assert_allclose(np.quantile(steps, [0.25, 0.5, 0.75]), [20, 30, 40], atol=1)
