"""Prices that learn nothing."""

from __future__ import annotations

import numpy as np

from aigc_market import _checks
from baselines.arena.protocol import History, PublicParameters


class Constant:
    """One price for ever.

    Args:
        public: what is known of the markets.
        num_envs: N.
        seed: not used.
        price: within [cost, max_price]; tuned, it is the best one in hindsight on training markets.
    """

    def __init__(self, public: PublicParameters, num_envs: int, seed: int, price: float) -> None:
        _checks.number("price", price, at_least=public.cost)
        if price > public.max_price:
            raise ValueError(f"price must be at most {public.max_price:g}, got {price!r}")
        self._prices = np.full(num_envs, float(price))

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        return self._prices.copy()


class Random:
    """A uniform price in [cost, max_price] each round."""

    def __init__(self, public: PublicParameters, num_envs: int, seed: int) -> None:
        self._public, self._num_envs = public, num_envs
        self._rng = np.random.default_rng(seed)

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        return self._rng.uniform(self._public.cost, self._public.max_price, self._num_envs)
