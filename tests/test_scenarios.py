"""Laws of the scenarios: how markets are drawn, how they move, and who buys in them."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from views import PRICING, pricing, pricing_lanes, rival, rival_lanes

import aigc_market
from aigc_market import competition_v0, scenarios
from aigc_market.moves import Drift, Road, Shift
from aigc_market.scenarios import SCENARIOS

PRESETS = ["hidden", "drift", "shift", "crowd", "capacity"]
every_preset = pytest.mark.parametrize("name", PRESETS)
E = np.exp(1)


def course(scenario, lanes=(), seed=0, options=None, views=(pricing, pricing_lanes), **arguments):
    """An episode that does not end, of games side by side or (lanes = ()) of one."""
    quiet = {"max_cycles": 10**6, "history": 1, "followers": "best_response", "judged": not lanes}
    one, many = views
    env = (many if lanes else one)(*lanes, scenario=scenario, **{**quiet, **arguments})
    env.reset(seed=seed, options=options)
    return env


def advance(env):
    env.step(np.full(env.action_space.shape, 2.0, "f4"))


def markets(scenario, rounds, lanes, **arguments):
    """The market of each round."""
    env = course(scenario, lanes, **arguments)
    for t in range(rounds):
        if t:
            advance(env)
        yield env.market


def moving(*moves, **arguments):
    return aigc_market.Scenario("mine", "noisy", arguments, moves)


# -- what is drawn ----------------------------------------------------------------------------


def test_hidden_markets_are_drawn_as_said():
    market = course("hidden", (20000,)).market
    alpha, beta, _ = market.ssim.parameters
    assert (market.K, market.cost, market.max_price) == (2, 1.0, 20.0)
    assert alpha.shape == beta.shape == (20000, 1)
    assert (alpha >= -4e-4).all()
    assert (alpha <= -1.2e-4).all()
    log = np.log(-alpha)
    assert log.mean() == pytest.approx(np.log([1.2e-4, 4e-4]).mean(), abs=0.01)
    assert log.std() == pytest.approx(np.log(4 / 1.2) / np.sqrt(12), rel=0.02)
    assert (beta.min(), beta.max()) == (
        pytest.approx(0.05, abs=1e-4),
        pytest.approx(0.12, abs=1e-4),
    )
    assert beta.mean() == pytest.approx(0.085, abs=3e-4)
    assert abs(np.corrcoef(log.T, beta.T)[0, 1]) < 0.03
    # log δ of both VMUs: a common uniform level, and normals of its own for each.
    delta = np.log(market.satisfaction)
    level = np.log(5) ** 2 / 12
    covariance = np.cov(delta.T)
    assert delta.mean() == pytest.approx(np.log([80, 400]).mean(), abs=0.01)
    assert covariance[0, 1] == pytest.approx(level, rel=0.05)
    assert covariance[0, 0] == pytest.approx(level + 0.3**2, rel=0.05)
    assert (delta[:, 0] - delta[:, 1]).std() == pytest.approx(0.3 * np.sqrt(2), rel=0.03)


def test_the_capacity_is_a_share_of_free_demand_and_binds():
    path = course("capacity", (4000,))
    free = aigc_market.solve(path.market.replace(capacity=None)).steps.sum(axis=-1)
    assert path.market.capacity.shape == (4000,)
    share = path.market.capacity / free
    assert share.min() >= 0.4
    assert share.max() <= 1
    assert share.mean() == pytest.approx(0.7, abs=0.01)
    assert path.equilibrium.binding.capacity.mean() > 0.9


def test_a_capacity_is_never_less_than_what_must_be_bought():
    """It was refused where there is one game."""
    capacities = course("capacity", (4000,), min_steps=10).market.capacity
    assert 0 < (capacities == 20.0).mean() < 0.3
    env = pricing(scenario="capacity", min_steps=10)
    alone = []
    for seed in range(60):
        env.reset(seed=seed)
        alone.append(env.market.capacity)
    assert min(capacities) == min(alone) == 20.0
    assert all(type(capacity) is float for capacity in alone)


def test_a_capacity_binds_nowhere_where_nobody_would_buy():
    law = aigc_market.DemandShare(aigc_market.Uniform(0.4, 1.0))
    market = aigc_market.Market(satisfaction=10.0)  # the first step is worth .75, at a cost of 1
    assert law.draw(np.random.default_rng(0), market, ()) == 2 * 250.0


ONLY_A_CAPACITY = {"capacity": aigc_market.DemandShare(aigc_market.Uniform(0.4, 1.0))}


@pytest.mark.parametrize("lanes", [(), (50,)])
def test_a_capacity_is_drawn_again_where_nothing_else_is(lanes):
    scenario = aigc_market.Scenario("scarce", "noisy", ONLY_A_CAPACITY, [aigc_market.Shift(1.0)])
    rounds = [np.ravel(market.capacity) for market in markets(scenario, 6, lanes)]
    assert len(set(np.concatenate(rounds).tolist())) == 6 * max(1, *lanes, 1)


@pytest.mark.parametrize("factor", [0.5, np.float64(0.5), 2])
def test_a_move_may_multiply_by_a_number(factor):
    class Level(aigc_market.Move):
        factor_bounds = 0.5, 2.0

        def advance(self, state, rng):
            self.factor = factor

    first, then = markets(aigc_market.Scenario("level", moves=[Level()]), 2, ())
    np.testing.assert_array_equal(then.satisfaction, factor * first.satisfaction)


def test_a_crowd_is_drawn_as_said():
    market = course("crowd", (4000,)).market
    assert market.active.shape == market.satisfaction.shape == (4000, 10)
    assert market.active.mean() == pytest.approx(0.3, abs=0.01)
    log = np.log(market.satisfaction)
    assert log.std() == pytest.approx(np.log(5) / np.sqrt(12), rel=0.02)
    assert abs(np.corrcoef(log.T)[0, 1]) < 0.06  # each has its own


def test_shared_levels_have_bounds():
    law = aigc_market.SharedLevel(aigc_market.Uniform(100, 200), spread=0.5)
    assert (law.low, law.high) == (pytest.approx(100 / E**2), pytest.approx(200 * E**2))
    draws = law.draw(np.random.default_rng(0), (50000, 4))
    assert law.low <= draws.min() < 30
    assert 900 < draws.max() <= law.high
    exact = aigc_market.SharedLevel(aigc_market.Uniform(100, 200), spread=0)
    row = exact.draw(np.random.default_rng(0), (3,))
    assert row[0] == row[1] == row[2]


def bounds_of(scenario):
    """Of δ, α and β, and of R, by the spaces of a game of one VMU."""
    env = aigc_market.env(scenario=scenario, K=1)
    vmu, leader = env.observation_space("vmu_0"), env.observation_space("asp_0")
    return (*zip(vmu.low[:3], vmu.high[:3], strict=True), (leader.low[0], leader.high[0]))


@every_preset
def test_presets_stay_within_their_bounds(name):
    *bounds, capacity = bounds_of(name)
    for market in markets(name, 100, (300,), seed=3, K=1):
        drawn = (market.satisfaction, *market.ssim.parameters[:2])
        for value, (low, high) in zip(drawn, bounds, strict=True):
            assert low * (1 - 1e-6 * np.sign(low)) <= value.min()
            assert value.max() <= high * (1 + 1e-6 * np.sign(high))
        if market.capacity is not None:
            assert capacity[0] <= market.capacity.min() <= market.capacity.max() <= capacity[1]


def test_an_extreme_drift_is_held_within_its_bounds():
    scenario = moving(aigc_market.Drift(persistence=0.5, step=10.0))
    low, high = bounds_of(scenario)[0]
    seen = [market.satisfaction for market in markets(scenario, 200, (500,))]
    assert np.min(seen) >= low * (1 - 1e-6)
    assert np.max(seen) <= high


def rngs():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("law", "quartiles"),
    [
        (aigc_market.Uniform(100, 300), [150, 200, 250]),
        (aigc_market.LogUniform(25, 400), [50, 100, 200]),
    ],
)
def test_draws_of_a_law(law, quartiles):
    draws = law.draw(rngs(), (4000, 2))
    assert draws.shape == (4000, 2)
    assert draws.min() >= law.low
    assert draws.max() <= law.high
    np.testing.assert_allclose(np.quantile(draws, [0.25, 0.5, 0.75]), quartiles, rtol=0.03)
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.05  # independent from VMU to VMU


def test_a_distribution_of_ones_own_draws_as_it_likes():
    class Coin(aigc_market.Distribution):
        def draw(self, rng, shape):
            return np.where(rng.random(shape) < 0.5, self.low, self.high)

    env = aigc_market.env(K=40, satisfaction=Coin(100.0, 300.0))
    env.reset(seed=0)
    assert set(env.market.satisfaction) == {100.0, 300.0}
    with pytest.raises(NotImplementedError):
        aigc_market.Distribution(100.0, 300.0).draw(rngs(), (2,))


def test_one_value_is_a_distribution_too():
    for kind in (aigc_market.Uniform, aigc_market.LogUniform):
        np.testing.assert_array_equal(kind(200, 200).draw(rngs(), (3,)), 200.0)


def test_a_function_is_called_once_for_each_market_and_may_draw_one_number_for_all():
    calls = []

    def function(rng):
        calls.append(rng)
        return rng.uniform(100, 300, 2)

    distribution = aigc_market.Drawn(100, 300, function)
    generator = rngs()
    assert distribution.draw(generator, (2,)).shape == (2,)
    assert distribution.draw(generator, (5, 2)).shape == (5, 2)
    assert calls == [generator] * 6
    draws = aigc_market.Drawn(100, 300, lambda rng: rng.uniform(100, 300)).draw(rngs(), (4, 3))
    assert [len(np.unique(row)) for row in draws] == [1] * 4
    assert len(np.unique(draws)) == 4


@pytest.mark.parametrize(
    "make",
    [
        *(aigc_market.env, aigc_market.parallel_env, pricing, lambda **kw: pricing_lanes(1, **kw)),
        *(competition_v0.env, competition_v0.parallel_env),
    ],
)
def test_a_function_that_draws_badly_is_refused_and_leaves_the_episode_and_its_stream(make):
    draws = iter([200.0, 99.0, [200.0, 301.0], [200.0] * 3, -1.0, np.nan, "high", None, 150.0])
    drawn = []

    def law(rng):
        drawn.append(rng.random())
        return next(draws)

    env = make(satisfaction=aigc_market.Drawn(100, 300, law))
    env.reset(seed=0)
    market = env.market
    for complaint in (
        *[r"drawn within \[100, 300\], got"] * 2,
        "drawn as one number or K = 2 numbers",
        "finite numbers above 0",
        *["finite numbers"] * 3,
    ):
        with pytest.raises((TypeError, ValueError), match=f"satisfaction must be {complaint}"):
            env.reset()
        assert env.market is market
    env.reset()
    assert np.all(env.market.satisfaction == 150.0)
    assert len(set(drawn)) == 2


# -- how it moves -----------------------------------------------------------------------------


def test_who_stands_still_and_who_begins_alike():
    standing = [course(name, (3,)) for name in ("paper", "hidden", "capacity")]
    standing += [of_several(name, continuous_actions=True) for name in ("duopoly", "calvano")]
    for env in (*standing, of_several("hidden")):
        market = env.market
        advance(env)
        assert env.market is market
    first = [course(name).market for name in ("hidden", "drift", "shift")]
    for market in first[1:]:  # moves draw from a stream of their own
        np.testing.assert_array_equal(market.satisfaction, first[0].satisfaction)


def test_drift_is_an_autoregression_of_the_common_level():
    path = list(markets("drift", 300, (3000,)))
    delta = np.array([np.log(market.satisfaction) for market in path])
    x = delta - delta[0]
    np.testing.assert_allclose(x[..., 0], x[..., 1], atol=1e-9)  # all VMUs together
    x = x[..., 0]
    assert np.all(x[0] == 0)
    assert np.std(x[1]) == pytest.approx(0.1, rel=0.05)
    deviation = 0.1 / np.sqrt(1 - 0.98**2)
    assert np.std(x[250:]) == pytest.approx(deviation, rel=0.04)
    for lag in (1, 10, 40):
        covariance = np.mean(x[200:-lag] * x[200 + lag :])
        assert covariance / deviation**2 == pytest.approx(0.98**lag, abs=0.06)
    innovations = x[1:] - 0.98 * x[:-1]
    assert innovations.std() == pytest.approx(0.1, rel=0.01)
    assert abs(innovations.mean()) < 1e-3
    for name in ("alpha", "beta"):
        first, last = (getattr(market.ssim, name) for market in (path[0], path[-1]))
        np.testing.assert_array_equal(first, last)


def test_a_shift_draws_the_whole_market_again_now_and_then():
    path = list(markets("shift", 100, (2000,)))
    changes = []
    for before, after in itertools.pairwise(path):
        moved = [
            (getattr(before.ssim, name) != getattr(after.ssim, name))[:, 0]
            for name in ("alpha", "beta")
        ]
        moved += list((before.satisfaction != after.satisfaction).T)
        for other in moved[1:]:  # all of it or nothing
            np.testing.assert_array_equal(other, moved[0])
        changes.append(moved[0])
    assert np.mean(changes) == pytest.approx(0.03, abs=0.001)
    assert np.std(np.sum(changes, axis=0)) == pytest.approx(np.sqrt(99 * 0.03 * 0.97), rel=0.05)
    # By then nearly all have been drawn again, and by the same law.
    level = np.log(path[-1].satisfaction).mean(axis=0)
    np.testing.assert_allclose(level, np.log([80, 400]).mean(), atol=0.04)
    assert np.log(-path[-1].ssim.alpha).std() == pytest.approx(np.log(4 / 1.2) / 12**0.5, rel=0.04)


def test_a_shift_draws_the_capacity_again():
    scarce = SCENARIOS["capacity"].arguments
    scenario = moving(aigc_market.Shift(0.5), **scarce)
    before, after = list(markets(scenario, 2, (400,)))
    moved = before.capacity != after.capacity
    changed = before.satisfaction[:, 0] != after.satisfaction[:, 0]
    assert changed.mean() == pytest.approx(0.5, abs=0.1)
    assert not (moved & ~changed).any()
    free = aigc_market.solve(after.replace(capacity=None)).steps.sum(axis=-1)
    share = after.capacity / free
    assert (share >= 0.4).all()
    assert ((share <= 1) | (after.capacity == 20)).all()


def test_a_shift_leaves_alone_what_is_fixed():
    scenario = moving(aigc_market.Shift(1.0))
    before, after = list(markets(scenario, 2, (3,), satisfaction=[100.0, 300.0]))
    np.testing.assert_array_equal(before.satisfaction, after.satisfaction)
    assert before.ssim is after.ssim
    for lanes in ((), (1,), (5,)):
        before, after = list(markets("shift", 2, lanes, satisfaction=[100.0, 300.0]))
        np.testing.assert_array_equal(before.satisfaction, after.satisfaction)
        assert before.ssim.alpha.shape == after.ssim.alpha.shape == (*lanes, 1)


def test_vehicles_come_and_go_at_their_rates():
    active = np.array([market.active for market in markets("crowd", 200, (1500,))])
    leaves, comes = active[:-1] & ~active[1:], ~active[:-1] & active[1:]
    assert leaves.sum() / active[:-1].sum() == pytest.approx(0.05, rel=0.02)
    assert comes.sum() / (~active[:-1]).sum() == pytest.approx(0.02, rel=0.02)
    assert active[-1].mean() == pytest.approx(0.02 / 0.07, abs=0.01)
    # The chance to leave does not depend on how long one has been there.
    age = np.zeros(active.shape, int)
    for t in range(len(active)):
        age[t] = np.where(active[t], age[t - 1] + 1 if t else 1, 0)
    for years in (1, 5, 30):
        assert leaves[age[:-1] == years].mean() == pytest.approx(0.05, abs=0.004)


def test_a_change_of_occupant_shows_as_an_absence():
    """The δ of a slot never changes while somebody is there."""
    scenario = moving(
        aigc_market.Traffic(0.5, arrival=0.9, departure=0.5), K=4, satisfaction=_LAW, ssim=_SSIM
    )
    path = list(markets(scenario, 60, (200,)))
    changed = 0
    for before, after in itertools.pairwise(path):
        new = before.satisfaction != after.satisfaction
        assert not (new & before.active).any()
        np.testing.assert_array_equal(new, ~before.active & after.active)  # at each arrival
        changed += new.sum()
    assert changed > 1000


_LAW = aigc_market.LogUniform(80, 400)
_SSIM = SCENARIOS["crowd"].arguments["ssim"]


def test_newcomers_are_drawn_from_the_law():
    first, *_, last = markets("crowd", 400, (1500,))
    new = last.satisfaction[last.satisfaction != first.satisfaction]
    assert len(new) > 10000
    np.testing.assert_allclose(
        np.quantile(np.log(new), [0.1, 0.5, 0.9]),
        np.log(80) + np.log(5) * np.array([0.1, 0.5, 0.9]),
        atol=0.03,
    )


@every_preset
def test_the_equilibrium_is_that_of_the_market_whenever_it_is_asked_for(name):
    """Only what has changed is solved again, whichever rounds are skipped."""
    env, rng = course(name, (40,)), np.random.default_rng(0)
    for _ in range(40):
        if rng.random() < 0.5:
            solved = aigc_market.solve(env.market)
            for key in ("price", "steps", "asp_utility"):
                found, best = getattr(env.equilibrium, key), getattr(solved, key)
                np.testing.assert_allclose(found, best, rtol=1e-12)
            binding = env.equilibrium.binding.max_price
            np.testing.assert_array_equal(binding, solved.binding.max_price)
        advance(env)


# -- options ----------------------------------------------------------------------------------


def test_options_fix_what_would_be_drawn():
    options = {"satisfaction": [100.0, 200.0], "capacity": 55.0, "cost": 2.0}
    market = course("capacity", (4,), options=options).market
    np.testing.assert_array_equal(market.satisfaction, [100.0, 200.0])
    assert (market.capacity, market.cost) == (55.0, 2.0)
    assert market.ssim.alpha.shape == (4, 1)


def test_what_moves_do_to_options():
    options = {"satisfaction": [100.0, 200.0], "cost": 2.0}
    drift = course("drift", options=options)
    np.testing.assert_array_equal(drift.market.satisfaction, [100.0, 200.0])
    advance(drift)
    assert drift.market.satisfaction[1] == pytest.approx(2 * drift.market.satisfaction[0])
    assert drift.market.satisfaction[0] != 100.0
    shift = course(moving(aigc_market.Shift(1.0), satisfaction=_LAW), options=options)
    advance(shift)
    assert shift.market.satisfaction[1] != 2 * shift.market.satisfaction[0]
    assert drift.market.cost == shift.market.cost == 2.0


def test_options_may_differ_from_lane_to_lane_in_a_moving_market():
    scenario = moving(
        aigc_market.Shift(0.5), aigc_market.Traffic(), **SCENARIOS["capacity"].arguments
    )
    cost = np.array([1.0, 5.0, 12.0])
    path = list(markets(scenario, 20, (3,), options={"cost": cost, "min_steps": 2 * cost + 9}))
    for market in path:
        np.testing.assert_array_equal(market.cost, cost)
        assert (aigc_market.solve(market).price >= cost).all()
        assert (market.capacity >= 2 * (2 * cost + 9)).all()
    env = pricing_lanes(3, scenario=scenario)
    env.reset(seed=0, options={"cost": cost, "min_steps": 2 * cost + 9})
    infos = env.step(np.full((3, 1), 15.0, "f4"))[-1]
    assert (infos["regret"] >= 0).all()


# -- your own ---------------------------------------------------------------------------------


@dataclass
class RushHour(aigc_market.Move):
    """Every third round everybody wants twice as much; a move of one's own in a few lines."""

    factor_bounds = (1.0, 2.0)

    def begin(self, state, rng):
        self.round = 0

    def advance(self, state, rng):
        self.round += 1
        self.factor = np.full((*state.lanes, 1), 2.0 if self.round % 3 == 0 else 1.0)


