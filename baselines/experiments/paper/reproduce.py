"""The paper's Fig. 2, from training to report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from aigc_market import _checks
from baselines.arena.task import Task
from baselines.experiments.paper import fig2, paper_report
from baselines.experiments.paper.claims import episodes_to
from baselines.experiments.paper.runs import LEARNERS, OTHERS, Run, longest_first
from baselines.methods.sb3.recipes import PpoRecipe, recipe
from baselines.runs.files import discard, write_csv
from baselines.runs.runner import Engine, Runner

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
    others: tuple[str, ...] = (),
    workers: int | None = None,
    engine: Engine = "local",
    ssim: Literal["quadratic", "repaint"] = "quadratic",
) -> None:
    """Train and play the methods of the paper's Fig. 2, and write tables, figures and report.md.

    What was killed goes on where it stopped.

    Args:
        quick: one seed, fewer markets and episodes: seconds instead of minutes.
        out: folder of the results.
        seeds: runs of each learner in the paper's market, Fig. 2(a), where learners are compared.
        market_seeds: how many of them are also run in the other markets, Fig. 2(b)–(d).
        variants: whether to train with a discount of .9 too, and TPPO without its query by the last
            price, in the paper's market.
        others: learners that the paper does not have, such as sac or diffusion_td3, to be trained
            in the same markets; the report says whether they track the equilibrium.
        workers: runs at the same time; as many as there are cores by default.
        engine: local processes, or a Ray cluster (needs the extra `ray`).
        ssim: the paper's fit, or the scenario `live`: training on the measured table, then a few
            rounds in which the images are really repainted (needs the extra `repaint`).
    """
    _checks.integer("seeds", seeds, at_least=1)
    _checks.integer("market_seeds", market_seeds, at_least=1)
    for name in others:
        _checks.choice("others", name, OTHERS)
    seeds = 1 if quick else seeds
    market_seeds = min(market_seeds, seeds)
    scenario = "paper" if ssim == "quadratic" else "live"
    runs = plan(scenario, seeds, market_seeds, quick, others)
    changed = plan_variants(runs) if variants else []
    runner = Runner(out, workers, engine)
    runner("runs", longest_first([*runs, *changed]), lambda run: _told(run, out))
    runner.report()
    write_csvs(out, runs, changed, market_seeds)
    markets = sorted({(run.num_vmus, run.cost) for run in runs})
    settings = {
        "markets (K, c)": ", ".join(f"({K}, {cost:g})" for K, cost in markets),
        "seeds in (2, 1); in the other markets": f"{seeds}; {market_seeds}",
        "rounds an episode": runs[0].task.settings().max_cycles,
        **{run.method: run.recipe for run in runs if run.method in (*LEARNERS, *others)},
        "SSIM": ssim,
    }
    paper_report.write(out, settings)
    fig2.draw(out)
    runner.console.print(f"Figures and report.md are in {out}/")


def _told(run: Run, out: Path) -> str:
    records = run.results(out)
    share = np.mean([found["utility"] / found["equilibrium_utility"] for found in records])
    seconds = sum(found["seconds"] for found in records)
    return f"{run}: {share:.2%} of the equilibrium's utility, {seconds:.1f} s"


def plan(
    scenario: str,
    seeds: int,
    market_seeds: int,
    quick: bool = False,
    others: tuple[str, ...] = (),
) -> list[Run]:
    """The runs of Fig. 2, and of other learners in its markets."""
    costs = (1.0, 3.0, 5.0) if quick else (1.0, 2.0, 3.0, 4.0, 5.0)
    crowds = (2, 4, 6) if quick else (2, 3, 4, 5, 6)
    runs = []
    for K, cost in sorted({(2, cost) for cost in costs} | {(K, 1.0) for K in crowds}):
        task, base = Task(scenario, {"K": K, "cost": cost}), (K, cost) == _BASE
        of_market = tuple(range(seeds if base else market_seeds))
        live_rounds = LIVE_ROUNDS if base and scenario == "live" else 0
        learners = *LEARNERS, *dict.fromkeys(others)
        for method in (*learners, "greedy", "random", "equilibrium"):
            how = recipe(method if method in learners else "ppo", task)
            if quick:
                how = dataclasses.replace(how, rounds=QUICK_ROUNDS)
            if method in learners:
                runs += [Run(method, task, (seed,), how, live_rounds) for seed in of_market]
            elif method == "equilibrium":  # nothing is random there, and every round is the same
                how = dataclasses.replace(how, rounds=task.settings().max_cycles)
                runs.append(Run(method, task, (0,), how))
            else:
                runs.append(Run(method, task, of_market, how))
    return runs


def plan_variants(runs: Iterable[Run]) -> list[Run]:
    """The runs in the paper's market again, with other recipes."""
    return [
        dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, **change))
        for method, change in VARIANTS
        for run in runs
        if run.method == method and (run.num_vmus, run.cost) == _BASE
    ]


