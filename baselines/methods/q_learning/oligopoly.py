"""The market of Calvano et al. (2020) with any number of sellers, and its game on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from aigc_market import competition
from aigc_market.competition import Cartel, Competition, Nash
from aigc_market.scenarios import COMPETITION_SCENARIOS
from baselines.methods.q_learning.profiles import (
    price_profiles,
    profile_payoffs,
    round_equilibria,
)

LEVELS = 15
"""Prices of each seller: the paper's m, from a tenth of p_cartel − p_Nash below p_Nash to as much
above p_cartel (its ξ)."""
_DECIMALS = 9


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
        return price_profiles(self.grid)

    @cached_property
    def payoffs(self) -> np.ndarray:
        """(L^M, M) of every profile."""
        return profile_payoffs(self.market, self.grid)

    @cached_property
    def round_equilibria(self) -> np.ndarray:
        """Profiles that are Nash equilibria of one round on the grid."""
        return round_equilibria(self.payoffs)

    def gains(self, utility: np.ndarray) -> np.ndarray:
        """Δ of each seller: (…, M) for utilities (…, M)."""
        return competition.profit_gain(self.market, utility, self.nash, self.cartel).each

    def gain(self, utility: np.ndarray) -> np.ndarray:
        """Δ of the mean: (…) for utilities (…, M)."""
        return competition.profit_gain(self.market, utility, self.nash, self.cartel).mean


@lru_cache(maxsize=8)
def oligopoly(sellers: int) -> Oligopoly:
    """The market of the scenario `calvano` with so many sellers."""
    arguments = COMPETITION_SCENARIOS["calvano"].arguments
    parameters = ("K", "ssim", *Competition.PARAMETERS)
    given = {name: arguments[name] for name in parameters if name in arguments}
    market = Competition(M=sellers, **given)
    nash, cartel = competition.nash(market), competition.cartel(market)
    grid = competition.price_grid(market, LEVELS, nash=nash, cartel=cartel)
    # A session is chaotic: the last digits of a solver must not decide how some of them end.
    return Oligopoly(market, nash, cartel, np.round(grid, _DECIMALS))
