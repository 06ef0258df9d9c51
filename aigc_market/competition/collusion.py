"""The cartel: prices that maximise the providers' total utility.

With margins m = p − c, VMU k is worth W = Σ_i m_i·q_i·S_i to the cartel, and by the envelope
theorem

    ∂W/∂p_j = q_j·A_j,  A_j = S_j + m_j·S_j′ + (W − m_j·S_j)·S_j/μ.

Where a capacity binds, its multiplier λ acts as a cost beside c. Arrays are (M, N): of each
provider in each of N markets.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from aigc_market import _checks
from aigc_market._arrays import holds, namespace
from aigc_market.competition.batches import flatten, halton, in_parts
from aigc_market.competition.fixed_point import Profiles, solved, to_clear
from aigc_market.competition.game import rational, settle_in, together
from aigc_market.competition.layouts import Columns
from aigc_market.competition.market import Competition
from aigc_market.equilibrium import solve
from aigc_market.game import asp_utility


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

    The total has several hills, and jumps where SSIM is a table, so this is no proof. The search
    tries common markups, with all providers and with some of them priced out, and points spread
    evenly over all prices, raised to where they clear the capacities; from the best that are apart
    it climbs by Newton's method (with a multiplier for each capacity that binds), and then tries
    every price alone, and all together, over the whole range and at all scales, until nothing is
    better. With one provider and no outside option it is `aigc_market.solve`.

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
    return Cartel(*(batch.answer(array) for array in in_parts(batch, _cartel, points=16)))


def _cartel(market: Competition, like: Any) -> tuple[Any, ...]:
    """`cartel` of N markets; `like` is (N, M)."""
    xp = namespace(like)
    if market.M == 1 and market.outside is None:
        prices = (solve(market.provider(0)).price + 0 * like[:, 0])[:, None]
    else:
        prices = xp.permute_dims(_search(market, xp.permute_dims(like, (1, 0))), (1, 0))
    layout = Columns(market)
    settled = settle_in(layout, prices, *rational(layout, prices))
    utility = settled.vmu_utility()
    return prices, settled.asp_utility, utility, xp.sum(utility, axis=-1)


def _search(market: Competition, like: Any) -> Any:
    """(M, N) prices of N markets."""
    xp = namespace(like)
    M = like.shape[0]
    one = Profiles(market, like)
    low, high = one.cost + 0 * like, one.max_price + 0 * like
    starts = _like(_starts(M), like)
    at = low[:, None, :] + starts[:, :, None] * (high - low)[:, None, :]  # (M, P, N)
    lanes = _lanes(market, starts.shape[1], like)
    at = _lifted(lanes, at)
    value = _total(lanes, at)
    smooth = all(model.linear_demand for model in market.ssim)
    kept = _KEPT if smooth else _KEPT_OF_STEPS
    sold = xp.reshape(lanes.marginals(xp.reshape(at, (M, -1))).demand, at.shape)
    sells = sold > _SELLS * xp.max(sold, axis=0)
    shares = (at - low[:, None, :]) / xp.where(high > low, high - low, 1.0)[:, None, :]
    shares = xp.where(sells, shares, 1.0)  # where a price matters to nobody, it sets none apart
    at = _take(at, _apart(shares, value, _STARTS if smooth else _STARTS_OF_STEPS, 0.08))
    top = None
    for sweep in range(_SWEEPS):
        at, value = _ascend(_lanes(market, at.shape[1], like), at)
        order = _apart(at / high[:, None, :], value, kept, 1e-3)
        at, value = _take(at, order), xp.take_along_axis(value, order, axis=0)
        before, top = top, value[0, ...]
        if sweep == _SWEEPS - 1 or (before is not None and holds(top <= before * (1 + 1e-12))):
            break
        tops, others = value, []
        for line in _lines(market, one):
            at, tops, other = _along(market, at, tops, line(at), high)
            others.append(other)
        at = xp.concat([at, *others], axis=1)
    at, value = _finish(_lanes(market, at.shape[1], like), at, value)
    best = xp.argmax(value, axis=0)[None, :]
    return _take(at, best)[:, 0, :]


_STARTS, _STARTS_OF_STEPS = 12, 32  # points from which the search climbs
_KEPT, _KEPT_OF_STEPS = 4, 24  # hills that it then looks at closely; where demand jumps
_SWEEPS = 8
_SELLS = 1e-3  # less than this part of what another sells is nothing


def _lifted(lanes: Profiles, points: Any) -> Any:
    """Points (M, P, N) with prices raised to where no more is asked for than can be delivered.

    A provider that asks more there sells as much, and drives VMUs to the others.
    """
    if lanes.capacity is None:
        return points
    xp = namespace(points)
    prices = least = xp.reshape(points, (points.shape[0], -1))
    for _ in range(_LIFTS):
        seen = lanes.marginals(prices)
        change = _LIFT * to_clear(lanes, seen.demand, seen.own)
        change = xp.minimum(xp.maximum(change, -0.2 * prices), 0.2 * prices)
        prices = lanes.within(xp.maximum(prices + change, least))
    return xp.reshape(prices, points.shape)


_LIFTS, _LIFT = 12, 0.6  # steps; part of each, because all prices change at once


def _apart(points: Any, value: Any, count: int, distance: float) -> Any:
    """The numbers (S, N) of the best points (M, P, N), of which no two are near each other."""
    xp = namespace(points)
    value = value + 0
    found = []
    for _ in range(min(count, value.shape[0])):
        best = xp.argmax(value, axis=0)[None, :]
        found.append(best)
        centre = _take(xp.broadcast_to(points, (*points.shape[:2], value.shape[1])), best)
        near = xp.max(xp.abs(points - centre), axis=0) < distance
        value = xp.where(near, -float("inf"), value)
    return xp.concat(found, axis=0)


def _lines(market: Competition, one: Profiles) -> Iterator[Callable[[Any], Any]]:
    """Functions that make of points (M, S, N) those to try in their place, (M, P, S, N)."""
    xp = namespace(one.cost)
    M = market.M
    low, high = one.cost[:, None, None, :], one.max_price[:, None, None, :]
    axes = np.eye(M)
    ways = [*axes, np.ones(M)]
    if market.capacity is not None or not all(model.linear_demand for model in market.ssim):
        # Hills have ridges, along which only two prices together lead up.
        pairs = list(itertools.combinations(axes, 2))[:_PAIRS]
        ways += [a - b for a, b in pairs] + [a + b for a, b in pairs if M > 2]

    def straight(way: np.ndarray) -> Callable[[Any], Any]:
        steps = _like(way[:, None] * _LINE, one.cost)[:, :, None, None]

        def line(at: Any) -> Any:
            return xp.minimum(xp.maximum(at[:, None, ...] + steps * (high - low), low), high)

        return line

    def along_cliffs(m: int, cliffs: Any) -> Callable[[Any], Any]:
        def line(at: Any) -> Any:
            column = cliffs[:, None, :] + 0 * at[m, ...]
            return xp.stack([column if i == m else at[i, ...] + 0 * column for i in range(M)])

        return line

    def along_clearing(m: int) -> Callable[[Any], Any]:
        """One price changes, and of the others those that clear a capacity go on clearing it."""

        def line(at: Any) -> Any:
            tried = straight(axes[m])(at)
            P, S, each = tried.shape[1], tried.shape[2], at[:, 0, :]
            sold = _lanes(market, S, each).marginals(xp.reshape(at, (M, -1))).demand
            here = xp.reshape(sold, at.shape) >= (1 - _BINDS) * one.capacity[:, None, :]
            here = here & (_like(axes[m], one.cost) == 0)[:, None, None]
            here = xp.reshape(xp.broadcast_to(here[:, None, ...], tried.shape), (M, -1))
            lanes, prices = _lanes(market, P * S, each), xp.reshape(tried, (M, -1))
            for _ in range(_CLEARING):
                seen = lanes.marginals(prices)
                change = to_clear(lanes, seen.demand, seen.own)
                prices = xp.where(here, lanes.within(prices + change), prices)
            return xp.reshape(prices, tried.shape)

        return line

    yield from map(straight, ways)
    if market.capacity is not None and M > 1:
        yield from map(along_clearing, range(M))
    for m in range(M):
        cliffs = one.jumps(m)
        if cliffs is not None:
            below = xp.reshape(cliffs, (-1, cliffs.shape[-1])) * (1 - 4 * _EPS)
            below = xp.sort(xp.minimum(xp.maximum(below, low[m, 0, ...]), high[m, 0, ...]), axis=0)
            yield along_cliffs(m, below[:: max(1, below.shape[0] // _CLIFFS), :])


_EPS = float(np.finfo(np.float64).eps)
_CLIFFS = 256
_CLEARING = 3  # steps
_PAIRS = 10


def _starts(M: int) -> np.ndarray:
    """(M, P) points of the unit cube."""
    common = np.linspace(0, 1, 33) * np.ones((M, 1))
    rest = np.linspace(0, 1, 17) * np.ones((M, 1))
    if M <= 4:  # every set of providers may be priced out
        out = [[mask >> m & 1 for m in range(M)] for mask in range(1, 2**M - 1)]
    else:
        out = [*np.eye(M), *(1 - np.eye(M))]
    outs = [np.where(np.array(row, bool)[:, None], 1.0, rest) for row in out]
    return np.concatenate([common, *outs, halton(64 * M, M).T], axis=1)


def _like(array: np.ndarray, like: Any) -> Any:
    xp = namespace(like)
    return xp.asarray(array, dtype=like.dtype, device=array_api_compat.device(like))


def _lanes(market: Competition, points: int, like: Any) -> Profiles:
    """Profiles of every market at so many points, of which (M, P·N) are the prices."""
    xp = namespace(like)
    index = xp.arange(like.shape[-1], device=array_api_compat.device(like))
    return Profiles(market.lanes(xp.tile(index, (points,))), like)


def _take(points: Any, order: Any) -> Any:
    """Some of the points (M, P, N), by their numbers (S, N)."""
    xp = namespace(points)
    index = xp.broadcast_to(order[None, ...], (points.shape[0], *order.shape))
    return xp.take_along_axis(points, index, axis=1)


def _total(lanes: Profiles, points: Any) -> Any:
    """Σ_m U_m at points (M, P, N); (P, N)."""
    xp = namespace(points)
    M, P, N = points.shape
    prices = xp.reshape(points, (M, P * N))
    demand = sum(xp.sum(q * S, axis=1) for _, q, S, _ in lanes.answers(prices))
    return xp.reshape(_value(lanes, prices, demand), (P, N))


def _value(lanes: Profiles, prices: Any, demand: Any) -> Any:
    """Σ_m U_m, (N,)."""
    xp = namespace(prices)
    if lanes.capacity is not None:
        demand = xp.minimum(demand, lanes.capacity + 0 * demand)
    return xp.sum(asp_utility(prices, lanes.cost, demand), axis=0)


class _Joint(NamedTuple):
    """Derivatives of the cartel's total less λ·D, where costs are c + λ."""

    demand: Any
    """(M, N) D."""
    demand_by: Any
    """(M, M, N) ∂D_m/∂p_j."""
    gradient: Any
    """(M, N)."""
    hessian: Any
    """(M, M, N)."""
    pull: Any
    """(M, N) Σ q·S²/μ − Σ q·S′, by which a step along the gradient is about right."""


