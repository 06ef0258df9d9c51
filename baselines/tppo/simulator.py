"""Whole episodes of hidden markets as tensors, through which gradients flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aigc_market import game, vmus
from aigc_market.envs.course import Course
from aigc_market.envs.settings import Settings
from aigc_market.ssim import QuadraticSSIM
from baselines.tppo.network import MarketTransformer, Terms


class Paths(NamedTuple):
    """What happens in a batch of episodes whatever the leader does; (T, B) in front."""

    satisfaction: Tensor
    """(T, B, K)."""
    alpha: Tensor
    """(T, B, 1)."""
    beta: Tensor
    """(T, B, 1)."""
    capacity: Tensor | None
    """(T, B), or no limit."""
    active: Tensor
    """(T + 1, B, K) 1 for the VMUs that are there."""
    noise: Tensor
    """(T, B, K) factors of their purchases."""
    best: Tensor
    """(T, B) the equilibrium's utility."""


class Market:
    """One round of `Paths`: the package's rules, on tensors."""

    def __init__(self, paths: Paths, t: int, terms: Terms) -> None:
        self._satisfaction, self._active = paths.satisfaction[t], paths.active[t]
        self._ssim = QuadraticSSIM(paths.alpha[t], paths.beta[t])
        self._capacity = None if paths.capacity is None else paths.capacity[t]
        self._noise, self._terms = paths.noise[t], terms

    def buy(self, price: Tensor) -> tuple[Tensor, Tensor]:
        """What VMUs are delivered (B, K), noise included, and U_p without noise, at prices (B,)."""
        low, high = self._terms.min_steps, self._terms.max_steps
        rational = game.purchase(price[:, None], self._satisfaction, self._ssim, low, high)
        noisy = (rational * self._noise).clamp(low, high) * self._active
        _, sold = game.deliver(rational * self._active, self._capacity)
        delivered, _ = game.deliver(noisy, self._capacity)
        return delivered, game.asp_utility(price, self._terms.cost, sold)


def draw(settings: Settings, lanes: int, rng: np.random.Generator, solved: bool = False) -> Paths:
    """Draw episodes of a scenario whose VMUs are noisy.

    Args:
        settings: of the environment.
        lanes: B.
        rng: of every random choice.
        solved: whether to solve every round's equilibrium (else `best` is 0).

    Raises:
        ValueError: a scenario with other followers or another SSIM than a quadratic.
    """
    name = settings.scenario.vmus
    policy = vmus.Noisy(0.0) if name == "best_response" else vmus.resolve(name)
    if not isinstance(policy, vmus.Noisy):
        raise ValueError(f"vmus must be rational or noisy, got {name!r}")
    if not isinstance(settings.market.ssim, QuadraticSSIM):
        raise ValueError(f"ssim must be a quadratic, got {settings.market.ssim!r}")
    course = Course(settings, rng, lanes=(lanes,))
    K, rounds = settings.market.K, settings.max_cycles
    columns: dict[str, list[np.ndarray]] = {name: [] for name in Paths._fields}

    def keep(name: str, value: Any, *shape: int) -> None:
        columns[name].append(np.broadcast_to(value, (lanes, *shape)))

    for t in range(rounds):
        market = course.market
        keep("satisfaction", market.satisfaction, K)
        keep("alpha", market.ssim.parameters[0], 1)
        keep("beta", market.ssim.parameters[1], 1)
        keep("active", True if market.active is None else market.active, K)
        if market.capacity is not None:
            keep("capacity", market.capacity)
        keep("best", course.equilibrium.asp_utility if solved else 0.0)
        columns["noise"].append(policy.factors((lanes, K), rng))
        if t + 1 < rounds:
            course.advance()
    columns["active"].append(columns["active"][-1])
    return Paths(
        **{
            name: torch.as_tensor(np.stack(rows), dtype=torch.float32) if rows else None
            for name, rows in columns.items()
        }
    )


def play(
    network: MarketTransformer,
    paths: Paths,
    into_history: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> tuple[Tensor, Tensor]:
    """Play whole episodes with the network's mean prices.

    Args:
        network: the leader.
        paths: the episodes.
        into_history: applied to prices and purchases, in the network's units, on their way into
            what later rounds know.

    Returns:
        Prices (T, B) and U_p without noise (T, B).
    """
    terms = network.terms
    cache, output = network.start(paths.active[0])
    prices, utilities = [], []
    rounds = len(paths.noise)
    for t in range(rounds):
        price = network.price(output.action)
        delivered, utility = Market(paths, t, terms).buy(price)
        prices.append(price)
        utilities.append(utility)
        if t + 1 < rounds:
            output = network.step(
                cache,
                into_history(price / terms.price_unit) * terms.price_unit,
                into_history(delivered / terms.steps_unit) * terms.steps_unit,
                paths.active[t + 1],
            )
    return torch.stack(prices), torch.stack(utilities)
