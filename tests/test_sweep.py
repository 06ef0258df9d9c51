"""Runs are units: done once, written whole, and never mixed up with runs of other settings."""

import dataclasses
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from baselines.arena.registry import resolve
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.experiments.paper import grid
from baselines.experiments.paper import sweep as module
from baselines.experiments.paper.sweep import Run, execute, finished, longest_first, sweep
from baselines.methods.sb3.recipes import recipe

PAPER = Task("paper", {"K": 2, "cost": 1.0})
TINY = dataclasses.replace(
    recipe("ppo", PAPER), rounds=400, lanes=2, n_steps=10, batch_size=10, n_epochs=1
)
RUN = Run("greedy", PAPER, 0, TINY)


def test_a_run_records_what_it_was_and_what_it_did():
    result = execute(RUN)
    assert result["method"] == "greedy"
    assert result["task"]["arguments"] == {"K": 2, "cost": 1.0}
    assert result["rounds"] == 400
    assert len(result["episodes"]) == 4
    assert result["equilibrium_price"] == pytest.approx(8.0)
    assert result["equilibrium_utility"] == pytest.approx(1408.046, abs=1e-3)
    assert 0 < result["utility"] < result["equilibrium_utility"]


def test_greedy_remembers_what_it_tried_in_all_its_rounds():
    recipe = dataclasses.replace(TINY, rounds=3000)
    result = execute(dataclasses.replace(RUN, recipe=recipe))
    assert len(result["episodes"]) == 30
    after = np.mean(result["episodes"][20:])
    assert after > np.mean(result["episodes"][:3])
    forgetful = play(resolve("greedy").make(PAPER, 30, 0), PAPER, 30, seed=0)
    assert after > forgetful.utility.mean()


def test_learners_repeat_themselves_under_equal_seeds():
    run = Run("ppo", PAPER, 3, TINY)
    first, second = execute(run), execute(run)
    assert first["episodes"] == second["episodes"]
    assert first["price"] == second["price"]
    assert execute(dataclasses.replace(run, seed=4))["episodes"] != first["episodes"]


@pytest.mark.parametrize(
    "change",
    [
        {"method": "random"},
        {"task": Task("paper", {"K": 3, "cost": 1.0})},
        {"task": Task("paper", {"K": 2, "cost": 2.0})},
        {"task": Task("hidden", {"K": 2, "cost": 1.0})},
        {"seed": 1},
        {"recipe": dataclasses.replace(TINY, learning_rate=1e-4)},
        {"recipe": dataclasses.replace(TINY, rounds=500)},
        {"live_rounds": 1},
    ],
)
def test_other_settings_are_another_run(change):
    assert dataclasses.replace(RUN, **change).file_name != RUN.file_name


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("aigc_market.__version__", "99"),
        ("baselines.arena.task.code_digest", lambda: "other rules"),
        ("baselines.arena.registry.module_digest", lambda module: "another greedy"),
    ],
)
def test_other_code_is_another_run(monkeypatch, name, other):
    before = RUN.file_name
    monkeypatch.setattr(name, other)
    assert RUN.file_name != before


def test_finished_runs_are_not_done_again(tmp_path, monkeypatch):
    runs = [dataclasses.replace(RUN, seed=seed) for seed in range(3)]
    first = dict(sweep(runs[:2], tmp_path, workers=1))
    done = []
    monkeypatch.setattr(module, "execute", lambda run: done.append(run) or {"seed": run.seed})
    again = dict(sweep(runs, tmp_path, workers=1))
    assert done == [runs[2]]
    assert {run: again[run] for run in runs[:2]} == first
    assert finished(runs[2], tmp_path) == {"seed": 2}


def test_workers_give_the_numbers_that_one_gives(tmp_path):
    runs = [dataclasses.replace(RUN, seed=seed) for seed in range(4)]
    one, two = (dict(sweep(runs, tmp_path / str(n), workers=n)) for n in (1, 2))
    for run in runs:
        assert one[run]["episodes"] == two[run]["episodes"]


def test_learners_come_first_and_larger_markets_before_smaller():
    markets = [Task("paper", {"K": K}) for K in (2, 5)]
    runs = [Run(m, task, 0, TINY) for m in ("random", "ppo", "tppo") for task in markets]
    order = [(run.method, run.num_vmus) for run in longest_first(runs)]
    assert order[:3] == [("tppo", 5), ("tppo", 2), ("ppo", 5)]


SCRIPT = """
import dataclasses, sys
from pathlib import Path
from baselines.arena.task import Task
from baselines.experiments.paper import sweep as module
from baselines.methods.sb3.recipes import recipe

recipe = dataclasses.replace(recipe("ppo", Task()), rounds=400)
runs = [module.Run("random", Task(), seed, recipe) for seed in range(4)]
execute = module.execute

def wait(run):
    if run.seed == 2:
        print("begun 2", flush=True)
        sys.stdin.read()  # until it is killed
    return execute(run)

module.execute = wait
for run, result in module.sweep(runs, Path(sys.argv[1]), workers=1):
    print("done", run.seed, flush=True)
"""


def test_a_killed_sweep_goes_on_where_it_stopped(tmp_path, monkeypatch):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.kill()
    assert lines == ["done 0\n", "done 1\n", "begun 2\n"]
    kept = {path.name: path.read_text() for path in tmp_path.glob("*.json")}
    assert len(kept) == 2

    begun = []
    monkeypatch.setattr(module, "execute", lambda run: begun.append(run.seed) or execute(run))
    how = dataclasses.replace(recipe("ppo", Task()), rounds=400)
    runs = [Run("random", Task(), seed, how) for seed in range(4)]
    assert [run.seed for run, _ in sweep(runs, tmp_path, workers=1)] == [0, 1, 2, 3]
    assert begun == [2, 3]
    assert all((tmp_path / name).read_text() == text for name, text in kept.items())
    assert len(list(tmp_path.glob("*.json"))) == 4


# The grid on which learners of the paper's market were tuned


def test_the_grid_is_written_down(tmp_path, monkeypatch, capsys):
    tiny = {"rounds": 200, "lanes": 2, "n_steps": 10, "batch_size": 10, "n_epochs": 1}
    usual = grid.recipe
    monkeypatch.setattr(grid, "recipe", lambda *given: dataclasses.replace(usual(*given), **tiny))
    monkeypatch.setattr(grid, "GRID", {"learning_rate": (1e-3, 1e-1), "gamma": (0.0,)})
    grid.tune(tmp_path, seeds=1, workers=1)
    rows = pd.read_csv(tmp_path / "tuning.csv")
    assert list(rows.columns) == ["method", "learning_rate", "gamma", "seed", "training", "after"]
    assert list(rows["method"]) == ["ppo", "ppo", "tppo", "tppo"]
    assert rows["seed"].nunique() == 1
    assert rows[["training", "after"]].stack().between(0, 1).all()
    for method, of_method in rows.groupby("method"):
        assert of_method["after"].nunique() == 2, method  # the rate makes a difference
    shown = capsys.readouterr().out
    assert all(f"{share:.4f}" in shown for share in rows["training"])

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    grid.tune(tmp_path, seeds=1, workers=1)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()} == before
    assert pd.read_csv(tmp_path / "tuning.csv").equals(rows)
