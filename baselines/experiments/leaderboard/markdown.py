"""Numbers and tables as text. What is shown is rounded here, once."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.arena.statistics import Interval
from baselines.experiments.leaderboard.standing import Standing

NONE = "–"
PRECISE = ".8f"
"""Of shares in CSV files: finer than what `verify` tells apart."""


def share(value: float) -> str:
    """A share, or a difference of shares."""
    return f"{round(value, 4) + 0.0:.4f}"  # no −0


def bracketed(estimate: Interval) -> str:
    """A share with its interval."""
    return f"{share(estimate.mean)} [{share(estimate.low)}, {share(estimate.high)}]"


def seeds(standing: Standing) -> str:
    """Of how many trainings, and of how many that were asked for, if those are more."""
    if standing.asked == 1 and standing.entry.trainer is None:
        return NONE
    count = len(standing.results)
    return str(count) if count >= standing.asked else f"{count} of {standing.asked}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A table whose first columns are words, the others numbers."""
    rule = "|" + "---|" * words + "---:|" * (len(header) - words)
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])
