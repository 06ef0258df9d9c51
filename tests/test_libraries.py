"""What other libraries rely on (DESIGN.md §2), a test for each point."""

import importlib.metadata

import numpy as np
import pytest
import supersuit
from packaging.requirements import Requirement
from views import pricing, pricing_lanes, rival

import aigc_market
from aigc_market import competition_v0, menus_v0

MULTI_AGENT = [aigc_market.env, aigc_market.parallel_env]
BY_CONTRACT = [menus_v0.env, menus_v0.parallel_env]
multi_agent = pytest.mark.parametrize("view", MULTI_AGENT + BY_CONTRACT, ids=range(4))

ASP_INFOS = {"round", "price", "demand", "utility"}
ASP_INFOS |= {"equilibrium_price", "equilibrium_utility", "regret"}
VMU_INFOS = {"steps", "ssim", "surplus", "best_response"}


def play_round(env):
    """One round of the AEC game."""
    for _ in range(len(env.possible_agents)):
        env.step(env.action_space(env.agent_selection).sample())


def sample(env):
    return {agent: env.action_space(agent).sample() for agent in env.agents}


@pytest.mark.parametrize("view", [*MULTI_AGENT, *BY_CONTRACT, competition_v0.env, pricing, rival])
def test_render_modes_are_kept_and_listed(view):
    for render_mode in (None, "ansi", "human"):
        env = view(render_mode=render_mode)
        assert env.unwrapped.render_mode == render_mode
        assert render_mode is None or render_mode in env.metadata["render_modes"]
    assert pricing_lanes(2).unwrapped.render_mode is None


def test_infos_are_plain_dicts_of_numbers_and_one_key_has_one_shape():
    """Tianshou keeps all agents' infos in one buffer."""
    turns, at_once, alone = aigc_market.env(), aigc_market.parallel_env(), pricing()
    for env in (turns, at_once, alone):
        env.reset(seed=0)
    play_round(turns)
    infos = at_once.step(sample(at_once))[-1]
    info = alone.step(alone.action_space.sample())[-1]
    shapes = {}
    for told in (turns.infos, infos, {"asp_0": info}):
        for agent, of_agent in told.items():
            assert type(of_agent) is dict
            assert set(of_agent) == (ASP_INFOS if agent == "asp_0" else VMU_INFOS)
            for key, value in of_agent.items():
                assert isinstance(value, (int, float, np.ndarray))
                assert not isinstance(value, bool)
                assert shapes.setdefault(key, np.shape(value)) == np.shape(value)


def test_infos_can_be_written_to_and_are_kept_between_rounds():
    env = aigc_market.env()
    env.reset(seed=0)
    play_round(env)
    before = dict(env.infos)
    env.infos["asp_0"]["mine"] = 1.0
    assert env.last()[-1] is env.infos["asp_0"]
    env.step(env.action_space("asp_0").sample())
    assert all(env.infos[agent] is before[agent] for agent in env.agents)
    for _ in range(2):
        env.step(env.action_space("vmu_0").sample())
    assert "mine" not in env.infos["asp_0"]


@multi_agent
@pytest.mark.parametrize(
    "satisfaction", [[50.0, 400.0], aigc_market.Uniform(50, 400), lambda rng: rng.uniform(1, 9, 2)]
)
@pytest.mark.parametrize("continuous", [True, False])
def test_all_vmus_have_identical_spaces_and_always_the_same(view, satisfaction, continuous):
    if callable(satisfaction) and view in BY_CONTRACT:  # which need bounds
        satisfaction = aigc_market.Drawn(1, 9, satisfaction)
    env = view(satisfaction=satisfaction, continuous_actions=continuous)
    spaces = [(env.observation_space(vmu), env.action_space(vmu)) for vmu in ("vmu_0", "vmu_1")]
    assert spaces[0] == spaces[1]
    env.reset(seed=0)
    for vmu, (observed, acted) in zip(("vmu_0", "vmu_1"), spaces, strict=True):
        assert env.observation_space(vmu) is observed
        assert env.action_space(vmu) is acted
        assert np.isfinite([observed.low, observed.high]).all()


@multi_agent
def test_vmus_sample_their_actions_independently(view):
    env = view()
    for vmu in ("vmu_0", "vmu_1"):
        env.action_space(vmu).seed(0)
    assert env.action_space("vmu_0") is not env.action_space("vmu_1")
    assert env.action_space("vmu_0").sample() == env.action_space("vmu_1").sample()


@pytest.mark.parametrize("game", [aigc_market.env, competition_v0.env])
def test_rewards_are_zero_on_every_turn_but_the_rounds_last(game):
    env = game(max_cycles=3)
    env.reset(seed=0)
    agents = len(env.possible_agents)
    for turn in range(3 * agents):
        env.step(env.action_space(env.agent_selection).sample())
        paid = [reward != 0 for reward in env.rewards.values()]
        assert paid == [turn % agents == agents - 1] * agents
    while env.agents:  # dead agents leave without being paid again
        env.step(None)
        assert not any(env.rewards.values())


