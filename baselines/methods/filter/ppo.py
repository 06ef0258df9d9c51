"""PPO on causal whole episodes: one forward pass decides all rounds of an episode.

The rollout keeps the keys and values of past rounds, so no round is encoded twice; the update masks
attention so that no decision sees its future. It plays the environment and needs nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from aigc_market.envs.pages.vector import PricingVectorEnv
from baselines.arena.protocol import History
from baselines.arena.rollout import play_in
from baselines.arena.seeds import training_seed
from baselines.methods.filter.information import InformationState, over_rounds
from baselines.methods.filter.network import PricingNetwork
from baselines.runs.checkpoint import Checkpoint


@dataclass(frozen=True)
class PpoRecipe:
    """How a leader is trained. docs/hidden-markets.md tells what else was tried."""

    updates: int = 60
    """Batches of episodes."""
    lanes: int = 256
    """Episodes in a batch."""
    epochs: int = 4
    """Passes over a batch."""
    minibatches: int = 8
    """Gradient steps in a pass."""
    learning_rate: float = 1e-3
    """Adam's at the start; it falls linearly to nothing."""
    clip_range: float = 0.2
    """PPO's clipping."""
    value_weight: float = 0.5
    """Of the critic's squared error."""
    clip_norm: float = 0.5
    """Largest norm of a gradient."""
    log_std: float = -1.5
    """Logarithm of the first standard deviation of prices in [−1, 1]."""
    least_log_std: float = -3.0
    """Its floor."""


class Batch(NamedTuple):
    """Episodes played; (B, T) in front."""

    known: InformationState
    """What was known before each price."""
    action: Tensor
    """What was played, in the units of [−1, 1] and not held within them."""
    log_probability: Tensor
    """Of it, when it was played."""
    advantage: Tensor
    """Reward minus what the critic expected, standardised."""
    reward: Tensor
    """The round's: a price moves no later reward that is worth the noise of waiting (γ = 0)."""


def train(
    network: PricingNetwork,
    env: PricingVectorEnv,
    recipe: PpoRecipe,
    seed: int,
    checkpoint: Checkpoint,
    report: Callable[[int], None],
) -> int:
    """Train a leader in place, going on from the checkpoint's last update.

    Args:
        network: the leader, freshly made.
        env: with history=1, in physical units, and as many lanes as the recipe says.
        recipe: hyperparameters and budget.
        seed: of every random choice.
        checkpoint: where progress is kept.
        report: called with the number of updates done, after each.

    Returns:
        Rounds played.
    """
    with torch.no_grad():
        network.log_std.fill_(recipe.log_std)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, eps=1e-5)
    done = checkpoint.restore(network, optimizer)
    for update in range(done, recipe.updates):
        optimizer.param_groups[0]["lr"] = recipe.learning_rate * (1 - update / recipe.updates)
        rng = np.random.default_rng([seed, update])
        batch = rollout(network, env, rng)
        for _ in range(recipe.epochs):
            order = torch.from_numpy(rng.permutation(recipe.lanes))
            for lanes in order.chunk(recipe.minibatches):
                _improve(network, optimizer, _pick(batch, lanes), recipe)
        checkpoint.keep(update + 1, network, optimizer)
        report(update + 1)
    return recipe.updates * recipe.lanes * env.max_cycles


@torch.no_grad()
def rollout(network: PricingNetwork, env: PricingVectorEnv, rng: np.random.Generator) -> Batch:
    """Play an episode in every lane, exploring."""
    noise = torch.from_numpy(rng.standard_normal((env.max_cycles, env.num_envs), np.float32))
    explorer = _Explorer(network, noise)
    played = play_in(env, explorer, training_seed(int(rng.integers(2**31))))
    utility = torch.as_tensor(played.utility.T, dtype=torch.float32)
    reward = utility / (env.settings.market.K * network.price_unit * network.steps_unit)
    known = over_rounds(explorer.known)
    advantage = reward - network.episode(known).value
    return Batch(
        known=known,
        action=torch.stack(explorer.actions, 1),
        log_probability=Normal(0.0, 1.0).log_prob(noise.T) - network.log_std,
        advantage=(advantage - advantage.mean()) / (advantage.std() + 1e-8),
        reward=reward,
    )


class _Explorer:
    """Plays the network's prices with noise (T, N), and keeps what an update needs."""

    def __init__(self, network: PricingNetwork, noise: Tensor) -> None:
        self._network, self._noise = network, iter(noise)
        self.known: list[InformationState] = []
        self.actions: list[Tensor] = []

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        coming = _tensor(history.active), _limit(history)
        if history.prices.shape[1] == 0:
            self._cache, action = self._network.start(*coming)
        else:
            price, steps = _tensor(history.prices[:, -1]), _tensor(history.steps[:, -1])
            action = self._network.step(self._cache, price, steps, *coming)
        self.known.append(self._cache.tracker.state)
        self.actions.append(action + self._network.log_std.exp() * next(self._noise))
        return self._network.price(self.actions[-1]).numpy()


def _limit(history: History) -> Tensor | None:
    return None if history.capacity is None else _tensor(history.capacity)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32)


def _improve(
    network: PricingNetwork, optimizer: torch.optim.Optimizer, batch: Batch, recipe: PpoRecipe
) -> None:
    """One step on PPO's clipped objective (Schulman et al. 2017)."""
    output = network.episode(batch.known)
    policy = Normal(output.action, network.log_std.exp())
    ratio = (policy.log_prob(batch.action) - batch.log_probability).exp()
    clipped = ratio.clamp(1 - recipe.clip_range, 1 + recipe.clip_range)
    gain = torch.minimum(ratio * batch.advantage, clipped * batch.advantage).mean()
    error = (output.value - batch.reward).square().mean()
    optimizer.zero_grad()
    (recipe.value_weight * error - gain).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
    optimizer.step()
    with torch.no_grad():
        network.log_std.clamp_(min=recipe.least_log_std)


def _pick(batch: Batch, lanes: Tensor) -> Batch:
    known, *others = batch
    return Batch(known.map(lambda part: part[lanes]), *(part[lanes] for part in others))
