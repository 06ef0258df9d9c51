"""Gymnasium's and Stable-Baselines3's own checkers, and Gymnasium's registry."""

import allowed
import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from aigc_market import LogUniform
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv

ID = "aigc_market/Pricing-v0"
variants = [
    pytest.param({"K": K, "continuous_actions": continuous, "normalize": normalize}, id=name)
    for K in (1, 2, 7)
    for continuous in (True, False)
    for normalize in (False, True)
    for name in [
        f"K={K}-{'box' if continuous else 'discrete'}-{'normal' if normalize else 'physical'}"
    ]
]
every_variant = pytest.mark.parametrize("arguments", variants)
pytestmark = allowed.physical_units


@every_variant
@pytest.mark.parametrize("satisfaction", [200.0, LogUniform(50.0, 800.0)], ids=["fixed", "drawn"])
def test_gymnasiums_checker(arguments, satisfaction):
    env = gymnasium.make(ID, satisfaction=satisfaction, max_cycles=8, **arguments)
    check_env(env.unwrapped)


@every_variant
@pytest.mark.parametrize("satisfaction", [200.0, LogUniform(50.0, 800.0)], ids=["fixed", "drawn"])
def test_stable_baselines3s_checker(arguments, satisfaction):
    sb3_check_env(PricingEnv(satisfaction=satisfaction, max_cycles=8, **arguments))


@every_variant
def test_make(arguments):
    env = gymnasium.make(ID, **arguments)
    assert isinstance(env.unwrapped, PricingEnv)
    observation, _ = env.reset(seed=3)
    assert env.observation_space.contains(observation)
    observation, reward, *_ = env.step(env.action_space.sample())
    assert env.observation_space.contains(observation)
    assert isinstance(reward, float)


@every_variant
def test_make_vec(arguments):
    envs = gymnasium.make_vec(
        ID, num_envs=5, vectorization_mode="vector_entry_point", max_cycles=3, **arguments
    )
    assert isinstance(envs.unwrapped, PricingVectorEnv)
    assert envs.num_envs == 5
    envs.action_space.seed(0)
    observations, infos = envs.reset(seed=3)
    assert observations.shape == (5, *envs.single_observation_space.shape)
    assert infos == {}
    for _ in range(7):
        observations, rewards, terminations, truncations, _ = envs.step(envs.action_space.sample())
        assert envs.observation_space.contains(np.ascontiguousarray(observations))
        assert rewards.shape == terminations.shape == truncations.shape == (5,)
        assert not terminations.any()


def test_the_default_vectorisation_is_the_batched_one():
    assert isinstance(gymnasium.make_vec(ID, num_envs=2).unwrapped, PricingVectorEnv)


def test_a_batch_of_single_environments_works_too():
    envs = gymnasium.make_vec(ID, num_envs=3, vectorization_mode="sync", K=2)
    observations, _ = envs.reset(seed=0)
    assert observations.shape == (3, 15)
    envs.close()


def test_gymnasiums_recorders_of_statistics_take_both():
    single = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make(ID, max_cycles=2))
    single.reset(seed=0)
    rewards = [single.step(np.array([p], "f4"))[1] for p in (-0.3, 0.2)]
    assert single.return_queue[-1] == pytest.approx(sum(rewards))

    batch = gymnasium.make_vec(ID, num_envs=2, max_cycles=2)
    batch = gymnasium.wrappers.vector.RecordEpisodeStatistics(batch)
    batch.reset(seed=0)
    batch.step(np.full((2, 1), -0.3, "f4"))
    infos = batch.step(np.full((2, 1), 0.2, "f4"))[-1]
    np.testing.assert_allclose(infos["episode"]["r"], sum(rewards))


@pytest.mark.parametrize("view", [PricingEnv, lambda **kw: PricingVectorEnv(num_envs=2, **kw)])
def test_stepping_out_of_turn_asks_for_a_reset(view):
    env = view(max_cycles=1)
    with pytest.raises(gymnasium.error.ResetNeeded, match="before step"):
        env.step(env.action_space.sample())


def test_rendering_needs_a_reset():
    with pytest.raises(gymnasium.error.ResetNeeded, match="before render"):
        PricingEnv(render_mode="ansi").render()


def test_the_single_environment_does_not_go_on_after_its_end():
    env = PricingEnv(max_cycles=1)
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[3]
    with pytest.raises(gymnasium.error.ResetNeeded, match="before step"):
        env.step(env.action_space.sample())
