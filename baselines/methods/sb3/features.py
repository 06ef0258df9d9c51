"""The first layer of the policies: past rounds, scaled and marked."""

from __future__ import annotations

import torch
from gymnasium.spaces import Box
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from aigc_market.envs.stackelberg import Settings
from baselines.arena.rollout import RoundRow

STEPS_SCALE = 2.5
"""Of steps as a share of the most that a VMU may buy, so that fair prices sell about 1."""
_PLAYED = 1e-5
"""By how much a price in [−1, 1] must exceed the lowest one to be no rounding of it."""


class SeenRows(BaseFeaturesExtractor):
    """Rows with a flag for those that were played, all 0 for others, and 1 / (1 + how many were).

    Rows before the first round look as if the price had been the cost and nobody had bought, which
    a smooth network confuses with low prices. Prices are scaled to [−1, 1] from the cost to p_max;
    a capacity is repeated in each row.

    Args:
        space: of normalised observations, R if there is one and n rows, and of statistics.
        settings: of the environment, normalised.
        statistics: numbers after the rows, which pass as they are.
    """

    def __init__(self, space: Box, settings: Settings, statistics: int = 0) -> None:
        market, rationed = settings.market, int(settings.rationed)
        self._row, self._rounds = RoundRow(market.K, settings.masked), settings.history
        self._start, self._end = rationed, space.shape[0] - statistics
        width = self._row.width + rationed + 2
        super().__init__(space, settings.history * width + statistics)
        self._scale: Tensor
        self._shift: Tensor
        scale, shift = torch.ones(self._row.width), torch.zeros(self._row.width)
        cost, most = float(market.cost), float(market.max_price)
        scale[0] = 2.0 * most / (most - cost)
        shift[0] = -2.0 * cost / (most - cost) - 1.0
        scale[1 : market.K + 1] = STEPS_SCALE
        self.register_buffer("_scale", scale, persistent=False)
        self.register_buffer("_shift", shift, persistent=False)
        self._capacity_scale = 0.0
        if rationed:
            most = settings.capacity_bounds[1]
            self._capacity_scale = STEPS_SCALE * most / (market.K * float(market.max_steps))

    def forward(self, observations: Tensor) -> Tensor:
        """(B, f + n·row + s) to (B, n·(row + f + 2) + s), with f in front and s statistics."""
        rows = observations[:, self._start : self._end].unflatten(1, (self._rounds, -1))
        rows = rows * self._scale + self._shift
        price, steps, _ = self._row.split(rows)
        played = (price[..., None] > _PLAYED - 1.0) | (steps > 0.0).any(dim=-1, keepdim=True)
        rarity = (1.0 / (1.0 + played.sum(dim=1, keepdim=True))).expand_as(played)
        if self._start:
            capacity = self._capacity_scale * observations[:, None, :1]
            rows = torch.cat([rows, capacity.expand(-1, self._rounds, -1)], dim=-1)
        seen = torch.cat([rows * played, played, rarity], dim=-1).flatten(1)
        return torch.cat([seen, observations[:, self._end :]], dim=1)
