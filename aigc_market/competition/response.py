"""How demand answers to prices: that of all providers, and that of one to its own price.

Arrays have the axis of N markets last, and that of the VMUs before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from aigc_market.competition.batches import blocks
from aigc_market.market import Competition
from aigc_market.rules import PairTerms, asp_utility, rational
from aigc_market.ssim.model import DemandCurve, Lines
from aigc_market.ssim.saturating import Logarithms

EPS = float(np.finfo(np.float64).eps)


class Derivatives(NamedTuple):
    """Demand at a profile of prices, and its derivatives from the left; jumps are no part of it.

    G_j = ∂/∂p_j of m_j·D_j, or of Σ_i m_i·D_i where providers are together; m are the margins.
    """

    demand: np.ndarray
    """(M, N) D."""
    own: np.ndarray
    """(M, N) ∂D_m/∂p_m."""
    pull: np.ndarray
    """(M, N) Σ_k q·S²/μ − q·S′: divided by it, G is a step of about the right length."""
    demand_by: Any = None
    """(M, M, N) ∂D_m/∂p_j, where it is asked for, as all that follows."""
    gradient: Any = None
    """(M, N) G."""
    gradient_by: Any = None
    """(M, M, N) ∂G_m/∂p_j."""


class Flow(NamedTuple):
    """What some VMUs ask of the providers, f = q·S, and how it changes; (M, K, N) each.

    ∂f_i/∂p_j = f_i·f_j/μ, and with own prices also e_i = q_i·S_i′ − f_i·S_i/μ.
    """

    flow: np.ndarray
    """f."""
    drawn: np.ndarray
    """f/μ."""
    own: np.ndarray
    """e."""
    bend: Any
    """q·S″ − 2·f·S′/μ − e·S/μ: ∂e_i/∂p_j = e_i·f_j/μ, and with own prices also this."""


class Bounds(NamedTuple):
    """Demand on intervals of prices."""

    edges: Any
    """(E, W, N) where they begin and end."""
    demand: Any
    """(E, W, N) D at the edges."""
    gentlest: Any
    """(E − 1, W, N) no D′ between two edges is above."""
    steepest: Any
    """(E − 1, W, N) no D′ is below, where demand does not jump."""
    jumps: Any
    """(E − 1, W, N) bool: demand may jump down there."""


class Seller:
    """One provider and some of the VMUs, of N markets."""

    def __init__(self, market: Competition, seat: int) -> None:
        self.terms = terms = PairTerms(_only(market, seat), front=True)
        curve = terms.ssim.demand_curve(terms.min_steps, terms.max_steps)
        pieces = range(curve.rates.shape[-1])
        self.breaks = np.concatenate([curve.rates[..., j] * terms.satisfaction for j in pieces])
        """(J, K, N) prices at which the steps bought jump down, or begin or end to fall."""
        self.smooth = _is_smooth(curve)
        """Whether steps never jump, and fall with the price or its logarithm where no bound holds.
        Else every break is taken for a jump."""
        self.logarithmic = self.smooth and isinstance(curve.form, Logarithms)
        slope = curve.slopes[..., 1] if self.smooth else 0.0
        self.steepness, _ = curve.form.of_price(slope, 0.0, terms.satisfaction)
        """(1, K, N) dS/dp where no bound holds, or dS/d ln p."""

    def answers(self, prices: np.ndarray, rivals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """q and S (P, K, N) at prices (P, N); rivals (K, N) as `_rivals_of` has them."""
        terms, price = self.terms, prices[:, None, :]
        steps = terms.demand(price)
        odds = (rivals - terms.worth(price, steps)) / terms.pair_temperature
        odds = np.exp(np.minimum(odds, _FAR, out=odds), out=odds)
        return 1 / (1 + odds), steps

    def slope(self, prices: np.ndarray) -> np.ndarray:
        """(P, K, N) dS/dp where no bound holds; below zero, it never falls with the price."""
        return self.steepness / prices[..., None, :] if self.logarithmic else self.steepness


_FAR = 700.0  # its exponential is still a number


def _is_smooth(curve: DemandCurve) -> bool:
    """Whether demand falls along one piece between its bounds, and jumps nowhere."""
    slopes, intercepts = curve.slopes, curve.intercepts
    known = type(curve.form) in (Lines, Logarithms)
    if not known or slopes.shape[-1] != 3 or np.any((slopes < 0) != [False, True, False]):
        return False
    with np.errstate(divide="ignore", invalid="ignore"):  # a rate of 0 is no jump
        falls = np.diff(slopes) * curve.form.coordinate(curve.rates) + np.diff(intercepts)
    return not np.any(falls < -1e-9 * np.max(intercepts))


def _only(market: Competition, seat: int) -> Competition:
    """The market as if one of its providers were alone."""
    part = slice(seat, seat + 1)

    def pick(name: str, value: Any) -> Any:
        axes = "" if name == "ssim" else market.PARAMETERS[name].axes
        return value[..., part, :] if axes == "MK" else value[..., part] if axes == "M" else value

    return market.map(pick).replace(M=1, ssim=market.ssim[part])


class Profiles:
    """All providers' demand, and its derivatives, at profiles of prices.

    Args:
        market: N markets, or one that all share.
    """

    def __init__(self, market: Competition) -> None:
        self.market, self.M = market, market.M
        self.parts = [
            (PairTerms(block, front=True), [Seller(block, m) for m in range(market.M)])
            for block in blocks(market)
        ]
        terms, sellers = self.parts[0]
        self.cost, self.capacity = terms.cost, terms.capacity
        self.max_price = np.atleast_2d(market.max_price).T
        self.smooth = all(seller.smooth for seller in sellers)
        self._logarithmic = np.array([[seller.logarithmic] for seller in sellers], float)

    def some(self, where: np.ndarray) -> Profiles:
        """Of some of the markets, each as often as it is named."""
        return Profiles(self.market.lanes(where)) if self.market.batch_shape else self

    def within(self, prices: np.ndarray) -> np.ndarray:
        """Prices (M, N) held within [c, p_max]."""
        return np.clip(prices, self.cost, self.max_price)

    def moved(self, prices: np.ndarray, change: np.ndarray, pace: Any = 1.0) -> np.ndarray:
        """Prices (M, N) after a part of a change, which is no larger than a fifth of them."""
        return self.within(prices + pace * np.clip(change, -0.2 * prices, 0.2 * prices))

    def stopped(self, prices: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """(M, N) which prices are at a bound that the gradient would leave."""
        high = (prices >= self.max_price) & (gradient > 0)
        return high | ((prices <= self.cost) & (gradient < 0))

    def flows(self, prices: np.ndarray, second: bool = False) -> Iterator[Flow]:
        """Of some VMUs after the other, at prices (M, N); the bend only where it is asked for."""
        turn = (-self._logarithmic / prices)[:, None]  # S″/S′
        for terms, sellers in self.parts:
            q, S = rational(terms, prices)
            slope = np.empty_like(S)
            for m, seller in enumerate(sellers):
                slope[m] = seller.slope(prices[m : m + 1])
            slope *= (terms.min_steps < S) & (terms.max_steps > S)
            flow = q * S
            drawn = flow / terms.pair_temperature
            own = q * slope - drawn * S
            bend = None
            if second:
                bend = slope * (q * turn - 2 * drawn) - own * S / terms.pair_temperature
            yield Flow(flow, drawn, own, bend)

    def demand(self, prices: np.ndarray) -> Any:
        """(M, N) D at prices (M, N)."""
        answers = (rational(terms, prices) for terms, _ in self.parts)
        return sum(over_vmus(q, S) for q, S in answers)

    def utilities(self, prices: np.ndarray) -> np.ndarray:
        """(M, N) U at prices (M, N)."""
        demand = self.demand(prices)
        if self.capacity is not None:
            demand = np.minimum(demand, self.capacity)
        return asp_utility(prices, self.cost, demand)

    def slopes(self, prices: np.ndarray) -> Derivatives:
        """At prices (M, N): of demand, by own prices alone."""
        demand, own, pull = (np.zeros_like(prices) for _ in range(3))
        for some in self.flows(prices):
            demand += np.sum(some.flow, axis=1)
            own += np.sum(some.own + some.flow * some.drawn, axis=1)
            pull -= np.sum(some.own, axis=1)
        return Derivatives(demand, own, pull)

    def derivatives(self, prices: np.ndarray, margin: np.ndarray, together: bool) -> Derivatives:
        """At prices (M, N), for margins (M, N) that rise with them.

        With W_j = m_j·f_j of each VMU, or Σ_i m_i·f_i where all are `together`, the gradient is
        Σ_k f_j + m_j·e_j + W_j·f_j/μ.
        """
        M = self.M
        demand, pull, gradient, bend = (np.zeros_like(prices) for _ in range(4))
        across, gradient_by = (np.zeros((M, *prices.shape)) for _ in range(2))
        for some in self.flows(prices, second=True):
            worth = margin[:, None] * some.drawn  # W/μ
            if together:
                worth = np.sum(worth, axis=0, keepdims=True)
            gains = some.flow + margin[:, None] * some.own
            demand += np.sum(some.flow, axis=1)
            pull -= np.sum(some.own, axis=1)
            gradient += np.sum(gains + worth * some.flow, axis=1)
            bend += margin * np.sum(some.bend, axis=1) + np.sum((2 + worth) * some.own, axis=1)
            across += by_pairs(some.flow, some.drawn)
            # Together they gain one sum, whose second derivatives are symmetric.
            leans = by_pairs(gains + (1 if together else 2) * worth * some.flow, some.drawn)
            gradient_by += leans
            if together:
                gradient_by += leans.swapaxes(0, 1)
            else:
                bend += over_vmus(gains, some.drawn)
        on_own = np.eye(M)[..., None]
        demand_by = across - on_own * pull
        gradient_by += on_own * bend
        own = np.einsum("mmn->mn", demand_by)
        return Derivatives(demand, own, pull, demand_by, gradient, gradient_by)

    def reach(self) -> np.ndarray:
        """(M, N) or (M, 1) prices above which a provider sells nothing, or p_max."""
        tops = [[np.max(seller.breaks, axis=(0, 1)) for seller in part] for _, part in self.parts]
        captive = np.atleast_1d(self.market.min_steps) > 0
        return self.within(np.where(captive, np.inf, np.max(tops, axis=0)))

    def breaks(self, seat: int, most: int) -> np.ndarray:
        """(B, N) or (B, 1) prices of a provider, a hair below its breaks and within [c, p_max].

        Where there are more than `most`, that many of them.
        """
        breaks = np.concatenate([np.concatenate(sellers[seat].breaks) for _, sellers in self.parts])
        if len(breaks) > most:
            breaks = np.sort(breaks, axis=0)[:: -(-len(breaks) // most)]
        return np.clip(breaks * (1 - 4 * EPS), self.cost[seat], self.max_price[seat])

    def at_breaks(self, prices: np.ndarray) -> np.ndarray:
        """(M, N) whether a price is one at which some VMU's demand, or its slope, jumps down."""
        there = np.zeros(prices.shape, bool)
        for _, sellers in self.parts:
            for m, seller in enumerate(sellers):
                near = np.abs(seller.breaks - prices[m]) <= 1e-9 * prices[m]
                there[m] |= np.any(near, axis=(0, 1))
        return there


