"""The curve of a service, SSIM against steps: measured once, picture by picture, and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aigc_market._files import read_arrays, write_atomically
from aigc_market.ssim.tabulated import TabulatedSSIM


@dataclass(frozen=True)
class Curve:
    """SSIM against steps, measured."""

    values: np.ndarray
    """(pictures, seeds, M) SSIM."""

    @property
    def steps(self) -> np.ndarray:
        """(M,) 0, 1, …: 0 is the picture with its unknown region grey."""
        return np.arange(self.values.shape[-1])

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


def kept_or_measured(
    folder: Path,
    shape: tuple[int, int, int],
    measure: Callable[[Sequence[int]], Iterable[np.ndarray]],
    at_once: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Curve:
    """Pictures that are kept in a folder are read, the others measured and kept, a file each.

    Args:
        folder: of this curve.
        shape: pictures, seeds, M.
        measure: SSIM (seeds, M) of each of the pictures of these numbers.
        at_once: pictures that are measured together.
        progress: called with pictures done and pictures in all.

    Raises:
        ValueError: a file among those kept that is of something else.
    """
    count = shape[0]
    paths = [folder / f"{number}.npy" for number in range(count)]
    rows = {i: _read(path, shape[1:]) for i, path in enumerate(paths) if path.exists()}
    missing = [number for number in range(count) if number not in rows]
    for start in range(0, len(missing), at_once):
        numbers = missing[start : start + at_once]
        folder.mkdir(parents=True, exist_ok=True)
        for number, row in zip(numbers, measure(numbers), strict=True):
            write_atomically(paths[number], lambda file, row=row: np.save(file, row))
            rows[number] = row
        if progress:
            progress(len(rows), count)
    return Curve(np.stack([rows[number] for number in range(count)]))


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    row = read_arrays(path)
    if not (
        isinstance(row, np.ndarray)
        and row.shape == shape
        and row.dtype.kind == "f"
        and np.isfinite(row).all()
    ):
        raise ValueError(
            f"{path}: must hold {shape[0]} × {shape[1]} finite numbers, the SSIM of a picture "
            "(without the file it is measured again)"
        )
    return row
