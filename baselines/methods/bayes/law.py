"""The law of a task's markets, as Bayes methods need it.

A follower whose SSIM is a quadratic buys clip(A − B_k·p), A = β/(2|α|) and B_k = 1/(2|α|·δ_k).
Where δ has a level that the followers of a market share, log B_k = c + e_k with
c = −log(2|α|·level); else c = −log 2|α| and e_k = −log δ_k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from aigc_market import followers as scripted
from aigc_market.distributions import (
    Distribution,
    DrawnQuadratic,
    LogUniform,
    SharedLevel,
    Uniform,
)
from aigc_market.envs.stackelberg import Settings
from aigc_market.moves import Drift, Move, Shift, Traffic
from baselines.arena.task import Task

SCORES = 3
"""How many standard normal scores make a market: of |α|, β and the level."""

Quantiles = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class MarketLaw:
    """How markets are drawn and move, and how followers miss their best response."""

    alpha: Quantiles
    """Of |α|, from probabilities."""
    beta: Quantiles
    level: Quantiles
    own: Quantiles
    """Of a follower's e_k, from standard normal scores."""
    sigma: float
    share: Quantiles | None
    """Of the capacity as a share of free demand."""
    hazard: float
    """The probability that the whole market is drawn again."""
    drift: tuple[float, float] | None
    """Persistence and step of the logarithm of the level, about where it was drawn."""

    @classmethod
    def of(cls, task: Task) -> MarketLaw:
        """The law of a task.

        Raises:
            ValueError: followers, an SSIM model or moves that are not known here.
        """
        settings = task.settings()
        moves = _moves(settings)
        followers = task.arguments.get("followers", settings.scenario.followers)
        policy = scripted.resolve(followers)
        if policy is not scripted.best_response and not isinstance(policy, scripted.Noisy):
            raise ValueError(f"followers must be rational or noisy for Bayes, got {followers!r}")
        if not settings.market.ssim.linear_demand:
            raise ValueError(f"ssim must be a quadratic for Bayes, got {settings.market.ssim!r}")
        if isinstance(settings.ssim, DrawnQuadratic):
            alpha, beta = settings.ssim.alpha, settings.ssim.beta
        else:
            alpha, beta, _ = settings.market.ssim.parameters
            alpha = -alpha
        level, own = _satisfaction(settings)
        drift, shift = moves.get(Drift), moves.get(Shift)
        share = settings.capacity
        return cls(
            alpha=quantiles("alpha", alpha),
            beta=quantiles("beta", beta),
            level=level,
            own=own,
            sigma=max(getattr(policy, "sigma", 0.0), 0.03),  # beliefs need some room
            share=None if share is None else quantiles("share", share.share),
            hazard=0.0 if shift is None else shift.probability,
            drift=None if drift is None else (drift.persistence, drift.step),
        )

    def market(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A and c, (…) each, from standard normal scores (…, SCORES)."""
        alpha, beta, level = (
            quantiles(ndtr(scores[..., i]))
            for i, quantiles in enumerate((self.alpha, self.beta, self.level))
        )
        return beta / (2 * alpha), -np.log(2 * alpha * level)


def quantiles(name: str, value: Any) -> Quantiles:
    """The quantile function of a distribution, or of a number.

    Raises:
        ValueError: neither.
    """
    if isinstance(value, Uniform):
        return lambda u: value.low + (value.high - value.low) * u
    if isinstance(value, LogUniform):
        low, width = np.log(value.low), np.log(value.high / value.low)
        return lambda u: np.exp(low + width * u)
    if isinstance(value, Distribution):
        draws = np.sort(value.draw(np.random.default_rng(0), (2**16, 1))[:, 0])
        at = (np.arange(len(draws)) + 0.5) / len(draws)
        return lambda u: np.interp(u, at, draws)
    if np.ndim(value) == 0 and not callable(value):
        return lambda u: np.full_like(u, value)
    raise ValueError(f"{name} must be a number or a Distribution for Bayes, got {value!r}")


def _satisfaction(settings: Settings) -> tuple[Quantiles, Quantiles]:
    """The quantiles of the level of δ, and those of e_k from standard normal scores."""
    law = settings.satisfaction
    if isinstance(law, SharedLevel):
        spread = law.spread
        return quantiles("level", law.level), lambda scores: spread * np.clip(scores, -4, 4)
    if law is None:
        values = np.unique(settings.market.satisfaction)
        law = values.item() if len(values) == 1 else settings.market.satisfaction
    each = quantiles("satisfaction", law)
    return quantiles("level", 1.0), lambda scores: -np.log(each(ndtr(scores)))


def _moves(settings: Settings) -> dict[type[Move], Any]:
    given = settings.scenario.moves
    moves = {type(move): move for move in given}
    strange = [kind.__name__ for kind in moves if kind not in (Drift, Shift, Traffic)]
    if strange or len(moves) < len(given):
        raise ValueError(
            f"moves must be Drift, Shift or Traffic, one of each, for Bayes, got {given!r}"
        )
    if (Drift in moves and len(moves) > 1) or (settings.capacity is not None and moves):
        raise ValueError(
            "moves must be Drift alone, and none where a capacity is drawn, for Bayes, "
            f"got {given!r}"
        )
    return moves
