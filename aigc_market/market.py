"""The parameters of a market, checked once and then fixed: of one provider, or of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import convert, holds, is_array, namespace, ndim, shape
from aigc_market.ssim import SSIMModel, is_live, resolve


class Parameter(NamedTuple):
    """What is to be known of a number, or of an array of numbers, of a market."""

    axes: str
    """Its own axes, behind those of a batch: "", "M", "K" or "MK"."""
    limits: Mapping[str, float] | None
    """As `_checks.numeric` takes them; None: it is made of truth values."""
    optional: bool = False
    """Whether it may be None."""


_OF_ALL = {
    "cost": Parameter("", {"above": 0}),
    "max_price": Parameter("", {"above": 0}),
    "satisfaction": Parameter("K", {"above": 0}),
    "min_steps": Parameter("", {"at_least": 0}),
    "max_steps": Parameter("", {"above": 0}),
    "capacity": Parameter("", {"above": 0}, optional=True),
}


class BaseMarket:
    """What the markets of all games have in common: a table of parameters, and SSIM models."""

    PARAMETERS: ClassVar[Mapping[str, Parameter]]
    """Numbers and arrays, by name."""
    SIZES: ClassVar[tuple[str, ...]]
    """The letters of axes, each the name of a whole number."""
    MOVED: ClassVar[tuple[str, ...]]
    """What moves may change beside δ and the SSIM models (see `aigc_market.moves`)."""

    K: int
    ssim: Any
    satisfaction: Any
    min_steps: Any
    max_steps: Any

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in self.SIZES:
            put(self, name, _checks.integer(name, getattr(self, name), at_least=1))
        for name, parameter in self.PARAMETERS.items():
            value = getattr(self, name)
            if value is None and parameter.optional:
                continue
            if parameter.limits is None:
                put(self, name, _checks.mask(name, value, self.K))
            else:
                value = _checks.numeric(name, value, **parameter.limits)
                put(self, name, self._with_axes(name, value))
        put(self, "ssim", self._resolved())
        self._unite_library()
        self._check_shapes()
        for high, low in (("max_price", "cost"), ("max_steps", "min_steps")):
            check_order(high, getattr(self, high), low, getattr(self, low))
        self._check_capacity()
        for model in self.models:
            model.check_market(self.min_steps, self.max_steps)

    @property
    def models(self) -> tuple[SSIMModel, ...]:
        """The SSIM model of each provider."""
        raise NotImplementedError

    def _resolved(self) -> Any:
        """The SSIM models that the argument `ssim` means."""
        raise NotImplementedError

    def map_models(self, function: Callable[[SSIMModel], SSIMModel]) -> Any:
        """What `ssim` is with the function's answer in place of each model."""
        raise NotImplementedError

    def _check_capacity(self) -> None:
        """Check that what must be bought can be delivered."""
        raise NotImplementedError

    def axes(self, name: str) -> tuple[int, ...]:
        """The lengths of a parameter's own axes, behind those of a batch."""
        return tuple(getattr(self, letter) for letter in self.PARAMETERS[name].axes)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading axes, () for one market."""
        known = self.__dict__.get("_batch_shape")
        if known is None:
            shapes = {*self._leading(), *self._leading_of_models()}
            known = np.broadcast_shapes(*shapes) if len(shapes) > 1 else shapes.pop()
            self.__dict__["_batch_shape"] = known
        return known

    def map(self, function: Callable[[str, Any], Any]) -> Self:
        """The same market with `function(name, value)` in place of every parameter but its sizes.

        Nothing is checked again; coefficients of SSIM models come under the name "ssim".
        """
        values = {name: getattr(self, name) for name in self.PARAMETERS}
        changed = {name: v if v is None else function(name, v) for name, v in values.items()}

        def coefficient(value: Any) -> Any:
            return function("ssim", value)

        return self.replace(**changed, ssim=self.map_models(lambda model: model.map(coefficient)))

    def replace(self, **parameters: Any) -> Self:
        """The same market with other parameters, of which nothing is checked: for what is drawn.

        They must have all their own axes, as the checks leave them. `dataclasses.replace` checks.
        """
        other = object.__new__(type(self))  # faster than copy.copy, and moves need it every round
        other.__dict__.update(self.__dict__, **parameters)
        other.__dict__.pop("_batch_shape", None)
        return other

    def lanes(self, where: Any) -> Self:
        """Some of the markets of a batch with one leading axis; `where` indexes it."""
        batch = self.batch_shape[0] if self.batch_shape else None

        def pick(name: str, value: Any) -> Any:
            if ndim(value) <= (1 if name == "ssim" else len(self.axes(name))):
                return value
            if len(value) == batch:
                return value[where]
            return value[0] if isinstance(where, Integral) else value

        return self.map(pick)

    def for_batch(self) -> Self:
        """This one market, with coefficients of each VMU (K,) as those of a batch, (1, K)."""
        return self.map(lambda name, v: v[None] if name == "ssim" and ndim(v) == 1 else v)

    def like(self, array: Any) -> Self:
        """This market in the library, floating type and device of `array`."""
        if not is_array(array) or isinstance(array, np.ndarray):
            return self
        return self.map(lambda _, value: convert(value, array))

    def _with_axes(self, name: str, value: Any) -> Any:
        """A parameter with all its own axes: one number stands for all of them."""
        own, letters = self.axes(name), self.PARAMETERS[name].axes
        if not own:
            return value
        if isinstance(value, float):
            return np.full(own, value)
        if value.ndim == 0:
            return namespace(value).broadcast_to(value, own)
        if tuple(value.shape[-len(own) :]) != own:
            wanted = f"{letters} = {own[0]}" if len(own) == 1 else f"({', '.join(letters)}) = {own}"
            raise ValueError(
                f"{name} must be one number or hold {wanted} along its last "
                f"{'axis' if len(own) == 1 else 'axes'}, got {getattr(self, name)!r} "
                f"of shape {tuple(value.shape)}"
            )
        return value

    def _unite_library(self) -> None:
        """Where one parameter is a tensor, make the NumPy arrays beside it tensors too."""
        values = [getattr(self, name) for name in self.PARAMETERS]
        values += [value for model in self.models for value in model.parameters]
        foreign = [a for a in values if is_array(a) and not isinstance(a, np.ndarray)]
        if not foreign:
            return
        # Truth values have no floating type: they decide where nothing else does.
        xp = namespace(foreign[0])
        real = next((a for a in foreign if not xp.isdtype(a.dtype, "bool")), None)
        like = xp.astype(foreign[0], xp.float64) if real is None else real
        self.__dict__.update(self.like(like).__dict__)

    def _leading(self) -> list[tuple[int, ...]]:
        """The axes of a batch of each parameter."""
        found = []
        for name, parameter in self.PARAMETERS.items():
            own = len(parameter.axes)
            found.append(shape(getattr(self, name))[: -own or None])
        return found

    def _leading_of_models(self) -> list[tuple[int, ...]]:
        return [own[:-1] for model in self.models for own in _coefficient_shapes(model)]

    def _check_shapes(self) -> None:
        given = {name: tuple(shape(getattr(self, name))) for name in self.PARAMETERS}
        try:
            batch = np.broadcast_shapes(*self._leading())
        except ValueError:
            raise ValueError(
                f"parameters must agree on the leading (batch) axes, got shapes {given}"
            ) from None
        if 0 in batch:
            raise ValueError(f"a batch must hold one market at least, got shapes {given}")
        fitted = self.map_models(lambda model: _fit_to_vmus(model, batch, self.K))
        object.__setattr__(self, "ssim", fitted)


@dataclass(frozen=True, eq=False)
class Market(BaseMarket):
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
        ssim: the SSIM model, or "quadratic" or None for the paper's. The coefficients of a model
            may be (B,), one for each market of a batch, or (B or 1, K), one for each VMU ((K,)
            where there is no batch).
        active: which VMUs are there to buy, bool (K,) or (B, K), or None: all. One that is not buys
            nothing, not even S_min.

    Raises:
        TypeError, ValueError: a parameter of the wrong kind, sign or shape, or a capacity below
            K · min_steps.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        **_OF_ALL,
        "active": Parameter("K", None, optional=True),
    }
    SIZES: ClassVar[tuple[str, ...]] = ("K",)
    MOVED: ClassVar[tuple[str, ...]] = ("capacity", "active")

    K: int = 2
    cost: Any = 1.0
    max_price: Any = 20.0
    satisfaction: Any = 200.0
    min_steps: Any = 0.0
    max_steps: Any = 250.0
    capacity: Any = None
    ssim: Any = None
    active: Any = None

    @property
    def models(self) -> tuple[SSIMModel, ...]:
        """The one SSIM model."""
        return (self.ssim,)

    def _resolved(self) -> SSIMModel:
        return resolve(self.ssim)

    def map_models(self, function: Callable[[SSIMModel], SSIMModel]) -> SSIMModel:
        """The function's answer."""
        return function(self.ssim)

    def _check_capacity(self) -> None:
        if self.capacity is not None:
            check_order("capacity", self.capacity, "K · min_steps", self.K * self.min_steps)

    def per_vmu(self, value: Any) -> Any:
        """A parameter of each market, shaped to meet arrays that end in the axis of VMUs."""
        return value[..., None] if is_array(value) and value.ndim else value


