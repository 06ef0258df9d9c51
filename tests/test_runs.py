"""What a run keeps: whole files, names by all that a result depends on, checkpoints."""

import json
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console
from safetensors.torch import save_file
from torch import nn

from aigc_market import Move, Scenario, Uniform
from aigc_market.ssim import QuadraticSSIM, TabulatedSSIM
from baselines.runs import policy_files
from baselines.runs.checkpoint import Checkpoint
from baselines.runs.digest import code_digest, described, digest
from baselines.runs.files import holding, read_frame, write_atomically, write_csv, write_json
from baselines.runs.runner import Runner


def parts(seed, learning_rate=0.1):
    torch.manual_seed(seed)
    network = nn.Linear(3, 2)
    return network, torch.optim.Adam(network.parameters(), lr=learning_rate)


def update(network, optimizer):
    optimizer.zero_grad()
    network(torch.ones(3)).square().sum().backward()
    optimizer.step()


def kept(path, of, updates=2):
    network, optimizer = parts(0)
    checkpoint = Checkpoint(path, of, every=1)
    for i in range(updates):
        update(network, optimizer)
        checkpoint.keep(i + 1, network, optimizer)
    return network, optimizer


def test_a_checkpoint_puts_back_weights_and_moments(tmp_path):
    path = tmp_path / "run.checkpoint"
    network, optimizer = kept(path, "recipe a")
    again, its = parts(1, learning_rate=0.5)
    assert Checkpoint(path, "recipe a").restore(again, its) == 2
    assert its.param_groups[0]["lr"] == 0.5  # which is the optimizer's own
    its.param_groups[0]["lr"] = optimizer.param_groups[0]["lr"]
    for one, other in ((network, optimizer), (again, its)):
        update(one, other)
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_another_recipes_checkpoint_is_left_alone_and_said_so(tmp_path):
    path = tmp_path / "run.checkpoint"
    kept(path, "recipe a")
    network, optimizer = parts(1, learning_rate=0.5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.warns(UserWarning, match=r"run\.checkpoint is the checkpoint of another training"):
        assert Checkpoint(path, "recipe b").restore(network, optimizer) == 0
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert not optimizer.state


@pytest.mark.parametrize("config", ["{", "[" * 100_000, "[1]", None])
def test_a_checkpoint_with_broken_json_is_none(tmp_path, config):
    path = tmp_path / "run.checkpoint"
    save_file({"a": torch.ones(2)}, path, metadata=None if config is None else {"config": config})
    with pytest.warns(UserWarning, match=r"run\.checkpoint is the checkpoint of another training"):
        assert Checkpoint(path, "recipe a").restore(*parts(0)) == 0


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        ({}, {}),
        ({"updates": 3, "seconds": 1.0, "rows": []}, {"network.weight": torch.ones(5)}),
        ({"updates": 3, "seconds": 1.0, "rows": []}, {"optimizer.0.x.step": torch.ones(2)}),
        ({"updates": 3}, None),
    ],
)
def test_a_checkpoint_that_is_not_what_it_says_is_named(tmp_path, config, weights):
    path, (network, _) = tmp_path / "run.checkpoint", parts(1)
    whole = {f"network.{name}": value for name, value in network.state_dict().items()}
    policy_files.write(path, {**whole, **(weights or {})}, {"of": "recipe a", **config})
    with pytest.raises(ValueError, match=r"run\.checkpoint must be the checkpoint of a training"):
        Checkpoint(path, "recipe a").restore(*parts(0))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_json(path, {"a": 1}),
        lambda path: write_csv(path, ("a",), [{"a": 1}]),
        lambda path: kept(path, "recipe a", updates=1),
    ],
    ids=["JSON", "CSV", "checkpoint"],
)
def test_half_a_file_is_none(write, tmp_path, monkeypatch):
    path = tmp_path / "new" / "file"

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(path)
    assert list(path.parent.iterdir()) == []
    monkeypatch.undo()
    write(path)
    assert [file.name for file in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("content", [b"", b"a,b\n1\n2,3,4\n", b"a\n\xe4\n"])
def test_a_frame_of_something_else_is_named(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.csv: must be a CSV table \(") as error:
        read_frame(path)
    assert str(error.value).startswith(str(path))


def test_tables_and_json_read_back(tmp_path):
    write_csv(tmp_path / "t.csv", ("a", "b"), [{"a": 1, "b": "x"}, {"a": 2}])
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,x\n2,\n"
    with pytest.raises(ValueError, match="c"):
        write_csv(tmp_path / "t.csv", ("a",), [{"c": 1}])
    write_json(tmp_path / "j.json", {"δ": [1, 2]})
    assert json.loads((tmp_path / "j.json").read_text()) == {"δ": [1, 2]}


def within(low):
    return lambda rng: rng.uniform(low, 9)


@dataclass
class Commute(Move):
    """A move that is not the package's."""

    rate: float = 0.1


class Tide(Move):
    def __init__(self, height):
        self.height = height


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Uniform(1, 2), Uniform(1, 3)),
        (Scenario("x", moves=[Commute(0.1)]), Scenario("x", moves=[Commute(0.2)])),
        (Scenario("x", moves=[Tide(0.1)]), Scenario("x", moves=[Tide(0.2)])),
        (Scenario("x", "noisy"), Scenario("x")),
        (QuadraticSSIM(-1e-4, 0.1), QuadraticSSIM(-1e-4, 0.2)),
        (TabulatedSSIM([0, 9], [0, 0.5]), TabulatedSSIM([0, 9], [0, 0.6])),
        (np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        (lambda rng: rng.uniform(1, 2), lambda rng: rng.uniform(1, 3)),
        (within(1), within(2)),
        (partial(within, 1), partial(within, 2)),
    ],
    ids=range(10),
)
def test_what_differs_is_described_otherwise(one, other):
    json.dumps(described(one))
    assert digest(described(one)) == digest(described(one)) != digest(described(other))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Where a package of somebody's own stands: a method in a folder, and other things."""
    files = ("__init__.py", "other.py", "methods/__init__.py", "methods/rule.py", "methods/a/x.py")
    for name in (*files, "methods/a/__init__.py", "methods/b/__init__.py", "methods/b/y.py"):
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).write_text("z = 1\n")
    (tmp_path / "alone.py").write_text("z = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("own", "alone")]:
        del sys.modules[name]


def now(*modules):
    code_digest.cache_clear()
    return code_digest(*modules)


@pytest.mark.parametrize(
    ("module", "its"),
    [
        ("own.methods.a.x", {"methods/a/x.py", "methods/a/__init__.py", "methods/rule.py"}),
        ("own.methods.a", {"methods/a/x.py", "methods/a/__init__.py", "methods/rule.py"}),
        ("own.methods.rule", {"methods/rule.py"}),
        ("own.other", {"other.py", "__init__.py"}),
    ],
)
def test_a_module_is_the_files_of_its_folder_and_of_those_above(package, module, its):
    before, changed = now(module), set()
    for path in sorted((package / "own").rglob("*.py")):
        path.write_text("z = 2\n")
        if now(module) != before:
            changed.add(path.relative_to(package / "own").as_posix())
        path.write_text("z = 1\n")
    assert its <= changed
    assert changed - its <= {"methods/__init__.py"}
    assert now(module) == before != now()


def test_a_module_without_a_package_is_one_file(package):
    before = now("alone")
    (package / "beside.py").write_text("z = 1\n")
    assert now("alone") == before
    (package / "alone.py").write_text("z = 2\n")
    assert now("alone") != before
    assert now("no_such_module") == now()


def test_results_depend_on_the_rules_and_on_what_methods_see(monkeypatch):
    read = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or b"")
    now()
    code_digest.cache_clear()
    names = {path.name for path in read}
    assert {"moves.py", "market.py", "vec_env.py", "protocol.py", "rollout.py"} <= names
    assert not {"replay.py", "curves.py", "recipes.py"} & names
    assert not any({"rendering", "cli", "explorer"} & set(path.parts) for path in read)


