"""The game of one round on a grid of prices: what every profile of prices pays each provider.

A profile names one of L prices for each of M providers. It is numbered as NumPy numbers the cells
of an array (L, …, L): the last provider's price moves fastest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc_market import _checks, competition
from aigc_market.competition import Competition


def price_profiles(grid: Any) -> np.ndarray:
    """The prices of every profile.

    Args:
        grid: (M, L) prices of each provider, or (L,) of the only one.

    Returns:
        (L^M, M)
    """
    grid = np.atleast_2d(_checks.numeric("grid", grid, above=0))
    M, L = grid.shape
    chosen = np.indices((L,) * M).reshape(M, -1)
    return np.take_along_axis(grid, chosen, axis=1).T


def profile_payoffs(market: Competition, grid: Any) -> np.ndarray:
    """What every profile pays each provider when VMUs are rational.

    Args:
        market: one market.
        grid: (M, L) prices of each provider.

    Returns:
        (L^M, M) utilities, capacities respected.

    Raises:
        TypeError, ValueError: a batch of markets, or a grid that is none of M rows.
    """
    _checks.instance("market", market, Competition, "a Competition")
    if market.batch_shape:
        raise ValueError(f"market must be one market, got a batch {market.batch_shape}")
    if np.ndim(grid) != 2 or np.shape(grid)[0] != market.M:
        raise ValueError(f"grid must hold prices (M, L) with M = {market.M}, got {grid!r}")
    prices = price_profiles(grid)
    answer = competition.respond(market, prices)
    return competition.settle(market, prices, answer.shares, answer.steps).asp_utility


def levels_of(payoffs: np.ndarray) -> int:
    """L, of payoffs (L^M, M)."""
    count, M = payoffs.shape
    levels = round(count ** (1 / M))
    if levels**M != count:
        raise ValueError(f"payoffs must have L^M rows and M columns, got shape {payoffs.shape}")
    return levels


def strides(levels: int, M: int) -> np.ndarray:
    """(M,) by how much a profile's number rises with one step of each provider's price."""
    return levels ** np.arange(M - 1, -1, -1)


def best_of_a_round(payoffs: np.ndarray) -> np.ndarray:
    """(L^M, M) what a provider's best price pays against the others' prices in a profile."""
    levels, M = levels_of(payoffs), payoffs.shape[1]
    cells = payoffs.reshape((levels,) * M + (M,))
    best = [
        np.broadcast_to(cells[..., i].max(axis=i, keepdims=True), cells.shape[:-1])
        for i in range(M)
    ]
    return np.stack(best, axis=-1).reshape(payoffs.shape)


def round_equilibria(payoffs: np.ndarray) -> np.ndarray:
    """Numbers of the profiles that are pure Nash equilibria of the game of one round."""
    return np.flatnonzero((payoffs >= best_of_a_round(payoffs)).all(axis=-1))
