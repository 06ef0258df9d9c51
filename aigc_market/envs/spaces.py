"""What agents see, as tables of fields: from a table come the space, the units and the docs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Box


class Field(NamedTuple):
    """Numbers of one meaning that stand side by side in what is seen."""

    name: str
    width: int
    low: float
    """In physical units, as `high`."""
    high: float
    scale: float = 1.0
    """From physical units to those of the space: a single-precision number, so that a product in
    double precision, rounded, is the product in single precision."""

    def in_units(self, normalize: bool) -> Field:
        """In units in which numbers lie in [0, 1] (or in [−1, 1]), where they are to."""
        most = max(abs(self.low), abs(self.high))
        if not normalize or most == 0.0:
            return self
        sign = -1.0 if self.high <= 0.0 else 1.0
        return self._replace(scale=float(np.float32(sign / most)))


class Viewer:
    """What an agent sees, or a state shows: fields in front, then those of each of the last rounds.

    Args:
        front: what stands in front.
        row: of a round; the oldest round stands first.
        rounds: n, how many.
    """

    def __init__(self, front: Sequence[Field], row: Sequence[Field], rounds: int) -> None:
        self.front, self.row, self.rounds = tuple(front), tuple(row), rounds
        self.width = sum(field.width for field in self.row)
        """Numbers in a row."""
        self.kept = rounds * self.width
        """Numbers in all rows."""
        low, high = [], []
        for field in (*self.front, *self.row * rounds):
            # What is seen is rounded to single precision, which may take it beyond its bound.
            seen = np.array([field.low, field.high], np.float32).tolist()
            ends = [field.scale * end for end in (field.low, field.high, *seen)]
            low += [min(ends)] * field.width
            high += [max(ends)] * field.width
        self.bounds = np.array(low), np.array(high)
        """In double precision, in the units of the space: those of the space are rounded."""
        least, most = (bound.astype(np.float32) for bound in self.bounds)
        self.space = Box(least, most, dtype=np.float32)

    def columns(self, name: str) -> slice:
        """Where a field stands in a row.

        Raises:
            KeyError: it is none of a row's.
        """
        start = 0
        for field in self.row:
            if field.name == name:
                return slice(start, start + field.width)
            start += field.width
        raise KeyError(name)


FLOAT32 = np.dtype(np.float32)


def constants(fields: Sequence[Field], values: Sequence[Any], agents: int) -> np.ndarray:
    """What each agent sees once, in units: of each field (agents, count), or what broadcasts.

    Fields behind those that there are values of are left out.
    """
    if not values:
        return np.empty((agents, 0), np.float32)
    parts = [
        np.broadcast_to(np.asarray(value) * field.scale, (agents, field.width))
        for field, value in zip(fields, values, strict=False)
    ]
    return np.concatenate(parts, axis=-1, dtype=np.float32)
