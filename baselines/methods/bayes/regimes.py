"""Bayes filter of markets that are drawn again now and then: the start of the regime is unknown.

Each hypothesis is a round in which the present regime began, with a `LineFilter` of the rounds
since. A new one is made each round; the least probable one is dropped for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.methods.bayes.belief import Round
from baselines.methods.bayes.lines import LineFilter, LineGrid, LinesPosterior
from baselines.methods.history import Terms


class RegimeFilter:
    """The posterior of N lanes.

    Args:
        grid: the prior of a regime.
        terms: what is known of the markets.
        lanes: N.
        hazard: the probability that a regime ends, each round.
        hypotheses: how many are kept, M.
    """

    def __init__(
        self, grid: LineGrid, terms: Terms, lanes: int, hazard: float, hypotheses: int
    ) -> None:
        self._filter = LineFilter(grid, terms, lanes * hypotheses)
        self._hazard, self._shape = hazard, (lanes, hypotheses)
        self.together = max(1, self._filter.together // hypotheses)
        self.begin()

    def begin(self) -> None:
        """One hypothesis: the regime begins now."""
        self._filter.begin()
        # Log-probability of a hypothesis and of what was seen before its start.
        self._weight = np.full(self._shape, -np.inf)
        self._weight[:, 0] = 0.0

    def observe(
        self, lanes: np.ndarray, seen: Round | None, active: np.ndarray
    ) -> RegimesPosterior:
        """Take in a round of some lanes (n,), or None before the first; `active` will buy next."""
        M = self._shape[1]
        weight = self._weight[lanes]
        lane, column = np.isfinite(weight).nonzero()
        old = lanes[lane] * M + column
        of_each = None if seen is None else Round(*(value[lane] for value in seen))
        parts = [self._filter.observe(old, of_each, active[lane])]
        evidence = np.full(weight.shape, -np.inf)
        evidence[lane, column] = parts[0].evidence()
        row = np.full(weight.shape, -1)
        row[lane, column] = np.arange(len(lane))
        if seen is not None:
            every = np.arange(len(lanes))
            posterior = weight + np.where(np.isfinite(weight), evidence, 0.0)
            top = posterior.max(axis=1, keepdims=True)
            total = np.log(np.exp(posterior - top).sum(axis=1)) + top[:, 0]
            weight += np.log1p(-self._hazard) - total[:, None]
            column = posterior.argmin(axis=1)
            weight[every, column] = np.log(self._hazard)
            new = lanes * M + column
            self._filter.reset(new)
            parts.append(self._filter.observe(new, None, active))
            evidence[every, column] = 0.0
            row[every, column] = len(lane) + every
            self._weight[lanes] = weight
        posterior = weight + np.where(np.isfinite(weight), evidence, 0.0)
        chance = np.exp(posterior - posterior.max(axis=1, keepdims=True))
        return RegimesPosterior(parts, row, chance / chance.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class RegimesPosterior:
    """A mixture of what is known under each hypothesis."""

    parts: list[LinesPosterior]
    """Whose rows, one after the other, are the hypotheses of all lanes."""
    row: np.ndarray
    """(n, M) which row is whose; −1: none."""
    chance: np.ndarray
    """(n, M) probabilities."""

    def mean(self, prices: np.ndarray) -> np.ndarray:
        """(n, P) expected demand at prices (P,)."""
        means = np.concatenate([part.mean(prices) for part in self.parts])
        return (self.chance[:, None] @ means[self.row])[:, 0]

    def draw(self, rng: np.random.Generator, prices: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(r, P) demand of markets drawn, of lanes `rows` (r,)."""
        heap = self.chance.cumsum(axis=1)[rows]
        column = (heap < heap[:, -1:] * rng.random(len(rows))[:, None]).sum(axis=1)
        row = self.row[rows, column]
        demand = np.empty((len(rows), len(prices)), "f4")
        start = 0
        for part in self.parts:
            chosen = (row >= start) & (row < start + len(part.market))
            demand[chosen] = part.draw(rng, prices, row[chosen] - start)
            start += len(part.market)
        return demand
