"""Between the market's units and the networks'."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from aigc_market.envs.stackelberg import Settings
from baselines.arena.rows import RoundRow


@dataclass(frozen=True)
class Units:
    """Between the market's units and the networks': all their numbers are around 0 and 1."""

    K: int
    cost: float
    max_price: float
    max_steps: float
    masked: bool
    """Whether VMUs come and go, and rows say who will answer the next price."""
    rationed: bool = False
    """Whether there is a capacity R, which the networks see in each row."""

    @classmethod
    def of(cls, settings: Settings) -> Units:
        """Those of an environment's markets."""
        market = settings.market
        public = market.K, market.cost, market.max_price, market.max_steps
        return cls(*public, masked=settings.masked, rationed=settings.rationed)

    @property
    def row(self) -> RoundRow:
        """What stands where in a row."""
        return RoundRow(self.K, self.masked)

    def price(self, action: np.ndarray) -> np.ndarray:
        """Prices that actions in [−1, 1] mean; others are clipped."""
        return self.cost + (np.clip(action, -1.0, 1.0) + 1.0) / 2.0 * (self.max_price - self.cost)

    @property
    def width(self) -> int:
        """Numbers of a network's input for each row."""
        return self.row.width + self.rationed

    def features(self, rows: np.ndarray, capacity: np.ndarray | None = None) -> np.ndarray:
        """Rows (…, n, row) and R (…), where there is one, as a network's input (…, n·width)."""
        scaled = np.array(rows, np.float32)
        row, low, high = self.row, self.cost, self.max_price
        scaled[..., row.price] = 2.0 * (scaled[..., row.price] - low) / (high - low) - 1.0
        scaled[..., row.steps] *= 2.5 / self.max_steps
        if capacity is not None:
            shown = np.empty((*scaled.shape[:-1], 1), np.float32)
            shown[..., 0] = 2.5 / (self.K * self.max_steps) * capacity[..., None]
            scaled = np.concatenate([scaled, shown], axis=-1)
        return scaled.reshape(*scaled.shape[:-2], -1)

    @property
    def reward(self) -> float:
        """By what utilities are multiplied to be rewards of about 1."""
        return 10.0 / (self.K * self.max_steps * (self.max_price - self.cost))

    def spaces(self, history: int, statistics: int = 0) -> tuple[Box, Box]:
        """Of a network's input, rows and then statistics, and of its action."""
        features = Box(-np.inf, np.inf, (history * self.width + statistics,), np.float32)
        return features, Box(-1.0, 1.0, (1,), np.float32)


class SeenRows(BaseFeaturesExtractor):
    """Rows with a flag for those that were played, all 0 for others, and 1 / (1 + how many were).

    Rows before the first round look as if the price had been the cost and nobody had bought, which
    a smooth network confuses with low prices.

    Args:
        space: of flat histories, (n·width,), and statistics.
        units: of the rows.
        statistics: numbers after the rows, which pass as they are.
    """

    def __init__(self, space: Box, units: Units, statistics: int = 0) -> None:
        self._row, self._width = units.row, units.width
        self._end = space.shape[0] - statistics
        rounds = self._end // units.width
        super().__init__(space, rounds * (units.width + 2) + statistics)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """(B, n·width + s) to (B, n·(width + 2) + s), s statistics."""
        rows = observations[:, : self._end].unflatten(1, (-1, self._width))
        price, steps, _ = self._row.split(rows)
        played = (price[..., None] > -1.0) | (steps > 0.0).any(dim=-1, keepdim=True)
        rarity = (1.0 / (1.0 + played.sum(dim=1, keepdim=True))).expand_as(played)
        seen = torch.cat([rows * played, played, rarity], dim=-1).flatten(1)
        return torch.cat([seen, observations[:, self._end :]], dim=1)
