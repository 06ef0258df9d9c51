"""The rules of the games, once for arrays of any library: what is bought, delivered and paid.

A VMU of one provider buys steps. Where M providers compete it spreads a unit of requests over them,
share q_m to each, and buys S_m steps for each request sent to m: steps and money are the same, new
are the shares. The entropy makes the rational shares a logit (Anderson, de Palma & Thisse, 1988).
Providers that compete on price for users who choose one probabilistically: Huang et al., MASS 2022
(arXiv 2208.06770).

Pure functions on NumPy arrays or torch tensors that broadcast. `Terms` and `PairTerms` lay a market
out for them, once. Equation numbers are those of Lai et al. 2025 (see the README).
`aigc_market.scalar` states the same rounds on Python floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import (
    clip,
    contiguous,
    convert,
    device,
    exp,
    holds,
    larger,
    log,
    namespace,
    ndim,
    total,
)
from aigc_market.market import Competition, Market
from aigc_market.ssim import QuadraticSSIM, SSIMModel, is_live

# What holds of every number alone.


def present(active: Any, steps: Any) -> Any:
    """The steps of the VMUs that are there, and 0 for the others."""
    if isinstance(steps, np.ndarray):
        return steps * active  # five times as fast
    return namespace(steps).where(active, steps, 0.0)


def fill_rate(demand: Any, capacity: Any) -> Any:
    """Share of the steps asked for that is delivered when at most `capacity` can be run (Eq. 7)."""
    return capacity / larger(demand, capacity)


def asp_utility(price: Any, cost: Any, sold: Any) -> Any:
    """U_p = (p − c)·ΣS_k (Eq. 6)."""
    return (price - cost) * sold


def payoff(price: Any, satisfaction: Any, quality: Any, steps: Any) -> Any:
    """δ_k·quality − p·S_k (Eqs. 3 and 4): quality is SSIM, or what of it the steps have gained."""
    return satisfaction * quality - price * steps


def vmu_surplus(price: Any, satisfaction: Any, ssim: SSIMModel, steps: Any) -> Any:
    """U_k(S_k) − U_k(0) = δ_k·(SSIM(S_k) − SSIM(0)) − p·S_k: Eq. 4 without SSIM's constant."""
    return payoff(price, satisfaction, ssim.gain(steps), steps)


def vmu_utility(price: Any, satisfaction: Any, ssim: SSIMModel, steps: Any) -> Any:
    """U_k(S_k) = δ_k·SSIM(S_k) − p·S_k (Eqs. 3 and 4), as printed."""
    return payoff(price, satisfaction, ssim(steps), steps)


def best_surplus(satisfaction: Any, ssim: SSIMModel, min_steps: Any, max_steps: Any) -> Any:
    """δ_k·(max SSIM − SSIM(0)) over the steps for sale: a VMU's surplus if they were free."""
    return satisfaction * ssim.gain(ssim.demand(0.0 * satisfaction, min_steps, max_steps))


class _Demand:
    """What a VMU buys of a provider, whatever its other choices (Eqs. 9–11)."""

    satisfaction: Any
    ssim: Any
    min_steps: Any
    max_steps: Any
    slope: Any
    """What demand gains by a unit of price, below 0, where SSIM is quadratic; else None."""

    def _find_line(self) -> None:
        self.slope = None
        if isinstance(self.ssim, QuadraticSSIM):
            self.slope = self.ssim.slope / self.satisfaction

    def demand(self, price: Any) -> Any:
        """Steps that rational VMUs buy at prices that broadcast with δ, within the bounds (Eq. 5).

        Ties take the most steps, which is what the leader prefers.
        """
        if self.slope is None:
            return self.ssim.demand(price / self.satisfaction, self.min_steps, self.max_steps)
        steps = price * self.slope
        steps += self.ssim.vertex
        return clip(steps, self.min_steps, self.max_steps)


# One provider.


