"""Sessions in chunks: a unit of work, written whole when it is done and never done twice."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aigc_market
from aigc_market._files import read_json
from baselines.experiments.calvano.oligopoly import LEVELS, oligopoly
from baselines.experiments.calvano.session_measures import measure
from baselines.methods.q_learning.strategies import Strategies
from baselines.methods.q_learning.tabular import QRecipe, learn
from baselines.runs.digest import code_digest, digest, module_digest
from baselines.runs.files import write_json
from baselines.runs.parallel import Engine, in_parallel

CHUNK = {2: 50, 3: 20, 4: 5}
"""Sessions of a chunk by the number of sellers: seconds each."""


@dataclass(frozen=True)
class Design:
    """What is the same in many sessions."""

    sellers: int
    recipe: QRecipe
    seed: int = 0
    """The session's number and the number of sellers are seeds beside it, so that sessions of
    several designs differ in nothing else."""

    @property
    def name(self) -> str:
        """As it stands in tables and names of files: `n2`, `n2-memory0`, `n2-alpha0.1`."""
        usual = QRecipe()
        parts = [f"n{self.sellers}"]
        for name, value in dataclasses.asdict(self.recipe).items():
            if value != getattr(usual, name):
                parts.append(f"{name}{value:g}")
        return "-".join(parts)

    @property
    def parts(self) -> dict[str, Any]:
        """All that decides it, as JSON."""
        return {**dataclasses.asdict(self), "levels": LEVELS}


@dataclass(frozen=True)
class Chunk:
    """Some sessions of a design, one after the other."""

    design: Design
    first: int
    sessions: int

    def file(self, out: Path) -> Path:
        """Readable, and different for all that the result depends on."""
        code = code_digest(), aigc_market.__version__, module_digest(__name__)
        name = f"{self.design.name}-seed{self.design.seed}-{digest([self.design.parts, *code])}"
        return out / "sessions" / name / f"{self.first:05}-{self.sessions}.json"


def chunks(design: Design, sessions: int) -> list[Chunk]:
    """The chunks of so many sessions; another number of them shares all that are full."""
    size = CHUNK[design.sellers]
    return [Chunk(design, first, min(size, sessions - first)) for first in range(0, sessions, size)]


def play(chunk: Chunk) -> list[dict[str, Any]]:
    """Every session's number, `periods`, `converged`, measures (see `measure`) and `seconds`."""
    design = chunk.design
    game, records = oligopoly(design.sellers), []
    for session in range(chunk.first, chunk.first + chunk.sessions):
        began = time.perf_counter()
        learned = learn(game.payoffs, design.recipe, (design.seed, design.sellers, session))
        taught = time.perf_counter()
        strategies = Strategies(game.payoffs, learned.strategies, design.recipe.discount)
        records.append(
            {
                "session": session,
                "periods": learned.periods,
                "converged": learned.converged,
                **measure(game, strategies, learned.last),
                "learn_seconds": taught - began,
                "seconds": time.perf_counter() - began,
            }
        )
    return records


def run(
    plan: Sequence[Chunk], out: Path, workers: int, engine: Engine = "local"
) -> Iterator[tuple[Chunk, list[dict[str, Any]]]]:
    """The records of all chunks, those done before first, the others as they finish.

    Args:
        plan: what to do.
        out: folder of the results, written here: nodes of a cluster need not see it. A killed run
            goes on from there.
        workers: chunks at the same time, each on one core.
        engine: "local" processes, or "ray": see `in_parallel`.
    """
    waiting = []
    for chunk in plan:
        path = chunk.file(out)
        if path.exists():
            yield chunk, read_json(path, list)
        else:
            waiting.append((chunk,))
    for chunk, records in in_parallel(_with_chunk, waiting, workers, engine):
        write_json(chunk.file(out), records)
        yield chunk, records


def _with_chunk(chunk: Chunk) -> tuple[Chunk, list[dict[str, Any]]]:
    return chunk, play(chunk)
