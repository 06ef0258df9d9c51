"""Prices that learn nothing."""

from __future__ import annotations

import numpy as np

from aigc_market import _checks
from aigc_market.envs.pages.vector import PricingVectorEnv
from baselines.arena.protocol import History
from baselines.arena.task import Task


class Constant:
    """One price for ever.

    Args:
        task: what is played.
        num_envs: N.
        seed: not used.
        price: within [cost, max_price]; tuned, it is the one that earned most in training episodes.

    Raises:
        TypeError, ValueError: a price outside the limits.
    """

    def __init__(self, task: Task, num_envs: int, seed: int, price: float) -> None:
        public = task.public()
        _checks.number("price", price, at_least=public.cost, at_most=public.max_price)
        self._prices = np.full(num_envs, float(price))

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        return self._prices.copy()


class Random:
    """A uniform price in [cost, max_price] each round."""

    def __init__(self, task: Task, num_envs: int, seed: int) -> None:
        self._public, self._num_envs = task.public(), num_envs
        self._rng = np.random.default_rng(seed)

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        return self._rng.uniform(self._public.cost, self._public.max_price, self._num_envs)


class Equilibrium:
    """The oracle plays: the equilibrium price of the markets in force, which it is shown."""

    def __init__(self, task: Task, num_envs: int, seed: int) -> None:
        self._num_envs = num_envs

    def enter(self, env: PricingVectorEnv) -> None:
        """Take the environment that is about to be played; see `Insider`."""
        self._env = env

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        exact = self._env.equilibrium.price
        price = np.float32(exact)
        # Actions are single-precision; above the exact price demand may jump down.
        price = np.where(price > exact, np.nextafter(price, np.float32(0)), price)
        return np.broadcast_to(price, self._num_envs).astype(float)
