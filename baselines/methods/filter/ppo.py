"""The network trained by Stable-Baselines3's PPO, on what the filter makes of an environment."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector.utils import batch_space
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from aigc_market.envs.pages.vector import PricingVectorEnv
from baselines.arena.protocol import PublicParameters, Report
from baselines.arena.rollout import PHYSICAL, history_of
from baselines.arena.task import Task
from baselines.methods.filter.information import MARKET_INPUTS, OWN_INPUTS, Information
from baselines.methods.filter.leader import Leader
from baselines.methods.filter.network import PricingNetwork, in_numpy
from baselines.methods.sb3.learning import Remembering, learn
from baselines.methods.sb3.recipes import PpoRecipe


def train(
    weights: nn.ParameterDict, task: Task, recipe: PpoRecipe, seed: int, report: Report
) -> int:
    """Train a leader in place.

    Args:
        weights: of the leader, freshly made.
        task: what is played.
        recipe: hyperparameters and budget; its `history` is 1, since the filter remembers.
        seed: of every random choice.
        report: see `Report`.

    Returns:
        Rounds played.
    """
    # Rewards of about 1, by a constant of the environment; prices and purchases as the filter
    # counts them.
    given = PHYSICAL | {"scale_rewards": True}
    env = task.environment(recipe.lanes, history=1, judged=False, **given)
    leader = Leader(PricingNetwork(task.public(), in_numpy(weights)), 0.0, recipe.lanes)
    policy = {"public": task.public(), "weights": weights, "log_std_init": recipe.log_std_init}
    model = learn(InformedEnv(env, leader), PPO, ActorCritic, recipe, seed, report, policy)
    with torch.no_grad():
        weights["log_std"].copy_(model.policy.log_std[0])
    return model.num_timesteps


class InformedEnv(Remembering):
    """A vector environment whose observation is all that is known, `Information.flat`.

    Args:
        env: with history=1, in physical units; actions are then those of the network.
        leader: keeps what is known in its episodes; it does not play.
    """

    def __init__(self, env: PricingVectorEnv, leader: Leader) -> None:
        super().__init__(
            env,
            lambda seen, begins: leader.inform(history_of(env, seen, begins)).flat(),
            env.settings.market.K * (OWN_INPUTS + 1) + MARKET_INPUTS + 2,
        )
        self._leader = leader
        self.single_action_space = Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def step(self, actions: np.ndarray) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Post a price in every environment."""
        return super().step(self._leader.network.price(actions).astype(np.float32))


class ActorCritic(ActorCriticPolicy):
    """SB3's policy whose mean is the network's decision; the critic reads its mean encoding.

    Args:
        spaces: of observation and action, and the schedule of the learning rate, as SB3 gives them.
        public: the market's public parameters.
        weights: of the network; they are trained.
        arguments: of SB3's policy.
    """

    def __init__(
        self, *spaces: Any, public: PublicParameters, weights: nn.ParameterDict, **arguments: Any
    ) -> None:
        self._given = public, weights
        super().__init__(*spaces, **arguments)

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor: Any = _Extractor(*self._given)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        given: dict[str, Any] = {"lr": lr_schedule(1), **self.optimizer_kwargs}
        self.optimizer = self.optimizer_class(self.parameters(), **given)


class _Extractor(nn.Module):
    """From what is known to what actor and critic read: the decision, and the mean encoding."""

    def __init__(self, public: PublicParameters, weights: nn.ParameterDict) -> None:
        super().__init__()
        self.weights = weights  # which makes them the policy's
        self._network = PricingNetwork(public, weights)
        self.latent_dim_pi, self.latent_dim_vf = 1, len(weights["embed_bias"])

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (B, …) to (B, 1) and (B, width)."""
        known = Information.of_flat(observations)
        pooled = self._network.pooled(known)
        return self._network.action(known, pooled)[:, None], pooled

    def forward_actor(self, observations: Tensor) -> Tensor:
        """The decision, (B, 1)."""
        return self.forward(observations)[0]

    def forward_critic(self, observations: Tensor) -> Tensor:
        """The mean encoding, (B, width)."""
        return self._network.pooled(Information.of_flat(observations))
