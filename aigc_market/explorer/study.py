"""Several providers in the explorer: what is worked out of their market before it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aigc_market import competition
from aigc_market.competition import Cartel, Competition, Nash

_POINTS = 121


@dataclass(frozen=True)
class Study:
    """A market of several providers; prices and utilities are (M,)."""

    market: Competition
    nash: Nash
    cartel: Cartel
    prices: np.ndarray
    """(P) about the Nash equilibrium, or to a little above all that is marked."""
    replies: tuple[np.ndarray, np.ndarray]
    """(P) each: the best replies of asp_0 to these prices of asp_1, and of asp_1 to asp_0's; the
    others are at their Nash prices, or where the gap is smallest."""

    def on_the_way(self, share: float) -> np.ndarray:
        """(M) prices so far from Nash to the cartel, held within the bounds of prices."""
        prices = self.nash.prices + share * (self.cartel.prices - self.nash.prices)
        return np.clip(prices, self.market.cost, self.market.max_price)


def study(market: Competition, close: bool = False) -> Study:
    """Solve a market and find the best replies of its first two providers.

    Args:
        market: with two providers or more.
        close: whether to look at prices about the Nash equilibrium alone.
    """
    nash, cartel = competition.nash(market), competition.cartel(market)
    near = nash.prices[:2] if nash.cycle is None else np.vstack([nash.prices, nash.cycle])[:, :2]
    low, high = float(market.cost[:2].min()), float(market.max_price[:2].max())
    if close:
        wide = max(float(np.ptp(near)), 0.4 * (float(near.min()) - low), 0.02 * low)
        ends = float(near.min()) - wide, float(near.max()) + wide
    else:
        above = max(float(near.max()), float(cartel.prices[:2].max())) - low
        ends = low, low + 1.2 * max(above, 0.05 * low)
    prices = np.linspace(max(ends[0], low), min(ends[1], high), _POINTS)
    replies = []
    for m in (0, 1):
        profiles = np.tile(nash.prices, (len(prices), 1))
        profiles[:, 1 - m] = prices
        replies.append(competition.best_deviation(market, m, profiles, 1e-4).price)
    return Study(market, nash, cartel, prices, (replies[0], replies[1]))


def earned(market: Competition, prices: np.ndarray) -> np.ndarray:
    """(…, M) what the providers earn from rational VMUs."""
    answer = competition.respond(market, prices)
    return competition.settle(market, prices, answer.shares, answer.steps).asp_utility
