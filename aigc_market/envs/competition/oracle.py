"""What play among several providers is measured by: their Nash equilibrium, and their cartel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from aigc_market import competition
from aigc_market.competition import Competition
from aigc_market.envs.episode import reciprocals
from aigc_market.envs.oracle import BaseOracle


@dataclass(frozen=True)
class Benchmarks:
    """Of each provider of each market, (…, M); NaN where no Nash equilibrium was found."""

    nash_price: np.ndarray
    nash_utility: np.ndarray
    cartel_price: np.ndarray
    cartel_utility: np.ndarray

    def map(self, function: Callable[[Any], Any]) -> Benchmarks:
        """With a function applied to each: say, one that picks a provider or a market."""
        return Benchmarks(*map(function, vars(self).values()))

    @property
    def room(self) -> np.ndarray:
        """(…, M) u_cartel − u_Nash; NaN where a cartel pays the same."""
        room = self.cartel_utility - self.nash_utility
        return np.where(room == 0, np.nan, room)

    def profit_gain(self, utility: Any) -> Any:
        """Δ of utilities (…, M); NaN where there is none."""
        return gain(utility, self.nash_utility, self.room)

    @property
    def reward_scales(self) -> np.ndarray:
        """(…, M) factors that make Nash play worth 1; 1 where it is unknown or pays nothing."""
        return reciprocals(self.nash_utility)


def gain(utility: Any, nash_utility: Any, room: Any) -> Any:
    """Δ = (u − u_Nash)/(u_cartel − u_Nash) of Calvano et al. (2020)."""
    return (utility - nash_utility) / room


class Oracle(BaseOracle):
    """The Nash equilibrium and the cartel of a market, solved when they are first asked for."""

    def solve(self, market: Competition) -> Benchmarks:
        """Both, of one market or a batch."""
        if market is self.market:
            return _benchmarks(self.nash, self.cartel)
        return _benchmarks(competition.nash(market), competition.cartel(market))

    @property
    def benchmarks(self) -> Benchmarks:
        """What there is to say of each provider."""
        return self.solution

    @cached_property
    def nash(self) -> competition.Nash:
        """Of `market`."""
        return competition.nash(self.market)

    @cached_property
    def cartel(self) -> competition.Cartel:
        """Of `market`."""
        return competition.cartel(self.market)


def _benchmarks(nash: competition.Nash, cartel: competition.Cartel) -> Benchmarks:
    found = np.asarray(nash.converged)[..., None]
    return Benchmarks(
        nash_price=np.where(found, nash.prices, np.nan),
        nash_utility=np.where(found, nash.asp_utility, np.nan),
        cartel_price=np.asarray(cartel.prices),
        cartel_utility=np.asarray(cartel.asp_utility),
    )
