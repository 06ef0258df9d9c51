"""Training straight through the rules: price → purchases → history → later prices.

The rules are differentiable, so −ΣU_p of whole episodes is minimised by backpropagation, with the
followers' noise held fixed (reparametrised). The gradient sees what a price teaches about the
market, so exploration is learnt. The market's hidden parameters and its gradient are needed in
training only; the leader that results knows past rounds and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aigc_market.envs.settings import Settings
from baselines.methods.filter.network import MarketTransformer
from baselines.methods.filter.simulator import draw, play
from baselines.runs.checkpoint import Checkpoint

_BIASES = (-1.2, -0.8, -0.6, -0.4, -0.3, -0.2, -0.1, -0.05, 0.0, 0.05)
"""Of the logarithm of the ratio of what p_max and the best lower price are expected to earn."""
_SETTLING = 1_000_000
"""Told apart from the numbers of updates, in seeds."""


@dataclass(frozen=True)
class Recipe:
    """How a leader is trained. docs/hidden-markets.md tells what else was tried."""

    updates: int = 100
    """Gradient steps."""
    lanes: int = 128
    """Episodes in a gradient."""
    learning_rate: float = 2e-3
    """Adam's, after the warm-up; it falls linearly to nothing."""
    warmup: int = 20
    """Updates in which the learning rate rises."""
    dispersion: float = 5.0
    """Learning rate of how far prices vary, as a multiple."""
    clip_norm: float = 0.3
    """Largest norm of a gradient."""
    trial: int = 512
    """Episodes in which it is tried when to go to p_max."""
    clip_history: float = 100.0
    """Largest gradient that a price or purchase gets through what later rounds know of it, in units
    of the gradient of one round's utility: a few wild paths would drown the others."""


def train(
    network: MarketTransformer,
    settings: Settings,
    recipe: Recipe,
    seed: int,
    checkpoint: Checkpoint,
    report: Callable[[int], None],
) -> int:
    """Train a leader in place, going on from the checkpoint's last update.

    Args:
        network: the leader, freshly made.
        settings: of the environment; VMUs must be noisy or rational and SSIM a quadratic.
        recipe: hyperparameters and budget.
        seed: of the episodes.
        checkpoint: where progress is kept.
        report: called with the number of updates done, after each.

    Returns:
        Rounds played.
    """
    # The filter stays as it was fitted: what purchases say is not to be bent for a price's sake.
    if network.belief:
        network.belief.requires_grad_(False)
    # At p_max nothing is learnt, and the gradient there does not see what lower prices would have
    # taught: it would go there too often. So that is left to the filter, but for one number that is
    # settled by trying.
    network.leap.requires_grad_(False)
    network.jump.requires_grad_(False)
    others = [
        parameter
        for name, parameter in network.named_parameters()
        if name != "dispersion" and parameter.requires_grad
    ]
    optimizer = torch.optim.Adam([{"params": others}, {"params": [network.dispersion]}])
    limit = recipe.clip_history / (recipe.lanes * settings.max_cycles)

    def into_history(fact: Tensor) -> Tensor:
        return _clamped(fact, limit)

    done = checkpoint.restore(network, optimizer)
    if not done:
        settle(network, settings, recipe.trial, seed)
    for update in range(done, recipe.updates):
        rate = min(1.0, (update + 1) / recipe.warmup) * (1 - update / recipe.updates)
        for group, scale in zip(optimizer.param_groups, (1.0, recipe.dispersion), strict=True):
            group["lr"] = recipe.learning_rate * rate * scale
        paths = draw(settings, recipe.lanes, np.random.default_rng([seed, update]))
        _, utility = play(network, paths, into_history)
        loss = -utility.mean() / utility.mean().detach()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        optimizer.step()
        checkpoint.keep(update + 1, network, optimizer)
        report(update + 1)
    tried = settle(network, settings, recipe.trial, seed)
    return recipe.updates * recipe.lanes * settings.max_cycles + 2 * tried


@torch.no_grad()
def settle(network: MarketTransformer, settings: Settings, lanes: int, seed: int) -> int:
    """Set how much better p_max must seem before it is played, by trying values in episodes.

    Returns: rounds played.
    """
    paths = draw(settings, lanes, np.random.default_rng([seed, _SETTLING]))
    earned = []
    for bias in _BIASES:
        network.jump[1] = bias
        earned.append(play(network, paths)[1].mean().item())
    network.jump[1] = _BIASES[int(np.argmax(earned))]
    return len(_BIASES) * lanes * settings.max_cycles


def _clamped(fact: Tensor, limit: float) -> Tensor:
    """The same, with its gradient held within ± `limit`."""
    if fact.requires_grad:
        fact = fact.clone()
        fact.register_hook(lambda gradient: gradient.clamp(-limit, limit))
    return fact
