"""Runs and evaluations on a Ray cluster give the bytes of one machine."""

import csv
import dataclasses

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs the extra 'ray'")

from baselines.arena.registry import REGISTRY
from baselines.arena.task import Task
from baselines.experiments.leaderboard.evaluation import Evaluation
from baselines.experiments.paper.reproduce import write_csvs
from baselines.experiments.paper.runs import Run
from baselines.methods.sb3.recipes import recipe
from baselines.runs.runner import Runner

pytestmark = pytest.mark.ray

TINY = dataclasses.replace(
    recipe("ppo", Task()), rounds=400, lanes=2, n_steps=10, batch_size=10, n_epochs=1
)
RUNS = [
    Run(method, Task("paper", {"K": 2, "cost": cost}), (seed,), TINY)
    for method in ("tppo", "ppo", "greedy", "random")
    for cost, seed in ((1.0, 0), (3.0, 1))
]


def test_a_cluster_gives_the_bytes_of_one_machine(cluster, tmp_path):
    tables = {}
    for engine, workers in (("local", 1), ("ray", 2)):
        out = tmp_path / engine
        assert Runner(out, workers, engine)("runs", RUNS) == RUNS
        write_csvs(out, RUNS)
        tables[engine] = without_seconds(out / "runs.csv"), (out / "curves.csv").read_bytes()
        tables[engine] += tuple(without_seconds_json(run.file(out)) for run in RUNS)
    assert tables["ray"] == tables["local"]


def without_seconds(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(float(row.pop("seconds")) > 0 for row in rows)
    return rows


def without_seconds_json(path):
    lines = path.read_bytes().splitlines()
    kept = [line for line in lines if b'"seconds"' not in line]
    assert len(kept) == len(lines) - 1
    return kept


def test_the_leaderboards_evaluations_too(cluster, tmp_path):
    plan = [
        Evaluation(REGISTRY[method], Task(scenario), 0, 10, 7)
        for scenario in ("paper", "drift")
        for method in ("random", "greedy", "cils")
    ]
    for engine, workers in (("local", 1), ("ray", 2)):
        out = tmp_path / engine
        assert Runner(out, workers, engine)("evaluations", plan) == plan
    for unit in plan:
        files = [unit.file(tmp_path / engine) for engine in ("local", "ray")]
        with np.load(files[0]) as local, np.load(files[1]) as far:
            assert set(local) == set(far)
            for name in set(local) - {"decision_microseconds", "seconds"}:
                assert local[name].tobytes() == far[name].tobytes()
