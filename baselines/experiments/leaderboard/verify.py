"""`python -m baselines verify leaderboard.csv`: play rows again, and say whether they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import tyro
from rich.console import Console

from aigc_market import _checks
from aigc_market._files import read_table
from aigc_market.scenarios import SCENARIOS
from baselines.arena import policies
from baselines.arena.registry import Entry, resolve
from baselines.arena.task import Task
from baselines.experiments.leaderboard import tables
from baselines.experiments.leaderboard.evaluation import WINDOWS, Evaluation, stage_of
from baselines.experiments.leaderboard.standing import Result, Standing
from baselines.experiments.leaderboard.training_run import finished
from baselines.runs.parallel import in_parallel

MEASURED = ("share", "low", "high", "earned")
"""What of a row must come out again."""


def verify(
    table: tyro.conf.Positional[Path],
    rows: tuple[str, ...] = (),
    trained: Path | None = None,
    tolerance: float = 1e-6,
    workers: int | None = None,
) -> None:
    """Play rows of a leaderboard again, and say of each whether it holds.

    A row holds if its share, its interval and what was earned come out within the tolerance, as
    they do on the machine that made it; other processors round otherwise, and need a larger one.
    Where the code, the policy or the parameters are not those of the row, by its digest, that is
    said. The exit status is 1 if a row does not hold, or could not be played.

    Args:
        table: leaderboard.csv, or seeds.csv, which has each training apart; the module of a method
            of one's own must be in the current folder, or installed.
        rows: those to be played, as SCENARIO/METHOD; all by default.
        trained: folder in which `leaderboard` trained: that of the table by default. Policies that
            are not there are looked for among those that come along.
        tolerance: of shares.
        workers: evaluations at the same time; as many as there are cores by default.
    """
    _checks.number("--tolerance", tolerance, at_least=0)
    claims = _read(table)
    names = list(dict.fromkeys(claim.name for claim in claims))
    for row in rows:
        _checks.choice("--rows", row, names)
    claims = [claim for claim in claims if not rows or claim.name in rows]
    folder = table.absolute().parent if trained is None else trained.absolute()
    plans: list[list[Evaluation] | str] = [_plan(claim, folder) for claim in claims]
    calls = [(i, e) for i, plan in enumerate(plans) if not isinstance(plan, str) for e in plan]
    results: dict[int, list[Result]] = {}
    for i, result in in_parallel(_replay, calls, workers or joblib.cpu_count()):
        results.setdefault(i, []).append(result)
    console, failed = Console(), []
    for i, (claim, plan) in enumerate(zip(claims, plans, strict=True)):
        if isinstance(plan, str):
            wrong, note = [f"not played: {plan}"], ""
        else:
            played = sorted(results[i], key=lambda result: result.evaluation.seed)
            standing = Standing(played, claim.asked)
            wrong = list(_wrong(claim, standing, tolerance))
            same = standing.digest == claim.digest
            note = "" if same else " (its digest is of other code, policies or parameters)"
        if wrong:
            failed.append(str(claim))
        said = f"does not hold: {'; '.join(wrong)}" if wrong else "holds"
        console.print(f"{claim}: {said}{note}", soft_wrap=True, highlight=False, markup=False)
    if failed:
        raise SystemExit(f"error: {len(failed)} of {len(claims)} do not hold: {', '.join(failed)}")


@dataclass(frozen=True)
class _Claim:
    """The rows of a method in a task: one for each window."""

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
        {row["window"]: {name: float(row[name]) for name in MEASURED} for row in rows},
    )


def _plan(claim: _Claim, folder: Path) -> list[Evaluation] | str:
    """The evaluations that a claim is about; or why they cannot be played."""
    try:
        entry = resolve(claim.method, claim.knows)
        home, task = _tasks(claim.scenario)
        stage = stage_of(claim.first_seed)
    except ValueError as error:
        return str(error)
    if entry.knows != claim.knows:
        return f"{claim.method} knows {entry.knows}, got {claim.knows}"
    if unknown := set(claim.measured) - set(WINDOWS):
        return f"window must be one of {', '.join(WINDOWS)}, got {', '.join(unknown)}"
    plan = []
    for seed in claim.seeds:
        policy = _policy(entry, home, seed, folder)
        if policy is None and entry.trainer is not None:
            return f"the policy of seed {seed} is neither in {folder} nor among those kept"
        plan.append(Evaluation(entry, task, seed, claim.episodes, policy, stage))
    return plan


def _tasks(name: str) -> tuple[Task, Task]:
    """What a method was made for, and what it plays: a preset, maybe of another size."""
    found = re.fullmatch(r"(\w+?)(?:-K(\d+))?", name)
    scenario = _checks.choice("scenario", found[1] if found else name, SCENARIOS)
    home = Task(scenario)
    return home, Task(scenario, {"K": int(found[2])}) if found and found[2] else home


def _policy(entry: Entry, task: Task, seed: int, folder: Path) -> Path | None:
    if entry.trainer is None:
        return None
    if found := finished(entry, task, [seed], folder):
        return found[seed]
    kept = policies.shipped(entry.name, task.scenario_name)
    return kept if kept is not None and policies.load(kept).config["seed"] == seed else None


def _replay(index: int, evaluation: Evaluation) -> tuple[int, Result]:
    return index, Result(evaluation, evaluation.play())


def _wrong(claim: _Claim, standing: Standing, tolerance: float) -> Iterator[str]:
    for row in tables.rows(standing):
        claimed = claim.measured.get(row["window"], {})
        for name, value in claimed.items():
            played = float(row[name])
            if not np.isclose(value, played, rtol=0.0, atol=tolerance):
                yield f"{name} in rounds {row['window']} is {value:.6f}, played again {played:.6f}"
