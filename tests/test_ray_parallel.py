"""Calls made by Ray's tasks: where they run, and what happens when nodes die."""

import collections
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the extra 'ray'")

import ray
import ray_nodes
from ray_nodes import alone, kill, two_nodes, until

from baselines.runs import runner
from baselines.runs.runner import RETRIES, in_parallel

pytestmark = pytest.mark.ray
for module in (sys.modules[__name__], ray_nodes):
    ray.cloudpickle.register_pickle_by_value(module)  # workers have no tests


class Log:
    """Lines of a file that processes write to, in the order in which they did."""

    def __init__(self, path):
        self.path = path
        path.touch()

    def add(self, *words):
        with open(self.path, "a") as file:
            file.write(" ".join(map(str, words)) + "\n")

    @property
    def lines(self):
        return [tuple(line.split()) for line in self.path.read_text().splitlines()]


def node_id():
    return ray.get_runtime_context().get_node_id()


def place(number, log):
    """Where a call runs, once there is one on each node, and whose code it has."""
    log.add(node_id())
    until(lambda: len(set(log.lines)) == 2)
    return number, node_id(), runner.__file__


def test_calls_run_on_all_nodes_with_the_code_of_the_driver(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # Ray's workers look for modules in the driver's folder first
    log = Log(tmp_path / "log")
    places = list(in_parallel(place, [(i, log) for i in range(6)], 2, "ray"))
    assert sorted(number for number, _, _ in places) == list(range(6))
    assert len({node for _, node, _ in places}) == 2
    for *_, file in places:  # a copy that Ray brought
        assert file != runner.__file__
        assert "py_modules_files" in file
        assert Path(runner.__file__).read_text() == Path(file).read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_run_at_once_than_was_asked(cluster, monkeypatch, workers):
    sent, wait = [], ray.wait

    def counting(refs, **options):
        sent.append(len(refs))
        return wait(refs, **options)

    monkeypatch.setattr(ray, "wait", counting)
    assert sorted(in_parallel(refuse, [(i,) for i in range(4)], workers, "ray")) == [0, 1, 2, 3]
    assert sent == {1: [1, 1, 1, 1], 2: [2, 2, 2, 1]}[workers]


def refuse(number, refused=None):
    if number == refused:
        raise FileNotFoundError(f"the file of number {refused}")
    return number


def test_an_error_of_the_function_is_not_tried_again(cluster):
    with pytest.raises(FileNotFoundError, match="the file of number 1"):
        list(in_parallel(refuse, [(i, 1) for i in range(4)], 2, "ray"))
    assert not ray.is_initialized()


def test_a_node_killed_in_the_middle_loses_nothing(tmp_path):
    log, killed = Log(tmp_path / "log"), tmp_path / "killed"

    def square(number):
        log.add(number, node_id(), os.getpid())
        if number >= 2:
            until(killed.exists)
        return number, number**2

    answers = []
    with two_nodes() as (cluster, second):
        for number, answer in in_parallel(square, [(i,) for i in range(8)], 2, "ray"):
            answers.append((number, answer))
            if len(answers) == 2:  # then two more begin, one on each node, and wait
                until(lambda: len(log.lines) == 4)
                (pid,) = {pid for _, node, pid in log.lines[2:] if node == second.node_id}
                kill(cluster, second, int(pid))
                killed.touch()
    assert sorted(answers) == [(i, i**2) for i in range(8)]
    calls = collections.Counter(int(number) for number, *_ in log.lines)
    (again,) = (number for number, times in calls.items() if times > 1)  # the second node's
    assert calls == {**dict.fromkeys(range(8), 1), again: 2}
    first, other = (node for number, node, _ in log.lines if int(number) == again)
    assert first == second.node_id != other


def test_a_worker_that_always_dies_ends_the_calls(cluster, tmp_path):
    log = Log(tmp_path / "log")

    def die(number):
        log.add("x")
        os._exit(1)

    with pytest.raises(ray.exceptions.WorkerCrashedError):
        list(in_parallel(die, [(0,)], 1, "ray"))
    assert len(log.lines) == 1 + RETRIES


SCRIPT = """
from baselines.runs.runner import in_parallel


def square(number):
    return number**2


print(*sorted(in_parallel(square, [(1,), (2,)], 2, "ray")))
"""


def test_without_a_cluster_one_is_started_here():
    command = [sys.executable, "-c", SCRIPT]
    with alone():
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout == "1 4\n"


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"engine 'ray' needs Ray: pip install"):
        list(in_parallel(refuse, [(0,)], 1, "ray"))
