"""What is known of demand by its form, a line between the bounds of a purchase, and by R.

It is a line of the price or, where SSIM saturates, of its logarithm (`Lines` and `Logarithms`). Of
what is asked for, a leader can sell the capacity R, which it knows.
"""

from __future__ import annotations

import numpy as np

from aigc_market.ssim.model import Lines
from baselines.arena.protocol import PublicParameters

LINES = Lines()
"""Demand is a line of the price."""


def flat_lines(public: PublicParameters) -> tuple[np.ndarray, np.ndarray]:
    """All lines A − B·p that the bounds allow: A (a,) and B (a, b), log-spaced in A and in A/B.

    A lies between S_max/10 and 4·S_max. A/B is the price at which demand ends, between the cost
    and 5·p_max. No line is likelier than another.
    """
    intercept = np.geomspace(public.max_steps / 10, 4 * public.max_steps, 32)
    return intercept, intercept[:, None] / chokes(public)


def chokes(public: PublicParameters) -> np.ndarray:
    """Prices (b,) at which demand may end, log-spaced: from the cost to 5·p_max."""
    return np.geomspace(public.cost, 5 * public.max_price, 48)


def sold(asked: np.ndarray, capacity: np.ndarray | None) -> np.ndarray:
    """What is sold of the totals asked for: min(asked, R).

    Args:
        asked: (n, …) of all followers of a market.
        capacity: (n,) R; None where there is none.
    """
    if capacity is None:
        return asked
    return np.minimum(asked, capacity.reshape(-1, *[1] * (asked.ndim - 1)))


def best_on_lines(
    level: np.ndarray,
    slope: np.ndarray,
    count: np.ndarray,
    capacity: np.ndarray | None,
    public: PublicParameters,
    form: Lines = LINES,
) -> np.ndarray:
    """Prices (n,) that pay best where each of `count` followers asks for level − slope·x(price).

    Where demand does not fall, max_price.

    Args:
        level, slope: (n,).
        count: (n,) followers.
        capacity: see `sold`.
        public: what is known of the markets.
        form: x, the price or its logarithm.
    """
    falls = slope > 1e-9
    slope = np.where(falls, slope, 1.0)
    best = form.best_price(public.cost, -slope, level)
    most = public.max_steps
    if capacity is not None:
        most = np.minimum(most, capacity / np.maximum(count, 1))
    # Below the price at which they ask for all that they can get, what is earned rises with it.
    best = np.maximum(best, form.price((level - most) / slope))
    return np.where(falls, best, public.max_price)
