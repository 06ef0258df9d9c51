"""The market as networks train in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorWrapper
from gymnasium.vector.utils import batch_space

from aigc_market.envs.pages.vector import PricingVectorEnv
from baselines.methods.sb3.features import Units
from baselines.methods.sb3.running_statistics import Statistics


class FeatureEnv(VectorWrapper):
    """A vector environment as the networks train in it: their units, and rewards of about 1.

    Args:
        env: in the market's units (see `baselines.arena.rollout.PHYSICAL`).
        statistics: whether `Statistics` of the episode so far stand behind the last rounds.
    """

    def __init__(self, env: PricingVectorEnv, statistics: bool = False) -> None:
        super().__init__(env)
        self.units = Units.of(env.settings)
        self.max_cycles = env.max_cycles
        self.history = env.settings.history
        self.episodes: list[float] = []
        """Mean utility a round of each episode that was finished."""
        self._earned = np.zeros(env.num_envs)
        self._statistics = Statistics(env.num_envs, self.units) if statistics else None
        spaces = self.units.spaces(self.history, Statistics.size(self.units) if statistics else 0)
        self.single_observation_space, self.single_action_space = spaces
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def reset(self, **given: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every lane."""
        observations, infos = self.env.reset(**given)
        self._earned[:] = 0.0
        return self._features(observations, begins=True), infos

    def step(self, actions: np.ndarray) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Post a price in every lane."""
        prices = self.units.price(actions).astype(np.float32)
        observations, utilities, terminated, truncated, infos = self.env.step(prices)
        self._earned += utilities
        if truncated.all():  # all lanes end together
            self.episodes += (self._earned / self.max_cycles).tolist()
            self._earned[:] = 0.0
            infos = {**infos, "final_obs": self._features(infos["final_obs"], begins=False)}
        features = self._features(observations, begins=bool(truncated.all()))
        return features, utilities * self.units.reward, terminated, truncated, infos

    def _features(self, observations: np.ndarray, begins: bool) -> np.ndarray:
        capacity = observations[:, 0] if self.units.rationed else None
        rows = observations[:, int(self.units.rationed) :]
        features = self.units.features(rows.reshape(self.num_envs, self.history, -1), capacity)
        if self._statistics is None:
            return features
        return self._statistics.beside(features, begins)
