"""What a provider sees and does: the numbers of a round as it sees them, and its prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from gymnasium.spaces import Box

from aigc_market.envs.actions import ActionReader
from aigc_market.envs.competition.settings import Settings


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
    def width(self) -> int:
        """Numbers in a row."""
        return self.M * (1 + self.K)

    def seen(self, seat: int) -> np.ndarray:
        """Where that stands which the provider at a seat sees, (M + K,).

        Its own price, the others' in the order of the seats after its own, its own steps.
        """
        prices = (seat + np.arange(self.M)) % self.M
        return np.concatenate([prices, self.M + seat * self.K + np.arange(self.K)])


@dataclass(frozen=True)
class Scales:
    """Factors from physical units to the units of observations."""

    price: float
    steps: float

    @classmethod
    def of(cls, settings: Settings) -> Scales:
        """1 in physical units."""
        if not settings.normalize:
            return cls(1.0, 1.0)
        return cls(1.0 / settings.price_bounds[1], 1.0 / settings.market.max_steps)


def provider_space(settings: Settings) -> Box:
    """Of a provider's observations: its last n rounds, flat, with finite bounds."""
    market, scales = settings.market, Scales.of(settings)
    price, steps = settings.price_bounds[1] * scales.price, market.max_steps * scales.steps
    high = np.repeat(np.array([price, steps], "f4"), [market.M, market.K])
    high = np.tile(high, settings.history)
    return Box(np.zeros_like(high), high, dtype=np.float32)


def price_actions(settings: Settings, seat: int) -> ActionReader:
    """Reader of the prices of the provider at a seat; one space for all of them."""
    low, high = settings.price_bounds
    grid = np.empty(0) if settings.continuous_actions else settings.grid[seat]
    return ActionReader(f"asp_{seat}", low, high, settings, grid)