class Terms(_Demand):
    """The parameters of a market beside the VMUs that they belong to.

    Args:
        market: one market or a batch.
        front: whether the axis of VMUs comes first, where sums over it are fastest and the axis of
            a batch is last, and not last, as in the parameters of a market.
        single: whether purchases are single-precision numbers, as an environment's actions are.
        before: the terms of an earlier market, from which is taken what has not changed.
    """

    def __init__(
        self,
        market: Market,
        front: bool = False,
        single: bool = False,
        before: Terms | None = None,
    ) -> None:
        self.market, self._front, self._single = market, front, single
        self.cost, self.capacity = market.cost, market.capacity
        if front:
            self.satisfaction = to_front(market.satisfaction, 1)
            self.active = to_front(market.active, 1)
            if before is not None and before.market.ssim is market.ssim:
                self.ssim = before.ssim
            else:
                self.ssim = market.ssim.map(lambda value: to_front(value, 1))
            self.min_steps, self.max_steps = market.min_steps, market.max_steps
        else:
            self.satisfaction, self.active = market.satisfaction, market.active
            self.ssim = market.ssim
            self.min_steps = market.per_vmu(market.min_steps)
            self.max_steps = market.per_vmu(market.max_steps)
        self.live = is_live(market.ssim)
        """Whether images are really made, by whole network calls."""
        self._find_line()

    def of_market(self, value: Any) -> Any:
        """A number of each market, beside the numbers of each VMU."""
        return value if self._front or ndim(value) == 0 else value[..., None]

    def rational(self, price: Any) -> Any:
        """What rational VMUs ask for at a price of each market, those that are not there too."""
        steps = self.demand(self.of_market(price))
        return steps.astype(np.float32) if self._single else steps

    def over_vmus(self, values: Any) -> Any:
        """The sum over the VMUs; of NumPy in double precision."""
        return total(values, 0 if self._front else -1)


class Settlement:
    """All that a round pays, with the axes of its terms.

    What costs as much as the round itself is worked out when it is asked for.
    """

    __slots__ = ("_rational", "asked", "asp_utility", "delivered", "price", "sold", "terms")

    terms: Terms
    """Of the market in which the round was played."""
    price: Any
    """(…) p."""
    asked: Any
    """(…, K) steps asked for: those of VMUs that are not there are 0."""
    delivered: Any
    """(…, K) steps delivered and paid."""
    sold: Any
    """(…) Σ S_k."""
    asp_utility: Any
    """(…) U_p (Eq. 6)."""

    def __init__(self, terms: Terms, price: Any, asked: Any, rational: Any = None) -> None:
        """Settle a round; nothing is checked. No other code settles arrays.

        Args:
            terms: of the market.
            price: of each market.
            asked: by each VMU, within the bounds of a purchase.
            rational: what `terms.rational` says, if it is known; it may be `asked` itself.
        """
        given = asked
        if terms.active is not None:
            asked = present(terms.active, asked)
        if terms.live:
            asked = namespace(asked).round(asked)
        delivered, sold = asked, terms.over_vmus(asked)
        if terms.capacity is not None:
            share = fill_rate(sold, terms.capacity)
            delivered, sold = asked * terms.of_market(share), sold * share
            if terms.live:
                # Full calls alone are executed; a whole number may have lost its last digit.
                delivered = namespace(delivered).floor(delivered + 1e-9)
                sold = terms.over_vmus(delivered)
        self.terms, self.price, self.asked, self.delivered = terms, price, asked, delivered
        self.sold, self.asp_utility = sold, asp_utility(price, terms.cost, sold)
        self._rational = self.asked if rational is given else rational

    def gain(self) -> Any:
        """(…, K) SSIM(S_k) − SSIM(0) of the steps delivered, by the market's model."""
        return self.terms.ssim.gain(self.delivered)

    def surplus(self) -> Any:
        """(…, K) U_k(S_k) − U_k(0), without SSIM's constant; 0 for a VMU that is not there."""
        terms = self.terms
        price = terms.of_market(self.price)
        return payoff(price, terms.satisfaction, self.gain(), self.delivered)

    def utility(self) -> Any:
        """(…, K) U_k as printed in Eq. 4; 0 for a VMU that is not there."""
        terms = self.terms
        price, quality = terms.of_market(self.price), terms.ssim(self.delivered)
        paid = payoff(price, terms.satisfaction, quality, self.delivered)
        return paid if terms.active is None else present(terms.active, paid)

    def rational(self) -> Settlement:
        """The round that rational VMUs would have made of the price."""
        found = self._rational
        if found is self.asked:
            return self
        if found is None:
            found = self.terms.rational(self.price)
        return Settlement(self.terms, self.price, found)


