"""SSIM as a measured table, linear between its points; concave or not."""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import contiguous, convert, is_tensor, namespace
from aigc_market._files import read_table, write_atomically
from aigc_market.ssim.model import DemandCurve, Measured
from aigc_market.ssim.quadratic import curve

_KEPT = 64
"""Envelopes and tensors that a table keeps: of one market's bounds there are but a few."""


class TabulatedSSIM(Measured):
    """SSIM measured at some steps and linear in between.

    A rational follower only ever buys at a point of the table's upper concave envelope over
    [min_steps, max_steps] (the bounds are points of it too).

    Args:
        steps: (M,) the steps measured, strictly increasing from 0 or above.
        values: (M,) the SSIM measured.
        at_zero: SSIM of an image for which nothing was bought; needed where `steps` does not
            begin at 0, since a follower's surplus is counted from there.

    Raises:
        TypeError, ValueError: bad measurements, unsorted steps, or no value at 0.
    """

    def __init__(self, steps: Any, values: Any, at_zero: float | None = None) -> None:
        steps, values = curve("steps", steps, "values", values)
        if not np.all(np.diff(steps) > 0):
            raise ValueError(f"steps must be strictly increasing, got {steps.tolist()}")
        if steps[0] == 0 and at_zero is not None:
            raise ValueError(f"at_zero must be left out: steps holds 0 already, got {at_zero!r}")
        if steps[0] > 0:
            if at_zero is None:
                raise ValueError(f"steps must begin at 0, or at_zero be given; got {steps[0]:g}")
            steps = np.append(0.0, steps)
            values = np.append(_checks.number("at_zero", at_zero), values)
        if len(steps) < 2:
            raise ValueError(f"steps must hold a step above 0, got {steps.tolist()}")
        self.steps = steps
        self.values = values
        self._gains = values - values[0]
        self._slopes = np.diff(values) / np.diff(steps)
        self._kept: dict[Any, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_kept": {}}  # a copy makes its own

    def __repr__(self) -> str:
        return f"TabulatedSSIM({len(self.steps)} points, steps 0 to {self.max_steps:g})"

    @classmethod
    def from_csv(
        cls,
        path: str | os.PathLike[str],
        *,
        steps: str = "steps",
        values: str = "ssim",
        at_zero: float | None = None,
    ) -> TabulatedSSIM:
        """Read a table from a CSV file with a header row.

        Args:
            path: the file.
            steps: name of the column of steps.
            values: name of the column of SSIM.
            at_zero: as for the class.

        Raises:
            OSError: the file cannot be read.
            ValueError: a missing column or a bad cell, or no table for the class; the message names
                the file, and the line if it is one's.
        """
        rows = read_csv(path, steps, values)
        for (_, before, _), (line, after, _) in itertools.pairwise(rows):
            if after <= before:
                raise ValueError(
                    f"{path}, line {line}: {steps} must be strictly increasing, "
                    f"got {after:g} after {before:g}"
                )
        try:
            return cls([row[1] for row in rows], [row[2] for row in rows], at_zero=at_zero)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table with columns `steps` and `ssim`; the file appears whole or not at all."""
        rows = zip(self.steps.tolist(), self.values.tolist(), strict=True)
        lines = ["steps,ssim", *(f"{steps},{value}" for steps, value in rows), ""]
        write_atomically(path, "\r\n".join(lines))

    @property
    def max_steps(self) -> float:
        return float(self.steps[-1])

    def __call__(self, steps: Any) -> Any:
        return self.gain(steps) + float(self.values[0])

    def gain(self, steps: Any) -> Any:
        if isinstance(steps, (float, int)):
            return self.gain(np.asarray([steps], dtype=np.float64)).item()
        if is_tensor(steps) and not steps.is_floating_point():
            steps = 1.0 * steps  # or the table would be rounded as well
        points = self._like(steps, "steps", self.steps)
        gains = self._like(steps, "gains", self._gains)
        slopes = self._like(steps, "slopes", self._slopes)
        piece = namespace(steps).searchsorted(points[1:-1], contiguous(steps))
        return gains[piece] + (steps - points[piece]) * slopes[piece]

    def demand(self, rate: Any, min_steps: Any, max_steps: Any) -> Any:
        if isinstance(rate, float):
            return self.demand(np.asarray([rate]), min_steps, max_steps).item()
        bounds = float(min_steps), float(max_steps)
        points, rates = self._envelope(*bounds)
        below = self._like(rate, ("rates", *bounds), -rates)
        index = namespace(rate).searchsorted(below, contiguous(-rate), side="right")
        return self._like(rate, ("points", *bounds), points)[index]

    def demand_curve(self, min_steps: Any, max_steps: Any) -> DemandCurve:
        points, rates = self._envelope(float(min_steps), float(max_steps))
        if len(points) == 1:  # nothing to choose: a break at which nothing changes
            points, rates = np.repeat(points, 2), np.zeros(1)
        # Copies, because torch takes no arrays with negative strides.
        return DemandCurve(rates[::-1].copy(), np.zeros(len(points)), points[::-1].copy())

    def check_market(self, min_steps: Any, max_steps: Any) -> None:
        for name, bound in (("min_steps", min_steps), ("max_steps", max_steps)):
            if not isinstance(bound, float):
                raise ValueError(f"{name} must be one number where SSIM is a table, got {bound!r}")
        if max_steps > self.max_steps:
            raise ValueError(
                f"max_steps must be at most {self.max_steps:g}, the last step of the SSIM table, "
                f"got {max_steps:g}"
            )

    def _envelope(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """Points of the upper concave envelope over [low, high] and the slopes between them.

        Returns:
            (J + 1,) steps, ascending, and (J,) slopes, descending.
        """
        found = self._kept.get((low, high))
        if found is None:
            inside = (self.steps > low) & (self.steps < high)
            ends = np.unique([low, high])
            points = np.sort(np.concatenate([ends, self.steps[inside]]))
            gains = self.gain(points)
            hull = upper_envelope(gains, points)
            found = points[hull], np.diff(gains[hull]) / np.diff(points[hull])
            self._keep((low, high), found)
        return found

    def _like(self, array: Any, name: Any, table: np.ndarray) -> Any:
        """A table of this model in the library, floating type and device of `array`.

        Tensors are kept by name: to bring them to a device takes longer than to use them.
        """
        if isinstance(array, (np.ndarray, np.generic)):
            return table
        if not is_tensor(array):
            return convert(np.ascontiguousarray(table), array)
        key = name, array.dtype, array.device
        tensor = self._kept.get(key)
        if tensor is None:
            xp = namespace(array)
            tensor = xp.asarray(np.ascontiguousarray(table), dtype=array.dtype, device=array.device)
            self._keep(key, tensor)
        return tensor

    def _keep(self, key: Any, value: Any) -> None:
        """Keep what was worked out, and forget all that was before where there is much of it."""
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[key] = value


def upper_envelope(values: np.ndarray, points: np.ndarray | None = None) -> np.ndarray:
    """The places at which the upper concave envelope of values (M,) has its corners, in order.

    They lie at ascending points (M,), or at 0, 1, …, M − 1. The ends are corners.
    """
    y = values.tolist()
    x = list(range(len(y))) if points is None else points.tolist()
    hull: list[int] = []
    for c in range(len(y)):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (y[b] - y[a]) * (x[c] - x[a]) > (y[c] - y[a]) * (x[b] - x[a]):
                break  # b lies above the chord from a to c
            hull.pop()
        hull.append(c)
    return np.array(hull)


def read_csv(path: Any, steps: str, values: str) -> list[tuple[int, float, float]]:
    """Measurements from a CSV file with a header row, in the file's order.

    Returns:
        (line, steps, SSIM) of each row.

    Raises:
        OSError: the file cannot be read.
        ValueError: no table, a missing column, a bad cell or no rows; the message names the file
            and line.
    """
    header, rows = read_table(path, f"a CSV table with columns {steps!r} and {values!r}")
    for column in (steps, values):
        if header.count(column) != 1:
            raise ValueError(
                f"{path}, line 1: the header must name a column {column!r} once, got {header}"
            )
    if not rows:
        raise ValueError(f"{path}: the table must have at least one row below its header")
    return [
        (line, _cell(path, line, steps, row[steps]), _cell(path, line, values, row[values]))
        for line, row in rows
    ]


def ssim_column(path: Any) -> str:
    """The column of a table that holds SSIM: `ssim`, or `mean`, as `calibrate` writes it."""
    header, _ = read_table(path, "a CSV table with a column `steps` and one of `ssim` or `mean`")
    return "mean" if "mean" in header and "ssim" not in header else "ssim"


def _cell(path: Any, line: int, column: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ValueError(f"{path}, line {line}: {column} must be a finite number, got {text!r}")
    return value
