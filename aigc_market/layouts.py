"""How the numbers of a round are laid out: along an axis of arrays, or one by one as floats.

The rules of `game` are elementwise. A layout says what an element is, so that one settlement serves
batches of arrays, tensors, and the few VMUs of a turn-based game, for which Python floats are ten
times as fast as arrays.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from itertools import repeat
from typing import Any, Protocol, TypeVar

import numpy as np

from aigc_market._arrays import is_array, ndim, total
from aigc_market.market import Market
from aigc_market.ssim.model import LiveSSIM


class Layout(Protocol):
    """The parameters of a market beside the VMUs that they belong to."""

    market: Market
    cost: Any
    capacity: Any
    satisfaction: Any
    ssim: Any
    min_steps: Any
    max_steps: Any
    active: Any
    """Who is there to buy; None: everyone."""
    whole_calls: bool
    """Whether images are really made, by whole network calls."""

    def each(self, rule: Callable[..., Any], *columns: Any) -> Any:
        """The rule's answer for every VMU."""
        ...

    def total(self, values: Any) -> Any:
        """The sum over the VMUs."""
        ...

    def spread(self, value: Any) -> Any:
        """A number of each market, beside the numbers of each VMU."""
        ...

    def gain(self, steps: Any) -> Any:
        """SSIM(S) − SSIM(0) of every VMU's steps."""
        ...

    def quality(self, steps: Any) -> Any:
        """SSIM(S) of every VMU's steps."""
        ...

    def in_actions(self, steps: Any) -> Any:
        """Purchases as the actions of an environment can name them."""
        ...


class Columns:
    """VMUs along one axis of arrays or tensors.

    Args:
        market: one market or a batch.
        axis: of VMUs: -1, as in the parameters of a market, or 0, where sums over them are fastest.
        single: whether purchases are single-precision numbers, as an environment's actions are.
        before: the layout of an earlier market, from which is taken what has not changed.
    """

    def __init__(
        self, market: Market, axis: int = -1, single: bool = False, before: Columns | None = None
    ) -> None:
        self.market, self._axis, self._single = market, axis, single
        self.cost, self.capacity = market.cost, market.capacity
        before = _same_model(market, before)
        if axis == 0:
            self.satisfaction, self.active = _first(market.satisfaction), _first(market.active)
            self.ssim = before.ssim if before is not None else market.ssim.map(_first)
            self.min_steps, self.max_steps = market.min_steps, market.max_steps
        else:
            self.satisfaction, self.active = market.satisfaction, market.active
            self.ssim = market.ssim
            self.min_steps = market.per_vmu(market.min_steps)
            self.max_steps = market.per_vmu(market.max_steps)
        self.whole_calls = _whole_calls(market.ssim)

    def each(self, rule: Callable[..., Any], *columns: Any) -> Any:
        """The rule on whole arrays."""
        return rule(*columns)

    def total(self, values: Any) -> Any:
        """The sum over the axis of VMUs; of NumPy arrays in double precision."""
        return total(values, self._axis)

    def gain(self, steps: Any) -> Any:
        """By the market's model."""
        return self.ssim.gain(steps)

    def quality(self, steps: Any) -> Any:
        """By the market's model."""
        return self.ssim(steps)

    def spread(self, value: Any) -> Any:
        """(…) as (…, 1), or as it is where the axis of VMUs comes first."""
        return value[..., None] if self._axis and is_array(value) and value.ndim else value

    def in_actions(self, steps: Any) -> Any:
        """In single precision, where purchases are."""
        return steps.astype(np.float32) if self._single else steps


class Floats:
    """VMUs one by one, as lists of Python floats; one market of NumPy.

    Args:
        market: one market.
        before: the layout of an earlier market, from which is taken what has not changed.
    """

    def __init__(self, market: Market, before: Floats | None = None) -> None:
        self.market = market
        self.cost = market.cost
        self.capacity = None if market.capacity is None else float(market.capacity)
        self.satisfaction: list[float] = market.satisfaction.tolist()
        before = _same_model(market, before)
        self.ssim: list[Any] = before.ssim if before is not None else _models(market)
        self.min_steps, self.max_steps = repeat(market.min_steps), repeat(market.max_steps)
        self.active = None if market.active is None else market.active.tolist()
        self.whole_calls = _whole_calls(market.ssim)

    # Builtins as they are: a call of ours would cost as much as they do.
    total: Any = staticmethod(sum)
    spread: Any = staticmethod(repeat)

    def each(self, rule: Callable[..., Any], *columns: Any) -> list[Any]:
        """The rule on one VMU after the other."""
        return list(map(rule, *columns))

    def gain(self, steps: list[float]) -> list[float]:
        """By each VMU's own model."""
        return [ssim.gain(s) for ssim, s in zip(self.ssim, steps, strict=True)]

    def quality(self, steps: list[float]) -> list[float]:
        """By each VMU's own model."""
        return [ssim(s) for ssim, s in zip(self.ssim, steps, strict=True)]

    def in_actions(self, steps: list[float]) -> list[float]:
        """Rounded to single precision."""
        return array("f", steps).tolist()  # on a few numbers faster than NumPy


_L = TypeVar("_L", Columns, Floats)


def _same_model(market: Market, before: _L | None) -> _L | None:
    """The earlier layout, if its market has the same SSIM model."""
    return before if before is not None and before.market.ssim is market.ssim else None


def _whole_calls(model: Any) -> bool:
    # Asked once for a class of models: it takes longer than to settle a round.
    kind = type(model)
    if kind not in _LIVE:
        _LIVE[kind] = isinstance(model, LiveSSIM)
    return _LIVE[kind]


_LIVE: dict[type, bool] = {}


def _first(value: Any) -> Any:
    """(K,) as (K, 1), (N, K) as (K, N), one for all VMUs (N, 1) as (1, N)."""
    if ndim(value) == 0:  # None too
        return value
    return value[:, None] if value.ndim == 1 else np.ascontiguousarray(value.T)


def _models(market: Market) -> list[Any]:
    """The SSIM model of each VMU on its own."""
    if not any(ndim(value) for value in market.ssim.parameters):
        return [market.ssim] * market.K

    def of_vmu(k: int) -> Any:
        return lambda value: float(np.broadcast_to(value, (market.K,))[k])

    return [market.ssim.map(of_vmu(k)) for k in range(market.K)]
