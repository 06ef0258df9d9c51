"""What a network is told of the whole episode so far: running averages, and a clock."""

from __future__ import annotations

import numpy as np

from aigc_market import rules
from aigc_market.envs.stackelberg import Settings
from baselines.arena.rollout import RoundRow
from baselines.methods.sb3.features import STEPS_SCALE

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
        settings: of the environment, normalised.
        num_envs: N.
    """

    def __init__(self, settings: Settings, num_envs: int) -> None:
        market = settings.market
        self._K, self._cost, self._most = market.K, market.cost, market.max_price
        self._row = RoundRow(market.K, settings.masked)
        self._capacity_scale: float | None = None
        if settings.rationed:
            self._capacity_scale = STEPS_SCALE * settings.capacity_bounds[1] / market.max_steps
        shape = len(DECAYS), num_envs, market.K + 1, BANDS  # K VMUs, and the money
        self._counts, self._sums = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._decays = np.array(DECAYS, np.float32)[:, None, None, None]

    @staticmethod
    def size(K: int) -> int:
        """How many numbers there are."""
        return len(DECAYS) * (K + 4) * BANDS + 2

    def beside(self, observations: np.ndarray, begins: bool) -> np.ndarray:
        """An observation with the statistics behind it.

        Args:
            observations: (N, f + n·row), normalised, of which the last row is of the last round.
            begins: whether an episode begins, before whose first round nothing is known.
        """
        price, steps, active = self._row.split(observations[:, -self._row.width :])
        if begins:
            self._rounds = 0
            self._counts[:], self._sums[:] = 0.0, 0.0
        else:
            self._rounds += 1
            margin = (price * self._most - self._cost) / (self._most - self._cost)
            self._count(margin, STEPS_SCALE * steps)
        self._present = active > 0.5
        if self._capacity_scale is not None:
            self._capacity = self._capacity_scale * observations[:, 0]  # in the unit of steps
        gone = ~self._present
        self._counts[:, :, :-1][:, gone], self._sums[:, :, :-1][:, gone] = 0.0, 0.0
        return np.concatenate([observations, self._averages(), self._clock()], axis=1)

    def _count(self, margin: np.ndarray, steps: np.ndarray) -> None:
        """Enter a round: (N,) how far the price was from the cost to p_max, (N, K) steps."""
        sold = steps.sum(axis=1)
        if self._capacity_scale is not None:
            sold *= rules.fill_rate(sold, self._capacity)
        near = np.maximum(1.0 - np.abs(margin[:, None] * (BANDS - 1) - np.arange(BANDS)), 0.0)
        there = np.column_stack([self._present, np.ones(len(steps), bool)])
        money = 4.0 * margin * sold / self._K  # about 1 where prices are fair
        values = np.column_stack([steps, money])
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
