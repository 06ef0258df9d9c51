"""What a capacity R does to a leader who knows it: of what is asked for, R can be sold."""

from __future__ import annotations

import numpy as np

from baselines.arena.protocol import PublicParameters


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
) -> np.ndarray:
    """Prices (n,) that pay best where each of `count` followers asks for level − slope·price.

    Where demand does not fall, max_price.

    Args:
        level, slope: (n,).
        count: (n,) followers.
        capacity: see `sold`.
        public: what is known of the markets.
    """
    falls = slope > 1e-9
    slope = np.where(falls, slope, 1.0)
    best = (level / slope + public.cost) / 2
    if capacity is not None:
        # Below the price at which they ask for R, what is earned rises with the price.
        best = np.maximum(best, (level - capacity / np.maximum(count, 1)) / slope)
    return np.where(falls, best, public.max_price)
