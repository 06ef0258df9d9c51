"""The market of Calvano et al. (2020) with any number of sellers, and its game on a grid.

A profile names one of L prices for each of M sellers. It is numbered as NumPy numbers the cells of
an array (L, …, L): the last seller's price moves fastest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from aigc_market import competition
from aigc_market.competition import Cartel, Competition, Nash
from aigc_market.scenarios import COMPETITION_SCENARIOS

LEVELS = 15
"""Prices of each seller: the paper's m, from a tenth of p_cartel − p_Nash below p_Nash to as much
above p_cartel (its ξ)."""


@dataclass(frozen=True, eq=False)
class Oligopoly:
    """A market of equal sellers, its benchmarks, and its game on the grid."""

    market: Competition
    nash: Nash
    """Of prices that are not on a grid; as in the paper, profit gains are measured from here."""
    cartel: Cartel
    grid: np.ndarray
    """(M, L) prices."""

    @cached_property
    def prices(self) -> np.ndarray:
        """(L^M, M) of every profile."""
        M, L = self.grid.shape
        chosen = np.indices((L,) * M).reshape(M, -1)
        return np.take_along_axis(self.grid, chosen, axis=1).T

    @cached_property
    def payoffs(self) -> np.ndarray:
        """(L^M, M) utilities in every profile, when VMUs are rational."""
        answer = competition.respond(self.market, self.prices)
        return competition.settle(self.market, self.prices, answer.shares, answer.steps).asp_utility

    @cached_property
    def round_equilibria(self) -> np.ndarray:
        """Numbers of the profiles that are pure Nash equilibria of one round on the grid."""
        return np.flatnonzero((self.payoffs >= best_of_a_round(self.payoffs)).all(axis=-1))

    def gain(self, utility: np.ndarray) -> np.ndarray:
        """Δ of the mean: (…) for utilities (…, M)."""
        return competition.profit_gain(self.market, utility, self.nash, self.cartel).mean


@lru_cache(maxsize=8)
def oligopoly(sellers: int) -> Oligopoly:
    """The market of the scenario `calvano` with so many sellers."""
    arguments = COMPETITION_SCENARIOS["calvano"].arguments
    known = {"K", "ssim", *Competition.PARAMETERS}
    market = Competition(M=sellers, **{n: v for n, v in arguments.items() if n in known})
    nash, cartel = competition.nash(market), competition.cartel(market)
    grid = competition.price_grid(market, LEVELS, nash=nash, cartel=cartel)
    # A session is chaotic: the last digits of a solver must not decide how some of them end.
    return Oligopoly(market, nash, cartel, np.round(grid, 9))


def levels_of(payoffs: np.ndarray) -> int:
    """L, of payoffs (L^M, M)."""
    count, M = payoffs.shape
    levels = round(count ** (1 / M))
    if levels**M != count:
        raise ValueError(f"payoffs must have L^M rows and M columns, got shape {payoffs.shape}")
    return levels


def best_of_a_round(payoffs: np.ndarray) -> np.ndarray:
    """(L^M, M) what a seller's best price pays against the others' prices in a profile."""
    levels, M = levels_of(payoffs), payoffs.shape[1]
    cells = payoffs.reshape((levels,) * M + (M,))
    best = [cells[..., i].max(axis=i, keepdims=True) for i in range(M)]
    return np.stack(np.broadcast_arrays(*best), axis=-1).reshape(payoffs.shape)
