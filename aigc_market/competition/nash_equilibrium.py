"""Nash equilibria of the providers' prices, each with a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from aigc_market import _checks
from aigc_market._arrays import namespace
from aigc_market.competition.batches import elements, flatten, halton, in_parts
from aigc_market.competition.deviation import Gains, best_price, gains, rough_reply
from aigc_market.competition.fixed_point import Profiles, markup_iteration, newton
from aigc_market.competition.game import rational, settle_in, together
from aigc_market.competition.layouts import Columns
from aigc_market.competition.market import Competition
from aigc_market.competition.response import OwnDemand
from aigc_market.equilibrium import solve
from aigc_market.market import check_between


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

    Where `start` is an equilibrium, it is the answer. Otherwise the markup fixed point of Morrow &
    Skerlos (2011) is certified by `best_deviation` of every seat; where that fails, providers reply
    to each other in turn, each by its global best reply, until they rest or go round in a cycle;
    where they do not rest, many starts follow, from which prices go only a part of the way to each
    reply. Whatever is called an equilibrium has been certified. Markets without one in pure
    strategies exist (Edgeworth cycles): then `converged` is False and nothing is raised. Where
    there are several equilibria one is found. With one provider and no outside option it is
    `aigc_market.solve`.

    Args:
        market: one market or a batch.
        start: (…, M) prices within [c, p_max] to look at and to begin from; None: begin from the
            costs.
        tolerance: the largest gap of an equilibrium, as a share of the provider's utility.

    Returns:
        The equilibrium, in the library of the market's arrays; gradients do not flow through it.

    Raises:
        TypeError, ValueError: a start that is not M finite numbers within [c, p_max], or a
            tolerance that is not above zero.
    """
    _checks.instance("market", market, Competition, "a Competition")
    tolerance = _checks.number("tolerance", tolerance, above=0)
    market, prices = together(market, market.cost) if start is None else _given(market, start)
    batch = flatten(market, prices)

    cycles: list[Any] = []

    def search(market: Competition, prices: Any) -> tuple[Any, ...]:
        *found, cycle = _nash(market, prices, tolerance, start is not None)
        cycles.append(cycle)
        return tuple(found)

    found = [batch.answer(array) for array in in_parts(batch, search)]
    longest = max(cycle.shape[1] for cycle in cycles)
    return Nash(*found, cycle=batch.answer(_padded(cycles, longest)) if longest else None)


def _given(market: Competition, start: Any) -> tuple[Competition, Any]:
    """The market and prices to begin from, checked."""
    try:
        market, prices = together(market, start)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("prices", "start", 1)) from None
    low, high = market.cost, market.max_price
    check_between("start", prices, "cost", low, "max_price", high)
    xp = namespace(prices)
    return market, xp.minimum(xp.maximum(prices, low), high)


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


