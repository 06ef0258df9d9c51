"""The best price of one provider against given prices of the others, and a proof of how good it is.

A provider's demand D falls in its own price. So on an interval [a, b] of prices its utility is at
most (b − c)·D(a), and bounds of D′ there give lines from both ends below which it stays. Branch and
bound with these finds the global maximum, and an upper bound that holds for every price. Rounding
of floating-point numbers is no part of the proof.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from aigc_market import _checks
from aigc_market.competition.batches import checked, in_parts
from aigc_market.competition.response import EPS, Bounds, OwnDemand, Profiles
from aigc_market.market import Competition
from aigc_market.rules import asp_utility


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
        market: one market or a batch, of NumPy arrays.
        seat: the provider's number, 0 to M − 1.
        prices: (…, M) unit prices of all; the provider's own is only where the search begins.
        tolerance: how far the upper bound may be above the utility, as a share of it.

    Returns:
        Price, utility and upper bound, (…) each.

    Raises:
        TypeError, ValueError: an unknown seat, prices that are not M finite numbers above zero, a
            tolerance that is not above zero, or tensors.
    """
    market, prices = checked(market, prices)
    seat = _checks.integer("seat", seat, at_least=0)
    if seat >= market.M:
        raise ValueError(f"seat must be below M = {market.M}, got {seat}")
    tolerance = _checks.number("tolerance", tolerance, above=0)

    def search(market: Competition, prices: np.ndarray) -> Deviation:
        return best_price(Profiles(market), seat, prices.T, tolerance)

    return Deviation(*in_parts(market, prices, search))


def deviation_gains(market: Competition, prices: Any, tolerance: float = 1e-6) -> Any:
    """What each provider could gain by another price while the others keep theirs.

    Args:
        market: one market or a batch, of NumPy arrays.
        prices: (…, M) unit prices.
        tolerance: as for `best_deviation`.

    Returns:
        (…, M) gains, 0 or above.

    Raises:
        TypeError, ValueError: as `best_deviation`.
    """
    market, prices = checked(market, prices)
    tolerance = _checks.number("tolerance", tolerance, above=0)

    def search(market: Competition, prices: np.ndarray) -> tuple[np.ndarray]:
        return (gains(Profiles(market), prices.T, tolerance).found.T,)

    return in_parts(market, prices, search)[0]


def nash_conv(market: Competition, prices: Any) -> Any:
    """NashConv, the sum of all `deviation_gains`: 0 only at a Nash equilibrium.

    Args and raises: as `deviation_gains`. Returns: (…).
    """
    return deviation_gains(market, prices).sum(axis=-1)


class Gains(NamedTuple):
    """Of deviations from N profiles of prices; (M, N) each."""

    earned: np.ndarray
    """Utilities of the profile."""
    found: np.ndarray
    """What the best deviation found gains."""
    bound: np.ndarray
    """What no deviation gains more than."""


def gains(profiles: Profiles, prices: np.ndarray, tolerance: float) -> Gains:
    """Best deviations of all providers from prices (M, N)."""
    earned = profiles.utilities(prices)
    best = [best_price(profiles, seat, prices, tolerance) for seat in range(profiles.M)]
    _, utility, bound = map(np.stack, zip(*best, strict=True))
    return Gains(earned, np.maximum(utility - earned, 0.0), np.maximum(bound - earned, 0.0))


