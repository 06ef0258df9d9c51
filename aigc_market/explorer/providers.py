"""Several providers in the explorer: the markets that it begins with, and what is drawn of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market import competition
from aigc_market.competition import Cartel, Competition, Nash
from aigc_market.ssim import PAPER_SSIM, QuadraticSSIM

MOST_PROVIDERS, MOST_VMUS = 5, 6

_STEPS = {
    "temperature": (2, 160, 1),
    "near": (0, 200, 5),
    "cost": (0.5, 10, 0.1),
    "satisfaction": (10, 600, 5),
    "max_price": (2, 40, 0.5),
    "outside": (-200, 1000, 10),
    "capacity": (10, 600, 5),
}
_UNIT = {
    "temperature": (0.05, 1, 0.01),
    "near": (0, 1, 0.02),
    "cost": (0.5, 2, 0.02),
    "satisfaction": (1, 4, 0.05),
    "max_price": (1.5, 6, 0.1),
    "outside": (-1, 1, 0.05),
    "capacity": (0.05, 1, 0.01),
}
UNIT = "unit demand (Calvano et al.)"
"""One unit for each request, worth δ·(SSIM(1) − SSIM(0)) = δ: their a is δ, their μ is μ."""

EXAMPLES: dict[str, dict[str, Any]] = {
    "two equal providers": {},
    "each VMU near a provider of its own": {"near": 100, "satisfaction": [200, 200]},
    "no equilibrium: best replies go round": {
        "temperature": 10,
        "near": 30,
        "satisfaction": [150, 250],
        "close": True,
    },
    "one provider is cheaper": {"cost": [1, 3]},
    "three providers, four VMUs": {
        "M": 3,
        "K": 4,
        "near": 60,
        "satisfaction": [120, 200, 280, 360],
    },
    "capacities that bind": {"capacity": 120},
    UNIT: {
        "K": 1,
        "temperature": 0.25,
        "satisfaction": 2,
        "max_price": 3,
        "outside": 0,
    },
}
"""What differs from two equal providers; `near` is τ of all providers but a VMU's own, `close`
whether to look at the prices about Nash alone."""


def ranges(name: str) -> dict[str, tuple[float, float, float]]:
    """Lowest, highest and step of the sliders of an example."""
    return _UNIT if name == UNIT else _STEPS


def example(name: str) -> dict[str, Any]:
    """All values of the sliders, for all the providers and VMUs that there may be."""
    given = {
        "M": 2,
        "K": 2,
        "temperature": 60,
        "near": 0,
        "cost": 1,
        "satisfaction": 200,
        "max_price": 20,
        "outside": None,
        "capacity": None,
        "close": False,
        **EXAMPLES[name],
    }
    for key, most in (("cost", MOST_PROVIDERS), ("satisfaction", MOST_VMUS)):
        values = list(np.atleast_1d(given[key]).tolist())
        given[key] = values + [values[-1]] * (most - len(values))
    return given


def market(
    name: str,
    *,
    M: int,
    K: int,
    temperature: float,
    near: float,
    cost: list[float],
    satisfaction: list[float],
    max_price: float,
    outside: float | None,
    capacity: float | None,
) -> Competition:
    """The market of these sliders, which begin with that example.

    VMU k reaches provider k mod M for nothing and the others at the cost `near`.

    Raises:
        ValueError: there is no such market.
    """
    own = np.arange(K) % M == np.arange(M)[:, None]
    unit = {"ssim": QuadraticSSIM(-1.0, 2.0), "min_steps": 1, "max_steps": 1}
    return Competition(
        M=M,
        K=K,
        temperature=temperature,
        access_cost=np.where(own, 0.0, near),
        cost=cost[:M],
        satisfaction=satisfaction[:K],
        max_price=max_price,
        outside=outside,
        capacity=capacity,
        **(unit if name == UNIT else {"ssim": QuadraticSSIM(PAPER_SSIM.alpha, PAPER_SSIM.beta)}),
    )


@dataclass(frozen=True)
class Study:
    """What is drawn of a market; prices and utilities are (M,)."""

    market: Competition
    nash: Nash
    cartel: Cartel
    prices: np.ndarray
    """(P) about the Nash equilibrium, or to a little above all that is marked."""
    replies: tuple[np.ndarray, np.ndarray]
    """(P) each: the best replies of asp_0 to these prices of asp_1, and of asp_1 to asp_0's; the
    others are at their Nash prices, or where the gap is smallest."""

    @property
    def converged(self) -> bool:
        """Whether there is a Nash equilibrium."""
        return bool(self.nash.converged)

    @property
    def cycle(self) -> np.ndarray | None:
        """(L, M) the profiles of prices through which best replies go round."""
        return None if self.converged or self.nash.cycle is None else self.nash.cycle


_POINTS = 121


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
    for seat in (0, 1):
        profiles = np.tile(nash.prices, (len(prices), 1))
        profiles[:, 1 - seat] = prices
        replies.append(competition.best_deviation(market, seat, profiles, 1e-4).price)
    return Study(market, nash, cartel, prices, (replies[0], replies[1]))


@dataclass(frozen=True)
class Payoffs:
    """What asp_0 earns by each price while the others keep theirs."""

    own: np.ndarray
    """(P) its prices."""
    at_nash: np.ndarray
    """(P) what they earn while the others are at Nash, or where the gap is smallest."""
    at_cartel: np.ndarray
    """(P) what they earn while the others post the cartel's prices."""
    best: tuple[Any, Any]
    """The best `Deviation` in each case, with its upper bound."""


def payoffs(study: Study) -> Payoffs:
    """Of asp_0 against others at Nash, and against others in a cartel."""
    market = study.market
    low, top = float(market.cost[0]), float(max(study.nash.prices[0], study.cartel.prices[0]))
    high = low + 1.25 * max(top - low, 0.05 * low)
    own = np.linspace(low, min(high, float(market.max_price[0])), 241)
    curves, best = [], []
    for others in (study.nash.prices, study.cartel.prices):
        profiles = np.tile(others, (len(own), 1))
        profiles[:, 0] = own
        curves.append(earned(market, profiles)[:, 0])
        best.append(competition.best_deviation(market, 0, others))
    return Payoffs(own, curves[0], curves[1], (best[0], best[1]))


def earned(market: Competition, prices: np.ndarray) -> np.ndarray:
    """(…, M) what the providers earn from rational VMUs."""
    answer = competition.respond(market, prices)
    return competition.settle(market, prices, answer.shares, answer.steps).asp_utility


def on_the_way(study: Study, share: float) -> np.ndarray:
    """(M,) prices so far from Nash to the cartel, held within the bounds of prices."""
    market = study.market
    prices = study.nash.prices + share * (study.cartel.prices - study.nash.prices)
    return np.clip(prices, market.cost, market.max_price)
