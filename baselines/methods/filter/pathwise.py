"""Training straight through the rules: price → purchases → history → later prices.

The rules are differentiable, so −ΣU_p of whole episodes is minimised by backpropagation, with the
followers' noise held fixed (reparametrised). The gradient sees what a price teaches about the
market, so exploration is learnt. The market's hidden parameters and its gradient are needed in
training only; the leader that results knows past rounds and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aigc_market import followers as scripted
from baselines.arena.task import Task
from baselines.methods.filter.network import PricingNetwork
from baselines.methods.filter.simulator import draw, play
from baselines.runs.checkpoint import Checkpoint


@dataclass(frozen=True)
class PathwiseRecipe:
    """How a leader is trained. docs/hidden-markets.md tells what else was tried."""

    updates: int = 12
    """Gradient steps."""
    lanes: int = 128
    """Episodes in a gradient."""
    learning_rate: float = 4e-3
    """Adam's, after the warm-up; it falls linearly to nothing."""
    warmup: int = 4
    """Updates in which the learning rate rises."""
    dispersion: float = 5.0
    """Learning rate of how far prices vary, as a multiple."""
    clip_norm: float = 0.3
    """Largest norm of a gradient."""
    clip_history: float = 100.0
    """Largest gradient that a price or purchase gets through what later rounds know of it, in units
    of the gradient of one round's utility: a few wild paths would drown the others."""


def obstacle(task: Task) -> str | None:
    """What keeps the gradient from going through the rules of a task; None: nothing."""
    if not task.settings().market.ssim.linear_demand:
        return "ssim must be a quadratic: the demand of other models has no useful gradient"
    if type(_followers(task)) is not scripted.Noisy:
        return "followers must be rational or noisy: the gradient holds their noise fixed"
    return None


def train(
    network: PricingNetwork,
    task: Task,
    recipe: PathwiseRecipe,
    seed: int,
    checkpoint: Checkpoint,
    report: Callable[[int], None],
) -> int:
    """Train a leader in place, going on from the checkpoint's last update.

    Args:
        network: the leader, freshly made.
        task: what is played; there must be no `obstacle`.
        recipe: hyperparameters and budget.
        seed: of the episodes.
        checkpoint: where progress is kept.
        report: called with the number of updates done, after each.

    Returns:
        Rounds played.
    """
    settings, followers = task.settings(), _followers(task)
    if network.demand_filter is not None:
        # It stays as it was fitted: what purchases say is not to be bent for a price's sake.
        network.demand_filter.requires_grad_(False)
    single = [network.dispersion, network.opening]
    others = [
        p for p in network.parameters() if p.requires_grad and all(p is not s for s in single)
    ]
    optimizer = torch.optim.Adam([{"params": others}, {"params": single}])
    limit = recipe.clip_history / (recipe.lanes * settings.max_cycles)

    def into_history(fact: Tensor) -> Tensor:
        return _clamped(fact, limit)

    for update in range(checkpoint.restore(network, optimizer), recipe.updates):
        rate = min(1.0, (update + 1) / recipe.warmup) * (1 - update / recipe.updates)
        for group, scale in zip(optimizer.param_groups, (1.0, recipe.dispersion), strict=True):
            group["lr"] = recipe.learning_rate * rate * scale
        rng = np.random.default_rng([seed, update])
        _, utility = play(network, draw(settings, followers, recipe.lanes, rng), into_history)
        loss = -utility.mean() / utility.mean().detach()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        optimizer.step()
        checkpoint.keep(update + 1, network, optimizer)
        report(update + 1)
    return recipe.updates * recipe.lanes * settings.max_cycles


def _followers(task: Task) -> Any:
    """The follower policy of a task, rational ones as noisy ones without noise."""
    policy = scripted.resolve(
        task.keywords().get("followers") or task.settings().scenario.followers
    )
    return scripted.Noisy(0.0) if policy is scripted.best_response else policy


def _clamped(fact: Tensor, limit: float) -> Tensor:
    """The same, with its gradient held within ± `limit`."""
    if fact.requires_grad:
        fact = fact.clone()
        fact.register_hook(lambda gradient: gradient.clamp(-limit, limit))
    return fact
