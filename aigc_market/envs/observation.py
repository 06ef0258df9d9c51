"""What agents see: the history of rounds, and the spaces of observations."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from gymnasium.spaces import Box

from aigc_market.envs.settings import Settings

_MAX_CHUNK_BYTES = 2**24


class History:
    """Rounds as rows (p, S_1, …, S_K) of single-precision numbers (Eq. 16), and one in play.

    Rows are only ever appended, to a chunk of memory that is left behind when it is full. A window
    over the last rows is therefore a view, and what has been handed out never changes.
    """

    def __init__(self, rounds: int, max_rows: int, shape: tuple[int, ...]) -> None:
        fitting = _MAX_CHUNK_BYTES // (4 * math.prod(shape))
        length = max(2 * rounds, min(rounds + max_rows, fitting)) + 1
        self._rows = np.zeros((length, *shape), "f4")
        self._rounds = rounds
        self._now = 0

    @property
    def row(self) -> np.ndarray:
        """The row of the round in play, to be written."""
        return self._rows[self._now]

    def advance(self) -> None:
        """End the round in play and begin another."""
        self._now += 1
        if self._now == len(self._rows):
            last, self._rows = self._rows[-self._rounds :], np.empty_like(self._rows)
            self._rows[: self._rounds] = last
            self._now = self._rounds

    def fill(self, price: float | np.ndarray) -> None:
        """Begin an episode: `rounds` rows in which the price was the cost and nothing was sold."""
        for _ in range(self._rounds):
            row = self.row
            row[0] = price
            row[1:] = 0.0
            self.advance()

    def window(self) -> np.ndarray:
        """The last rounds, oldest first, (n, K + 1, …): a view that later rounds do not change."""
        return self._rows[self._now - self._rounds : self._now]

    def take(self, index: np.ndarray) -> np.ndarray:
        """Numbers of the flattened window and the row in play; fresh memory."""
        return self._rows[self._now - self._rounds : self._now + 1].take(index)


class Scales:
    """Factors from physical units to the units of observations."""

    def __init__(self, settings: Settings) -> None:
        market, normalize = settings.market, settings.normalize
        self.price = 1.0 / market.max_price if normalize else 1.0
        self.steps = 1.0 / market.max_steps if normalize else 1.0
        self.satisfaction = 1.0 / settings.satisfaction_bounds[1] if normalize else 1.0


def _box(*bounds: tuple[float, float, int]) -> Box:
    """A flat Box from (low, high, repeats) in order."""
    low, high = (
        np.concatenate([np.full(bound[2], bound[i], "f4") for bound in bounds]) for i in (0, 1)
    )
    return Box(low, high, dtype=np.float32)


class ObservationSpaces:
    """Flat boxes with finite bounds, that do not depend on any one VMU's δ."""

    def __init__(self, settings: Settings) -> None:
        scales, market, n, K = (
            Scales(settings),
            settings.market,
            settings.history,
            settings.market.K,
        )
        price = (0.0, market.max_price * scales.price, 1)
        steps = (0.0, market.max_steps * scales.steps, 1)
        low, high = (bound * scales.satisfaction for bound in settings.satisfaction_bounds)
        rounds = [price, (*steps[:2], K)] * n
        self.asp = _box(*rounds)
        self.parallel_asp = _box(price, *rounds)
        self.vmu = _box((low, high, 1), price, *([price, steps] * n))
        self.state = _box((low, high, K), price, *rounds)


@lru_cache(maxsize=16)
def vmu_index(K: int, n: int) -> np.ndarray:
    """Where, in the last n rounds and the price in force, the numbers stand that each VMU sees.

    They are (K, 2 + 2n): a place for its δ, the price in force, and its own rounds (p, S_k).
    """
    index = np.empty((K, 2 + 2 * n), np.intp)
    index[:, :2] = n * (K + 1)
    index[:, 2::2] = (K + 1) * np.arange(n)
    index[:, 3::2] = index[:, 2::2] + 1 + np.arange(K)[:, None]
    return index
