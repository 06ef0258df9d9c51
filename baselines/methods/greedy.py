"""Methods that remember what prices have paid, and have no model of demand."""

from __future__ import annotations

import numpy as np

from aigc_market import _checks
from baselines.arena.task import Task
from baselines.methods.demand import sold
from baselines.methods.learner import OnlineLearner


class Greedy(OnlineLearner):
    """With probability ε a uniform price, else the one that has paid best so far.

    The value of a price is overwritten each time that it is replayed. That is the baseline of the
    source paper (ε = .1), as its literature uses it. Each env has a memory of its own.

    Args:
        task, num_envs, seed: see `OnlineLearner`.
        epsilon: ε, in [0, 1].
        forgets: whether each episode begins with an empty memory; the paper's run is one market,
            of which all episodes are remembered.

    Raises:
        TypeError, ValueError: a bad parameter.
    """

    def __init__(
        self, task: Task, num_envs: int, seed: int, epsilon: float = 0.1, forgets: bool = True
    ) -> None:
        super().__init__(task, num_envs, seed)
        self._epsilon = _checks.number("epsilon", epsilon, at_least=0, at_most=1)
        self._forgets = _checks.flag("forgets", forgets)
        self._envs = np.arange(num_envs)
        self._clear()

    def begin(self) -> None:
        """No price has been tried, unless earlier episodes are remembered."""
        if self._forgets:
            self._clear()

    def _clear(self) -> None:
        self._prices = self._values = np.empty((self.num_envs, 0))

    def learn(self, prices: np.ndarray, steps: np.ndarray, answered: np.ndarray) -> None:
        """Overwrite the value of each env's price."""
        earned = (prices - self.public.cost) * sold(steps.sum(axis=1), self.capacity)
        self._values[self._envs, self._tried] = earned

    def price(self, active: np.ndarray) -> np.ndarray:
        """The best so far, or a new one."""
        drawn = self.rng.uniform(self.public.cost, self.public.max_price, self.num_envs)
        explores = self.rng.random(self.num_envs) < self._epsilon
        explores |= self._values.shape[1] == 0
        if explores.any():  # a new column for the envs that explore; that of the others stays −∞
            self._prices = np.column_stack([self._prices, drawn])
            self._values = np.column_stack([self._values, np.full(self.num_envs, -np.inf)])
        self._tried = np.where(explores, -1, self._values.argmax(axis=1))
        return self._prices[self._envs, self._tried]


class EpsilonGreedy(OnlineLearner):
    """A bandit over a grid of prices, with ε-greedy exploration.

    The value of a price is what it has earned of a follower, averaged over its plays; the newest
    has at least the weight `step`, so that old ones are forgotten. Prices that have not been
    tried are only explored; where none has earned anything, all are.

    Args:
        task, num_envs, seed: see `OnlineLearner`.
        arms: how many prices, evenly spaced above the cost.
        epsilon: ε, the probability of a random one of them.
        step: least weight of the newest play in an average, in [0, 1].
        start: the first price (the nearest of the grid); by default half-way from the cost to
            max_price.

    Raises:
        TypeError, ValueError: a bad parameter.
    """

    def __init__(
        self,
        task: Task,
        num_envs: int,
        seed: int,
        arms: int = 8,
        epsilon: float = 0.1,
        step: float = 0.0,
        start: float | None = None,
    ) -> None:
        super().__init__(task, num_envs, seed)
        count = _checks.integer("arms", arms, at_least=1)
        self._grid = np.linspace(self.public.cost, self.public.max_price, count + 1)[1:]
        self._epsilon = _checks.number("epsilon", epsilon, at_least=0, at_most=1)
        self._step = _checks.number("step", step, at_least=0, at_most=1)
        if start is None:
            start = (self.public.cost + self.public.max_price) / 2
        self._start = np.abs(self._grid - _checks.number("start", start, above=0)).argmin()
        self._envs = np.arange(num_envs)

    def begin(self) -> None:
        """No price has been tried."""
        self._values = np.full((self.num_envs, len(self._grid)), -np.inf)
        self._plays = np.zeros(self._values.shape)
        self._values[:, self._start] = 0.0

    def learn(self, prices: np.ndarray, steps: np.ndarray, answered: np.ndarray) -> None:
        """Average what the price has earned."""
        count = answered.sum(axis=1)
        bought = sold(steps.sum(axis=1), self.capacity) / np.maximum(count, 1)
        env = self._envs[count > 0]
        arm = self._arm[env]
        self._plays[env, arm] += 1
        first = self._plays[env, arm] == 1
        earned = (prices - self.public.cost)[env] * bought[env]
        old = np.where(first, 0.0, self._values[env, arm])
        weight = np.maximum(1 / self._plays[env, arm], self._step)
        self._values[env, arm] = old + weight * (earned - old)

    def price(self, active: np.ndarray) -> np.ndarray:
        """The best of the grid, or any."""
        explores = self.rng.random(self.num_envs) < self._epsilon
        explores |= (self._values.max(axis=1) <= 0) & (self._plays.sum(axis=1) > 0)
        any_arm = self.rng.integers(len(self._grid), size=self.num_envs)
        self._arm = np.where(explores, any_arm, self._values.argmax(axis=1))
        return self._grid[self._arm]
