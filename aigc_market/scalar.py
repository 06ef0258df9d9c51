"""The rounds of the games on Python floats, one loop a game: for the few numbers of a turn.

On a few numbers floats are ten times as fast as arrays. The rules are those of `aigc_market.rules`,
and a test pins that the two agree; what is fixed for a market is laid out once, in `Terms` and
`PairTerms`. Lists hold a float for each VMU, or for each pair: all VMUs of a provider together.
"""

from __future__ import annotations

import math
from array import array
from typing import Any

import numpy as np

from aigc_market._arrays import ndim
from aigc_market.market import Competition, Market
from aigc_market.rules import LEAST_SHARE
from aigc_market.ssim import LiveSSIM, QuadraticSSIM, SSIMModel


def in_single(numbers: list[float]) -> list[float]:
    """Numbers rounded to single precision, as the actions of an environment are."""
    return array("f", numbers).tolist()


def _models(model: SSIMModel, K: int) -> list[Any]:
    """A model of each VMU on its own."""
    if not any(ndim(value) for value in model.parameters):
        return [model] * K

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
            self._quadratic = before._quadratic
        else:
            self.models = _models(market.ssim, market.K)
            self.at_zero = [float(model(0.0)) for model in self.models]
            self.live = isinstance(market.ssim, LiveSSIM)
            self._quadratic = isinstance(market.ssim, QuadraticSSIM)
        self.lines: list[tuple[float, float]] | None = None
        """Slope and intercept of each VMU's demand over the price, where SSIM is quadratic."""
        if self._quadratic:
            columns = zip(self.models, self.satisfaction, strict=True)
            self.lines = [(model.slope / delta, model.vertex) for model, delta in columns]

    def demand(self, price: float) -> list[float]:
        """What rational VMUs ask for, in single precision."""
        low, high, steps = self.min_steps, self.max_steps, []
        if self.lines is None:
            for model, delta in zip(self.models, self.satisfaction, strict=True):
                steps.append(model.demand(price / delta, low, high))
        else:
            for slope, vertex in self.lines:
                s = price * slope + vertex
                steps.append(low if s < low else high if s > high else s)
        return array("f", steps).tolist()

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
                delivered = [float(math.floor(s + 1e-9)) for s in delivered]
                sold = sum(delivered)
        return asked, delivered, sold, (price - self.cost) * sold

    def gains(self, delivered: list[float]) -> list[float]:
        """SSIM(S_k) − SSIM(0) of each VMU."""
        return [model.gain(s) for model, s in zip(self.models, delivered, strict=True)]

    def surpluses(self, price: float, delivered: list[float], gains: list[float]) -> list[float]:
        """U_k(S_k) − U_k(0) of each VMU; 0 for one that is not there."""
        columns = zip(self.satisfaction, gains, delivered, strict=True)
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

    def rational(self, prices: list[float]) -> tuple[list[float], list[float], list[float]]:
        """What rational VMUs answer: shares and steps of each pair, and U_k if nobody is rationed.

        U_k is μ·log Σ exp(v/μ).
        """
        K, low, high, mu = self.K, self.min_steps, self.max_steps, self.temperature
        steps, values, pair = [], [], 0
        for price in prices:
            for _ in range(K):
                model, delta = self.models[pair], self.satisfaction[pair]
                if type(model) is QuadraticSSIM:
                    s = price * (model.slope / delta) + model.vertex
                    s = low if s < low else high if s > high else s
                else:
                    s = model.demand(price / delta, low, high)
                steps.append(s)
                values.append(delta * model.gain(s) - price * s - self.access_cost[pair])
                pair += 1
        shares, best_utility = [0.0] * pair, []
        for k in range(K):
            of_vmu = values[k::K]
            best = max(of_vmu)
            if self.outside is not None and self.outside > best:
                best = self.outside
            odds = [math.exp((v - best) / mu) for v in of_vmu]
            given = 0.0
            for odd in odds:
                given += odd
            if self.outside is not None:
                given += math.exp((self.outside - best) / mu)
            shares[k::K] = [odd / given for odd in odds]
            best_utility.append(best + mu * math.log(given))
        return shares, steps, best_utility

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
        K, demand = self.K, [q * s for q, s in zip(shares, asked, strict=True)]
        delivered, sold, utility = asked, [], []
        if self.capacity is not None:
            delivered = []
        for m, (price, cost) in enumerate(zip(prices, self.cost, strict=True)):
            total = 0.0
            for d in demand[m * K : m * K + K]:
                total += d
            if self.capacity is not None:
                R = self.capacity[m]
                filled = R / (total if total > R else R)
                delivered += [s * filled for s in asked[m * K : m * K + K]]
                total *= filled
            sold.append(total)
            utility.append((price - cost) * total)
        return demand, delivered, sold, utility

    def vmu_utility(
        self, prices: list[float], shares: list[float], steps: list[float]
    ) -> list[float]:
        """U_k = Σ_m q·v(S) + q_0·v_0 + μ·H(q) of each VMU."""
        K, M, utilities = self.K, self.M, []
        for k in range(K):
            worth = entropy = given = 0.0
            for m in range(M):
                pair = m * K + k
                q, s, price = shares[pair], steps[pair], prices[m]
                gain = self.models[pair].gain(s)
                value = self.satisfaction[pair] * gain - price * s - self.access_cost[pair]
                worth += q * value
                entropy -= q * math.log(q if q > LEAST_SHARE else LEAST_SHARE)
                given += q
            if self.outside is not None:
                rest = max(1.0 - given, 0.0)
                worth += rest * self.outside
                entropy -= rest * math.log(rest if rest > LEAST_SHARE else LEAST_SHARE)
            utilities.append(worth + self.temperature * entropy)
        return utilities
