"""The best price of one provider against given prices of the others, and a proof of how good it is.

A provider's demand D falls in its own price. So on an interval [a, b] of prices its utility is at
most (b − c)·D(a), and bounds of D′ there give lines from both ends below which it stays. Branch and
bound with these finds the global maximum, and an upper bound that holds for every price. Rounding
of floating-point numbers is no part of the proof.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from aigc_market import _checks
from aigc_market._arrays import holds, namespace
from aigc_market.competition.batches import Batch, flatten, in_parts
from aigc_market.competition.game import rational, settle_in, together
from aigc_market.competition.layouts import Columns
from aigc_market.competition.market import Competition
from aigc_market.competition.response import Bounds, OwnDemand
from aigc_market.game import asp_utility


class Deviation(NamedTuple):
    """The best that a provider can do against the others' prices."""

    price: Any
    """(…) its best price."""
    utility: Any
    """(…) what it earns there."""
    upper_bound: Any
    """(…) no price within [c, p_max] earns more."""


def best_deviation(
    market: Competition, seat: int, prices: Any, tolerance: float = 1e-6
) -> Deviation:
    """The best price of one provider against the others', by branch and bound.

    Args:
        market: one market or a batch.
        seat: the provider's number, 0 to M − 1.
        prices: (…, M) unit prices of all; the provider's own is only where the search begins.
        tolerance: how far the upper bound may be above the utility, as a share of it.

    Returns:
        Price, utility and upper bound, (…) each.

    Raises:
        TypeError, ValueError: an unknown seat, prices that are not M finite numbers above zero, or
            a tolerance that is not above zero.
    """
    batch = _asked(market, prices)
    seat = _checks.integer("seat", seat, at_least=0)
    if seat >= market.M:
        raise ValueError(f"seat must be below M = {market.M}, got {seat}")
    tolerance = _checks.number("tolerance", tolerance, above=0)

    def search(market: Competition, prices: Any) -> tuple[Any, ...]:
        return best_price(market, seat, prices, tolerance)

    return Deviation(*(batch.answer(array) for array in in_parts(batch, search)))


def deviation_gains(market: Competition, prices: Any, tolerance: float = 1e-6) -> Any:
    """What each provider could gain by another price while the others keep theirs.

    Args:
        market: one market or a batch.
        prices: (…, M) unit prices.
        tolerance: as for `best_deviation`.

    Returns:
        (…, M) gains, 0 or above.

    Raises:
        TypeError, ValueError: as `best_deviation`.
    """
    batch = _asked(market, prices)
    tolerance = _checks.number("tolerance", tolerance, above=0)

    def search(market: Competition, prices: Any) -> tuple[Any, ...]:
        return (gains(market, prices, tolerance).found,)

    return batch.answer(*in_parts(batch, search))


def nash_conv(market: Competition, prices: Any) -> Any:
    """NashConv, the sum of all `deviation_gains`: 0 only at a Nash equilibrium.

    Args and raises: as `deviation_gains`. Returns: (…).
    """
    found = deviation_gains(market, prices)
    return namespace(found).sum(found, axis=-1)


def _asked(market: Competition, prices: Any) -> Batch:
    return flatten(*together(market, prices))


class Gains(NamedTuple):
    """Of deviations from N profiles of prices; (N, M) each."""

    earned: Any
    """Utilities of the profile."""
    found: Any
    """What the best deviation found gains."""
    bound: Any
    """What no deviation gains more than."""
    replies: Any
    """The best replies found."""


def gains(market: Competition, prices: Any, tolerance: float) -> Gains:
    """Best deviations of all seats in N markets, prices (N, M)."""
    xp = namespace(prices)
    layout = Columns(market, front=True)
    front = xp.permute_dims(prices, (1, 0))
    earned = settle_in(layout, front, *rational(layout, front)).asp_utility
    earned = xp.permute_dims(earned, (1, 0))
    columns = [best_price(market, seat, prices, tolerance) for seat in range(market.M)]
    price, utility, bound = (xp.stack(list(c), axis=-1) for c in zip(*columns, strict=True))
    nothing = 0 * earned
    return Gains(
        earned,
        xp.maximum(utility - earned, nothing),
        xp.maximum(bound - earned, nothing),
        price,
    )


