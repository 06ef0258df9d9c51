"""`python -m baselines leaderboard`: train, play, and write the tables and figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from aigc_market import _checks
from aigc_market.scenarios import SCENARIOS
from baselines.arena import policies
from baselines.arena.registry import REGISTRY, Entry, Knows, resolve
from baselines.arena.task import Task
from baselines.experiments.leaderboard import plots, tables
from baselines.experiments.leaderboard.evaluation import Evaluation
from baselines.experiments.leaderboard.training_run import TrainingRun
from baselines.runs.parallel import Engine
from baselines.runs.work import Runner

DEFAULT_SCENARIOS = ("paper", "hidden", "drift", "shift", "crowd", "capacity", "live")
DEFAULT_METHODS = tuple(name for name in REGISTRY if name != "equilibrium")
"""All but the oracle, by whose utility they are measured."""
QUICK_EPISODES = 200
OTHER_SIZES_EPISODES = 200
"""Test episodes of crowds of other sizes: large ones take long."""


def leaderboard(
    scenarios: tuple[str, ...] = DEFAULT_SCENARIOS,
    methods: tuple[str, ...] = DEFAULT_METHODS,
    method: str | None = None,
    track: Knows = "nothing",
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

    What is trained or played is kept; a run that was cut short goes on where it stopped. A method
    that cannot be tuned, trained or made for a scenario is left out there. Where a training or an
    evaluation fails, the others go on; the errors are in errors.txt, and the exit status is 1.

    Args:
        scenarios: presets.
        methods: of the registry; all but the oracle by default.
        method: one of your own beside them, `module:factory`: a callable (task, num_envs, seed)
            that gives a Method.
        track: what your own knows of the markets.
        seeds: trainings of each learned method in each scenario.
        quick: no training: the policies that come with the package and the untrained methods, on
            200 episodes.
        train: whether to train what has not been trained; otherwise it is left out.
        episodes: test episodes in each scenario, the same for all methods.
        sizes: other numbers of slots where VMUs come and go, for methods that play any number
            without being trained anew.
        out: folder of the results.
        workers: runs at the same time; as many as there are cores by default.
        engine: local processes, or a Ray cluster (needs the extra `ray`), whose nodes must find the
            module of your own method.
    """
    for name in scenarios:
        _checks.choice("--scenarios", name, SCENARIOS)
    for name in methods:
        _checks.choice("--methods", name, REGISTRY)
    _checks.integer("--seeds", seeds, at_least=1)
    _checks.integer("--episodes", episodes, at_least=1)
    for K in sizes:
        _checks.integer("--sizes", K, at_least=1)
    entries = [REGISTRY[name] for name in methods]
    if method is not None:
        entries.append(_own(method, track))
    episodes = min(episodes, QUICK_EPISODES) if quick else episodes
    few = min(episodes, OTHER_SIZES_EPISODES)
    out = out.absolute()
    console = Console()
    run = Runner(out, workers or os.cpu_count() or 1, engine, console)
    tasks = [Task(name) for name in scenarios]
    able = [(task, entry) for task in tasks for entry in entries if _able(entry, task, console)]
    trained = [(task, entry) for task, entry in able if entry.trainer is not None]
    if train and not quick:
        run("trainings", [TrainingRun(e, t, seed) for seed in range(seeds) for t, e in trained])
    plan = []
    for task, entry in able:
        found = _policies(entry, task, seeds, quick, out)
        if not found:
            why = "none comes along" if quick else "it was not trained"
            console.print(f"{entry.name} is left out of {task.name}: no policy, {why}")
        for of_size in (task, *_other_sizes(task, sizes)):
            count = few if of_size.arguments else episodes
            plan += [
                Evaluation(entry, of_size, seed, count, policy)
                for seed, policy in found.items()
                if of_size == task or _any_size(policy)
            ]
    run("evaluations", plan)
    tables.write(
        out,
        [evaluation for evaluation in plan if evaluation.file(out).exists()],
        {
            "test episodes a scenario": episodes,
            "test episodes of crowds of other sizes": few,
            "training seeds": 1 if quick else seeds,
        },
    )
    plots.draw(out)
    console.print(f"leaderboard.md, CSV files and figures are in {out}/")
    run.report()


def _own(method: str, track: Knows) -> Entry:
    if ":" not in method:
        raise ValueError(f"--method must be module:factory, got {method!r}")
    return resolve(method, track)


def _able(entry: Entry, task: Task, console: Console) -> bool:
    """Whether a method can be played on a task; says why not."""
    reason = entry.obstacle(task)
    if reason is not None:
        console.print(f"{entry.name} is left out of {task.name}: {reason}", soft_wrap=True)
    return reason is None


def _other_sizes(task: Task, sizes: Sequence[int]) -> list[Task]:
    """The same with other numbers of slots, where VMUs come and go."""
    settings = task.settings()
    others = [K for K in sizes if K != settings.market.K]
    return [Task(task.scenario, {"K": K}) for K in others] if settings.masked else []


def _policies(
    entry: Entry, task: Task, seeds: int, quick: bool, out: Path
) -> Mapping[int, Path | None]:
    """Files of policies trained on a task, by seed; None for what nobody trains."""
    if entry.trainer is None:
        return {0: None}
    if quick:
        file = policies.shipped(entry.name, task.scenario_name)
        return {} if file is None else {0: file}
    files = {seed: TrainingRun(entry, task, seed).file(out) for seed in range(seeds)}
    return {seed: file for seed, file in files.items() if file.exists()}


def _any_size(policy: Path | None) -> bool:
    return policy is None or policies.load(policy).any_K
