"""What is known of demand by its form, a line between the bounds of a purchase, and by R.

Of what is asked for, a leader can sell the capacity R, which it knows.
"""

from __future__ import annotations

import numpy as np

from baselines.arena.protocol import PublicParameters


def flat_lines(public: PublicParameters) -> tuple[np.ndarray, np.ndarray]:
    """All lines A − B·p that the bounds allow: A (a,) and B (a, b), log-spaced in A and in A/B.

    A lies between S_max/10 and 4·S_max. A/B is the price at which demand ends, between the cost
    and 5·p_max. No line is likelier than another.
    """
    intercept = np.geomspace(public.max_steps / 10, 4 * public.max_steps, 32)
    choke = np.geomspace(public.cost, 5 * public.max_price, 48)
    return intercept, intercept[:, None] / choke


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