def write_csvs(
    out: Path,
    runs: Iterable[Run],
    variants: Iterable[Run] = (),
    market_seeds: int | None = None,
) -> None:
    """Write the tables of runs that are done.

    `runs.csv` has one row for each seed and figure that shows it, `curves.csv` is Fig. 2(a)'s,
    `learning.csv` has one row for each seed in the paper's market, variants included, and
    `live.csv` has what was served live, if anything was.

    Args:
        out: their folder.
        runs: those of the figures.
        variants: runs with other recipes.
        market_seeds: seeds that Fig. 2(b)–(d) have of every market; all by default.
    """
    tables: dict[str, list[dict[str, Any]]] = {"runs": [], "curves": [], "learning": [], "live": []}
    numbers = ("price", "utility", "equilibrium_price", "equilibrium_utility", "rounds", "seconds")
    for run in runs:
        market = {"method": run.method, "num_vmus": run.num_vmus, "cost": run.cost}
        for found in run.results(out):
            named = {"method": run.method, "seed": found["seed"]}
            row = {**market, "seed": found["seed"], **{name: found[name] for name in numbers}}
            shown = _figures(run, found["seed"], market_seeds)
            tables["runs"] += [{"figure": figure, **row} for figure in shown]
            tables["live"] += [{**named, **served} for served in found["live"]]
            if "2a" in shown and run.method != "equilibrium" and run.method not in OTHERS:
                tables["learning"].append(_learning(run, found))
                tables["curves"] += [
                    {**named, "episode": i, "utility": f"{utility:.2f}"}
                    for i, utility in enumerate(found["episodes"], start=1)
                ]
    tables["learning"] += [_learning(run, found) for run in variants for found in run.results(out)]
    tables["runs"].sort(key=lambda row: row["figure"])
    for name, rows in tables.items():
        if rows:
            write_csv(out / f"{name}.csv", list(rows[0]), rows)
        else:
            discard(out, f"{name}.csv")


def _learning(run: Run, found: dict[str, Any]) -> dict[str, Any]:
    """A row of `learning.csv`: episodes of training and those until U_p* is near.

    And shares of U_p*, over all of training and in its last tenth, and without exploring.
    """
    best = found["equilibrium_utility"]
    curve = np.array(found["episodes"]) / best
    query = None
    if run.method == "tppo":
        query = "price" if cast("PpoRecipe", run.recipe).query_price else "learnt"
    return {
        "method": run.method,
        "gamma": run.recipe.gamma if run.method in LEARNERS else None,
        "query": query,
        "seed": found["seed"],
        "episodes": len(curve),
        "reached": episodes_to(curve, run.recipe.lanes),
        "training": float(curve.mean()),
        "end": float(curve[-max(1, len(curve) // 10) :].mean()),
        "exploiting": found["exploiting"] / best,
    }


def _figures(run: Run, seed: int, market_seeds: int | None) -> list[str]:
    """The figures that show a seed of a run."""
    shown = ["2a"] if (run.num_vmus, run.cost) == _BASE else []
    if market_seeds is None or seed < market_seeds:
        shown += ["2b", "2d"] if run.num_vmus == _BASE[0] else []
        shown += ["2c"] if run.cost == _BASE[1] else []
    return shown
