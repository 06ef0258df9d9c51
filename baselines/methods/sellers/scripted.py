"""Scripted rivals (`aigc_market.competition.rivals`) as methods: they are shown the market."""

from __future__ import annotations

from functools import partial

import numpy as np

from aigc_market.competition import rivals
from baselines.arena.competition import CompetitionEnv
from baselines.arena.protocol import History
from baselines.arena.task import Task


class ScriptedRival:
    """A rival policy at the seat of a task.

    Args:
        policy: its name.
        task: of the game "competition".
        num_envs: N.
        seed: of the policy's draws.

    Raises:
        ValueError: a task of one provider.
    """

    def __init__(self, policy: str, task: Task, num_envs: int, seed: int) -> None:
        if task.game != "competition":
            raise ValueError(f"{policy} plays beside rivals, and {task.name!r} has one provider")
        self._policy, self._seat = rivals.SCRIPTED[policy], task.seat
        self._num_envs, self._rng = num_envs, np.random.default_rng(seed)

    def enter(self, env: CompetitionEnv) -> None:
        """Take the environment that is about to be played; see `Insider`."""
        self._env = env

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        last = None
        if history.rivals is not None and history.prices.shape[1]:
            own_first = np.column_stack([history.prices[:, -1], history.rivals[:, -1]])
            last = np.roll(own_first, self._seat, axis=1)
        env, shape = self._env, (self._num_envs,)
        seen = env.market, self._seat, last, env.oracle, self._rng
        return rivals.price(self._policy, *seen, shape)


nash = partial(ScriptedRival, "nash")
cartel = partial(ScriptedRival, "cartel")
best_reply = partial(ScriptedRival, "best_reply")
tit_for_tat = partial(ScriptedRival, "tit_for_tat")
