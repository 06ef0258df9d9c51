"""Providers that learn prices by tabular Q-learning against each other, all at the same time.

The learners of Calvano, Calzolari, Denicolò & Pastorello, "Artificial Intelligence, Algorithmic
Pricing, and Collusion", American Economic Review 110(10), 2020. Each sees the prices of the round
before (memory 1) or nothing (memory 0), explores with probability ε = e^{−βt}, and changes one
cell of its table a round. Compiled with numba.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np

from aigc_market import _checks
from baselines.methods.q_learning.oligopoly import levels_of


@dataclass(frozen=True)
class QRecipe:
    """How the learners learn, and when they are done."""

    alpha: float = 0.15
    """Learning rate α in (0, 1]."""
    beta: float = 4e-6
    """How fast exploration fades: ε = e^{−βt}, β > 0."""
    discount: float = 0.95
    """In [0, 1)."""
    memory: int = 1
    """Rounds that a learner remembers: 1 or 0."""
    stable: int = 100_000
    """Done when for so many periods nobody's greedy price has changed in any state."""
    max_periods: int = 10**9
    """Cut off after so many."""

    def __post_init__(self) -> None:
        if _checks.number("alpha", self.alpha, above=0) > 1:
            raise ValueError(f"alpha must be at most 1, got {self.alpha!r}")
        _checks.number("beta", self.beta, above=0)
        _checks.number("discount", self.discount, at_least=0, below=1)
        if _checks.integer("memory", self.memory, at_least=0) > 1:
            raise ValueError(f"memory must be 0 or 1, got {self.memory!r}")
        _checks.integer("stable", self.stable, at_least=1)
        _checks.integer("max_periods", self.max_periods, at_least=1)


class Learned(NamedTuple):
    """What a session ended with."""

    strategies: np.ndarray
    """(L^M, M) the greedy price's number after each profile; without memory always the same."""
    tables: np.ndarray
    """(S, M, L) Q, with S = L^M states, or 1 where memory is 0."""
    last: int
    """The profile of the last period."""
    periods: int
    """That were played."""
    converged: bool
    """Whether the greedy prices stood still, or the session was cut off."""


def learn(payoffs: np.ndarray, recipe: QRecipe, seed: int | Sequence[int]) -> Learned:
    """Let M learners play against each other until their greedy prices stand still.

    Args:
        payoffs: (L^M, M), see `profile_payoffs`.
        recipe: of all learners.
        seed: of the first state and of all exploration.
    """
    states, rng = len(payoffs) if recipe.memory else 1, np.random.default_rng(seed)
    tables = np.tile(first_values(payoffs, recipe.discount), (states, 1, 1))
    greedy, values = tables.argmax(axis=-1), tables.max(axis=-1)
    rates = recipe.alpha, recipe.beta, recipe.discount
    limits = recipe.stable, recipe.max_periods
    ended = _play(payoffs, tables, greedy, values, rng, rates, limits)
    smallest = np.min_scalar_type(levels_of(payoffs))
    return Learned(np.broadcast_to(greedy, payoffs.shape).astype(smallest), tables, *ended)


def first_values(payoffs: np.ndarray, discount: float) -> np.ndarray:
    """(M, L) Q₀ of each price: what it pays on average against random rivals, for ever."""
    levels, M = levels_of(payoffs), payoffs.shape[1]
    cells = payoffs.reshape((levels,) * M + (M,))
    means = [cells[..., i].mean(axis=tuple(j for j in range(M) if j != i)) for i in range(M)]
    return np.stack(means) / (1.0 - discount)


@numba.njit(cache=True)
def _play(
    payoffs: Any, tables: Any, greedy: Any, values: Any, rng: Any, rates: Any, limits: Any
) -> tuple[int, int, bool]:
    """Play and learn; gives the last profile, the periods played, and whether prices stood still.

    The tables Q (S, M, L) are changed in place, and so are their argmax `greedy` (S, M), the first
    where several are equal, and their maxima `values`: cell by cell, since a row is read far more
    often than its largest cell changes. The generator gives one number for each provider in turn,
    and one more to those that explore. `rates`: α, β, discount; `limits`: stable, max_periods.
    """
    (alpha, beta, discount), (stable, max_periods) = rates, limits
    M = payoffs.shape[1]
    states, _, levels = tables.shape
    chosen = np.empty(M, np.int64)
    profile = int(rng.random() * len(payoffs))
    unchanged = 0
    period = 0
    while unchanged < stable and period < max_periods:
        state = profile if states > 1 else 0
        epsilon = math.exp(-beta * period)
        profile = 0
        for i in range(M):
            chosen[i] = int(rng.random() * levels) if rng.random() < epsilon else greedy[state, i]
            profile = profile * levels + chosen[i]
        following = profile if states > 1 else 0
        unchanged += 1
        for i in range(M):
            price, best = chosen[i], greedy[state, i]
            target = payoffs[profile, i] + discount * values[following, i]
            value = (1.0 - alpha) * tables[state, i, price] + alpha * target
            tables[state, i, price] = value
            if price == best and value < values[state, i]:
                for other in range(levels):
                    larger = tables[state, i, other] > tables[state, i, best]
                    equal = tables[state, i, other] == tables[state, i, best]
                    if larger or (equal and other < best):
                        best = other
            elif value > values[state, i] or (value == values[state, i] and price < best):
                best = price
            values[state, i] = tables[state, i, best]
            if best != greedy[state, i]:
                greedy[state, i] = best
                unchanged = 0
        period += 1
    return profile, period, unchanged >= stable
