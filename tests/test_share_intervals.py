"""Shares of the oracle's utility and their intervals: by hand, and how often they cover."""

import numpy as np
import pytest
from scipy import stats

from baselines.arena.statistics import difference_interval, share_interval, shares

BEST = np.full(400, 100.0)


def test_shares_by_hand():
    lost = np.array([[10.0, 30.0], [0.0, 100.0]])
    best = np.array([100.0, 300.0])
    np.testing.assert_allclose(shares(lost, best), [0.9, 0.75])
    assert share_interval(lost, best).mean == pytest.approx(0.825)


def test_one_seeds_interval_is_of_episodes():
    lost = np.random.default_rng(0).normal(10.0, 5.0, 400)
    mean, low, high = share_interval(lost[None], BEST)
    error = lost.std() / 100 / np.sqrt(400)
    assert (mean - low, high - mean) == pytest.approx((1.96 * error,) * 2, rel=0.1)


def test_an_interval_of_seeds_that_differ_is_students():
    lost = np.array([8.0, 9.0, 11.0, 10.0, 12.0])[:, None] + np.zeros(400)
    mean, low, high = share_interval(lost, BEST)
    assert mean == pytest.approx(0.9)
    reach = stats.t.ppf(0.975, 4) * stats.sem(lost[:, 0]) / 100
    assert (mean - low, high - mean) == pytest.approx((reach, reach), rel=0.02)


def test_differences_are_paired_by_seed_and_episode():
    rng = np.random.default_rng(0)
    lost = rng.normal(10.0, 5.0, 400) + rng.normal(0.0, 3.0, (5, 1))
    found = difference_interval(lost, lost + 1.0, BEST)
    np.testing.assert_allclose(found, 0.01)
    mean, low, high = difference_interval(lost, lost[::-1] + 1.0, BEST)  # other pairs of seeds
    assert mean == pytest.approx(0.01)
    assert high - low > 0.02


def test_differences_are_of_the_same_seeds():
    with pytest.raises(ValueError, match=r"other must have the shape of lost, \(2, 3\), got"):
        difference_interval(np.ones((2, 3)), np.ones((3, 3)), np.ones(3))


@pytest.mark.parametrize(
    ("S", "between_seeds", "between_episodes", "noise"),
    [(5, 1.0, 1.0, 1.0), (5, 0.0, 5.0, 3.0), (5, 0.5, 0.0, 3.0), (3, 0.5, 1.0, 3.0)],
)
def test_95_percent_intervals_cover_the_truth_in_95_percent(
    S, between_seeds, between_episodes, noise
):
    """Whatever varies: seeds, episodes, or both. (Resampled seeds cover in 85 % of the first.)"""
    rng, trials, N, covered = np.random.default_rng(S), 400, 100, 0
    for _ in range(trials):
        best = rng.uniform(50.0, 150.0, N)
        of_seed = rng.normal(0.0, between_seeds, (S, 1))
        of_episode = rng.normal(0.0, between_episodes, N)
        lost = rng.normal(10.0, 4.0, (S, N))
        other = lost + 1.0 + of_seed + of_episode + rng.normal(0.0, noise, (S, N))
        _, low, high = difference_interval(lost, other, best)
        covered += low <= 0.01 <= high  # 1 of 100
    assert 0.93 <= covered / trials <= 0.99
