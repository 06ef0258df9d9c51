"""All views play the same game in every scenario, and show what they say they show."""

import copy
import pickle

import allowed
import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test
from pettingzoo.test.state_test import state_test
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import aigc_market
from aigc_market import vmus
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.scenarios import SCENARIOS

ROUNDS = 12
PRESETS = ["hidden", "drift", "shift", "crowd", "capacity"]
BUSY = aigc_market.Traffic(busy=0.5, arrival=0.2, departure=0.3)
EVERYTHING = aigc_market.Scenario(
    "everything",
    "noisy",
    {**SCENARIOS["capacity"].arguments, "K": 4},
    [aigc_market.Drift(), aigc_market.Shift(0.2), BUSY],
)
MARKETS = {
    **{name: {"scenario": name} for name in PRESETS},
    "everything": {"scenario": EVERYTHING},
    "everything, normalised": {"scenario": EVERYTHING, "normalize": True, "scale_rewards": True},
    "busy crowd": {"scenario": aigc_market.Scenario("busy", "noisy", {"K": 3}, [BUSY])},
    "drift of a known market": {
        "scenario": aigc_market.Scenario("known", moves=[aigc_market.Drift()]),
        "satisfaction": [150.0, 250.0],
    },
}
every_market = pytest.mark.parametrize("arguments", MARKETS.values(), ids=MARKETS)
pytestmark = [
    *allowed.different_agents,
    *allowed.physical_units,
    allowed.unknown_option,
]


def prices(env, count):
    """Actions of the leader."""
    space = env.action_space("asp_0") if hasattr(env, "possible_agents") else env.action_space
    space.seed(5)
    return [space.sample() for _ in range(count)]


def meant(env, action):
    """The number that an action of the leader means."""
    return env._prices.read(action)


def answers(env, policy, price):
    """Actions with which the VMUs buy what the policy says."""
    bought = np.asarray(policy(env.market, price, env._rng), "f4")
    market = env.market
    # What an inactive VMU does is ignored, but it has to do something that it may.
    bought = np.maximum(bought, np.float32(market.min_steps))
    if env.settings.normalize:
        return [np.array([2 * s / 250.0 - 1], "f4") for s in bought.astype(float)]
    return [np.array([s], "f4") for s in bought]


def aec_round(env, policy, action):
    env.step(action)
    for answer in answers(env, policy, meant(env, action)):
        env.step(answer)


def same(ours, theirs, exact):
    """Equal; where actions are shares of [-1, 1], purchases pass through another rounding."""
    if exact:
        np.testing.assert_array_equal(ours, theirs)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def of_lane(infos, lane):
    return {key: infos[key][lane] for key in infos if not key.startswith("_")}


def same_info(ours, theirs, exact=True):
    assert set(ours) == set(theirs)
    for name in theirs:
        if exact:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
        else:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-2)


@every_market
@pytest.mark.parametrize("followers", ["noisy", "best_response", "random"])
def test_the_single_environment_is_the_aec_game(arguments, followers):
    arguments = {"max_cycles": ROUNDS, **arguments}
    exact, policy = not arguments.get("normalize"), vmus.resolve(followers)
    aec, single = aigc_market.env(**arguments), PricingEnv(vmus=followers, **arguments)
    for seed in (3, None):
        aec.reset(seed=seed)
        seen, _ = single.reset(seed=seed)
        for action in prices(single, ROUNDS):
            same(aec.observe("asp_0"), seen, exact)
            same_market(aec.market, single.market)
            aec_round(aec, policy, action)
            seen, reward, _, truncated, info = single.step(action)
            same_info(aec.infos["asp_0"], info, exact)
            same(aec.rewards["asp_0"], reward, exact)
        same(aec.observe("asp_0"), seen, exact)
        assert truncated
        assert aec.truncations["asp_0"]


def same_market(ours, theirs, lane=None):
    for name in ("satisfaction", "active", "capacity"):
        a, b = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_array_equal(a, b[lane] if lane is not None and np.ndim(b) else b)
    for a, b in zip(ours.ssim.parameters, theirs.ssim.parameters, strict=True):
        np.testing.assert_array_equal(a, b[lane] if lane is not None and np.ndim(b) else b)


