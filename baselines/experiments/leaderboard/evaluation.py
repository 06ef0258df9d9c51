"""One method in many episodes of one task: a unit of the leaderboard's work."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from baselines.arena import policies
from baselines.arena.protocol import Method
from baselines.arena.registry import Entry
from baselines.arena.rollout import PHYSICAL, Played, play_in
from baselines.arena.task import Task
from baselines.experiments.leaderboard.changes import changes
from baselines.runs.files import write_atomically

BLOCK = 500
"""Episodes played side by side."""
WINDOWS = {"1-10": slice(0, 10), "11-100": slice(10, None), "all": slice(None)}
"""Rounds of an episode that are measured apart."""


@dataclass(frozen=True)
class Evaluation:
    """A method on episodes of a task.

    Args:
        entry: the method.
        task: what it was trained or is tuned for.
        seed: of its training; where nothing is trained, of its own random choices.
        episodes: how many.
        first_seed: of the episodes: see `baselines.arena.seeds`.
        policy: file of a learned method's policy.
        change: what is played in place of the task, by its name in `changes`.
    """

    entry: Entry
    task: Task
    seed: int
    episodes: int
    first_seed: int
    policy: Path | None = None
    change: str = ""

    def __str__(self) -> str:
        where = f", {self.change}" if self.change else ""
        return f"{self.entry.name} on {self.task.name}{where}, seed {self.seed}"

    @property
    def digest(self) -> str:
        """Of all that the result depends on."""
        plan: list[Any] = [self.episodes, BLOCK, self.first_seed]
        if self.change:
            plan.append(changes(self.task.name)[self.change].digest_parts())
        chosen = (
            self.entry.tuned(self.task) if self.policy is None else policies.sha256(self.policy)
        )
        return self.task.digest(plan, self.entry.name, self.seed, self.entry.code_digest(), chosen)

    def file(self, out: Path) -> Path:
        """Readable, and different for all that the result depends on."""
        name = re.sub(r"\W+", "_", self.entry.name)
        return out / "played" / f"{name}-{self.task.name}-seed{self.seed}-{self.digest}.npz"

    def execute(self, out: Path) -> None:
        """Play, and keep what `play` gives."""
        arrays = self.play()
        write_atomically(self.file(out), lambda file: np.savez_compressed(file, **arrays))

    def play(self) -> dict[str, Any]:
        """Play the episodes.

        Returns:
            For each episode and each window but the last, sums over its rounds (2, N) of `regret`,
            `utility` and `equilibrium_utility`; for each round, sums over episodes (T,) of
            `round_regret` and `round_equilibrium_utility`; `seconds` of all; and
            `decision_microseconds` of one episode played alone.
        """
        began = time.perf_counter()
        sizes = [min(BLOCK, self.episodes - i) for i in range(0, self.episodes, BLOCK)]
        methods = {size: self._method(size) for size in set(sizes)}
        blocks = [self._played(methods[size], size, i) for i, size in enumerate(sizes)]
        seconds = time.perf_counter() - began
        alone = self._played(self._method(1), 1, 0)
        return {
            **_summed(blocks),
            "seconds": np.array(seconds),
            "decision_microseconds": np.array(1e6 * alone.seconds_per_decision),
        }

    def _method(self, num_envs: int) -> Method:
        if self.policy is not None:
            return policies.load(self.policy).method(num_envs)
        return self.entry.make(self.task, num_envs, self.seed)

    def _played(self, method: Method, size: int, block: int) -> Played:
        task, followers = self.task, {}
        if self.change:
            task, policy = changes(self.task.name)[self.change]
            followers = {"followers": policy}
        env = task.environment(size, history=1, **PHYSICAL, **followers)
        return play_in(env, method, self.first_seed + block)


def _summed(blocks: list[Played]) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for name in ("regret", "utility", "equilibrium_utility"):
        rounds = np.hstack([getattr(played, name) for played in blocks])
        parts = list(WINDOWS.values())[:2]
        arrays[name] = np.stack([rounds[part].sum(axis=0) for part in parts])
        if name != "utility":
            arrays[f"round_{name}"] = rounds.sum(axis=1)
    return arrays
