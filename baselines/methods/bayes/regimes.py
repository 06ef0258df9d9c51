"""Bayes filter of markets that are drawn again now and then: the start of the regime is unknown.

Each hypothesis is a round in which the present regime began, with a `LineFilter` of the rounds
since. A new one is made each round. To make room for it, the least probable one is merged into the
one that began next after it: its probability is kept, or shifts would be noticed too late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.arena.protocol import PublicParameters
from baselines.methods.bayes.lines import LineFilter, LineGrid, LinesPosterior, add_rows
from baselines.methods.bayes.purchases import Observation

_LONG = 10**9
"""Rounds, more than any episode has."""


class RegimeFilter:
    """The posterior of N environments.

    Args:
        grid: the prior of a regime.
        public: what is known of the markets.
        envs: N.
        hazard: the probability that a regime ends, each round.
        hypotheses: how many are kept, M.
    """

    def __init__(
        self, grid: LineGrid, public: PublicParameters, envs: int, hazard: float, hypotheses: int
    ) -> None:
        self._filter = LineFilter(grid, public, envs * hypotheses)
        self._hazard, self._shape = hazard, (envs, hypotheses)
        self.together = max(1, self._filter.together // hypotheses)
        self.begin()

    def begin(self) -> None:
        """One hypothesis: the regime begins now."""
        self._filter.begin()
        # Log-probability of a hypothesis and of what was seen before its start.
        self._weight = np.full(self._shape, -np.inf)
        self._weight[:, 0] = 0.0
        self._start = np.zeros(self._shape, int)

    def observe(
        self, envs: np.ndarray, seen: Observation | None, active: np.ndarray
    ) -> RegimesPosterior:
        """Take in a round of some envs (n,), or None before the first; `active` will buy next."""
        n, M = len(envs), self._shape[1]
        weight = self._weight[envs]
        env, column = np.isfinite(weight).nonzero()
        of_each = None if seen is None else seen.of(env)
        old = self._filter.observe(envs[env] * M + column, of_each, active[env])
        evidence = np.zeros((n, M))
        evidence[env, column] = old.evidence()
        posterior = weight + evidence
        posterior -= np.logaddexp.reduce(posterior, axis=1, keepdims=True)
        if seen is None:
            return RegimesPosterior([(slice(M), old)], np.exp(posterior))
        dropped, posterior = self._merge(envs, posterior)
        every = np.arange(n)
        posterior += np.log1p(-self._hazard)
        weight = posterior - evidence
        weight[every, dropped] = np.log(self._hazard)
        self._weight[envs] = weight
        self._filter.reset(envs * M + dropped)
        new = self._filter.observe(envs * M + dropped, None, active)
        chance = np.hstack([np.exp(posterior), np.full((n, 1), self._hazard)])
        likely = chance >= 1e-3  # the others do not count in a decision
        chance[~likely] = 0.0
        parts = [
            (slice(M), old.some(likely[env, column])),
            (slice(M, M + 1), new.some(likely[:, M])),
        ]
        return RegimesPosterior(parts, chance)

    def _merge(self, envs: np.ndarray, posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Make room for the hypothesis that the market has just been drawn.

        Returns:
            The column (n,) that is free now, and the log-probabilities (n, M) without it.
        """
        every, dropped = np.arange(len(envs)), posterior.argmin(axis=1)
        start = self._start[envs]
        after = start - start[every, dropped][:, None]
        # The one that began next after it, else the last one before it.
        after = np.where(after > 0, after, _LONG - after)
        after[~np.isfinite(posterior)] = 2 * _LONG
        after[every, dropped] = 2 * _LONG
        heir = after.argmin(axis=1)
        posterior[every, heir] = np.logaddexp(posterior[every, heir], posterior[every, dropped])
        posterior[every, dropped] = -np.inf
        self._start[envs, dropped] = start.max(axis=1) + 1
        return dropped, posterior


@dataclass(frozen=True)
class RegimesPosterior:
    """A mixture of what is known under each hypothesis."""

    parts: list[tuple[slice, LinesPosterior]]
    """Columns of hypotheses, and the posterior of those that are there, env by env."""
    chance: np.ndarray
    """(n, M or M + 1) probabilities of the hypotheses, 0 of those that are not there."""

    def mean(self, prices: np.ndarray) -> np.ndarray:
        """(n, P) expected demand at prices (P,)."""
        mean = np.zeros((len(self.chance), len(prices)))
        for columns, part in self.parts:
            chance = self.chance[:, columns]
            weighted = part.mean(prices) * chance[chance > 0][:, None]
            add_rows(mean, weighted, chance.nonzero()[0])
        return mean / self.chance.sum(axis=1, keepdims=True)

    def draw(self, rng: np.random.Generator, prices: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(r, P) demand of markets drawn, of envs `rows` (r,)."""
        heap = self.chance.cumsum(axis=1)[rows]
        drawn = (heap <= heap[:, -1:] * rng.random(len(rows))[:, None]).sum(axis=1)
        demand = np.empty((len(rows), len(prices)), "f4")
        for columns, part in self.parts:
            place = np.full(self.chance.shape, -1)
            there = self.chance[:, columns] > 0
            place[:, columns][there] = np.arange(len(part.market))
            chosen = place[rows, drawn]
            here = chosen >= 0
            demand[here] = part.draw(rng, prices, chosen[here])
        return demand
