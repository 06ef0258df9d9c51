"""What charts of the last rounds share: where a round and a value stand, and lines that step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aigc_market import palette
from aigc_market.rendering.canvas import Canvas, Colour
from aigc_market.rendering.style import SMALL, WINDOW


class Axes:
    """A field between four sides, for the rounds of the window and the values between two ends.

    Args:
        canvas: what is drawn on.
        sides: left, right, upper and lower.
        rounds: those played, in order, as their records.
        last: the last record, which may wait for a first price.
        ends: the values at the lower and at the upper side; what is outside is drawn there.
    """

    def __init__(
        self,
        canvas: Canvas,
        sides: tuple[float, float, float, float],
        rounds: Sequence[Any],
        last: Any,
        ends: tuple[float, float],
    ) -> None:
        self._canvas = canvas
        self.left, self.right, self.upper, self.lower = sides
        self._low, self._high = ends
        self._numbers = [record.number for record in rounds]
        self._first = rounds[0].number if rounds else 1
        span = min(WINDOW, last.rounds)
        self._end = max(min(self._first + span - 1, last.rounds), last.number)

    def frame(self) -> None:
        """The lower and the upper side."""
        canvas, left, right = self._canvas, self.left, self.right
        canvas.line([(left, self.upper), (right, self.upper)], palette.PALE, 1)
        canvas.line([(left, self.lower), (right, self.lower)], palette.LINE, 1)

    def numbers(self) -> None:
        """The first and the last round, below."""
        y = self.lower + 20
        self._canvas.text(self.left, y, f"round {self._first:,}", SMALL, palette.MUTED)
        self._canvas.text(self.right, y, f"{self._end:,}", SMALL, palette.MUTED, anchor=1)

    def across(self, number: float) -> float:
        """Where a round stands."""
        share = (number - self._first) / max(self._end - self._first, 1)
        return self.left + 4 + share * (self.right - self.left - 8)

    def height(self, value: float) -> float:
        """Where a value stands."""
        span = self._high - self._low
        share = (value - self._low) / span if span > 0 else 0.0  # a cost may be p_max
        return self.lower - min(max(share, 0.0), 1.0) * (self.lower - self.upper)

    def line(self, values: Sequence[float | None], colour: Colour) -> None:
        """Through the values of the rounds, with a gap where there is none."""
        stretch: list[tuple[float, float]] = []
        for number, value in zip(self._numbers, values, strict=True):
            if value is None:
                self._stretch(stretch, colour)
                stretch = []
            else:
                stretch.append((self.across(number), self.height(value)))
        self._stretch(stretch, colour)

    def point(self, values: Sequence[float | None], colour: Colour) -> None:
        """At the value of the last round."""
        if values and values[-1] is not None:
            x, y = self.across(self._numbers[-1]), self.height(values[-1])
            self._canvas.circle(x, y, 4.5, colour)

    def _stretch(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        if len(points) > 1:
            self._canvas.line(points, colour, 2)

    def steps(
        self, values: Sequence[float | None], colour: Colour, on: float = 6, off: float = 4
    ) -> None:
        """A dashed line that keeps its height from round to round; nothing where there is none.

        Args:
            values: one for each round, or for the one that is waited for.
            colour: of the dashes.
            on: how long a dash is.
            off: how far it is from the next.
        """
        edges = [self.left, *(self.across(n - 0.5) for n in self._numbers[1:]), self.right]
        heights = [None if value is None else self.height(value) for value in values]
        for begin in np.arange(self.left, self.right, on + off).tolist():
            end = min(begin + on, self.right)
            for y, start, stop in zip(heights, edges, edges[1:], strict=False):
                if y is not None and start < end and stop > begin:
                    ends = (max(start, begin), y), (min(stop, end), y)
                    self._canvas.dashes(*ends, colour, on=on)


def round_up(value: float) -> float:
    """The next number of one digit, or 1.5, 2.5 of its power of ten: an axis ends there."""
    if value < 1e-300:  # as good as 0: such a power of ten is none
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        n * power for n in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if n * power >= value * (1 - 1e-9)
    )
