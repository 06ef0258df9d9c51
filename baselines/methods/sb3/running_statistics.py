"""What a network is told of the whole episode so far: running averages, and a clock."""

from __future__ import annotations

import numpy as np

from aigc_market import rules
from baselines.methods.sb3.features import Units

BANDS = 10
"""Evenly spaced prices from the cost to p_max, around each of which it is averaged."""
DECAYS = (1.0, 0.9)
"""What a round counts after the next one: all count the same, and late ones more."""
_LITTLE = 0.1
"""Rounds' worth of a 0 in each average, so that one is defined where no price was posted."""


class Statistics:
    """Averages of what was bought and earned at prices about each of `BANDS`, in N episodes.

    A round counts for the two prices of the grid that its own lies between, as much as it is near.
    Nothing is assumed of demand: these are a leader's books. They are of what each VMU asked for,
    of the mean of those who will answer next, and of the money earned; how often a price was posted
    stands beside them. A slot's books are closed when its VMU leaves.

    Args:
        num_envs: N.
        units: of the networks' input.
    """

    def __init__(self, num_envs: int, units: Units) -> None:
        self._units = units
        shape = len(DECAYS), num_envs, units.K + 1, BANDS  # K VMUs, and the money
        self._counts, self._sums = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._decays = np.array(DECAYS, np.float32)[:, None, None, None]

    @staticmethod
    def size(units: Units) -> int:
        """How many numbers there are."""
        return len(DECAYS) * (units.K + 4) * BANDS + 2

    def beside(self, features: np.ndarray, begins: bool) -> np.ndarray:
        """A network's input with the statistics behind it.

        Args:
            features: (N, n·width), of which the last row is that of the last round.
            begins: whether an episode begins, before whose first round nothing is known.
        """
        last = features[:, -self._units.width :]
        price, steps, active = self._units.row.split(last)
        if begins:
            self._rounds = 0
            self._counts[:], self._sums[:] = 0.0, 0.0
        else:
            self._rounds += 1
            self._count((price + 1.0) / 2.0, steps)
        self._present = active > 0.5
        if self._units.rationed:
            self._capacity = last[:, -1] * self._units.K  # in the unit of steps
        gone = ~self._present
        self._counts[:, :, :-1][:, gone], self._sums[:, :, :-1][:, gone] = 0.0, 0.0
        return np.concatenate([features, self._averages(), self._clock()], axis=1)

    def _count(self, margin: np.ndarray, steps: np.ndarray) -> None:
        """Enter a round: (N,) how far the price was from the cost to p_max, (N, K) steps."""
        sold = steps.sum(axis=1)
        if self._units.rationed:
            sold *= rules.fill_rate(sold, self._capacity)
        near = np.maximum(1.0 - np.abs(margin[:, None] * (BANDS - 1) - np.arange(BANDS)), 0.0)
        there = np.column_stack([self._present, np.ones(len(steps), bool)])
        reward = 4.0 * margin * sold / self._units.K  # as in training
        values = np.column_stack([steps, reward])
        weights = near[:, None, :] * there[:, :, None]
        for kept, new in (self._counts, weights), (self._sums, weights * values[:, :, None]):
            kept *= self._decays
            kept += new

    def _averages(self) -> np.ndarray:
        """(N, …) averages about each price, and how much each rests on."""
        averages = self._sums / (self._counts + _LITTLE)
        sure = self._counts / (self._counts + 1.0)
        each, known = averages[:, :, :-1], sure[:, :, :-1]
        together = known.sum(axis=2)
        of_all = (known * each).sum(axis=2) / (together + _LITTLE)
        together /= np.maximum(self._present.sum(axis=1), 1)[:, None]
        whole = of_all, together, averages[:, :, -1], sure[:, :, -1]
        parts = np.concatenate([each, np.stack(whole, axis=2)], axis=2)
        return parts.swapaxes(0, 1).reshape(len(self._present), -1).astype(np.float32)

    def _clock(self) -> np.ndarray:
        """(N, 2) the rounds played, so that the first differ most, and the last still differ."""
        shown = 1.0 / (1.0 + self._rounds), np.log1p(self._rounds) / 4.0
        return np.tile(np.array(shown, np.float32), (len(self._present), 1))
