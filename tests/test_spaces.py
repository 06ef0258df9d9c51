"""Observations and actions mean what the environment's page says."""

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

import aigc_market
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv

PLAYED = [(9.0, 70.0, 130.0), (11.0, 50.0, 60.0), (5.0, 240.0, 200.0)]


def played(rounds=PLAYED, **arguments):
    """The AEC game after these rounds of (price, purchases …)."""
    env = aigc_market.env(**{"satisfaction": [150.0, 260.0], "history": 2, **arguments})
    env.reset(seed=0)
    for each in rounds:
        for action in each:
            env.step(np.array([action], "f4"))
    return env


def test_the_leader_sees_the_last_rounds_oldest_first():
    env = played()
    np.testing.assert_array_equal(env.observe("asp_0"), [*PLAYED[1], *PLAYED[2]])


def test_before_the_first_round_the_price_was_the_cost_and_nothing_was_sold():
    env = played(rounds=[], cost=1.5)
    np.testing.assert_array_equal(env.observe("asp_0"), [1.5, 0, 0, 1.5, 0, 0])
    np.testing.assert_array_equal(env.observe("vmu_0"), [150, 1.5, 1.5, 0, 1.5, 0])


def test_a_history_that_is_not_yet_full():
    env = played(rounds=PLAYED[:1], cost=1.5)
    np.testing.assert_array_equal(env.observe("asp_0"), [1.5, 0, 0, *PLAYED[0]])


def test_a_follower_sees_its_satisfaction_the_price_and_its_own_rounds():
    env = played()
    env.step(np.array([7.0], "f4"))
    np.testing.assert_array_equal(env.observe("vmu_0"), [150, 7, 11, 50, 5, 240])
    np.testing.assert_array_equal(env.observe("vmu_1"), [260, 7, 11, 60, 5, 200])


def test_a_follower_does_not_see_the_other_purchases_of_the_round():
    env = played()
    env.step(np.array([7.0], "f4"))
    before = env.observe("vmu_1")
    env.step(np.array([123.0], "f4"))
    np.testing.assert_array_equal(env.observe("vmu_1"), before)


def test_the_state_holds_everything():
    env = played()
    env.step(np.array([7.0], "f4"))
    np.testing.assert_array_equal(env.state(), [150, 260, 7, *PLAYED[1], *PLAYED[2]])


def test_a_leader_sees_its_capacity_and_what_was_asked_for_followers_what_was_delivered():
    env = played(rounds=[(9.0, 70.0, 130.0)], capacity=100.0)
    np.testing.assert_array_equal(env.observe("asp_0"), [100, 1, 0, 0, 9, 70, 130])
    np.testing.assert_array_equal(env.observe("vmu_0")[2:], [1, 0, 9, 35])
    np.testing.assert_array_equal(env.observe("vmu_1")[2:], [1, 0, 9, 65])
    np.testing.assert_array_equal(env.state(), [150, 260, 100, 9, 1, 0, 0, 9, 70, 130])
    np.testing.assert_array_equal(env.infos["asp_0"]["demand"], [70, 130])
    assert env.infos["vmu_0"]["steps"] == 35.0


def test_every_view_of_a_leader_has_the_capacity_in_front():
    scarce: Any = {"capacity": 100.0, "history": 1, "max_cycles": 3}
    parallel = aigc_market.parallel_env(**scarce)
    seen, _ = parallel.reset(options={"price": 9.0})
    np.testing.assert_array_equal(seen["asp_0"], [100, 9, 1, 0, 0])
    single = PricingEnv(**scarce)
    np.testing.assert_array_equal(single.reset()[0], [100, 1, 0, 0])
    seen, _, _, _, info = single.step(np.array([9.0], "f4"))
    assert info["demand"].sum() > 100.0
    np.testing.assert_allclose(seen, [100, 9, *info["demand"]])
    many = PricingVectorEnv(3, **scarce, normalize=True)
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
        (PricingEnv(K=K, history=n).observation_space, rounds),
        (parallel.observation_space("asp_0"), [20.0, *rounds]),
        (aec.observation_space("vmu_0"), [400.0, 20.0, *[20.0, 250.0] * n]),
        (parallel.observation_space("vmu_0"), [400.0, 20.0, *[20.0, 250.0] * n]),
        (aec.state_space, [*[400.0] * K, 20.0, *rounds]),
    ):
        assert space == Box(np.zeros(len(high), "f4"), np.array(high, "f4"), dtype=np.float32)


