"""The rounds of the games on Python floats, one loop a game: for the few numbers of a turn.

On a few numbers floats are ten times as fast as arrays. The rules are those of `aigc_market.rules`,
of menus those of `aigc_market.menus`, and a test pins that the two agree; what is fixed for a
market is laid out once, in `Terms`, `PairTerms` and `MenuTerms`. Lists hold a float for each VMU,
or for each pair: all VMUs of a provider together.
"""

from __future__ import annotations

from array import array
from math import exp, floor, inf, log
from typing import Any

import numpy as np

from aigc_market._arrays import ndim
from aigc_market.market import Competition, Market
from aigc_market.menus import SINGLE_TIE
from aigc_market.rules import LEAST_SHARE
from aigc_market.ssim import QuadraticSSIM, SSIMModel, is_live


def in_single(numbers: list[float]) -> list[float]:
    """Numbers rounded to single precision, as the actions of an environment are."""
    return array("f", numbers).tolist()


def _models(model: SSIMModel, K: int) -> list[Any]:
    """A model of each VMU on its own."""
    if not any(ndim(value) for value in model.parameters):
        return [model] * K
    if all(np.size(value) == 1 for value in model.parameters):
        return [model.map(lambda value: float(value[0]) if ndim(value) else value)] * K

    def of_vmu(k: int) -> Any:
        return lambda value: float(np.broadcast_to(value, (K,))[k])

    return [model.map(of_vmu(k)) for k in range(K)]


class Terms:
    """The parameters of one market, for rounds on floats.

    Args:
        market: one market of NumPy.
        before: the terms of an earlier market, from which is taken what has not changed.
    """

    def __init__(self, market: Market, before: Terms | None = None) -> None:
        self.market, self.cost = market, market.cost
        self.capacity = None if market.capacity is None else float(market.capacity)
        self.satisfaction: list[float] = market.satisfaction.tolist()
        self.min_steps, self.max_steps = market.min_steps, market.max_steps
        self.active: list[bool] | None = None
        if market.active is not None:
            self.active = market.active.tolist()
        if before is not None and before.market.ssim is market.ssim:
            self.models, self.at_zero, self.live = before.models, before.at_zero, before.live
            self.curves = before.curves
        else:
            self.models = _models(market.ssim, market.K)
            self.at_zero = np.broadcast_to(market.ssim(0.0), market.K).tolist()
            self.live = is_live(market.ssim)
            self.curves: list[tuple[float, float]] | None = None
            """α and β of each VMU, where SSIM is quadratic."""
            if isinstance(market.ssim, QuadraticSSIM):
                self.curves = [(model.alpha, model.beta) for model in self.models]
        self.lines: list[tuple[float, float]] | None = None
        """Slope and intercept of each VMU's demand over the price, where SSIM is quadratic."""
        if self.curves is not None:
            columns = zip(self.models, self.satisfaction, strict=True)
            self.lines = [(model.slope / delta, model.vertex) for model, delta in columns]

    def demand(self, price: float) -> list[float]:
        """What rational VMUs ask for, whether they are there or not."""
        low, high, steps = self.min_steps, self.max_steps, []
        if self.lines is None:
            for model, delta in zip(self.models, self.satisfaction, strict=True):
                steps.append(model.demand(price / delta, low, high))
        else:
            for slope, vertex in self.lines:
                s = price * slope + vertex
                steps.append(low if s < low else high if s > high else s)
        return steps

    def settle(
        self, price: float, asked: list[float]
    ) -> tuple[list[float], list[float], float, float]:
        """Settle a round: `rules.Settlement` on floats. No other code settles floats.

        Args:
            price: p.
            asked: of each VMU, within the bounds of a purchase.

        Returns:
            Steps asked for by those who are there, steps delivered, ΣS_k, U_p.
        """
        if self.active is not None:
            asked = [s if there else 0.0 for s, there in zip(asked, self.active, strict=True)]
        if self.live:
            asked = [float(round(s)) for s in asked]
        sold, delivered = 0.0, asked
        for s in asked:
            sold += s
        if self.capacity is not None:
            share = self.capacity / (sold if sold > self.capacity else self.capacity)
            delivered, sold = [s * share for s in asked], sold * share
            if self.live:
                delivered = [float(floor(s + 1e-9)) for s in delivered]
                sold = sum(delivered)
        return asked, delivered, sold, (price - self.cost) * sold

    def gains(self, delivered: list[float]) -> list[float]:
        """SSIM(S_k) − SSIM(0) of each VMU."""
        if self.curves is None:
            return [model.gain(s) for model, s in zip(self.models, delivered, strict=True)]
        return [(a * s + b) * s for (a, b), s in zip(self.curves, delivered)]  # noqa: B905

    def surpluses(self, price: float, delivered: list[float], gains: list[float]) -> list[float]:
        """U_k(S_k) − U_k(0) of each VMU; 0 for one that is not there."""
        columns = zip(self.satisfaction, gains, delivered)  # noqa: B905 (strict takes as long)
        return [delta * gain - price * s for delta, gain, s in columns]

    def utilities(self, price: float, delivered: list[float], ssim: list[float]) -> list[float]:
        """U_k of each VMU as printed in Eq. 4; 0 for one that is not there."""
        paid = self.surpluses(price, delivered, ssim)
        if self.active is None:
            return paid
        return [u if there else 0.0 for u, there in zip(paid, self.active, strict=True)]


