"""How far a market is from its Nash equilibrium, and from a cartel."""

from __future__ import annotations

from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from aigc_market import _checks
from aigc_market._arrays import convert, namespace, unwrap
from aigc_market.competition.collusion import Cartel
from aigc_market.competition.collusion import cartel as find_cartel
from aigc_market.competition.market import Competition
from aigc_market.competition.nash_equilibrium import Nash
from aigc_market.competition.nash_equilibrium import nash as find_nash

SAME = 1e-9
"""Utilities that differ by no more, as a share of them, differ by rounding: where capacities bind a
cartel earns what competitors earn."""


class ProfitGain(NamedTuple):
    """Δ: 0 at the Nash equilibrium, 1 at the cartel; NaN where no equilibrium was found."""

    each: Any
    """(…, M) of each provider."""
    mean: Any
    """(…) of the mean over all providers."""


def profit_gain(
    market: Competition, asp_utility: Any, nash: Nash | None = None, cartel: Cartel | None = None
) -> ProfitGain:
    """Δ = (u − u_Nash) / (u_cartel − u_Nash), the measure of Calvano et al. (2020).

    Args:
        market: one market or a batch.
        asp_utility: (…, M) what the providers earn, say on average over the last rounds.
        nash: the market's equilibrium, if it is known.
        cartel: what its providers would do together, if it is known.

    Returns:
        Δ of each provider and of the mean. NaN where no Nash equilibrium is known, or where a
        cartel pays the same.

    Raises:
        TypeError, ValueError: utilities that are not M finite numbers.
    """
    _checks.instance("market", market, Competition, "a Competition")
    earned = _checks.numeric("asp_utility", asp_utility)
    if np.shape(earned)[-1:] != (market.M,):
        raise ValueError(
            f"asp_utility must hold M = {market.M} along the last axis, got {asp_utility!r}"
        )
    at, top = _references(market, nash, cartel)
    earned = convert(earned, at.asp_utility)
    low, high = convert(at.asp_utility, earned), convert(top.asp_utility, earned)
    xp = namespace(low)
    known = xp.asarray(at.converged, device=array_api_compat.device(low))

    def share(got: Any, low: Any, high: Any, known: Any) -> Any:
        room = high - low
        good = known & (xp.abs(room) > SAME * xp.abs(high))
        return unwrap(xp.where(good, (got - low) / xp.where(good, room, 1.0), float("nan")))

    def mean(values: Any) -> Any:
        return xp.mean(values, axis=-1)

    return ProfitGain(
        share(earned, low, high, known[..., None]),
        share(mean(earned), mean(low), mean(high), known),
    )


def price_grid(
    market: Competition,
    levels: int = 15,
    margin: float = 0.1,
    nash: Nash | None = None,
    cartel: Cartel | None = None,
) -> Any:
    """The grid of Calvano et al. (2020): even prices around the Nash and the cartel price.

    Args:
        market: one market or a batch.
        levels: how many prices.
        margin: ξ, how far the grid goes beyond the two, as a share of their distance.
        nash: the market's equilibrium, if it is known.
        cartel: what its providers would do together, if it is known.

    Returns:
        (…, M, levels) prices, ascending where the cartel's are higher, held within [c, p_max]; NaN
        where no Nash equilibrium is known.

    Raises:
        TypeError, ValueError: fewer than two levels, or a margin below zero.
    """
    _checks.instance("market", market, Competition, "a Competition")
    levels = _checks.integer("levels", levels, at_least=2)
    margin = _checks.number("margin", margin, at_least=0)
    at, top = _references(market, nash, cartel)
    low, high = at.prices, top.prices
    xp = namespace(low)
    steps = xp.asarray(
        np.linspace(-margin, 1 + margin, levels),
        dtype=low.dtype,
        device=array_api_compat.device(low),
    )
    prices = low[..., None] + (high - low)[..., None] * steps
    cost, max_price = (convert(value, low)[..., None] for value in (market.cost, market.max_price))
    prices = xp.minimum(xp.maximum(prices, cost + 0 * prices), max_price + 0 * prices)
    known = xp.asarray(at.converged, device=array_api_compat.device(low))[..., None, None]
    return xp.where(known, prices, float("nan"))


def _references(
    market: Competition, nash: Nash | None, cartel: Cartel | None
) -> tuple[Nash, Cartel]:
    at = find_nash(market) if nash is None else _checks.instance("nash", nash, Nash, "a Nash")
    if cartel is None:
        return at, find_cartel(market)
    return at, _checks.instance("cartel", cartel, Cartel, "a Cartel")