@pytest.mark.parametrize("view", ["aec", "parallel", "single", "vector"])
def test_a_move_of_ones_own(view):
    scenario = aigc_market.Scenario("rush", moves=[RushHour()])
    player, law = PRICING[view], aigc_market.Uniform(90, 110)
    env = player.make(scenario=scenario, satisfaction=law)
    for _ in range(2):  # each episode plays a copy: it begins anew
        player.reset(env, seed=0)
        first, factors = np.ravel(env.market.satisfaction), []
        for number in range(7):
            factors.append(np.ravel(env.market.satisfaction)[-1] / first[-1])
            for turn in range(3 if view == "aec" else 1):
                player.move(env, 3 * number + turn)
        assert factors == [1, 1, 1, 2, 1, 1, 2]
    space = aigc_market.env(scenario=scenario, satisfaction=law).observation_space("vmu_0")
    assert space.high[0] == pytest.approx(220)


def test_a_move_beyond_its_reach_is_refused():
    class Wild(RushHour):
        factor_bounds = (1.0, 1.5)

    env = pricing(scenario=aigc_market.Scenario("wild", moves=[Wild()]), satisfaction=_LAW)
    env.reset(seed=0, options={"satisfaction": 390.0})
    for _ in range(2):
        env.step(np.array([9.0], "f4"))
    with pytest.raises(ValueError, match=r"satisfaction must stay within \[80, 600\]"):
        env.step(np.array([9.0], "f4"))