def best_price(market: Competition, seat: int, prices: Any, tolerance: float) -> Deviation:
    """`best_deviation` of N markets, prices (N, M)."""
    front = namespace(prices).permute_dims(prices, (1, 0))
    demand = OwnDemand(market, seat, front)
    return _search(demand, front[seat, ...], tolerance)


def rough_reply(demand: OwnDemand, near: Any) -> tuple[Any, Any]:
    """The best of some prices, and what it earns: a best reply all but always, without a proof.

    It looks at prices over the whole range, at more of them near `near` (N,), and at those at which
    demand breaks. Many times faster than `best_price`.
    """
    low, high = demand.cost, demand.max_price
    parts = [_even(low, high), _graded(near, low, high), demand.breaks(_BREAKS)]
    tried = namespace(near).concat(parts, axis=0)
    return _most(tried, demand.utility(tried, demand.at(tried)))


_BREAKS = 128  # all of them where VMUs are few; with many VMUs each break is small


def _search(demand: OwnDemand, guess: Any, tolerance: float) -> Deviation:
    """Branch and bound over [c, p_max], from a guess (N,)."""
    xp = namespace(guess)
    at, best, roof, low = _where_scarce(demand)
    high = demand.max_price
    guess = xp.minimum(xp.maximum(guess, low), high)
    at, best = _better(at, best, guess, demand.utility(guess, demand.at(guess[None, ...])[0, ...]))
    edges = _partition(at, low, high)
    bounds = demand.between(edges)
    utility = demand.utility(edges, bounds.demand)
    if not holds(_most(edges, utility)[1] <= best * (1 + _FLAT)):  # the guess is not the top
        at, best = _better(at, best, *_climb(demand, edges[:, 0, :], utility[:, 0, :]))
        edges = _partition(at, low, high)
        bounds = demand.between(edges)
        utility = demand.utility(edges, bounds.demand)
    whole, climbed = demand, best
    where = xp.arange(best.shape[0], device=array_api_compat.device(best))
    finished: list[tuple[Any, ...]] = []
    tried = 0
    while True:
        tried += edges.shape[0] * edges.shape[1]
        at, best = _better(at, best, *_most(edges, utility))
        bound = _bound(edges, utility, bounds, demand)
        target = best + tolerance / 2 * xp.maximum(best, 0 * best + _LEAST)
        left, right = edges[:-1, ...], edges[1:, ...]
        alive = (bound > target) & (right - left > _NEXT * right)
        roof = xp.maximum(roof, xp.max(xp.where(alive, 0 * bound, bound), axis=(0, 1)))
        flat = (-1, best.shape[0])
        alive, bound, left, right = (
            xp.reshape(array, flat) for array in (alive, bound, left, right)
        )
        counts = xp.sum(xp.astype(alive, xp.int64), axis=0)
        most = int(xp.max(counts))
        if not most or tried > _TRIALS:
            roof = xp.maximum(roof, xp.max(xp.where(alive, bound, 0 * bound), axis=0))
            finished.append((where, at, best, roof))
            break
        order = xp.argsort(xp.where(alive, -bound, 0 * bound + float("inf")), axis=0)[:most, :]
        left, right, alive = (xp.take_along_axis(a, order, axis=0) for a in (left, right, alive))
        right = xp.where(alive, right, left)  # an empty interval keeps the arrays rectangular
        if int(xp.sum(xp.astype(counts > 0, xp.int64))) * 2 <= best.shape[0]:
            (rest,), (done,) = xp.nonzero(counts > 0), xp.nonzero(counts == 0)
            finished.append(tuple(a[done] for a in (where, at, best, roof)))
            where, at, best, roof = (a[rest] for a in (where, at, best, roof))
            left, right = left[:, rest], right[:, rest]
            demand = demand.lanes(rest)
        steps = xp.arange(_SPLIT, dtype=left.dtype, device=array_api_compat.device(left)) / _SPLIT
        inner = left[None, ...] + (right - left)[None, ...] * steps[:, None, None]
        edges = xp.concat([inner, right[None, ...]], axis=0)
        bounds = demand.between(edges)
        utility = demand.utility(edges, bounds.demand)
    where, at, best, roof = (xp.concat(list(c)) for c in zip(*finished, strict=True))
    order = xp.argsort(where)
    at, best, roof = at[order], best[order], roof[order]
    if not holds(best <= climbed):
        look = xp.sort(_graded(at, low, high), axis=0)
        at, best = _better(at, best, *_climb(whole, look, whole.utility(look, whole.at(look))))
    return Deviation(at, best, xp.maximum(roof, best))


