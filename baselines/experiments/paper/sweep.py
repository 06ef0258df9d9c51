"""Many runs: each is a unit, written whole when it is done and never done twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.arena.measures import means
from baselines.experiments.paper.live import play_live
from baselines.methods import scripted as agents
from baselines.methods.sb3.training import (
    LEARNERS,
    Training,
    make_lanes,
    play_model,
    recipe,
    train,
    write_json,
)
from baselines.runs.parallel import Engine, in_parallel

METHODS = (*LEARNERS, *agents.AGENTS)


@dataclass(frozen=True)
class Run:
    """One method in one market under one seed."""

    method: str
    num_vmus: int
    cost: float
    seed: int
    training: Training
    live_rounds: int | None = None
    """Rounds that a learner plays on the live service after training; None: SSIM is the paper's."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The environment's keyword arguments."""
        market: dict[str, Any] = {"K": self.num_vmus, "cost": self.cost}
        return market if self.live_rounds is None else {"scenario": "live", **market}

    @property
    def settings(self) -> dict[str, Any]:
        """All that the result depends on."""
        settings = {"method": self.method, **recipe(self.arguments, self.training, self.seed)}
        return settings | ({} if self.live_rounds is None else {"live_rounds": self.live_rounds})

    @property
    def file_name(self) -> str:
        """Readable, and different for different settings."""
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()
        return f"{self.method}-K{self.num_vmus}-c{self.cost:g}-seed{self.seed}-{digest[:12]}.json"


def execute(run: Run) -> dict[str, Any]:
    """Do a run.

    Returns:
        Its settings, `price` and `utility` after training (learners without exploring; greedy and
        random as they always play), the equilibrium's, `rounds` of training, `seconds`, and
        `episodes`: the mean utility of each training episode, and `live`: see `play_live`.
    """
    began = time.perf_counter()
    live: list[dict[str, float]] = []
    if run.method in LEARNERS:
        model, utilities = train(run.method, run.arguments, run.training, run.seed)
        max_cycles = model.num_timesteps // len(utilities)
        result = play_model(model, run.arguments, episodes=1, seed=run.seed)
        if run.live_rounds:
            live = play_live(model, run.arguments, run.live_rounds, run.seed)
    else:
        env = make_lanes(1, **run.arguments)
        max_cycles = env.max_cycles
        agent = agents.AGENTS[run.method](env, run.seed)
        episodes = agents.play(env, agent, run.training.episodes, run.seed)
        utilities = [episode["utility"] for episode in episodes]
        result = means(episodes[-max(1, len(episodes) // 10) :])
    return {
        **run.settings,
        **result,
        "rounds": max_cycles * len(utilities),
        "seconds": time.perf_counter() - began,
        "episodes": utilities,
        "live": live,
    }


def finished(run: Run, folder: Path) -> dict[str, Any] | None:
    """The result of a run done before under the same settings, None if there is none."""
    path = folder / run.file_name
    return json.loads(path.read_text()) if path.exists() else None


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
    folder.mkdir(parents=True, exist_ok=True)
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
