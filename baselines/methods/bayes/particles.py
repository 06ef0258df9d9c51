"""Bayes filter of markets whose level drifts, by particles.

A particle is a market in standard normal scores (see `law`), with the drift x of log δ. Particles
are resampled where few of them have most of the weight; their scores are then moved a little
(Liu and West, "Combined parameter and state estimation in simulation-based filtering", 2001),
which keeps the prior, a standard normal, as it is. Where none of them can have bought what was
bought, they are drawn from the prior again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market.ssim.model import Lines
from baselines.arena.protocol import PublicParameters
from baselines.methods.bayes.law import SCORES, MarketLaw
from baselines.methods.bayes.purchases import Observation, likelihood

_SHRINKAGE = 0.99
"""a of Liu and West: how much of its own scores a particle keeps."""
_TINY = np.float32(1e-37)
IMPOSSIBLE = np.float32(-1e4)
"""Log-likelihood of what a particle cannot have bought."""


class ParticleFilter:
    """The posterior of N environments; everybody is always there.

    Args:
        law: the prior, and the drift.
        public: what is known of the markets.
        envs: N.
        particles: P, of each env.
        seed: of every random choice.
    """

    def __init__(
        self, law: MarketLaw, public: PublicParameters, envs: int, particles: int, seed: int
    ) -> None:
        self._law, self._public = law, public
        self._rng = np.random.default_rng((seed, 1))
        self._shape = envs, particles
        self.together = max(1, 2**16 // particles)
        self._scores = np.empty((envs, particles, SCORES + public.K), "f4")
        self._shared = np.empty((envs, particles, 1), "f4")
        self._own = np.empty((envs, particles, public.K), "f4")
        self._drift = np.empty((envs, particles), "f4")
        self._log_weight = np.empty((envs, particles), "f4")
        self.begin()

    def begin(self) -> None:
        """Draw from the prior."""
        for start in range(0, self._shape[0], self.together):
            envs = np.arange(start, min(start + self.together, self._shape[0]))
            self._draw(envs)
        self._drift[:] = 0.0

    def observe(
        self, envs: np.ndarray, seen: Observation | None, active: np.ndarray
    ) -> ParticlesBelief:
        """Take in a round of some environments (n,), or None before the first."""
        if seen is not None:
            self._weigh(envs, seen.price, seen.steps)
            self._renew(envs)
            self._move(envs)
        # A few of them stand for all in a decision.
        kept = resample(normalized(self._log_weight[envs]), 128, self._rng)
        where = envs[:, None], kept
        return ParticlesBelief(self._public, self._law.family.form, *self._lines(where))

    def _lines(self, where: Any) -> tuple[np.ndarray, np.ndarray]:
        """L (…, K or 1) and T (…, K or 1) of some particles.

        The drift moves what each follower has of its own up or down: its law is the same.
        """
        own = self._own[where] * np.exp(-self._drift[where])[..., None]
        return self._law.family.line(self._shared[where], own)

    def _log_likelihood(self, envs: np.ndarray, price: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(n, P) of purchases (n, K) at prices (n,)."""
        x = self._law.family.form.coordinate(price.astype("f4"))[:, None, None]
        demand = self._public.demand(*self._lines(envs), x)
        total = np.zeros(demand.shape[:2], "f4")
        for k in range(self._public.K):
            bought = steps[:, k].astype("f4")
            each = likelihood(bought, demand[..., k], self._public, self._law.sigma)
            total += np.where(each > _TINY, np.log(np.maximum(each, _TINY)), IMPOSSIBLE)
        return total

    def _weigh(self, envs: np.ndarray, price: np.ndarray, steps: np.ndarray) -> None:
        """Take in purchases (n, K) at prices (n,)."""
        gained = self._log_likelihood(envs, price, steps)
        lost = gained.max(axis=1) <= IMPOSSIBLE / 2
        if lost.any():
            self._draw(envs[lost])
            gained[lost] = self._log_likelihood(envs[lost], price[lost], steps[lost])
        self._log_weight[envs] += gained

    def _draw(self, envs: np.ndarray) -> None:
        """Particles of the prior in place of those that are there; their drifts stay."""
        shape = len(envs), *self._scores.shape[1:]
        self._place(envs, self._rng.standard_normal(shape, "f4"))
        self._log_weight[envs] = 0.0

    def _move(self, envs: np.ndarray) -> None:
        """The next round's drift."""
        if self._law.drift is None:
            return
        persistence, step = self._law.drift
        most = 4 * step / math.sqrt(1 - persistence**2)  # deviations of the drift at rest
        drift = self._drift[envs]
        drift = persistence * drift + step * self._rng.standard_normal(drift.shape, "f4")
        self._drift[envs] = np.clip(drift, -most, most)

    def _renew(self, envs: np.ndarray) -> None:
        """Where few particles have the weight, equal weights and scores near those of old."""
        weight = normalized(self._log_weight[envs])
        few = 1 / (weight**2).sum(axis=1) < self._shape[1] / 2
        if not few.any():
            return
        envs, weight = envs[few], weight[few]
        scores = self._scores[envs]
        mean = weight[:, None] @ scores  # (n, 1, D)
        apart = scores - mean
        wide = apart.astype("f8")  # few particles span a plane: rounded in f4, cov may be no cov
        cov = np.swapaxes(wide * weight[..., None], 1, 2) @ wide
        root = np.linalg.cholesky(cov + 1e-6 * np.eye(cov.shape[1])).astype("f4")
        kept = resample(weight, self._shape[1], self._rng)
        apart = np.take_along_axis(apart, kept[..., None], axis=1)
        noise = self._rng.standard_normal(apart.shape, "f4") @ np.swapaxes(root, 1, 2)
        scores = mean + _SHRINKAGE * apart + math.sqrt(1 - _SHRINKAGE**2) * noise
        self._drift[envs] = np.take_along_axis(self._drift[envs], kept, axis=1)
        self._log_weight[envs] = 0.0
        self._place(envs, scores)

    def _place(self, envs: np.ndarray, scores: np.ndarray) -> None:
        """Put particles where their scores say."""
        self._scores[envs] = scores
        shared, c = self._law.market(scores[..., :SCORES])
        self._shared[envs] = shared[..., None]
        self._own[envs] = np.exp(c[..., None] + self._law.own(scores[..., SCORES:]))


