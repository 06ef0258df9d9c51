"""The parameters of a market with several providers, checked once and then fixed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import convert, holds, is_array, namespace, ndim
from aigc_market.market import Market, check_order, coefficient_shapes, fit_to_vmus, lanes_of
from aigc_market.ssim import LiveSSIM, SSIMModel, resolve


@dataclass(frozen=True, eq=False)
class Competition:
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
            the paper's. The coefficients of a quadratic may be (B,), one for each market, or
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

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "M", _checks.integer("M", self.M, at_least=1))
        put(self, "K", _checks.integer("K", self.K, at_least=1))
        for name, limits in _LIMITS.items():
            value = getattr(self, name)
            if value is not None or name not in ("capacity", "outside"):
                value = _checks.numeric(name, value, **limits)
                put(self, name, _spread(name, value, self.axes(name)))
        put(self, "ssim", self._models())
        self._unite_library()
        self._check_shapes()
        check_order("max_price", self.max_price, "cost", self.cost)
        check_order("max_steps", self.max_steps, "min_steps", self.min_steps)
        if self.capacity is not None and self.outside is None:
            total = namespace(self.capacity).sum(self.capacity, axis=-1)
            least = self.K * self.min_steps
            if not holds(total >= least):
                raise ValueError(
                    f"capacity must add up to at least K · min_steps = {least!r} where VMUs have "
                    f"no outside option, got {self.capacity!r}"
                )
        for model in self.ssim:
            model.check_market(self.min_steps, self.max_steps)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading axes, () for one market."""
        shapes = [
            np.shape(getattr(self, name))[: -len(self.axes(name)) or None] for name in _LIMITS
        ]
        shapes += [shape[:-1] for model in self.ssim for shape in coefficient_shapes(model)]
        return np.broadcast_shapes(*shapes)

    def provider(self, m: int) -> Market:
        """Provider m alone with the VMUs: the market of one leader, without access costs."""
        of_one = {name: _number(getattr(self, name), m) for name in ("cost", "max_price")}
        return Market(
            K=self.K,
            satisfaction=self.satisfaction,
            min_steps=self.min_steps,
            max_steps=self.max_steps,
            capacity=None if self.capacity is None else _number(self.capacity, m),
            ssim=self.ssim[m],
            **of_one,
        )

    def map(self, function: Callable[[str, Any], Any]) -> Competition:
        """The same market with `function(name, value)` in place of every parameter but M and K.

        Nothing is checked again; coefficients of the SSIM models come under the name "ssim".
        """
        values = {name: getattr(self, name) for name in _LIMITS}
        changed = {name: v if v is None else function(name, v) for name, v in values.items()}
        return self.replace(
            **changed,
            ssim=_each(self.ssim, lambda model: model.map(lambda value: function("ssim", value))),
        )

    def replace(self, **parameters: Any) -> Competition:
        """The same market with other parameters, of which nothing is checked: for what is drawn.

        They must be laid out as the checks leave them. `dataclasses.replace` checks.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **parameters)
        return other

    def lanes(self, where: Any) -> Competition:
        """Some of the markets of a batch with one leading axis; `where` indexes it."""
        batch = self.batch_shape[0] if self.batch_shape else None

        def pick(name: str, value: Any) -> Any:
            return lanes_of(value, 1 if name == "ssim" else len(self.axes(name)), batch, where)

        return self.map(pick)

    def for_batch(self) -> Competition:
        """This one market, with coefficients of each VMU (K,) as those of a batch, (1, K)."""
        return self.map(lambda name, v: v[None] if name == "ssim" and ndim(v) == 1 else v)

    def like(self, array: Any) -> Competition:
        """This market in the library, floating type and device of `array`."""
        if not is_array(array) or isinstance(array, np.ndarray):
            return self
        return self.map(lambda _, value: convert(value, array))

    def axes(self, name: str) -> tuple[int, ...]:
        """The lengths of a parameter's own axes, behind those of a batch."""
        if name in OF_PROVIDER:
            return (self.M,)
        return {"satisfaction": (self.K,), "access_cost": (self.M, self.K)}.get(name, ())

    def _models(self) -> tuple[SSIMModel, ...]:
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
        if any(isinstance(model, LiveSSIM) for model in models):
            raise TypeError(
                "ssim must be made of models that are not live where providers compete "
                f"(a live one's table, `calibrate()`, is allowed), got {given!r}"
            )
        return models

    def _unite_library(self) -> None:
        """Where one parameter is a tensor, make the NumPy arrays beside it tensors too."""
        values = [getattr(self, name) for name in _LIMITS]
        values += [value for model in self.ssim for value in model.parameters]
        foreign = [a for a in values if is_array(a) and not isinstance(a, np.ndarray)]
        if foreign:
            self.__dict__.update(self.like(foreign[0]).__dict__)

    def _check_shapes(self) -> None:
        shapes = {name: tuple(np.shape(getattr(self, name))) for name in _LIMITS}
        leading = [shape[: -len(self.axes(name)) or None] for name, shape in shapes.items()]
        try:
            batch = np.broadcast_shapes(*leading)
        except ValueError:
            raise ValueError(
                f"parameters must agree on the leading (batch) axes, got shapes {shapes}"
            ) from None
        fitted = _each(self.ssim, lambda model: fit_to_vmus(model, batch, self.K))
        object.__setattr__(self, "ssim", fitted)


OF_PROVIDER = ("cost", "max_price", "capacity")
"""Parameters that each provider has for itself."""

_LIMITS: dict[str, dict[str, float]] = {
    "cost": {"above": 0},
    "max_price": {"above": 0},
    "satisfaction": {"above": 0},
    "min_steps": {"at_least": 0},
    "max_steps": {"above": 0},
    "capacity": {"above": 0},
    "access_cost": {"at_least": 0},
    "temperature": {"above": 0},
    "outside": {},
}

PARAMETERS = tuple(field.name for field in dataclasses.fields(Competition))
"""Names of all parameters, M and K first."""


def _spread(name: str, value: Any, own: tuple[int, ...]) -> Any:
    """A parameter with all its own axes: one number stands for all of them."""
    if not own:
        return value
    if isinstance(value, float):
        return np.full(own, value)
    if value.ndim == 0:
        return namespace(value).broadcast_to(value, own)
    if tuple(value.shape[-len(own) :]) != own:
        raise ValueError(
            f"{name} must be one number or hold {_WHAT[name]} = {own} along its last "
            f"{'axis' if len(own) == 1 else 'axes'}, got {value!r} of shape {tuple(value.shape)}"
        )
    return value


_WHAT = {**dict.fromkeys(OF_PROVIDER, "(M,)"), "satisfaction": "(K,)", "access_cost": "(M, K)"}


def _number(values: Any, m: int) -> Any:
    value = values[..., m]
    return float(value) if value.ndim == 0 and isinstance(values, np.ndarray) else value


def _each(
    models: tuple[SSIMModel, ...], function: Callable[[SSIMModel], SSIMModel]
) -> tuple[SSIMModel, ...]:
    """The function's answer for every model; one that is shared stays shared."""
    changed = {id(model): function(model) for model in models}
    return tuple(changed[id(model)] for model in models)
