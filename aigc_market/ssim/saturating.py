"""SSIM that saturates: its distance from the best falls exponentially with the steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from aigc_market._arrays import clip, exp, larger, log, namespace
from aigc_market.ssim.model import DemandCurve, Formula, Lines, side_by_side
from aigc_market.ssim.quadratic import explained, measurements


class SaturatingSSIM(Formula):
    """SSIM(S) = γ + A·(1 − e^(−S/τ)).

    Args:
        gain: A > 0, what SSIM gains in the end. A number, or an array: (B,) for a batch of markets,
            (…, K) one for each VMU. The attribute is `amplitude`, for `gain` is a method.
        scale: τ > 0, likewise: after so many steps 63 % of it are gained.
        start: γ, likewise: SSIM(0). It cancels from every choice.

    Raises:
        TypeError, ValueError: a coefficient of the wrong kind or sign.
    """

    amplitude: Any
    """A."""
    scale: Any
    """τ."""
    start: Any
    """γ."""
    slope_at_0: Any
    """A / τ: what the first step gains, and the rate p / δ from which on nothing is bought."""

    limits: ClassVar = {"gain": {"above": 0}, "scale": {"above": 0}, "start": {}}

    def __init__(self, gain: Any, scale: Any, start: Any = 0.0) -> None:
        self._check(gain, scale, start)

    def _put(self, *parameters: Any) -> None:
        gain, scale, start = parameters
        put = object.__setattr__
        put(self, "parameters", parameters)
        put(self, "amplitude", gain)
        put(self, "scale", scale)
        put(self, "start", start)
        put(self, "slope_at_0", gain / scale)

    # Floats go through NumPy too: `math` differs from it in a last digit now and then, and views
    # that play one by one and in batches must agree.

    def gain(self, steps: Any) -> Any:
        spent = -steps / self.scale
        left = float(np.exp(spent)) if isinstance(spent, float) else exp(spent)
        return self.amplitude * (1.0 - left)

    def demand(self, rate: Any, min_steps: Any, max_steps: Any) -> Any:
        """τ·ln(A / (τ·rate)), where a step gains what it costs, held within the bounds."""
        if isinstance(rate, float):  # a turn is short enough to feel a call
            ratio = self.slope_at_0 / (rate if rate > _LEAST_RATE else _LEAST_RATE)
            if isinstance(ratio, float):
                steps = self.scale * float(np.log(ratio))
                return min_steps if steps < min_steps else max_steps if steps > max_steps else steps
        else:
            ratio = self.slope_at_0 / larger(rate, _LEAST_RATE)
        steps = log(ratio)
        steps *= self.scale
        return clip(steps, min_steps, max_steps)

    def demand_curve(self, min_steps: Any, max_steps: Any) -> DemandCurve:
        rates = [self.slope_at_0 * exp(-bound / self.scale) for bound in (max_steps, min_steps)]
        inside = self.scale * log(self.slope_at_0)
        return DemandCurve(
            side_by_side(rates),
            side_by_side([0.0, -self.scale, 0.0]),
            side_by_side([max_steps, inside, min_steps]),
            Logarithms(),
        )


_LEAST_RATE = 1e-30
"""All that is for sale is bought at it, as at 0, which has no logarithm."""


class Logarithms(Lines):
    """Pieces of demand that are lines of ln p: with T = −slope and L = intercept, L − T·ln p."""

    def coordinate(self, price: Any) -> Any:
        """ln p."""
        return log(price)

    def price(self, coordinate: Any) -> Any:
        """eˣ; beyond prices of which a square is still a number, the last of them."""
        most = 0.5 * math.log(float(namespace(coordinate).finfo(coordinate.dtype).max))
        return exp(clip(1.0 * coordinate, -most, most))

    def of_price(self, slopes: Any, intercepts: Any, satisfaction: Any) -> tuple[Any, Any]:
        """ln(p / δ) = ln p − ln δ."""
        return slopes, intercepts - slopes * log(satisfaction)

    def best_price(self, cost: Any, slope: Any, intercept: Any) -> Any:
        """c / W(c·e^(1 − L/T)): U_p is concave, and U_p′ = 0 where ln p − c/p = L/T − 1."""
        return cost * self.price(-log_lambert_w(log(cost) + 1.0 + intercept / slope))

    def peak(self, cost: Any, slope: Any, lean_slope: Any, lean: Any) -> Any:
        """With u = ln p: lean_slope·u + lean + slope·(1 − c·e⁻ᵘ) = 0, the lesser root.

        In y = ln r − u, r being −slope·c / |lean_slope|, it is e^y ± y = z.
        """
        xp = namespace(lean)
        rises = lean_slope >= 0
        size = larger(abs(lean_slope), 1e-12 * larger(abs(slope), 1.0))
        log_ratio = log(larger(-slope * cost, 1e-30) / size)
        z = xp.where(rises, -log_ratio, log_ratio) - (lean + slope) / size
        y = xp.where(rises, _larger_root(larger(z, 1.0)), log_lambert_w(z))
        return self.price(log_ratio - y)


def log_lambert_w(z: Any) -> Any:
    """ln W(eᶻ), the x with x + eˣ = z, of an array; W is Lambert's, whose argument may overflow.

    Newton's method comes from above, where it never overshoots; after 6 steps no digit changes.
    """
    x = z - larger(z, 0.0) + log(larger(z, 1.0))
    for _ in range(6):
        power = exp(x)
        x = x - (x + power - z) / (1.0 + power)
    return x


def _larger_root(z: Any) -> Any:
    """The larger y with eʸ − y = z ≥ 1, of an array, by Newton's method from above."""
    y = log(2.0 * z)
    for _ in range(50):  # both roots are one at z = 1, which is come near slowly
        power = exp(y)
        y = y - (power - y - z) / larger(power - 1.0, 1e-300)
    return y


