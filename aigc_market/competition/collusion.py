"""The cartel: prices that maximise the providers' total utility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from aigc_market import _checks
from aigc_market._arrays import holds, namespace
from aigc_market.competition.batches import flatten, in_parts
from aigc_market.competition.game import rational, settle_in, together
from aigc_market.competition.layouts import Columns
from aigc_market.competition.market import Competition
from aigc_market.equilibrium import solve


@dataclass(frozen=True, eq=False)
class Cartel:
    """What providers would do together. Fields have the market's batch axes in front."""

    prices: Any
    """(…, M) the prices that maximise Σ_m U_m, as far as the search sees."""
    asp_utility: Any
    """(…, M) U_m."""
    vmu_utility: Any
    """(…, K) U_k."""
    welfare: Any
    """(…) Σ_k U_k."""


def cartel(market: Competition) -> Cartel:
    """Prices that maximise the providers' total utility Σ_m U_m, by a global search.

    The total is neither concave nor free of jumps, so nothing is proved here: it is tried at
    common markups, at points spread evenly over all prices and with some providers priced out, and
    from the best of these each price, all together, and the direction of the last change are
    searched in turn over their whole range. With one provider and no outside option it is
    `aigc_market.solve`.

    Args:
        market: one market or a batch.

    Returns:
        Prices and what they pay, in the library of the market's arrays; gradients do not flow
        through it.

    Raises:
        TypeError: no `Competition`.
    """
    _checks.instance("market", market, Competition, "a Competition")
    batch = flatten(*together(market, market.cost))
    return Cartel(*(batch.answer(array) for array in in_parts(batch, _cartel)))


def _cartel(market: Competition, like: Any) -> tuple[Any, ...]:
    """`cartel` of N markets; `like` is (N, M)."""
    xp = namespace(like)
    low, high = market.cost + 0 * like, market.max_price + 0 * like
    if market.M == 1 and market.outside is None:
        prices = solve(market.provider(0)).price + 0 * like[..., 0]
        prices = prices[..., None]
    else:
        prices = _search(market, low, high)
    layout = Columns(market)
    settled = settle_in(layout, prices, *rational(layout, prices))
    utility = settled.vmu_utility()
    return prices, settled.asp_utility, utility, xp.sum(utility, axis=-1)


def _total(market: Competition, prices: Any) -> Any:
    """Σ_m U_m at prices (P, N, M); (P, N)."""
    xp = namespace(prices)
    layout = Columns(market)
    size = max(1, 2**17 // (prices.shape[1] * market.M * market.K))
    rows = []
    for first in range(0, prices.shape[0], size):
        some = prices[first : min(first + size, prices.shape[0]), ...]
        paid = settle_in(layout, some, *rational(layout, some)).asp_utility
        rows.append(xp.sum(paid, axis=-1))
    return xp.concat(rows)


def _search(market: Competition, low: Any, high: Any) -> Any:
    xp = namespace(low)
    device = array_api_compat.device(low)
    shares = xp.asarray(_starts(market.M), dtype=low.dtype, device=device)  # (P, M)
    prices = low + shares[:, None, :] * (high - low)
    value = _total(market, prices)
    order = xp.argsort(-value, axis=0)[:_KEPT, :]
    at = xp.take_along_axis(
        prices, order[..., None] + 0 * xp.astype(prices[:1], order.dtype), axis=0
    )
    value = xp.take_along_axis(value, order, axis=0)
    steps = 2.0 ** -np.arange(0, 34, 1.0)
    line = xp.asarray(np.concatenate([-steps, steps]), dtype=low.dtype, device=device)
    directions = [*np.eye(market.M), np.ones(market.M)]
    for _ in range(_SWEEPS):
        before_at, before = at, value
        for direction in directions:
            way = xp.asarray(direction, dtype=low.dtype, device=device) * (high - low)
            at, value = _along(market, at, value, way, line, low, high)
        at, value = _along(market, at, value, at - before_at, 8 * line, low, high)
        if holds(value <= before * (1 + 1e-15)):
            break
    first = (
        xp.argmax(value, axis=0)[None, :, None] + 0 * xp.zeros(at.shape[1:], dtype=xp.int64)[None]
    )
    return xp.take_along_axis(at, first, axis=0)[0, ...]


_KEPT = 4
_SWEEPS = 100


def _along(
    market: Competition, at: Any, value: Any, way: Any, line: Any, low: Any, high: Any
) -> Any:
    """The best on lines through points (S, N, M), among steps (P,) of `way`."""
    xp = namespace(at)
    tried = at + line[:, None, None, None] * way
    tried = xp.minimum(xp.maximum(tried, low), high)
    P, S, N, M = tried.shape
    total = xp.reshape(_total(market, xp.reshape(tried, (P * S, N, M))), (P, S, N))
    first = xp.argmax(total, axis=0)[None, ...]
    best = xp.take_along_axis(total, first, axis=0)[0, ...]
    index = first[..., None] + xp.zeros((1, S, N, M), dtype=first.dtype)
    point = xp.take_along_axis(tried, index, axis=0)[0, ...]
    better = best > value
    return xp.where(better[..., None], point, at), xp.where(better, best, value)


def _starts(M: int) -> np.ndarray:
    """(P, M) points of the unit cube."""
    common = np.linspace(0, 1, 33)[:, None] * np.ones(M)
    rows = [common]
    if M <= 5:
        for mask in range(1, 2**M - 1):
            out = np.array([mask >> m & 1 for m in range(M)], bool)
            rows.append(np.where(out, 1.0, common[1::2]))
    else:
        for m in range(M):
            rows.append(np.where(np.arange(M) == m, 1.0, common[1::2]))
    rows.append(_halton(16 * M, M))
    return np.concatenate(rows)


def _halton(count: int, axes: int) -> np.ndarray:
    """(count, axes) points that fill the unit cube evenly."""
    points = np.empty((count, axes))
    for axis, base in enumerate(_primes(axes)):
        for i in range(count):
            value, share, n = 0.0, 1.0, i + 1
            while n:
                share /= base
                value += share * (n % base)
                n //= base
            points[i, axis] = value
    return points


def _primes(count: int) -> list[int]:
    found: list[int] = []
    n = 2
    while len(found) < count:
        if all(n % prime for prime in found):
            found.append(n)
        n += 1
    return found
