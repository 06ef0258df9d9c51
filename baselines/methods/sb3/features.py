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

from aigc_market.envs.settings import Settings
from aigc_market.envs.vector import PricingVectorEnv

UNITS = {"normalize": False, "scale_rewards": False, "continuous_actions": True}
"""Arguments of an environment in the market's own units."""


@dataclass(frozen=True)
class Units:
    """Between the market's units and the networks': all their numbers are around 0 and 1."""

    K: int
    cost: float
    max_price: float
    max_steps: float
    masked: bool
    """Whether rows say who will answer the next price: (p, S_1 … S_K, m_1 … m_K)."""

    @classmethod
    def of(cls, settings: Settings) -> Units:
        """Those of an environment's markets."""
        market = settings.market
        return cls(
            market.K, market.cost, market.max_price, market.max_steps, masked=settings.masked
        )

    @property
    def row(self) -> int:
        """Numbers in a row."""
        return 1 + self.K * (2 if self.masked else 1)

    def price(self, action: np.ndarray) -> np.ndarray:
        """Prices that actions in [−1, 1] mean; others are clipped."""
        return self.cost + (np.clip(action, -1.0, 1.0) + 1.0) / 2.0 * (self.max_price - self.cost)

    def features(self, rows: np.ndarray) -> np.ndarray:
        """Rows (…, n, row) as a network's input (…, n·row)."""
        scaled = np.array(rows, np.float32)
        low, high = self.cost, self.max_price
        scaled[..., 0] = 2.0 * (scaled[..., 0] - low) / (high - low) - 1.0
        scaled[..., 1 : self.K + 1] *= 2.5 / self.max_steps
        return scaled.reshape(*scaled.shape[:-2], -1)

    @property
    def reward(self) -> float:
        """By what utilities are multiplied to be rewards of about 1."""
        return 10.0 / (self.K * self.max_steps * (self.max_price - self.cost))

    def spaces(self, history: int) -> tuple[Box, Box]:
        """Of a network's input and of its action."""
        features = Box(-np.inf, np.inf, (history * self.row,), np.float32)
        return features, Box(-1.0, 1.0, (1,), np.float32)


class FeatureEnv(VectorWrapper):
    """A vector environment as the networks train in it: their units, and rewards of about 1.

    Args:
        env: in the market's units (see `UNITS`).
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
        return self.units.features(observations.reshape(self.num_envs, self.history, -1))


class SeenRows(BaseFeaturesExtractor):
    """Rows with a flag for those that were played, all 0 for others, and 1 / (1 + how many were).

    Rows before the first round look as if the price had been the cost and nobody had bought, which
    a smooth network confuses with low prices.

    Args:
        space: of flat histories, (n·row,).
        units: of the rows.
    """

    def __init__(self, space: Box, units: Units) -> None:
        super().__init__(space, space.shape[0] // units.row * (units.row + 2))
        self._row, self._K = units.row, units.K

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """(B, n·row) to (B, n·(row + 2))."""
        rows = observations.unflatten(1, (-1, self._row))
        steps = rows[..., 1 : self._K + 1]
        played = (rows[..., :1] > -1.0) | (steps > 0.0).any(dim=-1, keepdim=True)
        rarity = (1.0 / (1.0 + played.sum(dim=1, keepdim=True))).expand_as(rows[..., :1])
        return torch.cat([rows * played, played, rarity], dim=-1).flatten(1)