def best_response(market: Market, price: Any) -> Any:
    """What rational VMUs buy at a price: Eq. 11 held within [min_steps, max_steps].

    Args:
        market: one market or a batch.
        price: unit price, of any shape that broadcasts with the market's batch; NumPy or torch.

    Returns:
        (…, K) steps, before any rationing, in the library of the arrays given; 0 for VMUs that are
        not active.

    Raises:
        TypeError, ValueError: a price that is not made of finite numbers above zero.
    """
    _checks.instance("market", market, Market, "a Market")
    price = _checks.numeric("price", price, above=0)
    _checks.leading_axes("price", price, 0, market.batch_shape)
    market, price = _beside(market, price)
    terms = Terms(market)
    steps = terms.rational(price)
    return steps if terms.active is None else present(terms.active, steps)


def leader_utility(market: Market, price: Any) -> Any:
    """U_p(p, S*(p)) of Eq. 6 against rational VMUs, rationed where they ask for more than R.

    Args and raises: as `best_response`. Returns: (…) utility.
    """
    market, price = _beside(market, _checks.numeric("price", price, above=0))
    terms = Terms(market)
    return Settlement(terms, price, terms.rational(price)).asp_utility


def settle(market: Market, price: Any, asked: Any) -> Settlement:
    """Turn a price and the purchases asked for into all that the round pays.

    Where VMUs ask for more than the capacity each is delivered the same share of what it asked for
    (Eq. 7). A live model executes whole calls: of what is asked the nearest, of what is delivered
    those that are full.

    Args:
        market: one market or a batch.
        price: (…) unit price.
        asked: (…, K) steps, within the bounds of a purchase.

    Returns:
        The settlement, in the library of the arrays given.

    Raises:
        TypeError, ValueError: numbers that are none, or purchases of another shape.
    """
    _checks.instance("market", market, Market, "a Market")
    price, asked = _checks.numeric("price", price, above=0), _checks.numeric("asked", asked)
    if np.shape(asked)[-1:] != (market.K,):
        raise ValueError(f"asked must hold K = {market.K} along its last axis, got {asked!r}")
    batch = _checks.leading_axes("price", price, 0, market.batch_shape)
    _checks.leading_axes("asked", asked, 1, batch)
    market, price = _beside(market.like(asked), price)
    terms = Terms(market)
    asked = convert(asked, market.satisfaction) + 0.0 * terms.of_market(price)  # for each market
    return Settlement(terms, price, asked)


def _beside(market: Any, price: Any) -> tuple[Any, Any]:
    """Market and prices in one array library: a tensor on either side draws the other to it.

    Where there is a batch, every market of it gets prices of its own: the rules work in place.
    """
    market = market.like(price)
    like = market.satisfaction
    price = convert(price, like)
    if market.batch_shape:
        shape = (*market.batch_shape, *market.axes("cost"))
        price = price * namespace(like).ones(shape, dtype=like.dtype, device=device(like))
    return market, price


# Several providers.


