"""A meeting: methods that are no longer trained, each at a seat of the same markets."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.arena.protocol import Player
from baselines.arena.registry import Entry
from baselines.arena.task import Task
from baselines.arena.training import Training
from baselines.experiments.compete import measures
from baselines.methods.sellers import seller_trainer
from baselines.runs.files import write_json


@dataclass(frozen=True)
class Participant:
    """A method that plays as it is, or the sellers of a training, of which one sits at each seat.

    Args:
        entry: of the method.
        parameters: of its factory, by name.
        seed: of its random choices or of the training; None where it makes none.
        training: where it was trained.
    """

    entry: Entry
    parameters: tuple[tuple[str, float], ...] = ()
    seed: int | None = None
    training: Training | None = None

    def of_seed(self, seed: int, task: Task, recipe: Any) -> Participant:
        """With a seed, or of a training on a task; those that are told the law draw nothing."""
        if self.entry.sellers is not None:
            return Participant(self.entry, (), seed, Training(self.entry, task, seed, recipe))
        return self if self.entry.knows == "law" else dataclasses.replace(self, seed=seed)

    @property
    def method(self) -> str:
        """Its name in tables."""
        return " ".join([self.entry.name, *(f"{n}={value:g}" for n, value in self.parameters)])

    def __str__(self) -> str:
        return self.method if self.seed is None else f"{self.method}-seed{self.seed}"

    def player(self, task: Task, seat: int, out: Path) -> Player:
        """Who sits at a seat, to be called with the number of games."""
        if self.training is not None:
            return seller_trainer.load(self.training.file(out))[0].player(seat)
        own, seed = dataclasses.replace(task, seat=seat), 1000 * (self.seed or 0) + seat
        return lambda games: self.entry.make(own, games, seed, **dict(self.parameters))


@dataclass(frozen=True)
class Meeting:
    """A unit of work: one method at the first seat, another at all the others."""

    task: Task
    row: Participant
    column: Participant

    def __str__(self) -> str:
        return f"{self.row} against {self.column} on {self.task.name}"

    @property
    def sides(self) -> tuple[Participant, Participant]:
        """Both."""
        return self.row, self.column

    @property
    def own(self) -> bool:
        """Whether a method meets itself; trained sellers, those that they learned beside."""
        return self.row == self.column

    def file(self, out: Path) -> Path:
        """Where the result stands."""
        code: list[Any] = [Path(path).read_text("utf-8") for path in (__file__, measures.__file__)]
        for side in self.sides:
            trained = side.training and side.training.file(out).name
            code += [str(side), side.parameters, side.entry.code_digest(), trained]
        digest = self.task.digest(code)
        stem = re.sub(r"[^\w.-]+", "_", f"{self.task.name}-{self.row}-{self.column}")
        return out / "met" / f"{stem}-{digest}.json"

    def execute(self, out: Path) -> None:
        """Let them meet, and keep the measures; of trained sellers, how they were trained too."""
        known, seats = measures.benchmark(self.task), range(self.task.settings().market.M)
        players = [self.sides[min(seat, 1)].player(self.task, seat, out) for seat in seats]
        training = self.row.training
        if training is None or not self.own:
            write_json(self.file(out), measures.measure(known.play(players), known))
            return
        sellers, config = seller_trainer.load(training.file(out))
        result = measures.measure(known.play(players, sellers.vmus), known)
        result |= {name: config[name] for name in ("curve", "seconds", "rounds")}
        result["lowest"], result["highest"] = config["prices"]
        if known.stands_still and sellers.vmus is None:
            result |= measures.deviations(players, known)
        write_json(self.file(out), result)
