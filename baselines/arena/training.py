"""A training: a unit of work whose result is a policy in a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.arena.registry import Entry
from baselines.arena.task import Task
from baselines.runs.digest import described


@dataclass(frozen=True)
class Training:
    """A method, trained on a task under a seed.

    Args:
        entry: of a learned method.
        task: what is trained on.
        seed: of every random choice.
        recipe: in place of the one in use.
    """

    entry: Entry
    task: Task
    seed: int
    recipe: Any = None

    def __str__(self) -> str:
        return f"training of {self.entry.name} on {self.task.name}, seed {self.seed}"

    def file(self, out: Path) -> Path:
        """Where its policy stands: readable, and different for all that it depends on."""
        recipe = self.recipe or self.entry.get_trainer(self.task.game).recipe(self.task)
        made_by = self.entry.name, self.entry.code_digest()
        digest = self.task.digest(made_by, self.seed, described(recipe))
        name = f"{self.task.name}-{self.entry.name}-seed{self.seed}-{digest}.safetensors"
        return out / "trained" / name

    def execute(self, out: Path) -> None:
        """Train, and keep the policy."""
        trainer = self.entry.get_trainer(self.task.game)
        trainer.train(self.task, self.seed, self.file(out), self.recipe)


def trained(entry: Entry, task: Task, seeds: Iterable[int], out: Path) -> dict[int, Path]:
    """Files of the policies that were trained on a task by the recipe in use, by seed."""
    files = {seed: Training(entry, task, seed).file(out) for seed in seeds}
    return {seed: file for seed, file in files.items() if file.exists()}
