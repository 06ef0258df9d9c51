"""Prices by what is believed of demand: rules (decision, rng) → (n,) indices of prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from aigc_market import _checks
from baselines.methods.demand import sold

_DRAWS = 32
"""Markets drawn from the posterior to see what a price teaches."""


class Belief(Protocol):
    """What is known of n markets, about to be played; demand is that of all active followers."""

    def mean(self, prices: np.ndarray) -> np.ndarray:
        """(n, P) what is sold at prices (P,), in expectation: all that is asked for, without R."""
        ...

    def draw(self, rng: np.random.Generator, prices: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(r, P) demand at prices (P,) of a market drawn for each of `rows` (r,), its env."""
        ...


class Decision(NamedTuple):
    """What a price is chosen by, in n environments."""

    belief: Belief
    prices: np.ndarray
    """(P,) to choose from."""
    gain: np.ndarray
    """(P,) what a step sold at them earns."""
    active: np.ndarray
    """(n, K) bool, who will buy."""
    sigma: float
    """σ of the followers' noise."""
    capacity: np.ndarray | None = None
    """(n,) R; None where there is none."""

    def earned(self, demand: np.ndarray) -> np.ndarray:
        """What is earned of demand (n, …, P) at the prices."""
        return self.gain * sold(demand, self.capacity)


Rule = Callable[[Decision, np.random.Generator], np.ndarray]


def greedy(decision: Decision, rng: np.random.Generator) -> np.ndarray:
    """The price that earns most in expectation."""
    return (decision.gain * decision.belief.mean(decision.prices)).argmax(axis=1)


def thompson(decision: Decision, rng: np.random.Generator) -> np.ndarray:
    """The best price of a market drawn from the posterior."""
    every = np.arange(len(decision.active))
    demand = decision.belief.draw(rng, decision.prices, every)
    return decision.earned(demand).argmax(axis=1)


def information(horizon: float) -> Rule:
    """The price that earns most in expectation, information included.

    Information is worth what is lost for want of it, in expectation and per round, over the next
    `horizon` rounds, times the share of the variance of the best price that the purchases at a
    price would explain (by their correlation, noise included).

    Raises:
        TypeError, ValueError: a horizon that is no number of rounds.
    """
    _checks.number("horizon", horizon, at_least=0)

    def rule(decision: Decision, rng: np.random.Generator) -> np.ndarray:
        belief, prices, gain, active, sigma, _ = decision
        count = active.sum(axis=1)
        envs = np.repeat(np.arange(len(active)), _DRAWS)
        demand = belief.draw(rng, prices, envs).reshape(len(active), _DRAWS, len(prices))
        earned = decision.earned(demand)
        best = prices[earned.argmax(axis=2)]
        lost = earned.max(axis=2).mean(axis=1) - earned.mean(axis=1).max(axis=1)
        noise = (sigma * demand.mean(axis=1)) ** 2 / np.maximum(count, 1)[:, None]
        demand -= demand.mean(axis=1, keepdims=True)
        best -= best.mean(axis=1, keepdims=True)
        together = (best[:, None] @ demand)[:, 0] ** 2  # (n, P)
        apart = (best**2).sum(axis=1)[:, None] * ((demand**2).sum(axis=1) + _DRAWS * noise)
        explained = together / np.maximum(apart, 1e-9)
        worth = horizon * lost[:, None] * explained
        return (gain * belief.mean(prices) + worth).argmax(axis=1)

    return rule
