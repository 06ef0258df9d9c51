"""The rules of the game, once, for every view of it.

Pure functions on NumPy arrays or torch tensors of any shape that broadcasts; `axis` is the axis of
VMUs where a rule sums over them. Equation numbers are those of Lai et al. 2025 (see the README).
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from aigc_market import _checks
from aigc_market._arrays import convert, is_array, larger, namespace
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
    if isinstance(steps, np.ndarray):
        return steps * active  # five times as fast
    return namespace(steps).where(active, steps, 0.0)


def fill_rate(demand: Any, capacity: Any) -> Any:
    """Share of the steps asked for that is delivered when at most `capacity` can be run (Eq. 7)."""
    return capacity / larger(demand, capacity)


def deliver(steps: Any, capacity: Any, axis: int = -1, total: Any = None) -> tuple[Any, Any]:
    """Steps delivered to each VMU, and in all (of type `total`); no capacity is no limit.

    Where the VMUs ask for more than can be run, each gets the same share of what it asked for.
    """
    xp = namespace(steps)
    demand = xp.sum(steps, axis=axis, dtype=total)
    if capacity is None:
        return steps, demand
    share = fill_rate(demand, capacity)
    return steps * xp.expand_dims(share, axis=axis), demand * share


def whole_calls(steps: Any) -> Any:
    """The whole network calls in the steps delivered: all that a live model can execute."""
    return namespace(steps).floor(steps + 1e-9)  # a whole number may have lost its last digit


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
    _, sold = deliver(best_response(market, price), market.capacity)
    return asp_utility(price, market.cost, sold)


def _together(market: Market, price: Any) -> tuple[Market, Any]:
    """Market and price in one array library: a tensor on either side draws the other to it.

    Where there is a batch, every market of it gets a price of its own: the rules work in place.
    """
    market, price = market.like(price), convert(price, market.satisfaction)
    if market.batch_shape:
        like = market.satisfaction
        price = price * namespace(like).ones(
            market.batch_shape, dtype=like.dtype, device=array_api_compat.device(like)
        )
    return market, price
