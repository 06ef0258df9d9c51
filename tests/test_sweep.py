"""Runs are units: done once, written whole, and never mixed up with runs of other settings."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from baselines.experiments.paper import sweep as module
from baselines.experiments.paper.sweep import Run, execute, finished, longest_first, sweep
from baselines.methods.sb3.training import Training

TINY = Training(episodes=4, lanes=2, n_steps=10, batch_size=10, n_epochs=1)
RUN = Run("greedy", 2, 1.0, 0, TINY)


def test_a_run_records_what_it_was_and_what_it_did():
    result = execute(RUN)
    assert result["method"] == "greedy"
    assert result["arguments"] == {"K": 2, "cost": 1.0}
    assert result["rounds"] == 400
    assert len(result["episodes"]) == 4
    assert result["equilibrium_price"] == pytest.approx(8.0)
    assert result["equilibrium_utility"] == pytest.approx(1408.046, abs=1e-3)
    assert 0 < result["utility"] < result["equilibrium_utility"]


@pytest.mark.parametrize("method", ["tppo", "ppo"])
def test_learners_repeat_themselves_under_equal_seeds(method):
    run = Run(method, 2, 1.0, 3, TINY)
    first, second = execute(run), execute(run)
    assert first["rounds"] == 400
    assert first["episodes"] == second["episodes"]
    assert first["price"] == second["price"]
    assert execute(dataclasses.replace(run, seed=4))["episodes"] != first["episodes"]


@pytest.mark.parametrize(
    "change",
    [
        {"method": "random"},
        {"num_vmus": 3},
        {"cost": 2.0},
        {"seed": 1},
        {"training": dataclasses.replace(TINY, learning_rate=1e-4)},
        {"training": dataclasses.replace(TINY, episodes=5)},
    ],
)
def test_other_settings_are_another_run(change):
    assert dataclasses.replace(RUN, **change).file_name != RUN.file_name


def test_another_version_of_the_package_is_another_run(monkeypatch):
    before = RUN.file_name
    monkeypatch.setattr("aigc_market.__version__", "99")
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
    runs = [Run(m, K, 1.0, 0, TINY) for m in ("random", "ppo", "tppo") for K in (2, 5)]
    order = [(run.method, run.num_vmus) for run in longest_first(runs)]
    assert order[:3] == [("tppo", 5), ("tppo", 2), ("ppo", 5)]


SCRIPT = """
import sys
from pathlib import Path
from baselines.experiments.paper.sweep import Run, sweep
from baselines.methods.sb3.training import Training

runs = [Run("random", 2, 1.0, seed, Training(episodes=120)) for seed in range(6)]
for run, result in sweep(runs, Path(sys.argv[1]), workers=1):
    print("done", run.seed, flush=True)
"""


def test_a_killed_sweep_goes_on_where_it_stopped(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    time.sleep(0.02)  # into the third run
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert lines == ["done 0\n", "done 1\n"]
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert 2 <= len(kept) < 6
    contents = {name: json.loads((tmp_path / name).read_text()) for name in kept}

    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sorted(again.stdout.split()[1::2]) == list("012345")
    for name, modified in kept.items():
        assert (tmp_path / name).stat().st_mtime_ns == modified
        assert json.loads((tmp_path / name).read_text()) == contents[name]
    assert len(list(tmp_path.glob("*.json"))) == 6


def test_half_written_results_do_not_count(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        list(sweep([RUN], tmp_path, workers=1))
    monkeypatch.undo()
    assert finished(RUN, tmp_path) is None
    assert dict(sweep([RUN], tmp_path, workers=1))[RUN]["rounds"] == 400
