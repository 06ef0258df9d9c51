"""Leader and followers trained by Tianshou's PPO on the discrete AEC game; VMUs share a policy."""

import sys
from typing import Any

import numpy as np
import supersuit
import torch
from pettingzoo import AECEnv
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
from tianshou.algorithm.multiagent.marl import MultiAgentOnPolicyAlgorithm
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv, PettingZooEnv
from tianshou.trainer import OnPolicyTrainerParams
from torch import nn
from torch.distributions import Categorical

import aigc_market

K = 2
ARGUMENTS: dict[str, Any] = {"K": K, "history": 1, "max_cycles": 50}
ARGUMENTS |= {"continuous_actions": False, "normalize": True, "scale_rewards": True}
LANES, BATCHES = 4, int(sys.argv[1]) if sys.argv[1:] else 28
TURNS = LANES * (K + 1) * 100  # in a batch: whole rounds


# Glue: equal spaces.
def make_env() -> PettingZooEnv:
    """Tianshou wants equal spaces for all; nobody here ever takes an action that was added."""
    return PettingZooEnv(supersuit.pad_action_space_v0(padded()))


# Glue: likewise.
def padded() -> AECEnv:
    """The AEC game, with equal observation spaces only."""
    return supersuit.pad_observations_v0(aigc_market.env(**ARGUMENTS))


class Network(nn.Module):
    """From an observation, or a batch of Tianshou's, to numbers."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs)
        )

    def forward(self, obs: Any, **_: Any) -> torch.Tensor:
        """(B, outputs)."""
        return self.layers(torch.as_tensor(getattr(obs, "obs", obs), dtype=torch.float32))


class Actor(Network):
    """Logits of a bell curve over a grid; the leader's stays wide, so all prices are tried."""

    def __init__(self, inputs: int, levels: int, least_width: float) -> None:
        super().__init__(inputs, 1)
        self.least, self.log_width = least_width, nn.Parameter(torch.tensor(-1.0))
        self.register_buffer("grid", torch.linspace(-1.0, 1.0, levels))

    def forward(self, obs: Any, state: Any = None, **_: Any) -> tuple[torch.Tensor, Any]:
        """(B, levels), and the state."""
        width = self.least + self.log_width.exp()
        return -0.5 * ((self.grid - super().forward(obs)) / width) ** 2, state


# Glue: rewards.
class ByRound(MultiAgentOnPolicyAlgorithm):
    """Each turn is paid what its round brings; Tianshou would pay the last turn alone."""

    def _preprocess_batch(self, batch: Any, buffer: Any, indices: np.ndarray) -> Any:
        batch.rew = batch.rew.reshape(-1, K + 1, K + 1).sum(1).repeat(K + 1, 0)
        return super()._preprocess_batch(batch, buffer, indices)


def learner(agent: str, learning_rate: float, least_width: float) -> PPO:
    """For one kind of agents. γ = 0: an action moves nothing but its own round's reward."""
    space, inputs = padded().action_space(agent), env.observation_space.shape[0]
    policy = ProbabilisticActorPolicy(
        actor=Actor(inputs, space.n, least_width),
        dist_fn=lambda logits: Categorical(logits=logits),
        action_space=space,
        action_scaling=False,
        action_bound_method=None,
    )
    optimizer = AdamOptimizerFactory(lr=learning_rate)
    return PPO(policy=policy, critic=Network(inputs, 1), optim=optimizer, gamma=0.0, ent_coef=0.0)


torch.manual_seed(0)
env = make_env()
# Two time scales: the leader's price should meet followers who know how to answer it.
asp, vmu = learner("asp_0", 5e-4, 0.3), learner("vmu_0", 3e-3, 0.1)
algorithm = ByRound(algorithms=[asp, *[vmu] * K], env=env)
lanes = DummyVectorEnv([make_env] * LANES)
algorithm.run_training(
    OnPolicyTrainerParams(
        training_collector=Collector(algorithm, lanes, VectorReplayBuffer(TURNS, LANES)),
        epoch_num_steps=TURNS,
        max_epochs=BATCHES,
        collection_step_num_env_steps=TURNS,
        batch_size=100,
        update_step_num_repetitions=10,
        show_progress=False,
    )
)


def act(agent: str, observation: np.ndarray) -> int:
    """The grid's point under the top of the bell curve."""
    actor = (asp if agent == "asp_0" else vmu).policy.actor
    return int(actor(observation[None])[0].argmax())


env, gaps, shares = padded(), [], []
for price in range(2, 13):  # VMUs answer it, and then the leader posts its own
    env.reset(seed=0)
    for t in range(6):
        for agent in env.possible_agents:
            action = act(agent, env.observe(agent))
            first = agent == "asp_0" and t == 0
            env.step(round((price - 1) / 19 * (env.action_space(agent).n - 1)) if first else action)
        infos = env.infos
        if t == 0:
            vmus = [infos["vmu_0"], infos["vmu_1"]]
            steps, kept = (np.array([vmu[of] for vmu in vmus]) for of in ("steps", "surplus"))
            lost = aigc_market.regret(env.unwrapped.market, price, steps).followers
            gaps.append(lost / (lost + kept))
    shares.append(1 - infos["asp_0"]["regret"] / infos["asp_0"]["equilibrium_utility"])
print(f"leader's share {np.mean(shares):.4f}, followers' gap {np.mean(gaps):.2%}")
