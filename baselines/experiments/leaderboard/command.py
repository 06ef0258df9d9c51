"""`python -m baselines leaderboard`: train, play, and write the tables and figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from aigc_market import _checks
from aigc_market.scenarios import SCENARIOS
from baselines.arena.registry import REGISTRY
from baselines.arena.task import Task
from baselines.experiments.leaderboard import plots, tables
from baselines.experiments.leaderboard.trial import (
    Training,
    Trial,
    execute,
    plays_any_size,
    shipped,
    train_once,
)
from baselines.runs.parallel import Engine, in_parallel

DEFAULT_SCENARIOS = ("paper", "hidden", "drift", "shift", "crowd", "capacity", "live")
QUICK_EPISODES = 200
OTHER_SIZES_EPISODES = 200
"""Test episodes of crowds of other sizes: large ones take long."""


def leaderboard(
    scenarios: tuple[str, ...] = DEFAULT_SCENARIOS,
    methods: tuple[str, ...] = tuple(REGISTRY),
    seeds: int = 5,
    quick: bool = False,
    train: bool = True,
    episodes: int = 2000,
    sizes: tuple[int, ...] = (4, 40, 100),
    out: Path = Path("results/leaderboard"),
    workers: int | None = None,
    engine: Engine = "local",
) -> None:
    """Play every method in every scenario, and write leaderboard.csv, leaderboard.md and figures.

    What is trained or played is kept; a run that was cut short goes on where it stopped.

    Args:
        scenarios: presets.
        methods: all by default.
        seeds: trainings of each learned method in each scenario.
        quick: no training: the policies that come with the package and the untrained methods, on
            200 episodes.
        train: whether to train what has not been trained; otherwise it is left out.
        episodes: test episodes in each scenario, the same for all methods.
        sizes: other numbers of slots in `crowd`, for methods that play any number without being
            trained anew.
        out: folder of the results.
        workers: runs at the same time; as many as there are cores by default.
        engine: local processes, or a Ray cluster (needs the extra `ray`).
    """
    for name in scenarios:
        _checks.choice("--scenarios", name, SCENARIOS)
    for name in methods:
        _checks.choice("--methods", name, tuple(REGISTRY))
    _checks.integer("--seeds", seeds, at_least=1)
    _checks.integer("--episodes", episodes, at_least=1)
    for K in sizes:
        _checks.integer("--sizes", K, at_least=1)
    workers = workers or os.cpu_count() or 1
    episodes = min(episodes, QUICK_EPISODES) if quick else episodes
    few = min(episodes, OTHER_SIZES_EPISODES)
    out = out.absolute()
    console = Console()
    if train and not quick:
        trainings = [
            Training(method, task, seed)
            for seed in range(seeds)
            for task in map(Task, scenarios)
            for method in methods
            if _can_train(method, task)
        ]
        _run("trainings", train_once, trainings, out, workers, engine, console)
    trials = [
        trial
        for task in _tasks(scenarios, sizes)
        for method in methods
        for trial in _trials(task, method, seeds, few if task.arguments else episodes, out, quick)
    ]
    _run("trials", execute, trials, out, workers, engine, console)
    tables.write(
        out,
        trials,
        {
            "test episodes a scenario": episodes,
            "test episodes of crowds of other sizes": few,
            "training seeds": 1 if quick else seeds,
        },
    )
    plots.draw(out)
    console.print(f"leaderboard.md, CSV files and figures are in {out}/")


def _tasks(scenarios: Sequence[str], sizes: Sequence[int]) -> list[Task]:
    tasks = [Task(name) for name in scenarios]
    for task in list(tasks):
        if task.settings().masked:
            tasks += [Task(task.scenario, {"K": K}) for K in sizes if K != task.settings().market.K]
    return tasks


def _can_train(method: str, task: Task) -> bool:
    entry = REGISTRY[method]
    return entry.trainer is not None and entry.get_trainer().can_train(task) is None


def _trials(
    task: Task, method: str, seeds: int, episodes: int, out: Path, quick: bool
) -> list[Trial]:
    trained_on = Task(task.scenario)
    if REGISTRY[method].trainer is None:
        return [Trial(task, method, 0, episodes)]
    if not _can_train(method, trained_on):
        return []
    if quick:
        policies = {0: shipped(method, task)}
    else:
        files = {seed: Training(method, trained_on, seed).file(out) for seed in range(seeds)}
        policies = {seed: file for seed, file in files.items() if file.exists()}
    return [
        Trial(task, method, seed, episodes, policy)
        for seed, policy in policies.items()
        if policy is not None and (not task.arguments or plays_any_size(policy))
    ]


def _run(
    name: str,
    function: Callable[[Any, Path], Any],
    work: Sequence[Any],
    out: Path,
    workers: int,
    engine: Engine,
    console: Console,
) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(name, total=len(work))
        for _ in in_parallel(function, [(item, out) for item in work], workers, engine):
            progress.advance(task)