def test_a_drawn_satisfaction_brings_its_bounds():
    space = aigc_market.env(satisfaction=aigc_market.Uniform(50, 300)).observation_space("vmu_0")
    assert (space.low[0], space.high[0]) == (50.0, 300.0)


def test_normalised_observations_lie_between_0_and_1():
    env = played(normalize=True, history=1, rounds=[(-1.0, -1.0, 1.0)])
    assert env.observation_space("asp_0") == Box(0, 1, (3,), np.float32)
    assert env.observation_space("vmu_0") == Box(0, 1, (4,), np.float32)
    np.testing.assert_allclose(env.observe("asp_0"), [1 / 20, 0, 1])
    np.testing.assert_allclose(env.observe("vmu_1"), [260 / 520, 1 / 20, 1 / 20, 1])


def observations(env, rounds):
    """All that agents of either multi-agent game see, in rounds of extreme and of any actions."""
    env.reset(seed=0)
    for agent in env.possible_agents:
        env.action_space(agent).seed(1)
    for turn in range(rounds):
        actions = {agent: env.action_space(agent).sample() for agent in env.agents}
        if turn % 2 and isinstance(env.action_space("asp_0"), Box):
            actions = {agent: env.action_space(agent).high for agent in env.agents}
        if isinstance(env, aigc_market.parallel_env):
            yield from env.step(actions)[0].items()
        else:
            for action in actions.values():
                yield from ((agent, env.observe(agent)) for agent in env.agents)
                env.step(action)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("capacity", [None, 33.3])
@pytest.mark.parametrize("view", [aigc_market.env, aigc_market.parallel_env])
def test_whatever_is_played_observations_lie_in_their_space(view, normalize, continuous, capacity):
    env = view(
        normalize=normalize,
        continuous_actions=continuous,
        capacity=capacity,
        cost=0.7,
        max_price=19.9,
        min_steps=10.1,
        max_steps=77.7,
        satisfaction=aigc_market.LogUniform(33.3, 777.7),
    )
    for agent, seen in observations(env, rounds=16):
        assert env.observation_space(agent).contains(seen)
        assert env.state_space.contains(env.state())


def test_continuous_actions_are_prices_and_steps():
    env = aigc_market.env(cost=1.5, max_price=18.0, min_steps=12, max_steps=240)
    assert env.action_space("asp_0") == Box(1.5, 18.0, (1,), np.float32)
    assert env.action_space("vmu_0") == Box(12.0, 240.0, (1,), np.float32)
    assert PricingEnv(cost=1.5, max_price=18.0).action_space == env.action_space("asp_0")


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


def test_normalised_actions_span_the_bounds():
    env = played(rounds=[], normalize=True)
    assert env.action_space("asp_0") == env.action_space("vmu_0") == Box(-1, 1, (1,), np.float32)
    for action in (0.0, -1.0, 0.5):
        env.step(np.array([action], "f4"))
    assert env.infos["asp_0"]["price"] == 10.5
    np.testing.assert_array_equal(env.infos["asp_0"]["demand"], [0.0, 187.5])


@pytest.mark.parametrize("action", [9, 9.0, np.float64(9), [9.0], np.array([9.0]), np.array(9)])
def test_numbers_of_any_kind_are_actions(action):
    env = aigc_market.env()
    env.reset(seed=0)
    env.step(action)
    assert env.observe("vmu_0")[1] == 9.0


@pytest.mark.parametrize("view", [aigc_market.env, PricingEnv])
def test_an_episode_with_narrower_bounds_holds_actions_within_them(view):
    env = view()
    env.reset(seed=0, options={"cost": 3.0, "max_price": 7.0, "min_steps": 50, "max_steps": 60})
    for price, held in ((2.0, 3.0), (5.0, 5.0), (15.0, 7.0)):
        if view is PricingEnv:
            info = env.step(np.array([price], "f4"))[-1]
        else:
            for action in (price, 20.0, 200.0):
                env.step(np.array([action], "f4"))
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
