"""How the VMUs' private satisfaction δ is drawn at each reset."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market import _checks

_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Distribution:
    """Independent draws, one for each VMU, within [low, high]."""

    low: float
    high: float

    def __post_init__(self) -> None:
        low = _checks.number("low", self.low, above=0)
        if _checks.number("high", self.high, above=0) < low:
            raise ValueError(f"high must be at least low = {low!r}, got {self.high!r}")

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draws of a shape (…, K)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform on [low, high]."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draws of a shape (…, K)."""
        return rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Uniform in the logarithm on [low, high]: each octave is as likely as the next."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draws of a shape (…, K)."""
        exponent = rng.uniform(math.log(self.low), math.log(self.high), shape)
        return np.clip(np.exp(exponent), self.low, self.high)


@dataclass(frozen=True)
class Drawn(Distribution):
    """Whatever a function of a `numpy.random.Generator` draws for one market.

    Args:
        low, high: what the function's numbers never leave; observation bounds and
            `normalize=True` need them.
        function: takes the generator, returns one number for all VMUs or K numbers. A batch of
            markets calls it once for each market.
    """

    function: Callable[[np.random.Generator], Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.instance("function", self.function, Callable, "a function of a numpy Generator")

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draws of a shape (…, K).

        Raises:
            TypeError, ValueError: the function's answer is not within [low, high], or not of
                length K.
        """
        *lanes, num_vmus = shape
        rows = []
        for _ in range(math.prod(lanes)):
            row = np.asarray(_checks.numeric("satisfaction", self.function(rng), above=0))
            if row.shape not in ((), (1,), (num_vmus,)):
                raise ValueError(
                    f"satisfaction must be drawn as one number or K = {num_vmus} numbers, "
                    f"got shape {row.shape}"
                )
            rows.append(np.broadcast_to(row, (num_vmus,)))
        draws = np.reshape(rows, shape)
        if draws.min() < self.low or draws.max() > self.high:
            raise ValueError(
                f"satisfaction must be drawn within [{self.low:g}, {self.high:g}], got {draws}"
            )
        return draws


def distribution(value: Any) -> Distribution | None:
    """The distribution that the argument `satisfaction` names, None where it is numbers."""
    if isinstance(value, Distribution):
        return value
    if callable(value):
        return Drawn(low=float(np.finfo(np.float32).tiny), high=_FLOAT32_MAX, function=value)
    return None
