"""Nash equilibria of the providers' prices, each with a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat

from aigc_market import _checks
from aigc_market._arrays import namespace
from aigc_market.competition.batches import flatten, halton, in_parts
from aigc_market.competition.deviation import Gains, best_price, gains
from aigc_market.competition.fixed_point import Profiles, markup_iteration, newton, to_clear
from aigc_market.competition.game import rational, settle_in, together
from aigc_market.competition.layouts import Columns
from aigc_market.competition.market import Competition
from aigc_market.equilibrium import solve


@dataclass(frozen=True, eq=False)
class Nash:
    """Prices from which no provider gains by deviating, or the nearest to it that was found.

    Fields have the market's batch axes in front (none for one market).
    """

    prices: Any
    """(…, M) p*. Where `converged` is False: those of the smallest gap found, no equilibrium."""
    shares: Any
    """(…, M, K) q, what rational VMUs answer to these prices."""
    steps: Any
    """(…, M, K) S, steps delivered for each request."""
    asp_utility: Any
    """(…, M) U_m."""
    vmu_utility: Any
    """(…, K) U_k."""
    welfare: Any
    """(…) Σ_k U_k."""
    gap: Any
    """(…, M) no provider gains more than this by any other price: a proof, but for rounding."""
    converged: Any
    """(…) whether every gap is within the tolerance."""
    cycle: Any
    """Where best replies go round: (…, L, M) prices after each round, in which provider 0 replies
    first; NaN behind the last. None where no market of the batch has such a cycle."""


def nash(market: Competition, start: Any = None, tolerance: float = 1e-6) -> Nash:
    """A Nash equilibrium of the providers' prices, with its certificate.

    The markup fixed point of Morrow & Skerlos (2011) is certified by `best_deviation` of every
    seat; where that fails, providers reply to each other in turn, each by its global best reply,
    until they rest or go round in a cycle. Markets without an equilibrium in pure strategies exist
    (Edgeworth cycles): then `converged` is False and nothing is raised. Where there are several
    equilibria one is found. With one provider and no outside option it is `aigc_market.solve`.

    Args:
        market: one market or a batch.
        start: (…, M) prices to begin from; None: the costs.
        tolerance: the largest gap of an equilibrium, as a share of the provider's utility.

    Returns:
        The equilibrium, in the library of the market's arrays; gradients do not flow through it.

    Raises:
        TypeError, ValueError: a start that is not M finite numbers above zero, or a tolerance that
            is not above zero.
    """
    _checks.instance("market", market, Competition, "a Competition")
    tolerance = _checks.number("tolerance", tolerance, above=0)
    if start is None:
        prices = market.cost
        market, prices = together(market, prices)
    else:
        try:
            market, prices = together(market, start)
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("prices", "start", 1)) from None
    batch = flatten(market, prices)

    cycles: list[Any] = []

    def search(market: Competition, prices: Any) -> tuple[Any, ...]:
        *found, cycle = _nash(market, prices, tolerance)
        cycles.append(cycle)
        return tuple(found)

    found = [batch.answer(array) for array in in_parts(batch, search)]
    longest = max(cycle.shape[1] for cycle in cycles)
    return Nash(*found, cycle=batch.answer(_padded(cycles, longest)) if longest else None)


def _padded(cycles: list[Any], longest: int) -> Any:
    """Cycles (N, L, M) of different lengths in one array, with NaN behind the last profile."""
    xp = namespace(cycles[0])
    rows = []
    for cycle in cycles:
        N, L, M = cycle.shape
        rest = xp.full(
            (N, longest - L, M),
            float("nan"),
            dtype=cycle.dtype,
            device=array_api_compat.device(cycle),
        )
        rows.append(xp.concat([cycle, rest], axis=1))
    return xp.concat(rows, axis=0)


def _nash(market: Competition, start: Any, tolerance: float) -> tuple[Any, ...]:
    """`nash` of N markets, from prices (N, M)."""
    if market.M == 1 and market.outside is None:
        prices = (solve(market.provider(0)).price + 0 * start[:, 0])[:, None]
    else:
        prices = _stationary(market, start)
    nearest = _Nearest(market, prices, tolerance)
    failed = nearest.failed()
    if failed.shape[0]:
        _reply_in_turn(nearest, failed, prices[failed, :], _ROUNDS)
        failed = nearest.failed()
    if failed.shape[0]:
        where, spread = _spread(market, failed, start, _STARTS)
        nearest.see(where, _stationary(market.lanes(where), spread))
        where, spread = _spread(market, nearest.failed(), start, _REPLYING)
        if where.shape[0]:
            _reply_in_turn(nearest, where, spread, _ROUNDS // 4)
        failed = nearest.failed()
        if failed.shape[0]:  # where a gap was small, an equilibrium may be near
            _reply_in_turn(nearest, failed, nearest.prices[failed, :], _ROUNDS // 4)
    return (
        *_described(market, nearest.prices),
        nearest.gap,
        nearest.converged,
        nearest.cycles(),
    )


_STARTS, _REPLYING = 32, 8  # spread evenly over all prices: of Newton's method, of best replies


def _stationary(market: Competition, start: Any) -> Any:
    """Prices (N, M) that no small change improves, or some on the way there, from others."""
    xp = namespace(start)
    profiles = Profiles(market, start)
    near = markup_iteration(profiles, xp.permute_dims(start, (1, 0)))
    return xp.permute_dims(newton(profiles, near)[0], (1, 0))


def _spread(market: Competition, where: Any, like: Any, count: int) -> tuple[Any, Any]:
    """For each of some markets prices spread evenly over all that are allowed.

    Returns:
        (L,) numbers of markets, each `count` times, and (L, M) prices.
    """
    xp = namespace(like)
    shares = xp.asarray(
        halton(count, market.M), dtype=like.dtype, device=array_api_compat.device(like)
    )
    low, high = (value + 0 * like for value in (market.cost, market.max_price))
    low, high = low[where, :], high[where, :]
    prices = low + shares[:, None, :] * (high - low)
    return xp.tile(where, (count,)), xp.reshape(prices, (-1, market.M))


class _Nearest:
    """Of each of N markets the profile with the smallest gap so far, and a cycle of best replies.

    Args:
        market: N markets.
        prices: (N, M) the first profiles.
        tolerance: the largest gap of an equilibrium, as a share of the utility.
    """

    def __init__(self, market: Competition, prices: Any, tolerance: float) -> None:
        xp = namespace(prices)
        self.market, self.tolerance = market, tolerance
        found = gains(market, prices, tolerance)
        self.prices, self.gap = prices + 0, found.bound + 0
        self.ratio = _ratio(found)
        self.cycle = xp.stack([float("nan") * prices] * _ROUNDS, axis=1)
        """(N, L, M)."""

    @property
    def converged(self) -> Any:
        """(N,) whether that profile is an equilibrium."""
        return self.ratio <= self.tolerance

    def cycles(self) -> Any:
        """(N, L, M) those of markets without an equilibrium, L as long as the longest is."""
        xp = namespace(self.prices)
        self.cycle[self.converged, ...] = float("nan")
        seen = xp.any(self.cycle[..., 0] > 0, axis=0)
        return self.cycle[:, : int(xp.sum(xp.astype(seen, xp.int64))), :]

    def failed(self) -> Any:
        """The numbers of the other markets."""
        return namespace(self.ratio).nonzero(~self.converged)[0]

    def see(self, where: Any, prices: Any) -> None:
        """Look at profiles (L, M) of markets (L,), of which one may be there several times."""
        found = gains(self.market.lanes(where), prices, self.tolerance)
        ratio = _ratio(found)
        best = _first_of_each(where, ratio)
        best = best[ratio[best] < self.ratio[where[best]]]
        here = where[best]
        self.prices[here, :], self.gap[here, :] = prices[best, :], found.bound[best, :]
        self.ratio[here] = ratio[best]

    def keep_cycle(self, where: Any, profiles: Any) -> None:
        """Profiles (L, B, M) that best replies go through in turn, where no cycle is known."""
        xp = namespace(profiles)
        first = _first_of_each(where, 0 * profiles[:, 0, 0])
        first = first[xp.isnan(self.cycle[where[first], 0, 0])]
        self.cycle[where[first], : profiles.shape[1], :] = profiles[first, ...]


def _first_of_each(where: Any, value: Any) -> Any:
    """For each number in (L,) the place in it where the value is lowest."""
    xp = namespace(value)
    order = xp.argsort(value, stable=True)
    order = order[xp.argsort(where[order], stable=True)]
    numbers = where[order]
    new = xp.concat([numbers[:1] >= 0, numbers[1:] != numbers[:-1]])
    return order[new]


def _ratio(found: Gains) -> Any:
    """(N,) the largest gap as a share of the provider's utility."""
    xp = namespace(found.bound)
    earned = xp.maximum(found.earned, _LEAST + 0 * found.earned)
    return xp.max(found.bound / earned, axis=-1)


