"""Between the market's units and the networks'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import VectorWrapper
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from aigc_market.envs.rows import RoundRow
from aigc_market.envs.settings import Settings
from aigc_market.envs.vector import PricingVectorEnv


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

    def spaces(self, history: int) -> tuple[Box, Box]:
        """Of a network's input and of its action."""
        features = Box(-np.inf, np.inf, (history * self.width,), np.float32)
        return features, Box(-1.0, 1.0, (1,), np.float32)


class FeatureEnv(VectorWrapper):
    """A vector environment as the networks train in it: their units, and rewards of about 1.

    Args:
        env: in the market's units (see `baselines.arena.rollout.PHYSICAL`).
    """

    def __init__(self, env: PricingVectorEnv) -> None:
        super().__init__(env)
        self.units = Units.of(env.settings)
        self.max_cycles = env.max_cycles
        self.history = env.settings.history
        self.episodes: list[float] = []
        """Mean utility a round of each episode that was finished."""
        self._earned = np.zeros(env.num_envs)
        self.single_observation_space, self.single_action_space = self.units.spaces(self.history)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def reset(self, **given: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every lane."""
        observations, infos = self.env.reset(**given)
        self._earned[:] = 0.0
        return self._features(observations), infos

    def step(self, actions: np.ndarray) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Post a price in every lane."""
        prices = self.units.price(actions).astype(np.float32)
        observations, utilities, terminated, truncated, infos = self.env.step(prices)
        self._earned += utilities
        if truncated.all():  # all lanes end together
            self.episodes += (self._earned / self.max_cycles).tolist()
            self._earned[:] = 0.0
            infos = {**infos, "final_obs": self._features(infos["final_obs"])}
        rewards = utilities * self.units.reward
        return self._features(observations), rewards, terminated, truncated, infos

    def _features(self, observations: np.ndarray) -> np.ndarray:
        capacity = observations[:, 0] if self.units.rationed else None
        rows = observations[:, int(self.units.rationed) :]
        return self.units.features(rows.reshape(self.num_envs, self.history, -1), capacity)


class SeenRows(BaseFeaturesExtractor):
    """Rows with a flag for those that were played, all 0 for others, and 1 / (1 + how many were).

    Rows before the first round look as if the price had been the cost and nobody had bought, which
    a smooth network confuses with low prices.

    Args:
        space: of flat histories, (n·width,).
        units: of the rows.
    """

    def __init__(self, space: Box, units: Units) -> None:
        self._row, self._width = units.row, units.width
        super().__init__(space, space.shape[0] // self._width * (self._width + 2))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """(B, n·width) to (B, n·(width + 2))."""
        rows = observations.unflatten(1, (-1, self._width))
        price, steps, _ = self._row.split(rows)
        played = (price[..., None] > -1.0) | (steps > 0.0).any(dim=-1, keepdim=True)
        rarity = (1.0 / (1.0 + played.sum(dim=1, keepdim=True))).expand_as(played)
        return torch.cat([rows * played, played, rarity], dim=-1).flatten(1)
