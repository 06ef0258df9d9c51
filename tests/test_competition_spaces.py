"""`competition_v0`: what is seen, done, set and recorded."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from pettingzoo.utils.env_logger import EnvLogger
from views import Service, act

import aigc_market
from aigc_market import competition_v0
from aigc_market.competition import price_grid
from aigc_market.moves import Move

VIEWS = {"aec": competition_v0.raw_env, "parallel": competition_v0.parallel_env}
every_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)

# Prices of two providers, then of each of three VMUs two shares and two numbers of steps.
PLAYED = [
    ([9.0, 8.0], [[0.5, 0.5, 70, 130], [0.25, 0.75, 60, 20], [1, 0, 10, 90]]),
    ([3.0, 5.0], [[0, 1, 80, 40], [0.75, 0.25, 100, 120], [0.5, 0.5, 250, 0]]),
]


def played(rounds=PLAYED, **arguments):
    """The AEC game after these rounds."""
    given = {"K": 3, "satisfaction": [150.0, 260.0, 90.0], "history": 2, "cost": [1.5, 2.0]}
    given["access_cost"] = [[1, 2, 3], [4, 5, 6]]
    env = competition_v0.env(**{**given, **arguments})
    env.reset(seed=0)
    for prices, choices in rounds:
        act(env, *prices)
        act(env, *choices)
    return env


def test_a_provider_sees_itself_first_and_what_it_sold():
    env = played()
    np.testing.assert_array_equal(env.observe("asp_0"), [9, 8, 35, 15, 10, 3, 5, 0, 75, 125])
    np.testing.assert_array_equal(env.observe("asp_1"), [8, 9, 65, 15, 0, 5, 3, 40, 30, 0])


def test_the_others_come_in_the_order_of_the_seats_after_ones_own():
    env = competition_v0.env(M=4, K=1, history=1)
    env.reset(seed=0)
    act(env, 3, 4, 5, 6)
    env.step(np.array([0] * 4 + [0] * 4, "f4"))
    for m, row in enumerate([[3, 4, 5, 6], [4, 5, 6, 3], [5, 6, 3, 4], [6, 3, 4, 5]]):
        np.testing.assert_array_equal(env.observe(f"asp_{m}"), [*row, 0])


def test_a_vmu_sees_itself_the_prices_and_its_own_rounds():
    env = played()
    act(env, 7.0, 6.0)
    np.testing.assert_array_equal(
        env.observe("vmu_1"),
        [260, 2, 5, 7, 6, 9, 8, 0.25, 0.75, 60, 20, 3, 5, 0.75, 0.25, 100, 120],
    )


def test_before_the_first_round_prices_were_costs_and_nothing_was_sold():
    env = played(rounds=PLAYED[:0])
    np.testing.assert_array_equal(env.observe("asp_1"), [2, 1.5, 0, 0, 0] * 2)
    none = [150, 1, 4, 1.5, 2, *[1.5, 2, 0, 0, 0, 0] * 2]
    np.testing.assert_array_equal(env.observe("vmu_0"), none)


def test_the_state_holds_everything():
    env = played(history=1)
    act(env, 7.0, 6.0)
    shares, steps = [0, 0.75, 0.5, 1, 0.25, 0.5], [80, 100, 250, 40, 120, 0]
    hidden = [150, 260, 90, 1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(env.state(), [*hidden, 7, 6, 3, 5, *shares, *steps])


def test_a_provider_sees_its_capacity_and_what_was_asked_for_vmus_what_was_delivered():
    env = played(rounds=PLAYED[:1], capacity=[30.0, 1000.0], history=1)
    np.testing.assert_allclose(env.observe("asp_0"), [30, 9, 8, 35, 15, 10])
    np.testing.assert_allclose(env.observe("vmu_0")[-2:], [35, 130])
    np.testing.assert_array_equal(env.infos["asp_0"]["demand"], [35, 15, 10])
    assert env.infos["asp_0"]["sold"] == pytest.approx(30)
    np.testing.assert_allclose(env.infos["vmu_0"]["steps"], [35, 130])


def test_the_parallel_provider_sees_the_prices_in_force_first():
    env = competition_v0.parallel_env(history=1, K=1)
    seen, _ = env.reset(seed=0, options={"price": [9.0, 4.0]})
    np.testing.assert_array_equal(seen["asp_1"], [4, 9, 1, 1, 0])
    actions = {"asp_0": [11.0], "asp_1": [12.0], "vmu_0": [1.0, 1.0, 60.0, 20.0]}
    seen, *_ = env.step({agent: np.array(action, "f4") for agent, action in actions.items()})
    np.testing.assert_array_equal(seen["asp_1"], [12, 11, 4, 9, 10])
    np.testing.assert_array_equal(seen["vmu_0"][1:5], [0, 0, 11, 12])


def test_no_provider_sees_another_ones_price_of_the_round():
    env = competition_v0.env(M=3)
    env.reset(seed=0)
    for _ in range(3):
        seen, state = {agent: env.observe(agent) for agent in env.agents[:3]}, env.state()
        for m in range(3):
            for agent, before in seen.items():
                np.testing.assert_array_equal(env.observe(agent), before)
            np.testing.assert_array_equal(env.state(), state)
            env.step(np.array([5.0 + m], "f4"))
        np.testing.assert_array_equal(env.observe("vmu_0")[4:7], [5, 6, 7])
        for agent in env.agents[3:]:
            env.step(env.action_space(agent).sample())


@pytest.mark.parametrize(("M", "K", "n"), [(1, 4, 1), (2, 1, 5), (3, 4, 5)])
def test_shapes(M, K, n):
    arguments = {"M": M, "K": K, "history": n, "cost": np.linspace(1, 2, M)}
    aec, parallel = competition_v0.env(**arguments), competition_v0.parallel_env(**arguments)
    for m in range(M):
        assert aec.observation_space(f"asp_{m}").shape == (n * (M + K),)
        assert parallel.observation_space(f"asp_{m}").shape == (M + n * (M + K),)
        assert aec.action_space(f"asp_{m}") == Box(1, 20, (1,))
    for k in range(K):
        assert aec.observation_space(f"vmu_{k}") == parallel.observation_space(f"vmu_{k}")
        assert aec.observation_space(f"vmu_{k}").shape == (1 + 2 * M + 3 * M * n,)
        assert aec.action_space(f"vmu_{k}") == Box(0, np.repeat([1, 250], M).astype("f4"))
        assert aec.action_space(f"vmu_{k}") is not aec.action_space("vmu_0") or k == 0
    assert aec.state_space == parallel.state_space
    assert aec.state_space.shape == (K + M * K + M + n * (M + 2 * M * K),)


# Actions


def one_round(env, *actions):
    """What is told of it."""
    env.reset(seed=0)
    for action in actions:
        env.step(action)
    return env.infos


def test_shares_are_weights_over_their_sum_and_equal_where_all_are_zero():
    infos = one_round(competition_v0.env(), 8.0, 8.0, [0.2, 0.6, 10, 20], [0, 0, 10, 20])
    np.testing.assert_allclose(infos["vmu_0"]["shares"], [0.25, 0.75], rtol=1e-6)
    np.testing.assert_allclose(infos["vmu_1"]["shares"], [0.5, 0.5])


def test_an_outside_option_has_a_weight_behind_those_of_the_providers():
    env = competition_v0.env(outside=3.0, K=2)
    assert env.action_space("vmu_0").shape == (5,)
    infos = one_round(env, 8.0, 8.0, [0.5, 0, 0.5, 10, 20], [0, 0, 0, 10, 20])
    np.testing.assert_allclose(infos["vmu_0"]["shares"], [0.5, 0])
    np.testing.assert_allclose(infos["vmu_1"]["shares"], [1 / 3, 1 / 3])
    # .5 of the requests buy 10 steps, the others are worth 3, and there is a bit of entropy.
    worth = 200 * (-0.000174 * 100 + 0.75) - 80
    assert infos["vmu_0"]["utility"] == pytest.approx(0.5 * worth + 1.5 + 60 * np.log(2))


def test_each_price_is_held_within_its_providers_own_bounds():
    env = competition_v0.env(cost=[1.0, 3.0], max_price=[10.0, 20.0], K=1)
    for price, held in ((1.0, (1.0, 3.0)), (20.0, (10.0, 20.0))):
        infos = one_round(env, price, price, [1, 1, 0, 0])
        assert (infos["asp_0"]["price"], infos["asp_1"]["price"]) == held


def test_the_discrete_game():
    env = competition_v0.env(
        continuous_actions=False, price_grid=[[2, 3, 4], [5, 6, 7]], min_steps=1.5, max_steps=9
    )
    assert env.action_space("asp_1") == Discrete(3)
    assert env.action_space("vmu_0") == MultiDiscrete([11, 11, 8, 8])
    infos = one_round(env, 2, 1, *[[3, 1, 0, 7]] * 2)
    assert (infos["asp_0"]["price"], infos["asp_1"]["price"]) == (4.0, 6.0)
    np.testing.assert_allclose(infos["vmu_1"]["shares"], [0.75, 0.25])
    np.testing.assert_allclose(infos["vmu_1"]["steps"], [2, 9])
    usual = competition_v0.env(continuous_actions=False, cost=[1.0, 2.0])
    assert usual.action_space("asp_0") == Discrete(96)
    for index, ends in ((0, [1.0, 2.0]), (95, [20.0, 20.0])):
        infos = one_round(usual, index, index, *[[0] * 4] * 2)
        assert [infos[f"asp_{m}"]["price"] for m in range(2)] == ends


def test_calvanos_prices_are_those_of_nash_and_cartel():
    env = competition_v0.parallel_env(scenario="calvano", max_cycles=15)
    grid = price_grid(env.market)
    assert env.action_space("asp_0") == Discrete(15)
    assert grid[0, 0] == pytest.approx(1.472927 - 0.1 * (1.924981 - 1.472927), abs=1e-5)
    env.reset(seed=0)
    for i in range(15):
        infos = env.step({"asp_0": i, "asp_1": 14 - i})[-1]
        played = [infos[agent]["price"] for agent in env.possible_agents]
        np.testing.assert_array_equal(played, [np.float32(grid[0, i]), np.float32(grid[1, 14 - i])])


@pytest.mark.parametrize(
    ("action", "meant"),
    [
        ([1.5, -1, 300, -5], [1, 0, 250, 0]),
        (np.array([0.5, 0.5, 1e39, 0]), [0.5, 0.5, 250, 0]),  # beyond single precision
        (torch.tensor([1.0, 0.0, 30.0, 251.0]), [1, 0, 30, 250]),
        ([1e300, 1e300, 10, -1e300], [0.5, 0.5, 10, 0]),
        ([1, 1, 10, 251], [0.5, 0.5, 10, 250]),
    ],
)
def test_finite_actions_outside_are_clipped_with_a_warning(action, meant):
    env = competition_v0.env(K=1)
    env.reset(seed=0)
    for _ in range(2):
        env.step(np.array([8.0], "f4"))
    EnvLogger.flush()
    EnvLogger.suppress_output()
    env.step(action)
    EnvLogger.unsuppress_output()
    assert any("clipping to space" in message for message in EnvLogger.mqueue)
    info = env.infos["vmu_0"]
    np.testing.assert_allclose([*info["shares"], *info["steps"]], meant)


# Options

GOOD = {
    "satisfaction": [150.0, 90.0],
    "cost": [2.0, 3.0],
    "max_price": 12.0,
    "min_steps": 10.0,
    "max_steps": 130.0,
    "capacity": [70.0, 155.0],
    "access_cost": [[1.0, 2.0], [3.0, 4.0]],
    "temperature": 30.0,
}


@every_view
@pytest.mark.parametrize("normalize", [False, True])
def test_options_hold_for_one_episode_in_physical_units(view, normalize):
    env = view(normalize=normalize)
    for name, value in GOOD.items():
        usual = getattr(env.market, name)
        env.reset(seed=0, options={name: value})
        now = getattr(env.market, name)
        np.testing.assert_array_equal(now, np.broadcast_to(value, np.shape(now)))
        env.reset()
        np.testing.assert_array_equal(getattr(env.market, name), usual)


def test_options_narrow_what_actions_mean():
    env = competition_v0.env(K=1)
    options = {"max_price": [9.0, 20.0], "min_steps": 20.0, "max_steps": 60.0}
    env.reset(seed=0, options=options)
    act(env, 15.0, 15.0, [1, 0, 5, 100])
    assert [env.infos[f"asp_{m}"]["price"] for m in range(2)] == [9.0, 15.0]
    np.testing.assert_array_equal(env.infos["vmu_0"]["steps"], [20, 60])


def test_an_outside_option_cannot_come_or_go_where_vmus_have_weights():
    with pytest.raises(ValueError, match="reset option outside must be None"):
        competition_v0.env().reset(seed=0, options={"outside": 5.0})
    with pytest.raises(ValueError, match="reset option outside must be a number"):
        competition_v0.env(outside=0.0).reset(seed=0, options={"outside": None})
    for arguments in ({"outside": 0.0}, {"followers": "noisy"}):
        env = competition_v0.env(**arguments)
        env.reset(seed=0, options={"outside": 5.0})
        assert env.market.outside == 5.0


class Wall(Move):
    """A wall between everybody, higher than anybody can see."""

    sets_access_cost = True

    def advance(self, state, rng):
        state.access_cost = state.access_cost + 1000.0


def test_a_move_must_say_how_far_it_reaches():
    env = competition_v0.parallel_env(scenario=aigc_market.Scenario("wall", moves=[Wall()]))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="access_cost must stay within"):
        env.step({agent: env.action_space(agent).sample() for agent in env.agents})


def test_followers_of_ones_own_are_held_within_the_bounds_of_a_purchase():
    def eager(market, prices, rng):
        return np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[400.0, 1.0], [1.0, -3.0]])

    env = competition_v0.parallel_env(followers=eager, judged=False)
    env.reset(seed=0)
    infos = env.step({agent: np.array([8.0], "f4") for agent in env.agents})[-1]
    np.testing.assert_array_equal(infos["asp_0"]["demand"], [250, 0])
    np.testing.assert_array_equal(infos["asp_1"]["demand"], [0, 0])


@every_view
def test_live_models_are_refused(view):
    with pytest.raises(TypeError, match="ssim must be made of models that are not live"):
        view(ssim=Service([0, 100, 250], [0, 4, 7]))


def test_the_record_of_a_round_knows_where_vehicles_were():
    env = competition_v0.env(scenario="road")
    env.reset(seed=0)
    assert env.round_record() is None
    costs = env.market.access_cost
    for agent in env.possible_agents:
        env.step(env.action_space(agent).sample())
    record = env.round_record()
    way = abs(np.array(record.places) - [[0.25], [0.75]])
    np.testing.assert_allclose(300 * np.minimum(way, 1 - way), costs)
    assert record.prices == [env.infos[f"asp_{m}"]["price"] for m in range(2)]
    demand = [env.infos[f"asp_{m}"]["demand"].sum() for m in range(2)]
    np.testing.assert_allclose(np.sum(record.demand, axis=1), demand)
