"""Scripted VMUs where providers compete: how they spread their requests, and what they buy.

A policy is a function (market, prices, rng) → (shares, steps): `prices` are (…, M), the answers
(…, M, K), and every random choice comes from `rng`. By name: "best_response", "noisy" and "random".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market import _checks, vmus
from aigc_market._arrays import as_numpy, clip
from aigc_market.competition.game import Answer, respond
from aigc_market.competition.layouts import Columns
from aigc_market.competition.market import Competition

FollowerPolicy = Callable[[Competition, Any, np.random.Generator], Any]


def best_response(market: Competition, prices: Any, rng: np.random.Generator) -> Answer:
    """Rational VMUs."""
    answer = respond(market, prices)
    return Answer(answer.shares, answer.steps)


@dataclass
class Noisy:
    """VMUs that miss what is rational by factors max(1 + σ·ε, .05), ε normal.

    Each number of steps has a factor of its own, and so has each share, that of the outside option
    included; shares are then divided by their sum.

    Args:
        sigma: σ ≥ 0, the relative standard deviation.
    """

    sigma: float = 0.3

    def __post_init__(self) -> None:
        self._noise = vmus.Noisy(self.sigma)

    def __call__(self, market: Competition, prices: Any, rng: np.random.Generator) -> Answer:
        """Shares and steps (…, M, K)."""
        shares, steps, _ = respond(market, prices)
        factors = self._noise.factors
        noisy = shares * factors(shares.shape, rng)
        total = noisy.sum(axis=-2, keepdims=True)
        if market.outside is not None:
            rest = np.maximum(1.0 - shares.sum(axis=-2, keepdims=True), 0.0)
            total = total + rest * factors(rest.shape, rng)
        return Answer(noisy / total, steps * factors(steps.shape, rng))


def random(market: Competition, prices: Any, rng: np.random.Generator) -> Answer:
    """VMUs that spread and buy uniformly within what is allowed, whatever the prices."""
    batch = np.broadcast_shapes(np.shape(prices)[:-1], market.batch_shape)
    options = market.M + (market.outside is not None)
    shares = rng.standard_exponential((*batch, options, market.K))  # uniform once divided
    shares = (shares / shares.sum(axis=-2, keepdims=True))[..., : market.M, :]
    layout = Columns(market)
    steps = rng.uniform(layout.min_steps, layout.max_steps, (*batch, market.M, market.K))
    return Answer(shares, steps)


SCRIPTED: dict[str, FollowerPolicy] = {
    "best_response": best_response,
    "noisy": Noisy(),
    "random": random,
}
"""Follower policies by name."""


def answers(
    policy: FollowerPolicy, market: Competition, prices: Any, rng: np.random.Generator
) -> Answer:
    """What a follower policy answers, checked; steps are held within the bounds of a purchase.

    Args:
        policy: is asked.
        market: one market or a batch, of NumPy.
        prices: (…, M) posted.
        rng: of its random choices.

    Returns:
        Shares and steps (…, M, K).

    Raises:
        TypeError, ValueError: it answers with something else than two arrays of finite numbers of
            that shape, or with shares that are below 0 or do not add up.
    """
    answer = policy(market, prices, rng)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise TypeError(f"followers must answer with (shares, steps), got {answer!r}")
    batch = np.broadcast_shapes(np.shape(prices)[:-1], market.batch_shape)
    shape = (*batch, market.M, market.K)
    shares, steps = (as_numpy(value) for value in answer)
    for name, value in (("shares", shares), ("steps", steps)):
        if value.shape != shape or value.dtype.kind not in "fiu" or not np.isfinite(value).all():
            raise ValueError(
                f"followers must answer with finite {name} of shape {shape}, got {value!r}"
            )
    total = shares.sum(axis=-2, dtype=np.float64)
    least = 0.0 if market.outside is not None else 1.0
    if shares.min() < 0 or total.max() > 1 + _SLACK or total.min() < least - _SLACK:
        rest = "at most 1" if market.outside is not None else "1"
        raise ValueError(
            f"followers must answer with shares of at least 0 that add up to {rest} for each VMU, "
            f"got {shares!r}"
        )
    layout = Columns(market)
    return Answer(
        shares.astype(np.float64),
        clip(steps.astype(np.float64), layout.min_steps, layout.max_steps),
    )


_SLACK = 1e-5  # shares may be single-precision numbers


def resolve(policy: str | FollowerPolicy) -> FollowerPolicy:
    """The follower policy meant by the keyword argument `followers`."""
    if callable(policy):
        return policy
    return SCRIPTED[_checks.choice("followers", policy, SCRIPTED)]