class PairTerms(_Demand):
    """The parameters of a market of several providers beside the pairs that they belong to.

    A pair is a provider m and a VMU k. Arguments are as for `Terms`; own axes are (M, K).
    """

    def __init__(
        self, market: Competition, front: bool = False, before: PairTerms | None = None
    ) -> None:
        self.market, self._front = market, front
        self._vmus, self._providers = (1, 0) if front else (-1, -2)

        def own(value: Any, axes: int) -> Any:
            return to_front(value, axes) if front else value

        def of_market(value: Any, axes: int) -> Any:
            return value if front or ndim(value) == 0 else value[(..., *[None] * axes)]

        self.cost, self.capacity = own(market.cost, 1), own(market.capacity, 1)
        self.satisfaction = self.of_vmu(own(market.satisfaction, 1))
        self.access_cost = own(market.access_cost, 2)
        if before is not None and before.market.ssim is market.ssim:
            self.ssim = before.ssim
        else:
            self.ssim = _of_pairs(market, front)
        self.min_steps, self.max_steps = (
            of_market(bound, 2) for bound in (market.min_steps, market.max_steps)
        )
        self.pair_temperature = of_market(market.temperature, 2)
        self.temperature = of_market(market.temperature, 1)
        self.outside = of_market(market.outside, 1)
        self._find_line()

    def of_provider(self, values: Any) -> Any:
        """Numbers of each provider, (…, M) or (M, …), beside the numbers of pairs."""
        return values[:, None] if self._front else values[..., None]

    def of_vmu(self, values: Any) -> Any:
        """Numbers of each VMU, (…, K) or (K, …), beside the numbers of pairs."""
        return values[None] if self._front else values[..., None, :]

    def over_vmus(self, pairs: Any) -> Any:
        """Of each provider the sum over its pairs; of NumPy in double precision."""
        return total(pairs, self._vmus)

    def over_providers(self, pairs: Any) -> Any:
        """Of each VMU the sum over its pairs; of NumPy in double precision."""
        return total(pairs, self._providers)

    def worth(self, price: Any, steps: Any) -> Any:
        """v = δ·(SSIM(S) − SSIM(0)) − p·S − τ, what a request of each pair is worth."""
        value = vmu_surplus(price, self.satisfaction, self.ssim, steps)
        value -= self.access_cost  # in place: arrays of pairs fill the cache
        return value

    def odds(self, values: Any) -> tuple[Any, Any, Any]:
        """exp((v − v_max)/μ) of what each pair is worth; of each VMU v_max, and the sum of odds."""
        best = namespace(values).max(values, axis=self._providers)
        if self.outside is not None:
            best = larger(best, self.outside)
        odds = _odds(values, self.of_vmu(best), self.pair_temperature)
        given = self.over_providers(odds)
        if self.outside is not None:
            given = given + _odds(self.outside, best, self.temperature)
        return odds, best, given


def _odds(value: Any, best: Any, temperature: Any) -> Any:
    exponent = value - best
    exponent /= temperature
    return exp(exponent)


class Answer(NamedTuple):
    """Shares and steps of the VMUs of several providers, with the axes of their terms."""

    shares: Any
    """(…, M, K) q, the share of its requests that VMU k sends to provider m."""
    steps: Any
    """(…, M, K) S, steps bought for each request."""


class Response(NamedTuple):
    """What rational VMUs answer to prices, before any rationing."""

    shares: Any
    """(…, M, K) q."""
    steps: Any
    """(…, M, K) S."""
    vmu_utility: Any
    """(…, K) U_k, with nobody rationed."""


class PairSettlement:
    """All that a round of several providers pays, with the axes of its terms.

    What costs as much as the round itself is worked out when it is asked for.
    """

    __slots__ = (
        "asked",
        "asp_utility",
        "delivered",
        "demand",
        "prices",
        "shares",
        "sold",
        "terms",
    )

    terms: PairTerms
    """Of the market in which the round was played."""
    prices: Any
    """(…, M) p."""
    shares: Any
    """(…, M, K) q."""
    asked: Any
    """(…, M, K) S, steps asked for each request."""
    delivered: Any
    """(…, M, K) steps delivered and paid for each request."""
    demand: Any
    """(…, M, K) q·S: what each VMU asks of each provider."""
    sold: Any
    """(…, M) Σ_k q·S as delivered."""
    asp_utility: Any
    """(…, M) U_m (Eq. 6 with shares)."""

    def __init__(self, terms: PairTerms, prices: Any, shares: Any, asked: Any) -> None:
        """Settle a round; nothing is checked. No other code settles arrays."""
        demand = shares * asked
        delivered, sold = asked, terms.over_vmus(demand)
        if terms.capacity is not None:
            filled = fill_rate(sold, terms.capacity)
            delivered, sold = asked * terms.of_provider(filled), sold * filled
        self.terms, self.prices, self.shares, self.asked = terms, prices, shares, asked
        self.delivered, self.demand, self.sold = delivered, demand, sold
        self.asp_utility = asp_utility(prices, terms.cost, sold)

    def vmu_utility(self) -> Any:
        """(…, K) U_k of what was delivered."""
        return _vmu_utility(self.terms, self.prices, self.shares, self.delivered)

    def wished_utility(self) -> Any:
        """(…, K) U_k if all that was asked for were delivered: a VMU's own choice alone."""
        return _vmu_utility(self.terms, self.prices, self.shares, self.asked)

    def regret(self) -> Any:
        """(…, K) what each VMU's choice forgoes at these prices, if nobody were rationed."""
        return larger(best_utility(self.terms, self.prices) - self.wished_utility(), 0.0)


