"""The exact Stackelberg equilibrium of a market, and its verifier."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from aigc_market import _checks, rules
from aigc_market._arrays import clip, convert, namespace, pick, spread, sums_from_end, unwrap
from aigc_market.market import Market, check_between
from aigc_market.ssim.model import DemandCurve, Lines, LiveSSIM


class Binding(NamedTuple):
    """Which bounds hold with equality at an equilibrium; boolean, with the market's batch axes."""

    min_steps: Any
    """(…, K): the VMU buys S_min."""
    max_steps: Any
    """(…, K): the VMU buys S_max."""
    min_price: Any
    """(…): the price is the cost."""
    max_price: Any
    """(…): the price is p_max."""
    capacity: Any
    """(…): all that can be run is sold."""


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """A strong Stackelberg equilibrium: the leader's best price against rational followers.

    Fields have the market's batch axes in front (none for one market).
    """

    price: Any
    """(…) p*, money per step."""
    steps: Any
    """(…, K) steps delivered."""
    asp_utility: Any
    """(…) U_p* (Eq. 6)."""
    vmu_utility: Any
    """(…, K) U_k as printed in Eq. 4, SSIM's constant included."""
    vmu_surplus: Any
    """(…, K) U_k(S_k) − U_k(0)."""
    binding: Binding
    """Which bounds hold."""
    closed_form: Any
    """(…) whether nothing binds, so that a formula gives the price: Theorem 2 (Eq. 14) for
    a quadratic SSIM."""


class Gap(NamedTuple):
    """How far a price and purchases are from an equilibrium; all zero only at one."""

    leader: Any
    """(…) utility that the leader forgoes against re-responding followers."""
    leader_relative: Any
    """(…) the same as a share of the best utility."""
    followers: Any
    """(…, K) utility that each VMU forgoes at this price."""


def solve(market: Market) -> Equilibrium:
    """The exact equilibrium, for every market that the package can express.

    Each VMU's demand is piecewise linear in the price (in its logarithm where SSIM saturates), so
    U_p has a formula on each piece, with at most K·J breakpoints (J = 2 for a formula of SSIM).
    They are sorted, total demand on each piece comes from running sums, and the best price of each
    piece is its peak, its right end, or the price at which demand meets the capacity. O(KJ log KJ)
    for each market. Where nothing binds and SSIM is quadratic the result is the paper's Theorem 2
    (Eqs. 12–14), which is not used as such: it is not global.

    Args:
        market: one market or a batch, of NumPy arrays or torch tensors.

    Returns:
        The equilibrium; among equally good prices the lowest, and among a follower's equally good
        purchases the largest (ties go to the leader). Where nobody is active, or nobody buys at
        any price, the utility is 0 and the price the cost.
    """
    _checks.instance("market", market, Market, "a Market")
    if market.capacity is not None and isinstance(market.ssim, LiveSSIM):
        price = _best_jump(market)
        return _describe(market, price, price < 0)
    price, is_peak = _best_price(market, _total_demand(market))
    return _describe(market, _step_below(market, price), is_peak)


class _Pieces(NamedTuple):
    """Total demand slope·x(p) + intercept, x being the form's, by intervals of prices (…, KJ + 1).

    They ascend, and hold their right ends.
    """

    left: Any
    right: Any
    slope: Any
    intercept: Any
    form: Lines


def _total_demand(market: Market) -> _Pieces:
    curve = _demand_curve(market)
    rates, slopes, intercepts = (convert(part, market.satisfaction) for part in curve[:3])
    delta = market.satisfaction[..., None]
    xp = namespace(delta)
    # A line too steep to be told from a jump is one: its large numbers would drown all others.
    jump = rates[..., 1:] <= rates[..., :-1] * (1 + 64 * float(xp.finfo(rates.dtype).eps))
    jump = jump & (slopes[..., 1:-1] < 0)

    def with_jumps(pieces: Any) -> Any:
        pieces = pieces + 0.0 * rates[..., :1]
        inside = xp.where(jump, pieces[..., 2:], pieces[..., 1:-1])
        return xp.concat([pieces[..., :1], inside, pieces[..., -1:]], axis=-1)

    if not isinstance(jump, np.ndarray) or jump.any():  # a device would be waited for
        slopes, intercepts = with_jumps(slopes), with_jumps(intercepts)
    slopes, intercepts = curve.form.of_price(slopes, intercepts, delta)
    if market.active is not None:
        slopes, intercepts = (
            rules.present(market.active[..., None], part) for part in (slopes, intercepts)
        )
    shape = (*market.batch_shape, market.K, rates.shape[-1])

    def flat(array: Any) -> Any:
        return xp.reshape(spread(array, shape), (*market.batch_shape, -1))

    breaks = flat(delta * rates)
    order = xp.argsort(breaks, axis=-1, stable=False)
    breaks = pick(breaks, order)

    def total(pieces: Any) -> Any:
        # Summed from the highest price down, where few buy: from below, what those who have left
        # had bought would cancel up to rounding only, and be sold at any price.
        changes = pick(flat(pieces[..., :-1] - pieces[..., 1:]), order)
        last = xp.sum(spread(pieces[..., -1], shape[:-1]), axis=-1)[..., None]
        return xp.concat([last + sums_from_end(changes), last], axis=-1)

    infinity = xp.full_like(breaks[..., :1], float("inf"))
    return _Pieces(
        xp.concat([-infinity, breaks], axis=-1),
        xp.concat([breaks, infinity], axis=-1),
        total(slopes),
        total(intercepts),
        curve.form,
    )