def rough_reply(demand: OwnDemand, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best of some prices, and what it earns: a best reply all but always, without a proof.

    It looks at prices over the whole range, at more of them near `near` (N,), and at those at which
    demand breaks. Many times faster than `best_price`.
    """
    low, high = demand.cost, demand.max_price
    breaks = demand.profiles.breaks(demand.seat, _BREAKS)
    breaks = np.broadcast_to(breaks, (len(breaks), len(near)))
    tried = np.concatenate([_even(low, high), _graded(near, low, high), breaks])
    return _most(tried, demand.earned(tried))


_BREAKS = 128  # all of them where VMUs are few; with many VMUs each break is small


def best_price(profiles: Profiles, seat: int, prices: np.ndarray, tolerance: float) -> Deviation:
    """`best_deviation` from prices (M, N): branch and bound over [c, p_max]."""
    demand = OwnDemand(profiles, seat, prices)
    at, best, roof, low = where_scarce(demand)
    high = demand.max_price
    guess = np.clip(prices[seat], low, high)
    at, best = _better(at, best, guess, demand.earned(guess[None])[0])
    seen = demand.between(_partition(at, low, high))
    utility = demand.utility(seen.edges, seen.demand)
    if np.any(_most(seen.edges, utility)[1] > best * (1 + _FLAT)):  # the guess is not the top
        at, best = _better(at, best, *_climb(demand, seen.edges[:, 0], utility[:, 0]))
        seen = demand.between(_partition(at, low, high))
    whole, climbed, where, tried = demand, best.copy(), np.arange(len(best)), 0
    while True:
        utility = demand.utility(seen.edges, seen.demand)
        tried += seen.edges[..., 0].size
        at[where], best[where] = _better(at[where], best[where], *_most(seen.edges, utility))
        bound = _bound(seen, utility, demand)
        target = best[where] + tolerance / 2 * np.maximum(best[where], _LEAST)
        left, right = seen.edges[:-1], seen.edges[1:]
        alive = (bound > target) & (right - left > _NEXT * right)
        done = np.max(np.where(alive, 0.0, bound), axis=(0, 1))
        roof[where] = np.maximum(roof[where], done)
        alive, bound, left, right = (a.reshape(-1, len(where)) for a in (alive, bound, left, right))
        counts = np.sum(alive, axis=0)
        most = np.max(counts)
        if not most or tried > _TRIALS:
            rest = np.max(np.where(alive, bound, 0.0), axis=0)
            roof[where] = np.maximum(roof[where], rest)
            break
        order = np.argsort(np.where(alive, np.negative(bound), np.inf), axis=0)[:most]
        left, right, alive = (np.take_along_axis(a, order, axis=0) for a in (left, right, alive))
        right = np.where(alive, right, left)  # an empty interval keeps the arrays rectangular
        if np.count_nonzero(counts) * 2 <= len(where):
            rest = np.flatnonzero(counts)
            where, left, right = where[rest], left[:, rest], right[:, rest]
            demand = demand.some(rest)
        steps = np.arange(_SPLIT) / _SPLIT
        inner = left + (right - left) * steps[:, None, None]
        seen = demand.between(np.concatenate([inner, right[None]]))
    if np.any(best > climbed):
        near = np.sort(_graded(at, low, high), axis=0)
        at, best = _better(at, best, *_climb(whole, near, whole.earned(near)))
    return Deviation(at, best, np.maximum(roof, best))


_GRID = 17  # prices at which every search looks first
_SPLIT = 8  # an interval that may hold something better is cut into so many
_TRIALS = 100_000  # prices for each market, after which the bound is given as it stands
_NEXT = 8 * EPS  # intervals of this relative width are not cut
_FLAT = 1e-12  # utilities that differ by less, relative to themselves, are equally good
_LEAST = 1e-290  # relative to nothing no tolerance is met


def _partition(centre: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(E, 1, N) prices from low to high in ascending order, denser near the centre."""
    return np.sort(np.concatenate([_even(low, high), _graded(centre, low, high)]), axis=0)[:, None]


def _even(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(P, N) even steps from low to high."""
    inner = low + (high - low) * (np.arange(_GRID - 1) / (_GRID - 1))[:, None]
    return np.concatenate([inner, high[None]])


def _graded(centre: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(P, N) prices that are the denser the nearer they are to the centre."""
    away = (high - low) * _AWAY[:, None]
    return np.clip(np.concatenate([centre - away, centre[None], centre + away]), low, high)


_AWAY = 2.5e-4 * 1.6 ** np.arange(14)  # as a share of the range


def _better(
    at: np.ndarray, best: np.ndarray, other_at: np.ndarray, other: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return np.where(other > best, other_at, at), np.maximum(best, other)


def _most(edges: np.ndarray, utility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where, over all axes but the last, the utility is highest, and how high."""
    edges, utility = (a.reshape(-1, a.shape[-1]) for a in (edges, utility))
    first = np.argmax(utility, axis=0)[None]
    at, best = (np.take_along_axis(a, first, axis=0)[0] for a in (edges, utility))
    return at, best


def _bound(bounds: Bounds, utility: np.ndarray, demand: OwnDemand) -> np.ndarray:
    """What the utility does not exceed between neighbouring edges, from what it is there."""
    a, b, at_a, at_b = bounds.edges[:-1], bounds.edges[1:], utility[:-1], utility[1:]
    width = b - a
    # No U′ between a and b is above `rise`, no −U′ above `fall`.
    rise = np.maximum(bounds.demand[:-1] + (a - demand.cost) * bounds.gentlest, 0.0)
    fall = np.maximum(-(bounds.demand[1:] + (b - demand.cost) * bounds.steepest), 0.0)
    most = np.minimum(demand.utility(b, bounds.demand[:-1]), at_a + width * rise)
    total = rise + fall
    crossing = (at_a * fall + at_b * rise + rise * fall * width) / np.where(total > 0, total, 1.0)
    crossing = np.where(total > 0, crossing, np.maximum(at_a, at_b))
    return np.where(bounds.jumps, most, np.minimum(most, crossing))


def where_scarce(demand: OwnDemand) -> tuple[np.ndarray, ...]:
    """The prices at which VMUs ask for more than the capacity: there the highest is best.

    Returns:
        That price, what it earns, what none of these earns more than, and where the others begin.
        Both prices are c where the capacity is enough for all, both p_max where it is for none.
    """
    cost, capacity = demand.cost, demand.capacity
    if capacity is None:
        nothing = np.zeros_like(cost)
        return cost, nothing, nothing, cost

    def excess(prices: np.ndarray) -> np.ndarray:
        return demand.at(prices[None])[0] - capacity

    above, below = excess(cost), excess(demand.max_price)
    low = np.where(below > 0, demand.max_price, cost)
    high = np.where(above <= 0, low, demand.max_price)
    scarce, low = _sign_change(excess, low, high, above, below)
    earned = demand.earned(scarce[None])[0]
    return scarce, earned, np.where(low > cost, asp_utility(low, cost, capacity), earned), low


def _climb(
    demand: OwnDemand, tried: np.ndarray, utility: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """From the best of some prices (P, N), in ascending order, to the top of its hill."""
    first = np.argmax(utility, axis=0)[None]

    def take(array: np.ndarray, step: int) -> np.ndarray:
        index = np.clip(first + step, 0, len(tried) - 1)
        return np.take_along_axis(array, index, axis=0)[0]

    at, best = take(tried, 0), take(utility, 0)
    here = demand.marginal(at)
    low, high = np.where(here > 0, at, take(tried, -1)), np.where(here > 0, take(tried, 1), at)
    above, below = demand.marginal(low), demand.marginal(high)
    closed = (above <= 0) | (below > 0)
    low, high = np.where(closed, at, low), np.where(closed, at, high)
    top, _ = _sign_change(demand.marginal, low, high, above, below)
    tops = [top]
    if not demand.smooth:  # hills end in cliffs; rounding must not push the price over the edge
        for jump in (demand.next_jump(at), demand.next_jump(top)):
            tops += [jump, np.maximum(jump * (1 - 4 * EPS), demand.cost)]
    tops = np.stack(tops)
    return _better(at, best, *_most(tops, demand.earned(tops)))


def _sign_change(
    function: Callable[[np.ndarray], np.ndarray],
    low: np.ndarray,
    high: np.ndarray,
    at_low: np.ndarray,
    at_high: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers (N,), all but neighbours, between which a function falls through zero.

    It is above zero at `low` and not at `high`, or the two are equal and stay what they are. By
    regula falsi (Illinois), with a bisection every third time, so that jumps are found too.
    """
    side = np.zeros_like(low)
    for trial in range(_CUTS):
        nearest = _SHARP * np.abs(high)
        wide = high - low > 2 * nearest
        if not np.any(wide):
            break
        middle = (low + high) / 2
        if trial % 3 < 2:
            drop = at_low - at_high
            secant = (high * at_low - low * at_high) / np.where(drop > 0, drop, 1.0)
            middle = np.clip(secant, low + nearest, high - nearest)
        middle = np.where(wide, middle, low)
        value = function(middle)
        above, below = wide & (value > 0), wide & (value <= 0)
        at_high = np.where(above & (side > 0), at_high / 2, at_high)
        at_low = np.where(below & (side < 0), at_low / 2, at_low)
        low, at_low = np.where(above, middle, low), np.where(above, value, at_low)
        high, at_high = np.where(below, middle, high), np.where(below, value, at_high)
        side = np.where(above, 1.0, np.where(below, -1.0, side))
    return low, high


_SHARP = 5e-14  # relative to themselves
_CUTS = 200