def test_a_move_must_say_how_it_moves():
    env = pricing(scenario=aigc_market.Scenario("idle", moves=[aigc_market.Move()]))
    env.reset(seed=0)
    with pytest.raises(NotImplementedError):
        env.step(np.array([9.0], "f4"))


# -- by name ----------------------------------------------------------------------------------


def test_paper_is_the_default_scenario():
    assert scenarios.resolve(None) is scenarios.resolve("paper") is SCENARIOS["paper"]
    paper, default = aigc_market.env(scenario="paper"), aigc_market.env()
    assert paper.market.K == default.market.K == 2
    assert paper.equilibrium.price == default.equilibrium.price == pytest.approx(8.0)


@pytest.mark.parametrize("view", [aigc_market.env, aigc_market.parallel_env, pricing])
def test_arguments_override_the_scenarios(view):
    crowd = aigc_market.Scenario("crowd", arguments={"K": 10, "cost": 2.0, "history": 3})
    env = view(scenario=crowd, cost=3.0)
    assert (env.market.K, env.market.cost) == (10, 3.0)
    env = view(scenario=crowd)
    assert (env.market.K, env.market.cost) == (10, 2.0)


# -- several providers ------------------------------------------------------------------------


def of_several(scenario, lanes=(), **given):
    """The same of several providers, in which nothing is solved."""
    quiet = {"views": (rival, rival_lanes), "rivals": lambda *_: 2.0, "judged": False}
    return course(scenario, lanes, **quiet, **given)


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
    env = of_several("road", M=M, K=7, access_cost=10.0)
    for places, cost in driven(env, 40):
        assert cost.shape == (M, 7)
        assert places.min() >= 0
        assert places.max() < 1
        np.testing.assert_allclose(cost, 10 + 300 * ring_distance(places, M), atol=1e-9)


