"""The parameters of a market, checked once and then fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import convert, holds, is_array, namespace, ndim, shape
from aigc_market.ssim import SSIMModel, resolve


@dataclass(frozen=True, eq=False)
class Market:
    """One market, or a batch of markets with the same number of VMUs.

    Numbers are kept as floats, NumPy arrays as copies, torch tensors as they come, on any device,
    so that gradients flow through every rule. Leading axes B make a batch: `satisfaction` (B, K),
    every other parameter (B,).

    Args:
        K: how many VMUs (followers) there are.
        cost: c > 0, what a diffusion step costs the ASP (leader).
        max_price: p_max ≥ c, the highest unit price.
        satisfaction: δ > 0, what a unit of SSIM is worth to a VMU: one number for all,
            (K,) or (B, K).
        min_steps: S_min ≥ 0, the fewest steps that a VMU may buy (Eq. 5). Above 0 VMUs are made to
            buy, at a loss where the price is high.
        max_steps: S_max ≥ S_min, the most.
        capacity: R > 0, the steps that the ASP can run in a round (Eq. 7), or None: no limit.
        ssim: the SSIM model, or "quadratic" or None for the paper's. The coefficients of a
            quadratic may be (B,), one for each market of a batch, or (B or 1, K), one for each VMU
            ((K,) where there is no batch).
        active: which VMUs are there to buy, bool (K,) or (B, K), or None: all. One that is not buys
            nothing, not even S_min.

    Raises:
        TypeError, ValueError: a parameter of the wrong kind, sign or shape, or a capacity below
            K · min_steps.
    """

    K: int = 2
    cost: Any = 1.0
    max_price: Any = 20.0
    satisfaction: Any = 200.0
    min_steps: Any = 0.0
    max_steps: Any = 250.0
    capacity: Any = None
    ssim: Any = None
    active: Any = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "K", _checks.integer("K", self.K, at_least=1))
        put(self, "cost", _checks.numeric("cost", self.cost, above=0))
        put(self, "max_price", _checks.numeric("max_price", self.max_price, above=0))
        put(self, "min_steps", _checks.numeric("min_steps", self.min_steps, at_least=0))
        put(self, "max_steps", _checks.numeric("max_steps", self.max_steps, above=0))
        if self.capacity is not None:
            put(self, "capacity", _checks.numeric("capacity", self.capacity, above=0))
        put(self, "satisfaction", self._spread_satisfaction())
        put(self, "ssim", resolve(self.ssim))
        if self.active is not None:
            put(self, "active", _checks.mask("active", self.active, self.K))
        self._unite_library()
        self._check_shapes()
        check_order("max_price", self.max_price, "cost", self.cost)
        check_order("max_steps", self.max_steps, "min_steps", self.min_steps)
        if self.capacity is not None:
            check_order("capacity", self.capacity, "K · min_steps", self.K * self.min_steps)
        self.ssim.check_market(self.min_steps, self.max_steps)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading axes, () for one market."""
        return np.broadcast_shapes(
            shape(self.satisfaction)[:-1],
            shape(self.active)[:-1],
            *(shape(getattr(self, name)) for name in _PER_MARKET),
            *(own[:-1] for own in coefficient_shapes(self.ssim)),
        )

    def map(self, function: Callable[[str, Any], Any]) -> Market:
        """The same market with `function(name, value)` in place of every parameter but K.

        Nothing is checked again; coefficients of the SSIM model come under the name "ssim".
        """
        values = {name: getattr(self, name) for name in (*_PER_MARKET, "satisfaction", "active")}
        changed = {name: v if v is None else function(name, v) for name, v in values.items()}
        return self.replace(**changed, ssim=self.ssim.map(lambda value: function("ssim", value)))

    def replace(self, **parameters: Any) -> Market:
        """The same market with other parameters, of which nothing is checked: for what is drawn.

        `dataclasses.replace` checks.
        """
        other = object.__new__(type(self))  # faster than copy.copy, and moves need it every round
        other.__dict__.update(self.__dict__, **parameters)
        return other

    def lanes(self, where: Any) -> Market:
        """Some of the markets of a batch with one leading axis; `where` indexes it."""
        batch = self.batch_shape[0] if self.batch_shape else None

        def pick(name: str, value: Any) -> Any:
            own = 0 if name in _PER_MARKET else 1
            return lanes_of(value, own, batch, where)

        return self.map(pick)

    def for_batch(self) -> Market:
        """This one market, with coefficients of each VMU (K,) as those of a batch, (1, K)."""
        return self.map(lambda name, v: v[None] if name == "ssim" and ndim(v) == 1 else v)

    def like(self, array: Any) -> Market:
        """This market in the library, floating type and device of `array`."""
        if not is_array(array) or isinstance(array, np.ndarray):
            return self
        return self.map(lambda _, value: convert(value, array))

    def per_vmu(self, value: Any) -> Any:
        """A parameter of each market, shaped to meet arrays that end in the axis of VMUs."""
        return value[..., None] if is_array(value) and value.ndim else value

    def _spread_satisfaction(self) -> Any:
        value = _checks.numeric("satisfaction", self.satisfaction, above=0)
        if isinstance(value, float):
            return np.full(self.K, value)
        xp = namespace(value)
        if value.ndim == 0:
            return xp.broadcast_to(value, (self.K,))
        if value.shape[-1] != self.K:
            raise ValueError(
                f"satisfaction must be one number or hold K = {self.K} along its last axis, "
                f"got {self.satisfaction!r} of shape {tuple(value.shape)}"
            )
        return value

    def _unite_library(self) -> None:
        """Where one parameter is a tensor, make the NumPy arrays beside it tensors too."""
        names = (field.name for field in fields(self) if field.name != "active")
        values = [*(getattr(self, name) for name in names), *self.ssim.parameters]
        foreign = [a for a in values if is_array(a) and not isinstance(a, np.ndarray)]
        if is_array(self.active) and not isinstance(self.active, np.ndarray):
            xp = namespace(self.active)
            foreign.append(xp.astype(self.active, xp.float64))
        if foreign:
            self.__dict__.update(self.like(foreign[0]).__dict__)

    def _check_shapes(self) -> None:
        names = [*_PER_MARKET, "satisfaction", "active"]
        shapes = [tuple(np.shape(getattr(self, name))) for name in names]
        try:
            batch = np.broadcast_shapes(*shapes[:-2], shapes[-2][:-1], shapes[-1][:-1])
        except ValueError:
            given = dict(zip(names, shapes, strict=True))
            raise ValueError(
                f"parameters must agree on the leading (batch) axes, got shapes {given}"
            ) from None
        object.__setattr__(self, "ssim", fit_to_vmus(self.ssim, batch, self.K))


