"""Sweeps on a Ray cluster: the bytes of one machine, and nothing lost with a node."""

import collections
import csv
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs the extra 'ray'")

import ray
from ray_nodes import kill, two_nodes, until

from baselines.arena.task import Task
from baselines.experiments.leaderboard import trial
from baselines.experiments.paper import sweep as module
from baselines.experiments.paper.reproduce import write_csvs
from baselines.experiments.paper.sweep import Run, execute, sweep
from baselines.methods.sb3.training import Training
from baselines.runs.parallel import in_parallel

pytestmark = pytest.mark.ray
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers have no tests

TINY = Training(episodes=4, lanes=2, n_steps=10, batch_size=10, n_epochs=1)
RUNS = [
    Run(method, 2, cost, seed, TINY)
    for method in ("tppo", "ppo", "greedy", "random")
    for cost, seed in ((1.0, 0), (3.0, 1))
]


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as nodes:
        yield nodes


def place(number):
    """Where a task runs, and whose code it has."""
    time.sleep(0.5)  # so that one node does not do all
    node = ray.get_runtime_context().get_node_id()
    return number, node, module.__file__


def test_tasks_run_on_all_nodes_with_the_code_of_the_driver(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # Ray's workers look for modules in the driver's folder first
    places = list(in_parallel(place, [(i,) for i in range(6)], 2, "ray"))
    assert sorted(number for number, _, _ in places) == list(range(6))
    assert len({node for _, node, _ in places}) == 2
    for *_, file in places:  # a copy that Ray brought
        assert file != module.__file__
        assert "py_modules_files" in file
        assert Path(module.__file__).read_text() == Path(file).read_text()


def test_a_cluster_gives_the_bytes_of_one_machine(cluster, tmp_path):
    tables = {}
    for engine, workers in (("local", 1), ("ray", 2)):
        out = tmp_path / engine
        results = dict(sweep(RUNS, out / "runs", workers, engine))
        assert set(results) == set(RUNS)
        write_csvs(out, RUNS, results)
        tables[engine] = without_seconds(out / "runs.csv"), (out / "curves.csv").read_bytes()
        tables[engine] += tuple(without_seconds_json(out / "runs" / r.file_name) for r in RUNS)
    assert tables["ray"] == tables["local"]


def without_seconds(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(float(row.pop("seconds")) > 0 for row in rows)
    return rows


def without_seconds_json(path):
    lines = path.read_bytes().splitlines()
    kept = [line for line in lines if not line.startswith(b' "seconds"')]
    assert len(kept) == len(lines) - 1
    return kept


def test_the_leaderboards_trials_too(cluster, tmp_path):
    trials = [
        trial.Trial(Task(scenario), method, 0, 10)
        for scenario in ("paper", "drift")
        for method in ("random", "greedy", "cils")
    ]
    for engine, workers in (("local", 1), ("ray", 2)):
        out = tmp_path / engine
        assert (
            len(list(in_parallel(trial.execute, [(t, out) for t in trials], workers, engine))) == 6
        )
    for t in trials:
        with np.load(t.file(tmp_path / "local")) as local, np.load(t.file(tmp_path / "ray")) as far:
            assert set(local) == set(far)
            for name in set(local) - {"decision_microseconds"}:
                assert local[name].tobytes() == far[name].tobytes()


def overlap(number, folder):
    """How many of these run at the same time."""
    (folder / f"{number}.begun").touch()
    time.sleep(0.2)
    others = [p for p in folder.glob("*.begun") if not p.with_suffix(".done").exists()]
    (folder / f"{number}.done").touch()
    return len(others)


def test_no_more_run_at_once_than_was_asked(cluster, tmp_path):
    assert list(in_parallel(overlap, [(i, tmp_path) for i in range(4)], 1, "ray")) == [1] * 4


def refuse(number):
    if number == 1:
        raise FileNotFoundError("the file of number 1")
    return number


def test_an_error_of_the_function_is_not_tried_again(cluster):
    with pytest.raises(FileNotFoundError, match="the file of number 1"):
        list(in_parallel(refuse, [(i,) for i in range(4)], 2, "ray"))
    assert not ray.is_initialized()


def test_a_node_killed_in_the_middle_loses_nothing(tmp_path, monkeypatch):
    runs = [dataclasses.replace(RUNS[4], seed=seed) for seed in range(8)]
    log = tmp_path / "log"

    def logged(run):
        with open(log, "a") as file:
            file.write(f"{run.seed} {ray.get_runtime_context().get_node_id()}\n")
        time.sleep(1.0)
        return run, execute(run)

    def begun():
        lines = log.read_text().splitlines() if log.exists() else []
        return [(int(seed), node) for seed, node in map(str.split, lines)]

    def running():
        done = {run.seed for run in results}
        return {node for seed, node in begun() if seed not in done}

    monkeypatch.setattr(module, "_with_run", logged)
    kept, results = {}, {}
    with two_nodes() as (cluster, second):
        for run, result in sweep(runs, tmp_path / "ray", workers=2, engine="ray"):
            results[run] = result
            if len(results) == 2:
                until(lambda: second.node_id in running())
                kill(cluster, second)
                kept = {
                    path: (path.stat().st_mtime_ns, path.read_bytes())
                    for path in (tmp_path / "ray").glob("*.json")
                }
    assert set(results) == set(runs)
    executions = collections.Counter(seed for seed, _ in begun())
    interrupted = {seed for seed, times in executions.items() if times > 1}
    assert len(interrupted) == 1  # the one that the second node had
    assert executions == {**dict.fromkeys(range(8), 1), **dict.fromkeys(interrupted, 2)}
    where = [node for seed, node in begun() if seed in interrupted]
    assert where[0] == second.node_id != where[1]

    assert len(kept) == 2
    for path, (modified, content) in kept.items():
        assert (path.stat().st_mtime_ns, path.read_bytes()) == (modified, content)
    assert dict(sweep(runs, tmp_path / "ray", workers=1)) == results
    assert collections.Counter(seed for seed, _ in begun()) == executions
    monkeypatch.undo()
    for run, _ in sweep(runs, tmp_path / "local", workers=1):
        files = [tmp_path / engine / run.file_name for engine in ("local", "ray")]
        assert without_seconds_json(files[0]) == without_seconds_json(files[1])


def test_a_worker_that_always_dies_ends_the_sweep(cluster, tmp_path):
    log = tmp_path / "log"

    def die(number):
        with open(log, "a") as file:
            file.write("x")
        os._exit(1)

    with pytest.raises(ray.exceptions.WorkerCrashedError):
        list(in_parallel(die, [(0,)], 1, "ray"))
    assert log.read_text() == "x" * (1 + module.RETRIES)


SCRIPT = """
import sys
from pathlib import Path
from baselines.experiments.paper.sweep import Run, sweep
from baselines.methods.sb3.training import Training

runs = [Run("random", 2, 1.0, seed, Training(episodes=3)) for seed in range(2)]
for run, result in sweep(runs, Path(sys.argv[1]), workers=2, engine="ray"):
    print("done", run.seed, flush=True)
"""


def test_without_a_cluster_one_is_started_here(tmp_path, monkeypatch):
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "ray")]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr[-2000:]
    assert sorted(result.stdout.split()[1::2]) == list("01")


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"engine 'ray' needs Ray: pip install"):
        list(in_parallel(refuse, [(0,)], 1, "ray"))
