"""How likely a purchase of a noisy follower is: clip(S·max(1 + σε, .05)), ε standard normal."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from baselines.arena.protocol import PublicParameters


def likelihood(
    steps: np.ndarray, demand: np.ndarray, public: PublicParameters, sigma: float
) -> np.ndarray:
    """Likelihood of the steps bought by a follower whose rational demand is `demand`.

    Between the bounds it is a density (a normal one about the demand, σ·demand wide), at a bound
    the probability of all that is clipped to it. That the factor 1 + σε stops at .05 is left out:
    at σ = .3 it happens in one purchase of 1,300.

    Args:
        steps: purchases, any shape.
        demand: rational demand within the bounds, (…) + more axes behind those of `steps`.
        public: the bounds.
        sigma: σ > 0.

    Returns:
        Of the shape of `demand`, in single precision where that is. Constants are left out.
    """
    behind = (...,) + (None,) * (demand.ndim - steps.ndim)
    inverse = 1.0 / demand
    # In place from here on: the tables are large, and this is where a filter's time goes.
    score = steps[behind] * inverse
    score -= 1
    score *= 1 / sigma
    density = score * score
    density *= -0.5
    np.exp(density, out=density)
    density *= inverse
    for bound, sign in ((public.min_steps, 1), (public.max_steps, -1)):
        at = sign * (steps - bound) <= 1e-6 * bound
        if at.any():
            density[at] = (sigma * np.sqrt(2 * np.pi)) * ndtr(sign * score[at])
    return density
