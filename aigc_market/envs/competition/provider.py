"""What a provider sees and does: the numbers of a round as it sees them, and its prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aigc_market.envs.actions import ActionReader
from aigc_market.envs.competition.settings import Settings
from aigc_market.envs.observation import Scales


@dataclass(frozen=True)
class ProvidersRow:
    """A row is p_1 … p_M and, provider by provider, the steps delivered to each VMU."""

    M: int
    """How many providers there are."""
    K: int
    """How many VMUs."""
    active = slice(0, 0)
    """Nobody comes or goes."""

    @property
    def price(self) -> slice:
        """Where the prices stand."""
        return slice(0, self.M)

    @property
    def steps(self) -> slice:
        """Where the steps delivered stand, (M·K,)."""
        return slice(self.M, self.width)

    @property
    def delivered(self) -> slice:
        """The same."""
        return self.steps

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return self.M * (1 + self.K)

    def seen(self, seat: int) -> np.ndarray:
        """Where that stands which the provider at a seat sees, (M + K,).

        Its own price, the others' in the order of the seats after its own, its own steps.
        """
        prices = (seat + np.arange(self.M)) % self.M
        return np.concatenate([prices, self.M + seat * self.K + np.arange(self.K)])


def provider_bounds(settings: Settings) -> list[tuple[float, float, int]]:
    """Of a provider's last n rounds, for `observation.box`."""
    market, scales = settings.market, Scales(settings)
    prices = (0.0, settings.price_bounds[1] * scales.price, market.M)
    return [prices, (0.0, market.max_steps * scales.steps, market.K)] * settings.history


def price_actions(settings: Settings, seat: int) -> ActionReader:
    """Reader of the prices of the provider at a seat; one space for all of them."""
    low, high = settings.price_bounds
    grid = np.empty(0) if settings.continuous_actions else settings.grid[seat]
    return ActionReader(f"asp_{seat}", low, high, settings, grid)
