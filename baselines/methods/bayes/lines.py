"""The exact Bayes filter of followers whose demand is a line, on a grid.

See `families` for s, o_k, c and e_k. Given (s, c) the followers are independent, so that the
posterior of all of them is a table over (s, c) and, for each follower, a table over (s, o_k): the
likelihood of what it has bought.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from aigc_market.ssim.model import Lines
from baselines.arena.protocol import PublicParameters
from baselines.methods.bayes.law import SCORES, MarketLaw
from baselines.methods.bayes.purchases import Observation, likelihood
from baselines.methods.demand import LINES

_TINY = np.float32(1e-37)
_LEAST = np.float32(1e-30)
"""Least likelihood of a line beside the likeliest: where the grid has no line that is right, the
purchases that contradict each other count for little, and the newest for most."""
_DRAWS = 2**18
"""Markets drawn to tabulate the prior."""


@dataclass(frozen=True)
class LineGrid:
    """The law of lines on a grid of s and o_k. All single precision."""

    intercept: np.ndarray
    """(a, b) L, steps; b may be 1."""
    slope: np.ndarray
    """(a, b) T, steps per unit of x: demand is L − T·x(p); a or b may be 1."""
    prior: np.ndarray
    """(a, c) probabilities of (s, c)."""
    kernel: np.ndarray
    """(b, c) probabilities of o_k given c."""
    sigma: float
    """σ of the followers' noise."""
    form: Lines = LINES
    """x."""

    @classmethod
    def of(cls, law: MarketLaw, shared: int, own: int) -> LineGrid:
        """The prior of a law, log-spaced, with so many values of s and of o_k."""
        rng = np.random.default_rng(0)
        s, c = law.market(rng.standard_normal((_DRAWS, SCORES)))
        e = law.own(rng.standard_normal(_DRAWS))
        a = _axis(np.log(s), shared)
        b = _axis(c + e, own)
        step = b[1] - b[0]
        # Values of c on the same lattice, so that o_k given c depends on their distance only.
        first, last = np.floor((c.min() - b[0]) / step), np.ceil((c.max() - b[0]) / step)
        c_axis = b[0] + step * np.arange(first, last + 1)
        share_a, share_c = _share(np.log(s), a), _share(c, c_axis)
        prior = np.zeros((len(a), len(c_axis)))
        for i, u in share_a:
            for j, v in share_c:
                flat = np.bincount(i * len(c_axis) + j, u * v, prior.size)
                prior += flat.reshape(prior.shape)
        distance = np.rint((b[:, None] - c_axis) / step).astype(int)
        e_axis = step * np.arange(min(distance.min(), e.min() // step), distance.max() + 1)
        chance = np.sum([np.bincount(i, u, len(e_axis)) for i, u in _share(e, e_axis)], axis=0)
        kernel = chance[distance - round(e_axis[0] / step)]
        kernel /= np.maximum(kernel.sum(axis=0), _TINY)
        line = law.family.line(np.exp(a)[:, None], np.exp(b)[None])
        tables = (table.astype("f4") for table in (*line, prior / prior.sum(), kernel))
        return cls(*tables, sigma=law.sigma, form=law.family.form)

    def demand(self, price: np.ndarray, public: PublicParameters) -> np.ndarray:
        """Rational demand (n, a, b) of each line at prices (n,)."""
        x = self.form.coordinate(price.astype("f4"))[:, None, None]
        return public.demand(self.intercept, self.slope, x)


def _axis(values: np.ndarray, count: int) -> np.ndarray:
    """A grid over all but the outermost of some values."""
    low, high = np.quantile(values, [2e-4, 1 - 2e-4])
    room = max(high - low, 1e-3) / count
    return np.linspace(low - room / 2, high + room / 2, count)


def _share(values: np.ndarray, axis: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each value's two neighbours on an axis, and how it is shared between them."""
    place = np.clip((values - axis[0]) / (axis[1] - axis[0]), 0, len(axis) - 1)
    low = np.minimum(place.astype(int), len(axis) - 2)
    return [(low, 1 - (place - low)), (low + 1, place - low)]


class LineFilter:
    """The posterior of N markets of K followers each.

    Args:
        grid: the prior.
        public: what is known of the markets.
        envs: N.
    """

    def __init__(self, grid: LineGrid, public: PublicParameters, envs: int) -> None:
        self.grid, self.public = grid, public
        self._log_prior = np.log(np.maximum(grid.prior, _TINY))
        self._market = np.empty((envs, *grid.prior.shape), "f4")
        size = len(grid.intercept), len(grid.kernel)
        self._tables = np.empty((envs, public.K, *size), "f4")
        self._scale = np.empty(envs)
        # The largest array in use at a time should fit the processor's cache.
        self.together = max(1, 2**18 // self._tables[0].size)
        self.begin()

    def begin(self) -> None:
        """Back to the prior in all envs."""
        self.reset(np.arange(len(self._scale)))

    def reset(self, envs: np.ndarray) -> None:
        """Back to the prior in some envs."""
        self._market[envs] = self._log_prior
        self._tables[envs] = 1.0
        self._scale[envs] = 0.0

    def observe(
        self, envs: np.ndarray, seen: Observation | None, active: np.ndarray
    ) -> LinesPosterior:
        """Take in a round of some envs (n,), or None before the first; `active` will buy next.

        A slot that is left is forgotten, but not what its follower says of the market.
        """
        present = active if seen is None else seen.answered | active
        env, slot = present.nonzero()
        rows = envs[env], slot
        tables = self._tables[rows]
        if seen is not None:
            bought = seen.answered[env, slot]
            tables[bought] *= likelihood(
                seen.steps[env, slot][bought].astype("f4"),
                self.grid.demand(seen.price, self.public)[env[bought]],
                self.public,
                self.grid.sigma,
            )
            top = np.maximum(tables.max(axis=(1, 2)), _TINY)
            tables /= top[:, None, None]
            np.maximum(tables, _LEAST, out=tables)
            np.add.at(self._scale, envs[env], np.log(top))
        log_likelihood = tables @ self.grid.kernel  # P(purchases of the slot | s, c)
        np.log(np.maximum(log_likelihood, _TINY, out=log_likelihood), out=log_likelihood)
        stay = active[env, slot]
        market = self._market[envs]
        add_rows(market, log_likelihood[~stay], env[~stay])
        self._market[envs] = market
        self._tables[rows] = np.where(stay[:, None, None], tables, np.float32(1))
        add_rows(market, log_likelihood[stay], env[stay])
        return LinesPosterior(
            self.grid,
            self.public,
            market,
            self._scale[envs],
            env[stay],
            tables[stay],
            log_likelihood[stay],
        )


@dataclass(frozen=True)
class LinesPosterior:
    """What is known of n environments, about to be played."""

    grid: LineGrid
    public: PublicParameters
    market: np.ndarray
    """(n, a, c) log-probabilities of (s, c), up to a constant."""
    scale: np.ndarray
    """(n,) what was taken out of them."""
    env: np.ndarray
    """(m,) env of each active slot, in order."""
    tables: np.ndarray
    """(m, a, b) likelihood of what it has bought, up to a constant."""
    log_likelihood: np.ndarray
    """(m, a, c) log of the mean of that given (s, c)."""

    def evidence(self) -> np.ndarray:
        """(n,) log-probability of all that has been seen, up to a constant of the data."""
        top = self.market.max(axis=(1, 2))
        return np.log(np.exp(self.market - top[:, None, None]).sum((1, 2))) + top + self.scale

    def some(self, kept: np.ndarray) -> LinesPosterior:
        """Of the envs that are True in `kept` (n,) alone."""
        pairs = kept[self.env]
        return replace(
            self,
            market=self.market[kept],
            scale=self.scale[kept],
            env=(np.cumsum(kept) - 1)[self.env[pairs]],
            tables=self.tables[pairs],
            log_likelihood=self.log_likelihood[pairs],
        )

    def lines(self) -> np.ndarray:
        """(n, a, b) how many active followers have a line, in expectation."""
        others = self.market[self.env] - self.log_likelihood
        others -= others.max(axis=(1, 2), keepdims=True)
        np.exp(others, out=others)
        beliefs = others @ self.grid.kernel.T
        beliefs *= self.tables
        beliefs /= np.maximum(beliefs.sum(axis=(1, 2), keepdims=True), _TINY)
        count = np.zeros((len(self.market), *self.tables.shape[1:]), "f4")
        add_rows(count, beliefs, self.env)
        return count

    def mean(self, prices: np.ndarray) -> np.ndarray:
        """(n, P) expected demand at prices (P,)."""
        demand = self.grid.demand(prices, self.public).reshape(len(prices), -1)
        return self.lines().reshape(len(self.market), -1) @ demand.T

    def draw(self, rng: np.random.Generator, prices: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(r, P) total demand at prices (P,) of markets drawn, of envs `rows` (r,)."""
        n, a, c = self.market.shape
        chance = np.exp(self.market - self.market.max(axis=(1, 2), keepdims=True))
        a, c = np.divmod(pick(chance.reshape(n, -1), rows, rng), c)
        start = np.searchsorted(self.env, rows)
        count = np.searchsorted(self.env, rows, side="right") - start
        draw = np.repeat(np.arange(len(rows)), count)  # of each follower of each draw
        pair = np.arange(len(draw)) - np.repeat(count.cumsum() - count - start, count)
        own = self.tables[pair, a[draw]] * self.grid.kernel.T[c[draw]]
        line = a[draw], pick(own, np.arange(len(own)), rng)
        intercept, slope = (
            np.broadcast_to(table, self.tables.shape[1:])[line][:, None]
            for table in (self.grid.intercept, self.grid.slope)
        )
        x = self.grid.form.coordinate(prices.astype("f4"))
        demand = self.public.demand(intercept, slope, x)
        total = np.zeros((len(rows), len(prices)), "f4")
        some = count > 0
        if some.any():
            total[some] = np.add.reduceat(demand, (count.cumsum() - count)[some])
        return total


def add_rows(into: np.ndarray, rows: np.ndarray, index: np.ndarray) -> None:
    """into[index] += rows, where the index is in order and may repeat."""
    # How often the index has been there before.
    turn = np.arange(len(index)) - np.searchsorted(index, index)
    for i in range(turn.max(initial=-1) + 1):
        now = turn == i
        into[index[now]] += rows[now]


def pick(weights: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A column of each of some rows (r,) of weights, with chances in proportion."""
    heap = weights.cumsum(axis=1, dtype=float)
    heap /= heap[:, -1:]
    heap += np.arange(len(weights))[:, None]  # one sorted list, a unit for each row
    place = np.searchsorted(heap.ravel(), rows + rng.random(len(rows)), side="right")
    return np.minimum(place - rows * weights.shape[1], weights.shape[1] - 1)
