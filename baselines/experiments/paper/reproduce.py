"""The paper's Fig. 2, from training to report."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from aigc_market import _checks
from baselines.arena.task import Task
from baselines.experiments.paper import fig2, report
from baselines.experiments.paper.claims import end_of, episodes_to
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
LEARNING_COLUMNS = (
    "method",
    "gamma",
    "query",
    "seed",
    "episodes",
    "reached",
    "training",
    "end",
    "exploiting",
)
"""Of `learning.csv`: episodes of training and those until U_p* is near; shares of U_p* over all of
training and in its last tenth, and without exploring."""
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ppo", {"gamma": 0.9}),
    ("tppo", {"gamma": 0.9}),
    ("tppo", {"query_price": False}),
)
"""Methods, and what is changed of their recipes."""
_BASE = (2, 1.0)  # K and c of the paper
QUICK_ROUNDS = 8000
LIVE_ROUNDS = 3
"""They cost seconds each: learners play them in the paper's market alone."""


def reproduce(
    quick: bool = False,
    out: Path = Path("results"),
    seeds: int = 12,
    market_seeds: int = 3,
    variants: bool = False,
    workers: int | None = None,
    engine: Engine = "local",
    ssim: Literal["quadratic", "repaint"] = "quadratic",
) -> None:
    """Train and play every method, and write the tables, fig2a–d and report.md.

    A killed sweep goes on where it stopped.

    Args:
        quick: one seed, fewer markets and episodes: a minute instead of several.
        out: folder of the results.
        seeds: runs of each learner in the paper's market, Fig. 2(a), where learners are compared.
        market_seeds: how many of them are also run in the other markets, Fig. 2(b)–(d).
        variants: whether to train with a discount of .9 too, and TPPO without its query by the last
            price, in the paper's market.
        workers: runs at the same time; as many as there are cores by default.
        engine: local processes, or a Ray cluster (needs the extra `ray`).
        ssim: the paper's fit, or the scenario `live`: training on the measured table, then a few
            rounds in which the images are really repainted (needs the extra `repaint`).
    """
    _checks.integer("seeds", seeds, at_least=1)
    _checks.integer("market_seeds", market_seeds, at_least=1)
    workers = workers or os.cpu_count() or 1
    seeds = 1 if quick else seeds
    market_seeds = min(market_seeds, seeds)
    runs = plan("paper" if ssim == "quadratic" else "live", seeds, market_seeds, quick)
    changed = plan_variants(runs) if variants else []
    console = Console()
    results: dict[Run, dict[str, Any]] = {}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("runs", total=len(runs) + len(changed))
        work = longest_first([*runs, *changed])
        for run, result in sweep(work, out / "runs", workers, engine):
            results[run] = result
            progress.advance(task)
            share = result["utility"] / result["equilibrium_utility"]
            progress.console.print(
                f"{run.method:<11} K={run.num_vmus} c={run.cost:g} seed={run.seed}: "
                f"{share:7.2%} of the equilibrium's utility, {result['seconds']:.1f} s"
            )
    write_csvs(out, runs, results, changed, market_seeds)
    markets = sorted({(run.num_vmus, run.cost) for run in runs})
    settings = {
        "markets (K, c)": ", ".join(f"({K}, {cost:g})" for K, cost in markets),
        "seeds in (2, 1); in the other markets": f"{seeds}; {market_seeds}",
        "rounds an episode": runs[0].task.settings().max_cycles,
        **{name: next(run.recipe for run in runs if run.method == name) for name in LEARNERS},
        "SSIM": ssim,
    }
    report.write(out, settings)
    fig2.draw(out)
    console.print(f"Figures and report.md are in {out}/")


def plan(scenario: str, seeds: int, market_seeds: int, quick: bool = False) -> list[Run]:
    """The runs of Fig. 2."""
    costs = (1.0, 3.0, 5.0) if quick else (1.0, 2.0, 3.0, 4.0, 5.0)
    crowds = (2, 4, 6) if quick else (2, 3, 4, 5, 6)
    runs = []
    for K, cost in sorted({(2, cost) for cost in costs} | {(K, 1.0) for K in crowds}):
        of_market = seeds if (K, cost) == _BASE else market_seeds
        for method in METHODS:
            count = 1 if method == "equilibrium" else of_market  # nothing in it is random
            runs += [make_run(method, scenario, K, cost, seed, quick) for seed in range(count)]
    return runs