@every_market
@pytest.mark.parametrize("followers", [None, "quantal", "myopic_discount"])
def test_one_lane_is_the_single_environment_across_autoresets(arguments, followers):
    arguments = {"max_cycles": ROUNDS, "vmus": followers, **arguments}
    lane, single = (
        PricingVectorEnv(num_envs=1, autoreset_mode="SameStep", **arguments),
        PricingEnv(**arguments),
    )
    lane.reset(seed=9)
    single.reset(seed=9)
    for t, action in enumerate(prices(single, 2 * ROUNDS + 3)):
        seen, rewards, _, truncations, infos = lane.step(action[None])
        alone, reward, _, truncated, info = single.step(action)
        assert (rewards[0], truncations[0]) == (reward, truncated)
        assert truncated == (t % ROUNDS == ROUNDS - 1)
        if truncated:
            np.testing.assert_array_equal(infos["final_obs"][0], alone)
            infos = infos["final_info"]
            alone, _ = single.reset()
        same_info(of_lane(infos, 0), info)
        np.testing.assert_array_equal(seen[0], alone)
        same_market(single.market, lane.market, 0)


@every_market
def test_the_parallel_game_is_the_aec_game_one_price_ahead(arguments):
    arguments = {"max_cycles": ROUNDS, **arguments}
    policy = vmus.resolve("noisy")
    aec, parallel = aigc_market.env(**arguments), aigc_market.parallel_env(**arguments)
    followers, actions = aec.possible_agents[1:], prices(aec, ROUNDS + 1)
    aec.reset(seed=4)
    seen, _ = parallel.reset(seed=4, options={"price": meant(aec, actions[0])})
    for t in range(ROUNDS):
        before = aec.observe("asp_0")
        aec.step(actions[t])
        in_force = np.insert(before, int(aec.settings.rationed), aec._episode._history.price)
        np.testing.assert_array_equal(seen["asp_0"], in_force)
        for vmu in followers:
            np.testing.assert_array_equal(seen[vmu], aec.observe(vmu))
        np.testing.assert_array_equal(parallel.state(), aec.state())
        bought = answers(aec, policy, meant(aec, actions[t]))
        for answer in bought:
            aec.step(answer)
        moves = {"asp_0": actions[t + 1], **dict(zip(followers, bought, strict=True))}
        seen, rewards, _, truncations, infos = parallel.step(moves)
        assert (rewards, truncations) == (aec.rewards, aec.truncations)
        for agent in aec.possible_agents:
            same_info(infos[agent], aec.infos[agent])


@every_market
def test_regret_is_that_of_the_verifier_in_the_round_played(arguments):
    env = PricingEnv(max_cycles=ROUNDS, **{**arguments, "scale_rewards": False})
    env.reset(seed=2)
    for action in prices(env, ROUNDS):
        market = env.market
        info = env.step(action)[-1]
        demand = aigc_market.best_response(market, info["price"])
        gap = aigc_market.regret(market, info["price"], demand)
        assert info["regret"] == pytest.approx(gap.leader, rel=1e-4, abs=2e-3)
        assert info["equilibrium_utility"] == aigc_market.solve(market).asp_utility


@every_market
@pytest.mark.parametrize("view", ["aec", "parallel"])
def test_whatever_happens_observations_lie_in_their_space(arguments, view):
    make = aigc_market.env if view == "aec" else aigc_market.parallel_env
    env = make(max_cycles=40, **arguments)
    for seed in range(3):
        env.reset(seed=seed)
        for agent in env.possible_agents:
            env.action_space(agent).seed(seed)
        while env.agents and not (view == "aec" and env.truncations["asp_0"]):
            actions = {agent: env.action_space(agent).sample() for agent in env.agents}
            seen = env.step(actions)[0] if view == "parallel" else step_all(env, actions)
            for agent, observation in seen.items():
                assert env.observation_space(agent).contains(observation)
            assert env.state_space.contains(env.state())


def step_all(env, actions):
    for action in actions.values():
        env.step(action)
    return {agent: env.observe(agent) for agent in env.possible_agents}


@pytest.mark.parametrize("scenario", ["drift", "crowd", "capacity"])
def test_normalised_observations_lie_between_0_and_1(scenario):
    env = aigc_market.env(scenario=scenario, normalize=True)
    for space in (*env.observation_spaces.values(), env.state_space):
        assert space.low.min() >= 0
        assert space.high.max() == pytest.approx(1)


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
    env.step(np.array([9.0], "f4"))
    np.testing.assert_array_equal(env.observe("vmu_0"), [delta[0], alpha, beta, 1, 9, 1, 0, 1, 0])
    np.testing.assert_array_equal(env.observe("vmu_1"), [0, alpha, beta, 0, 9, 1, 0, 1, 0])
    np.testing.assert_array_equal(
        env.state(), [delta[0], 0, alpha, beta, 1, 0, 9, *[1, 0, 0, 1, 0] * 2]
    )
    first = env.market
    env.step(np.array([70.0], "f4"))
    env.step(np.array([80.0], "f4"))  # ignored: nobody is there
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
    scenario = crowd()
    empty = aigc_market.Scenario("empty", moves=[aigc_market.Traffic(0.0, 0.0, 0.0)])
    env = aigc_market.env(scenario=empty, vmu_reward=vmu_reward, scale_rewards=scale_rewards)
    env.reset(seed=0)
    for action in (9.0, 70.0, 80.0):
        env.step(np.array([action], "f4"))
    assert set(env.rewards.values()) == {0.0}
    assert env.infos["asp_0"]["regret"] == env.infos["asp_0"]["equilibrium_utility"] == 0.0
    for lanes in (PricingVectorEnv(3, scenario=empty, scale_rewards=scale_rewards), None):
        if lanes is None:
            lanes = PricingVectorEnv(3, scenario=scenario, vmus=lambda *_: np.full((3, 2), 50.0))
        lanes.reset(seed=0)
        active = lanes.market.active
        infos = lanes.step(np.full((3, 1), 9.0, "f4"))[-1]
        np.testing.assert_array_equal(infos["demand"] > 0, active)
        assert np.isfinite(infos["regret"]).all()


