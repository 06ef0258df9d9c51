"""What is known of a follower from the form of demand alone: a line, within wide bounds."""

from __future__ import annotations

import numpy as np

from baselines.arena.protocol import PublicParameters

INTERCEPTS, SLOPES = 32, 48
"""How many lines there are."""
MOST_DEMAND = 10.0
"""A lies between S_max over this and 4·S_max."""
HIGHEST_CHOKE = 5.0
"""The price at which nobody buys lies between the cost and so many times p_max."""


def flat_lines(public: PublicParameters) -> tuple[np.ndarray, np.ndarray]:
    """All lines A − B·p that the bounds allow: A (a,) and B (a, b), log-spaced in A and in A/B.

    A/B is the price at which demand ends. None of them is likelier than another.
    """
    intercept = np.geomspace(public.max_steps / MOST_DEMAND, 4 * public.max_steps, INTERCEPTS)
    choke = np.geomspace(public.cost, HIGHEST_CHOKE * public.max_price, SLOPES)
    return intercept, intercept[:, None] / choke
