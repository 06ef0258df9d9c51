"""`python -m baselines leaderboard`: train, play, and write the tables and the figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from aigc_market import _checks
from aigc_market.scenarios import SCENARIOS
from baselines.arena import policies
from baselines.arena.registry import REGISTRY, Entry, Knows, resolve
from baselines.arena.seeds import demonstration_seed, outside_seed
from baselines.arena.task import Task
from baselines.arena.training import Training, trained
from baselines.experiments.leaderboard import costs, tables
from baselines.experiments.leaderboard.changes import HOMES, changes
from baselines.experiments.leaderboard.draw import draws, look, looked_at
from baselines.experiments.leaderboard.evaluation import Evaluation
from baselines.experiments.leaderboard.result import Result, grouped
from baselines.runs.runner import Engine, Runner

DEFAULT_METHODS = tuple(
    name for name, e in REGISTRY.items() if (e.factory or e.trainer) and name != "equilibrium"
)
"""All of one provider's market but the oracle, by whose utility they are measured."""
QUICK_EPISODES = 200
OTHER_SIZES_EPISODES = 200
"""Episodes of crowds of other sizes: large ones take long."""
OUTSIDE_EPISODES = 500
"""In each changed market, of which there are six or seven."""


def leaderboard(
    scenarios: tuple[str, ...] = tuple(SCENARIOS),
    methods: tuple[str, ...] | None = None,
    method: str | None = None,
    track: Knows = "nothing",
    outside: bool = False,
    seeds: int = 5,
    quick: bool = False,
    looked_at_before: bool = False,
    train: bool = True,
    train_only: bool = False,
    plan: bool = False,
    episodes: int = 2000,
    sizes: tuple[int, ...] = (4, 40, 100),
    out: Path = Path("results/leaderboard"),
    workers: int | None = None,
    engine: Engine = "local",
) -> None:
    """Play every method in every scenario, and write leaderboard.csv, leaderboard.md and a figure.

    Before it starts it prints what it is going to do, and in how many seconds. What is trained or
    played is kept; a run that was cut short goes on where it stopped. Trainings go seed by seed,
    the first of every method in every scenario before the second of any. A method that cannot be
    tuned, trained or made for a scenario is left out there. Where a training or an evaluation
    fails, the others go on; the errors are in errors.txt, and the exit status is 1.

    To enter a method of your own, `--method package.module:factory --track form` plays it alone,
    and writes its rows of leaderboard.csv, with a digest of all that they depend on; `python -m
    baselines verify leaderboard.csv` plays rows again and says whether they hold.

    Args:
        scenarios: presets.
        methods: of the registry; by default all but the oracle, or none where `--method` is given.
        method: one of your own, `module:factory`: a callable (task, num_envs, seed) that gives a
            Method. It is played under each seed.
        track: what your own is told of the markets.
        outside: play `hidden` and `drift` besides with other noise, δ, drift and followers than the
            methods were trained or tuned for, on episodes of their own: outside.csv.
        seeds: trainings of each learned method in each scenario.
        quick: no training: the policies that come with the package and the untrained methods, on
            200 episodes that are not the test's, and may be looked at as often as one likes.
        looked_at_before: play the test episodes of earlier tables, which were looked at while
            methods were made, in place of those that were drawn last; what is measured is no test.
        train: whether to train what has not been trained; otherwise the policies that come along
            are played, and what has none is left out.
        train_only: train, and play nothing: test episodes are for when all is chosen.
        plan: print the plan and its cost, and do nothing.
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
    entries = _entries(methods, method, track)
    _checks.integer("--seeds", seeds, at_least=1)
    _checks.integer("--episodes", episodes, at_least=1)
    for K in sizes:
        _checks.integer("--sizes", K, at_least=1)
    if train_only and (quick or not train):
        raise ValueError("--train-only must be without --quick and --no-train, which train nothing")
    run = Runner(out, workers, engine)
    out, console = run.out, run.console
    work = _Work(
        [(t, e) for t in map(Task, scenarios) for e in entries if _able(e, t, console)],
        seeds=seeds,
        episodes=min(episodes, QUICK_EPISODES) if quick else episodes,
        sizes=sizes,
        outside=outside,
        best=quick,
        first_seed=_first_seed(quick, looked_at_before),
        out=out,
    )
    trainings = work.trainings() if train and not quick else []
    planned = [] if train_only else work.evaluations(trainings)
    if not (trainings or planned):
        raise ValueError("--scenarios and --methods must leave something to be trained or played")
    console.print(costs.plan(trainings, planned, run), soft_wrap=True)
    if plan:
        return
    tests = not (train_only or quick or looked_at_before)
    if tests:
        look(write=False)  # refused now, and not after hours of training
    if trainings:
        run("trainings", trainings)
    if train_only:
        console.print(f"the policies are in {out}/trained/", soft_wrap=True)
        run.report()
        return
    if tests:
        look()
    for task, entry in work.able:
        if not work.policies(entry, task):
            console.print(f"{entry.name} is left out of {task.name}: there is no policy of it")
    results = work.results(run("evaluations", work.evaluations()))
    if not results:
        run.report()
    made_by = {
        "first seed of the episodes": work.first_seed,
        "episodes a scenario": work.episodes,
        "episodes of crowds of other sizes": min(work.episodes, OTHER_SIZES_EPISODES),
        "training seeds": 1 if quick else seeds,
    }
    tables.write_leaderboard(out, [r for r in results if not r.change], made_by)
    tables.write_outside(out, [r for r in results if r.change])
    console.print(f"leaderboard.md, CSV files and figures are in {out}/", soft_wrap=True)
    run.report()


@dataclass(frozen=True)
class _Work:
    """What is trained and played."""

    able: list[tuple[Task, Entry]]
    """Tasks, and methods that can be trained or made for them; methods in their order."""
    seeds: int
    episodes: int
    sizes: Sequence[int]
    outside: bool
    best: bool
    """Whether the best of the policies that come along are played, and none trained here."""
    first_seed: int
    out: Path

    def trainings(self) -> list[Training]:
        """Seed by seed; then method by method, for two that fit one filter would both fit it."""
        methods = dict.fromkeys(entry for _, entry in self.able if entry.factory is None)
        pairs = [(t, entry) for entry in methods for t, able in self.able if able == entry]
        return [Training(e, t, seed) for seed in range(self.seeds) for t, e in pairs]

    def policies(
        self, entry: Entry, task: Task, planned: Sequence[Training] = ()
    ) -> Mapping[int, Path | None]:
        """Files of policies for a task, by seed: those trained here, else those that come along.

        With those that are planned to be trained.
        """
        if entry.factory is not None:
            return dict.fromkeys(range(self.asked(entry)))
        here = {t.seed: t.file(self.out) for t in planned if (t.entry, t.task) == (entry, task)}
        here |= {} if self.best else trained(entry, task, range(self.seeds), self.out)
        return here or policies.shipped(entry.name, task.scenario_name, self.best)

    def asked(self, entry: Entry) -> int:
        """How many seeds a method is to have."""
        if entry.factory is not None:
            return self.seeds if entry.is_own else 1
        return 1 if self.best else self.seeds

    def evaluations(self, planned: Sequence[Training] = ()) -> list[Evaluation]:
        """All that is played."""
        made: list[Evaluation] = []
        for task, entry in self.able:
            for seed, policy in self.policies(entry, task, planned).items():
                one = Evaluation(entry, task, seed, self.episodes, self.first_seed, policy)
                made += [one, *self._other_sizes(one), *(_outside(one) if self.outside else ())]
        return made

    def _other_sizes(self, played: Evaluation) -> Iterator[Evaluation]:
        """The same with other numbers of slots, where VMUs come and go."""
        settings, policy = played.task.settings(), played.policy
        any_size = policy is None or (policy.exists() and policies.load(policy).any_K)
        if not (settings.masked and any_size):
            return
        episodes = min(played.episodes, OTHER_SIZES_EPISODES)
        for K in self.sizes:
            if K != settings.market.K:
                task = Task(played.task.scenario, {"K": K})
                yield dataclasses.replace(played, task=task, episodes=episodes)

    def results(self, done: Sequence[Evaluation]) -> list[Result]:
        """Of each method in each task, or change of it, over its seeds."""
        groups = grouped(lambda e: (e.task.name, e.change, e.entry.name), done)
        return [Result.read(g, self.out, self.asked(g[0].entry)) for g in groups.values()]


def _outside(played: Evaluation) -> Iterator[Evaluation]:
    """The same in changed markets."""
    if played.task.name in HOMES:
        episodes = min(played.episodes, OUTSIDE_EPISODES)
        given = {"episodes": episodes, "first_seed": outside_seed(0)}
        for change in changes(played.task.name):
            yield dataclasses.replace(played, change=change, **given)


def _entries(methods: tuple[str, ...] | None, method: str | None, track: Knows) -> list[Entry]:
    if methods is None:
        methods = () if method is not None else DEFAULT_METHODS
    for name in methods:
        _checks.choice("--methods", name, REGISTRY)
    entries = [REGISTRY[name] for name in dict.fromkeys(methods)]
    if method is None:
        return entries
    if ":" not in method:
        raise ValueError(f"--method must be module:factory, got {method!r}")
    return [*entries, resolve(method, track)]


def _able(entry: Entry, task: Task, console: Console) -> bool:
    """Whether a method can be played on a task; says why not."""
    reason = entry.obstacle(task)
    if reason is not None:
        console.print(f"{entry.name} is left out of {task.name}: {reason}", soft_wrap=True)
    return reason is None


def _first_seed(quick: bool, looked_at_before: bool) -> int:
    if quick:
        return demonstration_seed(0)
    return looked_at() if looked_at_before else draws()[-1]["first_seed"]
