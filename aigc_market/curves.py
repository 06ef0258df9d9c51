"""A market as curves over the price: what is drawn, and Theorem 2's price. NumPy, one market."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from aigc_market import _checks, rules
from aigc_market.market import Market
from aigc_market.ssim.model import Lines

_STEP = 1e-9  # relative: how far behind a breakpoint demand is looked at, since it may jump there


class Curves(NamedTuple):
    """A market at N prices, ascending."""

    price: np.ndarray
    """(N,)."""
    steps: np.ndarray
    """(N, K) steps delivered to rational VMUs."""
    asp_utility: np.ndarray
    """(N,) U_p(p, S*(p)), Eq. 6."""


def theorem_2(market: Market) -> float | None:
    """The price of Theorem 2 (Eq. 14), which looks at no bound, no limit and no capacity.

    c/2 + Σ a_k / (2 Σ b_k), over the VMUs that are there, S_k*(p) = a_k - b_k·p being their
    demand between the bounds: Eq. 14 where SSIM is one quadratic for all. It is the price of the
    equilibrium where nothing binds (`Equilibrium.closed_form`), and may be far from it elsewhere.

    Returns:
        The price, or None: demand is no line (`SSIMModel.linear_demand`), or nobody is there.
    """
    market = _one(market)
    if not market.ssim.linear_demand:
        return None
    there = np.ones(market.K) if market.active is None else market.active
    curve = market.ssim.demand_curve(*_bounds(market))
    line = np.argmin(curve.slopes, axis=-1)[..., None]  # the pieces beside it are the bounds
    level = np.sum(there * np.take_along_axis(curve.intercepts, line, -1)[..., 0])
    slope = np.take_along_axis(curve.slopes, line, -1)[..., 0]
    slope = np.sum(there * slope / market.satisfaction)
    return float(market.cost / 2 - level / (2 * slope)) if np.any(there) else None


def breakpoints(market: Market) -> np.ndarray:
    """Prices between c and p_max at which U_p(p) bends or jumps, ascending.

    There a VMU enters or leaves a bound (or a point of a table), or total demand meets the
    capacity.
    """
    market = _one(market)
    curve = market.ssim.demand_curve(*_bounds(market))
    rates = np.asarray(curve.rates)
    bends = np.broadcast_to(market.satisfaction[:, None] * rates, (market.K, rates.shape[-1]))
    if market.active is not None:
        bends = bends[market.active]
    inside = np.unique(bends[(bends > market.cost) & (bends < market.max_price)])
    clearing = _clearing_price(market, inside, curve.form)
    return inside if clearing is None else np.union1d(inside, clearing)


def curves(market: Market, points: int = 400) -> Curves:
    """The market at evenly spaced prices from c to p_max, at its breakpoints and just behind them.

    Raises:
        TypeError, ValueError: no market, or a batch of them.
    """
    market = _one(market)
    breaks = breakpoints(market)
    grid = np.linspace(market.cost, market.max_price, points)
    behind = np.minimum(breaks * (1 + _STEP), market.max_price)
    price = np.unique(np.concatenate([grid, breaks, behind]))
    settled = rules.settle(market, price, rules.best_response(market, price))
    return Curves(price, settled.delivered, settled.asp_utility)


def _clearing_price(market: Market, breaks: np.ndarray, form: Lines) -> float | None:
    """The lowest price between c and p_max at which demand is no more than the capacity."""
    if market.capacity is None:
        return None

    def demand(price: np.ndarray) -> np.ndarray:
        return rules.best_response(market, price).sum(axis=-1)

    edges = np.concatenate([[market.cost], breaks, [market.max_price]])
    over = np.flatnonzero(demand(edges) > market.capacity)
    if len(over) == 0 or over[-1] == len(edges) - 1:
        return None  # it never binds, or at every price
    left, right = edges[over[-1]], edges[over[-1] + 1]
    begins = left * (1 + _STEP)
    high, low = demand(np.array([begins, right]))
    if high <= market.capacity:  # demand falls below it in a jump
        return float(left)
    share = (high - market.capacity) / (high - low)
    first, last = form.coordinate(begins), form.coordinate(right)
    return float(form.price(first + share * (last - first)))


def _bounds(market: Market) -> tuple[Any, Any]:
    return market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)


def _one(market: Market) -> Market:
    _checks.instance("market", market, Market, "a Market")
    if market.batch_shape:
        raise ValueError(f"market must be one market, got a batch {market.batch_shape}")
    return market
