"""Training straight through the rules: price → purchases → history → later prices.

The rules are differentiable, so −ΣU_p of whole episodes is minimised by backpropagation, with the
followers' noise held fixed (reparametrised). The gradient sees what a price teaches about the
market, so exploration is learnt. The market's hidden parameters and its gradient are needed in
training only; the leader that results knows past rounds and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from aigc_market import followers as scripted
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.stackelberg import Settings
from aigc_market.market import Market
from aigc_market.rules import Settlement, Terms
from baselines.arena.protocol import Report
from baselines.arena.task import Task
from baselines.methods.filter.information import Tracker
from baselines.methods.filter.network import PricingNetwork
from baselines.runs.checkpoint import Checkpoint


@dataclass(frozen=True)
class PathwiseRecipe:
    """How a leader is trained."""

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


class Episodes(NamedTuple):
    """What happens in B episodes whatever the leader does."""

    markets: list[Market]
    """T batches of B markets, on tensors."""
    factors: Tensor
    """(T, B, K) by what VMUs miss the best response."""


def obstacle(task: Task) -> str | None:
    """What keeps the gradient from going through the rules of a task; None: nothing."""
    market = task.settings().market
    if not np.any(market.ssim.demand_curve(market.min_steps, market.max_steps).slopes):
        return "ssim must be a formula: the demand of a table jumps, and has no useful gradient"
    if type(_followers(task)) is not scripted.Noisy:
        return "followers must be rational or noisy: the gradient holds their noise fixed"
    return None


def train(
    weights: nn.ParameterDict,
    task: Task,
    recipe: PathwiseRecipe,
    seed: int,
    checkpoint: Checkpoint,
    report: Report,
) -> int:
    """Train a leader in place, going on from the checkpoint's last update.

    Args:
        weights: of the leader, freshly made.
        task: what is played; there must be no `obstacle`.
        recipe: hyperparameters and budget.
        seed: of the episodes.
        checkpoint: where progress is kept.
        report: told of the updates done.

    Returns:
        Rounds played.
    """
    settings, followers = task.settings(), _followers(task)
    network = PricingNetwork(task.public(), weights)
    # The filter stays as it was fitted: what purchases say is not to be bent for a price's sake.
    learnt = {name: p for name, p in weights.items() if name not in network.demand_filter.weights}
    single = [learnt.pop(name) for name in ("dispersion", "opening")]
    optimizer = torch.optim.Adam([{"params": list(learnt.values())}, {"params": single}])
    limit = recipe.clip_history / (recipe.lanes * settings.max_cycles)

    def into_history(fact: Tensor) -> Tensor:
        """The same, with its gradient held within ± `limit`."""
        if fact.requires_grad:
            fact = fact.clone()
            fact.register_hook(lambda gradient: gradient.clamp(-limit, limit))
        return fact

    for name in network.demand_filter.weights:
        weights[name].requires_grad_(False)
    for update in range(checkpoint.restore(weights, optimizer), recipe.updates):
        rate = min(1.0, (update + 1) / recipe.warmup) * (1 - update / recipe.updates)
        for group, scale in zip(optimizer.param_groups, (1.0, recipe.dispersion), strict=True):
            group["lr"] = recipe.learning_rate * rate * scale
        rng = np.random.default_rng([seed, update])
        _, utility = play(network, draw(settings, followers, recipe.lanes, rng), into_history)
        loss = -utility.mean() / utility.mean().detach()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights.parameters(), recipe.clip_norm)
        optimizer.step()
        checkpoint.keep(update + 1, weights, optimizer)
        report(update + 1, recipe.updates, {})
    return recipe.updates * recipe.lanes * settings.max_cycles


def draw(
    settings: Settings, followers: scripted.Noisy, lanes: int, rng: np.random.Generator
) -> Episodes:
    """Draw episodes.

    Args:
        settings: of the environment.
        followers: the VMUs.
        lanes: B.
        rng: of every random choice.
    """
    process, like = MarketProcess(settings, rng, lanes=(lanes,)), torch.empty(0)
    markets: list[Market] = []
    for _ in range(settings.max_cycles):
        if markets:
            process.advance()
        markets.append(process.market.like(like))
    factors = followers.factors((len(markets), lanes, settings.market.K), rng)
    return Episodes(markets, torch.from_numpy(factors))


def buy(market: Market, factors: Tensor, price: Tensor) -> tuple[Tensor, Tensor]:
    """A round.

    Args:
        market: B of them.
        factors: (B, K) by what VMUs miss the best response.
        price: (B,).

    Returns:
        What is asked for, (B, K), and what rational VMUs would have paid the leader, (B,).
    """
    terms = Terms(market)
    rational = terms.rational(price)
    asked = scripted.within_bounds(market, rational * factors)
    settled = Settlement(terms, price, asked, rational)
    return settled.asked, settled.rational().asp_utility


def play(
    network: PricingNetwork,
    episodes: Episodes,
    into_history: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> tuple[Tensor, Tensor]:
    """Play whole episodes with the network's mean prices.

    Args:
        network: the leader, on tensors.
        episodes: of its markets.
        into_history: applied to prices and purchases, in units of about 1, on their way into what
            later rounds know.

    Returns:
        Prices (T, B), and U_p (T, B) against rational VMUs.
    """
    markets, like = episodes.markets, episodes.factors[0]
    tracker = Tracker(network.demand_filter, _active(markets[0], like), markets[0].capacity)
    of_price, of_steps = tracker.price_unit, tracker.steps_unit
    prices, utilities = [], []
    for t, (market, factors) in enumerate(zip(*episodes, strict=True)):
        price = network.price(network.action(tracker.known))
        asked, utility = buy(market, factors, price)
        prices.append(price)
        utilities.append(utility)
        if t + 1 < len(markets):
            tracker.observe(
                into_history(price / of_price) * of_price,
                into_history(asked / of_steps) * of_steps,
                _active(markets[t + 1], like),
                markets[t + 1].capacity,
            )
    return torch.stack(prices), torch.stack(utilities)


def _active(market: Market, like: Tensor) -> Tensor:
    """1 for the VMUs that are there, (B, K)."""
    if market.active is None:
        return torch.ones_like(like)
    return market.active.expand(like.shape).to(like.dtype)


def _followers(task: Task) -> Any:
    """The follower policy of a task, rational ones as noisy ones without noise."""
    policy = scripted.resolve(
        task.keywords().get("followers") or task.settings().scenario.followers
    )
    return scripted.Noisy(0.0) if policy is scripted.best_response else policy
