"""Train the leader with Stable-Baselines3's PPO on the vector environment.

Needs the extra `baselines`, installed from a clone: pip install -e '.[baselines]'
"""

import gymnasium
import torch
from stable_baselines3 import PPO

import aigc_market
from aigc_market.sb3 import GymnasiumVecEnv, TransformerPolicy

torch.set_num_threads(1)
lanes = gymnasium.make_vec(
    "aigc_market/Pricing-v0", num_envs=10, K=2, normalize=True, scale_rewards=True
)
model = PPO(
    TransformerPolicy,  # or "MlpPolicy"
    GymnasiumVecEnv(lanes),
    n_steps=20,
    batch_size=100,
    learning_rate=3e-3,
    gamma=0.0,  # a price moves nothing but its own round's reward
    policy_kwargs={"history": 5, "log_std_init": -1.0},
    seed=0,
)
model.learn(10_000)

env = gymnasium.make("aigc_market/Pricing-v0", K=2, normalize=True)
observation, _ = env.reset(seed=0)
over, utility, rounds = False, 0.0, 0
while not over:
    action, _ = model.predict(observation, deterministic=True)
    observation, _, _, over, info = env.step(action)
    utility += info["utility"]
    rounds += 1

best = aigc_market.solve(aigc_market.Market(K=2))
print(f"price {info['price']:.3f}, equilibrium {best.price:.3f}")
print(f"share of the equilibrium's utility: {utility / rounds / best.asp_utility:.2%}")
