"""What a run of the leaderboard is going to cost: trainings and evaluations × seconds each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from baselines.arena.training import Training
from baselines.experiments.leaderboard.evaluation import Evaluation
from baselines.report import NONE, table
from baselines.runs.files import read_frame
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
    waiting = {e for e in played if e.policy is not None and not e.policy.exists()}
    plays = [e for e in played if e in waiting or not e.file(run.out).exists()]
    costs = {
        "trainings": [training_seconds(t.task.name, t.entry.name) for t in left],
        "evaluations": [_playing(e) for e in plays],
    }
    rows = []
    for name, seconds in costs.items():
        total = sum(value or 0.0 for value in seconds)
        counts = str(len(seconds)), str(seconds.count(None) or NONE)
        rows.append([name, *counts, f"{total:,.0f}", f"{total / run.workers:,.0f}"])
    header = ("plan", "how many", "of unknown cost", "CPU s", f"s on {run.workers} cores")
    return table(header, rows)


def training_seconds(scenario: str, method: str) -> float | None:
    """What a training is expected to take; None where nothing is known of it."""
    return _mean("seeds", "train_seconds", scenario, method)


def _playing(evaluation: Evaluation) -> float | None:
    name = evaluation.task.name
    whole = _mean("leaderboard", "seconds", name, evaluation.entry.name)
    return whole and whole * evaluation.episodes


def _mean(name: str, column: str, scenario: str, method: str) -> float | None:
    took = _took(name, column)
    same = [value for (_, other), value in took.items() if other == method]
    return took.get((scenario, method), float(np.mean(same)) if same else None)


@cache
def _took(name: str, column: str) -> dict[tuple[str, str], float]:
    """Seconds of a training, or of an episode, by scenario and method."""
    path = DOCS / f"{name}.csv"
    if not path.exists():
        return {}
    rows = read_frame(path)
    seconds = rows[column] / (1 if name == "seeds" else rows["episodes"])
    return seconds.groupby([rows["scenario"], rows["method"]]).mean().dropna().to_dict()