def fit_to_vmus(ssim: SSIMModel, batch: tuple[int, ...], K: int) -> SSIMModel:
    """The model with coefficients that broadcast with (…, K).

    A coefficient (B,) is one for each market: it gets an axis of VMUs.

    Raises:
        ValueError: a coefficient that fits neither the batch nor the VMUs.
    """
    if batch:
        ssim = ssim.map(lambda v: v[..., None] if 0 < np.ndim(v) <= len(batch) else v)
    for own in coefficient_shapes(ssim):
        try:
            fits = np.broadcast_shapes(own, (*batch, K))[-1] == K
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"ssim must have coefficients that fit K = {K} VMUs and the batch {batch}, "
                f"got one of shape {own}"
            )
    return ssim


def lanes_of(value: Any, own: int, batch: int | None, where: Any) -> Any:
    """Of a parameter with so many axes of its own those of some markets of a batch.

    Args:
        value: the parameter, maybe with an axis of markets in front, maybe of length 1 for all.
        own: how many axes it has in one market.
        batch: how many markets there are; None: there is no batch.
        where: indexes them; a whole number: the answer is of one market.
    """
    if ndim(value) <= own:
        return value
    if len(value) == batch:
        return value[where]
    return value[0] if isinstance(where, Integral) else value


def coefficient_shapes(ssim: SSIMModel) -> list[tuple[int, ...]]:
    """Of a model's coefficients, each with an axis of VMUs."""
    return [shape(value) or (1,) for value in ssim.parameters]


def check_order(high_name: str, high: Any, low_name: str, low: Any) -> None:
    """Check that one parameter is nowhere below another."""
    if not holds(high >= low):
        raise ValueError(f"{high_name} must be at least {low_name} = {low!r}, got {high!r}")


def check_between(
    name: str, value: Any, low_name: str, low: Any, high_name: str, high: Any
) -> None:
    """Check bounds, up to single-precision rounding: prices and steps of environments are so."""
    slack = 1e-6
    if not holds((value >= low * (1 - slack)) & (value <= high * (1 + slack))):
        raise ValueError(
            f"{name} must lie between {low_name} = {low!r} and {high_name} = {high!r}, "
            f"got {value!r}"
        )


_PER_MARKET = ("cost", "max_price", "min_steps", "max_steps", "capacity")
