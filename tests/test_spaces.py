"""Observations and actions mean what the environment's page says."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from views import act, pricing, pricing_lanes

import aigc_market
from aigc_market.scenarios import SCENARIOS

PLAYED = [(9.0, 70.0, 130.0), (11.0, 50.0, 60.0), (5.0, 240.0, 200.0)]


def played(rounds=PLAYED, **arguments):
    """The AEC game after these rounds of (price, purchases …)."""
    env = aigc_market.env(**{"satisfaction": [150.0, 260.0], "history": 2, **arguments})
    env.reset(seed=0)
    for each in rounds:
        act(env, *each)
    return env


def test_before_the_first_round_the_price_was_the_cost_and_nothing_was_sold():
    env = played(rounds=[], cost=1.5)
    np.testing.assert_array_equal(env.observe("asp_0"), [1.5, 0, 0, 1.5, 0, 0])
    np.testing.assert_array_equal(env.observe("vmu_0"), [150, 1.5, 1.5, 0, 1.5, 0])
    env = played(rounds=PLAYED[:1], cost=1.5)
    np.testing.assert_array_equal(env.observe("asp_0"), [1.5, 0, 0, *PLAYED[0]])


def test_what_is_seen_of_the_last_rounds_oldest_first():
    env = played()
    np.testing.assert_array_equal(env.observe("asp_0"), [*PLAYED[1], *PLAYED[2]])
    act(env, 7.0)
    np.testing.assert_array_equal(env.observe("vmu_0"), [150, 7, 11, 50, 5, 240])
    np.testing.assert_array_equal(env.state(), [150, 260, 7, *PLAYED[1], *PLAYED[2]])
    act(env, 123.0)  # of this round a follower does not see what the other bought
    np.testing.assert_array_equal(env.observe("vmu_1"), [260, 7, 11, 60, 5, 200])


def test_a_leader_sees_its_capacity_and_what_was_asked_for_followers_what_was_delivered():
    env = played(rounds=[(9.0, 70.0, 130.0)], capacity=100.0)
    np.testing.assert_array_equal(env.observe("asp_0"), [100, 1, 0, 0, 9, 70, 130])
    np.testing.assert_array_equal(env.observe("vmu_0")[2:], [1, 0, 9, 35])
    np.testing.assert_array_equal(env.observe("vmu_1")[2:], [1, 0, 9, 65])
    np.testing.assert_array_equal(env.state(), [150, 260, 100, 9, 1, 0, 0, 9, 70, 130])
    np.testing.assert_array_equal(env.infos["asp_0"]["demand"], [70, 130])
    assert env.infos["vmu_0"]["steps"] == 35.0


def test_a_capacity_of_each_game_stands_in_front():
    many = pricing_lanes(3, capacity=100.0, history=1, normalize=True)
    seen, _ = many.reset(options={"capacity": np.array([100.0, 250.0, 500.0])})
    np.testing.assert_allclose(seen[:, 0], [0.2, 0.5, 1.0])
    assert many.single_observation_space.shape == (4,)


def test_a_capacity_that_an_episode_sets_stays_within_the_spaces():
    env = aigc_market.env(capacity=100.0)
    env.reset(options={"capacity": 500.0})
    assert env.observe("asp_0")[0] == 500.0
    env.reset(options={"capacity": None})
    assert env.observe("asp_0")[0] == 500.0  # all that can be asked for
    with pytest.raises(ValueError, match=r"reset option capacity must stay within .* \[0, 500\]"):
        env.reset(options={"capacity": 501.0})


def test_the_parallel_leader_sees_the_price_in_force_first():
    env = aigc_market.parallel_env(history=2, satisfaction=[150.0, 260.0])
    env.reset(options={"price": 9.0})
    actions = {"asp_0": [11.0], "vmu_0": [70.0], "vmu_1": [130.0]}
    seen, *_ = env.step({agent: np.array(action, "f4") for agent, action in actions.items()})
    np.testing.assert_array_equal(seen["asp_0"], [11, 1, 0, 0, 9, 70, 130])
    np.testing.assert_array_equal(seen["vmu_1"], [260, 11, 1, 0, 9, 130])


@pytest.mark.parametrize("K", [1, 2, 7])
@pytest.mark.parametrize("n", [1, 5])
def test_shapes_and_bounds(K, n):
    aec = aigc_market.env(K=K, history=n)
    parallel = aigc_market.parallel_env(K=K, history=n)
    rounds = [20.0, *[250.0] * K] * n
    for space, high in (
        (aec.observation_space("asp_0"), rounds),
        (pricing(K=K, history=n).observation_space, rounds),
        (parallel.observation_space("asp_0"), [20.0, *rounds]),
        (aec.observation_space("vmu_0"), [400.0, 20.0, *[20.0, 250.0] * n]),
        (parallel.observation_space("vmu_0"), [400.0, 20.0, *[20.0, 250.0] * n]),
        (aec.state_space, [*[400.0] * K, 20.0, *rounds]),
    ):
        assert space == Box(np.zeros(len(high), "f4"), np.array(high, "f4"), dtype=np.float32)


def test_a_drawn_satisfaction_brings_its_bounds():
    space = aigc_market.env(satisfaction=aigc_market.Uniform(50, 300)).observation_space("vmu_0")
    assert (space.low[0], space.high[0]) == (50.0, 300.0)


def test_bounds_are_numbers_however_far_a_market_may_drift():
    drift = aigc_market.Drift(persistence=0.99999, step=0.1)
    env = aigc_market.env(scenario=aigc_market.Scenario("far", moves=[drift]))
    assert env.observation_space("vmu_0").is_bounded()
    assert env.state_space.is_bounded()


def test_continuous_actions_are_prices_and_steps():
    env = aigc_market.env(cost=1.5, max_price=18.0, min_steps=12, max_steps=240)
    assert env.action_space("asp_0") == Box(1.5, 18.0, (1,), np.float32)
    assert env.action_space("vmu_0") == Box(12.0, 240.0, (1,), np.float32)
    assert pricing(cost=1.5, max_price=18.0).action_space == env.action_space("asp_0")


def test_discrete_actions_are_a_grid_of_prices_and_whole_steps():
    env = played(
        rounds=[], continuous_actions=False, min_steps=10.5, max_steps=20.5, max_price=20.0
    )
    assert env.action_space("asp_0") == Discrete(96)
    assert env.action_space("vmu_0") == Discrete(10)  # 11 … 20
    for action in (95, 0, 9):
        env.step(action)
    assert env.infos["asp_0"]["price"] == 20.0
    np.testing.assert_array_equal(env.infos["asp_0"]["demand"], [11.0, 20.0])
    for action in (1, 3, np.int64(4)):
        env.step(action)
    assert env.infos["asp_0"]["price"] == pytest.approx(1.2)  # .2 apart in the paper's market
    np.testing.assert_array_equal(env.infos["asp_0"]["demand"], [14.0, 15.0])


@pytest.mark.parametrize("action", [9, 9.0, np.float64(9), [9.0], np.array([9.0]), np.array(9)])
def test_numbers_of_any_kind_are_actions(action):
    env = aigc_market.env()
    env.reset(seed=0)
    env.step(action)
    assert env.observe("vmu_0")[1] == 9.0


@pytest.mark.parametrize("view", [aigc_market.env, pricing])
def test_an_episode_with_narrower_bounds_holds_actions_within_them(view):
    env = view()
    env.reset(seed=0, options={"cost": 3.0, "max_price": 7.0, "min_steps": 50, "max_steps": 60})
    for price, held in ((2.0, 3.0), (5.0, 5.0), (15.0, 7.0)):
        if view is pricing:
            info = env.step(np.array([price], "f4"))[-1]
        else:
            act(env, price, 20.0, 200.0)
            info = env.infos["asp_0"]
            np.testing.assert_array_equal(info["demand"], [50.0, 60.0])
        assert info["price"] == held


def test_infos_after_a_round():
    env = played(rounds=[(9.0, 70.0, 130.0)])
    market, (first, second) = env.market, [(9 / d - 0.075) / -0.000348 for d in (150.0, 260.0)]
    leader = env.infos["asp_0"]
    assert (leader["round"], leader["price"], leader["utility"]) == (1, 9.0, 8.0 * 200)
    equilibrium = aigc_market.solve(market)
    assert leader["equilibrium_price"] == equilibrium.price
    assert leader["equilibrium_utility"] == equilibrium.asp_utility
    lost = equilibrium.asp_utility - 8.0 * (first + second)
    assert leader["regret"] == pytest.approx(lost, rel=1e-4)
    follower = env.infos["vmu_1"]
    assert follower["steps"] == 130.0
    assert follower["best_response"] == pytest.approx(second, rel=1e-6)
    gain = -0.000174 * 130**2 + 0.075 * 130
    assert follower["ssim"] == pytest.approx(gain + 4891.89)
    assert follower["surplus"] == pytest.approx(260 * gain - 9 * 130)
    assert env.rewards["vmu_1"] == follower["surplus"]
    assert env.rewards["asp_0"] == leader["utility"]


# VMUs that come and go, and what is drawn


def crowd(**arguments):
    """Two slots of which one is busy for sure, and everybody changes places every round."""
    traffic = aigc_market.Traffic(busy=0.5, arrival=1.0, departure=1.0)
    return aigc_market.Scenario(
        "changing",
        "best_response",
        {**SCENARIOS["crowd"].arguments, "K": 2, "history": 2, "max_cycles": 3, **arguments},
        [traffic],
    )


def seed_with_one_busy(scenario):
    for seed in range(50):
        env = aigc_market.env(scenario=scenario)
        env.reset(seed=seed)
        if env.market.active.tolist() == [True, False]:
            return seed
    raise AssertionError


def test_what_is_seen_of_a_crowd():
    scenario = crowd()
    seed = seed_with_one_busy(scenario)
    env = aigc_market.env(scenario=scenario)
    env.reset(seed=seed)
    delta = env.market.satisfaction.astype("f4")
    alpha, beta = (np.float32(x.item()) for x in env.market.ssim.parameters[:2])
    np.testing.assert_array_equal(env.observe("asp_0"), [1, 0, 0, 1, 0] * 2)
    act(env, 9.0)
    np.testing.assert_array_equal(env.observe("vmu_0"), [delta[0], alpha, beta, 1, 9, 1, 0, 1, 0])
    np.testing.assert_array_equal(env.observe("vmu_1"), [0, alpha, beta, 0, 9, 1, 0, 1, 0])
    np.testing.assert_array_equal(
        env.state(), [delta[0], 0, alpha, beta, 1, 0, 9, *[1, 0, 0, 1, 0] * 2]
    )
    first = env.market
    act(env, 70.0, 80.0)  # the second is ignored: nobody is there
    assert env.market is not first
    assert env.market.active.tolist() == [False, True]
    np.testing.assert_array_equal(env.observe("asp_0"), [1, 0, 0, 1, 0, 9, 70, 0, 0, 1])
    leader, gone, come = (env.infos[agent] for agent in env.possible_agents)
    np.testing.assert_array_equal(leader["demand"], [70, 0])
    np.testing.assert_array_equal(leader["active"], [False, True])
    assert leader["utility"] == env.rewards["asp_0"] == 8.0 * 70
    assert (gone["is_active"], come["is_active"]) == (False, True)
    assert (gone["steps"], come["steps"]) == (70.0, 0.0)
    assert (come["surplus"], come["best_response"], env.rewards["vmu_1"]) == (0.0, 0.0, 0.0)
    assert env.rewards["vmu_0"] == gone["surplus"] != 0
    newcomer = np.float32(env.market.satisfaction[1])
    assert newcomer != delta[1]
    np.testing.assert_array_equal(env.observe("vmu_1")[:4], [newcomer, alpha, beta, 1])
    assert env.observe("vmu_0")[0] == 0


@pytest.mark.parametrize("vmu_reward", ["surplus", "utility"])
@pytest.mark.parametrize("scale_rewards", [False, True])
def test_nobody_there_earns_nobody_anything(vmu_reward, scale_rewards):
    empty = aigc_market.Scenario("empty", moves=[aigc_market.Traffic(0.0, 0.0, 0.0)])
    env = aigc_market.env(scenario=empty, vmu_reward=vmu_reward, scale_rewards=scale_rewards)
    env.reset(seed=0)
    act(env, 9.0, 70.0, 80.0)
    assert set(env.rewards.values()) == {0.0}
    assert env.infos["asp_0"]["regret"] == env.infos["asp_0"]["equilibrium_utility"] == 0.0
    for scenario in (empty, crowd()):
        eager = {"followers": lambda *_: np.full((3, 2), 50.0), "scale_rewards": scale_rewards}
        lanes = pricing_lanes(3, scenario=scenario, **eager)
        lanes.reset(seed=0)
        active = lanes.market.active
        infos = lanes.step(np.full((3, 1), 9.0, "f4"))[-1]
        np.testing.assert_array_equal(infos["demand"] > 0, active)
        assert np.isfinite(infos["regret"]).all()


def test_the_mask_is_of_the_next_price_in_every_view():
    """The first rows carry the first mask; the last round's market stays to the end."""
    lanes = pricing_lanes(6, scenario="crowd", history=2, max_cycles=3, autoreset_mode="SameStep")
    seen, infos = lanes.reset(seed=1)
    assert infos == {}
    for t in range(3):
        rows = seen.reshape(6, 2, 21)
        np.testing.assert_array_equal(rows[:, -1, 11:], lanes.market.active)
        if t == 0:
            np.testing.assert_array_equal(rows[:, 0, 11:], lanes.market.active)
        seen, *_, infos = lanes.step(np.full((6, 1), 9.0, "f4"))
        of_round = infos.get("final_info", infos)
        last = infos.get("final_obs", seen).reshape(6, 2, 21)
        np.testing.assert_array_equal(last[:, -1, 11:], of_round["active"])


