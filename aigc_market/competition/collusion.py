"""The cartel: prices that maximise the providers' total utility.

With margins m = p − c, VMU k is worth W = Σ_i m_i·q_i·S_i to the cartel, and by the envelope
theorem

    ∂W/∂p_j = q_j·A_j,  A_j = S_j + m_j·S_j′ + (W − m_j·S_j)·S_j/μ.

Where a capacity binds, its multiplier λ acts as a cost beside c. Arrays are (M, N): of each
provider in each of N markets.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from aigc_market.competition.batches import checked, in_parts
from aigc_market.competition.deviation import where_scarce
from aigc_market.competition.fixed_point import markup_iteration, newton, solved, to_clear
from aigc_market.competition.response import Derivatives, OwnDemand, Profiles
from aigc_market.equilibrium import solve
from aigc_market.market import Competition
from aigc_market.rules import PairSettlement, PairTerms, rational


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
    tries common markups, with all providers and with some of them priced out, and prices at random,
    always the same, raised to where they clear the capacities; from the best that are apart it
    climbs by Newton's method (with a multiplier for each capacity that binds), and then tries
    every price alone, and all together, over the whole range and at all scales, and prices at which
    one or two more sell all they can, until nothing is better. With one provider and no outside
    option it is `aigc_market.solve`.

    Args:
        market: one market or a batch, of NumPy arrays.

    Returns:
        Prices and what they pay.

    Raises:
        TypeError: no `Competition`, or one of tensors.
    """
    market, prices = checked(market, None, optional=True)

    def find(market: Competition, prices: np.ndarray) -> tuple[np.ndarray, ...]:
        if market.M == 1 and market.outside is None:
            top = np.broadcast_to(solve(market.provider(0)).price, prices.shape[:1])[:, None]
        else:
            top = _Search(market, len(prices)).run().T
        terms = PairTerms(market)
        settled = PairSettlement(terms, top, *rational(terms, top))
        utility = settled.vmu_utility()
        return top, settled.asp_utility, utility, utility.sum(axis=-1)

    return Cartel(*in_parts(market, prices, find, points=16))


