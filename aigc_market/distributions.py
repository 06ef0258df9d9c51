"""How what differs from market to market (δ, α, β or A, τ, R) is drawn at each reset."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import clip, exp, namespace
from aigc_market.equilibrium import solve
from aigc_market.market import Market
from aigc_market.ssim import QuadraticSSIM, SaturatingSSIM, SSIMModel

_MOST_NORMAL = 4.0
"""Normals are held within ± this, so that what is drawn has bounds."""

_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Distribution:
    """Independent draws, one for each VMU, within [low, high]."""

    low: float
    high: float

    def __post_init__(self) -> None:
        low = _checks.number("low", self.low, above=0)
        if _checks.number("high", self.high, above=0) < low:
            raise ValueError(f"high must be at least low = {low!r}, got {self.high!r}")

    def draw(self, rng: Any, shape: tuple[int, ...]) -> Any:
        """Draws of a shape (…, K).

        Args:
            rng: a `numpy.random.Generator`, or what draws tensors by the names of its methods.
            shape: of the array, or tensor.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform on [low, high]."""

    def draw(self, rng: Any, shape: tuple[int, ...]) -> Any:
        """Draws of a shape (…, K)."""
        return rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Uniform in the logarithm on [low, high]: each octave is as likely as the next."""

    def draw(self, rng: Any, shape: tuple[int, ...]) -> Any:
        """Draws of a shape (…, K)."""
        exponent = rng.uniform(math.log(self.low), math.log(self.high), shape)
        return clip(exp(exponent), self.low, self.high)


