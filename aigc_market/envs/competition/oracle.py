"""What play among several providers is measured by: their Nash equilibrium, and their cartel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from aigc_market import competition
from aigc_market.competition import Competition
from aigc_market.competition.metrics import SAME
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
        return np.where(np.abs(room) <= SAME * np.abs(self.cartel_utility), np.nan, room)

    def profit_gain(self, utility: Any) -> Any:
        """Δ of utilities (…, M); NaN where there is none."""
        return gain(utility, self.nash_utility, self.room)


def gain(utility: Any, nash_utility: Any, room: Any) -> Any:
    """Δ = (u − u_Nash)/(u_cartel − u_Nash) of Calvano et al. (2020)."""
    return (utility - nash_utility) / room


@dataclass(frozen=True)
class Point:
    """Prices of all providers and what they earn, (…, M) each."""

    price: np.ndarray
    utility: np.ndarray


class NashPoint(BaseOracle):
    """The Nash equilibrium of a market, solved when it is first asked for."""

    @cached_property
    def whole(self) -> competition.Nash:
        """With its certificate."""
        return competition.nash(self.market)

    def solve(self, market: Competition) -> Point:
        """Of one market or a batch; NaN where none was found."""
        nash = self.whole if market is self.market else competition.nash(market)
        found = np.asarray(nash.converged)[..., None]
        return Point(
            np.where(found, nash.prices, np.nan), np.where(found, nash.asp_utility, np.nan)
        )


class CartelPoint(BaseOracle):
    """The cartel of a market, solved when it is first asked for."""

    @cached_property
    def whole(self) -> competition.Cartel:
        """With all that it says of VMUs."""
        return competition.cartel(self.market)

    def solve(self, market: Competition) -> Point:
        """Of one market or a batch."""
        cartel = self.whole if market is self.market else competition.cartel(market)
        return Point(np.asarray(cartel.prices), np.asarray(cartel.asp_utility))


class Oracle:
    """The Nash equilibrium and the cartel of a market, each solved when it is first asked for.

    They are solved apart: a cartel takes some twenty times as long. As for one provider
    (`envs.oracle.BaseOracle`), of a batch only those lanes are solved that have changed.
    """

    def __init__(
        self,
        market: Competition,
        nash: NashPoint | None = None,
        cartel: CartelPoint | None = None,
    ) -> None:
        self.market = market
        self._nash = NashPoint(market) if nash is None else nash
        self._cartel = CartelPoint(market) if cartel is None else cartel

    def followed_by(self, market: Competition, changed: Any) -> Oracle:
        """What stands in the next round, when these lanes have changed."""
        return Oracle(
            market,
            self._nash.followed_by(market, changed),
            self._cartel.followed_by(market, changed),
        )

    @property
    def nash(self) -> competition.Nash:
        """Of `market`."""
        return self._nash.whole

    @property
    def cartel(self) -> competition.Cartel:
        """Of `market`."""
        return self._cartel.whole

    @property
    def nash_price(self) -> np.ndarray:
        """(…, M); NaN where no Nash equilibrium was found."""
        return self._nash.solution.price

    @property
    def cartel_price(self) -> np.ndarray:
        """(…, M)."""
        return self._cartel.solution.price

    @property
    def utility(self) -> np.ndarray:
        """(…, M) U_Nash; NaN where no Nash equilibrium was found."""
        return self._nash.solution.utility

    @cached_property
    def benchmarks(self) -> Benchmarks:
        """What there is to say of each provider."""
        nash, cartel = self._nash.solution, self._cartel.solution
        return Benchmarks(nash.price, nash.utility, cartel.price, cartel.utility)
