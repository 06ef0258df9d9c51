"""The curve of a service, SSIM against steps, and the files that keep it, one a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aigc_market._files import read_arrays
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


def read(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """SSIM of a picture as kept in a file, (seeds, M).

    Raises:
        ValueError: the file is of something else.
    """
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
