"""Pattern search (Hooke and Jeeves 1961) over configurations, which never stops at an edge.

After a first few combinations, the best one's neighbours along each axis are tried until none of
them is better. Where the best lies at the end of an axis, the axis is continued.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Configuration = dict[str, Any]


@dataclass(frozen=True)
class Axis:
    """The values of a number.

    Args:
        values: two or more, ascending.
        first: those of the first combinations; by default all.
        low, high: what the number cannot leave by its meaning.
        whole: whether it is an integer.
    """

    values: tuple[float, ...]
    first: tuple[float, ...] = ()
    low: float = 0.0
    high: float = math.inf
    whole: bool = False

    def beside(self, value: float) -> tuple[float | None, float | None]:
        """The values below and above one of the axis, which goes on as its last two values do.

        None where the value is a bound of what the number means.
        """
        ladder = list(self.values)
        while ladder[0] >= value and (lower := self._beyond(ladder[0], ladder[1])) < ladder[0]:
            ladder.insert(0, lower)
        while ladder[-1] <= value and (upper := self._beyond(ladder[-1], ladder[-2])) > ladder[-1]:
            ladder.append(upper)
        i = ladder.index(value)
        return (ladder[i - 1] if i else None, ladder[i + 1] if i + 1 < len(ladder) else None)

    def _beyond(self, edge: float, inner: float) -> float:
        """The next value after an edge: in proportion, or evenly spaced next to a 0."""
        following = edge * edge / inner if edge and inner else 2 * edge - inner
        if self.whole:
            following = round(following)
        return min(max(type(edge)(f"{following:.4g}"), self.low), self.high)


Axes = Mapping[str, Axis | tuple[Any, ...]]
"""The axes of a method's parameters; a tuple has choices without an order."""


def search(
    axes: Axes, score: Callable[[Configuration], float], most: int
) -> tuple[Configuration, str]:
    """The best configuration, and what stopped the search there.

    Args:
        axes: of each parameter.
        score: of a configuration; larger is better, and of equal ones the first is kept.
        most: configurations to try, at most. The first combinations must not be more.

    Raises:
        ValueError: more first combinations than may be tried.
    """
    first = [
        axis.first or axis.values if isinstance(axis, Axis) else axis for axis in axes.values()
    ]
    combinations = [dict(zip(axes, each, strict=True)) for each in itertools.product(*first)]
    if len(combinations) > most:
        raise ValueError(f"axes must have {most} first combinations at most: {len(combinations)}")
    scores: dict[tuple[Any, ...], float] = {}
    best: Configuration = {}
    bounds: list[str] = []
    queue = combinations
    while queue:
        for configuration in queue[: most - len(scores)]:
            key = tuple(configuration.values())
            scores[key] = score(configuration)
            if not best or scores[key] > scores[tuple(best.values())]:
                best = configuration
        around, bounds = _around(best, axes)
        queue = [each for each in around if tuple(each.values()) not in scores]
        if len(scores) == most:
            break
    notes = [f"{name} = {best[name]} is a bound of its meaning" for name in bounds]
    if queue:
        notes.append(f"stopped after {most} with {len(queue)} neighbours untried")
    return best, "; ".join(notes)


def _around(best: Configuration, axes: Axes) -> tuple[list[Configuration], list[str]]:
    """A configuration's neighbours, and the parameters that have none on one side."""
    neighbours, bounds = [], []
    for name, axis in axes.items():
        if isinstance(axis, Axis):
            for value in axis.beside(best[name]):
                if value is None:
                    bounds.append(name)
                else:
                    neighbours.append({**best, name: value})
    return neighbours, bounds
