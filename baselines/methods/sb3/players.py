"""Policies of Stable-Baselines3 as methods of the arena, which see what they saw in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from aigc_market.envs import batch
from aigc_market.envs.spaces import constants
from aigc_market.envs.stackelberg import Settings, Stackelberg
from baselines.arena.protocol import History
from baselines.arena.task import Task
from baselines.methods.sb3.running_statistics import Statistics


def units(continuous: bool = True) -> dict[str, Any]:
    """Arguments of an environment in which a policy learns.

    Args:
        continuous: whether it posts any price, or one of the grid.
    """
    return {"normalize": True, "scale_rewards": True, "continuous_actions": continuous}


def normalized(task: Task, history: int, continuous: bool = True) -> Settings:
    """Settings of a task's environments as a policy learns in them.

    Args:
        task: with one provider.
        history: n, rounds that the policy sees.
        continuous: see `units`.
    """
    return Settings.make(**{**task.keywords(), **units(continuous), "history": history})


class WindowMethod:
    """A policy on the last n rounds, as an environment of `normalized` settings shows them.

    Before the first round, the price was the cost and nobody bought anything.

    Args:
        policy: of SB3.
        settings: of the environments that it has learnt in: see `normalized`.
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
        game = Stackelberg(settings, scripted=True)
        self._prices, self._cost = game.prices[0], settings.market.cost
        self._viewer, self._seen = game.leader, batch.History(game.leader, num_envs)
        self._statistics = Statistics(settings, num_envs) if statistics else None

    def act(self, history: History) -> np.ndarray:
        """Prices (N,); those that would be outside the bounds are clipped."""
        begins = history.prices.shape[1] == 0
        seen = self._observe(history, begins)
        if self._statistics is not None:
            seen = self._statistics.beside(seen, begins)
        with torch.no_grad():
            actions = self._decide(torch.from_numpy(seen), begins).numpy()
        if self._prices.grid is not None:
            return self._prices.read_batch(actions, len(actions))
        actions = actions.astype(np.float64)
        if self._noise is not None:
            spread = float(self._policy.log_std.detach().exp())
            actions = actions + spread * self._noise.standard_normal((len(actions), 1))
        held = np.clip(actions, -1.0, 1.0).astype(np.float32)
        return self._prices.read_batch(held, len(held))

    def _decide(self, seen: torch.Tensor, begins: bool) -> torch.Tensor:
        """Actions (N, 1)."""
        return self._policy._predict(seen, deterministic=True)

    def _observe(self, history: History, begins: bool) -> np.ndarray:
        """The observation before the next price: R, if there is one, and rounds, (N, f + n·row)."""
        if begins:
            price, steps, keep = self._cost, 0.0, self._seen.fill
        else:
            price, steps, keep = history.prices[:, -1:], history.steps[:, -1], self._seen.add
        row = price, steps, history.active
        keep([np.asarray(part, np.float32).T for part in row[: len(self._viewer.row)]])
        capacity = [] if history.capacity is None else [history.capacity.astype("f4")[:, None]]
        front = constants(self._viewer.front, capacity, len(history.active))
        return np.ascontiguousarray(self._seen.seen(front.T, copy=False))


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
