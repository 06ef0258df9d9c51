"""Prices by what is believed of demand: rules (decision, rng) → (n,) indices of prices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aigc_market import _checks
from baselines.methods.bayes.interface import Decision

Rule = Callable[[Decision, np.random.Generator], np.ndarray]


def greedy(decision: Decision, rng: np.random.Generator) -> np.ndarray:
    """The price that earns most in expectation."""
    return (decision.gain * decision.belief.mean(decision.prices)).argmax(axis=1)


def thompson(decision: Decision, rng: np.random.Generator) -> np.ndarray:
    """The best price of a market drawn from the posterior."""
    every = np.arange(len(decision.active))
    demand = decision.belief.draw(rng, decision.prices, every)
    return decision.earned(demand).argmax(axis=1)


@dataclass(frozen=True)
class Information:
    """The price that earns most in expectation, information included.

    Information is worth what is lost for want of it, in expectation and per round, over the next
    `horizon` rounds, times the share of the variance of the best price that the purchases at a
    price would explain (by their correlation, noise included).

    Args:
        horizon: rounds.
        draws: markets drawn from the posterior.
    """

    horizon: float = 4.0
    draws: int = 32

    def __post_init__(self) -> None:
        _checks.number("horizon", self.horizon, at_least=0)
        _checks.integer("draws", self.draws, at_least=2)

    def __call__(self, decision: Decision, rng: np.random.Generator) -> np.ndarray:
        """(n,) indices of prices."""
        belief, prices, gain, active, sigma, _ = decision
        count = active.sum(axis=1)
        envs = np.repeat(np.arange(len(active)), self.draws)
        demand = belief.draw(rng, prices, envs).reshape(len(active), self.draws, len(prices))
        earned = decision.earned(demand)
        best = prices[earned.argmax(axis=2)]
        lost = earned.max(axis=2).mean(axis=1) - earned.mean(axis=1).max(axis=1)
        noise = (sigma * demand.mean(axis=1)) ** 2 / np.maximum(count, 1)[:, None]
        demand -= demand.mean(axis=1, keepdims=True)
        best -= best.mean(axis=1, keepdims=True)
        together = (best[:, None] @ demand)[:, 0] ** 2  # (n, P)
        apart = (best**2).sum(axis=1)[:, None] * ((demand**2).sum(axis=1) + self.draws * noise)
        explained = together / np.maximum(apart, 1e-9)
        worth = self.horizon * lost[:, None] * explained
        return (gain * belief.mean(prices) + worth).argmax(axis=1)