@dataclass(frozen=True)
class SaturatingFit:
    """A least-squares fit of `SaturatingSSIM` to measurements."""

    ssim: SaturatingSSIM
    r_squared: float
    """Share of the variance explained, in [0, 1]."""
    standard_errors: tuple[float, float, float]
    """Of (A, τ, γ), under equal and independent errors, to first order."""


def fit_saturating(steps: Any, values: Any) -> SaturatingFit:
    """Fit SSIM(S) = γ + A·(1 − e^(−S/τ)) to measured pairs.

    Args:
        steps: (M,) diffusion steps, at least four of them and three of them distinct.
        values: (M,) measured SSIM.

    Raises:
        TypeError, ValueError: bad or too few measurements, or measurements that do not rise or do
            not show how fast they saturate.
    """
    steps, values = measurements(steps, values)
    scale, inside = _best_scale(steps, values)
    (gain, start), fitted = _fit_at(scale, steps, values)
    if not (inside and gain > 1e-12 * np.max(np.abs(values))):
        raise ValueError(
            "values must rise and saturate within the steps measured, "
            f"got a best fit with gain = {gain:.3g}, scale = {scale:.3g}; "
            "TabulatedSSIM takes any curve"
        )
    left = np.exp(-steps / scale)
    jacobian = np.column_stack([1 - left, -gain * steps / scale**2 * left, np.ones_like(steps)])
    variance = np.sum((values - fitted) ** 2) / (len(steps) - 3)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    ssim = SaturatingSSIM(gain, scale, start)
    return SaturatingFit(ssim, explained(values, fitted), tuple(errors.tolist()))


def _fit_at(scale: float, steps: np.ndarray, values: np.ndarray) -> tuple[list[float], np.ndarray]:
    """Least squares for a given τ: (A, γ), and the values fitted."""
    design = np.column_stack([1 - np.exp(-steps / scale), np.ones_like(steps)])
    coefficients = np.linalg.lstsq(design, values)[0]
    return coefficients.tolist(), design @ coefficients


def _best_scale(steps: np.ndarray, values: np.ndarray) -> tuple[float, bool]:
    """The best τ, and whether it is neither too short nor too long to be told.

    Of the rise no more than a thousandth of A is seen then, or a line.
    """

    def error(log_scale: float) -> float:
        return float(np.sum((values - _fit_at(np.exp(log_scale), steps, values)[1]) ** 2))

    least = float(np.min(np.diff(np.unique(steps))))
    first, last = low, high = np.log(0.05 * least), np.log(20 * np.max(steps))
    for _ in range(8):  # ever finer
        tried = np.linspace(low, high, 101)
        best = int(np.argmin([error(log_scale) for log_scale in tried]))
        low, high = tried[max(best - 1, 0)], tried[min(best + 1, 100)]
    middle = (low + high) / 2
    scale = float(np.exp(middle))
    seen = np.exp(-np.min(steps) / scale) > 1e-3
    return scale, bool(seen and first + 0.01 < middle < last - 0.01)
