"""SSIM as a concave quadratic in the steps (Eq. 2), and its fit to measurements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import clip
from aigc_market.ssim.model import DemandCurve, Formula, side_by_side


class QuadraticSSIM(Formula):
    """SSIM(S) = αS² + βS + γ (Eq. 2).

    Args:
        alpha: α < 0. A number, or an array: (B,) for a batch of markets, (…, K) one for each VMU.
        beta: β > 0, likewise.
        gamma: γ, likewise. It cancels from every choice: `gain` and `demand` never read it.

    Raises:
        TypeError, ValueError: a coefficient of the wrong kind or sign.
    """

    alpha: Any
    beta: Any
    gamma: Any
    slope: Any
    """1 / (2α): what demand loses by a unit of the rate p / δ."""
    vertex: Any
    """−β / (2α): demand at a price of 0, without bounds."""
    linear_demand = True
    limits: ClassVar = {"alpha": {"below": 0}, "beta": {"above": 0}, "gamma": {}}

    def __init__(self, alpha: Any, beta: Any, gamma: Any = 0.0) -> None:
        self._check(alpha, beta, gamma)

    def _put(self, *parameters: Any) -> None:
        alpha, beta, gamma = parameters
        put = object.__setattr__
        put(self, "parameters", parameters)
        put(self, "alpha", alpha)
        put(self, "beta", beta)
        put(self, "gamma", gamma)
        # Demand at rate r is the line r/(2α) − β/(2α); turns are short enough to feel a division.
        put(self, "slope", 0.5 / alpha)
        put(self, "vertex", -0.5 * beta / alpha)

    def gain(self, steps: Any) -> Any:
        return (self.alpha * steps + self.beta) * steps

    def demand(self, rate: Any, min_steps: Any, max_steps: Any) -> Any:
        """Eqs. 9–11: the vertex of SSIM(S) − rate·S, held within the bounds."""
        steps = rate * self.slope
        steps += self.vertex
        if isinstance(steps, float):  # a turn is short enough to feel a call
            return min_steps if steps < min_steps else max_steps if steps > max_steps else steps
        return clip(steps, min_steps, max_steps)

    def demand_curve(self, min_steps: Any, max_steps: Any) -> DemandCurve:
        rates = [self.beta + 2 * self.alpha * bound for bound in (max_steps, min_steps)]
        return DemandCurve(
            side_by_side(rates),
            side_by_side([0.0, self.slope, 0.0]),
            side_by_side([max_steps, self.vertex, min_steps]),
        )


PAPER_SSIM = QuadraticSSIM(alpha=-0.000174, beta=0.075, gamma=4891.89)
"""The fit that the paper prints below Fig. 1."""


@dataclass(frozen=True)
class QuadraticFit:
    """A least-squares fit of Eq. 2 to measurements, concave or not."""

    coefficients: tuple[float, float, float]
    """(α, β, γ)."""
    standard_errors: tuple[float, float, float]
    """Of (α, β, γ), under equal and independent errors."""
    r_squared: float
    """Share of the variance explained, in [0, 1]."""

    @cached_property
    def ssim(self) -> QuadraticSSIM:
        """The model; ValueError unless α < 0 < β."""
        return QuadraticSSIM(*self.coefficients)

    def __call__(self, steps: Any) -> Any:
        return np.polyval(self.coefficients, steps)


def fit_quadratic(steps: Any, values: Any) -> QuadraticFit:
    """Fit SSIM(S) = αS² + βS + γ to measured pairs, as the paper's Fig. 1 does.

    Args:
        steps: (M,) diffusion steps, at least four of them and three of them distinct.
        values: (M,) measured SSIM.

    Raises:
        TypeError, ValueError: bad or too few measurements, or a fit that is not concave and
            increasing at 0 (α < 0 < β), for which the game's rules would not hold.
    """
    steps, values = measurements(steps, values)
    fit = least_squares(steps, values)
    alpha, beta, _ = fit.coefficients
    # A line would pass as concave, and a constant as rising, by the rounding errors of their fit.
    far, noise = float(np.max(steps)), 1e-12 * float(np.max(np.abs(values)))
    if not (alpha * far**2 < -noise and beta * far > noise):
        raise ValueError(
            "values must have a concave fit that rises at 0 (alpha < 0 < beta), "
            f"got alpha = {alpha:.3g}, beta = {beta:.3g}; TabulatedSSIM takes any curve"
        )
    return fit


def least_squares(steps: Any, values: Any) -> QuadraticFit:
    """The parabola through measured pairs, concave or not; arguments as for `fit_quadratic`.

    Raises:
        TypeError, ValueError: bad or too few measurements.
    """
    steps, values = measurements(steps, values)
    coefficients, covariance = np.polyfit(steps, values, 2, cov=True)
    errors = np.sqrt(np.diag(covariance))
    fitted = np.polyval(coefficients, steps)
    return QuadraticFit(
        tuple(coefficients.tolist()), tuple(errors.tolist()), explained(values, fitted)
    )


def explained(values: np.ndarray, fitted: np.ndarray) -> float:
    """R², the share of the variance of values that a fit explains."""
    variation = float(np.sum((values - values.mean()) ** 2))
    return 1.0 - float(np.sum((values - fitted) ** 2)) / variation if variation else 1.0


def measurements(steps: Any, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Checked steps and SSIM (M,), enough of them for three coefficients and their errors."""
    steps, values = curve("steps", steps, "values", values)
    if len(steps) < 4 or len(np.unique(steps)) < 3:
        raise ValueError(
            "steps must hold at least 4 measurements at 3 different steps or more, "
            f"got {len(steps)} at {len(np.unique(steps))}"
        )
    return steps, values


def curve(x_name: str, x: Any, y_name: str, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two checked vectors of one length, in memory of their own."""
    x = np.atleast_1d(np.asarray(_checks.numeric(x_name, x, at_least=0)).astype(np.float64))
    y = np.atleast_1d(np.asarray(_checks.numeric(y_name, y)).astype(np.float64))
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"{y_name} must be a vector as long as {x_name}, "
            f"got {x_name} of shape {x.shape} and {y_name} of shape {y.shape}"
        )
    return x, y