def test_the_mask_is_of_the_next_price_in_every_view():
    """The first rows carry the first mask; the last round's market stays to the end."""
    lanes = PricingVectorEnv(
        num_envs=6, scenario="crowd", history=2, max_cycles=3, autoreset_mode="SameStep"
    )
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


@every_market
def test_pettingzoos_and_gymnasiums_checkers(arguments, capsys):
    arguments = {"max_cycles": 6, **arguments}
    api_test(aigc_market.env(**arguments), num_cycles=20)
    parallel_api_test(aigc_market.parallel_env(**arguments), num_cycles=20)
    assert "Passed Parallel API test" in capsys.readouterr().out
    seed_test(lambda: aigc_market.env(**arguments), num_cycles=10)
    parallel_seed_test(lambda: aigc_market.parallel_env(**arguments), num_cycles=10)
    state_test(aigc_market.env(**arguments), aigc_market.parallel_env(**arguments), 6)
    check_env(gymnasium.make("aigc_market/Pricing-v0", **arguments).unwrapped)
    sb3_check_env(PricingEnv(**arguments))


VIEWS = {
    "aec": aigc_market.env,
    "parallel": aigc_market.parallel_env,
    "single": PricingEnv,
    "vector": lambda **arguments: PricingVectorEnv(num_envs=3, **arguments),
}
COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda env: pickle.loads(pickle.dumps(env))}


def record(view, env, rounds):
    """All that is seen in some rounds, as bytes."""
    seen = []
    for _ in range(rounds):
        if view == "aec":
            step_all(env, {agent: env.action_space(agent).low for agent in env.agents})
            seen += [env.state(), *env.rewards.values(), *flat(env.infos["asp_0"])]
        elif view == "parallel":
            _, rewards, *_, infos = env.step(
                {agent: env.action_space(agent).low for agent in env.agents}
            )
            seen += [env.state(), *rewards.values(), *flat(infos["vmu_0"])]
        else:
            observation, reward, *_, infos = env.step(env.action_space.low)
            seen += [observation, reward, *flat(infos)]
    return [np.asarray(each).tobytes() for each in seen]


def flat(infos):
    return list(infos.values())


@every_market
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_copies_play_on_alike_and_on_their_own(arguments, view, copied):
    env = VIEWS[view](max_cycles=ROUNDS, **arguments)
    env.reset(seed=8)
    record(view, env, 3)
    twin, branch = copied(env), copied(env)
    record(view, branch, 4)  # must leave the others alone
    assert record(view, twin, 6) == record(view, env, 6)


@every_market
@pytest.mark.parametrize("view", VIEWS)
def test_equal_seeds_are_equal_episodes_and_others_are_not(arguments, view):
    records = []
    for seed in (1, 1, 2):
        env = VIEWS[view](max_cycles=ROUNDS, **arguments)
        env.reset(seed=seed)
        records.append(record(view, env, ROUNDS - 1))
    assert records[0] == records[1] != records[2]


def test_prices_do_not_disturb_the_draws():
    """Common random numbers: methods with the same seed meet the same markets and noise."""
    for scenario in (*PRESETS, EVERYTHING):
        cheap, dear = (PricingVectorEnv(num_envs=4, scenario=scenario) for _ in range(2))
        for env in (cheap, dear):
            env.reset(seed=6)
        for _ in range(20):
            cheap.step(np.full((4, 1), 2.0, "f4"))
            dear.step(np.full((4, 1), 19.0, "f4"))
        same_market(cheap.market, dear.market)
        a, b = (env.step(np.full((4, 1), 9.0, "f4"))[-1]["demand"] for env in (cheap, dear))
        np.testing.assert_array_equal(a, b)
