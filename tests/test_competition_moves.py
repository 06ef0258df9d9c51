"""Several providers: markets that are drawn and move."""

import numpy as np
import pytest
from views import rival, rival_lanes

import aigc_market
from aigc_market import competition
from aigc_market.moves import Drift, Road, Shift
from aigc_market.scenarios import SCENARIOS


def course(scenario, lanes=None, options=None, **arguments):
    """An episode that does not end, of games side by side or of one, in which nothing is solved."""
    arguments = {"scenario": scenario, "max_cycles": 10**6, **arguments}
    quiet = {"rivals": lambda *_: 2.0, "judged": False, "followers": "best_response"}
    env = rival(**arguments, **quiet) if lanes is None else rival_lanes(lanes, **arguments, **quiet)
    env.reset(seed=0, options=options)
    return env


def advance(env):
    env.step(np.full(env.action_space.shape, 2.0, "f4"))


def ring_distance(places, M):
    """(…, M, K) the shorter way round to each unit, written apart from the move."""
    units = (np.arange(M) + 0.5) / M
    ahead = (np.asarray(places)[..., None, :] - units[:, None]) % 1
    return np.minimum(ahead, 1 - ahead)


def driven(env, rounds):
    """Places and access costs, round by round."""
    for _ in range(rounds):
        cost = env.market.access_cost
        advance(env)
        yield np.array(env.round_record().places), cost


@pytest.mark.parametrize("M", [2, 3])
def test_on_the_road_access_costs_are_the_rate_times_the_way_to_each_unit(M):
    env = course("road", M=M, K=7, access_cost=10.0)
    for places, cost in driven(env, 40):
        assert cost.shape == (M, 7)
        assert places.min() >= 0
        assert places.max() < 1
        np.testing.assert_allclose(cost, 10 + 300 * ring_distance(places, M), atol=1e-9)


def test_each_vehicle_keeps_a_speed_of_its_own():
    places = np.array([places for places, _ in driven(course("road", K=200), 6)])
    ways = np.diff(places, axis=0) % 1
    np.testing.assert_allclose(ways, np.broadcast_to(ways[:1], ways.shape), atol=1e-12)
    assert ways.min() >= 0.01
    assert ways.max() <= 0.03
    assert len(np.unique(ways[0].round(9))) == ways[0].size
    quarters = np.quantile(places[0], [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quarters, [0.25, 0.5, 0.75], atol=0.12)


def test_roads_side_by_side_are_roads():
    """Between two units at ¼ and ¾ of the ring the ways add up to a half."""
    env, kept = course("road", lanes=50), []
    for _ in range(20):
        kept.append((env.market, env.market.access_cost.copy()))
        advance(env)
    for before, cost in kept:  # past markets stay as they were
        np.testing.assert_array_equal(before.access_cost, cost)
        assert cost.shape == (50, 2, 4)
        np.testing.assert_allclose(cost.sum(axis=1), 150.0)
    costs = np.array([cost for _, cost in kept])
    moved = np.abs(np.diff(costs, axis=0))
    assert moved.max() <= 9.0 + 1e-9  # 300 × .03
    assert np.median(moved) == pytest.approx(6.0, abs=0.5)
    np.testing.assert_allclose(np.quantile(costs[0], [0.25, 0.5, 0.75]), [37, 75, 113], atol=12)


def test_market_power_comes_and_goes_on_the_road():
    env, nash = course("road", lanes=10), []
    for t in range(41):
        if t % 20 == 0:
            nash.append(competition.nash(env.market))
        advance(env)
    assert all(each.converged.all() for each in nash)
    earned = np.array([each.asp_utility for each in nash])
    assert np.median(np.ptp(earned, axis=0)) > 50  # of some 300
    assert earned.max() > 1.5 * earned.min()


def test_the_given_access_cost_stands_below_that_of_the_road():
    env = course("road", options={"access_cost": [[1.0] * 4, [2.0] * 4]})
    ((places, cost),) = driven(env, 1)
    np.testing.assert_allclose(cost, 300 * ring_distance(places, 2) + [[1.0], [2.0]])


@pytest.mark.parametrize("lanes", [None, 5])
def test_drift_and_shift_move_what_several_providers_cannot_see(lanes):
    hidden = SCENARIOS["hidden"].arguments
    moving = aigc_market.Scenario("moving", arguments=hidden, moves=[Drift(), Shift(0.5), Road()])
    env = course(moving, lanes, M=3)
    batch = () if lanes is None else (lanes,)
    models, levels = set(), set()
    for _ in range(12):
        market = env.market
        assert market.batch_shape == batch
        assert market.satisfaction.shape == (*batch, 2)
        np.testing.assert_array_equal(market.ssim[0].alpha, market.ssim[2].alpha)
        models.add(market.ssim[0].alpha.tobytes())
        levels.add(market.satisfaction.tobytes())
        advance(env)
    assert len(levels) == 12
    assert 2 <= len(models) <= 12


def test_hidden_and_duopoly_stand_still():
    for name in ("duopoly", "calvano", "hidden"):
        env = rival(scenario=name, judged=False, rivals=lambda *_: 2.0, continuous_actions=True)
        env.reset(seed=0)
        market = env.market
        advance(env)
        assert env.market is market
        assert env.round_record().places is None
