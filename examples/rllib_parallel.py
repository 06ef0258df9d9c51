"""Leader and followers trained by Ray RLlib's PPO (new API stack) on the parallel game.

One policy for the ASP and one that all VMUs share. The VMUs' learns faster: see `overrides`.
"""

import measure  # first, for its clock  # isort: skip

import numpy as np
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

import aigc_market

ARGUMENTS = {"normalize": True, "scale_rewards": True, "history": 1, "max_cycles": 50}
SLOW, FAST = measure.learning_rates(leader=3e-4, followers=3e-3)


def policy_of(agent: str, *args: object, **kwargs: object) -> str:
    """Agents are named asp_0, vmu_0, …"""
    return agent.split("_")[0]


register_env("market", lambda _: ParallelPettingZooEnv(aigc_market.parallel_env(**ARGUMENTS)))
config = (
    PPOConfig()
    .environment("market")
    .env_runners(num_env_runners=0, num_envs_per_env_runner=4)
    .multi_agent(
        policies={"asp", "vmu"},
        policy_mapping_fn=policy_of,
        # Two time scales: the leader's price should meet followers who know how to answer it.
        algorithm_config_overrides_per_module={"asp": PPOConfig.overrides(lr=SLOW)},
    )
    .training(
        lr=FAST,
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
for _ in range(1 if measure.SHORT else 55):
    algorithm.train()


def act(agent: str, observation: np.ndarray) -> np.ndarray:
    """The mean of the policy's normal distribution, in [−1, 1] as the game takes it."""
    module = algorithm.get_module(policy_of(agent))
    with torch.no_grad():
        answer = module.forward_inference({"obs": torch.as_tensor(observation)[None]})
    return answer["action_dist_inputs"][0, :1].clamp(-1.0, 1.0).numpy()


result = measure.line(*measure.played(aigc_market.parallel_env(**ARGUMENTS), act))
algorithm.stop()
ray.shutdown()
print(result)
