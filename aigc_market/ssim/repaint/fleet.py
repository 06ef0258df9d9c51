"""Painters on a Ray cluster: requests are split over actors, each with a batch of its own."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError, RayTaskError

from aigc_market.ssim.model import Result
from aigc_market.ssim.repaint.painter import OutOfMemoryError, Painter
from aigc_market.ssim.repaint.pictures import Request

PACKAGE = Path(__file__).parents[2]
"""The folder of `aigc_market`, which the nodes get."""

RETRIES = 3
"""How often a share is painted again whose worker died, and a worker that died as it started."""

PATIENCE = 300.0
"""Seconds to wait for a first worker: others may hold the cluster's CPUs and GPUs."""

Share = tuple[int, ...]
"""Numbers of requests that are painted together."""


class _Worker:
    """A painter in a process of its own, and how many before it died as they started."""

    def __init__(self, actor: Any, digest: str, deaths: int) -> None:
        self.actor, self.deaths = actor, deaths
        self.starting = actor.start.remote(digest)
        self.started = False


class Fleet:
    """Actors that paint like one painter. One that dies is replaced; others do what it had to do.

    A worker has one share at a time: what it has not been given stays with the caller.

    Args:
        own: the painter of which each actor is a copy.
        workers: actors.
        num_gpus_per_worker: GPUs that each holds.

    Raises:
        ValueError: the cluster has no room for so many.
    """

    def __init__(self, own: Painter, workers: int, num_gpus_per_worker: float) -> None:
        if not ray.is_initialized():  # nodes get this code, whatever they have installed
            ray.init(runtime_env={"py_modules": [str(PACKAGE)]})
        _check_room(workers, num_gpus_per_worker)
        self.painter = own
        self._actors: Any = ray.remote(num_cpus=1, num_gpus=num_gpus_per_worker)(type(own))
        self.workers = [self.hire() for _ in range(workers)]
        self._lock = threading.Lock()

    def serve(self, requests: Sequence[Request]) -> list[Result]:
        """As `Painter.serve`; RuntimeError where no worker starts or a share kills each one."""
        return self._split("serve", requests)

    def measure(self, chains: Sequence[Request], stops: Sequence[int]) -> list[np.ndarray]:
        """As `Painter.measure`; RuntimeError as in `serve`."""
        return self._split("measure", chains, stops)

    def hire(self, deaths: int = 0) -> _Worker:
        """Start an actor; so many before it died as they started."""
        actor = self._actors.remote(**self.painter.__getstate__())
        return _Worker(actor, self.painter.diffusion.digest, deaths)

    def _split(self, method: str, requests: Sequence[Request], *arguments: Any) -> list[Any]:
        with self._lock:  # rounds of other threads wait here, not in the actors
            work = _Round(self, method, requests, arguments)
            work.run()
        if not work.failures:
            return [work.answers[number] for number in range(len(requests))]
        failure = work.failures[0][1]
        if not isinstance(failure, OutOfMemoryError):
            raise failure
        served: dict[int, Result] = {}
        if method == "serve":
            served.update(work.answers)
            for share, error in work.failures:
                if isinstance(error, OutOfMemoryError):
                    served.update({share[i]: result for i, result in error.served.items()})
        raise OutOfMemoryError(failure.limit, served, len(requests)) from failure


def shares_of(requests: Sequence[Request], workers: int, max_batch: int) -> list[Share]:
    """Requests that are painted together: as few shares as keep all workers busy.

    A share is two batches at most, and has its longest requests first: shorter ones follow them
    into the batch, so that it is full almost to the end. Shares do not depend on who is free or
    dies, so that one that is painted again is the same to the last bit.
    """
    order = sorted(range(len(requests)), key=lambda number: -requests[number].steps)
    count = max(min(workers, len(order)), math.ceil(len(order) / (2 * max_batch)))
    return [tuple(order[i::count]) for i in range(count)]


class _Round:
    """Requests on their way through the workers, which are replaced in their list as they die."""

    def __init__(
        self, fleet: Fleet, method: str, requests: Sequence[Request], arguments: tuple[Any, ...]
    ) -> None:
        self.answers: dict[int, Any] = {}
        self.failures: list[tuple[Share, Exception]] = []
        self._fleet, self._workers = fleet, fleet.workers
        self._method, self._requests, self._arguments = method, requests, arguments
        self._waiting = deque(shares_of(requests, len(fleet.workers), fleet.painter.max_batch))
        self._running: dict[Any, tuple[_Worker, Share]] = {}
        self._deaths: Counter[Share] = Counter()

    def run(self) -> None:
        """Until there is nothing to do, and nothing to wait for."""
        while self._waiting or self._running:
            busy = [worker for worker, _ in self._running.values()]
            idle = [w for w in self._workers if w.started and w not in busy]
            for worker in idle[: len(self._waiting)]:
                share = self._waiting.popleft()
                theirs = [self._requests[number] for number in share]
                painting = getattr(worker.actor, self._method).remote(theirs, *self._arguments)
                self._running[painting] = worker, share
            self._wait()

    def _wait(self) -> None:
        """Deal with the next news of a worker."""
        starting = {w.starting: w for w in self._workers if not (w.started or self.failures)}
        news, _ = ray.wait([*self._running, *starting], timeout=PATIENCE)
        if not news:
            if not self._running:
                free = ray.available_resources()
                reason = (
                    f"no worker started within {PATIENCE:g} s: free are {free.get('CPU', 0):g} "
                    f"CPUs and {free.get('GPU', 0):g} GPUs of the cluster"
                )
                self._fail((), RuntimeError(reason))
            return
        worker, share = self._running.pop(news[0], None) or (starting[news[0]], ())
        try:
            answer = ray.get(news[0])
        except RayTaskError as error:  # the painter's own
            cause = error.cause if isinstance(error.cause, Exception) else error
            self._fail(share, cause)
        except RayError as error:  # its worker died, or the node that kept the answer
            self._lose(worker, share, error)
        else:
            worker.started = True
            self.answers.update(zip(share, answer or (), strict=True))

    def _lose(self, worker: _Worker, share: Share, error: RayError) -> None:
        if worker in self._workers:
            ray.kill(worker.actor)  # if it only could not be reached
            deaths = 0 if worker.started else worker.deaths + 1
            if deaths > RETRIES:
                reason = f"workers must start: {deaths} in a row died as they did ({error})"
                self._fail((), RuntimeError(reason))
            self._workers[self._workers.index(worker)] = self._fleet.hire(deaths)
        if share and not self.failures:
            self._deaths[share] += 1
            self._waiting.appendleft(share)
            if self._deaths[share] > RETRIES:
                reason = f"{len(share)} requests killed {self._deaths[share]} workers: {error}"
                self._fail(share, RuntimeError(reason))

    def _fail(self, share: Share, error: Exception) -> None:
        """Nothing new is begun; what runs is waited for."""
        self.failures.append((share, error))
        self._waiting.clear()


def _check_room(workers: int, gpus: float) -> None:
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(
        int(min(has.get("CPU", 0), has.get("GPU", 0) / gpus if gpus else math.inf)) for has in nodes
    )
    if workers > room:
        have = ", ".join(f"{has.get('CPU', 0):g} and {has.get('GPU', 0):g}" for has in nodes)
        raise ValueError(
            f"workers must be at most {room} with num_gpus_per_worker={gpus:g} on this cluster, "
            f"got {workers}: each takes 1 CPU and {gpus:g} GPUs, its nodes have {have}"
        )
