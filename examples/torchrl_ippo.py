"""Leader and followers trained by TorchRL's PPO losses on the AEC game: independent learners."""

import sys
from typing import Any

import numpy as np
import torch
from tensordict import TensorDict
from tensordict.nn import NormalParamExtractor, TensorDictModule, TensorDictSequential
from torchrl.collectors import Collector
from torchrl.envs import PettingZooWrapper, check_env_specs
from torchrl.envs.utils import ExplorationType, set_exploration_type
from torchrl.modules import MLP, ProbabilisticActor, TanhNormal, ValueOperator
from torchrl.objectives.multiagent import IPPOLoss

import aigc_market

K = 2
ARGUMENTS: dict[str, Any] = {"K": K, "history": 1, "max_cycles": 50}
ARGUMENTS |= {"normalize": True, "scale_rewards": True}
GROUPS = {"asp": ["asp_0"], "vmu": [f"vmu_{k}" for k in range(K)]}
# Two time scales: the leader's price should meet followers who know how to answer it.
LEARNING_RATES = {"asp": 5e-4, "vmu": 3e-3}
# A leader that stays at one price is met by followers who forget how to answer the others.
LEAST_SCALES = {"asp": 0.5, "vmu": 0.2}
TURNS_PER_BATCH = (K + 1) * 300
BATCHES = int(sys.argv[1]) if sys.argv[1:] else 25


def make_env() -> PettingZooWrapper:
    """The AEC game with the VMUs' tensors stacked."""
    return PettingZooWrapper(
        aigc_market.env(**ARGUMENTS), use_mask=True, done_on_any=False, group_map=GROUPS
    )


def make_actor(group: str, width: int) -> ProbabilisticActor:
    """From a group's observations to its actions in [−1, 1]."""
    network = torch.nn.Sequential(
        MLP(width, 2, num_cells=[64, 64], activation_class=torch.nn.Tanh),
        NormalParamExtractor(scale_lb=LEAST_SCALES[group]),
    )
    keys = [(group, "loc"), (group, "scale")]
    return ProbabilisticActor(
        TensorDictModule(network, [(group, "observation")], keys),
        in_keys=keys,
        out_keys=[(group, "action")],
        distribution_class=TanhNormal,
        return_log_prob=True,
        log_prob_key=(group, "log_prob"),
    )


torch.manual_seed(0)
env = make_env()
check_env_specs(env)
# An actor and a critic for the ASP, and a pair that the VMUs share.
actors, critics, losses, optimizers = {}, {}, {}, {}
for group in GROUPS:
    width = env.observation_spec[group, "observation"].shape[-1]
    actors[group] = make_actor(group, width)
    critics[group] = ValueOperator(
        MLP(width, 1, num_cells=[64, 64], activation_class=torch.nn.Tanh),
        in_keys=[(group, "observation")],
        out_keys=[(group, "state_value")],
    )
    losses[group] = IPPOLoss(  # its rows will be turns of one agent each
        actors[group], critics[group], entropy_bonus=False, normalize_advantage_exclude_dims=()
    )
    names = "action", "reward", "done", "terminated", "advantage", "value_target"
    keys = {name: (group, name) for name in names} | {"value": (group, "state_value")}
    losses[group].set_keys(**keys, sample_log_prob=(group, "log_prob"))
    # A turn is paid with the round's last, so γ must be above 0.
    losses[group].make_value_estimator(gamma=0.5, lmbda=1.0)
    optimizers[group] = torch.optim.Adam(losses[group].parameters(), lr=LEARNING_RATES[group])

policy = TensorDictSequential(*actors.values())
collector = Collector(
    make_env, policy, frames_per_batch=TURNS_PER_BATCH, total_frames=TURNS_PER_BATCH * BATCHES
)
for batch in collector:
    for group, loss in losses.items():
        loss.value_estimator(batch)
        acting = batch[group, "mask"]
        own = TensorDict({group: batch[group][acting]}, [int(acting.sum())])
        for _ in range(6):
            for rows in torch.randperm(len(own)).chunk(2):
                parts = loss(own[rows])
                (parts["loss_objective"] + parts["loss_critic"]).backward()
                torch.nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
                optimizers[group].step()
                optimizers[group].zero_grad()
collector.shutdown()


def act(agent: str, observation: np.ndarray) -> np.ndarray:
    """The mean of the actor's normal distribution, squashed into [−1, 1]."""
    group = agent.split("_")[0]
    seen = TensorDict({(group, "observation"): torch.as_tensor(observation)})
    with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
        return actors[group](seen)[group, "action"].numpy()


env, gaps, shares = aigc_market.env(**ARGUMENTS), [], []
for price in range(2, 13):  # VMUs answer it, and then the leader posts its own
    env.reset(seed=0)
    for t in range(6):
        for agent in env.possible_agents:
            action = act(agent, env.observe(agent))
            first = agent == "asp_0" and t == 0
            env.step(np.float32([(price - 10.5) / 9.5]) if first else action)
        infos = env.infos
        if t == 0:
            vmus = [infos["vmu_0"], infos["vmu_1"]]
            steps, kept = (np.array([vmu[of] for vmu in vmus]) for of in ("steps", "surplus"))
            lost = aigc_market.regret(env.unwrapped.market, price, steps).followers
            gaps.append(lost / (lost + kept))
    shares.append(1 - infos["asp_0"]["regret"] / infos["asp_0"]["equilibrium_utility"])
print(f"leader's share {np.mean(shares):.4f}, followers' gap {np.mean(gaps):.2%}")
