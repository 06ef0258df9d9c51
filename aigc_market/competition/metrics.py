"""How far a market is from its Nash equilibrium, and from a cartel."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from aigc_market import _checks
from aigc_market.competition.batches import of_numpy
from aigc_market.competition.collusion import Cartel
from aigc_market.competition.collusion import cartel as find_cartel
from aigc_market.competition.nash_equilibrium import Nash
from aigc_market.competition.nash_equilibrium import nash as find_nash
from aigc_market.market import Competition

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
        market: one market or a batch, of NumPy arrays.
        asp_utility: (…, M) what the providers earn, say on average over the last rounds.
        nash: the market's equilibrium, if it is known.
        cartel: what its providers would do together, if it is known.

    Returns:
        Δ of each provider and of the mean. NaN where no Nash equilibrium is known, or where a
        cartel pays the same.

    Raises:
        TypeError, ValueError: utilities that are not M finite numbers, or tensors.
    """
    _checks.instance("market", market, Competition, "a Competition")
    of_numpy("asp_utility", asp_utility)
    earned = np.asarray(_checks.numeric("asp_utility", asp_utility))
    if earned.shape[-1:] != (market.M,):
        raise ValueError(
            f"asp_utility must hold M = {market.M} along the last axis, got {asp_utility!r}"
        )
    at, top = _references(market, nash, cartel)

    def share(got: Any, low: Any, high: Any, known: Any) -> Any:
        room = high - low
        good = known & (np.abs(room) > SAME * np.abs(high))
        return np.where(good, (got - low) / np.where(good, room, 1.0), np.nan)[()]

    low, high, known = at.asp_utility, top.asp_utility, np.asarray(at.converged)
    return ProfitGain(
        share(earned, low, high, known[..., None]),
        share(earned.mean(axis=-1), low.mean(axis=-1), high.mean(axis=-1), known),
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
        market: one market or a batch, of NumPy arrays.
        levels: how many prices.
        margin: ξ, how far the grid goes beyond the two, as a share of their distance.
        nash: the market's equilibrium, if it is known.
        cartel: what its providers would do together, if it is known.

    Returns:
        (…, M, levels) prices, ascending where the cartel's are higher, held within [c, p_max]; NaN
        where no Nash equilibrium is known.

    Raises:
        TypeError, ValueError: fewer than two levels, a margin below zero, or tensors.
    """
    _checks.instance("market", market, Competition, "a Competition")
    levels = _checks.integer("levels", levels, at_least=2)
    margin = _checks.number("margin", margin, at_least=0)
    at, top = _references(market, nash, cartel)
    steps = np.linspace(-margin, 1 + margin, levels)
    prices = at.prices[..., None] + (top.prices - at.prices)[..., None] * steps
    prices = np.clip(prices, market.cost[..., None], market.max_price[..., None])
    return np.where(np.asarray(at.converged)[..., None, None], prices, np.nan)


def _references(
    market: Competition, nash: Nash | None, cartel: Cartel | None
) -> tuple[Nash, Cartel]:
    of_numpy("market", market.cost)
    at = find_nash(market) if nash is None else _checks.instance("nash", nash, Nash, "a Nash")
    if cartel is None:
        return at, find_cartel(market)
    return at, _checks.instance("cartel", cartel, Cartel, "a Cartel")
