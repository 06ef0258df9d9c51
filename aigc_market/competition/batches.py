"""Markets side by side along one axis, a few at a time: how the oracle walks through a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import array_api_compat
import numpy as np

from aigc_market._arrays import convert, is_array, namespace
from aigc_market.competition.market import Competition


@dataclasses.dataclass(frozen=True)
class Batch:
    """Any market, or batch of markets, and prices in them, as N markets in double precision."""

    market: Competition
    """Whose parameters have one leading axis (N, …), or none where all markets share them."""
    prices: Any
    """(N, M)."""
    shape: tuple[int, ...]
    """The leading axes that the answers have."""
    like: Any
    """An array of the library, type and device of the answers."""

    def answer(self, array: Any) -> Any:
        """(N, …) with the leading axes and in the floating type of what was asked."""
        xp = namespace(array)
        array = xp.reshape(array, (*self.shape, *array.shape[1:]))
        if xp.isdtype(array.dtype, "real floating"):
            array = xp.astype(array, self.like.dtype, copy=False)
        return array if array.ndim else array[()]


def flatten(market: Competition, prices: Any) -> Batch:
    """Lay markets and prices out along one axis.

    Args:
        market: one market or a batch.
        prices: (…, M) in the market's library, with leading axes that fit its own.
    """
    like = market.cost
    xp = namespace(like)
    double = xp.zeros((), dtype=xp.float64, device=array_api_compat.device(like))
    shape = np.broadcast_shapes(tuple(prices.shape[:-1]), market.batch_shape)

    def flat(name: str, value: Any) -> Any:
        if not is_array(value):
            return value
        value = _double(value, double)
        own = 1 if name == "ssim" else len(market.axes(name))
        if value.ndim <= own:
            return value
        tail = value.shape[value.ndim - own :] if own else ()
        return xp.reshape(xp.broadcast_to(value, (*shape, *tail)), (-1, *tail))

    prices = xp.broadcast_to(_double(prices, double), (*shape, market.M))
    return Batch(market.map(flat), xp.reshape(prices, (-1, market.M)), shape, like)


def _double(value: Any, like: Any) -> Any:
    """The value alone, without the gradients that it may carry."""
    if hasattr(value, "detach"):
        value = value.detach()
    value = convert(value, like)
    return namespace(value).astype(value, like.dtype, copy=False)


def in_parts(
    batch: Batch, function: Callable[[Competition, Any], tuple[Any, ...]], points: int = 1
) -> list[Any]:
    """function(market, prices) of a few markets at a time, to bound the memory; put together.

    Arrays are (N, …) on both sides.

    Args:
        batch: of markets and prices.
        function: of some of them.
        points: how many times more than usual the function has in its hands at a time.
    """
    count = len(batch.prices)
    size = max(1, elements(batch.prices) // (points * batch.market.K))
    if count <= size:
        return list(function(batch.market, batch.prices))
    rows = []
    for first in range(0, count, size):
        part = slice(first, min(first + size, count))
        rows.append(function(batch.market.lanes(part), batch.prices[part]))
    return [namespace(column[0]).concat(list(column)) for column in zip(*rows, strict=True)]


def blocks(market: Competition, like: Any, points: int = 1) -> Iterator[Competition]:
    """The market with a few of its VMUs at a time, to bound the memory and stay in the caches.

    Args:
        market: N markets.
        like: an array of their library.
        points: how many times fewer VMUs than usual.
    """
    size = elements(like) // points
    for first in range(0, market.K, size):
        part = slice(first, min(first + size, market.K))

        def pick(name: str, value: Any, part: slice = part) -> Any:
            own = name in ("satisfaction", "access_cost") or name == "ssim"
            return value[..., part] if own and np.ndim(value) and value.shape[-1] > 1 else value

        yield market.map(pick).replace(K=part.stop - part.start)


def elements(like: Any) -> int:
    """How many VMUs of all markets are looked at together: as many as fill the caches."""
    return 2**12 if isinstance(like, np.ndarray) else 2**16


def halton(count: int, axes: int) -> np.ndarray:
    """(count, axes) points that fill the unit cube evenly (Halton, 1960)."""
    points = np.empty((count, axes))
    for axis, base in enumerate(_primes(axes)):
        for i in range(count):
            value, share, left = 0.0, 1.0, i + 1
            while left:
                share /= base
                value += share * (left % base)
                left //= base
            points[i, axis] = value
    return points


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found
