"""Leader and followers trained by Ray RLlib's PPO (new API stack) on the parallel game.

One policy for the ASP and one that all VMUs share.
"""

import sys

import numpy as np
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

import aigc_market

ITERATIONS = int(sys.argv[1]) if sys.argv[1:] else 55
ARGUMENTS = {"normalize": True, "scale_rewards": True, "history": 1, "max_cycles": 50}

register_env("market", lambda _: ParallelPettingZooEnv(aigc_market.parallel_env(**ARGUMENTS)))
config = (
    PPOConfig()
    .environment("market")
    .env_runners(num_env_runners=0, num_envs_per_env_runner=4)
    .multi_agent(
        policies={"asp", "vmu"},
        policy_mapping_fn=lambda agent, *_, **__: agent[:3],
        # Two time scales: the leader's price should meet followers who know how to answer it.
        algorithm_config_overrides_per_module={"asp": PPOConfig.overrides(lr=3e-4)},
    )
    .training(
        lr=3e-3,
        # A price is paid in the step after it was posted, so the discount factor is above 0.
        gamma=0.3,
        lambda_=0.5,
        train_batch_size_per_learner=500,
        minibatch_size=250,
        num_epochs=10,
        vf_clip_param=100.0,
        use_kl_loss=False,
    )
    .rl_module(
        # A spread of its own, that no price can shrink: the leader goes on trying others.
        model_config=DefaultModelConfig(
            fcnet_hiddens=[64, 64], vf_share_layers=False, free_log_std=True
        )
    )
    .debugging(seed=0)
)
ray.init(include_dashboard=False)
algorithm = config.build_algo()
for _ in range(ITERATIONS):
    algorithm.train()


def act(agent: str, observation: np.ndarray) -> np.ndarray:
    """The mean of the policy's normal distribution, in [−1, 1] as the game takes it."""
    module = algorithm.get_module(agent[:3])
    with torch.no_grad():
        answer = module.forward_inference({"obs": torch.as_tensor(observation)[None]})
    return answer["action_dist_inputs"][0, :1].clamp(-1.0, 1.0).numpy()


env, gaps, shares = aigc_market.parallel_env(**ARGUMENTS), [], []
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
algorithm.stop()
ray.shutdown()
print(f"leader's share {np.mean(shares):.4f}, followers' gap {np.mean(gaps):.2%}")
