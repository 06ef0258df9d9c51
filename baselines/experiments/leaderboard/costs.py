"""What a run of the leaderboard is going to cost: trainings and evaluations × seconds each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from aigc_market._files import read_table
from baselines.arena.training import Training
from baselines.experiments.leaderboard.evaluation import Evaluation
from baselines.report import NONE, table
from baselines.runs.runner import Runner

DOCS = Path(__file__).parents[3] / "docs" / "hidden-markets"
"""Of the tables that say what trainings and evaluations took when they were made."""


def plan(trainings: Sequence[Training], played: Sequence[Evaluation], run: Runner) -> str:
    """How many trainings and evaluations are left to do, and the seconds that they may take.

    What was never done in a scenario is taken for as long as the mean of the same method
    elsewhere; where that is unknown too, it is counted apart. Policies that are still to be trained
    are taken to play their own number of slots alone.
    """
    left = [t for t in trainings if not t.file(run.out).exists()]
    train = [training_seconds(t.task.name, t.entry.name) for t in left]
    waiting = {e for e in played if e.policy is not None and not e.policy.exists()}
    plays = [e for e in played if e in waiting or not e.file(run.out).exists()]
    seconds = [_playing(e) for e in plays]
    rows = [_row("trainings", train, run.workers), _row("evaluations", seconds, run.workers)]
    header = ("plan", "how many", "of unknown cost", "CPU s", f"s on {run.workers} cores")
    return table(header, rows)


def training_seconds(scenario: str, method: str) -> float | None:
    """What a training is expected to take; None where nothing is known of it."""
    return _mean("seeds", "train_seconds", scenario, method)


def _playing(evaluation: Evaluation) -> float | None:
    name = evaluation.task.name
    whole = _mean("leaderboard", "seconds", name, evaluation.entry.name)
    return whole and whole * evaluation.episodes


def _row(what: str, seconds: Sequence[float | None], workers: int) -> list[str]:
    known = [value for value in seconds if value is not None]
    unknown = len(seconds) - len(known)
    total = sum(known)
    return [
        what,
        str(len(seconds)),
        str(unknown) if unknown else NONE,
        *(f"{total:,.0f}", f"{total / workers:,.0f}"),
    ]


@cache
def _took(name: str, column: str) -> dict[tuple[str, str], float]:
    """Seconds of a training, or of an episode, by scenario and method."""
    found: dict[tuple[str, str], list[float]] = {}
    path = DOCS / f"{name}.csv"
    for _, row in read_table(path)[1] if path.exists() else ():
        if row.get(column):
            episodes = 1 if name == "seeds" else int(str(row["episodes"]))
            key = str(row["scenario"]), str(row["method"])
            found.setdefault(key, []).append(float(str(row[column])) / episodes)
    return {key: float(np.mean(values)) for key, values in found.items()}


def _mean(name: str, column: str, scenario: str, method: str) -> float | None:
    took = _took(name, column)
    if (scenario, method) in took:
        return took[scenario, method]
    same = [value for (_, other), value in took.items() if other == method]
    return float(np.mean(same)) if same else None