def rational(terms: PairTerms, prices: Any) -> Answer:
    """The shares and steps of rational VMUs."""
    price = terms.of_provider(prices)
    steps = terms.demand(price)
    odds, _, given = terms.odds(terms.worth(price, steps))
    return Answer(odds / terms.of_vmu(given), steps)


def best_utility(terms: PairTerms, prices: Any) -> Any:
    """U_k of rational VMUs if nobody is rationed: μ·log Σ exp(v/μ)."""
    price = terms.of_provider(prices)
    _, best, given = terms.odds(terms.worth(price, terms.demand(price)))
    return best + terms.temperature * log(given)


def _vmu_utility(terms: PairTerms, prices: Any, shares: Any, steps: Any) -> Any:
    """U_k = Σ_m q·v(S) + q_0·v_0 + μ·H(q)."""
    values = terms.worth(terms.of_provider(prices), steps)
    worth, entropy = terms.over_providers(shares * values), terms.over_providers(_entropy(shares))
    if terms.outside is not None:
        rest = larger(1.0 - terms.over_providers(shares), 0.0)
        worth, entropy = worth + rest * terms.outside, entropy + _entropy(rest)
    return worth + terms.temperature * entropy


def _entropy(share: Any) -> Any:
    """−q·log q, a share's part of the entropy; 0 for a share of 0."""
    return -share * log(larger(share, LEAST_SHARE))


LEAST_SHARE = float(np.finfo(np.float32).tiny)
"""Its logarithm exists in single precision too."""


def respond(market: Competition, prices: Any) -> Response:
    """What rational VMUs answer: for each request what is best at its price, and shares by a logit.

    q_k is the softmax over m of v_mk(S*)/μ, with v_0/μ beside them where there is an outside
    option. Differentiable with torch.

    Args:
        market: one market or a batch.
        prices: (…, M) unit prices, NumPy or torch.

    Returns:
        Shares and steps (…, M, K), utilities (…, K), in the library of the arrays given.

    Raises:
        TypeError, ValueError: prices that are not M finite numbers above zero.
    """
    market, prices = with_prices(market, prices)
    terms = PairTerms(market)
    answer = rational(terms, prices)
    return Response(*answer, _vmu_utility(terms, prices, *answer))


def settle_pairs(market: Competition, prices: Any, shares: Any, steps: Any) -> PairSettlement:
    """Turn prices, shares and steps into all that the round pays.

    Where VMUs ask a provider for more than its capacity each gets the same share of the steps that
    it asked for there (Eq. 7).

    Args:
        market: one market or a batch.
        prices: (…, M) unit prices.
        shares: (…, M, K) of each VMU's requests; they add up to 1 over the providers, or to 1 at
            most where there is an outside option, which has the rest.
        steps: (…, M, K) for each request, within the bounds of a purchase.

    Returns:
        The settlement, in the library of the arrays given.

    Raises:
        TypeError, ValueError: numbers that are none, a wrong shape, or shares that do not add up.
    """
    market, prices = with_prices(market, prices)
    own = (market.M, market.K)
    given = {
        "shares": _checks.numeric("shares", shares, at_least=0),
        "steps": _checks.numeric("steps", steps, at_least=0),
    }
    for name, value in given.items():
        if tuple(np.shape(value)[-2:]) != own:
            raise ValueError(f"{name} must hold (M, K) = {own} along its last axes, got {value!r}")
    batch = np.broadcast_shapes(np.shape(prices)[:-1], market.batch_shape)
    for name, value in given.items():
        batch = _checks.leading_axes(name, value, 2, batch)
    market = market.like(given["shares"]).like(given["steps"])
    prices, shares, steps = (
        convert(value, market.cost) for value in (prices, given["shares"], given["steps"])
    )
    check_shares("shares must", shares, market.outside is not None)
    return PairSettlement(PairTerms(market), prices, shares, steps)