@dataclass(frozen=True)
class ParticlesBelief:
    """M markets of each of n environments, equally probable."""

    public: PublicParameters
    form: Lines
    """x."""
    intercept: np.ndarray
    """(n, M, K) L, steps; K may be 1."""
    slope: np.ndarray
    """(n, M, K) T, steps per unit of x; K may be 1."""

    def demand(self, prices: np.ndarray, env: np.ndarray, particle: np.ndarray) -> np.ndarray:
        """(r, P) total demand of some particles (r,)."""
        total, x = np.zeros((len(env), len(prices)), "f4"), self.form.coordinate(prices)
        every = *self.intercept.shape[:2], self.public.K
        intercept, slope = (np.broadcast_to(part, every) for part in (self.intercept, self.slope))
        for k in range(self.public.K):
            of_k = env, particle, k
            total += self.public.demand(intercept[of_k][:, None], slope[of_k][:, None], x)
        return total

    def mean(self, prices: np.ndarray) -> np.ndarray:
        """(n, P) expected demand at prices (P,)."""
        n, M, _ = self.intercept.shape
        env, particle = np.divmod(np.arange(n * M), M)
        return self.demand(prices, env, particle).reshape(n, M, -1).mean(axis=1)

    def draw(self, rng: np.random.Generator, prices: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(r, P) demand of a particle of each of `rows` (r,)."""
        particle = rng.integers(self.intercept.shape[1], size=len(rows))
        return self.demand(prices, rows, particle)


def normalized(log_weight: np.ndarray) -> np.ndarray:
    """Weights (n, P) that sum to 1 in each row."""
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def resample(weight: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices (n, count) of columns of the weights (n, P), each row's in order (systematic)."""
    n, P = weight.shape
    heap = weight.cumsum(axis=1, dtype=float)
    heap *= count / heap[:, -1:]
    heap += rng.random((n, 1))
    below = np.floor(heap).astype(int)
    below[:, -1] = count
    copies = np.diff(np.minimum(below, count), prepend=0, axis=1)
    return np.repeat(np.tile(np.arange(P), n), copies.ravel()).reshape(n, count)
