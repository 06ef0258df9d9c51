"""One method in one task's test episodes: a unit of the leaderboard's work."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from baselines.arena import policies
from baselines.arena.protocol import Player
from baselines.arena.registry import Entry
from baselines.arena.rollout import Played, play
from baselines.arena.seeds import test_seed
from baselines.arena.task import Task
from baselines.runs.files import write_atomically

BLOCK = 500
"""Test episodes played side by side."""
WINDOWS = {"1-10": slice(0, 10), "11-100": slice(10, None), "all": slice(None)}
"""Rounds of an episode that are measured apart."""
TRACES = 8
"""Episodes whose prices are kept, for the figures."""


@dataclass(frozen=True)
class Evaluation:
    """A method on a task's test episodes."""

    entry: Entry
    task: Task
    seed: int
    """Of its training; where nothing is trained, of its own random choices."""
    episodes: int
    policy: Path | None = None
    """File of the policy of a learned method."""

    def __str__(self) -> str:
        return f"{self.entry.name} on {self.task.name}, seed {self.seed}"

    def file(self, out: Path) -> Path:
        """Readable, and different for all that the result depends on."""
        plan = self.episodes, BLOCK, test_seed(0)
        digest = self.task.digest(plan, self.entry.code_digest(), self._what())
        name = re.sub(r"\W+", "_", self.entry.name)
        return out / "played" / f"{name}-{self.task.name}-seed{self.seed}-{digest}.npz"

    def _what(self) -> Any:
        """The policy, or the parameters of a method that is tuned instead of trained."""
        if self.policy is not None:
            return hashlib.sha256(self.policy.read_bytes()).hexdigest()
        return self.entry.tuned(self.task)

    def player(self) -> Player:
        """The method, for any number of episodes side by side."""
        if self.policy is not None:
            return policies.load(self.policy).method
        return lambda num_envs: self.entry.make(self.task, num_envs, self.seed)

    def execute(self, out: Path) -> None:
        """Play the episodes and keep what happened, unless that was done before.

        The file has, for each episode and each window but the last, sums over its rounds (2, N) of
        `regret`, `utility` and `equilibrium_utility`; for each round, sums over episodes (T,) of
        `round_regret` and `round_equilibrium_utility`; and the first episodes' `price` and
        `equilibrium_price`, (T, TRACES); and `decision_microseconds` of one episode played alone.
        """
        path = self.file(out)
        if path.exists():
            return
        player = self.player()
        sizes = [min(BLOCK, self.episodes - i) for i in range(0, self.episodes, BLOCK)]
        methods = {size: player(size) for size in set(sizes)}
        blocks = [
            play(methods[size], self.task, size, test_seed(i)) for i, size in enumerate(sizes)
        ]
        alone = play(player(1), self.task, 1, test_seed(0))
        arrays = _summed(blocks, 1e6 * alone.seconds_per_decision)
        write_atomically(path, lambda file: np.savez_compressed(file, **arrays))


def _summed(blocks: list[Played], decision_microseconds: float) -> dict[str, Any]:
    arrays: dict[str, Any] = {"decision_microseconds": np.array(decision_microseconds)}
    for name in ("regret", "utility", "equilibrium_utility"):
        rounds = np.hstack([getattr(played, name) for played in blocks])
        parts = list(WINDOWS.values())[:2]
        arrays[name] = np.stack([rounds[part].sum(axis=0) for part in parts])
        if name != "utility":
            arrays[f"round_{name}"] = rounds.sum(axis=1)
    for name in ("price", "equilibrium_price"):
        arrays[name] = getattr(blocks[0], name)[:, :TRACES]
    return arrays
