"""Nash equilibria of the providers' prices, each with a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market.competition.batches import TOGETHER, checked, in_parts
from aigc_market.competition.deviation import best_price, gains, rough_reply
from aigc_market.competition.fixed_point import markup_iteration, newton
from aigc_market.competition.response import OwnDemand, Profiles
from aigc_market.equilibrium import solve
from aigc_market.market import Competition, check_between
from aigc_market.rules import PairSettlement, PairTerms, rational


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
        market: one market or a batch, of NumPy arrays.
        start: (…, M) prices within [c, p_max] to look at and to begin from; None: begin from the
            costs.
        tolerance: the largest gap of an equilibrium, as a share of the provider's utility.

    Returns:
        The equilibrium.

    Raises:
        TypeError, ValueError: a start that is not M finite numbers within [c, p_max], a tolerance
            that is not above zero, or tensors: no gradient flows through the solver.
    """
    market, prices = checked(market, start, "start", optional=True)
    tolerance = _checks.number("tolerance", tolerance, above=0)
    if start is not None:
        low, high = market.cost, market.max_price
        check_between("start", prices, "cost", low, "max_price", high)
        prices = np.clip(prices, low, high)

    def find(market: Competition, prices: np.ndarray) -> tuple[np.ndarray, ...]:
        search = _Search(market, tolerance)
        search.run(prices.T, start is not None)
        terms = PairTerms(market)
        settled = PairSettlement(terms, search.prices.T, *rational(terms, search.prices.T))
        utility = settled.vmu_utility()
        return (
            settled.prices,
            settled.shares,
            settled.delivered,
            settled.asp_utility,
            utility,
            utility.sum(axis=-1),
            search.gap.T,
            search.converged,
            np.moveaxis(np.where(search.converged, np.nan, search.cycle), -1, 0),
        )

    *found, cycle = in_parts(market, prices, find)
    known = ~np.isnan(cycle[..., 0])
    longest = np.count_nonzero(known.any(axis=tuple(range(known.ndim - 1))))
    return Nash(*found, cycle=cycle[..., :longest, :] if longest else None)


