"""The runs of Fig. 2: done once, written whole, never mixed up with runs of other settings."""

import dataclasses
import re
import subprocess
import sys

import numpy as np
import pytest

from baselines.arena.registry import resolve
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.experiments.paper.runs import Run, longest_first
from baselines.methods.sb3.recipes import recipe
from baselines.runs.runner import Runner

PAPER = Task("paper", {"K": 2, "cost": 1.0})
TINY = dataclasses.replace(
    recipe("ppo", PAPER), rounds=400, lanes=2, n_steps=10, batch_size=10, n_epochs=1
)
RUN = Run("greedy", PAPER, (0,), TINY)


def results(run, out):
    run.execute(out)
    return run.results(out)


def test_a_run_records_what_came_of_each_seed(tmp_path):
    both = dataclasses.replace(RUN, seeds=(0, 1))
    first, second = results(both, tmp_path)
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["episodes"] != second["episodes"]
    for found in (first, second):
        assert found["rounds"] == 400
        assert len(found["episodes"]) == 4
        assert found["equilibrium_price"] == pytest.approx(8.0)
        assert found["equilibrium_utility"] == pytest.approx(1408.046, abs=1e-3)
        assert 0 < found["utility"] < found["exploiting"] <= found["equilibrium_utility"]
        assert found["seconds"] > 0


def test_greedy_remembers_what_it_tried_in_all_its_rounds(tmp_path):
    recipe = dataclasses.replace(TINY, rounds=3000)
    [found] = results(dataclasses.replace(RUN, recipe=recipe), tmp_path)
    assert len(found["episodes"]) == 30
    after = np.mean(found["episodes"][20:])
    assert after > np.mean(found["episodes"][:3])
    forgetful = play(resolve("greedy").make(PAPER, 30, 0), PAPER, 30, seed=0)
    assert after > forgetful.utility.mean()


def test_learners_repeat_themselves_under_equal_seeds(tmp_path):
    run = Run("ppo", PAPER, (3,), TINY)
    (first,), (second,) = (results(run, tmp_path / name) for name in "ab")
    assert first["episodes"] == second["episodes"]
    assert first["price"] == second["price"]
    [other] = results(dataclasses.replace(run, seeds=(4,)), tmp_path)
    assert other["episodes"] != first["episodes"]


def test_a_learners_curve_is_in_money(tmp_path):
    """Training pays shares of U_p*; the best of a run of noisy episodes is near what is earned."""
    [found] = results(Run("ppo", PAPER, (3,), TINY), tmp_path)
    assert len(found["episodes"]) == 4
    assert 100 < min(found["episodes"]) <= max(found["episodes"]) < found["equilibrium_utility"]


@pytest.mark.parametrize(
    "change",
    [
        {"method": "random"},
        {"task": Task("paper", {"K": 3, "cost": 1.0})},
        {"task": Task("hidden", {"K": 2, "cost": 1.0})},
        {"seeds": (1,)},
        {"seeds": (0, 1)},
        {"recipe": dataclasses.replace(TINY, learning_rate=1e-4)},
        {"recipe": dataclasses.replace(TINY, rounds=500)},
        {"live_rounds": 1},
    ],
)
def test_other_settings_are_another_run(change, tmp_path):
    assert dataclasses.replace(RUN, **change).file(tmp_path) != RUN.file(tmp_path)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("aigc_market.__version__", "99"),
        ("baselines.arena.task.code_digest", lambda: "other rules"),
        ("baselines.arena.registry.code_digest", lambda *modules: "another greedy"),
        ("baselines.experiments.paper.runs.described", lambda value: "another run"),
    ],
)
def test_other_code_is_another_run(monkeypatch, tmp_path, name, other):
    before = RUN.file(tmp_path)
    monkeypatch.setattr(name, other)
    assert RUN.file(tmp_path) != before


def test_learners_come_first_and_larger_markets_before_smaller():
    markets = [Task("paper", {"K": K}) for K in (2, 5)]
    runs = [Run(m, task, (0,), TINY) for m in ("random", "ppo", "tppo") for task in markets]
    order = [(run.method, run.num_vmus) for run in longest_first(runs)]
    assert order[:3] == [("tppo", 5), ("tppo", 2), ("ppo", 5)]


SCRIPT = """
import dataclasses, sys
from pathlib import Path
from baselines.arena.task import Task
from baselines.experiments.paper.runs import Run
from baselines.methods.sb3.recipes import recipe
from baselines.runs.runner import Runner

recipe = dataclasses.replace(recipe("ppo", Task()), rounds=400)
runs = [Run("random", Task(), (seed,), recipe) for seed in range(4)]
execute = Run.execute

def wait(run, out):
    if run.seeds == (2,):
        print("begun 2", flush=True)
        sys.stdin.read()  # until it is killed
    execute(run, out)

Run.execute = wait
Runner(Path(sys.argv[1]), workers=1)("runs", runs)
"""


def test_killed_runs_go_on_where_they_stopped(tmp_path, monkeypatch):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        seen = next(line for line in process.stdout if "begun" in line)
        process.kill()
    assert seen == "begun 2\n"
    kept = {path: path.read_text() for path in (tmp_path / "runs").glob("*.json")}
    assert sorted(re.findall(r"seed(\d)", " ".join(path.name for path in kept))) == ["0", "1"]

    begun, execute = [], Run.execute
    monkeypatch.setattr(Run, "execute", lambda run, out: begun.append(run) or execute(run, out))
    how = dataclasses.replace(recipe("ppo", Task()), rounds=400)
    runs = [Run("random", Task(), (seed,), how) for seed in range(4)]
    assert Runner(tmp_path, workers=1)("runs", runs) == runs
    assert begun == runs[2:]
    assert all(path.read_text() == text for path, text in kept.items())