def _best_price(market: Market, pieces: _Pieces) -> tuple[Any, Any]:
    """The lowest price that maximises U_p, and whether it is the peak inside a piece; (…)."""
    left, right, slope, intercept, form = pieces
    xp = namespace(left)
    cost, max_price = market.per_vmu(market.cost), market.per_vmu(market.max_price)
    capacity = market.per_vmu(market.capacity)
    reachable = (left < max_price) & (right >= cost)
    low, high = clip(left, cost, max_price), clip(right, cost, max_price)
    falls = slope < 0
    slope_or_one = xp.where(falls, slope, -1.0)

    def best_of_piece(price: Any) -> tuple[Any, Any]:
        price = xp.where(falls, xp.minimum(xp.maximum(price, low), high), high)
        sold = slope * form.coordinate(price) + intercept
        if capacity is not None:
            sold = xp.where(sold > capacity, capacity, sold)
        utility = xp.where(reachable, rules.asp_utility(price, cost, sold), -float("inf"))
        piece = xp.argmax(utility, axis=-1)[..., None]
        inside = falls & (price > low) & (price < high)
        return tuple(pick(a, piece) for a in (utility, price, inside))

    rows = [best_of_piece(form.best_price(cost, slope_or_one, intercept)), best_of_piece(high)]
    if capacity is not None:
        rows.append(best_of_piece(form.price((capacity - intercept) / slope_or_one)))
    utility, price, inside = (xp.concat(column, axis=-1) for column in zip(*rows, strict=True))
    kind = xp.argmax(utility, axis=-1)[..., None]
    utility, price, inside = (pick(a, kind)[..., 0] for a in (utility, price, inside))
    earns = utility > 0
    return xp.where(earns, price, market.cost), earns & inside & (kind[..., 0] == 0)


def _best_jump(market: Market) -> Any:
    """The lowest price that maximises U_p where whole calls are rationed; (…).

    Demand is then a step function of the price, but what is delivered of it is no share of it: each
    VMU loses the fraction of a call. So every step is settled, at its end, which pays best.
    """
    prices = _in_chunks(market, _bends(market), _step_below)
    utility = _in_chunks(market, prices, rules.leader_utility)
    xp = namespace(utility)
    first = xp.argmax(utility, axis=0)[None]
    price, utility = (xp.take_along_axis(a, first, axis=0)[0, ...] for a in (prices, utility))
    return xp.where(utility > 0, price, market.cost)


def _step_below(market: Market, price: Any) -> Any:
    """The price, or the next one below where rounding has pushed it past a jump of demand."""
    xp = namespace(price)
    below = price * (1 - 4 * float(xp.finfo(price.dtype).eps))
    below = xp.where(below < market.cost, price, below)
    terms = rules.Terms(market)
    utilities = (rules.Settlement(terms, p, terms.rational(p)).asp_utility for p in (below, price))
    return xp.where(operator.gt(*utilities), below, price)


def _describe(market: Market, price: Any, is_peak: Any) -> Equilibrium:
    terms = rules.Terms(market)
    settled = rules.Settlement(terms, price, terms.rational(price))
    bought = settled.asked
    wanted = terms.over_vmus(bought)
    xp = namespace(bought)
    rounding = 16 * market.K * float(xp.finfo(wanted.dtype).eps)
    binding = Binding(
        min_steps=_those_active(market, bought <= terms.min_steps),
        max_steps=_those_active(market, bought >= terms.max_steps),
        min_price=price <= market.cost,
        max_price=price >= market.max_price,
        capacity=wanted * 0 > 1
        if market.capacity is None
        else wanted >= market.capacity - rounding * (market.capacity + market.max_steps),
    )
    clipped = xp.any(binding.min_steps | binding.max_steps, axis=-1) | binding.capacity
    return Equilibrium(
        price=unwrap(price),
        steps=settled.delivered,
        asp_utility=unwrap(settled.asp_utility),
        vmu_utility=settled.utility(),
        vmu_surplus=settled.surplus(),
        binding=binding,
        closed_form=is_peak & ~clipped,
    )


def _those_active(market: Market, condition: Any) -> Any:
    return condition if market.active is None else condition & market.active


