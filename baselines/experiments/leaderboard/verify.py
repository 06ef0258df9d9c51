"""`python -m baselines verify leaderboard.csv`: play rows again, and say whether they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from aigc_market import _checks
from aigc_market._files import read_table
from aigc_market.scenarios import SCENARIOS
from baselines.arena import policies
from baselines.arena.registry import Entry, resolve
from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.arena.training import Training
from baselines.experiments.leaderboard import costs, tables
from baselines.experiments.leaderboard.draw import draws
from baselines.experiments.leaderboard.evaluation import WINDOWS, Evaluation
from baselines.experiments.leaderboard.result import Result
from baselines.runs.runner import Runner, in_parallel

MEASURED = ("share", "low", "high", "market_share", "market_low", "market_high", "earned")
"""What of a row must come out again; where a row lacks one of these, it claims nothing of it."""


def verify(
    table: tyro.conf.Positional[Path],
    rows: tuple[str, ...] = (),
    trained: Path | None = None,
    retrain: bool = False,
    tolerance: float = 1e-6,
    workers: int | None = None,
) -> None:
    """Play rows of a leaderboard again, and say of each whether it holds.

    A row holds if its shares, their intervals and what was earned come out within the tolerance, as
    they do on the machine that made it; other processors round otherwise, and need a larger one.
    Where the code, the policy or the parameters are not those of the row, by its digest, that is
    said. The exit status is 1 if a row does not hold, or could not be played.

    Args:
        table: leaderboard.csv, or seeds.csv, which has each training apart; the module of a method
            of one's own must be in the current folder, or installed.
        rows: those to be played, as SCENARIO/METHOD; all by default.
        trained: folder in which `leaderboard` trained: that of the table by default. Policies that
            are not there are looked for among those that come along.
        retrain: train what is in neither, into that folder; what it takes is printed first.
        tolerance: of shares.
        workers: runs at the same time; as many as there are cores by default.
    """
    _checks.number("--tolerance", tolerance, at_least=0)
    claims = _read(table)
    names = list(dict.fromkeys(claim.name for claim in claims))
    for row in rows:
        _checks.choice("--rows", row, names)
    claims = [claim for claim in claims if not rows or claim.name in rows]
    run = Runner(table.absolute().parent if trained is None else trained, workers)
    plans = [_planned(claim, run.out) for claim in claims]
    if missing := [t for plan in plans for t in plan.missing] if retrain else []:
        run.console.print(costs.plan(missing, [], run), soft_wrap=True)
        run("trainings", missing)
        plans = [_planned(claim, run.out) for claim in claims]
    calls = [(e,) for plan in plans if not plan.obstacle for e in plan.evaluations]
    played = dict(in_parallel(_replay, list(dict.fromkeys(calls)), run.workers))
    failed = []
    for claim, plan in zip(claims, plans, strict=True):
        note = ""
        if plan.obstacle:
            wrong = [f"not played: {plan.obstacle}"]
        else:
            arrays = [played[e] for e in plan.evaluations]
            result = Result(plan.evaluations, arrays, int(claim.first["seeds_asked"]))
            wrong = list(_wrong(claim, result, tolerance))
            if result.digest != claim.first["digest"]:
                note = " (its digest is of other code, parameters or policies)"
        said = f"does not hold: {'; '.join(wrong)}" if wrong else "holds"
        run.console.print(f"{claim}: {said}{note}", soft_wrap=True, highlight=False, markup=False)
        failed += [str(claim)] * bool(wrong)
    if failed:
        raise SystemExit(f"error: {len(failed)} of {len(claims)} do not hold: {', '.join(failed)}")


@dataclass(frozen=True)
class _Claim:
    """What a table says of one method in one task: rows of its windows, of the same seeds."""

    rows: list[dict[str, Any]]
    seeds: tuple[int, ...]
    episodes: int
    first_seed: int
    measured: dict[str, dict[str, float]]
    """By window."""

    @classmethod
    def of(cls, rows: list[dict[str, Any]]) -> _Claim:
        seeds = tuple(map(int, rows[0]["seeds"].split()))
        episodes, first_seed = int(rows[0]["episodes"]), int(rows[0]["first_seed"])
        if not seeds or episodes < 1:
            raise ValueError(f"seeds and episodes must be some, got {seeds} and {episodes}")
        measured = {r["window"]: {n: float(r[n]) for n in MEASURED if r[n] != ""} for r in rows}
        return cls(rows, seeds, episodes, first_seed, measured)

    @property
    def first(self) -> dict[str, Any]:
        return self.rows[0]

    @property
    def name(self) -> str:
        return "{scenario}/{method}".format(**self.first)

    def __str__(self) -> str:
        return f"{self.name}, {len(self.seeds)} seed{'s' * (len(self.seeds) > 1)}"


def _read(table: Path) -> list[_Claim]:
    """What a table claims.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no leaderboard.csv.
    """
    groups: dict[tuple[str | None, ...], list[dict[str, Any]]] = {}
    columns, rows = read_table(table)
    if tuple(columns) != tables.COLUMNS:
        raise ValueError(
            f"table must have the columns {', '.join(tables.COLUMNS)}, "
            f"got {', '.join(columns)} in {str(table)!r}"
        )
    for _, row in rows:
        groups.setdefault((row["scenario"], row["method"], row["seeds"]), []).append(row)
    try:
        return [_Claim.of(group) for group in groups.values()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"table must be a leaderboard.csv, got {str(table)!r}: {error}") from error


@dataclass(frozen=True)
class _Plan:
    """The evaluations of a claim, what must be trained before, and why it cannot be played."""

    evaluations: list[Evaluation]
    missing: list[Training]
    obstacle: str


def _planned(claim: _Claim, folder: Path) -> _Plan:
    try:
        entry = resolve(claim.first["method"], claim.first["knows"])
        home, task = _tasks(claim.first["scenario"])
        _check(claim, entry)
    except ValueError as error:
        return _Plan([], [], str(error))
    kept = policies.shipped(entry.name, home.scenario_name)
    evaluations, missing = [], []
    for seed in claim.seeds:
        policy = None
        if entry.factory is None:
            training = Training(entry, home, seed)
            policy = training.file(folder)
            if not policy.exists():
                policy = kept.get(seed, policy)
            if not policy.exists():
                missing.append(training)
        given = entry, task, seed, claim.episodes, claim.first_seed
        evaluations.append(Evaluation(*given, policy))
    return _Plan(evaluations, missing, _told_missing(missing))


def _check(claim: _Claim, entry: Entry) -> None:
    known = [demonstration_seed(0), *(draw["first_seed"] for draw in draws())]
    if claim.first_seed not in known:
        said = ", ".join(map(str, known))
        raise ValueError(f"first_seed must be one of {said}, got {claim.first_seed}")
    if entry.knows != claim.first["knows"]:
        raise ValueError(f"{entry.name} knows {entry.knows}, got {claim.first['knows']}")
    for window in claim.measured:
        _checks.choice("window", window, WINDOWS)


def _told_missing(missing: Sequence[Training]) -> str:
    if not missing:
        return ""
    each = costs.training_seconds(missing[0].task.name, missing[0].entry.name)
    cost = "unknown time" if each is None else f"{len(missing) * each:,.0f} s"
    return (
        f"policies of seeds {' '.join(str(t.seed) for t in missing)} are neither in the folder of "
        f"trainings nor among those kept; --retrain trains them, in {cost} of one core"
    )


def _tasks(name: str) -> tuple[Task, Task]:
    """What a method was made for, and what it plays: a preset, maybe of another size."""
    found = re.fullmatch(r"(\w+?)(?:-K(\d+))?", name)
    scenario = _checks.choice("scenario", found[1] if found else name, SCENARIOS)
    home = Task(scenario)
    return home, Task(scenario, {"K": int(found[2])}) if found and found[2] else home


def _replay(evaluation: Evaluation) -> tuple[Evaluation, dict[str, Any]]:
    return evaluation, evaluation.play()


def _wrong(claim: _Claim, result: Result, tolerance: float) -> Iterator[str]:
    for row in tables.rows(result):
        for name, value in claim.measured.get(row["window"], {}).items():
            played = float(row[name])
            if not np.isclose(value, played, rtol=0.0, atol=tolerance):
                yield f"{name} in rounds {row['window']} is {value:.6f}, played again {played:.6f}"
