"""What the methods that learn from round to round have in common."""

from __future__ import annotations

import numpy as np

from baselines.arena.protocol import History
from baselines.arena.task import Task


class OnlineLearner:
    """A method that prices, sees what is bought, and prices again.

    Args:
        task: what is played; its public parameters are all that is used.
        num_envs: N.
        seed: of every random choice.
    """

    def __init__(self, task: Task, num_envs: int, seed: int) -> None:
        self.public, self.num_envs = task.public(), num_envs
        self.rng = np.random.default_rng(seed)
        self.capacity: np.ndarray | None = None
        """(N,) R; None where there is none."""

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        if history.prices.shape[1] == 0:
            self.begin()
        else:
            self.learn(history.prices[:, -1], history.steps[:, -1], self._answering)
        self._answering, self.capacity = history.active.copy(), history.capacity
        return self.public.clip(self.price(history.active))

    def begin(self) -> None:
        """Forget everything: new markets."""
        raise NotImplementedError

    def learn(self, prices: np.ndarray, steps: np.ndarray, answered: np.ndarray) -> None:
        """Take in a round.

        Args:
            prices: (N,).
            steps: (N, K) asked for.
            answered: (N, K) bool, who was there to buy.

        `capacity` is still that of the round.
        """
        raise NotImplementedError

    def price(self, active: np.ndarray) -> np.ndarray:
        """Prices (N,) of the round to come, of which too low or too high ones are clipped."""
        raise NotImplementedError


def mean_purchase(steps: np.ndarray, answered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a follower that was there asked for on average, (N,), and how many there were, (N,).

    Where followers come and go, this is the demand that is comparable from round to round; the
    price that pays best is the same for it as for the total.
    """
    count = answered.sum(axis=1)
    return (steps * answered).sum(axis=1) / np.maximum(count, 1), count
