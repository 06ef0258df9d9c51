"""Prices at which no provider gains by a small change: markup fixed point, and Newton's method.

With D_m = Σ_k q·S, a provider's marginal utility U_m′ = D_m + (p_m − c_m)·D_m′ is zero where its
markup is, in the form ζ of Morrow & Skerlos (2011), which converges where plain steps do not,

    p_m − c_m = [Σ_k q·S + (p_m − c_m)·Σ_k q²·S²/μ] / [Σ_k q·S²/μ − Σ_k q·S′].

Arrays are (M, N): of each provider in each of N markets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from aigc_market._arrays import holds, log, namespace
from aigc_market.competition.batches import blocks
from aigc_market.competition.game import rational
from aigc_market.competition.layouts import Columns, Layout
from aigc_market.competition.market import Competition
from aigc_market.competition.response import SellerVMUs


class Marginals(NamedTuple):
    """Demand at a profile of prices, and its derivatives from the left."""

    demand: Any
    """(M, N) D."""
    own: Any
    """(M, N) ∂D_m/∂p_m, jumps left out."""
    wanted: Any
    """(M, N) ζ, the price that the fixed point asks for; NaN where nothing is sold."""
    demand_by: Any
    """(M, M, N) ∂D_m/∂p_j."""
    marginal_by: Any
    """(M, M, N) ∂U_m′/∂p_j."""


class Profiles:
    """Derivatives at profiles of prices in N markets.

    Args:
        market: N markets, or one that all share.
        like: an array of their library, device and type.
    """

    def __init__(self, market: Competition, like: Any) -> None:
        self.M, self.market = market.M, market
        self._parts = []
        for block in blocks(market, like):
            sellers = [SellerVMUs(block, m) for m in range(market.M)]
            self._parts.append((Columns(block, front=True), sellers))
        layout = self._parts[0][0]
        self.cost, self.capacity = layout.cost, layout.capacity
        top = market.max_price
        self.max_price = top[:, None] if top.ndim == 1 else namespace(top).permute_dims(top, (1, 0))

    def answers(self, prices: Any) -> Iterator[tuple[Layout, Any, Any, Any]]:
        """Of some VMUs after the other: their layout, q, S and S′ (M, K, N) at prices (M, N)."""
        xp = namespace(prices)
        for layout, sellers in self._parts:
            q, S = rational(layout, prices)
            inside = (layout.min_steps < S) & (layout.max_steps > S)
            slopes = [seller.steepness + 0 * S[:1, ...] for seller in sellers]
            yield layout, q, S, xp.concat(slopes, axis=0) * inside

    def marginals(self, prices: Any, by: bool = False) -> Marginals:
        """At prices (M, N); those with respect to others' prices only where they are asked for."""
        xp = namespace(prices)
        M = self.M
        margin = prices - self.cost
        demand, own, pull, square = (0 * prices for _ in range(4))
        demand_by = marginal_by = xp.stack([0 * prices] * M) if by else None
        eye = xp.eye(M, dtype=prices.dtype, device=_device(prices))[..., None]
        for layout, q, S, slope in self.answers(prices):
            flow, falls = q * S, q * slope
            push = flow * S / layout.pair_temperature
            demand = demand + xp.sum(flow, axis=1)
            pull = pull + xp.sum(push - falls, axis=1)
            square = square + xp.sum(q * push, axis=1)
            if not by:
                continue
            bend = falls - (1 - 2 * q) * push  # of D′ where another's price draws a VMU here
            own_bend = ((1 - 2 * q) * push - 3 * falls) * (1 - q) * S / layout.pair_temperature
            drawn = flow / layout.pair_temperature
            rows = [xp.sum(flow[m, ...] * drawn, axis=1) for m in range(M)]
            bends = [xp.sum(bend[m, ...] * drawn, axis=1) for m in range(M)]
            demand_by = demand_by + xp.stack(rows) * (1 - eye)
            marginal_by = (
                marginal_by
                + margin[:, None, :] * xp.stack(bends) * (1 - eye)
                + eye * (margin * xp.sum(own_bend, axis=1))[:, None, :]
            )
        own = square - pull
        if by:
            demand_by = demand_by + eye * own[:, None, :]
            marginal_by = marginal_by + demand_by + eye * own[:, None, :]
        sells = pull > 0
        wanted = self.cost + (demand + margin * square) / xp.where(sells, pull, 1.0)
        # Nothing sold: a lower price may sell. Sold to captives whatever the price: the highest.
        wanted = xp.where(sells, wanted, (self.cost + prices) / 2)
        wanted = xp.where(~sells & (demand > 0), self.max_price, wanted)
        return Marginals(demand, own, wanted, demand_by, marginal_by)

    def jumps(self, seat: int) -> Any:
        """(J, K, N) prices at which the steps bought of a provider jump down, or None."""
        xp = namespace(self.cost)
        found = [sellers[seat].jumps for _, sellers in self._parts]
        return None if found[0] is None else xp.concat(found, axis=1)

    def at_breaks(self, prices: Any, only_jumps: bool = False) -> Any:
        """(M, N) whether a price is one at which some VMU's demand, or its slope, jumps down."""
        xp = namespace(prices)
        rows = [price > price for price in prices]
        for _, sellers in self._parts:
            for m, seller in enumerate(sellers):
                breaks = seller.jumps if only_jumps else seller.breaks
                if breaks is not None:
                    price = prices[m, ...]
                    there = xp.abs(breaks - price) <= 1e-9 * price
                    rows[m] = rows[m] | xp.any(there, axis=(0, 1))
        return xp.stack(rows)

    def within(self, prices: Any) -> Any:
        """Held within [c, p_max]."""
        xp = namespace(prices)
        return xp.minimum(xp.maximum(prices, self.cost), self.max_price)