def _joint(lanes: Profiles, prices: Any, shadow: Any) -> _Joint:
    xp = namespace(prices)
    M = lanes.M
    margin = (prices - lanes.cost - shadow)[:, None, :]
    eye = _like(np.eye(M), prices)[..., None]
    demand, gradient, pull = (0 * prices for _ in range(3))
    demand_by = hessian = xp.stack([0 * prices] * M)
    for layout, q, S, slope in lanes.answers(prices):
        flow, draw = q * S, q * S / layout.pair_temperature
        worth = xp.sum(margin * flow, axis=0)[None, ...]
        lost = worth - margin * S
        A = S + margin * slope + lost * S / layout.pair_temperature
        bend = 2 * slope + (lost * slope - (S + margin * slope) * S) / layout.pair_temperature
        drawn = q * bend - draw * A
        demand = demand + xp.sum(flow, axis=1)
        gradient = gradient + xp.sum(q * A, axis=1)
        pull = pull + xp.sum(draw * S - q * slope, axis=1)
        own = xp.sum(q * slope - draw * S, axis=1)[:, None, :]
        across = xp.stack([xp.sum(flow[m, ...] * draw, axis=1) for m in range(M)])
        demand_by = demand_by + across + eye * own
        pairs = xp.stack([xp.sum((q * A)[m, ...] * draw, axis=1) for m in range(M)])
        both = pairs + xp.permute_dims(pairs, (1, 0, 2))
        hessian = hessian + both + eye * xp.sum(drawn, axis=1)[:, None, :]
    return _Joint(demand, demand_by, gradient, hessian, pull)


