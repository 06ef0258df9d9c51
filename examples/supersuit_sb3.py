"""Leader and followers trained by Stable-Baselines3's PPO on SuperSuit's vector environment.

One network for all: every VMU plays with the same parameters, and is told that it is a VMU by
SuperSuit's agent indicator; the leader is told that it is the leader.
"""

import sys

import numpy as np
import supersuit
from pettingzoo import ParallelEnv
from stable_baselines3 import PPO
from stable_baselines3.common.utils import set_random_seed

import aigc_market

ARGUMENTS = {"normalize": True, "scale_rewards": True, "history": 1, "max_cycles": 50}
STEPS = int(sys.argv[1]) if sys.argv[1:] else 150_000


# Glue: SB3 knows one kind of agent.
def wrapped() -> ParallelEnv:
    """The parallel game, with equal observations for all agents and who is looking."""
    env = supersuit.pad_observations_v0(aigc_market.parallel_env(**ARGUMENTS))
    return supersuit.agent_indicator_v0(env, type_only=True)


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
model.learn(STEPS)


def act(agent: str, observation: np.ndarray) -> np.ndarray:
    """Of the policy's mean."""
    return model.predict(observation, deterministic=True)[0]


env, gaps, shares = wrapped(), [], []
for price in range(2, 13):  # VMUs answer it, and then the leader posts its own
    seen, _ = env.reset(seed=0, options={"price": price})
    for t in range(6):
        seen, *_, infos = env.step({agent: act(agent, seen[agent]) for agent in env.agents})
        if t == 0:
            vmus = [infos["vmu_0"], infos["vmu_1"]]
            steps, kept = (np.array([vmu[of] for vmu in vmus]) for of in ("steps", "surplus"))
            lost = aigc_market.regret(env.unwrapped.market, price, steps).followers
            gaps.append(lost / (lost + kept))
    shares.append(1 - infos["asp_0"]["regret"] / infos["asp_0"]["equilibrium_utility"])
print(f"leader's share {np.mean(shares):.4f}, followers' gap {np.mean(gaps):.2%}")
