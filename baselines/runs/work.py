"""Units of work done at the same time: those that fail hold up nobody."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from baselines.runs.files import write_atomically
from baselines.runs.parallel import Engine, in_parallel


class Unit(Protocol):
    """Work that is kept in a file and done once; its `str` names it."""

    def execute(self, out: Path) -> None:
        """Do it, unless it was done before."""
        ...


@dataclass
class Runner:
    """Does units of work at the same time, and keeps the errors of those that fail.

    Args:
        out: folder of the results, and of `errors.txt`.
        workers: units at the same time.
        engine: local processes, or a Ray cluster.
        console: where progress is shown.
    """

    out: Path
    workers: int
    engine: Engine
    console: Console
    _errors: dict[str, str] = field(default_factory=dict)

    def __call__(self, name: str, work: Sequence[Unit]) -> None:
        """Do all, or as many as can be done, those in front first."""
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        calls = [(unit, self.out) for unit in work]
        with Progress(*columns, TimeElapsedColumn(), console=self.console) as progress:
            task = progress.add_task(name, total=len(work))
            for unit, error in in_parallel(attempt, calls, self.workers, self.engine):
                progress.advance(task)
                if error is None and not self.console.is_terminal:  # a log has no moving bar
                    done = f"{progress.tasks[0].completed:.0f} of {len(work)} {name}"
                    self.console.print(f"{done}: {unit}", soft_wrap=True)
                if error is not None:
                    self._errors[str(unit)] = error
                    last = error.strip().splitlines()[-1]
                    self.console.print(f"{unit} failed: {last}", soft_wrap=True)

    def report(self) -> None:
        """End the command with the errors, if there were any."""
        path = self.out / "errors.txt"
        path.unlink(missing_ok=True)
        if not self._errors:
            return
        parts = [f"{unit}\n{error}" for unit, error in self._errors.items()]
        write_atomically(path, "\n".join(parts))
        raise SystemExit(
            f"error: {len(parts)} failed, the others are kept: {', '.join(self._errors)}; "
            f"what happened is in {path}"
        )


def attempt(unit: Unit, out: Path) -> tuple[Unit, str | None]:
    """Do a unit of work. Returns it, and the traceback of its error, if it had one."""
    torch.set_num_threads(1)  # the networks are small, and runs fill the cores
    try:
        unit.execute(out)
    except Exception:  # whatever it is: the others go on
        return unit, traceback.format_exc()
    return unit, None
