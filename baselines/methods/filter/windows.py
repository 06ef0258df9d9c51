"""Stable-Baselines3's PPO on windows of the last n rounds: the paper's way to train TPPO."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from aigc_market.sb3 import GymnasiumVecEnv
from baselines.arena.task import Task
from baselines.methods.filter.network import MarketTransformer, Output
from baselines.methods.sb3.rivals import Lanes


@dataclass(frozen=True)
class Recipe:
    """How a leader is trained. docs/hidden-markets.md tells what else was tried."""

    history: int = 16
    """Rounds in a window."""
    rounds: int = 300_000
    """In all lanes together."""
    lanes: int = 128
    """Episodes played side by side."""
    n_steps: int = 25
    """Rounds in each lane between updates."""
    batch_size: int = 800
    """Rounds in a minibatch."""
    n_epochs: int = 4
    """Passes over the rounds of an update."""
    learning_rate: float = 1e-3
    """At the start; it falls linearly to nothing."""
    gamma: float = 0.0
    """Discount."""
    log_std: float = -1.5
    """Logarithm of the first standard deviation of prices in [−1, 1]."""


class WindowPolicy(ActorCriticPolicy):
    """A `MarketTransformer` in the units of `baselines.methods.sb3.rivals.Lanes`, as an SB3 policy.

    Args:
        network: the leader.
        history: n, rounds in an observation.
        slots: K.

    Other arguments are those of `ActorCriticPolicy`.
    """

    def __init__(
        self, *spaces: Any, network: MarketTransformer, history: int, slots: int, **arguments: Any
    ) -> None:
        self._make_extractor = lambda: _Windows(network, history, slots)
        super().__init__(*spaces, ortho_init=False, **arguments)

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = self._make_extractor()  # type: ignore[assignment] (SB3 asks only for this interface)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = self.value_net = nn.Identity()  # type: ignore[assignment]
        self.optimizer = torch.optim.Adam(self.parameters(), lr=lr_schedule(1), eps=1e-5)


class _Windows(nn.Module):
    """What SB3 calls an extractor: here it already answers the price and the value."""

    latent_dim_pi = latent_dim_vf = 1

    def __init__(self, network: MarketTransformer, history: int, slots: int) -> None:
        super().__init__()
        self.network, self.history, self.slots = network, history, slots

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Observations (B, n·row) to prices in [−1, 1] and values, (B, 1) each."""
        output = self._decide(features)
        return output.action[:, None], output.value[:, None]

    def forward_actor(self, features: Tensor) -> Tensor:
        """Prices in [−1, 1]."""
        return self.forward(features)[0]

    def forward_critic(self, features: Tensor) -> Tensor:
        """Values."""
        return self.forward(features)[1]

    def _decide(self, features: Tensor) -> Output:
        K = self.slots
        rows = features.unflatten(1, (self.history, -1))
        steps, mask = rows[..., 1 : K + 1] * self.network.steps_unit, rows[..., K + 1 :]
        active = mask if mask.shape[-1] else torch.ones_like(steps)
        return self.network.window(self.network.price(rows[..., 0]), steps, active)


def train(
    network: MarketTransformer,
    task: Task,
    recipe: Recipe,
    seed: int,
    report: Callable[[int], None],
) -> int:
    """Train a leader in place.

    Args:
        network: the leader, freshly made.
        task: what is trained on.
        recipe: hyperparameters and budget.
        seed: of every random choice.
        report: called with the number of rounds played, after each batch.

    Returns:
        Rounds played.
    """
    if network.belief:
        network.belief.requires_grad_(False)
    lanes = Lanes(recipe.lanes, task, recipe.history)
    model = PPO(
        WindowPolicy,
        GymnasiumVecEnv(lanes),
        learning_rate=lambda remaining: recipe.learning_rate * remaining,
        n_steps=recipe.n_steps,
        batch_size=recipe.batch_size,
        n_epochs=recipe.n_epochs,
        gamma=recipe.gamma,
        policy_kwargs=_arguments(network, lanes, recipe),
        seed=seed,
        device="cpu",
    )
    model.learn(recipe.rounds, callback=_Report(report))
    return model.num_timesteps


def make_policy(network: MarketTransformer, lanes: Lanes, recipe: Recipe) -> WindowPolicy:
    """The SB3 policy that runs a network on windows."""
    spaces = lanes.single_observation_space, lanes.single_action_space
    return WindowPolicy(
        *spaces, lambda _: recipe.learning_rate, **_arguments(network, lanes, recipe)
    )


def _arguments(network: MarketTransformer, lanes: Lanes, recipe: Recipe) -> dict[str, Any]:
    return {
        "network": network,
        "history": recipe.history,
        "slots": lanes.units.public.K,
        "log_std_init": recipe.log_std,
    }


class _Report(BaseCallback):
    def __init__(self, report: Callable[[int], None]) -> None:
        super().__init__()
        self._report = report

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._report(self.num_timesteps)
