"""Many runs: each is a unit, written whole when it is done and never done twice."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aigc_market._files import read_json
from baselines.arena.registry import resolve
from baselines.arena.rollout import play
from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.experiments.paper.live import play_live
from baselines.methods.sb3.recipes import Sb3Recipe
from baselines.methods.sb3.trainer import Sb3Trainer
from baselines.runs.digest import source_digest
from baselines.runs.files import write_json
from baselines.runs.parallel import Engine, in_parallel

LEARNERS = ("tppo", "ppo")
METHODS = (*LEARNERS, "greedy", "random", "equilibrium")
_MEASURES = ("price", "utility", "equilibrium_price", "equilibrium_utility", "regret")


@dataclass(frozen=True)
class Run:
    """One method in one market that stands still, under one seed."""

    method: str
    task: Task
    seed: int
    recipe: Sb3Recipe
    """Of a learner. The other methods play as many rounds as learners are trained."""
    live_rounds: int = 0
    """Rounds that a learner plays on the live service after training."""

    @property
    def num_vmus(self) -> int:
        """K."""
        return self.task.public().K

    @property
    def cost(self) -> float:
        """Of a step."""
        return self.task.public().cost

    @property
    def settings(self) -> dict[str, Any]:
        """What was done, as JSON."""
        return {
            "method": self.method,
            "task": self.task.as_json(),
            "seed": self.seed,
            "recipe": dataclasses.asdict(self.recipe),
            "live_rounds": self.live_rounds,
        }

    @property
    def file_name(self) -> str:
        """Readable, and different for all that the result depends on."""
        code = resolve(self.method).code_digest(), source_digest([Path(__file__)])
        depends = self.task.digest(self.settings, *code)
        return f"{self.method}-{self.task.name}-seed{self.seed}-{depends}.json"


def execute(run: Run) -> dict[str, Any]:
    """Do a run.

    Returns:
        Its settings, `price` and `utility` after training (learners without exploring; greedy and
        random as they always play, in the last tenth of their rounds), the equilibrium's, `regret`,
        `exploiting`: the utility of those rounds in which nothing was explored (greedy's that post
        a price again; of others, all), `rounds` of training, `seconds` of CPU time, `episodes`: the
        mean utility of each training episode, and `live`: see `play_live`.
    """
    began = time.process_time()
    result = _train(run) if run.method in LEARNERS else _play_on(run)
    return {**run.settings, **result, "seconds": time.process_time() - began}


def _train(run: Run) -> dict[str, Any]:
    trained = Sb3Trainer(run.method).learn(run.task, run.seed, run.recipe)
    played = play(trained.player(1), run.task, 1, demonstration_seed(run.seed))
    live: list[dict[str, float]] = []
    if run.live_rounds:
        live = play_live(trained.player(1), run.task, run.live_rounds, demonstration_seed(run.seed))
    return {
        **{name: float(getattr(played, name).mean()) for name in _MEASURES},
        "exploiting": float(played.utility.mean()),
        "rounds": trained.rounds,
        "episodes": [share * float(played.equilibrium_utility[0, 0]) for share in trained.episodes],
        "live": live,
    }


def _play_on(run: Run) -> dict[str, Any]:
    """One long episode, so that greedy remembers all that it has tried; measured in pieces."""
    length, rounds = run.task.settings().max_cycles, run.recipe.rounds
    task = Task(run.task.scenario, {**run.task.arguments, "max_cycles": rounds})
    method = resolve(run.method).make(task, 1, run.seed)
    played = play(method, task, 1, demonstration_seed(run.seed))
    last = -max(rounds // 10, 1)
    pieces = np.array_split(played.utility, max(rounds // length, 1))
    exploits = np.ones(rounds, bool)
    if run.method == "greedy":
        exploits[np.unique(played.price, return_index=True)[1]] = False  # posted for the first time
    return {
        **{name: float(getattr(played, name)[last:].mean()) for name in _MEASURES},
        "exploiting": float(played.utility[last:, 0][exploits[last:]].mean()),
        "rounds": rounds,
        "episodes": [float(piece.mean()) for piece in pieces],
        "live": [],
    }


def finished(run: Run, folder: Path) -> dict[str, Any] | None:
    """The result of a run done before under the same settings, None if there is none."""
    path = folder / run.file_name
    return read_json(path) if path.exists() else None


def sweep(
    runs: Sequence[Run], folder: Path, workers: int, engine: Engine = "local"
) -> Iterator[tuple[Run, dict[str, Any]]]:
    """Results of all runs, those done before first, the others as they finish.

    Args:
        runs: what to do.
        folder: one file for each run, written here: nodes of a cluster need not see the folder. A
            killed sweep goes on from there.
        workers: runs at the same time, each on one core.
        engine: "local" processes, or "ray": see `in_parallel`.
    """
    open_runs = []
    for run in runs:
        result = finished(run, folder)
        if result is None:
            open_runs.append(run)
        else:
            yield run, result
    for run, result in in_parallel(_with_run, [(run,) for run in open_runs], workers, engine):
        write_json(folder / run.file_name, result)
        yield run, result


def _with_run(run: Run) -> tuple[Run, dict[str, Any]]:
    return run, execute(run)


def longest_first(runs: Sequence[Run]) -> list[Run]:
    """An order that keeps all workers busy to the end."""
    return sorted(runs, key=lambda run: (METHODS.index(run.method), -run.num_vmus))
