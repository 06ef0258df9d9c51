"""The rules of the game of several providers, once, for every view of it.

A VMU spreads a unit of requests over the providers, share q_m to each, and buys S_m steps for each
request sent to m. Steps and money are those of `aigc_market.game`; new are the shares. The entropy
makes the rational shares a logit (Anderson, de Palma & Thisse, 1988). Providers that compete on
price for users who choose one probabilistically: Huang et al., MASS 2022 (arXiv 2208.06770).
"""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from aigc_market import _checks
from aigc_market._arrays import convert, exp, holds, larger, log, namespace
from aigc_market.competition.layouts import Columns, Layout
from aigc_market.competition.market import Competition
from aigc_market.game import asp_utility, fill_rate, purchase, vmu_surplus
from aigc_market.ssim import SSIMModel


class Response(NamedTuple):
    """What rational VMUs answer to prices, before any rationing."""

    shares: Any
    """(…, M, K) q, the share of its requests that VMU k sends to provider m."""
    steps: Any
    """(…, M, K) S, steps bought for each request."""
    vmu_utility: Any
    """(…, K) U_k, with nobody rationed."""


class Answer(NamedTuple):
    """Rational shares and steps in a layout."""

    shares: Any
    steps: Any


class Settlement:
    """All that a round pays. Arrays have the layout's axes; lists hold a float for each.

    What costs as much as the round itself (`vmu_utility`) is worked out when it is asked for.
    """

    __slots__ = (
        "asked",
        "asp_utility",
        "delivered",
        "demand",
        "layout",
        "prices",
        "shares",
        "sold",
    )

    layout: Layout
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

    def __init__(
        self,
        layout: Layout,
        prices: Any,
        shares: Any,
        asked: Any,
        delivered: Any,
        demand: Any,
        sold: Any,
        asp_utility: Any,
    ) -> None:
        self.layout = layout
        self.prices = prices
        self.shares = shares
        self.asked = asked
        self.delivered = delivered
        self.demand = demand
        self.sold = sold
        self.asp_utility = asp_utility

    def vmu_utility(self) -> Any:
        """(…, K) U_k of what was delivered."""
        return _vmu_utility(self.layout, self.prices, self.shares, self.delivered)

    def wished_utility(self) -> Any:
        """(…, K) U_k if all that was asked for were delivered: a VMU's own choice alone."""
        return _vmu_utility(self.layout, self.prices, self.shares, self.asked)


def worth(price: Any, satisfaction: Any, ssim: SSIMModel, steps: Any, access_cost: Any) -> Any:
    """v = δ·(SSIM(S) − SSIM(0)) − p·S − τ, what a request is worth."""
    value = vmu_surplus(price, satisfaction, ssim, steps)
    value -= access_cost  # in place: arrays of pairs fill the cache
    return value


def spread(share: Any) -> Any:
    """−q·log q, a share's part of the entropy; 0 for a share of 0."""
    if isinstance(share, float):  # a turn is short enough to feel a call
        return -share * math.log(share if share > _LEAST else _LEAST)
    return -share * log(larger(share, _LEAST))


_LEAST = float(np.finfo(np.float32).tiny)  # its logarithm exists in single precision too


