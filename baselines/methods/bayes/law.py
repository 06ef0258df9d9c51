"""The law of a task's markets, as Bayes methods need it; see `families` for s, o_k, c and e_k.

Where δ has no level that the followers of a market share, the level is 1 and e_k says all of δ_k.
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
    DrawnSaturating,
    LogUniform,
    SharedLevel,
    Uniform,
)
from aigc_market.envs.stackelberg import Settings
from aigc_market.moves import Drift, Move, Shift, Traffic
from baselines.arena.task import Task
from baselines.methods.bayes.families import Family, Quadratic, Saturating

SCORES = 3
"""How many standard normal scores make a market: of two coefficients of SSIM, and the level."""
_FAMILIES: dict[Any, Family] = {DrawnQuadratic: Quadratic, DrawnSaturating: Saturating}

Quantiles = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class MarketLaw:
    """How markets are drawn and move, and how followers miss their best response."""

    family: Family
    coefficients: tuple[Quantiles, Quantiles]
    """Of those of SSIM, without their signs, from probabilities."""
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
        family, coefficients = _ssim(settings)
        level, log_factor = _satisfaction(settings)
        drift, shift = moves.get(Drift), moves.get(Shift)
        share = settings.capacity
        return cls(
            family=family,
            coefficients=coefficients,
            level=level,
            own=lambda scores: family.own(log_factor(scores)),
            sigma=max(getattr(policy, "sigma", 0.0), 0.03),  # beliefs need some room
            share=None if share is None else quantiles("share", share.share),
            hazard=0.0 if shift is None else shift.probability,
            drift=None if drift is None else (drift.persistence, drift.step),
        )

    def market(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """s and c, (…) each, from standard normal scores (…, SCORES)."""
        drawn = (*self.coefficients, self.level)
        return self.family.market(*(of(ndtr(scores[..., i])) for i, of in enumerate(drawn)))


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


def _ssim(settings: Settings) -> tuple[Family, tuple[Quantiles, Quantiles]]:
    """The family of a task's markets, and the quantiles of its coefficients."""
    model = settings.market.ssim
    for law, family in _FAMILIES.items():
        if isinstance(model, law.model):
            values = zip(law.drawn.items(), model.parameters, strict=False)
            first, second = (
                quantiles(name, getattr(settings.ssim, name, sign * value))
                for (name, sign), value in values
            )
            return family, (first, second)
    raise ValueError(f"ssim must be a quadratic or saturate for Bayes, got {model!r}")


def _satisfaction(settings: Settings) -> tuple[Quantiles, Quantiles]:
    """The quantiles of the level of δ, and of log(δ_k/level) from standard normal scores."""
    law = settings.satisfaction
    if isinstance(law, SharedLevel):
        spread = law.spread
        return quantiles("level", law.level), lambda scores: -spread * np.clip(scores, -4, 4)
    if law is None:
        values = np.unique(settings.market.satisfaction)
        law = values.item() if len(values) == 1 else settings.market.satisfaction
    each = quantiles("satisfaction", law)
    return quantiles("level", 1.0), lambda scores: np.log(each(ndtr(scores)))


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
