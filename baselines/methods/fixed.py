"""Prices that learn nothing."""

from __future__ import annotations

import numpy as np

from aigc_market import _checks
from baselines.arena.protocol import History, Terms


class Constant:
    """One price for ever.

    Args:
        terms: what is known of the markets.
        num_envs: N.
        seed: not used.
        price: within [cost, max_price]; tuned, it is the best one in hindsight on training markets.
    """

    def __init__(self, terms: Terms, num_envs: int, seed: int, price: float) -> None:
        _checks.number("price", price, at_least=terms.cost)
        if price > terms.max_price:
            raise ValueError(f"price must be at most {terms.max_price:g}, got {price!r}")
        self._prices = np.full(num_envs, float(price))

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        return self._prices.copy()


class Random:
    """A uniform price in [cost, max_price] each round."""

    def __init__(self, terms: Terms, num_envs: int, seed: int) -> None:
        self._terms, self._num_envs = terms, num_envs
        self._rng = np.random.default_rng(seed)

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        return self._rng.uniform(self._terms.cost, self._terms.max_price, self._num_envs)
