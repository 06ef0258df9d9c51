"""One training of a learned method: a unit of the leaderboard's work."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from baselines.arena.registry import Entry
from baselines.arena.task import Task


@dataclass(frozen=True)
class TrainingRun:
    """A method, trained on a task under a seed."""

    entry: Entry
    task: Task
    seed: int

    def __str__(self) -> str:
        return f"training of {self.entry.name} on {self.task.name}, seed {self.seed}"

    def file(self, out: Path) -> Path:
        """Where its policy stands: readable, and different for all that it depends on."""
        recipe = self.entry.get_trainer().recipe(self.task)
        made_by = self.entry.name, self.entry.code_digest()
        digest = self.task.digest(made_by, self.seed, dataclasses.asdict(recipe))
        name = f"{self.task.name}-{self.entry.name}-seed{self.seed}-{digest}.safetensors"
        return out / "trained" / name

    def execute(self, out: Path) -> None:
        """Train and keep the policy, unless that was done before."""
        path = self.file(out)
        if not path.exists():
            self.entry.get_trainer().train(self.task, self.seed, path)


def finished(entry: Entry, task: Task, seeds: Iterable[int], out: Path) -> dict[int, Path]:
    """Files of the policies that were trained on a task, by seed."""
    files = {seed: TrainingRun(entry, task, seed).file(out) for seed in seeds}
    return {seed: file for seed, file in files.items() if file.exists()}