_GRID = 17  # prices at which every search looks first
_SPLIT = 8  # an interval that may hold something better is cut into so many
_TRIALS = 100_000  # prices for each market, after which the bound is given as it stands
_NEXT = 8 * float(np.finfo(np.float64).eps)  # intervals of this relative width are not cut
_FLAT = 1e-12  # utilities that differ by less, relative to themselves, are equally good
_LEAST = 1e-290  # relative to nothing no tolerance is met


def _partition(centre: Any, low: Any, high: Any) -> Any:
    """(E, 1, N) prices from low to high in ascending order, denser near the centre."""
    xp = namespace(low)
    return xp.sort(xp.concat([_even(low, high), _graded(centre, low, high)]), axis=0)[:, None, :]


def _even(low: Any, high: Any) -> Any:
    """(P, N) even steps from low to high."""
    xp = namespace(low)
    steps = xp.arange(_GRID - 1, dtype=low.dtype, device=array_api_compat.device(low))
    inner = low + (high - low) * (steps / (_GRID - 1))[:, None]
    return xp.concat([inner, high[None, ...]], axis=0)


def _graded(centre: Any, low: Any, high: Any) -> Any:
    """(P, N) prices that are the denser the nearer they are to the centre."""
    xp = namespace(low)
    steps = xp.arange(_GRADES, dtype=low.dtype, device=array_api_compat.device(low))
    away = (high - low) * (_FINEST * _RATIO**steps)[:, None]
    prices = xp.concat([centre - away, centre[None, ...], centre + away], axis=0)
    return xp.minimum(xp.maximum(prices, low), high)


_GRADES, _FINEST, _RATIO = 14, 2.5e-4, 1.6


def _better(at: Any, best: Any, other_at: Any, other: Any) -> tuple[Any, Any]:
    xp = namespace(best)
    return xp.where(other > best, other_at, at), xp.maximum(best, other)


def _most(edges: Any, utility: Any) -> tuple[Any, Any]:
    """Where, over all axes but the last, the utility is highest, and how high."""
    xp = namespace(edges)
    edges, utility = (xp.reshape(a, (-1, a.shape[-1])) for a in (edges, utility))
    first = xp.argmax(utility, axis=0)[None, ...]
    at, best = (xp.take_along_axis(a, first, axis=0)[0, ...] for a in (edges, utility))
    return at, best


def _bound(edges: Any, utility: Any, bounds: Bounds, demand: OwnDemand) -> Any:
    """What the utility does not exceed between neighbouring edges."""
    xp = namespace(edges)
    a, b, at_a, at_b = edges[:-1, ...], edges[1:, ...], utility[:-1, ...], utility[1:, ...]
    width, nothing = b - a, 0 * at_a
    rise = bounds.demand[:-1, ...] + (a - demand.cost) * bounds.gentlest
    rise = xp.maximum(rise, nothing)  # no U′ between a and b is above
    fall = -(bounds.demand[1:, ...] + (b - demand.cost) * bounds.steepest)
    fall = xp.maximum(fall, nothing)  # no −U′ is above
    most = xp.minimum(demand.utility(b, bounds.demand[:-1, ...]), at_a + width * rise)
    total = rise + fall
    crossing = (at_a * fall + at_b * rise + rise * fall * width) / xp.where(total > 0, total, 1.0)
    crossing = xp.where(total > 0, crossing, xp.maximum(at_a, at_b))
    return xp.where(bounds.jumps, most, xp.minimum(most, crossing))