def respond(market: Competition, prices: Any) -> Response:
    """What rational VMUs answer: for each request `game.purchase` steps, and shares by a logit.

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
    market, prices = together(market, prices)
    layout = Columns(market)
    answer = rational(layout, prices)
    return Response(*answer, _vmu_utility(layout, prices, *answer))


def settle(market: Competition, prices: Any, shares: Any, steps: Any) -> Settlement:
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
    market, prices = together(market, prices)
    own = (market.M, market.K)
    given = {
        "shares": _checks.numeric("shares", shares, at_least=0),
        "steps": _checks.numeric("steps", steps, at_least=0),
    }
    for name, value in given.items():
        if tuple(np.shape(value)[-2:]) != own:
            raise ValueError(f"{name} must hold (M, K) = {own} along its last axes, got {value!r}")
    market = market.like(given["shares"]).like(given["steps"])
    prices, shares, steps = (
        convert(value, market.cost) for value in (prices, given["shares"], given["steps"])
    )
    total = namespace(shares).sum(shares, axis=-2)
    whole = (total <= 1 + _SLACK) & ((total >= 1 - _SLACK) | (market.outside is not None))
    if not holds(whole):
        rest = "at most 1" if market.outside is not None else "1"
        raise ValueError(f"shares must add up to {rest} for each VMU, got {shares!r}")
    return settle_in(Columns(market), prices, shares, steps)


_SLACK = 1e-5  # shares may be single-precision numbers


def settle_in(layout: Layout, prices: Any, shares: Any, asked: Any) -> Settlement:
    """`settle` without checks, for a market that is laid out already. No other code settles."""
    demand = layout.each(operator.mul, shares, asked)
    delivered, sold = asked, layout.over_vmus(demand)
    if layout.capacity is not None:
        filled = layout.each(fill_rate, sold, layout.capacity)
        delivered = layout.each(operator.mul, asked, layout.of_provider(filled))
        sold = layout.each(operator.mul, sold, filled)
    utility = layout.each(asp_utility, prices, layout.cost, sold)
    return Settlement(layout, prices, shares, asked, delivered, demand, sold, utility)


def rational(layout: Layout, prices: Any) -> Answer:
    """The shares and steps of rational VMUs, in a layout."""
    price = layout.of_provider(prices)
    steps = layout.each(
        purchase, price, layout.satisfaction, layout.ssim, layout.min_steps, layout.max_steps
    )
    return Answer(shares_of(layout, price, steps), steps)


def shares_of(layout: Layout, price: Any, steps: Any) -> Any:
    """The rational shares, given what is bought for each request: the logit of what it is worth."""
    odds, _, total = _logit(layout, values_of(layout, price, steps))
    return layout.each(operator.truediv, odds, layout.of_vmu(total))


def best_utility(layout: Layout, prices: Any) -> Any:
    """U_k of rational VMUs if nobody is rationed, of each VMU: μ·log Σ exp(v/μ)."""
    price = layout.of_provider(prices)
    steps = layout.each(
        purchase, price, layout.satisfaction, layout.ssim, layout.min_steps, layout.max_steps
    )
    _, best, total = _logit(layout, values_of(layout, price, steps))
    return layout.each(_with_entropy, best, layout.temperature, layout.each(log, total))


def _logit(layout: Layout, values: Any) -> tuple[Any, Any, Any]:
    """The odds exp((v − v_max)/μ) of every pair, and of every VMU v_max and the sum of its odds."""
    best = layout.most(values)
    if layout.outside is not None:
        best = layout.each(larger, best, layout.outside)
    odds = layout.each(_odds, values, layout.of_vmu(best), layout.pair_temperature)
    total = layout.over_providers(odds)
    if layout.outside is not None:
        declines = layout.each(_odds, layout.outside, best, layout.temperature)
        total = layout.each(operator.add, total, declines)
    return odds, best, total


def values_of(layout: Layout, price: Any, steps: Any) -> Any:
    """What a request is worth of which so many steps are bought, of every pair."""
    return layout.each(worth, price, layout.satisfaction, layout.ssim, steps, layout.access_cost)


def _odds(value: Any, best: Any, temperature: Any) -> Any:
    """exp((v − v_max)/μ)."""
    exponent = value - best
    exponent /= temperature
    return exp(exponent)


def _vmu_utility(layout: Layout, prices: Any, shares: Any, steps: Any) -> Any:
    """U_k = Σ_m q·v(S) + q_0·v_0 + μ·H(q)."""
    price = layout.of_provider(prices)
    values = values_of(layout, price, steps)
    total = layout.over_providers(layout.each(operator.mul, shares, values))
    entropy = layout.over_providers(layout.each(spread, shares))
    if layout.outside is not None:
        rest = layout.each(_rest, layout.over_providers(shares))
        total = layout.each(operator.add, total, layout.each(operator.mul, rest, layout.outside))
        entropy = layout.each(operator.add, entropy, layout.each(spread, rest))
    return layout.each(_with_entropy, total, layout.temperature, entropy)


def _rest(total: Any) -> Any:
    """q_0, the share of the outside option."""
    return larger(1.0 - total, 0.0)


def _with_entropy(total: Any, temperature: Any, entropy: Any) -> Any:
    """What is worth so much, and its entropy (or the logarithm of the odds) at the temperature."""
    return total + temperature * entropy


def together(market: Competition, prices: Any) -> tuple[Competition, Any]:
    """Market and prices, checked, in one array library and with the market's batch axes.

    Raises:
        TypeError, ValueError: no `Competition`, or prices that are not M numbers above zero.
    """
    _checks.instance("market", market, Competition, "a Competition")
    prices = _checks.numeric("prices", prices, above=0)
    if np.shape(prices)[-1:] != (market.M,):
        raise ValueError(f"prices must hold M = {market.M} along the last axis, got {prices!r}")
    market = market.like(prices)
    prices = convert(prices, market.cost)
    batch = market.batch_shape
    try:
        shape = np.broadcast_shapes(tuple(prices.shape[:-1]), batch)
    except ValueError:
        raise ValueError(
            f"prices must have leading axes that fit the market's batch {batch}, "
            f"got {prices!r} of shape {tuple(prices.shape)}"
        ) from None
    if batch:  # the rules work in place, so every market gets prices of its own
        like = market.cost
        ones = namespace(like).ones(
            (*shape, market.M), dtype=like.dtype, device=array_api_compat.device(like)
        )
        prices = prices * ones
    return market, prices
