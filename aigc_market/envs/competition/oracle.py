"""What play among several providers is measured by: their Nash equilibrium, and their cartel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from aigc_market import competition
from aigc_market.competition import Competition
from aigc_market.envs.oracle import BaseOracle


@dataclass(frozen=True)
class Benchmarks:
    """Of each provider of each market, (…, M); NaN where no Nash equilibrium was found."""

    nash_price: np.ndarray
    nash_utility: np.ndarray
    cartel_price: np.ndarray
    cartel_utility: np.ndarray

    def profit_gain(self, utility: Any) -> Any:
        """Δ = (u − u_Nash)/(u_cartel − u_Nash) of utilities (…, M); NaN where a cartel gains 0."""
        span = self.cartel_utility - self.nash_utility
        return (utility - self.nash_utility) / np.where(span == 0, np.nan, span)


class Oracle(BaseOracle):
    """The Nash equilibrium and the cartel of a market, solved when they are first asked for."""

    def solve(self, market: Competition) -> Benchmarks:
        """Both, of one market or a batch."""
        if market is self.market:
            return _benchmarks(self.nash, self.cartel)
        return _benchmarks(competition.nash(market), competition.cartel(market))  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def benchmarks(self) -> Benchmarks:
        """What there is to say of each provider."""
        return self.solution

    @cached_property
    def nash(self) -> competition.Nash:  # pyright: ignore[reportAttributeAccessIssue]
        """Of `market`."""
        return competition.nash(self.market)  # pyright: ignore[reportAttributeAccessIssue]

    @cached_property
    def cartel(self) -> competition.Cartel:  # pyright: ignore[reportAttributeAccessIssue]
        """Of `market`."""
        return competition.cartel(self.market)  # pyright: ignore[reportAttributeAccessIssue]


def _benchmarks(nash: competition.Nash, cartel: competition.Cartel) -> Benchmarks:  # pyright: ignore[reportAttributeAccessIssue]
    found = np.asarray(nash.converged)[..., None]
    return Benchmarks(
        nash_price=np.where(found, nash.prices, np.nan),
        nash_utility=np.where(found, nash.asp_utility, np.nan),
        cartel_price=np.asarray(cartel.prices),
        cartel_utility=np.asarray(cartel.asp_utility),
    )
