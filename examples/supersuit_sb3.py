"""Leader and followers trained by Stable-Baselines3's PPO on SuperSuit's vector environment.

One network for all: every VMU plays with the same parameters, and is told that it is a VMU by
SuperSuit's agent indicator; the leader is told that it is the leader.
"""

import measure  # first, for its clock  # isort: skip

import numpy as np
import supersuit
import torch
from pettingzoo import ParallelEnv
from stable_baselines3 import PPO
from stable_baselines3.common.utils import set_random_seed

import aigc_market

ARGUMENTS = {"normalize": True, "scale_rewards": True, "history": 1, "max_cycles": 50}
TIMESTEPS = 6_000 if measure.SHORT else 150_000


# Glue: SB3 knows one kind of agent.
def wrapped() -> ParallelEnv:
    """The parallel game, with equal observations for all agents and who is looking."""
    env = supersuit.pad_observations_v0(aigc_market.parallel_env(**ARGUMENTS))
    return supersuit.agent_indicator_v0(env, type_only=True)


torch.set_num_threads(1)
set_random_seed(0)  # PPO(seed=0) would call seed() of SuperSuit's adapter, which has none
lanes = supersuit.pettingzoo_env_to_vec_env_v1(wrapped())
lanes = supersuit.concat_vec_envs_v1(lanes, 16, num_cpus=1, base_class="stable_baselines3")
model = PPO(
    "MlpPolicy",
    lanes,
    n_steps=50,
    batch_size=300,
    n_epochs=10,
    learning_rate=lambda left: 1e-3 * left,
    gamma=0.3,  # a price is paid one step after it was posted
    gae_lambda=0.5,
)
model.learn(TIMESTEPS)


def act(agent: str, observation: np.ndarray) -> np.ndarray:
    """Of the policy's mean."""
    return model.predict(observation, deterministic=True)[0]


print(measure.line(*measure.played(wrapped(), act)))