def _nash(market: Competition, start: Any, tolerance: float, given: bool) -> tuple[Any, ...]:
    """`nash` of N markets, from prices (N, M); where they are `given`, they may be the answer."""
    prices = _stationary(market, start)
    nearest = _Nearest(market, start if given else prices, tolerance)
    if given:
        failed = nearest.failed()
        nearest.see(failed, prices[failed, :])
    failed = nearest.failed()
    rounds = min(_ROUNDS - 1, _REPLIES // market.M)
    _reply_in_turn(nearest, failed, prices[failed, :], rounds)
    for wave in range(_WAVES):
        failed = nearest.failed()
        count = max(_FEWEST, _STARTS * (market.M - 1) // market.K)
        size = max(1, elements(start) // (count * market.K))  # markets at a time
        for first in range(0, failed.shape[0], size):
            where = failed[first : first + size]
            _damped_replies(nearest, where, *_spread(market, where, start, count, wave))
    return (
        *_described(market, nearest.prices),
        nearest.gap,
        nearest.converged,
        nearest.cycles(),
    )


def _stationary(market: Competition, start: Any) -> Any:
    """Prices (N, M) that no small change improves, or some on the way there, from others."""
    if market.M == 1 and market.outside is None:
        return (solve(market.provider(0)).price + 0 * start[:, 0])[:, None]
    profiles = Profiles(market, start)
    near = markup_iteration(profiles, namespace(start).permute_dims(start, (1, 0)))
    return namespace(start).permute_dims(newton(profiles, near)[0], (1, 0))


def _spread(market: Competition, where: Any, like: Any, count: int, wave: int) -> tuple[Any, Any]:
    """Prices spread over all that are allowed, others in every wave.

    Returns:
        (P, L, M) P prices for each of L markets, and (P,) the paces for them.
    """
    xp = namespace(like)
    shares = halton((wave + 1) * count, market.M)[wave * count :]
    numbers = np.arange(count) % len(_PACES)
    shares = shares ** np.asarray(_POWERS)[numbers, None]
    shares, pace = (
        xp.asarray(a, dtype=like.dtype, device=array_api_compat.device(like))
        for a in (shares, np.asarray(_PACES)[numbers])
    )
    low, high = (value + 0 * like for value in (market.cost, market.max_price))
    low, high = low[where, :], high[where, :]
    return low + shares[:, None, :] * (high - low), pace


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
        if not where.shape[0]:
            return
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


_LEAST = 1e-290  # a provider that earns less earns nothing
_SAME = 1e-7  # prices that have changed by less, relative to themselves, rest
_AGAIN = 1e-4  # and have come back where this part of the last change leads to earlier ones


def _reply_in_turn(nearest: _Nearest, where: Any, prices: Any, rounds: int) -> None:
    """Best replies in turn from prices (L, M) in markets (L,), until all rest or go round.

    Where they come near to something, Newton's method says what, and it is looked at.
    """
    xp = namespace(prices)
    at, history, tries = prices, [prices], 0 * where
    for number in range(1, rounds + 1):
        if not where.shape[0]:
            return
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
            polished, reached = _polished(market.lanes(some), at[some, :])
            nearest.see(where[some][reached], polished[reached, :])
        (some,) = xp.nonzero(rests & ~nearest.converged[where])
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
        where, at, tries = where[rest], at[rest, :], tries[rest]
        history = [old[rest, :] for old in history]
    nearest.see(where, at)


_ROUNDS = 100  # of best replies, and so the longest cycle that is seen
_REPLIES = 300  # best replies: fewer rounds where there are many providers
_CLOSE = 0.05  # prices that still change by more are not polished
_TRIES = 3  # of Newton's method, before best replies go on for a while
_SEEN = 4  # profiles of a cycle that are looked at


def _damped_replies(nearest: _Nearest, where: Any, prices: Any, pace: Any) -> None:
    """Rough replies in turn, each price going only a part of the way to its reply.

    Where replies in turn circle round an equilibrium, or jump out of its neighbourhood, shorter
    ways often lead there. What they come near to is polished, and looked at where no rough reply
    gains much.

    Args:
        nearest: of N markets.
        where: (L,) the numbers of those to search.
        prices: (P, L, M) to begin from.
        pace: (P,) the part of the way that prices go.
    """
    xp = namespace(prices)
    P, L, M = prices.shape
    at = replies = xp.permute_dims(xp.reshape(prices, (P * L, M)), (1, 0))
    pace, where = xp.repeat(pace, L), xp.tile(where, (P,))
    for number in range(1, _DAMPED + 1):
        if not where.shape[0]:
            return
        market, before = nearest.market.lanes(where), at
        for seat in range(M):
            reply, _ = rough_reply(OwnDemand(market, seat, at), replies[seat, :])
            row = at[seat, :] + pace * (reply - at[seat, :])
            at = xp.concat([at[:seat, :], row[None, :], at[seat + 1 :, :]])
            replies = xp.concat([replies[:seat, :], reply[None, :], replies[seat + 1 :, :]])
        if number % _EVERY:
            continue
        apart = xp.max(xp.abs(replies - before) / before, axis=0)
        (some,) = xp.nonzero(apart < _NEAR)
        if some.shape[0]:
            _see_promising(nearest, where[some], xp.permute_dims(replies[:, some], (1, 0)))
        (rest,) = xp.nonzero(~nearest.converged[where] & (apart > _SAME))
        where, at, replies, pace = where[rest], at[:, rest], replies[:, rest], pace[rest]


_STARTS = 150  # in a wave, for each provider but one; shared by the VMUs, so that time is bounded
_FEWEST = 8  # where VMUs are many
_WAVES = 3  # after which a market is given up
_PACES = 1.0, 0.5, 0.3  # the part of the way that prices go, of one start after the other
_POWERS = 1.0, 1.0, 0.5  # < 1: those starts are the denser the higher, where capacities clear
_DAMPED = 24  # rounds
_EVERY = 3  # rounds
_NEAR = 0.1  # replies that are further away, relative to the prices, are not polished


def _see_promising(nearest: _Nearest, where: Any, replies: Any) -> None:
    """Look at what rough replies (L, M) to each other are near to, where little is gained there."""
    xp = namespace(replies)
    market = nearest.market.lanes(where)
    prices, reached = _polished(market, replies)
    front = xp.permute_dims(prices, (1, 0))
    most = gain = 0 * front[0, :]
    for seat in range(market.M):
        demand, own = OwnDemand(market, seat, front), front[seat, :]
        earned = demand.utility(own, demand.at(own[None, :])[0, :])
        gain = xp.maximum(gain, rough_reply(demand, own)[1] - earned)
        most = xp.maximum(most, earned)
    (some,) = xp.nonzero(reached & (gain <= _PROMISING * most))
    nearest.see(where[some], prices[some, :])
    # Of who sells next to nothing only exact replies tell the price.
    some = some[_first_of_each(where[some], gain[some])]
    some = some[~nearest.converged[where[some]]]
    _reply_in_turn(nearest, where[some], prices[some, :], _EXACT)


_PROMISING = 1e-4  # of the largest utility; who gains more is at no equilibrium
_EXACT = 3  # rounds


def _polished(market: Competition, prices: Any) -> tuple[Any, Any]:
    """Replies to each other (L, M) that are nearly an equilibrium, made one to all digits.

    Prices that are best within their neighbourhood because demand breaks there stay.

    Returns:
        Prices (L, M), and whether Newton's method reached its end (L,). Where not, those given.
    """
    xp = namespace(prices)
    profiles = Profiles(market, prices)
    front = xp.permute_dims(prices, (1, 0))
    tops = []
    for seat in range(market.M):
        demand, own = OwnDemand(market, seat, front), front[seat, :]
        around = xp.stack([own, own * (1 - _BESIDE), own * (1 + _BESIDE)])
        earned = demand.utility(around, demand.at(around))
        tops.append((earned[0, :] >= earned[1, :]) & (earned[0, :] >= earned[2, :]))
    held = xp.stack(tops) & profiles.at_breaks(front)
    prices, reached = newton(profiles, front, held)
    return xp.permute_dims(prices, (1, 0)), reached


_BESIDE = 1e-7  # relative to the price: far enough for differences to be no rounding


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