def _multipliers(lanes: Profiles, prices: Any, shadow: Any) -> tuple[Any, Any, _Joint]:
    """λ ≥ 0 of the capacities that bind, which these are, and the derivatives with them."""
    xp = namespace(prices)
    seen = _joint(lanes, prices, shadow)
    if lanes.capacity is None:
        return shadow, prices < 0, seen
    eye = _like(np.eye(lanes.M), prices)
    binds = (seen.demand >= lanes.capacity * (1 - _BINDS)) & (seen.demand > 0)
    binds = binds & (prices < lanes.max_price)
    gradient = seen.gradient + xp.sum(shadow[:, None, :] * seen.demand_by, axis=0)
    for _ in range(lanes.M):
        # Σ_i λ_i·∂D_i/∂p_j = ∂V/∂p_j for those that bind; those with λ < 0 do not.
        matrix = xp.permute_dims(xp.permute_dims(seen.demand_by, (1, 0, 2)), (2, 0, 1))
        rows = xp.permute_dims(binds, (1, 0))
        pairs = rows[:, :, None] & rows[:, None, :]
        matrix = xp.where(pairs, matrix - 1e-13 * eye, 0.0)
        matrix = xp.where(rows[:, :, None], matrix, eye)
        right = xp.where(rows, xp.permute_dims(gradient, (1, 0)), 0.0)
        shadow = xp.permute_dims(solved(matrix, right), (1, 0))
        if holds(~binds | (shadow >= 0)):
            break
        binds = binds & (shadow >= 0)
    return shadow, binds, _joint(lanes, prices, xp.where(binds, shadow, 0.0))