class _Search:
    """For an equilibrium of each of N markets.

    It keeps the profile with the smallest gap seen so far, and a cycle of best replies.

    Args:
        market: N markets, or one that all share.
        tolerance: the largest gap of an equilibrium, as a share of the utility.
    """

    prices: np.ndarray
    """(M, N) that profile."""
    gap: np.ndarray
    """(M, N) its gaps."""
    ratio: np.ndarray
    """(N,) the largest of them as a share of the provider's utility."""
    cycle: np.ndarray
    """(L, M, N), NaN behind the last profile."""

    def __init__(self, market: Competition, tolerance: float) -> None:
        self.market, self._tolerance = market, tolerance
        self._profiles = Profiles(market)

    def run(self, start: np.ndarray, given: bool) -> None:
        """From prices (M, N); where they are given, they may be the answer."""
        self.prices, self.gap = start.copy(), np.full(start.shape, np.inf)
        self.ratio = np.full(start.shape[1], np.inf)
        self.cycle = np.full((_ROUNDS, *start.shape), np.nan)
        failed = self.failed()
        if given:
            self.see(failed, start)
            failed = self.failed()
        prices = self._stationary(failed, start[:, failed])
        self.see(failed, prices)
        unsolved = ~self.converged[failed]
        rounds = min(_ROUNDS - 1, _REPLIES // self.market.M)
        self._reply_in_turn(failed[unsolved], prices[:, unsolved], rounds)
        failed = self.failed()
        count = max(_FEWEST, _STARTS * (self.market.M - 1) // self.market.K)
        size = max(1, TOGETHER // (count * self.market.K))  # markets at a time
        for first in range(0, len(failed), size):
            self._damped_replies(failed[first : first + size], count)

    @property
    def converged(self) -> np.ndarray:
        """(N,) whether that profile is an equilibrium."""
        return self.ratio <= self._tolerance

    def failed(self) -> np.ndarray:
        """The numbers of the other markets."""
        return np.flatnonzero(~self.converged)

    def see(self, where: np.ndarray, prices: np.ndarray) -> None:
        """Look at profiles (M, L) of markets (L,), of which one may be there several times."""
        if not len(where):
            return
        found = gains(self._profiles.some(where), prices, self._tolerance)
        ratio = np.max(found.bound / np.maximum(found.earned, _LEAST), axis=0)
        best = _first_of_each(where, ratio)
        best = best[ratio[best] < self.ratio[where[best]]]
        here = where[best]
        self.prices[:, here], self.gap[:, here] = prices[:, best], found.bound[:, best]
        self.ratio[here] = ratio[best]

    def _stationary(self, where: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Prices (M, L) that no small change improves, or some on the way there, from others."""
        if not len(where):
            return start
        if self.market.M == 1 and self.market.outside is None:
            return np.broadcast_to(solve(self.market.lanes(where).provider(0)).price, start.shape)
        profiles = self._profiles.some(where)
        return newton(profiles, markup_iteration(profiles, start))[0]

    def _reply_in_turn(self, where: np.ndarray, prices: np.ndarray, rounds: int) -> None:
        """Best replies in turn from prices (M, L) in markets (L,), until all rest or go round.

        Where they come near to something, Newton's method says what, and it is looked at.
        """
        at, history, tries = prices, [prices], np.zeros_like(where)
        for number in range(1, rounds + 1):
            if not len(where):
                return
            profiles, at = self._profiles.some(where), at.copy()
            for seat in range(profiles.M):
                at[seat] = best_price(profiles, seat, at, self._tolerance).price
            history.append(at)
            apart = [np.max(np.abs(at - old) / at, axis=0) for old in history[:-1]]
            rests = apart[-1] <= _SAME
            near = (apart[-1] < _CLOSE) & ((tries < _TRIES) | (number % 10 == 0)) | rests
            some = np.flatnonzero(near)
            if len(some):
                tries[some] += 1
                polished, reached = _polished(profiles.some(some), at[:, some])
                self.see(where[some][reached], polished[:, reached])
            some = np.flatnonzero(rests & ~self.converged[where])
            self.see(where[some], at[:, some])
            done = rests | self.converged[where]
            for back in range(2, number + 1):
                again = apart[-back] <= _AGAIN * np.minimum(apart[-1], 0.1)
                some = np.flatnonzero(again & ~done)
                if len(some):
                    self._keep_cycle(where[some], np.stack(history[-back:])[..., some])
                    done[some] = True
            rest = np.flatnonzero(~done)
            where, at, tries = where[rest], at[:, rest], tries[rest]
            history = [old[:, rest] for old in history]
        self.see(where, at)

    def _keep_cycle(self, where: np.ndarray, profiles: np.ndarray) -> None:
        """Profiles (B, M, L) that best replies go through in turn, where no cycle is known."""
        for i in range(0, len(profiles), -(-len(profiles) // _SEEN)):
            self.see(where, profiles[i])
        first = _first_of_each(where, np.zeros(len(where)))
        first = first[np.isnan(self.cycle[0, 0, where[first]])]
        self.cycle[: len(profiles), :, where[first]] = profiles[..., first]

    def _damped_replies(self, where: np.ndarray, count: int) -> None:
        """Rough replies in turn from so many starts each, in markets (L,).

        Each price goes only a part of the way to its reply: where replies in turn circle round an
        equilibrium, or jump out of its neighbourhood, shorter ways often lead there. What they come
        near to is polished, and looked at where no rough reply gains much.
        """
        L, kind = len(where), np.arange(count) % len(_PACES)
        shares = np.random.default_rng(0).random((self.market.M, count)) ** _POWERS[kind]
        pace, where = np.repeat(_PACES[kind], L), np.tile(where, count)
        profiles = self._profiles.some(where)
        low, high = (bound + np.zeros_like(pace) for bound in (profiles.cost, profiles.max_price))
        at = low + np.repeat(shares, L, axis=1) * (high - low)
        replies = at.copy()
        for number in range(1, _DAMPED + 1):
            before, at = at, at.copy()
            for seat in range(profiles.M):
                replies[seat], _ = rough_reply(OwnDemand(profiles, seat, at), replies[seat])
                at[seat] += pace * (replies[seat] - at[seat])
            if number % _EVERY:
                continue
            apart = np.max(np.abs(replies - before) / before, axis=0)
            some = np.flatnonzero(apart < _NEAR)
            if len(some):
                self._see_promising(where[some], profiles.some(some), replies[:, some])
            rest = np.flatnonzero(~self.converged[where] & (apart > _SAME))
            if not len(rest):
                return
            where, at, replies, pace = where[rest], at[:, rest], replies[:, rest], pace[rest]
            profiles = profiles.some(rest)

    def _see_promising(self, where: np.ndarray, profiles: Profiles, replies: np.ndarray) -> None:
        """Look at what rough replies (M, L) are near to, where little is gained."""
        prices, reached = _polished(profiles, replies)
        demands = [OwnDemand(profiles, seat, prices) for seat in range(profiles.M)]
        best = [rough_reply(demand, own)[1] for demand, own in zip(demands, prices, strict=True)]
        earned = profiles.utilities(prices)
        gain = np.max(np.stack(best) - earned, axis=0)
        some = np.flatnonzero(reached & (gain <= _PROMISING * np.max(earned, axis=0)))
        self.see(where[some], prices[:, some])
        # Of who sells next to nothing only exact replies tell the price.
        some = some[_first_of_each(where[some], gain[some])]
        some = some[~self.converged[where[some]]]
        self._reply_in_turn(where[some], prices[:, some], _EXACT)


_LEAST = 1e-290  # a provider that earns less earns nothing
_SAME = 1e-7  # prices that have changed by less, relative to themselves, rest
_AGAIN = 1e-4  # and have come back where this part of the last change leads to earlier ones

# Best replies in turn.
_ROUNDS = 100  # and so the longest cycle that is seen
_REPLIES = 300  # best replies: fewer rounds where there are many providers
_CLOSE = 0.05  # prices that still change by more are not polished
_TRIES = 3  # of Newton's method, before best replies go on for a while
_SEEN = 4  # profiles of a cycle that are looked at

# Damped replies.
_STARTS = 150  # for each provider but one; shared by the VMUs, so that time is bounded
_FEWEST = 8  # where VMUs are many
_PACES = np.array([1.0, 0.5, 0.3])  # the part of the way that prices go, of one start after another
_POWERS = np.array([1.0, 1.0, 0.5])  # < 1: denser the higher, where capacities clear
_DAMPED = 24  # rounds, after which a market is given up
_EVERY = 3  # rounds
_NEAR = 0.1  # replies that are further away, relative to the prices, are not polished
_PROMISING = 1e-4  # of the largest utility; who gains more is at no equilibrium
_EXACT = 3  # rounds


def _first_of_each(where: np.ndarray, value: np.ndarray) -> np.ndarray:
    """For each number in (L,) the place in it where the value is lowest."""
    order = np.lexsort((value, where))
    return order[np.unique(where[order], return_index=True)[1]]


def _polished(profiles: Profiles, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Replies to each other (M, L) that are nearly an equilibrium, made one to all digits.

    Prices that are best within their neighbourhood because demand breaks there stay.

    Returns:
        Prices (M, L), and whether Newton's method reached its end (L,). Where not, those given.
    """
    held = profiles.at_breaks(prices)
    for seat in range(profiles.M):
        demand, own = OwnDemand(profiles, seat, prices), prices[seat]
        around = np.stack([own, own * (1 - _BESIDE), own * (1 + _BESIDE)])
        earned = demand.earned(around)
        held[seat] &= np.all(earned[0] >= earned, axis=0)
    return newton(profiles, prices, held)


_BESIDE = 1e-7  # relative to the price: far enough for differences to be no rounding