class PairTerms:
    """The parameters of one market of several providers, for rounds on floats.

    Arguments are as for `Terms`.
    """

    def __init__(self, market: Competition, before: PairTerms | None = None) -> None:
        self.market = market
        self.M, self.K = M, K = market.M, market.K
        self.cost: list[float] = market.cost.tolist()
        self.capacity: list[float] | None = None
        if market.capacity is not None:
            self.capacity = market.capacity.tolist()
        self.satisfaction: list[float] = market.satisfaction.tolist() * M
        self.access_cost: list[float] = market.access_cost.ravel().tolist()
        self.min_steps, self.max_steps = market.min_steps, market.max_steps
        self.temperature: float = market.temperature
        self.outside: float | None = market.outside
        if before is not None and before.market.ssim is market.ssim:
            self.models = before.models
        else:
            self.models = [of_vmu for model in market.ssim for of_vmu in _models(model, K)]
        self.pairs: list[tuple[Any, ...]] | None = None
        """Of each pair slope and intercept of demand, α, β, δ and τ, where SSIM is quadratic."""
        if all(type(model) is QuadraticSSIM for model in self.models):
            columns = zip(self.models, self.satisfaction, self.access_cost, strict=True)
            self.pairs = [
                (model.slope / delta, model.vertex, model.alpha, model.beta, delta, access)
                for model, delta, access in columns
            ]

    def _answer(self, k: int, prices: list[float]) -> tuple[list[float], list[float], float, float]:
        """What a rational VMU buys of each provider for a request, and the odds of each.

        Returns:
            Steps, odds exp((v − v_max)/μ), v_max, and the sum of all odds.
        """
        low, high, mu, outside = self.min_steps, self.max_steps, self.temperature, self.outside
        best, steps, odds, pair = -inf if outside is None else outside, [], [], k
        for price in prices:
            if self.pairs is None:
                model, delta = self.models[pair], self.satisfaction[pair]
                s = model.demand(price / delta, low, high)
                value = delta * model.gain(s) - price * s - self.access_cost[pair]
            else:
                slope, vertex, a, b, delta, access = self.pairs[pair]
                s = price * slope + vertex
                s = low if s < low else high if s > high else s
                value = delta * ((a * s + b) * s) - price * s - access
            steps.append(s)
            odds.append(value)
            if value > best:
                best = value
            pair += self.K
        given = 0.0
        for m, value in enumerate(odds):
            odds[m] = odd = exp((value - best) / mu)
            given += odd
        if outside is not None:
            given += exp((outside - best) / mu)
        return steps, odds, best, given

    def rational(self, prices: list[float]) -> tuple[list[float], list[float]]:
        """What rational VMUs answer: shares and steps of each pair."""
        K, pairs = self.K, len(self.models)
        shares, steps = [0.0] * pairs, [0.0] * pairs
        for k in range(K):
            steps[k::K], odds, _, given = self._answer(k, prices)
            shares[k::K] = [odd / given for odd in odds]
        return shares, steps

    def best_utility(self, prices: list[float]) -> list[float]:
        """U_k of rational VMUs if nobody is rationed: μ·log Σ exp(v/μ)."""
        found = []
        for k in range(self.K):
            _, _, best, given = self._answer(k, prices)
            found.append(best + self.temperature * log(given))
        return found

    def settle(
        self, prices: list[float], shares: list[float], asked: list[float]
    ) -> tuple[list[float], list[float], list[float], list[float]]:
        """Settle a round: `rules.PairSettlement` on floats. No other code settles floats.

        Args:
            prices: of the providers.
            shares, asked: of each pair.

        Returns:
            Of each pair q·S as asked for and steps delivered for a request, of each provider
            Σ q·S as delivered and U_m.
        """
        # A strict zip takes longer than what is done with a few numbers.
        K, demand = self.K, [q * s for q, s in zip(shares, asked)]  # noqa: B905
        delivered, sold, start = asked, [], 0
        for _ in prices:
            total, stop = 0.0, start + K
            for d in demand[start:stop]:
                total += d
            sold.append(total)
            start = stop
        if self.capacity is not None:
            filled = [R / max(total, R) for total, R in zip(sold, self.capacity, strict=True)]
            delivered = [s * filled[pair // K] for pair, s in enumerate(asked)]
            sold = [total * share for total, share in zip(sold, filled, strict=True)]
        columns = zip(prices, self.cost, sold)  # noqa: B905
        return demand, delivered, sold, [(price - cost) * out for price, cost, out in columns]

    def vmu_utility(
        self, prices: list[float], shares: list[float], steps: list[float]
    ) -> list[float]:
        """U_k = Σ_m q·v(S) + q_0·v_0 + μ·H(q) of each VMU."""
        K, outside, utilities = self.K, self.outside, []
        for k in range(K):
            worth = entropy = given = 0.0
            pair = k
            for price in prices:
                q, s = shares[pair], steps[pair]
                if self.pairs is None:
                    gain = self.models[pair].gain(s)
                    delta, access = self.satisfaction[pair], self.access_cost[pair]
                else:
                    _, _, a, b, delta, access = self.pairs[pair]
                    gain = (a * s + b) * s
                worth += q * (delta * gain - price * s - access)
                entropy -= q * log(q if q > LEAST_SHARE else LEAST_SHARE)
                given += q
                pair += K
            if outside is not None:
                rest = max(1.0 - given, 0.0)
                worth += rest * outside
                entropy -= rest * log(rest if rest > LEAST_SHARE else LEAST_SHARE)
            utilities.append(worth + self.temperature * entropy)
        return utilities


class MenuTerms:
    """The parameters of one market in which contracts are sold, for rounds on floats.

    Arguments are as for `Terms`, and `rounding` as for `menus.MenuTerms`.
    """

    def __init__(
        self, market: Market, before: MenuTerms | None = None, rounding: float = 0.0
    ) -> None:
        self.market, self.cost = market, market.cost
        self.satisfaction: list[float] = market.satisfaction.tolist()
        if before is not None and before.market.ssim is market.ssim:
            self.model = before.model
        else:
            self.model = _models(market.ssim, 1)[0]
        best = self.model.gain(self.model.demand(0.0, 0.0, market.max_steps))
        self.most = [delta * best for delta in self.satisfaction]
        """δ·(max SSIM − SSIM(0)) of each VMU."""
        self.slack = [SINGLE_TIE * most + rounding for most in self.most]

    def worths(self, menu: list[float]) -> list[list[float]]:
        """Of each VMU what it gains by none of the contracts S_1, T_1, S_2, …, and by each."""
        offers = [(self.model.gain(s), fee) for s, fee in zip(menu[::2], menu[1::2], strict=True)]
        return [[0.0, *(delta * g - fee for g, fee in offers)] for delta in self.satisfaction]

    def rational(self, menu: list[float], worths: list[list[float]]) -> list[int]:
        """The number of the contract that is best for each VMU; 0: none."""
        pays = [0.0, *(fee - self.cost * s for s, fee in zip(menu[::2], menu[1::2], strict=True))]
        taken = []
        for of_vmu, slack in zip(worths, self.slack, strict=True):
            least, paid, chosen = max(of_vmu) - slack, -inf, 0
            for number, worth in enumerate(of_vmu):
                if worth >= least and pays[number] > paid:
                    chosen, paid = number, pays[number]
            taken.append(chosen)
        return taken

    def settle(self, menu: list[float], taken: list[int]) -> tuple[list[float], list[float], float]:
        """Settle a round: `menus.MenuSettlement` on floats. No other code settles floats.

        Args:
            menu: S_1, T_1, S_2, ….
            taken: of each VMU.

        Returns:
            Steps and fee of each VMU, Σ (T − c·S).
        """
        steps = [menu[2 * number - 2] if number else 0.0 for number in taken]
        fees = [menu[2 * number - 1] if number else 0.0 for number in taken]
        return steps, fees, sum(fees) - self.cost * sum(steps)