def over_vmus(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(…, N) the sum of products (…, K, N) over the VMUs."""
    return np.einsum("...kn,...kn->...n", a, b)


def by_pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(M, M, N) sums over the VMUs of products of each provider's row of a (M, K, N) and of b."""
    return np.einsum("ikn,jkn->ijn", a, b)


class OwnDemand:
    """D(p) = Σ_k q·S of one provider as a function of its own price p; it never rises with p.

    Args:
        profiles: of the N markets.
        seat: the provider's number.
        prices: (M, N) of all providers; its own is not read.
    """

    def __init__(self, profiles: Profiles, seat: int, prices: np.ndarray) -> None:
        self.profiles, self.seat, self._prices = profiles, seat, prices
        self._parts: list[tuple[Seller, np.ndarray]] = []
        for terms, sellers in profiles.parts:
            price = terms.of_provider(prices)
            rivals = _rivals_of(terms, terms.worth(price, terms.demand(price)), seat)
            self._parts.append((sellers[seat], rivals))
        self.smooth = self._parts[0][0].smooth
        count = prices.shape[1:]
        self.cost = np.broadcast_to(profiles.cost[seat], count)
        self.max_price = np.broadcast_to(profiles.max_price[seat], count)
        self.capacity = None
        if profiles.capacity is not None:
            self.capacity = np.broadcast_to(profiles.capacity[seat], count)

    def some(self, where: np.ndarray) -> OwnDemand:
        """The same for some of the markets."""
        return OwnDemand(self.profiles.some(where), self.seat, self._prices[:, where])

    def utility(self, prices: np.ndarray, demand: np.ndarray) -> np.ndarray:
        """U at prices (…, N) at which the VMUs ask for `demand`."""
        if self.capacity is not None:
            demand = np.minimum(demand, self.capacity)
        return asp_utility(prices, self.cost, demand)

    def earned(self, prices: np.ndarray) -> np.ndarray:
        """U at prices (P, N)."""
        return self.utility(prices, self.at(prices))

    def at(self, prices: np.ndarray) -> Any:
        """D at prices (P, N)."""
        answers = (seller.answers(prices, rivals) for seller, rivals in self._parts)
        return sum(over_vmus(q, S) for q, S in answers)

    def marginal(self, prices: np.ndarray) -> np.ndarray:
        """U′ = D + (p − c)·D′ from the left at prices (N,), as if no capacity bound.

        By the envelope theorem v′ = −S, so D′ = Σ q·S′ − q·(1 − q)·S²/μ.
        """
        found = np.zeros_like(prices)
        for seller, rivals in self._parts:
            q, S = seller.answers(prices[None], rivals)
            terms = seller.terms
            inside = (terms.min_steps < S) & (terms.max_steps > S)
            slope = seller.slope(prices[None]) * inside - (1 - q) * S * S / terms.pair_temperature
            found = found + np.sum(q * (S + (prices - self.cost) * slope), axis=1)[0]
        return found

    def next_jump(self, prices: np.ndarray) -> np.ndarray:
        """The lowest price, from `prices` (N,) on, at which some VMU is about to buy less."""
        nearest = self.max_price
        for seller, _ in self._parts:
            ahead = np.where(seller.breaks >= prices, seller.breaks, self.max_price)
            nearest = np.minimum(nearest, np.min(ahead, axis=(0, 1)))
        return np.maximum(nearest, prices)

    def between(self, edges: np.ndarray) -> Bounds:
        """D at edges (E, W, N), ascending along the first axis, and bounds of D′ between them.

        q, S and −S′ fall with the price, so at each VMU they lie between their values at the edges,
        and so does each factor of D′ = Σ q·S′ − q·(1 − q)·S²/μ.
        """
        width = max(1, _PRICES // len(edges))
        slices = [edges[:, i : i + width] for i in range(0, edges.shape[1], width)]
        rows = [self._some_between(part) for part in slices]
        return Bounds(*(np.concatenate(column, axis=1) for column in zip(*rows, strict=True)))

    def _some_between(self, edges: np.ndarray) -> Bounds:
        demand: Any = 0.0
        gentlest, steepest, jumps = demand, demand, np.zeros((), bool)
        for seller, rivals in self._parts:
            terms = seller.terms
            q, S = seller.answers(edges.reshape(-1, edges.shape[-1]), rivals)
            q, S = (a.reshape(*edges.shape[:-1], *a.shape[1:]) for a in (q, S))
            spread = q * (1 - q)
            push = S * S / terms.pair_temperature
            least = np.minimum(spread[:-1], spread[1:])
            most = np.maximum(spread[:-1], spread[1:])
            most[(q[:-1] >= 0.5) & (q[1:] < 0.5)] = 0.25
            demand = demand + over_vmus(q, S)
            gentlest = gentlest - over_vmus(least, push[1:])
            steepest = steepest - over_vmus(most, push[:-1])
            moves = S[:-1] != S[1:]
            if seller.smooth:
                falls = q * seller.slope(edges)
                inside = (terms.max_steps > S[:-1]) & (terms.min_steps < S[1:])
                gentlest = gentlest + over_vmus(falls[1:], inside)
                steepest = steepest + over_vmus(falls[:-1], moves)
            else:
                jumps = jumps | np.any(moves, axis=-2)
        return Bounds(edges, demand, gentlest, steepest, np.broadcast_to(jumps, gentlest.shape))


_PRICES = 64  # looked at together


def _rivals_of(terms: PairTerms, values: np.ndarray, seat: int) -> np.ndarray:
    """μ·log Σ exp(v/μ) over all that a VMU can choose but one provider, of values (M, K, N)."""
    others = np.delete(values, seat, axis=0)
    if terms.outside is not None:
        others = np.concatenate([others, np.zeros_like(values[:1]) + terms.outside])
    return terms.temperature * np.logaddexp.reduce(others / terms.temperature, axis=0)
