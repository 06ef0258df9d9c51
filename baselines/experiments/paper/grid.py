"""The grid on which both learners' hyperparameters were chosen, with the same care for each."""

from __future__ import annotations

import dataclasses
import itertools
import os
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from baselines.arena.task import Task
from baselines.experiments.paper.sweep import LEARNERS, Run, longest_first, sweep
from baselines.methods.sb3.recipes import Sb3Recipe, recipe

GRID = {
    "learning_rate": (1e-3, 3e-3, 1e-2),
    "batch_size": (100, 200),
    "log_std_init": (-1.0, -0.5),
    "gamma": (0.0, 0.9),
}
_FIRST_SEED = 1000
"""`reproduce` uses those from 0 on."""


def tune(out: Path = Path("results/tuning"), seeds: int = 2, workers: int | None = None) -> None:
    """Try every point of the grid for both learners on the paper's market.

    Args:
        out: folder of the runs; a killed search goes on from there.
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
    shares: dict[tuple[str, Sb3Recipe], list[tuple[float, float]]] = {}
    for run, result in sweep(longest_first(runs), out, workers or os.cpu_count() or 1):
        best = result["equilibrium_utility"]
        scores = float(np.mean(result["episodes"])) / best, result["utility"] / best
        shares.setdefault((run.method, run.recipe), []).append(scores)
    table = Table(title="Share of U_p*: mean over all training, and played after it")
    for column in ("method", *GRID, "training", "after"):
        table.add_column(column, justify="right")
    ranked = sorted(shares, key=lambda key: (key[0], -np.mean(shares[key], axis=0)[0]))
    for method, tried in ranked:
        during, after = np.mean(shares[method, tried], axis=0)
        values = (f"{getattr(tried, name):g}" for name in GRID)
        table.add_row(method, *values, f"{during:.4f}", f"{after:.5f}")
    Console().print(table)
