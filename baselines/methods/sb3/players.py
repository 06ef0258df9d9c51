"""Policies of Stable-Baselines3 as methods of the arena."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from baselines.arena.protocol import History
from baselines.methods.sb3.features import Units
from baselines.methods.sb3.running_statistics import Statistics


class WindowMethod:
    """A policy on the last n rounds; before the first, the price was the cost and nothing sold.

    Args:
        policy: of SB3.
        units: of its input and its answer.
        rounds: n.
        num_envs: N.
        statistics: whether it is shown `Statistics` of the episode so far, too.
        noise: of which the policy's own noise is drawn; None: it plays the mean of its prices.
    """

    def __init__(
        self,
        policy: Any,
        units: Units,
        rounds: int,
        num_envs: int,
        statistics: bool = False,
        noise: np.random.Generator | None = None,
    ) -> None:
        self._policy = policy
        self._noise = noise
        self._statistics = Statistics(num_envs, units) if statistics else None
        self._units = units
        self._window = np.zeros((num_envs, rounds, units.row.width))

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        begins = history.prices.shape[1] == 0
        self._observe(history)
        features = self._units.features(self._window, history.capacity)
        if self._statistics is not None:
            features = self._statistics.beside(features, begins)
        with torch.no_grad():
            actions = self._decide(torch.from_numpy(features), begins)[:, 0].double().numpy()
        if self._noise is not None:
            spread = float(self._policy.log_std.detach().exp())
            actions = actions + spread * self._noise.standard_normal(len(actions))
        return self._units.price(actions)

    def _observe(self, history: History) -> None:
        row, window = self._units.row, self._window
        if history.prices.shape[1] == 0:
            window[:] = 0.0
            window[:, :, row.price] = self._units.cost
            if row.masked:
                window[:, :, row.active] = history.active[:, None]
            return
        window[:, :-1] = window[:, 1:]
        window[:, -1, row.price] = history.prices[:, -1]
        window[:, -1, row.steps] = history.steps[:, -1]
        if row.masked:
            window[:, -1, row.active] = history.active

    def _decide(self, features: torch.Tensor, begins: bool) -> torch.Tensor:
        return self._policy._predict(features, deterministic=True)


class RecurrentMethod(WindowMethod):
    """A policy with an LSTM, whose state lasts an episode."""

    def _decide(self, features: torch.Tensor, begins: bool) -> torch.Tensor:
        N = len(features)
        if begins:
            layers, _, size = self._policy.lstm_hidden_state_shape
            self._state = (torch.zeros(layers, N, size), torch.zeros(layers, N, size))
        starts = torch.full((N,), float(begins))
        actions, self._state = self._policy._predict(features, self._state, starts, True)
        return actions
