"""The rules of the game, once, for every view of it.

Pure elementwise functions on Python floats, NumPy arrays or torch tensors of any shape that
broadcasts; `settle` puts them together. Equation numbers are those of Lai et al. 2025 (see the
README).
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import convert, device, is_array, larger, namespace
from aigc_market.layouts import Columns, Layout
from aigc_market.market import Market
from aigc_market.ssim import SSIMModel


def purchase(
    price: Any,
    satisfaction: Any,
    ssim: SSIMModel,
    min_steps: Any,
    max_steps: Any,
    active: Any = None,
) -> Any:
    """Steps that a rational VMU buys (Eqs. 9–11, held within the bounds of Eq. 5).

    Prices may differ from VMU to VMU. Ties take the most steps, which is what the leader prefers.
    VMUs that are not `active` buy nothing; None: all are.
    """
    steps = ssim.demand(price / satisfaction, min_steps, max_steps)
    return steps if active is None else present(active, steps)


def present(active: Any, steps: Any) -> Any:
    """The steps of the VMUs that are there, and 0 for the others."""
    if isinstance(steps, (np.ndarray, float)):
        return steps * active  # for arrays five times as fast
    return namespace(steps).where(active, steps, 0.0)


def fill_rate(demand: Any, capacity: Any) -> Any:
    """Share of the steps asked for that is delivered when at most `capacity` can be run (Eq. 7)."""
    return capacity / larger(demand, capacity)


def nearest_calls(steps: Any) -> Any:
    """The whole network calls nearest to the steps asked for: a live model executes no others."""
    return float(round(steps)) if isinstance(steps, float) else namespace(steps).round(steps)


def whole_calls(steps: Any) -> Any:
    """The whole network calls in the steps delivered: all that a live model can execute."""
    steps = steps + 1e-9  # a whole number may have lost its last digit
    return float(math.floor(steps)) if isinstance(steps, float) else namespace(steps).floor(steps)


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
    free = purchase(0.0 * satisfaction, 1.0, ssim, min_steps, max_steps)
    return satisfaction * ssim.gain(free)


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
    market, price = _together(market, _checks.numeric("price", price, above=0))
    if is_array(price):
        price = price[..., None]
    low, high = market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)
    return purchase(price, market.satisfaction, market.ssim, low, high, market.active)


def leader_utility(market: Market, price: Any) -> Any:
    """U_p(p, S*(p)) of Eq. 6 against rational VMUs, rationed where they ask for more than R.

    Args and raises: as `best_response`. Returns: (…) utility.
    """
    market, price = _together(market, _checks.numeric("price", price, above=0))
    return best_responses(Columns(market), price).asp_utility


class Settlement:
    """All that a round pays. Arrays have the layout's axis of VMUs; lists hold a float for each.

    What costs as much as the round itself (`surplus`, `rational`) is worked out when it is asked
    for.
    """

    __slots__ = ("_rational", "asked", "asp_utility", "delivered", "layout", "price", "sold")

    layout: Layout
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

    def __init__(
        self,
        layout: Layout,
        price: Any,
        asked: Any,
        delivered: Any,
        sold: Any,
        asp_utility: Any,
        rational: Any,
    ) -> None:
        self.layout = layout
        self.price = price
        self.asked = asked
        self.delivered = delivered
        self.sold = sold
        self.asp_utility = asp_utility
        self._rational = rational

    def gain(self) -> Any:
        """(…, K) SSIM(S_k) − SSIM(0) of the steps delivered, by the market's model."""
        return self.layout.gain(self.delivered)

    def surplus(self, gain: Any = None) -> Any:
        """(…, K) U_k(S_k) − U_k(0), without SSIM's constant; 0 for a VMU that is not there.

        Args:
            gain: (…, K) what of SSIM was gained, where it was measured; the model's by default.
        """
        layout, quality = self.layout, self.gain() if gain is None else gain
        price = layout.spread(self.price)
        return layout.each(payoff, price, layout.satisfaction, quality, self.delivered)

    def utility(self, quality: Any = None) -> Any:
        """(…, K) U_k as printed in Eq. 4; 0 for a VMU that is not there.

        Args:
            quality: (…, K) SSIM, where it was measured; the model's by default.
        """
        layout = self.layout
        if quality is None:
            quality = layout.quality(self.delivered)
        price = layout.spread(self.price)
        paid = layout.each(payoff, price, layout.satisfaction, quality, self.delivered)
        return paid if layout.active is None else layout.each(present, layout.active, paid)

    def rational(self) -> Settlement:
        """The round that rational VMUs would have made of the price, in an environment's units."""
        purchases = self._rational
        if purchases is None:
            purchases = best_purchases(self.layout, self.price)
        return settle_in(self.layout, self.price, self.layout.in_actions(purchases))


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
    market, price = _together(market.like(asked), price)
    return settle_in(Columns(market), price, convert(asked, market.satisfaction))


def settle_in(layout: Layout, price: Any, asked: Any, rational: Any = None) -> Settlement:
    """`settle` without checks, for a market that is laid out already. No other code settles.

    Args:
        layout: of the market.
        price: of each market.
        asked: by each VMU, within the bounds of a purchase.
        rational: what `best_purchases` says at this price, if it is known.
    """
    if layout.active is not None:
        asked = layout.each(present, layout.active, asked)
    if layout.whole_calls:
        asked = layout.each(nearest_calls, asked)
    delivered, sold = asked, layout.total(asked)
    if layout.capacity is not None:
        share = fill_rate(sold, layout.capacity)
        delivered = layout.each(operator.mul, asked, layout.spread(share))
        sold = sold * share
        if layout.whole_calls:
            delivered = layout.each(whole_calls, delivered)
            sold = layout.total(delivered)
    utility = asp_utility(price, layout.cost, sold)
    return Settlement(layout, price, asked, delivered, sold, utility, rational)


def best_purchases(layout: Layout, price: Any) -> Any:
    """What rational VMUs buy, as `best_response` has it, in a layout; absent ones not yet left out.

    They are left out where the round is settled.
    """
    return layout.each(
        purchase,
        layout.spread(price),
        layout.satisfaction,
        layout.ssim,
        layout.min_steps,
        layout.max_steps,
    )


def best_responses(layout: Layout, price: Any) -> Settlement:
    """The round that rational VMUs make of a price."""
    return settle_in(layout, price, best_purchases(layout, price))


def _together(market: Market, price: Any) -> tuple[Market, Any]:
    """Market and price in one array library: a tensor on either side draws the other to it.

    Where there is a batch, every market of it gets a price of its own: the rules work in place.
    """
    market, price = market.like(price), convert(price, market.satisfaction)
    if market.batch_shape:
        like = market.satisfaction
        price = price * namespace(like).ones(
            market.batch_shape, dtype=like.dtype, device=device(like)
        )
    return market, price
