"""Shares of the oracle's utility, and how sure they are: interquartile means and bootstrap."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats

_RESAMPLES = 2000


class Interval(NamedTuple):
    """An estimate, and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def shares(lost: np.ndarray, best: np.ndarray) -> np.ndarray:
    """1 − Σ lost / Σ best over the last axis (episodes)."""
    return 1.0 - lost.sum(axis=-1) / best.sum(axis=-1)


def iqm(values: np.ndarray) -> np.ndarray:
    """Interquartile mean over the last axis: without the lowest and the highest quarter.

    The number left out at each end is rounded down, so fewer than four values are averaged whole.
    """
    return stats.trim_mean(values, 0.25, axis=-1)


def resampled(lost: np.ndarray, best: np.ndarray) -> np.ndarray:
    """The IQM of the share in bootstrap resamples.

    Seeds and episodes are resampled with replacement, each on their own. Every method that played
    the same episodes gets the same resamples of them, so differences between methods are paired.
    (rliable's stratified bootstrap draws seeds anew for each episode, and so would average away
    what all episodes of a seed have in common.)

    Args:
        lost: (S, N), of S training seeds in the same N episodes.
        best: (N,).

    Returns:
        (2000,)
    """
    S, N = lost.shape
    counts = _counts(N)
    of_seeds = 1.0 - (counts @ lost.T) / (counts @ best)[:, None]
    drawn = np.random.default_rng(S).integers(S, size=(len(counts), S))
    return iqm(np.take_along_axis(of_seeds, drawn, axis=1))


@lru_cache(maxsize=2)
def _counts(N: int) -> np.ndarray:
    """How often each of N episodes is in each resample, (2000, N)."""
    rng = np.random.default_rng(N)
    return rng.multinomial(N, np.full(N, 1.0 / N), _RESAMPLES).astype(np.float64)


def interval(mean: float, resamples: np.ndarray) -> Interval:
    """An estimate with the percentiles of its resamples."""
    low, high = np.percentile(resamples, [2.5, 97.5])
    return Interval(float(mean), float(low), float(high))


def mean_interval(values: np.ndarray) -> Interval:
    """The mean with Student's 95 % interval; without bounds (NaN) where there is one value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, float("nan"), float("nan"))
    spread = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return Interval(mean, mean - spread, mean + spread)