def regret(market: Market, price: Any, steps: Any) -> Gap:
    """How far a price and purchases are from an equilibrium: the verifier beside `solve`.

    It does not use the solver: the leader's best deviation is found by trying prices against
    re-responding followers (not against fixed purchases, to which a higher price always
    pays), the followers' by comparing utilities at the price given. O((KJ)²) for each market: for
    very many VMUs compare with `solve(market).asp_utility` instead.

    Args:
        market: one market or a batch.
        price: (…) the price posted, from the cost to p_max.
        steps: (…, K) the steps asked for by each VMU or delivered to it, within its bounds; where
            there is a capacity they may be fewer than the least that it may ask for. 0 for VMUs
            that are not active.

    Returns:
        The gap of the leader (absolute, and relative to the best utility) and of each follower.

    Raises:
        TypeError, ValueError: bad or infeasible prices or purchases.
    """
    _checks.instance("market", market, Market, "a Market")
    price, steps = _checks.numeric("price", price), _checks.numeric("steps", steps)
    market = market.like(price).like(steps)
    price, steps = (convert(value, market.satisfaction) for value in (price, steps))
    if np.shape(steps)[-1:] != (market.K,):
        raise ValueError(f"steps must hold K = {market.K} along its last axis, got {steps!r}")
    batch = _checks.leading_axes("price", price, 0, market.batch_shape)
    _checks.leading_axes("steps", steps, 1, batch)
    check_between("price", price, "cost", market.cost, "max_price", market.max_price)
    low, high = market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)
    low = low if market.capacity is None else 0 * low  # rationing may deliver less than asked for
    if market.active is not None:
        low, high = (rules.present(market.active, steps * 0 + bound) for bound in (low, high))
    check_between("steps", steps, "min_steps", low, "max_steps", high)
    earned = rules.leader_utility(market, price)
    xp = namespace(earned)
    best = xp.maximum(_best_deviation(market), earned)
    column = price[..., None] if np.ndim(price) else price
    rational, actual = (
        rules.vmu_surplus(column, market.satisfaction, market.ssim, bought)
        for bought in (rules.best_response(market, price), steps)
    )
    return Gap(
        leader=unwrap(best - earned),
        leader_relative=unwrap((best - earned) / xp.where(best > 0, best, 1.0)),
        followers=xp.maximum(rational - actual, 0 * rational),
    )


def _best_deviation(market: Market) -> Any:
    """max of U_p(p, S*(p)) over prices, by trial. (…) utility.

    Between neighbouring prices at which some VMU's demand bends, total demand is a line of x(p),
    which two trials inside tell; its best prices are then tried as well.
    """
    edges, form = _bends(market), _demand_curve(market).form
    xp = namespace(edges)
    zero = 0 * edges[0, ...]
    eps = 4 * float(xp.finfo(edges.dtype).eps)
    tried = [edges, xp.maximum(edges * (1 - eps), zero + market.cost)]
    low, high = edges[:-1, ...], edges[1:, ...]
    a, b = 0.75 * low + 0.25 * high, 0.25 * low + 0.75 * high
    demand_a, demand_b = (_demand(market, prices) for prices in (a, b))
    x = form.coordinate(a)
    width = form.coordinate(b) - x
    fall = (demand_b - demand_a) / xp.where(width > 0, width, 1.0)
    fall = xp.where(fall < 0, fall, -1.0)
    level = demand_a - fall * x
    inner = [form.best_price(market.cost, fall, level)]
    if market.capacity is not None:
        inner.append(form.price((market.capacity - level) / fall))
    tried += [xp.minimum(xp.maximum(prices, low), high) for prices in inner]
    utilities = [_in_chunks(market, prices, rules.leader_utility) for prices in tried]
    return xp.max(xp.concat(utilities, axis=0), axis=0)


def _bends(market: Market) -> Any:
    """The cost, the prices at which some VMU's demand bends or jumps, and p_max; (E, …) ascending.

    Those beyond the cost or p_max are moved there.
    """
    xp = namespace(market.satisfaction)
    rates = convert(_demand_curve(market).rates, market.satisfaction)
    bends = market.satisfaction[..., None] * rates
    bends = xp.reshape(
        xp.broadcast_to(bends, (*market.batch_shape, *bends.shape[-2:])), (*market.batch_shape, -1)
    )
    zero = 0 * bends[..., :1]
    cost, max_price = market.per_vmu(market.cost), market.per_vmu(market.max_price)
    edges = xp.concat([bends, zero + cost, zero + max_price], axis=-1)
    edges = xp.sort(clip(edges, cost, max_price), axis=-1)
    return xp.moveaxis(edges, -1, 0)


def _demand_curve(market: Market) -> DemandCurve:
    """Of each VMU, as a function of p / δ."""
    return market.ssim.demand_curve(
        market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)
    )


def _demand(market: Market, prices: Any) -> Any:
    def total(market: Market, prices: Any) -> Any:
        bought = rules.best_response(market, prices)
        return namespace(bought).sum(bought, axis=-1)

    return _in_chunks(market, prices, total)


def _in_chunks(market: Market, prices: Any, function: Any) -> Any:
    """function(market, prices) a few rows of prices at a time, to bound the memory."""
    rows = max(1, 2**21 // (market.K * max(1, int(np.prod(market.batch_shape)))))
    count = prices.shape[0]
    chunks = [prices[i : min(i + rows, count), ...] for i in range(0, count, rows)]
    return namespace(prices).concat([function(market, chunk) for chunk in chunks], axis=0)
