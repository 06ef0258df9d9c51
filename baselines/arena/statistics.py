"""Shares of the oracle's utility, and how sure they are: over training seeds and over episodes."""

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


def share_interval(lost: np.ndarray, best: np.ndarray) -> Interval:
    """The mean share of S training seeds, with an interval over seeds and over episodes.

    Seeds and episodes are two samples, crossed: all seeds play the same episodes. The episodes are
    resampled with replacement (2,000 times). To each resample comes what the mean of S seeds misses
    by, as Student's t says: of S values themselves, resamples are too alike for as few as five. One
    seed says nothing of others: the interval is then that of the episodes alone.

    Args:
        lost: (S, N), regret of S training seeds in N episodes.
        best: (N,), the oracle's utility there.
    """
    mean, low, high = _loss_interval(lost, best)
    return Interval(1.0 - mean, 1.0 - high, 1.0 - low)


def difference_interval(lost: np.ndarray, other: np.ndarray, best: np.ndarray) -> Interval:
    """By how much one method's mean share is above another's, as in `share_interval`.

    It is paired: by episode, and by training seed.

    Args:
        lost: (S, N), regret of one method.
        other: (S, N), regret of the other, under the same S seeds, in the same N episodes.
        best: (N,), the oracle's utility there.

    Raises:
        ValueError: they are not of the same seeds and episodes.
    """
    if lost.shape != other.shape:
        raise ValueError(f"other must have the shape of lost, {lost.shape}, got {other.shape}")
    return _loss_interval(other - lost, best)


def _loss_interval(lost: np.ndarray, best: np.ndarray) -> Interval:
    counts = _counts(lost.shape[1])
    resamples = (counts @ lost.mean(axis=0)) / (counts @ best)
    of_seeds = lost.sum(axis=1) / best.sum()
    if len(lost) > 1:
        resamples = resamples + stats.sem(of_seeds) * _student(len(lost))
    low, high = np.percentile(resamples, [2.5, 97.5])
    return Interval(float(of_seeds.mean()), float(low), float(high))


@lru_cache(maxsize=2)
def _counts(N: int) -> np.ndarray:
    """How often each of N episodes is in each resample, (2000, N)."""
    rng = np.random.default_rng(N)
    return rng.multinomial(N, np.full(N, 1.0 / N), _RESAMPLES).astype(np.float64)


@lru_cache
def _student(S: int) -> np.ndarray:
    """Student's t of S values, (2000,): its quantiles, shuffled."""
    quantiles = stats.t.ppf((np.arange(_RESAMPLES) + 0.5) / _RESAMPLES, S - 1)
    return np.random.default_rng(S).permutation(quantiles)


def mean_interval(values: np.ndarray) -> Interval:
    """The mean with Student's 95 % interval; without bounds (NaN) where there is one value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, float("nan"), float("nan"))
    spread = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return Interval(mean, mean - spread, mean + spread)
