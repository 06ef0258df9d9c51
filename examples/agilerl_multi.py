"""Leader and followers trained by AgileRL's MATD3 on the parallel game.

AgileRL groups agents by the names' prefix: one actor for the ASP and one that the VMUs share.
"""

import measure  # first, for its clock  # isort: skip

import numpy as np
import torch
from agilerl.algorithms import MATD3
from agilerl.components.replay_buffer import ReplayBuffer
from agilerl.training.train_multi_agent_off_policy import train_multi_agent_off_policy

import aigc_market

ARGUMENTS = {"normalize": True, "scale_rewards": True, "history": 1, "max_cycles": 200}
SLOW, FAST = measure.learning_rates(leader=3e-4, followers=1e-3)
STEPS = 400 if measure.SHORT else 5_000

torch.manual_seed(0)
np.random.seed(0)  # noqa: NPY002 (AgileRL samples its memory with it)
torch.set_num_threads(1)
env = aigc_market.parallel_env(**ARGUMENTS)
learner = MATD3(
    [env.observation_space(agent) for agent in env.possible_agents],
    [env.action_space(agent) for agent in env.possible_agents],
    agent_ids=env.possible_agents,
    O_U_noise=False,
    expl_noise=0.4,
    batch_size=128,
    lr_actor=FAST,
    lr_critic=3e-3,
    learn_step=2,
    gamma=0.5,  # a price is paid in the step after it was posted
    tau=0.02,
    net_config={
        "encoder_config": {"hidden_size": [64]},
        "head_config": {"hidden_size": [64]},
    },
)
# Two time scales: the leader's price should meet followers who know how to answer it.
for group in learner.actor_optimizers["asp"].param_groups:
    group["lr"] = SLOW
train_multi_agent_off_policy(
    env,
    "stackelberg_v0",
    "MATD3",
    [learner],
    ReplayBuffer(max_size=STEPS),
    sum_scores=False,
    max_steps=STEPS,
    evo_steps=STEPS,
    eval_steps=10,
    learning_delay=500 if STEPS > 500 else 0,
    verbose=False,
)
learner.set_training_mode(False)


def act(agent: str, observation: np.ndarray) -> np.ndarray:
    """The actor's answer without noise; the library's rescaling is the identity on [−1, 1]."""
    return learner.get_action({agent: observation[None]})[0][agent][0]


print(measure.line(*measure.played(aigc_market.parallel_env(**ARGUMENTS), act)))
