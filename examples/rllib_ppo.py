"""The leader trained by Ray RLlib's PPO, with RLlib's own defaults.

The VMUs are scripted (rational), so there is no gap of theirs to report.
"""

import sys

import gymnasium
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig

STEPS = int(sys.argv[1]) if sys.argv[1:] else 20_000
# Workers of Ray find the id by the module before the colon, which registers it.
GAME = "aigc_market:aigc_market/Pricing-v0"

ray.init(include_dashboard=False)
algorithm = PPOConfig().environment(GAME, env_config={"K": 2}).debugging(seed=0).build_algo()
sampled = 0
while sampled < STEPS:
    sampled = algorithm.train()["env_runners"]["num_env_steps_sampled_lifetime"]

env, module = gymnasium.make(GAME, K=2), algorithm.get_module()
observation, _ = env.reset(seed=0)
over, regret, best = False, 0.0, 0.0
while not over:
    with torch.no_grad():
        answer = module.forward_inference({"obs": torch.as_tensor(observation)[None]})
    mean = answer["action_dist_inputs"][0, :1]  # the first half; the second is the spread
    observation, _, _, over, info = env.step(mean.clamp(-1.0, 1.0).numpy())
    regret += info["regret"]
    best += info["equilibrium_utility"]
algorithm.stop()
ray.shutdown()
print(f"price {info['price']:.3f}, equilibrium {info['equilibrium_price']:.3f}, {sampled} steps")
print(f"leader's share {1 - regret / best:.4f}, followers' gap –")
