"""Leader and followers trained by AgileRL's MATD3 on the parallel game.

AgileRL groups agents by the names' prefix: one actor for the ASP and one that the VMUs share.
"""

import sys

import numpy as np
import torch
from agilerl.algorithms import MATD3
from agilerl.components.replay_buffer import ReplayBuffer
from agilerl.training.train_multi_agent_off_policy import train_multi_agent_off_policy

import aigc_market

ARGUMENTS = {"normalize": True, "scale_rewards": True, "history": 1, "max_cycles": 200}
STEPS = int(sys.argv[1]) if sys.argv[1:] else 5_000

torch.manual_seed(0)
np.random.seed(0)  # noqa: NPY002 (AgileRL samples its memory with it)
env = aigc_market.parallel_env(**ARGUMENTS)
learner = MATD3(
    [env.observation_space(agent) for agent in env.possible_agents],
    [env.action_space(agent) for agent in env.possible_agents],
    agent_ids=env.possible_agents,
    O_U_noise=False,
    expl_noise=0.4,
    batch_size=128,
    lr_actor=1e-3,
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
    group["lr"] = 3e-4
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
    learning_delay=500,
    verbose=False,
)
learner.set_training_mode(False)


def act(agent: str, observation: np.ndarray) -> np.ndarray:
    """The actor's answer without noise; the library's rescaling is the identity on [−1, 1]."""
    return learner.get_action({agent: observation[None]})[0][agent][0]


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
print(f"leader's share {np.mean(shares):.4f}, followers' gap {np.mean(gaps):.2%}")