# --- the runner


@dataclass(frozen=True)
class Job:
    """Writes its number, and a line to a log; refuses to where it is told to."""

    number: int
    refuses: bool = False

    def __str__(self):
        return f"job {self.number}"

    def file(self, out):
        return out / "done" / f"{self.number}.txt"

    def execute(self, out):
        if self.refuses:
            raise ValueError(f"{self.number} is refused")
        with open(out / "log", "a") as log:
            log.write(f"{self.number}\n")
        write_atomically(self.file(out), str(self.number))


def runner(out, width=200):
    out.mkdir(exist_ok=True)
    made = Runner(out, 1)
    made.console = Console(width=width)
    return made


def test_work_is_done_once_in_its_order_and_told(tmp_path, capsys):
    jobs = [Job(i) for i in (3, 1, 2)]
    assert runner(tmp_path)("jobs", [*jobs, Job(3)]) == jobs
    said = capsys.readouterr().out
    assert all(f"{i} of 3 jobs: job {n}" in said for i, n in ((1, 3), (2, 1), (3, 2)))
    again = runner(tmp_path)
    assert again("jobs", [Job(4), *jobs], tell=lambda job: f"it is {job.number}") == [Job(4), *jobs]
    assert "4 of 4 jobs: it is 4" in capsys.readouterr().out
    again.report()
    assert (tmp_path / "log").read_text() == "3\n1\n2\n4\n"


