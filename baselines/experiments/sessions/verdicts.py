"""What a session is called: the thresholds stand here alone, the numbers in every table."""

from __future__ import annotations

from typing import Any

ABOVE = 0.117
"""Highest Δ of a Nash equilibrium of one round on the grid of Calvano et al. (2020), two sellers:
play at a lower Δ is no evidence of anything."""
SMALL, LARGE = 0.02, 0.05
"""Of the utility at Nash, per round, what a best reply for ever gains: at most the first where
little is left to learn, above the second where much is."""
NEAR_NASH, COLLUDES, FAILS, NEITHER = "near Nash", "colludes", "fails to learn", "neither"


def verdict(profit_gain: float, reply_gain: float, punished: float) -> str:
    """Of a session in a market that stands still.

    Args:
        profit_gain: Δ.
        reply_gain: what a seller gains by a best reply for ever, the mean of both.
        punished: share of the forced deviations that the rival answers and that do not pay; NaN
            where both sellers post their best price of the round.

    Returns:
        `NEAR_NASH`; or, of prices above it: `COLLUDES`, with little to gain and every deviation
        punished; `FAILS`, with much to gain; else `NEITHER`.
    """
    if profit_gain <= ABOVE:
        return NEAR_NASH
    if reply_gain > LARGE:
        return FAILS
    return COLLUDES if reply_gain <= SMALL and punished == 1.0 else NEITHER


def judged(rows: Any) -> Any:
    """The verdict on each row of a frame; None where the market moves."""
    columns = zip(rows["profit_gain"], rows["reply_gain"], rows["punished"], strict=True)
    return [verdict(*row) if row[1] == row[1] else None for row in columns]
