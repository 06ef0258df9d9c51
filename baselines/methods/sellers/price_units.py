"""Between a competition's units and those of its learners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVELS = 15
"""Prices of the learners that choose from a grid, as in Calvano et al. (2020)."""
FARTHEST = 3.0
"""What learners see is held within this: before the first round every price is the cost."""


@dataclass(frozen=True)
class PriceUnits:
    """What learners see, post and are paid, in numbers of about 1.

    All learners choose from the same range of prices, [low, high], which they call [−1, 1]. It is
    that of Calvano's grid, a little wider than from the Nash price to the cartel's, so that no
    method has to find out more than another.
    """

    M: int
    K: int
    history: int
    """Rounds seen."""
    low: float
    high: float
    steps: float
    """What a provider sells to a VMU at the Nash prices, on average."""
    utility: float
    """What a provider earns there, on average: rewards are multiples of it."""
    vmu_utility: float
    """What a VMU has there, on average."""
    satisfaction: float
    """δ on average."""

    @property
    def grid(self) -> np.ndarray:
        """(LEVELS,) in [−1, 1]: prices of those that choose from a grid."""
        return np.linspace(-1.0, 1.0, LEVELS)

    def price(self, position: np.ndarray) -> np.ndarray:
        """Prices that positions in [−1, 1] mean; others are clipped."""
        share = (np.clip(position, -1.0, 1.0).astype(np.float64) + 1.0) / 2.0
        return self.low + share * (self.high - self.low)

    def position(self, price: np.ndarray) -> np.ndarray:
        """The reverse of `price`, not clipped."""
        return 2.0 * (price - self.low) / (self.high - self.low) - 1.0

    def features(self, rows: np.ndarray) -> np.ndarray:
        """Rows (…, n, M + K) of a seat as a network's input (…, n·(M + K)), single precision."""
        scaled = np.array(rows, np.float64)
        scaled[..., : self.M] = self.position(scaled[..., : self.M])
        scaled[..., self.M :] = scaled[..., self.M :] / self.steps - 1.0
        scaled = np.clip(scaled, -FARTHEST, FARTHEST).astype(np.float32)
        return scaled.reshape(*scaled.shape[:-2], -1)