class _Search:
    """For the best prices of each of N markets. Points are (M, …, N): some profiles of each."""

    def __init__(self, market: Competition, N: int) -> None:
        self.one = Profiles(market)
        bounds = self.one.cost, self.one.reach()
        self.low, self.high = (np.broadcast_to(bound, (market.M, N)) for bound in bounds)
        self.kept = _KEPT if self.one.smooth else _KEPT_OF_JUMPS

    def run(self) -> np.ndarray:
        """(M, N) prices."""
        M, low, room = self.one.M, self.low[:, None], (self.high - self.low)[:, None]
        at = low + _starts(M)[..., None] * room
        at = self.cleared(at, at, self.high[:, None], _LIFTS)
        sold = self.each(at).demand(at.reshape(M, -1)).reshape(at.shape)
        shares = (at - low) / np.where(room > 0, room, 1.0)
        # Where a price matters to nobody, it sets no points apart.
        shares = np.where(sold > _SELLS * np.max(sold, axis=0), shares, 1.0)
        at = _take(at, _apart(shares, self.total(at), _CLIMBED * M, 0.08))
        at, value = self.tops(at)
        for _ in range(_SWEEPS):
            higher, heights = self.tops(self.along_lines(at, value))
            if np.all(heights[0] <= value[0] * (1 + 1e-12)):
                break
            at, value = higher, heights
        return _polished(self.one, at[:, 0])

    def each(self, points: np.ndarray) -> Profiles:
        """Of every market as often as it has points, whose prices are then (M, P·N)."""
        N = points.shape[-1]
        return self.one.some(np.tile(np.arange(N), points[0].size // N))

    def total(self, points: np.ndarray) -> np.ndarray:
        """Σ_m U_m, (…, N)."""
        utilities = self.each(points).utilities(points.reshape(self.one.M, -1))
        return np.sum(utilities, axis=0).reshape(points.shape[1:])

    def cleared(
        self, points: np.ndarray, least: np.ndarray, most: np.ndarray, steps: int
    ) -> np.ndarray:
        """Points with prices moved, between bounds, towards where they clear the capacities.

        A provider that is short of capacity sells no more at a lower price, and draws VMUs from the
        others.
        """
        if self.one.capacity is None:
            return points
        profiles, prices = self.each(points), points.reshape(self.one.M, -1)
        least, most = (
            np.broadcast_to(a, points.shape).reshape(prices.shape) for a in (least, most)
        )
        for _ in range(steps):
            seen = profiles.slopes(prices)
            change = _PACE * to_clear(profiles, seen.demand, seen.own)
            prices = np.clip(profiles.moved(prices, change), least, most)
        return prices.reshape(points.shape)

    def tops(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The hills above points (M, P, N), as far as a step of Newton's or up the gradient leads.

        Returns:
            The highest of those apart, (M, S, N) and (S, N), in descending order.
        """
        prices = points.reshape(self.one.M, -1).copy()
        profiles = self.each(points)
        values = np.sum(profiles.utilities(prices), axis=0)
        where = np.arange(len(values))
        shadow, pace = np.zeros_like(prices), np.ones_like(values)
        for _ in range(_CLIMBS):
            before = values[where]
            shadow, up, value = _climb(profiles, prices[:, where], before, shadow, pace)
            prices[:, where], values[where] = up, value
            rises = value > before + 1e-13 * np.abs(before)
            pace = np.where(rises, 1.0, pace / 4)
            rest = np.flatnonzero(pace > 0.01)
            if not len(rest):
                break
            if len(rest) < 0.7 * len(pace):
                where, shadow, pace = where[rest], shadow[:, rest], pace[rest]
                profiles = profiles.some(rest)
        points, value = prices.reshape(points.shape), values.reshape(points.shape[1:])
        order = _apart(points / self.high[:, None], value, self.kept, 1e-3)
        return _take(points, order), np.take_along_axis(value, order, axis=0)

    def along_lines(self, at: np.ndarray, value: np.ndarray) -> np.ndarray:
        """The best points on lines through points (M, S, N), and the next best ones; (M, P, N)."""
        others = []
        for line in self.lines():
            tried = line(at)
            total = self.total(tried)
            best = np.max(total, axis=0)
            at = np.where(best > value, _best(tried, total), at)
            value = np.maximum(best, value)
            near = np.max(np.abs(tried - at[:, None]) / self.high[:, None, None], axis=0) < _NEAR
            others.append(_best(tried, np.where(near, -np.inf, total)))
        return np.concatenate([at, *others], axis=1)

    def lines(self) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
        """Functions that make of points (M, S, N) those to try in their place, (M, P, S, N)."""
        M, axes = self.one.M, np.eye(self.one.M)
        # Hills have ridges, along which only two prices together lead up.
        pairs = list(itertools.combinations(axes, 2))[:_PAIRS]
        ways = [*axes, *(a + b for a, b in pairs), *(a - b for a, b in pairs)]
        if M > 2:
            ways.append(np.ones(M))
        yield from (partial(self.straight, way) for way in ways)
        if self.one.capacity is not None:
            seats = range(M)
            two = list(itertools.combinations(seats, 2))[:_PAIRS]
            some = dict.fromkeys([*((m,) for m in seats), *two, tuple(seats)])
            yield from (partial(self.meeting, together) for together in some)
            yield self.apart
        for m in range(M):
            if self.one.capacity is not None:
                yield partial(self.clearing, m)
            if not self.one.smooth:
                yield partial(self.cliffs, m, self.one.breaks(m, _CLIFFS))

    def straight(self, way: np.ndarray, at: np.ndarray) -> np.ndarray:
        """All prices change in proportion to a way (M,)."""
        low, high = self.low[:, None, None], self.high[:, None, None]
        steps = way[:, None, None, None] * _LINE[:, None, None]
        return np.clip(at[:, None] + steps * (high - low), low, high)

    def cliffs(self, m: int, edges: np.ndarray, at: np.ndarray) -> np.ndarray:
        """One price goes to the edges (P, N), behind which some VMU buys less."""
        tried = np.repeat(at[:, None], len(edges), axis=1)
        tried[m] = edges[:, None]
        return tried

    def apart(self, at: np.ndarray) -> np.ndarray:
        """Where competitors come to rest, who mostly sell all they can; (M, 1, S, N)."""
        profiles = self.each(at)
        rests = markup_iteration(profiles, at.reshape(len(at), -1))
        return newton(profiles, rests)[0].reshape(at[:, None].shape)

    def meeting(self, some: Iterable[int], at: np.ndarray) -> np.ndarray:
        """Some sell all they can, and of the others those that almost do so; (M, 1, S, N)."""
        prices = at.reshape(len(at), -1).copy()
        profiles, eye = self.each(at), np.eye(self.one.M)
        sells = profiles.demand(prices) > (1 - _NEARLY) * profiles.capacity
        for m in some:
            sells[m] = True
            prices[m] = where_scarce(OwnDemand(profiles, m, prices))[0]
        best, change, error = prices, np.zeros_like(prices), np.full(prices.shape[1], np.inf)
        pace = np.ones_like(error)
        for _ in range(_MEETS):
            # Newton's method for the logarithms of demand; shorter steps where it leads astray.
            seen = profiles.derivatives(prices, np.zeros_like(prices), together=True)
            demand = np.where(sells, np.maximum(seen.demand, _TINY), profiles.capacity)
            excess = np.log(demand / profiles.capacity)
            rows = np.where(sells[:, None], seen.demand_by / demand[:, None], eye[..., None])
            wanted = -solved(np.moveaxis(rows, -1, 0), excess.T).T
            size = np.max(np.abs(excess), axis=0)
            good = size < error
            best, change = np.where(good, prices, best), np.where(good, wanted, change)
            error, pace = np.minimum(size, error), np.where(good, np.minimum(2 * pace, 1), pace / 4)
            if np.all(error < _MET):
                break
            prices = profiles.moved(best, change, pace)
        return best.reshape(at[:, None].shape)

    def clearing(self, m: int, at: np.ndarray) -> np.ndarray:
        """One price changes, and of the others those that clear a capacity go on clearing it.

        Where that price asks more of its provider than the capacity, it rises to where it does not.
        """
        way = np.arange(self.one.M) == m
        tried = self.straight(way, at)
        sold = self.each(at).demand(at.reshape(len(at), -1)).reshape(at.shape)
        binds = sold >= (1 - _BINDS) * self.one.capacity[:, None]
        own, free = way[:, None, None, None], binds[:, None]
        low = np.where(free & ~own, self.low[:, None, None], tried)
        high = np.where(free | own, self.high[:, None, None], tried)
        return self.cleared(tried, low, high, _CLEARINGS)


_CLIMBED = 12  # points from which the search climbs, for each provider
_KEPT, _KEPT_OF_JUMPS = 4, 24  # hills that it then looks at closely; where demand jumps
_SWEEPS = 24  # almost all rest after a few
_SELLS = 1e-3  # less than this part of what another sells is nothing
_LIFTS = 12  # steps
_CLEARINGS = 6  # steps
_MEETS = 40  # steps
_MET = 1e-6
_TINY = 1e-300
_PACE = 0.6
_CLIMBS = 30  # steps
_PAIRS = 10
_CLIFFS = 256
_NEAR = 0.03  # of the highest price
_BINDS = 1e-3  # of the capacity
_NEARLY = 0.1  # of the capacity
_SCALES = np.concatenate([np.linspace(1, 1 / 48, 48), 0.5 ** np.arange(6.5, 36, 2.5)])
_LINE = np.concatenate([-_SCALES, _SCALES])  # steps, as shares of the whole range


def _starts(M: int) -> np.ndarray:
    """(M, P) points of the unit cube.

    Common markups, with one provider or all but one priced out or none, and points at random.
    """
    out = np.concatenate([np.zeros((1, M)), np.eye(M), 1 - np.eye(M)])[..., None]
    common = np.maximum(out, np.linspace(0, 1, 33))
    return np.concatenate([*common, np.random.default_rng(0).random((M, 256 * M))], axis=1)


def _apart(points: np.ndarray, value: np.ndarray, count: int, distance: float) -> np.ndarray:
    """The numbers (S, N) of the best points (M, P, N), of which no two are near each other."""
    value, found = value.copy(), []
    for _ in range(min(count, len(value))):
        best = np.argmax(value, axis=0)[None]
        found.append(best)
        value[np.max(np.abs(points - _take(points, best)), axis=0) < distance] = -np.inf
    return np.concatenate(found)


def _take(points: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Some of the points (M, P, N), by their numbers (S, N)."""
    return np.take_along_axis(points, order[None], axis=1)


def _best(tried: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(M, S, N) of tried (M, P, S, N) those of the highest value."""
    return np.take_along_axis(tried, np.argmax(value, axis=0)[None, None], axis=1)[:, 0]


# Climbing: N profiles of prices (M, N).


def _multipliers(
    profiles: Profiles, prices: np.ndarray, shadow: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Derivatives]:
    """λ ≥ 0 of the capacities that bind, which these are, and the derivatives with them."""
    margin = prices - profiles.cost
    seen = profiles.derivatives(prices, margin - shadow, together=True)
    if profiles.capacity is None:
        return shadow, prices < 0, seen
    eye, demand = np.eye(profiles.M), seen.demand
    binds = (demand >= profiles.capacity * (1 - _BINDS)) & (demand > 0)
    # At the highest price more demand earns nothing, whatever the others' prices.
    stuck = binds & (prices >= profiles.max_price)
    lost = np.where(stuck & (demand > profiles.capacity), margin, 0.0)
    binds = binds & ~stuck
    gradient = seen.gradient + np.sum((shadow - lost)[:, None] * seen.demand_by, axis=0)
    for _ in range(profiles.M):
        # Σ_i λ_i·∂D_i/∂p_j = ∂V/∂p_j for those that bind; those with λ < 0 do not.
        matrix = seen.demand_by.T  # (N, j, i)
        rows = binds.T
        matrix = np.where(rows[:, :, None] & rows[:, None], matrix - 1e-13 * eye, 0.0)
        matrix = np.where(rows[:, :, None], matrix, eye)
        shadow = solved(matrix, np.where(rows, gradient.T, 0.0)).T
        if np.all(~binds | (shadow >= 0)):
            break
        binds = binds & (shadow >= 0)
    shadow = np.where(binds, shadow, lost)
    return shadow, binds, profiles.derivatives(prices, margin - shadow, together=True)


def _step(
    profiles: Profiles,
    prices: np.ndarray,
    binds: np.ndarray,
    seen: Derivatives,
    held: np.ndarray,
    curved: bool = True,
) -> np.ndarray:
    """The change of prices that makes the gradient zero and demands meet the capacities that bind.

    It is Newton's, or, where not `curved`, along the gradient, which leads up where the total is
    no hill. Prices that are at a bound, or `held`, stay.
    """
    M = profiles.M
    eye = np.eye(M)
    scale = np.where(seen.pull > 0, seen.pull, 1.0)
    stays = held | (seen.pull <= 0) | profiles.stopped(prices, seen.gradient)
    by = np.moveaxis(seen.demand_by, -1, 0)
    hessian = np.moveaxis(seen.gradient_by / scale[:, None], -1, 0)
    still, bound = (mask.T[..., None] for mask in (stays, binds))
    top = np.where(still, eye, hessian - 1e-13 * eye if curved else -eye)
    right = np.where(stays, 0.0, -seen.gradient / scale)
    if profiles.capacity is not None:
        # The multipliers' changes beside those of the prices.
        corner = np.where(bound, 0.0, eye)
        bottom = np.where(bound, by, 0.0)
        side = np.where(still, 0.0, -(bottom / scale.T[:, None]).swapaxes(1, 2))
        top = np.concatenate([top, side], axis=2)
        bottom = np.concatenate([bottom, corner - 1e-13 * eye], axis=2)
        top = np.concatenate([top, bottom], axis=1)
        short = np.where(binds, profiles.capacity - seen.demand, 0.0)
        right = np.concatenate([right, short], axis=0)
    return solved(top, right.T).T[:M]


def _climb(
    profiles: Profiles, prices: np.ndarray, value: np.ndarray, shadow: np.ndarray, pace: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step up from prices worth `value` (N,), where one is found.

    Returns: the multipliers, prices and values.
    """
    shadow, binds, seen = _multipliers(profiles, prices, shadow)
    still = [np.zeros(prices.shape, bool)]
    if not profiles.smooth:
        still.append(profiles.at_breaks(prices))
    start, before = prices, value
    for held, curved in itertools.product(still, (True, False)):
        change = _step(profiles, start, binds & ~held, seen, held, curved)
        tried = profiles.moved(start, change, pace)
        got = np.sum(profiles.utilities(tried), axis=0)
        prices = np.where(got > value, tried, prices)
        value = np.maximum(value, got)
        if np.all(value > before):
            break
    return shadow, prices, value


def _polished(profiles: Profiles, start: np.ndarray) -> np.ndarray:
    """The tops of hills to all digits: there the total is too flat to tell, its gradient not.

    Prices at jumps and kinks of demand, where the gradient is not zero, stay there.
    """
    prices = start
    shadow, binds, seen = _multipliers(profiles, prices, np.zeros_like(prices))
    held = ~binds & (np.abs(seen.gradient) > 1e-3 * seen.pull * prices)
    for _ in range(_LAST):
        prices = profiles.moved(prices, _step(profiles, prices, binds, seen, held))
        shadow, _, seen = _multipliers(profiles, prices, shadow)
    before, after = (np.sum(profiles.utilities(p), axis=0) for p in (start, prices))
    return np.where(after >= before - 1e-12 * np.abs(before), prices, start)


_LAST = 6  # steps
