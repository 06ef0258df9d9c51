"""Policies of Stable-Baselines3 as methods of the arena."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from aigc_market.envs.stackelberg import Settings
from baselines.arena.protocol import History
from baselines.methods.sb3.observations import Window
from baselines.methods.sb3.running_statistics import Statistics


class WindowMethod:
    """A policy on the last n rounds.

    Args:
        policy: of SB3.
        settings: of the environments that it has learnt in, normalised.
        num_envs: N.
        statistics: whether it is shown `Statistics` of the episode so far, too.
        noise: of which the policy's own noise is drawn; None: it plays the mean of its prices.
    """

    def __init__(
        self,
        policy: Any,
        settings: Settings,
        num_envs: int,
        statistics: bool = False,
        noise: np.random.Generator | None = None,
    ) -> None:
        self._policy, self._noise = policy, noise
        self._window = Window(settings, num_envs)
        self._statistics = Statistics(settings, num_envs) if statistics else None

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        begins = history.prices.shape[1] == 0
        seen = self._window.observe(history)
        if self._statistics is not None:
            seen = self._statistics.beside(seen, begins)
        with torch.no_grad():
            actions = self._decide(torch.from_numpy(seen), begins).double().numpy()
        if self._noise is not None:
            spread = float(self._policy.log_std.detach().exp())
            actions = actions + spread * self._noise.standard_normal((len(actions), 1))
        return self._window.price(actions)

    def _decide(self, seen: torch.Tensor, begins: bool) -> torch.Tensor:
        """Actions (N, 1)."""
        return self._policy._predict(seen, deterministic=True)


class RecurrentMethod(WindowMethod):
    """A policy with an LSTM, whose state lasts an episode."""

    def _decide(self, seen: torch.Tensor, begins: bool) -> torch.Tensor:
        N = len(seen)
        if begins:
            layers, _, size = self._policy.lstm_hidden_state_shape
            self._state = (torch.zeros(layers, N, size), torch.zeros(layers, N, size))
        starts = torch.full((N,), float(begins))
        actions, self._state = self._policy._predict(seen, self._state, starts, True)
        return actions
