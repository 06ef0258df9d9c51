"""Sessions in chunks: units of work, each one file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc_market._files import read_json
from baselines.methods.q_learning.oligopoly import LEVELS, oligopoly
from baselines.methods.q_learning.session import session
from baselines.methods.q_learning.tabular import QRecipe
from baselines.runs.digest import code_digest, digest
from baselines.runs.files import write_json

CHUNK = {2: 50, 3: 20, 4: 5}
"""Sessions of a chunk by the number of sellers: half a minute each, or a minute."""


@dataclass(frozen=True)
class Design:
    """What is the same in many sessions."""

    sellers: int
    recipe: QRecipe
    seed: int = 0
    """The session's number and the number of sellers are seeds beside it, so that sessions of
    several designs differ in nothing else."""

    def __str__(self) -> str:
        """As it stands in tables and names of files: `n2`, `n2-memory0`, `n2-alpha0.1`."""
        usual = dataclasses.asdict(QRecipe())
        recipe = dataclasses.asdict(self.recipe)
        changed = [f"{name}{recipe[name]:g}" for name in usual if recipe[name] != usual[name]]
        return "-".join([f"n{self.sellers}", *changed])


@dataclass(frozen=True)
class Chunk:
    """Some sessions of a design, one after the other: a unit of work."""

    design: Design
    first: int
    sessions: int

    def __str__(self) -> str:
        return f"sessions {self.first} to {self.first + self.sessions - 1} of {self.design}"

    def file(self, out: Path) -> Path:
        """Readable, and different for all that the result depends on."""
        code = code_digest("baselines.methods.q_learning")
        named = digest([dataclasses.asdict(self.design), LEVELS, code])
        folder = out / "sessions" / f"{self.design}-seed{self.design.seed}-{named}"
        return folder / f"{self.first:05}-{self.sessions}.json"

    def execute(self, out: Path) -> None:
        """Play them: the record of each is its number and all of `session`."""
        design = self.design
        game, numbers = oligopoly(design.sellers), range(self.first, self.first + self.sessions)
        records = [
            {"session": i, **session(game, design.recipe, (design.seed, design.sellers, i))}
            for i in numbers
        ]
        write_json(self.file(out), records)

    def records(self, out: Path) -> list[dict[str, Any]]:
        """Of the sessions, in order, when they were played."""
        path = self.file(out)
        found = read_json(path, list)
        if len(found) != self.sessions:
            raise ValueError(
                f"{path}: must hold {self.sessions} sessions, got {len(found)} (without the file "
                "it is made again)"
            )
        return found


def chunks(design: Design, sessions: int) -> list[Chunk]:
    """The chunks of so many sessions; another number of them shares all that are full."""
    size = CHUNK[design.sellers]
    return [Chunk(design, first, min(size, sessions - first)) for first in range(0, sessions, size)]
