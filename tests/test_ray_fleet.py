"""Actors that paint: what they are given, and what happens when they die."""

import contextlib
import json
import os
import shutil
import signal
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs the extra 'ray'")
pytest.importorskip("diffusers", reason="needs the extra 'repaint'")

import ray
import ray_nodes
import torch
from painting import requests, rounding, same
from ray_nodes import SMALL, kill, two_nodes, until

from aigc_market.ssim.repaint import OutOfMemoryError, RePaintSSIM, fleet
from aigc_market.ssim.repaint.fleet import Fleet
from aigc_market.ssim.repaint.painter import Painter

pytestmark = pytest.mark.ray
for module in (sys.modules[__name__], ray_nodes):
    ray.cloudpickle.register_pickle_by_value(module)  # workers have no tests

CALLS, BATCH = 40, 2


@pytest.fixture
def nodes():
    """Each test has its own: almost all of them kill something."""
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def painter(nodes, tiny, tmp_path):
    """Makes painters that log which process begins which share, and wait while `hold` exists.

    `before` is called in the actor before each share, with the painter and the share's requests.
    """
    path, hold = tmp_path / "log", tmp_path / "hold"
    path.touch()

    def make(before=None, **changed):
        class Logged(Painter):
            def serve(self, requests):
                with open(path, "a") as file:
                    file.write(f"{os.getpid()} {[request.seed for request in requests]}\n")
                until(lambda: not hold.exists())
                if before:
                    before(self, requests)
                return super().serve(requests)

        own = RePaintSSIM(tiny, schedule_calls=CALLS, max_batch=BATCH).painter
        return Logged(**{**own.__getstate__(), **changed})

    def begun():
        lines = [line.split(" ", 1) for line in path.read_text().splitlines()]
        return [(int(pid), share) for pid, share in lines]

    make.begun, make.hold = begun, hold
    return make


