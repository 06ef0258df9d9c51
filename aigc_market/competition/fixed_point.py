"""Prices at which no provider gains by a small change: the markup fixed point.

U_m′ = 0 solved for the markup in Morrow & Skerlos's (2011) form ζ, which contracts where Newton's
steps and plain best replies do not:

    p_m = c_m + [Σ_k q·S + (p_m − c_m)·Σ_k q²·S²/μ] / [Σ_k q·S²/μ − Σ_k q·S′]

A provider whose capacity does not do for that price takes the one that clears it.
"""

from __future__ import annotations

from typing import Any

from aigc_market._arrays import holds, namespace
from aigc_market.competition.batches import blocks
from aigc_market.competition.deviation import clearing_prices
from aigc_market.competition.game import rational
from aigc_market.competition.layouts import Columns
from aigc_market.competition.market import Competition
from aigc_market.competition.response import OwnDemand, SellerVMUs


class Markups:
    """The map ζ of N markets, with bounds of prices and capacities; prices are (M, N).

    Args:
        market: N markets, or one that all share.
        like: an array of their library, device and type.
    """

    def __init__(self, market: Competition, like: Any) -> None:
        self.market = market
        self._parts = []
        for block in blocks(market, like):
            sellers = [SellerVMUs(block, m) for m in range(market.M)]
            self._parts.append((Columns(block, front=True), sellers))
        xp = namespace(like)
        self.cost, self.max_price = (
            value if value.ndim == 1 else xp.permute_dims(value, (1, 0))
            for value in (market.cost, market.max_price)
        )
        if self.cost.ndim == 1:
            self.cost = self.cost[:, None]
        if self.max_price.ndim == 1:
            self.max_price = self.max_price[:, None]

    def __call__(self, prices: Any) -> Any:
        """ζ(p), held within [c, p_max] and at or above the price that clears the capacity."""
        xp = namespace(prices)
        sold, own, all_ = 0.0, 0.0, 0.0
        for layout, sellers in self._parts:
            q, S = rational(layout, prices)
            pull = q * S * S / layout.pair_temperature
            inside = (layout.min_steps < S) & (layout.max_steps > S)
            bend = xp.stack(
                [
                    xp.sum(q[m, ...] * (seller.steepness[0, ...] * inside[m, ...]), axis=0)
                    for m, seller in enumerate(sellers)
                ]
            )
            sold = sold + xp.sum(q * S, axis=1)
            own = own + xp.sum(q * pull, axis=1)
            all_ = all_ + xp.sum(pull, axis=1) - bend
        falls = all_ > 0
        markup = (sold + (prices - self.cost) * own) / xp.where(falls, all_, 1.0)
        # Where nothing is sold there is nothing to go by but that a lower price may sell.
        wanted = xp.where(falls, self.cost + markup, (self.cost + prices) / 2)
        wanted = xp.where((sold > 0) & ~falls, self.max_price, wanted)
        wanted = xp.minimum(xp.maximum(wanted, self.cost), self.max_price)
        if self.market.capacity is None:
            return wanted
        clearing = [
            clearing_prices(OwnDemand(self.market, m, prices))[1] for m in range(self.market.M)
        ]
        return xp.maximum(wanted, xp.stack(clearing, axis=0))


def fixed_point(market: Competition, start: Any) -> Any:
    """Where ζ ends from prices (M, N) to start from; (M, N). It need not converge."""
    xp = namespace(start)
    step = Markups(market, start)
    prices, damping, before = start, 0 * start[0, ...] + 1, None
    for _ in range(_ROUNDS):
        wanted = step(prices)
        change = wanted - prices
        size = xp.max(xp.abs(change) / prices, axis=0)
        if holds(size <= _SETTLED):
            break
        if before is not None:
            damping = xp.where(
                size > 0.9 * before, xp.maximum(damping / 2, 0 * damping + 0.05), damping
            )
        before = size
        prices = prices + damping * change
    return prices


_ROUNDS = 60
_SETTLED = 1e-14
