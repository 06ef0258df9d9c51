"""Whole episodes of hidden markets as tensors, through which gradients flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aigc_market import game, vmus
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.settings import Settings
from aigc_market.layouts import Columns
from aigc_market.market import Market
from aigc_market.ssim import QuadraticSSIM
from baselines.arena.protocol import PublicParameters
from baselines.methods.filter.network import MarketTransformer


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


class Rules:
    """The package's rules of the markets in `Paths`, on tensors."""

    def __init__(self, paths: Paths, public: PublicParameters) -> None:
        self._paths = paths
        self._market = Market(**vars(public))
        self._ssim = QuadraticSSIM(paths.alpha, paths.beta)

    def buy(self, t: int, price: Tensor) -> tuple[Tensor, Tensor]:
        """What VMUs are delivered (B, K), noise included, and U_p without noise, at prices (B,)."""
        paths = self._paths
        market = self._market.replace(
            satisfaction=paths.satisfaction[t],
            ssim=self._ssim.map(lambda c: c[t] if isinstance(c, Tensor) else c),
            capacity=None if paths.capacity is None else paths.capacity[t],
            active=paths.active[t] > 0,
        )
        layout = Columns(market)
        rational = game.best_responses(layout, price)
        noisy = (rational.asked * paths.noise[t]).clamp(market.min_steps, market.max_steps)
        return game.settle_in(layout, price, noisy).delivered, rational.asp_utility


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
    course = MarketProcess(settings, rng, lanes=(lanes,))
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
    tensors: dict[str, Any] = {
        name: torch.as_tensor(np.stack(rows), dtype=torch.float32) if rows else None
        for name, rows in columns.items()
    }
    return Paths(**tensors)


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
    rules = Rules(paths, network.public)
    cache, output = network.start(paths.active[0])
    prices, utilities = [], []
    rounds = len(paths.noise)
    for t in range(rounds):
        price = network.price(output.action)
        delivered, utility = rules.buy(t, price)
        prices.append(price)
        utilities.append(utility)
        if t + 1 < rounds:
            output = network.step(
                cache,
                into_history(price / network.price_unit) * network.price_unit,
                into_history(delivered / network.steps_unit) * network.steps_unit,
                paths.active[t + 1],
            )
    return torch.stack(prices), torch.stack(utilities)