@contextlib.contextmanager
def meanwhile(function):
    """Call it in a thread that has ended, and not failed, when the block is left."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(function)
        yield
        done.result()


def started(actors):
    """The same, when none of them is still starting."""
    until(lambda: actors.serve(requests([1])) and all(w.started for w in actors.workers))
    return actors


STEPS = [7, 20, 1, 12, 5, 9, 3, 16, 2, 11, 4, 8]


def test_shares_are_few_and_alike():
    steps = np.random.default_rng(0).integers(1, CALLS, 13)
    for count, shares in ((1, 1), (2, 2), (3, 2), (8, 2), (9, 3), (13, 4)):
        asked = requests(steps[:count])
        split = fleet.shares_of(asked, 2, BATCH)
        assert len(split) == shares
        assert sorted(number for share in split for number in share) == list(range(count))
        assert max(map(len, split)) <= 2 * BATCH
        for share in split:
            bought = [asked[number].steps for number in share]
            assert bought == sorted(bought, reverse=True)
    assert fleet.shares_of([], 2, BATCH) == []


def test_both_actors_paint_and_no_more_is_sent_than_they_can_take(painter, monkeypatch):
    sent, wait = [], ray.wait

    def counting(refs, **options):
        sent.append(len(refs))
        return wait(refs, **options)

    monkeypatch.setattr(fleet.ray, "wait", counting)
    made = painter()
    painter.hold.touch()

    def release():
        until(lambda: len({pid for pid, _ in painter.begun()}) == 2)
        painter.hold.unlink()

    with meanwhile(release):
        results = Fleet(made, 2, 0).serve(requests(STEPS * 3))
    assert len(painter.begun()) == 9  # 36 requests, four in a share
    assert max(sent) == 2
    alone = RePaintSSIM(made.checkpoint, schedule_calls=CALLS).serve(requests(STEPS * 3))
    same(results, alone, atol=rounding(made.schedule))


def test_an_actor_killed_in_the_middle_is_replaced_and_its_requests_served_again(painter):
    asked = requests(STEPS)  # 3 shares
    actors = started(Fleet(painter(), 2, 0))
    pids, expected, before = crew(actors), actors.serve(asked), len(painter.begun())
    painter.hold.touch()

    def kill_one():
        until(lambda: len(painter.begun()) == before + 2)  # one each
        os.kill(painter.begun()[before][0], signal.SIGKILL)
        painter.hold.unlink()

    with meanwhile(kill_one):
        results = actors.serve(asked)
    same(results, expected)  # to the last bit
    begun = painter.begun()[before:]
    killed, interrupted = begun[0]
    again = [share for share, times in Counter(share for _, share in begun).items() if times == 2]
    assert again == [interrupted]  # what the killed one had begun, and nothing else
    assert len(begun) == 4
    # The replacement takes part from then on.
    now = crew(started(actors))
    assert killed in pids - now
    assert len(now - pids) == 1
    same(actors.serve(asked), expected)


def crew(actors):
    """Processes of the actors."""
    return set(
        ray.get([w.actor.__ray_call__.remote(lambda _: os.getpid()) for w in actors.workers])
    )


def test_a_node_killed_in_the_middle_loses_nothing(painter, nodes):
    asked = requests(STEPS)
    actors = started(Fleet(painter(), 2, 0))
    expected, before = actors.serve(asked), len(painter.begun())

    def place(_):
        return ray.get_runtime_context().get_node_id(), os.getpid()

    where = dict(ray.get([w.actor.__ray_call__.remote(place) for w in actors.workers]))
    cluster, second = nodes
    painter.hold.touch()

    def kill_it():
        until(lambda: len(painter.begun()) == before + 2)  # one each
        kill(cluster, second, where[second.node_id])
        painter.hold.unlink()

    with meanwhile(kill_it):
        results = actors.serve(asked)  # the one that is left does all: no place for another
    same(results, expected)
    times = Counter(share for _, share in painter.begun()[before:])
    assert sorted(times.values()) == [1, 1, 2]
    same(actors.serve(asked), expected)
    cluster.add_node(**SMALL)  # where the replacement then starts
    assert len(crew(started(actors))) == 2


def test_requests_that_kill_every_worker_are_given_up(painter, monkeypatch):
    monkeypatch.setattr(fleet, "RETRIES", 1)

    def deadly(own, asked):
        if any(request.steps == 5 for request in asked):
            os._exit(1)

    actors = Fleet(painter(deadly), 1, 0)
    with pytest.raises(RuntimeError, match="1 requests killed 2 workers"):
        actors.serve(requests([5]))
    assert len(painter.begun()) == 2
    assert len(actors.serve(requests([3]))) == 1  # others are served


def test_out_of_memory_keeps_what_all_workers_served(painter):
    def full(own, asked):
        def network(noisy, times):
            raise torch.OutOfMemoryError("no")

        if any(request.steps == 20 for request in asked):
            own.__dict__["network"] = network

    made = painter(full)
    actors = started(Fleet(made, 2, 0))
    asked = requests([20, 3, 3, 3, 3, 3, 3, 3])
    message = "max_batch must be at most 0 on cpu, got 2; 4 of 8 requests were served"
    with pytest.raises(OutOfMemoryError, match=message) as error:
        actors.serve(asked)
    assert sorted(error.value.served) == [1, 3, 5, 7]
    served = [error.value.served[number] for number in (1, 3, 5, 7)]
    same(served, made.serve(asked[1::2]), atol=rounding(made.schedule))


def test_a_node_with_another_model_is_said(painter, tiny, tmp_path):
    copied = shutil.copytree(tiny, tmp_path / "copied")
    made = painter(checkpoint=str(copied))
    assert made.diffusion.digest  # loaded here, before it changes there
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "norm_eps": 1e-3}))
    actors = Fleet(made, 1, 0)
    with pytest.raises(ValueError, match=r"checkpoint .*copied' must be the same on every node"):
        actors.serve(requests([3]))


def test_workers_that_never_start_are_given_up(painter, monkeypatch):
    monkeypatch.setattr(fleet, "RETRIES", 1)

    class Dying(Painter):
        def start(self, digest):
            os._exit(1)

    actors = Fleet(Dying(**painter().__getstate__()), 1, 0)
    with pytest.raises(RuntimeError, match="workers must start: 2 in a row died"):
        actors.serve(requests([3]))


def test_workers_that_find_no_room_are_not_waited_for_for_ever(painter, monkeypatch):
    first, second = started(Fleet(painter(), 2, 0)), Fleet(painter(), 1, 0)
    monkeypatch.setattr(fleet, "PATIENCE", 1.0)
    with pytest.raises(RuntimeError, match="no worker started within 1 s: free are"):
        second.serve(requests([3]))
    del first
    monkeypatch.undo()
    assert len(second.serve(requests([3]))) == 1


def test_gpus_are_asked_of_the_cluster_and_looked_for_by_the_worker(painter, nodes, tiny):
    cluster, _ = nodes
    cluster.add_node(**{**SMALL, "num_cpus": 2}, num_gpus=1)  # Ray takes the word for it
    with pytest.raises(ValueError, match=r"workers must be at most 2 with .*=0.5 .*got 3"):
        RePaintSSIM(tiny, "cuda", engine="ray", workers=3, num_gpus_per_worker=0.5)
    service = RePaintSSIM(tiny, "cuda", engine="ray", num_gpus_per_worker=0.5)
    until(lambda: ray.available_resources().get("GPU") == 0.5)
    with pytest.raises(ValueError, match="device 'cuda' is not there"):
        service.serve(requests([3]))