@dataclass(frozen=True)
class Drawn(Distribution):
    """Whatever a function of a `numpy.random.Generator` draws for one market.

    Args:
        low, high: what the function's numbers never leave; observation bounds and
            `normalize=True` need them.
        function: takes the generator, returns one number for all VMUs or K numbers. A batch of
            markets calls it once for each market.
    """

    function: Callable[[np.random.Generator], Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.instance("function", self.function, Callable, "a function of a numpy Generator")

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draws of a shape (…, K).

        Raises:
            TypeError, ValueError: the function's answer is not within [low, high], or not of
                length K.
        """
        *lanes, num_vmus = shape
        rows = []
        for _ in range(math.prod(lanes)):
            row = np.asarray(_checks.numeric("satisfaction", self.function(rng), above=0))
            if row.shape not in ((), (1,), (num_vmus,)):
                raise ValueError(
                    f"satisfaction must be drawn as one number or K = {num_vmus} numbers, "
                    f"got shape {row.shape}"
                )
            rows.append(np.broadcast_to(row, (num_vmus,)))
        draws = np.reshape(rows, shape)
        if draws.min() < self.low or draws.max() > self.high:
            raise ValueError(
                f"satisfaction must be drawn within [{self.low:g}, {self.high:g}], got {draws}"
            )
        return draws


@dataclass(frozen=True)
class SharedLevel(Distribution):
    """A level shared by the VMUs of a market, times a factor of each VMU's own.

    Args:
        level: the law of the level, one draw for each market.
        spread: standard deviation of the logarithm of the factors, which are log-normal about 1.
            The normals are held within ±4, so that the product has bounds `low` and `high`.
    """

    low: float = field(init=False)
    high: float = field(init=False)
    level: Distribution
    spread: float

    def __post_init__(self) -> None:
        _law("level", self.level)
        reach = math.exp(_MOST_NORMAL * _checks.number("spread", self.spread, at_least=0))
        object.__setattr__(self, "low", self.level.low / reach)
        object.__setattr__(self, "high", self.level.high * reach)
        super().__post_init__()

    def draw(self, rng: Any, shape: tuple[int, ...]) -> Any:
        """Draws of a shape (…, K)."""
        level = self.level.draw(rng, (*shape[:-1], 1))
        normals = clip(rng.standard_normal(shape), -_MOST_NORMAL, _MOST_NORMAL)
        return clip(level * exp(self.spread * normals), self.low, self.high)


@dataclass(frozen=True)
class DrawnSSIM:
    """An SSIM model whose parameters but the last are drawn, shared by the VMUs of a market.

    Its fields are named as the model's parameters: a law for each that is drawn, and the last one.
    """

    model: ClassVar[Any]
    """Of which parameters are drawn."""
    drawn: ClassVar[dict[str, int]]
    """The fields that are laws, and the signs of what they are for: laws are positive."""
    last: ClassVar[str]
    """The field that is a number."""

    def __post_init__(self) -> None:
        for name in self.drawn:
            _law(name, getattr(self, name))
        _checks.number(self.last, getattr(self, self.last))

    @property
    def coefficients(self) -> dict[str, tuple[float, float]]:
        """Bounds of what is drawn, by name, in the order of the model's `parameters`."""
        bounds = {}
        for name, sign in self.drawn.items():
            law = getattr(self, name)
            bounds[name] = (law.low, law.high) if sign > 0 else (-law.high, -law.low)
        return bounds

    def values_of(self, model: SSIMModel) -> tuple[Any, ...]:
        """What was drawn of a model, in that order; `(*lanes, 1)` each."""
        return model.parameters[: len(self.drawn)]

    def draw(self, rng: Any, lanes: tuple[int, ...]) -> SSIMModel:
        """The model of each lane; what is drawn is `(*lanes, 1)`."""
        shape, drawn = (*lanes, 1), []
        for name, sign in self.drawn.items():
            values = getattr(self, name).draw(rng, shape)
            drawn.append(values if sign > 0 else -values)
        return self.model.unchecked(*drawn, getattr(self, self.last))

    def stand_in(self) -> SSIMModel:
        """A model that may be drawn, of numbers at the bounds of their laws."""
        ends = [sign * getattr(self, name).high for name, sign in self.drawn.items()]
        return self.model(*ends, getattr(self, self.last))


@dataclass(frozen=True)
class DrawnQuadratic(DrawnSSIM):
    """A quadratic SSIM whose α and β are drawn, shared by the VMUs of a market.

    Args:
        alpha: the law of −α > 0.
        beta: the law of β > 0.
        gamma: γ; it cancels from every choice.
    """

    alpha: Distribution
    beta: Distribution
    gamma: float = 0.0
    model, drawn, last = QuadraticSSIM, {"alpha": -1, "beta": 1}, "gamma"


@dataclass(frozen=True)
class DrawnSaturating(DrawnSSIM):
    """A saturating SSIM whose A and τ are drawn, shared by the VMUs of a market.

    Args:
        gain: the law of A > 0.
        scale: the law of τ > 0.
        start: γ; it cancels from every choice.
    """

    gain: Distribution
    scale: Distribution
    start: float = 0.0
    model, drawn, last = SaturatingSSIM, {"gain": 1, "scale": 1}, "start"


@dataclass(frozen=True)
class DemandShare:
    """A capacity R that is a drawn share of what the market would buy if there were none.

    R = share · Σ S_k* at the equilibrium without a capacity and with every VMU active, and at least
    K · S_min. Where nobody would buy it is K · S_max, which binds nowhere.

    Args:
        share: its law; below 1 the capacity binds.
    """

    share: Distribution

    def __post_init__(self) -> None:
        _law("share", self.share)

    def draw(self, rng: Any, market: Market, lanes: tuple[int, ...]) -> Any:
        """The capacity of each lane.

        Args:
            rng: of the draws.
            market: of all lanes, or one for each.
            lanes: the batch axes.

        Returns:
            `lanes`, or a float where there are none.
        """
        share = self.share.draw(rng, (*lanes, 1))[..., 0]
        free = solve(market.replace(capacity=None, active=None)).steps.sum(axis=-1)
        xp, asked, least = namespace(free), share * free, market.K * market.min_steps
        capacity = xp.where(asked > least, asked, least)
        capacity = xp.where(capacity > 0, capacity, market.K * market.max_steps)
        return capacity if lanes else float(capacity)

    def bounds(self, market: Market) -> tuple[float, float]:
        """What the capacity never leaves, given the market's K and bounds of purchases."""
        low, most = market.K * market.min_steps, market.K * market.max_steps
        return low, max(1.0, self.share.high) * most


def _law(name: str, value: Any) -> None:
    _checks.instance(name, value, Distribution, "a Distribution, such as Uniform(1, 2)")


def function_in(law: Any) -> Drawn | None:
    """What of a law is drawn by a function of NumPy's generator, if anything is."""
    if isinstance(law, Drawn):
        return law
    parts = vars(law).values() if isinstance(law, _LAWS) else ()
    return next((found for part in parts if (found := function_in(part)) is not None), None)


_LAWS = (Distribution, DrawnSSIM, DemandShare)


def distribution(value: Any) -> Distribution | None:
    """The distribution that the argument `satisfaction` names, None where it is numbers."""
    if isinstance(value, Distribution):
        return value
    if callable(value):
        return Drawn(low=float(np.finfo(np.float32).tiny), high=_FLOAT32_MAX, function=value)
    return None
