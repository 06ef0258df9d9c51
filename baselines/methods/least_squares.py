"""Certainty-equivalent pricing by least squares, with prices kept apart so that it learns.

Demand of a follower is taken for a line a − b·x, where x is the price, or its logarithm. It is
fitted to the rounds so far; the price that pays best on it is played unless the prices so far would
then vary too little: (a/b + c)/2, or c/W(c·e^(1 − a/b)) where x is the logarithm; or, where more
than the capacity would be asked for there, the price at which it is asked for.

Where nobody bought anything, the price was above what anybody would pay, and a fit to such rounds
would stay there: the next price goes half-way to the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from aigc_market import _checks
from aigc_market.ssim.model import Lines
from aigc_market.ssim.saturating import Logarithms
from baselines.arena.task import Task
from baselines.methods.demand import LINES, best_on_lines
from baselines.methods.learner import OnlineLearner, mean_purchase


class Cils(OnlineLearner):
    """CILS: x of the prices stays κ·t^(−1/4) away from the mean of the earlier ones.

    Keskin and Zeevi, "Dynamic pricing with an unknown demand model", Operations Research, 2014:
    constrained iterated least squares. With a discount below 1, as for changing demand (their
    "Chasing demand", Mathematics of Operations Research, 2017), t is the discounted number of
    rounds, so that the dispersion does not fade.

    Args:
        task, num_envs, seed: see `OnlineLearner`.
        kappa: κ ≥ 0, how far prices are kept apart, in units of x.
        first: the first two prices; they must differ. By default they lie a quarter and half of the
            way from the cost to max_price.
        discount: in (0, 1], what a round weighs beside the next one.
        form: x, of which demand is a line.

    Raises:
        TypeError, ValueError: a bad parameter.
    """

    def __init__(
        self,
        task: Task,
        num_envs: int,
        seed: int,
        kappa: float = 2.0,
        first: Sequence[float] | None = None,
        discount: float = 1.0,
        form: Lines = LINES,
    ) -> None:
        super().__init__(task, num_envs, seed)
        self._kappa = _checks.number("kappa", kappa, at_least=0)
        cost, most = self.public.cost, self.public.max_price
        if first is None:
            first = (cost + (most - cost) / 4, cost + (most - cost) / 2)
        self._first = _checks.numeric("first", first, at_least=cost, at_most=most)
        if np.shape(self._first) != (2,) or self._first[0] == self._first[1]:
            raise ValueError(f"first must be two different prices, got {first!r}")
        self._discount = _checks.number("discount", discount, above=0, at_most=1)
        self._form = form
        self._least, self._most = form.coordinate(np.array([cost, most]))

    def begin(self) -> None:
        """No round has been seen."""
        self._round = 0
        # Sums of 1, x, S, x², x·S over the rounds in which there was somebody to buy.
        self._sums = np.zeros((5, self.num_envs))
        self._unsold = np.zeros(self.num_envs, bool)
        self._lower = np.zeros(self.num_envs)

    def learn(self, prices: np.ndarray, steps: np.ndarray, answered: np.ndarray) -> None:
        """Add the round to the fit."""
        bought, count = mean_purchase(steps, answered)
        x = self._form.coordinate(prices)
        row = np.stack([np.ones_like(x), x, bought, x**2, x * bought])
        self._sums = self._discount * self._sums + row * (count > 0)
        self._unsold = (count > 0) & (bought == 0)
        self._lower = (prices + self.public.cost) / 2

    def price(self, active: np.ndarray) -> np.ndarray:
        """The first two prices in turn; later that of the fit, kept apart from the others."""
        weight, mean, variance, level, slope = self._fit()
        count = active.sum(axis=1)
        best = best_on_lines(level, slope, count, self.capacity, self.public, self._form)
        turn = self._first[self._round % 2]
        self._round += 1
        best = self._form.coordinate(self.public.clip(best))
        fitted = self._form.price(self._apart(best, mean, self._kappa * weight**-0.25))
        priced = np.where((self._round > 2) & (variance > 1e-9), fitted, turn)
        return np.where(self._unsold, self._lower, priced)

    def _fit(self) -> tuple[np.ndarray, ...]:
        weight = np.maximum(self._sums[0], 1e-9)
        x, steps, squares, products = self._sums[1:] / weight
        variance = np.maximum(squares - x**2, 0.0)
        slope = (x * steps - products) / np.maximum(variance, 1e-12)
        return weight, x, variance, steps + slope * x, slope

    def _apart(self, best: np.ndarray, mean: np.ndarray, reach: np.ndarray) -> np.ndarray:
        """The x nearest to `best` that is `reach` or more from `mean`, on its side of it.

        On the other side where that would leave those of [cost, max_price].
        """
        side = np.where(best >= mean, reach, -reach)
        near, other = mean + side, mean - side
        over = (near > self._most) | (near < self._least)
        moved = np.where(over & (other <= self._most) & (other >= self._least), other, near)
        return np.where(np.abs(best - mean) < reach, moved, best)


cils_discounted = partial(Cils, discount=0.9)
"""CILS that forgets."""
log_cils = partial(Cils, kappa=0.25, form=Logarithms())
"""CILS where demand is a line of ln p, so that κ is a share of the price."""