def test_what_fails_holds_up_nobody_and_ends_the_command(tmp_path, capsys):
    run = runner(tmp_path)
    assert run("jobs", [Job(0), Job(1, refuses=True), Job(2)]) == [Job(0), Job(2)]
    assert "job 1 failed: ValueError: 1 is refused" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="error: 1 failed, the others are kept: job 1; what"):
        run.report()
    assert "1 is refused" in (tmp_path / "errors.txt").read_text()
    better = runner(tmp_path)
    assert better("jobs", [Job(1)]) == [Job(1)]
    better.report()
    assert not (tmp_path / "errors.txt").exists()


def test_a_folder_that_cannot_be_written_to_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    run = Runner(tmp_path / "file" / "out", 1)
    monkeypatch.setattr(Job, "execute", lambda *_: pytest.fail("it was done"))
    with pytest.raises(ValueError, match=r"^--out must be a folder that can .*\(Not a directory\)"):
        run("jobs", [Job(1)])


def test_all_of_an_error_is_told(tmp_path, monkeypatch, capsys):
    def execute(*_):
        raise ValueError("one\ntwo [3]")

    monkeypatch.setattr(Job, "execute", execute)
    runner(tmp_path)("jobs", [Job(1)])
    assert "job 1 failed: ValueError: one two [3]\n" in capsys.readouterr().out


def test_a_process_that_was_killed_ends_the_command_with_a_line(tmp_path, monkeypatch):
    def killed(*_):
        raise TerminatedWorkerError
        yield

    monkeypatch.setattr(joblib.Parallel, "__call__", killed)
    with pytest.raises(SystemExit, match="error: a process was killed"):
        runner(tmp_path)("jobs", [Job(1)])


@pytest.mark.parametrize("found", [{"a": 1}, [1], None])
def test_a_kept_file_that_lacks_something_is_named(found):
    with pytest.raises(ValueError, match="x: must hold a, b \\(without the file it is made again"):
        holding(Path("x"), found, "b", "a")
    assert holding(Path("x"), {"a": 1, "b": 2}, "b", "a") == {"a": 1, "b": 2}


def test_no_more_processes_are_started_than_there_is_work(tmp_path, monkeypatch):
    started, parallel = [], joblib.Parallel
    monkeypatch.setattr(
        joblib, "Parallel", lambda **given: started.append(given["n_jobs"]) or parallel(**given)
    )
    Runner(tmp_path, 1000)("jobs", [Job(1)])
    assert started == [1]


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_a_runner_has_a_worker_at_least(tmp_path, workers):
    with pytest.raises((ValueError, TypeError), match="--workers must be a whole number"):
        Runner(tmp_path, workers)