def test_spaces_of_a_crowd():
    env = aigc_market.env(scenario="crowd", K=2, history=1)
    alpha, beta = (-4e-4, -1.2e-4), (0.05, 0.12)
    low, high = np.array([(0, 400), alpha, beta, (0, 1), (0, 20), (0, 20), (0, 250)], "f4").T
    assert env.observation_space("vmu_1") == Box(low, high)
    high = [20, 250, 250, 1, 1]
    assert env.observation_space("asp_0") == Box(0, np.array(high, "f4"))
    of_market = [(0, 400)] * 2 + [alpha, beta] + [(0, 1)] * 2
    low, high = np.array([*of_market, (0, 20), *((0, bound) for bound in high)], "f4").T
    assert env.state_space == Box(low, high)


def test_the_leader_sees_a_capacity_that_is_drawn_and_vmus_do_not():
    env = aigc_market.env(scenario="capacity", history=1)
    env.reset(seed=0)
    market = env.market
    alpha, beta = (x.item() for x in market.ssim.parameters[:2])
    expected = [*market.satisfaction, alpha, beta, market.capacity, 1, 1, 0, 0]
    np.testing.assert_allclose(env.state(), expected, rtol=1e-6)
    np.testing.assert_allclose(env.observe("asp_0"), [market.capacity, 1, 0, 0], rtol=1e-6)
    assert env.observation_space("vmu_0").shape == (6,)


# The first price of the parallel game


UNITS = [{}, {"normalize": True}, {"continuous_actions": False}]


@pytest.mark.parametrize("units", UNITS, ids=str)
def test_the_first_price_is_money_whatever_the_units_of_actions(units):
    env = aigc_market.parallel_env(**units)
    for price in (8.0, 8, np.float32(8), [8.0], np.array([8.0], "f4")):
        env.reset(seed=0, options={"price": price})
        actions = {agent: env.action_space(agent).sample() for agent in env.agents}
        assert env.step(actions)[-1]["asp_0"]["price"] == 8.0
    narrow = {"cost": 2.0, "max_price": 9.0}
    for price, options, allowed in ((20.01, {}, r"\[1, 20\]"), (10.0, narrow, r"\[2, 9\]")):
        with pytest.raises(ValueError, match=f"price must be one number within {allowed}"):
            env.reset(seed=0, options={"price": price, **options})