def _device(array: Any) -> Any:
    return array_api_compat.device(array)


def markup_iteration(profiles: Profiles, start: Any, rounds: int = 40) -> Any:
    """Where ζ leads from prices (M, N); (M, N). A seat short of capacity goes where it clears.

    It ends near a fixed point, which Newton's method then meets, or somewhere on the way.
    """
    xp = namespace(start)
    prices, damping, before = start, 0 * start[0, ...] + 1, None
    for _ in range(rounds):
        seen = profiles.marginals(prices)
        wanted = seen.wanted
        if profiles.capacity is not None:
            wanted = xp.maximum(wanted, prices + to_clear(profiles, seen.demand, seen.own))
        change = profiles.within(wanted) - prices
        size = xp.max(xp.abs(change) / prices, axis=0)
        if holds(size <= _NEAR):
            break
        if before is not None:
            slow = size > 0.8 * before
            damping = xp.where(slow, xp.maximum(damping * 0.7, 0 * damping + 0.1), damping)
        before = size
        prices = prices + damping * change
    return prices


_NEAR = 1e-4


def to_clear(profiles: Profiles, demand: Any, own: Any) -> Any:
    """By how much prices must rise until demand is the capacity, were demand exponential.

    Args:
        profiles: of N markets.
        demand: (M, N) D.
        own: (M, N) ∂D_m/∂p_m.
    """
    xp = namespace(demand)
    sells = (demand > 0) & (own < 0)
    demand = xp.where(sells, demand, 1.0)
    excess = log(demand / (profiles.capacity + 0 * demand))
    return xp.where(sells, excess * demand / xp.where(sells, -own, 1.0), 0.0)


def newton(profiles: Profiles, start: Any, held: Any = None) -> tuple[Any, Any]:
    """Prices at which every provider's marginal utility is zero or demand meets its capacity.

    Args:
        profiles: of N markets.
        start: (M, N) prices near by.
        held: (M, N) bool, seats whose price stays (at a jump of demand); None: none but those whose
            price is at a bound and would leave it.

    Returns:
        Prices (M, N), and whether they have been reached (N,). Where not, those to start from.
    """
    xp = namespace(start)
    prices = start
    size = 0 * start[0, ...] + 1
    eye = xp.eye(profiles.M, dtype=start.dtype, device=_device(start))
    for _ in range(_STEPS):
        seen = profiles.marginals(prices, by=True)
        value = seen.demand + (prices - profiles.cost) * seen.own
        rows = seen.marginal_by
        steep = xp.where(seen.own < 0, -seen.own, 1.0)
        if profiles.capacity is not None:
            excess = seen.demand - profiles.capacity
            scarce = 2 * excess > value
            value = xp.where(scarce, excess, value)
            rows = xp.where(scarce[:, None, :], seen.demand_by, rows)
        stays = (seen.own >= 0) | (
            ((prices >= profiles.max_price) & (value > 0))
            | ((prices <= profiles.cost) & (value < 0))
        )
        if held is not None:
            stays = stays | held
        # In units of a price change, so that rows compare; those that stay change nothing.
        rows = xp.where(stays[:, None, :], -eye[..., None], rows / steep[:, None, :])
        value = xp.where(stays, 0.0, value / steep)
        matrix = xp.permute_dims(rows, (2, 0, 1)) - 1e-13 * eye
        change = -xp.permute_dims(solved(matrix, xp.permute_dims(value, (1, 0))), (1, 0))
        limit = 0.2 * prices
        moved = profiles.within(prices + xp.minimum(xp.maximum(change, -limit), limit))
        size = xp.max(xp.abs(moved - prices) / prices, axis=0)
        prices = moved
        if holds(size <= _REACHED):
            break
    reached = size <= 1e3 * _REACHED
    return xp.where(reached, prices, start), reached


def solved(matrix: Any, right: Any) -> Any:
    """x of matrix·x = right, (N, M, M) and (N, M); the shortest where there are many or none."""
    xp = namespace(matrix)
    try:
        return xp.linalg.solve(matrix, right[..., None])[..., 0]
    except (np.linalg.LinAlgError, RuntimeError):  # torch's is a RuntimeError
        return (xp.linalg.pinv(matrix) @ right[..., None])[..., 0]


_STEPS = 30
_REACHED = 4 * float(np.finfo(np.float64).eps)
