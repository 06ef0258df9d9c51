"""The curve of a service, SSIM against steps: measured once, picture by picture, and kept."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from aigc_market import _checks
from aigc_market._files import read_arrays, write_atomically
from aigc_market.ssim.repaint import diffusion, pool
from aigc_market.ssim.repaint.painter import Painter
from aigc_market.ssim.repaint.pool import Pool
from aigc_market.ssim.repaint.request import Request
from aigc_market.ssim.tabulated import TabulatedSSIM

Measure = Callable[[Sequence[Request], Sequence[int]], Sequence[np.ndarray]]
"""SSIM after each of the stops, (stops,) for each chain: `Painter.measure`, or a fleet's."""


@dataclass(frozen=True)
class Curve:
    """SSIM against steps, measured."""

    steps: np.ndarray
    """(M,) 0, 1, …: 0 is the picture with its unknown region grey."""
    values: np.ndarray
    """(pictures, seeds, M) SSIM."""

    @classmethod
    def of(cls, values: np.ndarray) -> Curve:
        """From values (pictures, seeds, M) at 0, 1, …"""
        return cls(np.arange(values.shape[-1]), values)

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


@dataclass(frozen=True, eq=False)
class Calibration:
    """A painter's SSIM at every step over a pool of pictures, in a folder that its digest names.

    Args:
        painter: what is measured.
        pool: on these pictures.
        seeds: chains a picture.
        cache_dir: where curves are kept; the user's cache folder where it is None.

    Raises:
        TypeError, ValueError: a bad argument.
    """

    painter: Painter
    pool: Pool
    seeds: int
    cache_dir: str | os.PathLike[str] | None

    def __post_init__(self) -> None:
        _checks.integer("seeds", self.seeds, at_least=1)
        if self.cache_dir is not None:
            _checks.instance("cache_dir", self.cache_dir, (str, os.PathLike), "a folder or None")
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"cache_dir must be a folder, got the file {str(self.cache_dir)!r}")

    @property
    def folder(self) -> Path:
        """Of the curves of all services."""
        if self.cache_dir is not None:
            return Path(self.cache_dir)
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(root) / "aigc_market" / "repaint"

    @cached_property
    def digest(self) -> str:
        """Of all that the curve depends on: weights, pictures, masks and settings."""
        content = hashlib.sha256(self.painter.diffusion.digest.encode())
        for number in range(len(self.pool.scenes)):
            request = self.pool.request(number, steps=1, seed=0)
            # To whole grey values: libraries differ in the last digits of a drawn scene.
            content.update(np.round(request.image * 255).astype(np.uint8).tobytes())
            content.update(request.mask.tobytes())
        names = ("dtype", "jump_length", "jump_n_sample", "mode", "region")
        settings = {name: getattr(self.painter, name) for name in names}
        calls = len(self.painter.schedule)
        content.update(json.dumps({**settings, "seeds": self.seeds, "calls": calls}).encode())
        return content.hexdigest()[:20]

    def shipped(self) -> Curve | None:
        """The curve that the package brings for its own model, if this is it."""
        path = diffusion.BUNDLED / "curves" / f"{self.digest}.npy"
        return Curve.of(np.load(path).astype(np.float64)) if path.exists() else None

    def curve(
        self,
        measure: Measure,
        at_once: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> Curve:
        """Pictures that are kept are read, the others measured and kept, each in a file.

        Args:
            measure: measures chains.
            at_once: pictures that are measured together.
            progress: called with pictures done and pictures in all.

        Raises:
            ValueError: a file among those kept that is of something else.
        """
        folder, count = self.folder / self.digest, len(self.pool.scenes)
        paths = [folder / f"{number}.npy" for number in range(count)]
        rows = {i: self._kept(path) for i, path in enumerate(paths) if path.exists()}
        missing = [number for number in range(count) if number not in rows]
        for start in range(0, len(missing), at_once):
            numbers = missing[start : start + at_once]
            folder.mkdir(parents=True, exist_ok=True)
            for number, row in zip(numbers, self._rows(numbers, measure), strict=True):
                write_atomically(paths[number], lambda file, row=row: np.save(file, row))
                rows[number] = row
            if progress:
                progress(len(rows), count)
        return Curve.of(np.stack([rows[number] for number in range(count)]))

    def _kept(self, path: Path) -> np.ndarray:
        """SSIM of a picture, as `_rows` measured it."""
        shape = self.seeds, len(self.painter.schedule) + 1
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

    def _rows(self, numbers: Sequence[int], measure: Measure) -> list[np.ndarray]:
        """SSIM of pictures of the pool at every step from 0 on, (seeds, M) each."""
        calls = len(self.painter.schedule)
        # Each picture has noise of its own, or the mean would keep the noise they share.
        chains = [
            self.pool.request(number, calls, number * self.seeds + seed)
            for number in numbers
            for seed in range(self.seeds)
        ]
        measured = np.array(measure(chains, range(1, calls + 1)))
        at_zero = [self.painter.quality(c.image, pool.grey(c), c.mask) for c in chains]
        rows = np.column_stack([at_zero, measured])
        return list(rows.reshape(len(numbers), self.seeds, calls + 1))
