"""`python -m baselines leaderboard`: train, play, and write the tables and figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import joblib
from rich.console import Console

from aigc_market import _checks
from aigc_market.scenarios import SCENARIOS
from baselines.arena import policies
from baselines.arena.registry import REGISTRY, Entry, Knows, resolve
from baselines.arena.task import Task
from baselines.experiments.leaderboard import attribution, outside_table, plots, tables
from baselines.experiments.leaderboard.evaluation import Evaluation, Stage
from baselines.experiments.leaderboard.standing import Result, Standing
from baselines.experiments.leaderboard.training_run import TrainingRun, finished
from baselines.experiments.leaderboard.worlds import HOMES, worlds
from baselines.runs.parallel import Engine
from baselines.runs.work import Runner

DEFAULT_SCENARIOS = ("paper", "hidden", "drift", "shift", "crowd", "capacity", "live")
ABLATIONS = tuple(name for name, entry in REGISTRY.items() if entry.ablation_of is not None)
DEFAULT_METHODS = tuple(n for n in REGISTRY if n not in ABLATIONS and n != "equilibrium")
"""All but the ablations, and the oracle, by whose utility they are measured."""
QUICK_EPISODES = 200
OTHER_SIZES_EPISODES = 200
"""Test episodes of crowds of other sizes: large ones take long."""
OUTSIDE_EPISODES = 500
"""In each changed market, of which there are six or seven."""


def leaderboard(
    scenarios: tuple[str, ...] = DEFAULT_SCENARIOS,
    methods: tuple[str, ...] | None = None,
    method: str | None = None,
    track: Knows = "nothing",
    ablations: bool = False,
    outside: bool = False,
    seeds: int = 5,
    quick: bool = False,
    train: bool = True,
    train_only: bool = False,
    episodes: int = 2000,
    sizes: tuple[int, ...] = (4, 40, 100),
    out: Path = Path("results/leaderboard"),
    workers: int | None = None,
    engine: Engine = "local",
) -> None:
    """Play every method in every scenario, and write leaderboard.csv, leaderboard.md and figures.

    What is trained or played is kept; a run that was cut short goes on where it stopped. Trainings
    go seed by seed, the first of every method in every scenario before the second of any; methods
    and scenarios in the order in which they are named, ablations last. A method
    that cannot be tuned, trained or made for a scenario is left out there. Where a training or an
    evaluation fails, the others go on; the errors are in errors.txt, and the exit status is 1.

    To enter a method of your own, `--method package.module:factory --track form` plays it alone,
    and writes its rows of leaderboard.csv, with a digest of all that they depend on; `python -m
    baselines verify leaderboard.csv` plays rows again and says whether they hold.

    Args:
        scenarios: presets.
        methods: of the registry; by default all but the oracle and the ablations, or none where
            `--method` is given.
        method: one of your own, `module:factory`: a callable (task, num_envs, seed) that gives a
            Method. It is played under each seed.
        track: what your own knows of the markets.
        ablations: the methods without some part too, and attribution.md: what each part earns.
        outside: play `hidden` and `drift` besides with other noise, δ, drift and followers than the
            methods were trained or tuned for, on episodes of their own: outside.md.
        seeds: trainings of each learned method in each scenario.
        quick: no training: the policies that come with the package and the untrained methods, on
            200 episodes that are not the test's, and may be looked at as often as one likes.
        train: whether to train what has not been trained; otherwise it is left out.
        train_only: train, and play nothing: test episodes are for when all is chosen.
        episodes: test episodes in each scenario, the same for all methods; 500 at most in each of
            the changed markets, 200 in crowds of other sizes.
        sizes: other numbers of slots where VMUs come and go, for methods that play any number
            without being trained anew.
        out: folder of the results.
        workers: runs at the same time; as many as there are cores by default.
        engine: local processes, or a Ray cluster (needs the extra `ray`), whose nodes must find the
            module of your own method.
    """
    for name in scenarios:
        _checks.choice("--scenarios", name, SCENARIOS)
    entries = _entries(methods, method, track, ablations)
    _checks.integer("--seeds", seeds, at_least=1)
    _checks.integer("--episodes", episodes, at_least=1)
    for K in sizes:
        _checks.integer("--sizes", K, at_least=1)
    if train_only and (quick or not train):
        raise ValueError("--train-only must be without --quick and --no-train, which train nothing")
    episodes = min(episodes, QUICK_EPISODES) if quick else episodes
    few = min(episodes, OTHER_SIZES_EPISODES)
    out = out.absolute()
    console = Console()
    run = Runner(out, workers or joblib.cpu_count(), engine, console)
    tasks = [Task(name) for name in scenarios]
    able = [(task, entry) for task in tasks for entry in entries if _able(entry, task, console)]
    trained = [(task, entry) for task, entry in able if entry.trainer is not None]
    if train and not quick:
        # Method by method: two that fit the same filter at the same time would both fit it.
        trained.sort(key=lambda pair: entries.index(pair[1]))
        run("trainings", [TrainingRun(e, t, seed) for seed in range(seeds) for t, e in trained])
    if train_only:
        console.print(f"the policies are in {out}/trained/", soft_wrap=True)
        run.report()
        return
    stage: Stage = "demonstration" if quick else "test"
    plan: list[Evaluation] = []
    for task, entry in able:
        found = _policies(entry, task, seeds, quick, out)
        if not found:
            why = "none comes along" if quick else "it was not trained"
            console.print(f"{entry.name} is left out of {task.name}: no policy, {why}")
        for seed, policy in found.items():
            played = Evaluation(entry, task, seed, episodes, policy, stage)
            plan.append(played)
            if entry.ablation_of is None:  # what a part earns is asked in the presets alone
                plan += _other_sizes(played, sizes, few)
                plan += _outside(played) if outside else []
    run("evaluations", plan)
    done = [evaluation for evaluation in plan if evaluation.file(out).exists()]

    def asked(entry: Entry) -> int:
        if entry.trainer is None:
            return seeds if entry.is_own else 1
        return 1 if quick else seeds

    standings = _standings([e for e in done if e.world is None], asked, out)
    settings = {
        "episodes": stage,
        "episodes a scenario": episodes,
        "episodes of crowds of other sizes": few,
        "training seeds": 1 if quick else seeds,
    }
    tables.write(out, standings, settings)
    attribution.write(out, standings)
    outside_table.write(out, _standings([e for e in done if e.world is not None], asked, out))
    plots.draw(out)
    console.print(f"leaderboard.md, CSV files and figures are in {out}/", soft_wrap=True)
    run.report()


def _entries(
    methods: tuple[str, ...] | None, method: str | None, track: Knows, ablations: bool
) -> list[Entry]:
    if methods is None:
        methods = () if method is not None else DEFAULT_METHODS
    for name in methods:
        _checks.choice("--methods", name, REGISTRY)
    named = dict.fromkeys((*methods, *(ABLATIONS if ablations else ())))
    entries = [REGISTRY[name] for name in named]
    return entries if method is None else [*entries, own(method, track)]


def own(method: str, track: Knows) -> Entry:
    """The entry of a method of one's own.

    Raises:
        ValueError: it is no `module:factory`, or there is none of that name.
    """
    if ":" not in method:
        raise ValueError(f"--method must be module:factory, got {method!r}")
    return resolve(method, track)


def _able(entry: Entry, task: Task, console: Console) -> bool:
    """Whether a method can be played on a task; says why not."""
    reason = entry.obstacle(task)
    if reason is not None:
        console.print(f"{entry.name} is left out of {task.name}: {reason}", soft_wrap=True)
    return reason is None


def _policies(
    entry: Entry, task: Task, seeds: int, quick: bool, out: Path
) -> dict[int, Path] | dict[int, None]:
    """Files of policies trained on a task, by seed; None for what nobody trains."""
    if entry.trainer is None:
        return dict.fromkeys(range(seeds if entry.is_own else 1))
    if not quick:
        return finished(entry, task, range(seeds), out)
    file = policies.shipped(entry.name, task.scenario_name)
    return {} if file is None else {policies.load(file).config["seed"]: file}


def _other_sizes(played: Evaluation, sizes: Sequence[int], episodes: int) -> Iterator[Evaluation]:
    """The same with other numbers of slots, where VMUs come and go."""
    settings, policy = played.task.settings(), played.policy
    if not settings.masked or not (policy is None or policies.load(policy).any_K):
        return
    for K in sizes:
        if K != settings.market.K:
            task = Task(played.task.scenario, {"K": K})
            yield dataclasses.replace(played, task=task, episodes=episodes)


def _outside(played: Evaluation) -> Iterator[Evaluation]:
    """The same in changed markets."""
    if played.task.name in HOMES:
        for world in worlds(played.task.name):
            episodes = min(played.episodes, OUTSIDE_EPISODES)
            yield dataclasses.replace(played, episodes=episodes, stage="outside", world=world)


def _standings(
    evaluations: Sequence[Evaluation], asked: Callable[[Entry], int], out: Path
) -> list[Standing]:
    """Of each method in each task or world, over its seeds, of which so many were asked for."""
    groups: dict[tuple[str, ...], list[Evaluation]] = {}
    for evaluation in evaluations:
        change = "" if evaluation.world is None else evaluation.world.change
        key = evaluation.task.name, change, evaluation.entry.name
        groups.setdefault(key, []).append(evaluation)
    return [
        Standing([Result.read(e, out) for e in group], asked(group[0].entry))
        for group in groups.values()
    ]
