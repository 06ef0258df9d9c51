"""The paper's Fig. 2, from training to report."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from aigc_market import _checks
from baselines.arena.task import Task
from baselines.experiments.paper import fig2, report
from baselines.experiments.paper.live import LIVE_COLUMNS
from baselines.experiments.paper.sweep import LEARNERS, METHODS, Run, longest_first, sweep
from baselines.methods.sb3.recipes import recipe
from baselines.runs.files import write_csv
from baselines.runs.parallel import Engine

RUN_COLUMNS = (
    "figure",
    "method",
    "num_vmus",
    "cost",
    "seed",
    "price",
    "utility",
    "equilibrium_price",
    "equilibrium_utility",
    "rounds",
    "seconds",
)
CURVE_COLUMNS = ("method", "seed", "episode", "utility")
_BASE = (2, 1.0)  # K and c of the paper
QUICK_ROUNDS = 8000
LIVE_ROUNDS = 3
"""They cost seconds each: learners play them in the paper's market alone."""


def reproduce(
    quick: bool = False,
    out: Path = Path("results"),
    seeds: int = 3,
    workers: int | None = None,
    engine: Engine = "local",
    ssim: Literal["quadratic", "repaint"] = "quadratic",
) -> None:
    """Train and play every method, and write runs.csv, curves.csv, fig2a–d and report.md.

    A killed sweep goes on where it stopped.

    Args:
        quick: one seed, fewer markets and episodes: a minute instead of several.
        out: folder of the results.
        seeds: runs of each learner in each market.
        workers: runs at the same time; as many as there are cores by default.
        engine: local processes, or a Ray cluster (needs the extra `ray`).
        ssim: the paper's fit, or the scenario `live`: training on the measured table, then a few
            rounds in which the images are really repainted (needs the extra `repaint`).
    """
    _checks.integer("seeds", seeds, at_least=1)
    workers = workers or os.cpu_count() or 1
    seeds = 1 if quick else seeds
    costs = (1.0, 3.0, 5.0) if quick else (1.0, 2.0, 3.0, 4.0, 5.0)
    crowds = (2, 4, 6) if quick else (2, 3, 4, 5, 6)
    markets = sorted({(2, cost) for cost in costs} | {(K, 1.0) for K in crowds})
    scenario = "paper" if ssim == "quadratic" else "live"
    runs = [
        make_run(method, scenario, K, cost, seed, quick)
        for method in METHODS
        for K, cost in markets
        for seed in range(1 if method == "equilibrium" else seeds)  # nothing in it is random
    ]
    console = Console()
    results: dict[Run, dict[str, Any]] = {}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("runs", total=len(runs))
        for run, result in sweep(longest_first(runs), out / "runs", workers, engine):
            results[run] = result
            progress.advance(task)
            share = result["utility"] / result["equilibrium_utility"]
            progress.console.print(
                f"{run.method:<11} K={run.num_vmus} c={run.cost:g} seed={run.seed}: "
                f"{share:7.2%} of the equilibrium's utility, {result['seconds']:.1f} s"
            )
    write_csvs(out, runs, results)
    settings = {
        "markets (K, c)": ", ".join(f"({K}, {cost:g})" for K, cost in markets),
        "seeds": seeds,
        "rounds an episode": runs[0].task.settings().max_cycles,
        **{name: next(run.recipe for run in runs if run.method == name) for name in LEARNERS},
        "SSIM": ssim,
    }
    report.write(out, settings)
    fig2.draw(out)
    console.print(f"Figures and report.md are in {out}/")


def make_run(
    method: str, scenario: str, K: int, cost: float, seed: int, quick: bool = False
) -> Run:
    """A method in one market, by its recipe in use; the quick ones are shorter."""
    task = Task(scenario, {"K": K, "cost": cost})
    how = recipe(method if method in LEARNERS else "ppo", task)
    how = dataclasses.replace(how, rounds=QUICK_ROUNDS) if quick else how
    served = scenario == "live" and method in LEARNERS and (K, cost) == _BASE
    return Run(method, task, seed, how, LIVE_ROUNDS if served else 0)


def write_csvs(out: Path, runs: Iterable[Run], results: dict[Run, dict[str, Any]]) -> None:
    """Write the tables.

    `runs.csv` has one row for each run and figure that shows it, `curves.csv` is Fig. 2(a)'s, and
    `live.csv` has what was served live, if anything was.
    """
    run_rows, curve_rows, live_rows = [], [], []
    for run in runs:
        result = results[run]
        row = {name: result.get(name, getattr(run, name, None)) for name in RUN_COLUMNS}
        run_rows += [{**row, "figure": name} for name in _figures(run)]
        live_rows += [
            {"method": run.method, "seed": run.seed, **record} for record in result.get("live", [])
        ]
        if (run.num_vmus, run.cost) == _BASE and run.method != "equilibrium":
            curve_rows += [
                {"method": run.method, "seed": run.seed, "episode": i, "utility": utility}
                for i, utility in enumerate(result["episodes"], start=1)
            ]
    run_rows.sort(key=lambda row: row["figure"])
    write_csv(out / "runs.csv", RUN_COLUMNS, run_rows)
    write_csv(out / "curves.csv", CURVE_COLUMNS, curve_rows)
    if live_rows:
        write_csv(out / "live.csv", LIVE_COLUMNS, live_rows)


def _figures(run: Run) -> list[str]:
    names = []
    if (run.num_vmus, run.cost) == _BASE:
        names.append("2a")
    if run.num_vmus == _BASE[0]:
        names += ["2b", "2d"]
    if run.cost == _BASE[1]:
        names.append("2c")
    return names