_BINDS = 1e-3


def _step(
    lanes: Profiles, prices: Any, binds: Any, seen: _Joint, held: Any, curved: bool = True
) -> Any:
    """The change of prices that makes the gradient zero and demands meet the capacities that bind.

    It is Newton's, or, where not `curved`, along the gradient, which leads up where the total is
    no hill. Prices that are at a bound, or `held`, stay.
    """
    xp = namespace(prices)
    M = lanes.M
    eye = _like(np.eye(M), prices)
    scale = xp.where(seen.pull > 0, seen.pull, 1.0)
    stays = held | (seen.pull <= 0)
    stays = stays | ((prices >= lanes.max_price) & (seen.gradient > 0))
    stays = stays | ((prices <= lanes.cost) & (seen.gradient < 0))
    by = xp.permute_dims(seen.demand_by, (2, 0, 1))
    hessian = xp.permute_dims(seen.hessian / scale[:, None, :], (2, 0, 1))
    still, bound = (xp.permute_dims(mask, (1, 0))[..., None] for mask in (stays, binds))
    top = xp.where(still, eye, hessian - 1e-13 * eye if curved else -eye)
    gradient = xp.where(stays, 0.0, -seen.gradient / scale)
    right = gradient
    if lanes.capacity is not None:
        costs = xp.permute_dims(-seen.demand_by / scale[None, ...], (2, 1, 0))
        costs = xp.where(still, 0.0, costs)
        below = xp.where(bound, by, 0 * by)
        corner = xp.where(bound, 0 * by, eye)
        top = xp.concat([top, costs], axis=2)
        bottom = xp.concat([below, corner - 1e-13 * eye], axis=2)
        top = xp.concat([top, bottom], axis=1)
        right = xp.concat([right, xp.where(binds, lanes.capacity - seen.demand, 0.0)], axis=0)
    change = xp.permute_dims(solved(top, xp.permute_dims(right, (1, 0))), (1, 0))[:M, :]
    limit = 0.2 * prices
    return xp.minimum(xp.maximum(change, -limit), limit)


def _ascend(lanes: Profiles, points: Any) -> tuple[Any, Any]:
    """Climb from points (M, S, N) as far as a step of Newton's, or along the gradient, leads up."""
    xp = namespace(points)
    shape = points.shape
    all_prices = xp.reshape(points, (shape[0], -1)) + 0
    all_values = _total(lanes, all_prices[:, None, :])[0, ...]
    where = xp.arange(all_values.shape[0], device=array_api_compat.device(points))
    shadow, pace = 0 * all_prices, 0 * all_values + 1
    for _ in range(_CLIMBS):
        prices, before = all_prices[:, where], all_values[where]
        shadow, up, value = _climb(lanes, prices, before, shadow, pace)
        all_prices[:, where], all_values[where] = up, value
        rises = value > before + 1e-13 * xp.abs(before)
        pace = xp.where(rises, 0 * pace + 1, pace / 4)
        (rest,) = xp.nonzero(pace > 0.01)
        if not rest.shape[0]:
            break
        if rest.shape[0] < 0.7 * pace.shape[0]:
            where, shadow, pace = where[rest], shadow[:, rest], pace[rest]
            lanes = Profiles(lanes.market.lanes(rest), points)
    return xp.reshape(all_prices, shape), xp.reshape(all_values, shape[1:])


