"""Leaders that are not neural: all on one interface, batched over lanes of the vector env."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from aigc_market.envs.vector import PricingVectorEnv
from baselines.arena.measures import means, measure


class Agent(Protocol):
    """A leader that plays every lane of a `PricingVectorEnv` (in physical units) at once."""

    def act(self, history: np.ndarray) -> np.ndarray:
        """Prices (N,), given the last rounds (N, n, K + 1), each (p, S_1, …, S_K)."""
        ...

    def learn(self, prices: np.ndarray, utilities: np.ndarray) -> None:
        """What the prices of the round have earned, (N,) each."""
        ...


class Random:
    """A uniform price in [cost, max_price] each round."""

    def __init__(self, env: PricingVectorEnv, seed: int) -> None:
        self._env = env
        self._rng = np.random.default_rng(seed)

    def act(self, history: np.ndarray) -> np.ndarray:
        """Prices (N,)."""
        market = self._env.market
        return self._rng.uniform(market.cost, market.max_price, len(history))

    def learn(self, prices: np.ndarray, utilities: np.ndarray) -> None:
        """Nothing to learn."""


class Greedy:
    """With probability ε a uniform price, else the price that has paid best so far.

    The value recorded of a price is overwritten each time that it is replayed. Each lane has a
    memory of its own.
    """

    epsilon = 0.1

    def __init__(self, env: PricingVectorEnv, seed: int) -> None:
        self._uniform = Random(env, seed)
        self._rng = np.random.default_rng((seed, 1))
        self._lanes = np.arange(env.num_envs)
        self._prices = np.zeros((env.num_envs, 1024))
        self._values = np.full((env.num_envs, 1024), -np.inf)
        self._tried = 0

    @property
    def best_price(self) -> np.ndarray:
        """The price that has paid best so far, (N,)."""
        return self._prices[self._lanes, self._values.argmax(axis=1)]

    def act(self, history: np.ndarray) -> np.ndarray:
        """Prices (N,)."""
        explores = self._rng.random(len(history)) < self.epsilon
        if self._tried == 0:
            explores[:] = True
        self._slots = self._values.argmax(axis=1)
        if explores.any():
            if self._tried == self._prices.shape[1]:
                self._prices = np.hstack([self._prices, np.zeros_like(self._prices)])
                self._values = np.hstack([self._values, np.full_like(self._values, -np.inf)])
            drawn = self._uniform.act(history)
            self._slots[explores] = self._tried
            self._prices[explores, self._tried] = drawn[explores]
            self._tried += 1
        return self._prices[self._lanes, self._slots]

    def learn(self, prices: np.ndarray, utilities: np.ndarray) -> None:
        """Overwrite the value of each lane's price."""
        self._values[self._lanes, self._slots] = utilities


class Equilibrium:
    """The oracle plays: the equilibrium price of the market in play."""

    def __init__(self, env: PricingVectorEnv, seed: int) -> None:
        self._env = env

    def act(self, history: np.ndarray) -> np.ndarray:
        """Prices (N,)."""
        exact = self._env.equilibrium.price
        price = np.float32(exact)
        # Actions are single-precision; above the exact price demand may jump down.
        price = np.where(price > exact, np.nextafter(price, np.float32(0)), price)
        return np.broadcast_to(price, len(history))

    def learn(self, prices: np.ndarray, utilities: np.ndarray) -> None:
        """Nothing to learn."""


AGENTS: dict[str, Any] = {"greedy": Greedy, "random": Random, "equilibrium": Equilibrium}
"""Scripted leaders by name."""


def play(env: PricingVectorEnv, agent: Agent, episodes: int, seed: int) -> list[dict[str, float]]:
    """Play whole episodes in every lane, one after the other.

    Args:
        env: in physical units, with unscaled rewards and continuous actions.
        agent: it learns as it plays.
        episodes: how many in each lane.
        seed: of the markets drawn.

    Returns:
        Means over each episode (see `measures`).
    """
    width = env.settings.market.K + 1
    observations, _ = env.reset(seed=seed)
    played = []
    for _ in range(episodes):
        rounds = []
        for _ in range(env.max_cycles):
            prices = agent.act(observations.reshape(env.num_envs, -1, width))
            actions = prices[:, None].astype(np.float32)
            observations, utilities, _, _, infos = env.step(actions)
            agent.learn(prices, utilities)
            rounds.append(measure(infos))
        played.append(means(rounds))
    return played
