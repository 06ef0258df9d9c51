"""What is believed of a market whose capacity R is known.

R is a drawn share of free demand D, which is what the followers buy at the equilibrium without a
capacity. So R says something of their lines: of the markets that purchases leave possible, each
counts as much as it makes R likely. The posterior of the lines is exact; its markets are drawn and
weighed (importance sampling), since R makes the followers' lines depend on each other and
min(Σ S, R) is no sum over followers.
"""

from __future__ import annotations

import numpy as np

from baselines.methods.bayes.law import Quantiles
from baselines.methods.bayes.lines import pick
from baselines.methods.bayes.rules import Belief
from baselines.methods.demand import sold


class ShareLaw:
    """The law of R given D: R = max(share·D, least), with a drawn share.

    Args:
        share: its quantiles.
        least: K·min_steps.
    """

    def __init__(self, share: Quantiles, least: float) -> None:
        self._least = least
        self._chance = np.linspace(0, 1, 257)
        self._values = share(self._chance)

    def likelihood(self, capacity: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Density of R, or its probability where it is `least`; one known as it is counts fully.

        Args:
            capacity: R.
            free: D, of a shape that broadcasts with it.
        """
        free = np.maximum(free, np.float32(1e-6))  # it is divided by
        below = np.interp(self._least / free, self._values, self._chance)
        ratio, width = capacity / free, np.diff(self._values)
        cell = np.clip(np.searchsorted(self._values, ratio) - 1, 0, len(width) - 1)
        inside = (ratio >= self._values[0]) & (ratio <= self._values[-1])
        density = np.diff(self._chance)[cell] / np.maximum(width[cell], 1e-12) / free
        return np.where(capacity <= self._least, below, inside * density)


class RationedBelief:
    """Markets of n environments, drawn from a belief and weighed by what R says of them.

    Args:
        belief: what is known from purchases.
        prices: (P,) of the decision, at which the markets are tabulated.
        gain: (P,) what a step sold at them earns.
        capacity: (n,) R.
        law: of R; None where nothing is known of it, or it says nothing.
        rng: of the draws.
        draws: D.
    """

    def __init__(
        self,
        belief: Belief,
        prices: np.ndarray,
        gain: np.ndarray,
        capacity: np.ndarray,
        law: ShareLaw | None,
        rng: np.random.Generator,
        draws: int = 128,
    ) -> None:
        rows = np.repeat(np.arange(len(capacity)), draws)
        asked = belief.draw(rng, prices, rows).reshape(len(capacity), draws, -1)
        weight = np.ones(asked.shape[:2])
        if law is not None:
            best = (gain * asked).argmax(axis=2)[..., None]
            free = np.take_along_axis(asked, best, axis=2)[..., 0]
            likely = law.likelihood(capacity[:, None], free)
            # Where no market that was drawn allows for R, the grid was too coarse: R is not minded.
            weight = np.where(likely.any(axis=1, keepdims=True), likely, weight)
        self._asked, self._sold = asked, sold(asked, capacity)
        self.weight = weight / weight.sum(axis=1, keepdims=True)
        """(n, D) probabilities."""

    def mean(self, prices: np.ndarray) -> np.ndarray:
        """(n, P) what is sold in expectation, at the prices that it was made for."""
        return np.einsum("nd,ndp->np", self.weight, self._sold)

    def draw(self, rng: np.random.Generator, prices: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(r, P) demand of a market drawn for each of `rows` (r,), at the same prices."""
        return self._asked[rows, pick(self.weight, rows, rng)]
