"""What filters take in, and what they answer with."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from baselines.methods.capacity import sold


class Observation(NamedTuple):
    """What a leader sees of a round, in n environments."""

    price: np.ndarray
    """(n,)."""
    steps: np.ndarray
    """(n, K) asked for."""
    answered: np.ndarray
    """(n, K) bool, who was there to buy."""

    def of(self, envs: np.ndarray) -> Observation:
        """The same of some environments."""
        return Observation(*(value[envs] for value in self))


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


class Filter(Protocol):
    """The posterior of N environments."""

    together: int
    """How many environments are best looked at together."""

    def begin(self) -> None:
        """Back to the prior."""
        ...

    def observe(self, envs: np.ndarray, seen: Observation | None, active: np.ndarray) -> Belief:
        """Take in a round of some envs (n,), or None before the first; `active` will buy next."""
        ...
