"""The curve of a service, SSIM against steps: measured once, picture by picture, and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aigc_market._files import write_atomically
from aigc_market.ssim.tabulated import TabulatedSSIM


@dataclass(frozen=True)
class Curve:
    """SSIM against steps, measured."""

    steps: np.ndarray
    """(M,) 0, 1, …: 0 is the picture with its unknown region grey."""
    values: np.ndarray
    """(pictures, seeds, M) SSIM."""

    @property
    def mean(self) -> np.ndarray:
        """(M,) over pictures and seeds."""
        return self.values.mean(axis=(0, 1))

    @property
    def std(self) -> np.ndarray:
        """(M,) over pictures and seeds."""
        return self.values.std(axis=(0, 1))

    @property
    def samples(self) -> int:
        """How many chains were measured."""
        return self.values.shape[0] * self.values.shape[1]

    def table(self) -> TabulatedSSIM:
        """The mean as an SSIM model."""
        return TabulatedSSIM(self.steps, self.mean)


def complete(
    folder: Path,
    count: int,
    measure: Callable[[list[int]], list[np.ndarray]],
    at_once: int,
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    """Rows of all pictures: those in the folder are read, the others measured and kept there.

    Args:
        folder: one file for each picture; it need not exist.
        count: pictures in all.
        measure: takes numbers of pictures and gives a row for each.
        at_once: pictures that are measured together.
        progress: called with pictures done and pictures in all.

    Returns:
        The rows, stacked.
    """
    paths = [folder / f"{i}.npy" for i in range(count)]
    rows = {i: np.load(path) for i, path in enumerate(paths) if path.exists()}
    missing = [i for i in range(count) if i not in rows]
    for start in range(0, len(missing), at_once):
        numbers = missing[start : start + at_once]
        for i, row in zip(numbers, measure(numbers), strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(paths[i], lambda file, row=row: np.save(file, row))
            rows[i] = row
        if progress:
            progress(len(rows), count)
    return np.stack([rows[i] for i in range(count)])