def plan_variants(runs: Iterable[Run]) -> list[Run]:
    """The runs in the paper's market again, with other recipes."""
    return [
        dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, **change))
        for method, change in VARIANTS
        for run in runs
        if run.method == method and (run.num_vmus, run.cost) == _BASE
    ]


def make_run(
    method: str, scenario: str, K: int, cost: float, seed: int, quick: bool = False
) -> Run:
    """A method in one market, by its recipe in use; the quick ones are shorter."""
    task = Task(scenario, {"K": K, "cost": cost})
    how = recipe(method if method in LEARNERS else "ppo", task)
    how = dataclasses.replace(how, rounds=QUICK_ROUNDS) if quick else how
    served = scenario == "live" and method in LEARNERS and (K, cost) == _BASE
    return Run(method, task, seed, how, LIVE_ROUNDS if served else 0)


def write_csvs(
    out: Path,
    runs: Iterable[Run],
    results: dict[Run, dict[str, Any]],
    variants: Iterable[Run] = (),
    market_seeds: int | None = None,
) -> None:
    """Write the tables.

    `runs.csv` has one row for each run and figure that shows it, `curves.csv` is Fig. 2(a)'s,
    `learning.csv` has one row for each run in the paper's market, variants included, and `live.csv`
    has what was served live, if anything was.

    Args:
        out: their folder.
        runs: those of the figures.
        results: of all runs.
        variants: runs with other recipes.
        market_seeds: seeds that Fig. 2(b)–(d) have of every market; all by default.
    """
    run_rows, curve_rows, learning_rows, live_rows = [], [], [], []
    for run in runs:
        result = results[run]
        row = {name: result.get(name, getattr(run, name, None)) for name in RUN_COLUMNS}
        run_rows += [{**row, "figure": name} for name in _figures(run, market_seeds)]
        live_rows += [
            {"method": run.method, "seed": run.seed, **record} for record in result.get("live", [])
        ]
        if (run.num_vmus, run.cost) == _BASE and run.method != "equilibrium":
            learning_rows.append(_learning(run, result))
            curve_rows += [
                {"method": run.method, "seed": run.seed, "episode": i, "utility": f"{utility:.2f}"}
                for i, utility in enumerate(result["episodes"], start=1)
            ]
    learning_rows += [_learning(run, results[run]) for run in variants]
    run_rows.sort(key=lambda row: row["figure"])
    write_csv(out / "runs.csv", RUN_COLUMNS, run_rows)
    write_csv(out / "curves.csv", CURVE_COLUMNS, curve_rows)
    write_csv(out / "learning.csv", LEARNING_COLUMNS, learning_rows)
    if live_rows:
        write_csv(out / "live.csv", LIVE_COLUMNS, live_rows)


def _learning(run: Run, result: dict[str, Any]) -> dict[str, Any]:
    best = result["equilibrium_utility"]
    curve = np.array(result["episodes"]) / best
    learns = run.method in LEARNERS
    query = "price" if run.recipe.query_price else "learnt"
    return {
        "method": run.method,
        "gamma": run.recipe.gamma if learns else None,
        "query": query if run.method == "tppo" else None,
        "seed": run.seed,
        "episodes": len(curve),
        "reached": episodes_to(curve, run.recipe.lanes),
        "training": float(curve.mean()),
        "end": end_of(curve),
        "exploiting": result["exploiting"] / best,
    }


def _figures(run: Run, market_seeds: int | None) -> list[str]:
    names = []
    if (run.num_vmus, run.cost) == _BASE:
        names.append("2a")
    if market_seeds is not None and run.seed >= market_seeds:
        return names
    if run.num_vmus == _BASE[0]:
        names += ["2b", "2d"]
    if run.cost == _BASE[1]:
        names.append("2c")
    return names