_CLIMBS = 30


def _climb(lanes: Profiles, prices: Any, value: Any, shadow: Any, pace: Any) -> Any:
    """One step up from prices (M, N) worth `value` (N,), where one is found.

    Returns: the multipliers, prices and values.
    """
    xp = namespace(prices)
    shadow, binds, seen = _multipliers(lanes, prices, shadow)
    still = [prices < 0]
    if not all(model.linear_demand for model in lanes.market.ssim):
        still.append(lanes.at_breaks(prices, only_jumps=True))
    steps = []
    for held in still:
        for curved in (True, False):
            change = pace * _step(lanes, prices, binds & ~held, seen, held, curved)
            if not curved and lanes.capacity is not None:
                clear = to_clear(lanes, seen.demand, xp.where(seen.pull > 0, -seen.pull, 0.0))
                change = xp.where((clear > 0) & ~held, xp.maximum(change, clear), change)
            steps.append(change)
    start, before = prices, value
    for change in steps:
        tried = lanes.within(start + change)
        got = _total(lanes, tried[:, None, :])[0, ...]
        prices = xp.where(got > value, tried, prices)
        value = xp.maximum(value, got)
        if holds(value > before):
            break
    return shadow, prices, value


def _finish(lanes: Profiles, points: Any, value: Any) -> tuple[Any, Any]:
    """The tops of the hills to all digits: there the value is too flat to tell, the gradient not.

    Prices at jumps and kinks of demand, where the gradient is not zero, stay there.
    """
    xp = namespace(points)
    shape = points.shape
    prices = start = xp.reshape(points, (shape[0], -1))
    shadow, binds, seen = _multipliers(lanes, prices, 0 * start)
    held = ~binds & (xp.abs(seen.gradient) > 1e-3 * seen.pull * prices)
    for _ in range(_LAST):
        prices = lanes.within(prices + _step(lanes, prices, binds, seen, held))
        shadow, _, seen = _multipliers(lanes, prices, shadow)
    got = _total(lanes, prices[:, None, :])[0, ...]
    flat = xp.reshape(value, (-1,))
    better = got >= flat - 1e-12 * xp.abs(flat)
    prices = xp.where(better, prices, start)
    return xp.reshape(prices, shape), xp.reshape(xp.where(better, got, flat), shape[1:])


_LAST = 6


def _along(market: Competition, at: Any, value: Any, tried: Any, high: Any) -> tuple[Any, Any, Any]:
    """The best of points (M, P, S, N) in place of each (M, S, N), where it is better.

    Returns:
        Points and values, and the best points that are not near those.
    """
    xp = namespace(at)
    M, P, S, N = tried.shape
    lanes = _lanes(market, P * S, value)
    total = xp.reshape(_total(lanes, xp.reshape(tried, (M, P * S, N))), (P, S, N))

    def most(total: Any) -> tuple[Any, Any]:
        first = xp.argmax(total, axis=0)[None, ...]
        index = xp.broadcast_to(first[None, ...], (M, 1, S, N))
        point = xp.take_along_axis(tried, index, axis=1)[:, 0, ...]
        return point, xp.take_along_axis(total, first, axis=0)[0, ...]

    point, best = most(total)
    better = best > value
    at, value = xp.where(better, point, at), xp.where(better, best, value)
    near = xp.max(xp.abs(tried - at[:, None, ...]) / high[:, None, None, :], axis=0) < _NEAR
    other, _ = most(xp.where(near, -float("inf"), total))
    return at, value, other


_NEAR = 0.03
_SCALES = np.concatenate([np.linspace(1, 1 / 48, 48), 0.5 ** np.arange(6.5, 36, 2.5)])
_LINE = np.concatenate([-_SCALES, _SCALES])
