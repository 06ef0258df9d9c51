"""How a method is trained and kept, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from baselines.arena.protocol import Player
from baselines.arena.task import Task

Report = Callable[[int, int, dict[str, float]], None]
"""Called with what is done, of how much in all, and what was measured, if anything was."""


class Trainer(Protocol):
    """How a method is trained and kept."""

    def recipe(self, task: Task) -> Any:
        """The recipe in use: a frozen dataclass that is JSON by `dataclasses.asdict`."""
        ...

    def can_train(self, task: Task) -> str | None:
        """None if it can be trained for the task, else why not."""
        ...

    def train(
        self, task: Task, seed: int, out: Path, recipe: Any = None, report: Report = ...
    ) -> None:
        """Train, and keep the policy in one safetensors file, which appears whole or not at all.

        Its metadata `config` is JSON with `method, task, seed, recipe, rounds, seconds, version`;
        `any_K` is true where the policy plays any number of VMUs.

        Args:
            task: what is trained on.
            seed: of every random choice.
            out: path of the file. A checkpoint beside it may hold what is not finished.
            recipe: in place of the one in use.
            report: told of the progress.
        """
        ...

    def load(self, path: Path) -> Player:
        """A policy kept by `train`: called with the number of episodes, it gives a method.

        Nothing in the file is executed.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is of another kind.
        """
        ...
