"""The grid on which both learners' hyperparameters were chosen, with the same care for each."""

from __future__ import annotations

import dataclasses
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from baselines.arena.task import Task
from baselines.experiments.paper.sweep import LEARNERS, Run, longest_first, sweep
from baselines.methods.sb3.recipes import recipe
from baselines.runs.files import write_csv

GRID = {
    "learning_rate": (1e-3, 3e-3, 1e-2),
    "batch_size": (100, 200),
    "log_std_init": (-1.0, -0.5),
    "gamma": (0.0, 0.9),
}
_FIRST_SEED = 1000
"""`reproduce` uses those from 0 on."""


def tune(out: Path = Path("results/tuning"), seeds: int = 2, workers: int | None = None) -> None:
    """Try every point of the grid for both learners on the paper's market; write `tuning.csv`.

    The file has shares of U_p*, over all of training and played without exploring after it.

    Args:
        out: folder of `tuning.csv` and the runs; a killed search goes on from there.
        seeds: runs of each point, under seeds that `reproduce` does not use.
        workers: runs at the same time; as many as there are cores by default.
    """
    points = [dict(zip(GRID, point, strict=True)) for point in itertools.product(*GRID.values())]
    task = Task()
    runs = [
        Run(method, task, _FIRST_SEED + seed, dataclasses.replace(recipe(method, task), **point))
        for point in points
        for method in LEARNERS
        for seed in range(seeds)
    ]
    rows = []
    for run, result in sweep(longest_first(runs), out / "runs", workers or os.cpu_count() or 1):
        best = result["equilibrium_utility"]
        rows.append(
            {
                "method": run.method,
                **{name: getattr(run.recipe, name) for name in GRID},
                "seed": run.seed,
                "training": float(np.mean(result["episodes"])) / best,
                "after": result["utility"] / best,
            }
        )
    rows.sort(key=lambda row: [row[name] for name in ("method", *GRID, "seed")])
    write_csv(out / "tuning.csv", ("method", *GRID, "seed", "training", "after"), rows)
    table = Table(title="Share of U_p*: mean over all training, and played after it")
    for column in ("method", *GRID, "training", "after"):
        table.add_column(column, justify="right")
    tried: Any = pd.DataFrame(rows).groupby(["method", *GRID])[["training", "after"]].mean()
    ranked = tried.sort_values(["method", "training"], ascending=[True, False])
    for (method, *point), (during, after) in zip(ranked.index, ranked.to_numpy(), strict=True):
        values = (f"{value:g}" for value in point)
        table.add_row(method, *values, f"{during:.4f}", f"{after:.5f}")
    Console().print(table)