def test_each_vehicle_keeps_a_speed_of_its_own():
    places = np.array([places for places, _ in driven(of_several("road", K=200), 6)])
    ways = np.diff(places, axis=0) % 1
    np.testing.assert_allclose(ways, np.broadcast_to(ways[:1], ways.shape), atol=1e-12)
    assert ways.min() >= 0.01
    assert ways.max() <= 0.03
    assert len(np.unique(ways[0].round(9))) == ways[0].size
    quarters = np.quantile(places[0], [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quarters, [0.25, 0.5, 0.75], atol=0.12)


def test_roads_side_by_side_are_roads():
    """Between two units at ¼ and ¾ of the ring the ways add up to a half."""
    env, kept = of_several("road", (50,)), []
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


def test_the_given_access_cost_stands_below_that_of_the_road():
    env = of_several("road", options={"access_cost": [[1.0] * 4, [2.0] * 4]})
    ((places, cost),) = driven(env, 1)
    np.testing.assert_allclose(cost, 300 * ring_distance(places, 2) + [[1.0], [2.0]])


@pytest.mark.parametrize("lanes", [(), (5,)])
def test_drift_and_shift_move_what_several_providers_cannot_see(lanes):
    hidden = SCENARIOS["hidden"].arguments
    moving = aigc_market.Scenario("moving", arguments=hidden, moves=[Drift(), Shift(0.5), Road()])
    env = of_several(moving, lanes, M=3)
    models, levels = set(), set()
    for _ in range(12):
        market = env.market
        assert market.batch_shape == lanes
        assert market.satisfaction.shape == (*lanes, 2)
        np.testing.assert_array_equal(market.ssim[0].alpha, market.ssim[2].alpha)
        models.add(market.ssim[0].alpha.tobytes())
        levels.add(market.satisfaction.tobytes())
        advance(env)
    assert len(levels) == 12
    assert 2 <= len(models) <= 12