@dataclass(frozen=True, eq=False)
class Competition(BaseMarket):
    """M providers that sell to the same K VMUs, or a batch of such markets.

    Each VMU spreads a unit of requests over the providers and buys steps for each request. With one
    provider and no outside option it is `Market`'s game. Leading axes B make a batch. After the
    checks every parameter of the providers is an array (…, M), `satisfaction` is (…, K),
    `access_cost` (…, M, K), `ssim` a tuple of M models; what belongs to the market as a whole stays
    a float, or (B,).

    Args:
        M: how many providers (leaders) there are.
        K: how many VMUs (followers) there are.
        cost: c_m > 0, what a diffusion step costs a provider: one number for all, (M,) or (B, M).
        max_price: p_max ≥ c_m, the highest unit price, likewise.
        satisfaction: δ_k > 0, what a unit of SSIM is worth to a VMU: one number, (K,) or (B, K).
        min_steps: S_min ≥ 0, the fewest steps of a request: one number or (B,).
        max_steps: S_max ≥ S_min, the most.
        capacity: R_m > 0, the steps that a provider can run in a round, as `cost`; None: no limit.
        ssim: the SSIM model of all providers, or a sequence of M of them; "quadratic" or None for
            the paper's. The coefficients of a model may be (B,), one for each market, or
            (B or 1, K), one for each VMU.
        access_cost: τ_mk ≥ 0, what reaching provider m costs VMU k for a request: one number,
            (M, K) or (B, M, K).
        temperature: μ > 0, how much VMUs care to spread their requests: one number or (B,).
        outside: v_0, what a request that buys nothing is worth: one number or (B,); None: there is
            no such option.

    Raises:
        TypeError, ValueError: a parameter of the wrong kind, sign or shape, a model that is live,
            or capacities that together cannot carry K · min_steps where VMUs have no other option.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        **_OF_ALL,
        **{name: _OF_ALL[name]._replace(axes="M") for name in ("cost", "max_price", "capacity")},
        "access_cost": Parameter("MK", {"at_least": 0}),
        "temperature": Parameter("", {"above": 0}),
        "outside": Parameter("", {}, optional=True),
    }
    SIZES: ClassVar[tuple[str, ...]] = ("M", "K")
    MOVED: ClassVar[tuple[str, ...]] = ("access_cost",)

    M: int = 2
    K: int = 2
    cost: Any = 1.0
    max_price: Any = 20.0
    satisfaction: Any = 200.0
    min_steps: Any = 0.0
    max_steps: Any = 250.0
    capacity: Any = None
    ssim: Any = None
    access_cost: Any = 0.0
    temperature: Any = 60.0
    outside: Any = None

    @property
    def models(self) -> tuple[SSIMModel, ...]:
        """The SSIM model of each provider."""
        return self.ssim

    def provider(self, m: int) -> Market:
        """Provider m alone with the VMUs: the market of one leader, without access costs."""

        def own(name: str) -> Any:
            values = getattr(self, name)
            if values is None:
                return None
            value = values[..., m]
            return float(value) if value.ndim == 0 and isinstance(values, np.ndarray) else value

        return Market(
            K=self.K,
            satisfaction=self.satisfaction,
            min_steps=self.min_steps,
            max_steps=self.max_steps,
            ssim=self.ssim[m],
            **{name: own(name) for name in ("cost", "max_price", "capacity")},
        )

    def _resolved(self) -> tuple[SSIMModel, ...]:
        given = self.ssim
        if isinstance(given, Sequence) and not isinstance(given, str):
            if len(given) != self.M:
                raise ValueError(
                    f"ssim must be one model or a sequence of M = {self.M}, "
                    f"got {len(given)}: {given!r}"
                )
            models = tuple(resolve(model) for model in given)
        else:
            models = (resolve(given),) * self.M
        if any(is_live(model) for model in models):
            raise TypeError(
                "ssim must be made of models that are not live where providers compete "
                f"(a live one's table, `calibrate()`, is allowed), got {given!r}"
            )
        return models

    def map_models(self, function: Callable[[SSIMModel], SSIMModel]) -> tuple[SSIMModel, ...]:
        """The function's answers."""
        changed: list[SSIMModel] = []
        for m, model in enumerate(self.ssim):  # what is shared stays so; compilers follow no `id`
            same = [changed[i] for i in range(m) if self.ssim[i] is model]
            changed.append(same[0] if same else function(model))
        return tuple(changed)

    def _check_capacity(self) -> None:
        if self.capacity is None or self.outside is not None:
            return
        total = namespace(self.capacity).sum(self.capacity, axis=-1)
        least = self.K * self.min_steps
        if not holds(total >= least):
            raise ValueError(
                f"capacity must add up to at least K · min_steps = {least!r} where VMUs have "
                f"no outside option, got {self.capacity!r}"
            )


def _fit_to_vmus(ssim: SSIMModel, batch: tuple[int, ...], K: int) -> SSIMModel:
    """The model with coefficients that broadcast with (…, K).

    A coefficient (B,) is one for each market: it gets an axis of VMUs.

    Raises:
        ValueError: a coefficient that fits neither the batch nor the VMUs.
    """
    if batch:
        ssim = ssim.map(lambda v: v[..., None] if 0 < np.ndim(v) <= len(batch) else v)
    for own in _coefficient_shapes(ssim):
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


def _coefficient_shapes(ssim: SSIMModel) -> list[tuple[int, ...]]:
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
