"""What filters take in: a round of purchases, and how likely a noisy follower makes them.

A follower buys clip(S·max(1 + σε, .05)), ε standard normal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from aigc_market.followers import LEAST_FACTOR
from baselines.arena.protocol import PublicParameters

_SAME = 1e-6
"""Relative difference of a purchase and the bound that it is at."""
_NOTHING = 1e-9
"""Steps; a smaller demand is none."""


class Observation(NamedTuple):
    """What a leader sees of a round, in n environments."""

    price: np.ndarray
    """(n,)."""
    steps: np.ndarray
    """(n, K) asked for."""
    answered: np.ndarray
    """(n, K) bool, who was there to buy."""

    def of(self, envs: np.ndarray) -> Observation:
        """The same of some environments."""
        return Observation(*(value[envs] for value in self))


def likelihood(
    steps: np.ndarray, demand: np.ndarray, public: PublicParameters, sigma: float
) -> np.ndarray:
    """Likelihood of the steps bought by a follower whose rational demand is `demand`.

    Between the bounds it is a density (a normal one about the demand, σ·demand wide), at a bound
    the probability of all that is clipped to it. So a follower buys nothing if nothing is rational,
    and something if something is. The few purchases at the factor .05 itself (at σ = .3 one of
    1,300) are taken for draws of that density.

    Args:
        steps: purchases, any shape.
        demand: rational demand within the bounds, (…) + more axes behind those of `steps`.
        public: the bounds.
        sigma: σ > 0.

    Returns:
        Of the shape of `demand`, in single precision where that is. Constants are left out.
    """
    behind = (...,) + (None,) * (demand.ndim - steps.ndim)
    low, high = public.min_steps, public.max_steps
    nothing = demand <= _NOTHING if low <= _NOTHING else None
    inverse = 1.0 / (demand if nothing is None else np.where(nothing, 1, demand))
    # In place from here on: the tables are large, and this is where a filter's time goes.
    score = steps[behind] * inverse
    score -= 1
    score *= 1 / sigma
    density = score * score
    density *= -0.5
    np.exp(density, out=density)
    density *= inverse
    if nothing is not None:
        density[nothing] = 0.0
    scale = sigma * np.sqrt(2 * np.pi)
    at = steps >= high * (1 - _SAME)
    if at.any():
        density[at] = scale * ndtr(-score[at])
    at = steps <= low * (1 + _SAME)
    if at.any():
        chance = ndtr(score[at]) * (LEAST_FACTOR * demand[at] <= low)
        density[at] = scale * (chance if nothing is None else np.where(nothing[at], 1, chance))
    return density
