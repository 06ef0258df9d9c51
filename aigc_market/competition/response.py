"""How a provider's demand answers to its own price, with its rivals' prices given.

Arrays have an axis of prices first and the axis of N markets last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from aigc_market._arrays import clip, convert, exp, log, namespace
from aigc_market.competition.batches import blocks
from aigc_market.competition.game import values_of
from aigc_market.competition.layouts import Columns, Layout
from aigc_market.competition.market import OF_PROVIDER, Competition
from aigc_market.game import asp_utility, purchase


class Answers(NamedTuple):
    """Of some VMUs to some prices of a provider."""

    shares: Any
    """(P, K, N) q."""
    steps: Any
    """(P, K, N) S."""


class Slopes(NamedTuple):
    """Demand at some prices, and how it changes there."""

    demand: Any
    """(P, N) D."""
    change: Any
    """(P, N) D′, from the left; jumps are no part of it."""


class Bounds(NamedTuple):
    """Demand on intervals of prices."""

    demand: Any
    """(E, W, N) D at the edges."""
    gentlest: Any
    """(E − 1, W, N) no D′ between two edges is above."""
    steepest: Any
    """(E − 1, W, N) no D′ is below, where demand does not jump."""
    jumps: Any
    """(E − 1, W, N) bool: demand may jump down there."""


class SellerVMUs:
    """One provider and some of the VMUs.

    Args:
        market: N markets with these VMUs.
        seat: the provider's number.
    """

    def __init__(self, market: Competition, seat: int) -> None:
        self.layout = Columns(only(market, seat), front=True)
        self.smooth = market.ssim[seat].linear_demand
        curve = self.layout.ssim.demand_curve(self.layout.min_steps, self.layout.max_steps)
        rates, slopes = (convert(part, market.cost) for part in (curve.rates, curve.slopes))
        self.steepness = (slopes[..., 1] if self.smooth else 0.0) / self.layout.satisfaction
        """(1, K, N) dS/dp where no bound holds."""
        scaled = [rates[..., j] * self.layout.satisfaction for j in range(rates.shape[-1])]
        self.breaks = namespace(scaled[0]).concat(scaled, axis=0)
        """(J, K, N) prices at which the steps bought jump down, or begin or end to fall."""
        self.jumps = None if self.smooth else self.breaks
        """Those at which they jump, or None."""

    def answers(self, prices: Any, rivals: Any) -> Answers:
        """What the VMUs answer to prices (P, N); rivals (K, N) as `rivals_of` has them."""
        layout = self.layout
        price = prices[:, None, :]
        steps = purchase(
            price, layout.satisfaction, layout.ssim, layout.min_steps, layout.max_steps
        )
        values = values_of(layout, price, steps)
        odds = exp(clip((rivals - values) / layout.pair_temperature, -_FAR, _FAR))
        return Answers(1 / (1 + odds), steps)

    def change(self, answers: Answers) -> Any:
        """(P, K, N) q·S′ − q·(1 − q)·S²/μ: by the envelope theorem v′ = −S."""
        q, S = answers
        layout = self.layout
        inside = (layout.min_steps < S) & (layout.max_steps > S)
        return q * (self.steepness * inside - (1 - q) * S * S / layout.pair_temperature)


_FAR = 700.0  # its exponential is still a number
_EPS = float(np.finfo(np.float64).eps)


def only(market: Competition, seat: int) -> Competition:
    """The market as if one of its providers were alone."""
    part = slice(seat, seat + 1)
    own = {name: getattr(market, name) for name in OF_PROVIDER}
    return market.replace(
        M=1,
        ssim=market.ssim[part],
        access_cost=market.access_cost[..., part, :],
        **{name: value if value is None else value[..., part] for name, value in own.items()},
    )


def rivals_of(layout: Layout, values: Any, seat: int) -> Any:
    """μ·log Σ exp(v/μ) over all that a VMU can choose but one provider; (K, N).

    Args:
        layout: of N markets, own axes first.
        values: (M, K, N) what a request is worth at each provider.
        seat: the provider left out.
    """
    xp = namespace(values)
    others = [values[m, ...] for m in range(values.shape[0]) if m != seat]
    if layout.outside is not None:
        others.append(0 * values[0, ...] + layout.outside)
    if not others:
        return xp.full_like(values[0, ...], -float("inf"))
    if len(others) == 1:
        return others[0]
    best = others[0]
    for other in others[1:]:
        best = xp.maximum(best, other)
    total = sum(exp((other - best) / layout.temperature) for other in others)
    return best + layout.temperature * log(total)


class OwnDemand:
    """D(p) = Σ_k q·S of one provider as a function of its own price p; it never rises with p.

    Args:
        market: N markets, or one that all share.
        seat: the provider's number.
        prices: (M, N) of all providers; its own is not read.
    """

    def __init__(self, market: Competition, seat: int, prices: Any) -> None:
        self.market, self.seat, self.prices = market, seat, prices
        self._parts: list[tuple[SellerVMUs, Any]] = []
        for block in blocks(market, prices, points=4):
            layout = Columns(block, front=True)
            price = layout.of_provider(prices)
            steps = purchase(
                price, layout.satisfaction, layout.ssim, layout.min_steps, layout.max_steps
            )
            rivals = rivals_of(layout, values_of(layout, price, steps), seat)
            self._parts.append((SellerVMUs(block, seat), rivals))
        self.smooth = market.ssim[seat].linear_demand
        nothing = 0 * prices[0, ...]
        self.cost = market.cost[..., seat] + nothing
        self.max_price = market.max_price[..., seat] + nothing
        self.capacity = None if market.capacity is None else market.capacity[..., seat] + nothing

    def lanes(self, where: Any) -> OwnDemand:
        """The same for some of the markets."""
        return OwnDemand(self.market.lanes(where), self.seat, self.prices[:, where])

    def utility(self, prices: Any, demand: Any) -> Any:
        """U at prices (…, N) at which the VMUs ask for `demand`."""
        if self.capacity is not None:
            demand = namespace(demand).minimum(demand, self.capacity + 0 * demand)
        return asp_utility(prices, self.cost, demand)

    def at(self, prices: Any) -> Any:
        """D at prices (P, N)."""
        return sum(
            _over_vmus(q * S)
            for q, S in (part.answers(prices, rivals) for part, rivals in self._parts)
        )

    def next_jump(self, prices: Any) -> Any:
        """The lowest price, from `prices` (N,) on, at which some VMU is about to buy less."""
        xp = namespace(prices)
        nearest = self.max_price
        for part, _ in self._parts:
            if part.jumps is not None:
                ahead = xp.where(part.jumps >= prices, part.jumps, self.max_price)
                nearest = xp.minimum(nearest, xp.min(ahead, axis=(0, 1)))
        return xp.maximum(nearest, prices)

    def breaks(self, most: int) -> Any:
        """(B, N) prices within [c, p_max] at which D jumps down or its slope does, or is about to.

        Where there are more than `most`, that many of them.
        """
        xp = namespace(self.cost)
        rows = [xp.reshape(part.breaks, (-1, part.breaks.shape[-1])) for part, _ in self._parts]
        breaks = xp.concat(rows, axis=0)
        before = breaks[:: -(-breaks.shape[0] // most), :] * (1 - 4 * _EPS)
        return xp.minimum(xp.maximum(before, self.cost), self.max_price)

    def slopes(self, prices: Any) -> Slopes:
        """D and D′ at prices (P, N)."""
        demand, change = 0.0, 0.0
        for part, rivals in self._parts:
            answers = part.answers(prices, rivals)
            demand = demand + _over_vmus(answers.shares * answers.steps)
            change = change + _over_vmus(part.change(answers))
        return Slopes(demand, change)

    def between(self, edges: Any) -> Bounds:
        """D at edges (E, W, N), ascending along the first axis, and bounds of D′ between them.

        q and S fall with the price, so at each VMU they lie between their values at the edges, and
        so does each factor of D′ = Σ q·S′ − q·(1 − q)·S²/μ.
        """
        xp = namespace(edges)
        width = max(1, _PRICES // edges.shape[0])
        slices = [slice(i, i + width) for i in range(0, edges.shape[1], width)]
        rows = [self._some_between(edges[:, part, :]) for part in slices]
        return Bounds(*(xp.concat(list(column), axis=1) for column in zip(*rows, strict=True)))

    def _some_between(self, edges: Any) -> Bounds:
        demand, gentlest, steepest, jumps = 0.0, 0.0, 0.0, False
        for part, rivals in self._parts:
            found = self._between(part, rivals, edges)
            demand, gentlest = demand + found.demand, gentlest + found.gentlest
            steepest, jumps = steepest + found.steepest, jumps | found.jumps
        return Bounds(demand, gentlest, steepest, jumps)

    def _between(self, part: SellerVMUs, rivals: Any, edges: Any) -> Bounds:
        xp = namespace(edges)
        flat = xp.reshape(edges, (-1, edges.shape[-1]))
        q, S = part.answers(flat, rivals)
        shape = (*edges.shape[:-1], *q.shape[1:])
        q, S = xp.reshape(q, shape), xp.reshape(S, shape)
        layout = part.layout
        spread = q * (1 - q)
        half = q >= 0.5
        pull = S * S / layout.pair_temperature
        least = xp.minimum(spread[:-1, ...], spread[1:, ...])
        most = xp.maximum(spread[:-1, ...], spread[1:, ...])
        most = xp.where(half[:-1, ...] & ~half[1:, ...], 0.25, most)
        gentlest = -least * pull[1:, ...]
        steepest = -most * pull[:-1, ...]
        same = S[:-1, ...] == S[1:, ...]
        if part.smooth:
            below = layout.max_steps > S
            above = layout.min_steps < S
            gentlest = gentlest + q[1:, ...] * part.steepness * (below[:-1, ...] & above[1:, ...])
            steepest = steepest + q[:-1, ...] * part.steepness * ~same
            jumps = xp.zeros(
                gentlest.shape[:2] + gentlest.shape[3:],
                dtype=xp.bool,
                device=array_api_compat.device(q),
            )
        else:
            jumps = xp.any(~same, axis=-2)
        return Bounds(_over_vmus(q * S), _over_vmus(gentlest), _over_vmus(steepest), jumps)


_PRICES = 64  # looked at together


def _over_vmus(pairs: Any) -> Any:
    return namespace(pairs).sum(pairs, axis=-2)
