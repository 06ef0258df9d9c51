"""Kalman filters of demand lines: of the mean follower, or of the follower in each slot.

The state is (a, b), demand being a − b·p. It forgets: between rounds it moves towards the prior
as an autoregression of which the prior is the stationary law (a persistence of 1 keeps it still).
The noise of a purchase is in proportion to it.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np

from aigc_market import _checks
from baselines.arena.protocol import PublicParameters
from baselines.arena.task import Task
from baselines.methods.demand import best_on_lines, flat_lines, sold
from baselines.methods.learner import OnlineLearner, mean_purchase

PRICES = 191
"""Prices among which the best one is looked for."""


class Lines:
    """Gaussian beliefs about many lines.

    Args:
        shape: how many.
        mean: (2,) of the prior.
        cov: (2, 2) of the prior.
        persistence: in (0, 1].
        sigma: σ > 0, the relative noise.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        mean: np.ndarray,
        cov: np.ndarray,
        persistence: float,
        sigma: float,
    ) -> None:
        self._prior = mean, cov
        self._persistence = _checks.number("persistence", persistence, above=0, at_most=1)
        self._sigma = _checks.number("sigma", sigma, above=0)
        self.mean = np.empty((*shape, 2))
        self.cov = np.empty((*shape, 2, 2))
        self.reset(np.ones(shape, bool))

    def reset(self, where: np.ndarray) -> None:
        """Back to the prior."""
        self.mean[where], self.cov[where] = self._prior

    def forget(self) -> None:
        """A round goes by."""
        keep = self._persistence
        self.mean += (1 - keep) * (self._prior[0] - self.mean)
        self.cov += (1 - keep**2) * (self._prior[1] - self.cov)

    def learn(
        self,
        where: np.ndarray,
        price: np.ndarray,
        steps: np.ndarray,
        count: Any,
        public: PublicParameters,
    ) -> None:
        """Take in purchases, the means of `count` of them each. Lines elsewhere stay.

        A purchase at a bound where a bound was expected says nothing: so a follower that buys
        nothing is one of which no more was expected, or whose line comes down.
        """
        row = np.stack(np.broadcast_arrays(1.0, -price), axis=-1)
        expected = (row * self.mean).sum(axis=-1)
        floor = (steps <= public.min_steps) & (expected <= public.min_steps)
        ceiling = (steps >= public.max_steps) & (expected >= public.max_steps)
        where = where & ~floor & ~ceiling
        spread = (self.cov * row[..., None, :]).sum(axis=-1)  # cov·row
        variance = (spread * row).sum(axis=-1)
        demand = np.clip(expected, public.min_steps, public.max_steps)
        # σ² times the mean square of the demand that the noise is in proportion to.
        noise = self._sigma**2 * (demand**2 + variance) / np.maximum(count, 1)
        gain = spread / np.maximum(variance + noise, 1e-9)[..., None] * where[..., None]
        self.mean += gain * (steps - expected)[..., None]
        self.cov -= gain[..., :, None] * spread[..., None, :]

    def sample(self, rng: np.random.Generator, spread: float) -> np.ndarray:
        """(…, 2) lines drawn from the beliefs, their deviations multiplied by `spread`."""
        if spread == 0:
            return self.mean
        a, b, c = self.cov[..., 0, 0], self.cov[..., 0, 1], self.cov[..., 1, 1]
        root = np.sqrt(np.maximum(a, 0.0))
        cross = b / np.maximum(root, 1e-12)
        rest = np.sqrt(np.maximum(c - cross**2, 0.0))
        z = rng.standard_normal((2, *a.shape))
        return self.mean + spread * np.stack([root * z[0], cross * z[0] + rest * z[1]], axis=-1)