def _where_scarce(demand: OwnDemand) -> tuple[Any, Any, Any, Any]:
    """The prices at which VMUs ask for more than the capacity: there the highest is best.

    Returns:
        That price, what it earns, what none of these earns more than, and where the others begin.
    """
    cost, capacity = demand.cost, demand.capacity
    if capacity is None:
        return cost, 0 * cost, 0 * cost, cost
    xp = namespace(cost)
    scarce, low = clearing_prices(demand)
    earned = demand.utility(scarce, demand.at(scarce[None, ...])[0, ...])
    return scarce, earned, xp.where(low > cost, asp_utility(low, cost, capacity), earned), low


def clearing_prices(demand: OwnDemand) -> tuple[Any, Any]:
    """The neighbouring prices (N,) between which demand falls to the capacity.

    Both are c where that is enough for all, both p_max where it is for none.
    """
    xp = namespace(demand.cost)

    def excess(prices: Any) -> Any:
        return demand.at(prices[None, ...])[0, ...] - demand.capacity

    low, high = demand.cost, demand.max_price
    above, below = excess(low), excess(high)
    low = xp.where(below > 0, high, low)
    high = xp.where(above <= 0, low, high)
    return sign_change(excess, low, high, above, below)


def _climb(demand: OwnDemand, look: Any, utility: Any) -> tuple[Any, Any]:
    """From the best of some prices (P, N), in ascending order, to the top of its hill."""
    xp = namespace(look)
    first = xp.argmax(utility, axis=0)[None, ...]
    last = look.shape[0] - 1

    def take(array: Any, step: int) -> Any:
        index = xp.clip(first + step, 0, last)
        return xp.take_along_axis(array, index, axis=0)[0, ...]

    at, best = take(look, 0), take(utility, 0)

    def slope(prices: Any) -> Any:
        found = demand.slopes(prices[None, ...])
        return (found.demand + (prices - demand.cost) * found.change)[0, ...]

    here = slope(at)
    low, high = xp.where(here > 0, at, take(look, -1)), xp.where(here > 0, take(look, 1), at)
    above, below = slope(low), slope(high)
    closed = (above <= 0) | (below > 0)
    low, high = xp.where(closed, at, low), xp.where(closed, at, high)
    top, _ = sign_change(slope, low, high, above, below)
    tops = [top]
    if not demand.smooth:  # hills end in cliffs; rounding must not push the price over the edge
        for jump in (demand.next_jump(at), demand.next_jump(top)):
            tops += [jump, xp.maximum(jump * (1 - 4 * _EPS), demand.cost)]
    tops = xp.stack(tops)
    return _better(at, best, *_most(tops, demand.utility(tops, demand.at(tops))))


def sign_change(
    function: Callable[[Any], Any], low: Any, high: Any, at_low: Any, at_high: Any
) -> tuple[Any, Any]:
    """The numbers (N,), all but neighbours, between which a function falls through zero.

    It is above zero at `low` and not at `high`, or the two are equal and stay what they are. By
    regula falsi (Illinois), with a bisection every third time, so that jumps are found too.
    """
    xp = namespace(low)
    nothing = 0 * low
    side = nothing
    for trial in range(_CUTS):
        nearest = _SHARP * xp.abs(high)
        if holds(high - low <= 2 * nearest):
            break
        middle = (low + high) / 2
        if trial % 3 < 2:
            drop = at_low - at_high
            drop = xp.where(drop > 0, drop, 1.0)
            secant = (high * at_low - low * at_high) / drop
            middle = xp.minimum(xp.maximum(secant, low + nearest), high - nearest)
        wide = high - low > 2 * nearest
        middle = xp.where(wide, middle, low)
        value = function(middle)
        above, below = wide & (value > 0), wide & (value <= 0)
        at_high = xp.where(above & (side > 0), at_high / 2, at_high)
        at_low = xp.where(below & (side < 0), at_low / 2, at_low)
        low, at_low = xp.where(above, middle, low), xp.where(above, value, at_low)
        high, at_high = xp.where(below, middle, high), xp.where(below, value, at_high)
        side = xp.where(above, nothing + 1, xp.where(below, nothing - 1, side))
    return low, high


_EPS = float(np.finfo(np.float64).eps)
_SHARP = 5e-14  # relative to themselves
_CUTS = 200