def check_shares(wanted: str, shares: Any, outside: bool) -> None:
    """Check that the shares (…, M, K) of each VMU are no less than 0, and add up.

    Args:
        wanted: how the message begins.
        shares: of requests.
        outside: whether there is an outside option, which has the rest.
    """
    slack = 1e-5  # shares may be single-precision numbers
    given = namespace(shares).sum(shares, axis=-2)
    whole = (given <= 1 + slack) & ((given >= 1 - slack) | outside)
    if not (holds(shares >= 0) and holds(whole)):
        rest = "at most 1" if outside else "1"
        raise ValueError(
            f"{wanted} be at least 0 and add up to {rest} for each VMU, got {shares!r}"
        )


def with_prices(market: Competition, prices: Any) -> tuple[Competition, Any]:
    """Market and prices, checked, in one array library and with the market's batch axes.

    Raises:
        TypeError, ValueError: no `Competition`, or prices that are not M numbers above zero.
    """
    _checks.instance("market", market, Competition, "a Competition")
    prices = _checks.numeric("prices", prices, above=0)
    if np.shape(prices)[-1:] != (market.M,):
        raise ValueError(f"prices must hold M = {market.M} along the last axis, got {prices!r}")
    _checks.leading_axes("prices", prices, 1, market.batch_shape)
    return _beside(market, prices)


class _ByProvider:
    """Models that differ in kind, each asked for its provider's pairs."""

    def __init__(self, models: Sequence[SSIMModel], front: bool) -> None:
        self._models, self._front = models, front

    def gain(self, steps: Any) -> Any:
        return self._stack([model.gain(self._of(steps, m)) for m, model in enumerate(self._models)])

    def demand(self, rate: Any, min_steps: Any, max_steps: Any) -> Any:
        low, high = (
            bound if self._front or ndim(bound) == 0 else bound[..., 0, :]
            for bound in (min_steps, max_steps)
        )
        return self._stack(
            [model.demand(self._of(rate, m), low, high) for m, model in enumerate(self._models)]
        )

    def _of(self, pairs: Any, m: int) -> Any:
        return pairs[m] if self._front else pairs[..., m, :]

    def _stack(self, columns: list[Any]) -> Any:
        return namespace(columns[0]).stack(columns, axis=0 if self._front else -2)


def _of_pairs(market: Competition, front: bool) -> Any:
    """What answers for all pairs at once."""
    models = market.ssim
    if all(model is models[0] for model in models):

        def beside(value: Any) -> Any:  # (…, K) as (…, 1, K)
            if ndim(value) == 0:
                return value
            return to_front(value, 1)[None] if front else value[..., None, :]

        return models[0].map(beside)
    kinds = [model for model in models if isinstance(model, QuadraticSSIM)]
    scalars = all(ndim(value) == 0 for model in kinds for value in model.parameters)
    if len(kinds) == len(models) and scalars:
        columns = zip(*(model.parameters for model in kinds), strict=True)
        shape = (slice(None), None) + (None,) * front
        beside_vmus = (convert(np.array(column)[shape], market.cost) for column in columns)
        return QuadraticSSIM.unchecked(*beside_vmus)
    if front:
        models = tuple(model.map(lambda value: to_front(value, 1)) for model in models)
    return _ByProvider(models, front)


def to_front(value: Any, axes: int) -> Any:
    """(N, …) as (…, N), the own axes in their order; (…) of one market as (…, 1)."""
    if ndim(value) == 0:  # None too
        return value
    if value.ndim == axes:
        return value[..., None]
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(np.moveaxis(value, 0, -1))
    return contiguous(namespace(value).moveaxis(value, 0, -1))


def per_game(value: Any, num_envs: int) -> Any:
    """Games last: what is the same in all of so many games, (…, 1), as (…, N)."""
    return namespace(value).broadcast_to(value, (*value.shape[:-1], num_envs))
