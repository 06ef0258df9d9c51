"""`python -m baselines verify leaderboard.csv`: play rows again, and say whether they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console

from aigc_market import _checks
from aigc_market._files import read_table
from aigc_market.scenarios import SCENARIOS
from baselines.arena import policies
from baselines.arena.registry import resolve
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
    plans = [_plan(claim, run.out) for claim in claims]
    missing = [t for plan in plans if not isinstance(plan, str) for t in plan.missing]
    if missing and retrain:
        run.console.print(costs.plan(missing, [], run), soft_wrap=True)
        run("trainings", missing)
        plans = [_plan(claim, run.out) for claim in claims]
    plans = [_without_missing(plan) for plan in plans]
    calls = [(i, e) for i, plan in enumerate(plans) if not isinstance(plan, str) for e in plan]
    played: dict[int, list[tuple[Evaluation, Any]]] = {}
    for i, evaluation, arrays in in_parallel(_replay, calls, run.workers):
        played.setdefault(i, []).append((evaluation, arrays))
    failed = []
    for i, (claim, plan) in enumerate(zip(claims, plans, strict=True)):
        if isinstance(plan, str):
            wrong, note = [f"not played: {plan}"], ""
        else:
            in_order = sorted(played[i], key=lambda pair: claim.seeds.index(pair[0].seed))
            result = Result([e for e, _ in in_order], [a for _, a in in_order], claim.asked)
            wrong = list(_wrong(claim, result, tolerance))
            same = result.digest == claim.digest
            note = "" if same else " (its digest is of other code, parameters or policies)"
        _tell(run.console, claim, wrong, note)
        failed += [str(claim)] * bool(wrong)
    if failed:
        raise SystemExit(f"error: {len(failed)} of {len(claims)} do not hold: {', '.join(failed)}")


def _tell(console: Console, claim: _Claim, wrong: Sequence[str], note: str) -> None:
    said = f"does not hold: {'; '.join(wrong)}" if wrong else "holds"
    console.print(f"{claim}: {said}{note}", soft_wrap=True, highlight=False)


@dataclass(frozen=True)
class _Claim:
    """What a table says of one method in one task."""

    scenario: str
    method: str
    knows: Any
    seeds: tuple[int, ...]
    asked: int
    episodes: int
    first_seed: int
    digest: str
    measured: dict[str, dict[str, float]]
    """By window."""

    @property
    def name(self) -> str:
        return f"{self.scenario}/{self.method}"

    def __str__(self) -> str:
        return f"{self.name}, {len(self.seeds)} seed{'s' * (len(self.seeds) > 1)}"


@dataclass(frozen=True)
class _Plan:
    """What is to be played for a claim, and what must be trained before."""

    evaluations: list[Evaluation]
    missing: list[Training]


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
        return [_claim(group) for group in groups.values()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"table must be a leaderboard.csv, got {str(table)!r}: {error}") from error


def _claim(rows: Sequence[dict[str, Any]]) -> _Claim:
    first = rows[0]
    seeds, episodes = tuple(map(int, first["seeds"].split())), int(first["episodes"])
    if not seeds or episodes < 1:
        raise ValueError(f"seeds and episodes must be some, got {seeds} and {episodes}")
    return _Claim(
        first["scenario"],
        first["method"],
        first["knows"],
        seeds,
        int(first["seeds_asked"]),
        episodes,
        int(first["first_seed"]),
        first["digest"],
        {row["window"]: {n: float(row[n]) for n in MEASURED if row[n] != ""} for row in rows},
    )


def _plan(claim: _Claim, folder: Path) -> _Plan | str:
    """The evaluations that a claim is about; or why they cannot be played."""
    try:
        entry = resolve(claim.method, claim.knows)
        home, task = _tasks(claim.scenario)
    except ValueError as error:
        return str(error)
    known = [demonstration_seed(0), *(draw["first_seed"] for draw in draws())]
    if claim.first_seed not in known:
        return f"first_seed must be one of {', '.join(map(str, known))}, got {claim.first_seed}"
    if entry.knows != claim.knows:
        return f"{claim.method} knows {entry.knows}, got {claim.knows}"
    if unknown := set(claim.measured) - set(WINDOWS):
        return f"window must be one of {', '.join(WINDOWS)}, got {', '.join(unknown)}"
    kept = {} if entry.factory is not None else policies.shipped(entry.name, home.scenario_name)
    plan = _Plan([], [])
    for seed in claim.seeds:
        policy = None
        if entry.factory is None:
            training = Training(entry, home, seed)
            policy = training.file(folder)
            if not policy.exists():
                policy = kept.get(seed, policy)
            if not policy.exists():
                plan.missing.append(training)
        one = Evaluation(entry, task, seed, claim.episodes, claim.first_seed, policy)
        plan.evaluations.append(one)
    return plan


def _without_missing(plan: _Plan | str) -> list[Evaluation] | str:
    """What can be played; or which policies there are not, and the seconds that they cost."""
    if isinstance(plan, str) or not plan.missing:
        return plan if isinstance(plan, str) else plan.evaluations
    first = plan.missing[0]
    each = costs.training_seconds(first.task.name, first.entry.name)
    cost = "unknown time" if each is None else f"{len(plan.missing) * each:,.0f} s"
    return (
        f"policies of seeds {' '.join(str(t.seed) for t in plan.missing)} are neither in the "
        f"folder of trainings nor among those kept; --retrain trains them, in {cost} of one core"
    )


def _tasks(name: str) -> tuple[Task, Task]:
    """What a method was made for, and what it plays: a preset, maybe of another size."""
    found = re.fullmatch(r"(\w+?)(?:-K(\d+))?", name)
    scenario = _checks.choice("scenario", found[1] if found else name, SCENARIOS)
    home = Task(scenario)
    return home, Task(scenario, {"K": int(found[2])}) if found and found[2] else home


def _replay(index: int, evaluation: Evaluation) -> tuple[int, Evaluation, dict[str, Any]]:
    return index, evaluation, evaluation.play()


def _wrong(claim: _Claim, result: Result, tolerance: float) -> Iterator[str]:
    for row in tables.rows(result):
        claimed = claim.measured.get(row["window"], {})
        for name, value in claimed.items():
            played = float(row[name])
            if not np.isclose(value, played, rtol=0.0, atol=tolerance):
                yield f"{name} in rounds {row['window']} is {value:.6f}, played again {played:.6f}"
