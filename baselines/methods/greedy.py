"""Methods that remember what prices have paid, and have no model of demand."""

from __future__ import annotations

import numpy as np

from aigc_market import _checks
from baselines.arena.protocol import PublicParameters
from baselines.methods.learner import Learner, mean_purchase


class Greedy(Learner):
    """With probability .1 a uniform price, else the one that has paid best in this episode.

    The value of a price is overwritten each time that it is replayed. That is the paper's baseline
    as this literature uses it, with a memory for each episode.
    """

    epsilon = 0.1

    def begin(self) -> None:
        """No price has been tried."""
        self._lanes = np.arange(self.num_envs)
        self._prices = np.zeros((self.num_envs, 0))
        self._values = np.zeros((self.num_envs, 0))

    def learn(self, prices: np.ndarray, steps: np.ndarray, answered: np.ndarray) -> None:
        """Overwrite the value of each lane's price."""
        self._values[self._lanes, self._tried] = (prices - self.public.cost) * steps.sum(axis=1)

    def price(self, active: np.ndarray) -> np.ndarray:
        """The best so far, or a new one."""
        # A new column a round, for the lanes that explore; the others leave theirs at −∞.
        drawn = self.rng.uniform(self.public.cost, self.public.max_price, self.num_envs)
        explores = self.rng.random(self.num_envs) < self.epsilon
        self._prices = np.hstack([self._prices, drawn[:, None]])
        self._values = np.hstack([self._values, np.full((self.num_envs, 1), -np.inf)])
        newest = self._prices.shape[1] - 1
        explores |= newest == 0
        self._tried = np.where(explores, newest, self._values.argmax(axis=1))
        return self._prices[self._lanes, self._tried]


class EpsilonGreedy(Learner):
    """A bandit over a grid of prices, with ε-greedy exploration.

    The value of a price is what it has earned of a follower, averaged over its plays; the newest
    has at least the weight `step`, so that old ones are forgotten. Prices that have not been
    tried are only explored.

    Args:
        public, num_envs, seed: see `Learner`.
        arms: how many prices, evenly spaced above the cost.
        epsilon: ε, the probability of a random one of them.
        step: least weight of the newest play in an average, in [0, 1].
        start: the first price (the nearest of the grid).
    """

    def __init__(
        self,
        public: PublicParameters,
        num_envs: int,
        seed: int,
        arms: int,
        epsilon: float,
        step: float,
        start: float,
    ) -> None:
        super().__init__(public, num_envs, seed)
        count = _checks.integer("arms", arms, at_least=1)
        self._grid = np.linspace(public.cost, public.max_price, count + 1)[1:]
        self._epsilon = _checks.number("epsilon", epsilon, at_least=0)
        self._step = _checks.number("step", step, at_least=0)
        self._start = np.abs(self._grid - _checks.number("start", start, above=0)).argmin()
        self._lanes = np.arange(num_envs)

    def begin(self) -> None:
        """No price has been tried."""
        self._values = np.full((self.num_envs, len(self._grid)), -np.inf)
        self._plays = np.zeros(self._values.shape)
        self._values[:, self._start] = 0.0

    def learn(self, prices: np.ndarray, steps: np.ndarray, answered: np.ndarray) -> None:
        """Average what the price has earned."""
        bought, count = mean_purchase(steps, answered)
        lane = self._lanes[count > 0]
        arm = self._arm[lane]
        self._plays[lane, arm] += 1
        first = self._plays[lane, arm] == 1
        earned = (prices - self.public.cost)[lane] * bought[lane]
        old = np.where(first, 0.0, self._values[lane, arm])
        weight = np.maximum(1 / self._plays[lane, arm], self._step)
        self._values[lane, arm] = old + weight * (earned - old)

    def price(self, active: np.ndarray) -> np.ndarray:
        """The best of the grid, or any."""
        explores = self.rng.random(self.num_envs) < self._epsilon
        any_arm = self.rng.integers(len(self._grid), size=self.num_envs)
        self._arm = np.where(explores, any_arm, self._values.argmax(axis=1))
        return self._grid[self._arm]