@lru_cache(maxsize=8)
def flat_prior(public: PublicParameters) -> tuple[np.ndarray, np.ndarray]:
    """Mean (2,) and covariance (2, 2) of (a, b), from the form of demand alone.

    They are those of least-squares lines through what each follower of `flat_lines` asks for at
    prices in [cost, max_price], as far as that is more than the least.
    """
    intercept, slope = flat_lines(public)
    intercept, slope = (np.ravel(each) for each in np.broadcast_arrays(intercept[:, None], slope))
    price = np.linspace(public.cost, public.max_price, PRICES)[:, None]
    steps = public.demand(intercept, slope, price)
    used = steps > public.min_steps
    enough = used.sum(axis=0) > 2
    steps, used = steps[:, enough], used[:, enough]
    count = used.sum(axis=0)
    middle, level = ((each * used).sum(axis=0) / count for each in (price, steps))
    apart = (price - middle) * used
    falls = -(apart * steps).sum(axis=0) / (apart**2).sum(axis=0)
    lines = np.stack([level + falls * middle, falls])
    return lines.mean(axis=1), np.cov(lines, bias=True)


class KalmanTotal(OnlineLearner):
    """The mean follower's line, and the price that pays best on a line drawn from its belief.

    With `spread` = 1 lines are drawn from the belief (see `thompson`), with 0 they are the means
    (certainty equivalence).

    Args:
        task, num_envs, seed: see `OnlineLearner`.
        sigma, persistence: see `Lines`.
        spread: of the draw.

    Raises:
        TypeError, ValueError: a bad parameter.
    """

    each_slot: ClassVar[bool] = False
    """Whether each slot has a line, or there is one for all followers of an episode."""

    def __init__(
        self,
        task: Task,
        num_envs: int,
        seed: int,
        sigma: float = 0.3,
        persistence: float = 1.0,
        spread: float = 0.5,
    ) -> None:
        super().__init__(task, num_envs, seed)
        shape = (num_envs, self.public.K) if self.each_slot else (num_envs,)
        self._lines = Lines(shape, *flat_prior(self.public), persistence, sigma)
        self._spread = _checks.number("spread", spread, at_least=0)

    def begin(self) -> None:
        """Back to the prior."""
        self._lines.reset(np.ones(self._lines.mean.shape[:-1], bool))

    def learn(self, prices: np.ndarray, steps: np.ndarray, answered: np.ndarray) -> None:
        """Update, and forget."""
        bought, count = mean_purchase(steps, answered)
        self._lines.learn(count > 0, prices, bought, count, self.public)
        self._lines.forget()

    def price(self, active: np.ndarray) -> np.ndarray:
        """(a/b + c)/2, unless more than R would be asked for there."""
        level, slope = np.moveaxis(self._lines.sample(self.rng, self._spread), -1, 0)
        return best_on_lines(level, slope, active.sum(axis=1), self.capacity, self.public)


thompson = partial(KalmanTotal, spread=1.0)
"""Linear Thompson sampling: the price that pays best on a line drawn from the belief."""


class KalmanSlots(KalmanTotal):
    """The line of the follower in each slot; the price that pays best on all, clipped.

    A slot goes back to the prior when it is left. Followers buy what their lines say, held within
    the bounds of a purchase: one who is priced out counts no longer, and with a floor above 0 the
    best price may be max_price.
    """

    each_slot = True

    def learn(self, prices: np.ndarray, steps: np.ndarray, answered: np.ndarray) -> None:
        """Update, and forget."""
        self._lines.learn(answered, prices[:, None], steps, 1, self.public)
        self._lines.forget()

    def price(self, active: np.ndarray) -> np.ndarray:
        """The best of a fine grid."""
        self._lines.reset(~active)
        prices = np.linspace(self.public.cost, self.public.max_price, PRICES)
        lines = self._lines.sample(self.rng, self._spread)
        total = np.zeros((self.num_envs, PRICES))
        for k in range(self.public.K):
            rows = active[:, k]
            total[rows] += self.public.demand(
                lines[rows, k, :1], np.maximum(lines[rows, k, 1:], 0.0), prices
            )
        earned = (prices - self.public.cost) * sold(total, self.capacity)
        return prices[earned.argmax(axis=1)]
