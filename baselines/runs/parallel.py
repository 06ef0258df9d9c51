"""Calls made at the same time, by local processes or on a Ray cluster."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import joblib

import aigc_market

Engine = Literal["local", "ray"]
PACKAGES = [str(Path(aigc_market.__file__).parent), str(Path(__file__).parents[1])]
"""The folders of `aigc_market` and `baselines`, which Ray's nodes get."""

RETRIES = 3
"""How often a call is made again whose worker or node died."""


def in_parallel(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    workers: int,
    engine: Engine = "local",
) -> Iterator[Any]:
    """The function's answers to each tuple of arguments, as they come.

    Args:
        function: of a module, so that other processes find it.
        calls: arguments of each call.
        workers: calls at the same time.
        engine: "local" processes by joblib, or "ray": tasks of one core each, on the cluster that
            this process is connected to, that RAY_ADDRESS names or that runs on this machine, else
            on one started here. A call whose worker or node dies is made again.

    Raises:
        ImportError: engine "ray" without Ray.
        ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError: a call's worker or node
            died `RETRIES` + 1 times.
        Exception: whatever the function raises.
    """
    if not calls:
        return
    if engine == "ray":
        yield from _on_ray(function, calls, workers)
        return
    # One call at a time: joblib would send many together once some were short, such as those whose
    # result was kept, and the other processes would wait for the one that got the long ones.
    options: Any = {"n_jobs": workers, "batch_size": 1, "return_as": "generator_unordered"}
    parallel: Any = joblib.Parallel(**options)
    yield from parallel(joblib.delayed(function)(*arguments) for arguments in calls)


def _on_ray(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[Any]:
    # Tasks, not joblib's Ray backend: that one is a pool of actors, and an actor's calls are lost
    # with its node, or wait for a place to restart it that the smaller cluster may not have.
    try:
        import ray
    except ImportError:
        raise ImportError(
            "engine 'ray' needs Ray: pip install 'aigc-market[ray]'; 'local' needs nothing"
        ) from None
    started = not ray.is_initialized()
    if started:  # nodes get this code, whatever they have installed
        ray.init(runtime_env={"py_modules": PACKAGES})
    task = ray.remote(function).options(num_cpus=1, max_retries=RETRIES)
    waiting = iter(calls)
    running = [task.remote(*arguments) for arguments in itertools.islice(waiting, workers)]
    try:
        while running:
            (done, *_), running = ray.wait(running)
            running += [task.remote(*arguments) for arguments in itertools.islice(waiting, 1)]
            yield ray.get(done)
    finally:
        for left in running:
            ray.cancel(left, force=True)
        if started:
            ray.shutdown()
