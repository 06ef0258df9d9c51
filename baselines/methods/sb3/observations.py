"""What policies of Stable-Baselines3 see and answer, in training and in play."""

from __future__ import annotations

import numpy as np

from aigc_market.envs.stackelberg import Settings, Stackelberg
from baselines.arena.protocol import History
from baselines.arena.task import Task

NORMALIZED = {"normalize": True, "scale_rewards": True, "continuous_actions": True}
"""Arguments of an environment in which a policy learns."""


def normalized(task: Task, history: int) -> Settings:
    """Settings of a task's environments as a policy learns in them.

    Args:
        task: with one provider.
        history: n, rounds that the policy sees.
    """
    return Settings.make(**{**task.keywords(), **NORMALIZED, "history": history})


class Window:
    """The last n rounds of N episodes as an environment of `normalized` settings shows them.

    Before the first round, the price was the cost and nobody bought anything.

    Args:
        settings: see `normalized`.
        num_envs: N.
    """

    def __init__(self, settings: Settings, num_envs: int) -> None:
        game = Stackelberg(settings, scripted=True)
        self._prices, self._viewer = game.prices[0], game.leader
        scales = [np.full(field.width, field.scale, np.float32) for field in game.leader.row]
        self._scales, self._cost = np.concatenate(scales), settings.market.cost
        self._rows = np.zeros((num_envs, settings.history, len(self._scales)), np.float32)

    def observe(self, history: History) -> np.ndarray:
        """The observation before the next price: R, if there is one, and rounds, (N, f + n·row)."""
        begins = history.prices.shape[1] == 0
        row = self._row(history, begins)
        if begins:
            self._rows[:] = row[:, None]
        else:
            self._rows[:, :-1] = self._rows[:, 1:]
            self._rows[:, -1] = row
        rows = self._rows.reshape(len(row), -1)
        if history.capacity is None:
            return rows.copy()
        capacity = history.capacity[:, None].astype(np.float32)
        return np.hstack([capacity * np.float32(self._viewer.front[0].scale), rows])

    def _row(self, history: History, begins: bool) -> np.ndarray:
        active = history.active
        if begins:
            price = np.full((len(active), 1), self._cost)
            steps = np.zeros(active.shape)
        else:
            price, steps = history.prices[:, -1:], history.steps[:, -1]
        shown = [price, steps, active][: len(self._viewer.row)]
        return np.hstack(shown).astype(np.float32) * self._scales

    def price(self, actions: np.ndarray) -> np.ndarray:
        """Prices (N,) that actions (N, 1) mean; those outside [−1, 1] are clipped."""
        held = np.clip(actions, -1.0, 1.0).astype(np.float32)
        return self._prices.read_batch(held, len(held))
