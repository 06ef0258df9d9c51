"""The law of a scenario's markets, as Bayes methods need it.

A follower with a quadratic SSIM buys clip(A − B_k·p), A = β/(2|α|) and B_k = 1/(2|α|·δ_k). Where δ
has a level that the followers of a market share, log B_k = c + e_k with c = −log(2|α|·level);
else c = −log 2|α| and e_k = −log δ_k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from aigc_market import vmus
from aigc_market.distributions import (
    DemandShare,
    Distribution,
    DrawnQuadratic,
    LogUniform,
    SharedLevel,
    Uniform,
)
from aigc_market.envs.settings import Settings
from aigc_market.moves import Drift, Move, Shift, Traffic
from aigc_market.scenarios import Scenario, resolve
from aigc_market.ssim import QuadraticSSIM

SCORES = 3
"""How many standard normal scores make a market: of |α|, β and the level."""
_LEAST_SIGMA = 0.03
"""What rational followers are taken to have: beliefs need some room."""

Quantiles = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Law:
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

    def market(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A and c, (…) each, from standard normal scores (…, SCORES)."""
        alpha, beta, level = (
            quantiles(ndtr(scores[..., i]))
            for i, quantiles in enumerate((self.alpha, self.beta, self.level))
        )
        return beta / (2 * alpha), -np.log(2 * alpha * level)


def law(scenario: str | Scenario) -> Law:
    """The law of a scenario.

    Raises:
        ValueError: a scenario with followers, an SSIM model or moves that are not known here.
    """
    scenario = resolve(scenario)
    arguments, moves = scenario.arguments, _moves(scenario)
    policy = vmus.resolve(scenario.vmus)
    if policy is not vmus.best_response and not isinstance(policy, vmus.Noisy):
        raise ValueError(f"vmus must be rational or noisy for Bayes, got {scenario.vmus!r}")
    ssim = arguments.get("ssim")
    ssim = ssim if isinstance(ssim, DrawnQuadratic) else Settings.make(scenario).market.ssim
    if not isinstance(ssim, DrawnQuadratic | QuadraticSSIM):
        raise ValueError(f"ssim must be a quadratic for Bayes, got {ssim!r}")
    alpha = ssim.alpha if isinstance(ssim, DrawnQuadratic) else -ssim.alpha
    satisfaction = arguments.get("satisfaction", 200.0)
    if isinstance(satisfaction, SharedLevel):
        level, spread = satisfaction.level, satisfaction.spread
        own: Quantiles = lambda scores: spread * np.clip(scores, -4, 4)  # noqa: E731
    else:
        level, each = 1.0, quantiles("satisfaction", satisfaction)
        own = lambda scores: -np.log(each(ndtr(scores)))  # noqa: E731
    drift, shift = moves.get(Drift), moves.get(Shift)
    capacity = arguments.get("capacity")
    if capacity is not None and not isinstance(capacity, DemandShare):
        raise ValueError(f"capacity must be a DemandShare for Bayes, got {capacity!r}")
    return Law(
        alpha=quantiles("alpha", alpha),
        beta=quantiles("beta", ssim.beta),
        level=quantiles("level", level),
        own=own,
        sigma=max(getattr(policy, "sigma", 0.0), _LEAST_SIGMA),
        share=None if capacity is None else quantiles("share", capacity.share),
        hazard=0.0 if shift is None else shift.probability,
        drift=None if drift is None else (drift.persistence, drift.step),
    )


def known(scenario: str | Scenario) -> bool:
    """Whether nothing is hidden: no draws, no moves."""
    scenario = resolve(scenario)
    drawn = Distribution, DrawnQuadratic, DemandShare
    values = scenario.arguments.values()
    return not scenario.moves and not any(isinstance(v, drawn) or callable(v) for v in values)


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


def _moves(scenario: Scenario) -> dict[type[Move], Any]:
    moves = {type(move): move for move in scenario.moves}
    strange = [kind.__name__ for kind in moves if kind not in (Drift, Shift, Traffic)]
    if strange or len(moves) < len(scenario.moves):
        raise ValueError(
            f"moves must be Drift, Shift or Traffic, one of each, for Bayes, got {scenario.moves!r}"
        )
    if (Drift in moves or "capacity" in scenario.arguments) and len(moves) > (Drift in moves):
        raise ValueError(
            "moves must be Drift alone, and none where a capacity is drawn, for Bayes, "
            f"got {scenario.moves!r}"
        )
    return moves
