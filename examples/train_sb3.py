"""Train the leader with Stable-Baselines3's PPO, and ask the oracle what its price is worth.

Needs the extra `sb3`: pip install 'aigc-market[sb3]'
"""

import sys

import gymnasium
from stable_baselines3 import PPO

import aigc_market  # noqa: F401 (registers the environment)

STEPS = int(sys.argv[1]) if sys.argv[1:] else 20_000

env = gymnasium.make("aigc_market/Pricing-v0", K=2)
model = PPO("MlpPolicy", env, seed=0).learn(STEPS)

observation, _ = env.reset(seed=0)
over, regret, best = False, 0.0, 0.0
while not over:
    action, _ = model.predict(observation, deterministic=True)
    observation, _, _, over, info = env.step(action)
    regret += info["regret"]
    best += info["equilibrium_utility"]
print(f"price {info['price']:.3f}, equilibrium {info['equilibrium_price']:.3f}")
print(f"leader's share {1 - regret / best:.4f}, followers' gap –")
