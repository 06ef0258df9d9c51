"""Whole episodes of hidden markets as tensors, through which gradients flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aigc_market import followers as scripted
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.stackelberg import Settings
from aigc_market.market import Market
from aigc_market.rules import Settlement, Terms
from baselines.methods.filter.network import PricingNetwork


class Episodes(NamedTuple):
    """What happens in B episodes whatever the leader does."""

    markets: list[Market]
    """T batches of B markets, on tensors."""
    factors: Tensor
    """(T, B, K) by what VMUs miss the best response."""


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
        network: the leader.
        episodes: of its markets.
        into_history: applied to prices and purchases, in the network's units, on their way into
            what later rounds know.

    Returns:
        Prices (T, B), and U_p (T, B) against rational VMUs.
    """
    markets, like = episodes.markets, episodes.factors[0]
    cache, action = network.start(_active(markets[0], like), markets[0].capacity)
    prices, utilities = [], []
    for t, (market, factors) in enumerate(zip(*episodes, strict=True)):
        price = network.price(action)
        asked, utility = buy(market, factors, price)
        prices.append(price)
        utilities.append(utility)
        if t + 1 < len(markets):
            action = network.step(
                cache,
                into_history(price / network.price_unit) * network.price_unit,
                into_history(asked / network.steps_unit) * network.steps_unit,
                _active(markets[t + 1], like),
                markets[t + 1].capacity,
            )
    return torch.stack(prices), torch.stack(utilities)


def _active(market: Market, like: Tensor) -> Tensor:
    """1 for the VMUs that are there, (B, K)."""
    if market.active is None:
        return torch.ones_like(like)
    return market.active.expand(like.shape).to(like.dtype)