_ROUNDS = 100  # of best replies, and so the longest cycle that is seen
_LEAST = 1e-290  # a provider that earns less earns nothing
_SAME = 1e-7  # prices that have changed by less, relative to themselves, rest
_AGAIN = 1e-4  # and have come back where this part of the last change leads to earlier ones
_CLOSE = 0.05  # prices that still change by more are not polished


def _reply_in_turn(nearest: _Nearest, where: Any, prices: Any, rounds: int) -> None:
    """Best replies in turn from prices (L, M) in markets (L,), until all rest or go round.

    Where they come near to something, Newton's method says what, and it is looked at.
    """
    xp = namespace(prices)
    at, history, tries = prices, [prices], 0 * where
    for number in range(1, rounds):
        market = nearest.market.lanes(where)
        for seat in range(market.M):
            reply = best_price(market, seat, at, nearest.tolerance).price
            at = xp.concat([at[:, :seat], reply[:, None], at[:, seat + 1 :]], axis=1)
        history.append(at)
        apart = [xp.max(xp.abs(at - old) / at, axis=1) for old in history[:-1]]
        rests = apart[-1] <= _SAME
        near = (apart[-1] < _CLOSE) & ((tries < _TRIES) | (number % 10 == 0)) | rests
        (some,) = xp.nonzero(near)
        if some.shape[0]:
            tries[some] += 1
            polished = _polished(market.lanes(some), at[some, :], apart[-1][some])
            nearest.see(where[some], polished)
        (some,) = xp.nonzero(rests & ~nearest.converged[where])
        if some.shape[0]:
            nearest.see(where[some], at[some, :])
        done = rests | nearest.converged[where]
        for back in range(2, number + 1):
            again = apart[-back] <= _AGAIN * xp.minimum(apart[-1], 0.1 + 0 * apart[-1])
            (some,) = xp.nonzero(again & ~done)
            if some.shape[0]:
                profiles = xp.stack(history[-back:], axis=1)[some, ...]
                nearest.keep_cycle(where[some], profiles)
                for i in range(0, back, -(-back // _SEEN)):
                    nearest.see(where[some], profiles[:, i, :])
                done[some] = True
        (rest,) = xp.nonzero(~done)
        if not rest.shape[0]:
            return
        where, at, tries = where[rest], at[rest, :], tries[rest]
        history = [old[rest, :] for old in history]
    nearest.see(where, at)


_TRIES = 3  # of Newton's method, before best replies go on for a while
_SEEN = 4  # profiles of a cycle that are looked at


def _polished(market: Competition, prices: Any, change: Any) -> Any:
    """Best replies to each other (L, M) that are nearly an equilibrium, made one to all digits.

    Prices at jumps and kinks of demand, where the marginal utility is not zero, stay there.

    Args:
        market: L markets.
        prices: (L, M) of them.
        change: (L,) by how much, relative to themselves, prices still changed.
    """
    xp = namespace(prices)
    profiles = Profiles(market, prices)
    front = xp.permute_dims(prices, (1, 0))
    seen = profiles.marginals(front)
    slack = 10 * change + 1e-5
    steep = xp.where(seen.own < 0, -seen.own, 1.0)
    held = xp.abs(seen.demand + (front - profiles.cost) * seen.own) > slack * steep * front
    if profiles.capacity is not None:
        held = held & (xp.abs(to_clear(profiles, seen.demand, seen.own)) > slack * front)
    return xp.permute_dims(newton(profiles, front, held)[0], (1, 0))


def _described(market: Competition, prices: Any) -> tuple[Any, ...]:
    layout = Columns(market)
    settled = settle_in(layout, prices, *rational(layout, prices))
    utility = settled.vmu_utility()
    return (
        prices,
        settled.shares,
        settled.delivered,
        settled.asp_utility,
        utility,
        namespace(utility).sum(utility, axis=-1),
    )