def test_each_reward_is_counted_once_by_last():
    """Wrappers of PettingZoo and SuperSuit read the attribute."""
    env = aigc_market.env(max_cycles=3)
    env.reset(seed=0)
    sums = dict.fromkeys(env.possible_agents, 0.0)
    paid = dict.fromkeys(env.possible_agents, 0.0)
    for agent in env.agent_iter():
        _, reward, _, truncated, _ = env.last()
        sums[agent] += reward
        assert env._cumulative_rewards[agent] == reward
        env.step(None if truncated else env.action_space(agent).sample())
        if agent != env.possible_agents[-1]:  # who ends the round is paid at once
            assert env._cumulative_rewards.get(agent, 0) == 0
        for other, reward in env.rewards.items():
            paid[other] += reward
    assert sums == pytest.approx(paid)
    assert all(paid.values())


AEC_WRAPPERS = {
    "frame_stack": lambda env: supersuit.frame_stack_v1(env, 3),
    "clip_reward": supersuit.clip_reward_v0,
    "dtype": lambda env: supersuit.dtype_v0(env, np.float32),
    "normalize_obs": supersuit.normalize_obs_v0,
    "pad_observations": supersuit.pad_observations_v0,
    "agent_indicator": lambda env: supersuit.agent_indicator_v0(supersuit.pad_observations_v0(env)),
    "pad_action_space": supersuit.pad_action_space_v0,
    "reward_lambda": lambda env: supersuit.reward_lambda_v0(env, lambda reward: reward / 1000),
    "nan_zeros": supersuit.nan_zeros_v0,
}


@pytest.mark.parametrize("game", [aigc_market.env, competition_v0.env, menus_v0.env])
@pytest.mark.parametrize("name", AEC_WRAPPERS)
def test_supersuits_wrappers_play_the_games_by_turns(name, game):
    if name == "pad_action_space" and game is menus_v0.env:
        pytest.skip("a menu is numbers, and a choice an index")
    env = AEC_WRAPPERS[name](game(max_cycles=3, normalize=True))
    env.reset(seed=0)
    agents, turns = len(env.possible_agents), 0
    for agent in env.agent_iter():
        observation, _, _, truncated, _ = env.last()
        assert env.observation_space(agent).contains(observation.astype("f4"))
        env.step(None if truncated else env.action_space(agent).sample())
        turns += 1
    assert turns == agents * (3 + 1)


ALONE = {"normalize": True, "followers": "best_response", "M": 3}
PREPARED = {
    "providers alone": (lambda: competition_v0.parallel_env(max_cycles=5, **ALONE), 25),
    "discrete": (
        lambda: competition_v0.parallel_env(max_cycles=5, continuous_actions=False, **ALONE),
        25,
    ),
    "one provider": (
        lambda: supersuit.pad_observations_v0(
            aigc_market.parallel_env(max_cycles=5, normalize=True)
        ),
        16,
    ),
}
"""Spaces of providers alone are equal, so that nothing is padded; by how much a row holds."""


@pytest.mark.parametrize("base_class", ["gymnasium", "stable_baselines3"])
@pytest.mark.parametrize("name", PREPARED)
def test_supersuits_vector_environment_plays_the_parallel_games(name, base_class):
    make, width = PREPARED[name]
    vector = supersuit.pettingzoo_env_to_vec_env_v1(make())
    vector = supersuit.concat_vec_envs_v1(vector, 2, num_cpus=1, base_class=base_class)
    vector.action_space.seed(0)  # at some prices nobody sells anything
    first = vector.reset()
    assert (first if base_class == "stable_baselines3" else first[0]).shape == (6, width)
    ends = 0
    for _ in range(12):
        actions = np.stack([vector.action_space.sample() for _ in range(6)])
        observations, rewards, *_, over, infos = vector.step(actions)
        assert observations.shape == (6, width)
        assert rewards.any()
        ends += over.all()
    assert ends == 2
    assert len(infos) == 6


def test_parallel_agents_stay_in_all_dicts_to_the_last_step_in_order():
    env = aigc_market.parallel_env(K=3, max_cycles=4)
    observations, infos = env.reset(seed=0)
    assert list(observations) == list(infos) == env.agents == env.possible_agents
    for step in range(4):
        assert env.agents == env.possible_agents
        answers = env.step(dict(reversed(sample(env).items())))
        assert all(list(answer) == env.possible_agents for answer in answers)
        _, _, terminations, truncations, _ = answers
        assert not any(terminations.values())
        assert set(truncations.values()) == {step == 3}
    assert env.agents == []


@pytest.mark.parametrize(("package", "oldest"), [("pettingzoo", "1.26.0"), ("gymnasium", "1.2.0")])
def test_versions_that_others_need_are_admitted(package, oldest):
    requirements = [Requirement(text) for text in importlib.metadata.requires("aigc-market")]
    (needed,) = [each for each in requirements if each.name == package and not each.marker]
    assert oldest in needed.specifier
