"""`python -m baselines verify leaderboard.csv`: play rows again, and say whether they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro

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
from baselines.experiments.leaderboard.result import Result, grouped
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
    if missing := [t for plan, _ in plans for t in _missing(plan)] if retrain else []:
        run.console.print(costs.plan(missing, [], run), soft_wrap=True)
        run("trainings", missing)
    calls = [(e,) for plan, _ in plans if not _missing(plan) for e in plan]
    played = dict(in_parallel(_replay, list(dict.fromkeys(calls)), run.workers))
    failed = []
    for claim, (plan, obstacle) in zip(claims, plans, strict=True):
        note = ""
        if obstacle := obstacle or _told(_missing(plan)):
            wrong = [f"not played: {obstacle}"]
        else:
            result = Result(plan, [played[e] for e in plan], claim.seeds_asked)
            wrong = list(_wrong(claim, result, tolerance))
            if result.digest != claim.row["digest"]:
                note = " (its digest is of other code, parameters or policies)"
        said = f"does not hold: {'; '.join(wrong)}" if wrong else "holds"
        run.console.print(f"{claim}: {said}{note}", soft_wrap=True, highlight=False, markup=False)
        failed += [str(claim)] * bool(wrong)
    if failed:
        raise SystemExit(f"error: {len(failed)} of {len(claims)} do not hold: {', '.join(failed)}")


class _Claim(NamedTuple):
    """What a table says of one method in one task, under the same seeds."""

    row: dict[str, Any]
    """Of its first window."""
    seeds: list[int]
    seeds_asked: int
    episodes: int
    first_seed: int
    measured: dict[str, dict[str, float]]
    """By window."""

    @property
    def name(self) -> str:
        return "{scenario}/{method}".format(**self.row)

    def __str__(self) -> str:
        return f"{self.name}, {len(self.seeds)} seed{'s' * (len(self.seeds) > 1)}"


def _read(table: Path) -> list[_Claim]:
    """What a table claims.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no leaderboard.csv.
    """
    columns, rows = read_table(table, "a leaderboard.csv, as `leaderboard` writes it")
    if tuple(columns) != tables.COLUMNS:
        raise ValueError(
            f"table must have the columns {', '.join(tables.COLUMNS)}, "
            f"got {', '.join(columns)} in {str(table)!r}"
        )
    found = [row for _, row in rows]
    if not found:
        raise ValueError(f"table must have rows, got none in {str(table)!r}")
    groups = grouped(lambda row: (row["scenario"], row["method"], row["seeds"]), found)
    try:
        return [_claim(group) for group in groups.values()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"table must be a leaderboard.csv, got {str(table)!r}: {error}") from error


def _claim(rows: list[dict[str, Any]]) -> _Claim:
    seeds = [int(seed) for seed in rows[0]["seeds"].split()]
    asked, episodes, first = (int(rows[0][n]) for n in ("seeds_asked", "episodes", "first_seed"))
    if not seeds or min(seeds) < 0 or episodes < 1:
        raise ValueError(f"seeds and episodes must be some, got {seeds} and {episodes}")
    measured = {r["window"]: {n: float(r[n]) for n in MEASURED if r[n] != ""} for r in rows}
    return _Claim(rows[0], seeds, asked, episodes, first, measured)


def _planned(claim: _Claim, folder: Path) -> tuple[list[Evaluation], str]:
    """The evaluations of a claim, and why it cannot be played whatever is trained."""
    try:
        entry = resolve(claim.row["method"], claim.row["knows"])
        task = _task(claim.row["scenario"])
        known = [demonstration_seed(0), *(draw["first_seed"] for draw in draws())]
        if claim.first_seed not in known:
            said = ", ".join(map(str, known))
            raise ValueError(f"first_seed must be one of {said}, got {claim.first_seed}")
        if entry.knows != claim.row["knows"]:
            raise ValueError(f"{entry.name} knows {entry.knows}, got {claim.row['knows']}")
        for window in claim.measured:
            _checks.choice("window", window, WINDOWS)
    except ValueError as error:
        return [], str(error)
    files: dict[int, Path] = {}
    if entry.factory is None:
        kept = policies.shipped(entry.name, task.scenario_name)
        for seed in claim.seeds:
            trained = Training(entry, Task(task.scenario), seed).file(folder)
            files[seed] = trained if trained.exists() else kept.get(seed, trained)
    return [
        Evaluation(entry, task, seed, claim.episodes, claim.first_seed, files.get(seed))
        for seed in claim.seeds
    ], ""


def _missing(plan: Sequence[Evaluation]) -> list[Training]:
    """What must be trained before; in the size of the preset, whatever is played."""
    left = [e for e in plan if e.policy is not None and not e.policy.exists()]
    return [Training(e.entry, Task(e.task.scenario), e.seed) for e in left]


def _told(missing: Sequence[Training]) -> str:
    if not missing:
        return ""
    each = costs.training_seconds(missing[0].task.name, missing[0].entry.name)
    cost = "unknown time" if each is None else f"{len(missing) * each:,.0f} s"
    return (
        f"policies of seeds {' '.join(str(t.seed) for t in missing)} are neither in the folder of "
        f"trainings nor among those kept; --retrain trains them, in {cost} of one core"
    )


def _task(name: str) -> Task:
    """A preset, maybe of another size."""
    found = re.fullmatch(r"(\w+?)(?:-K(\d+))?", name)
    scenario = _checks.choice("scenario", found[1] if found else name, SCENARIOS)
    return Task(scenario, {"K": int(found[2])} if found and found[2] else {})


def _replay(evaluation: Evaluation) -> tuple[Evaluation, dict[str, Any]]:
    return evaluation, evaluation.play()


def _wrong(claim: _Claim, result: Result, tolerance: float) -> Iterator[str]:
    for row in tables.rows(result):
        for name, value in claim.measured.get(row["window"], {}).items():
            played = float(row[name])
            if not np.isclose(value, played, rtol=0.0, atol=tolerance):
                yield f"{name} in rounds {row['window']} is {value:.6f}, played again {played:.6f}"
