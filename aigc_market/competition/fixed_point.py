"""Prices at which no provider gains by a small change: markup fixed point, and Newton's method.

With D_m = Σ_k q·S, a provider's marginal utility U_m′ = D_m + (p_m − c_m)·D_m′ is zero where its
markup is, in the form ζ of Morrow & Skerlos (2011), which converges where plain steps do not,

    p_m − c_m = [Σ_k q·S + (p_m − c_m)·Σ_k q²·S²/μ] / [Σ_k q·S²/μ − Σ_k q·S′].

Arrays are (M, N): of each provider in each of N markets.
"""

from __future__ import annotations

import contextlib

import numpy as np

from aigc_market.competition.response import EPS, Profiles


def markup_iteration(profiles: Profiles, start: np.ndarray, rounds: int = 40) -> np.ndarray:
    """Where ζ leads from prices (M, N); (M, N). Who is short of capacity goes where it clears.

    It ends near a fixed point, which Newton's method then meets, or somewhere on the way.
    """
    prices, damping, before = start, 1.0, np.inf
    for _ in range(rounds):
        seen = profiles.slopes(prices)
        sells, square = seen.pull > 0, seen.own + seen.pull
        push = seen.demand + (prices - profiles.cost) * square
        wanted = profiles.cost + push / np.where(sells, seen.pull, 1.0)
        # Nothing sold: a lower price may sell. Sold to captives whatever the price: the highest.
        idle = np.where(seen.demand > 0, profiles.max_price, (profiles.cost + prices) / 2)
        wanted = np.where(sells, wanted, idle)
        if profiles.capacity is not None:
            wanted = np.maximum(wanted, prices + to_clear(profiles, seen.demand, seen.own))
        change = profiles.within(wanted) - prices
        size = np.max(np.abs(change) / prices, axis=0)
        if np.all(size <= _NEAR):
            break
        damping = np.where(size > 0.8 * before, np.maximum(damping * 0.7, 0.1), damping)
        before = size
        prices = prices + damping * change
    return prices


_NEAR = 1e-4


def to_clear(profiles: Profiles, demand: np.ndarray, own: np.ndarray) -> np.ndarray:
    """By how much prices must rise until demand is the capacity, were demand exponential.

    Args:
        profiles: of N markets.
        demand: (M, N) D.
        own: (M, N) ∂D_m/∂p_m.
    """
    sells = (demand > 0) & (own < 0)
    demand = np.where(sells, demand, 1.0)
    excess = np.log(demand) - np.log(profiles.capacity)
    with np.errstate(over="ignore"):  # who sells next to nothing: a change is held within a limit
        return np.where(sells, excess * demand / np.where(sells, -own, 1.0), 0.0)


def newton(
    profiles: Profiles, start: np.ndarray, held: np.ndarray | bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Prices at which every provider's marginal utility is zero or demand meets its capacity.

    Args:
        profiles: of N markets.
        start: (M, N) prices near by.
        held: (M, N) bool, whose price stays (at a jump of demand), beside those whose price is at a
            bound and would leave it.

    Returns:
        Prices (M, N), and whether they have been reached (N,). Where not, those to start from.
    """
    prices, eye = start, np.eye(profiles.M)
    size = np.ones(start.shape[1])
    for _ in range(_STEPS):
        seen = profiles.derivatives(prices, prices - profiles.cost, together=False)
        value, rows = seen.gradient, seen.gradient_by
        steep = np.where(seen.own < 0, -seen.own, 1.0)
        if profiles.capacity is not None:
            excess = seen.demand - profiles.capacity
            scarce = 2 * excess > value
            value = np.where(scarce, excess, value)
            rows = np.where(scarce[:, None], seen.demand_by, rows)
        stays = held | (seen.own >= 0) | profiles.stopped(prices, value)
        # In units of a price change, so that rows compare; those that stay change nothing.
        rows = np.where(stays[:, None], -eye[..., None], rows / steep[:, None])
        value = np.where(stays, 0.0, value / steep)
        change = -solved(np.moveaxis(rows, -1, 0) - 1e-13 * eye, value.T).T
        moved = profiles.moved(prices, change)
        size = np.max(np.abs(moved - prices) / prices, axis=0)
        prices = moved
        if np.all(size <= _REACHED):
            break
    reached = size <= 1e3 * _REACHED
    return np.where(reached, prices, start), reached


_STEPS = 30
_REACHED = 4 * EPS


def solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """x of matrix·x = right, (N, M, M) and (N, M); the shortest where there are many or none."""
    with contextlib.suppress(np.linalg.LinAlgError):
        found = np.linalg.solve(matrix, right[..., None])[..., 0]
        if np.isfinite(found).all():  # a matrix that is singular to rounding is not always refused
            return found
    return (np.linalg.pinv(matrix) @ right[..., None])[..., 0]
