"""Tunes the methods that have parameters: `python -m baselines.experiments.leaderboard.tune`.

Every method gets at most 24 configurations, each played in the same 512 validation episodes; the
constant price is found in training episodes, by what it earns there. What the search gave is
printed and kept in docs/hidden-markets/tuning.csv, the best in tuned.json.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from aigc_market import _checks
from aigc_market._files import read_json, read_table
from aigc_market.scenarios import SCENARIOS
from baselines.arena.registry import REGISTRY, TUNED
from baselines.arena.rollout import play
from baselines.arena.seeds import training_seed, validation_seed
from baselines.arena.task import Task
from baselines.experiments.leaderboard.pattern_search import Axes, Axis, Configuration, search
from baselines.runs.files import write_csv, write_json

EPISODES = 512
MOST = 24
"""Configurations of a method in a scenario."""
DEFAULT_SCENARIOS = ("paper", "hidden", "drift", "shift", "crowd", "capacity", "live")

_FIRST = ((6.0, 10.0), (10.0, 6.0), (5.0, 14.0), (14.0, 8.0))
_SIGMA = Axis((0.1, 0.2, 0.3, 0.45), first=(0.2, 0.3))
_PERSISTENCE = Axis(
    (0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 1.0), first=(0.99, 0.999, 1.0), high=1
)
_KALMAN: Axes = {
    "sigma": _SIGMA,
    "persistence": _PERSISTENCE,
    "spread": Axis((0.0, 0.25, 0.5, 0.75), first=(0.0, 0.25)),
}
_KAPPA = Axis((0.0, 0.25, 0.5, 1.0, 2.0, 4.0), first=(1.0, 2.0, 4.0))
GRIDS: dict[str, Axes] = {
    "constant": {"price": Axis(tuple(np.arange(1.0, 20.5, 0.5).tolist()), (4, 7, 10, 13, 16))},
    "epsilon_greedy": {
        "arms": Axis((3, 5, 8, 12), first=(8,), low=1, whole=True),
        "epsilon": Axis((0.0, 0.0125, 0.025, 0.05, 0.1, 0.2, 0.3), first=(0.05, 0.2), high=1),
        "step": Axis((0.0, 0.1, 0.2, 0.4), first=(0.0, 0.2), high=1),
        "start": Axis((4.0, 6.0, 8.0, 10.0, 12.0, 14.0), first=(10.0,), low=1, high=20),
    },
    "cils": {"kappa": _KAPPA, "first": _FIRST},
    "cils_discounted": {
        "kappa": _KAPPA,
        "discount": Axis((0.5, 0.7, 0.85, 0.95, 0.98, 1.0), first=(0.7, 0.95), high=1),
        "first": _FIRST[:2],
    },
    "controlled_variance": {"kappa": _KAPPA, "first": _FIRST},
    "likelihood_grid": {
        "sway": Axis((0.05, 0.1, 0.2), first=(0.1, 0.2)),
        "fade": Axis((0.0, 0.125, 0.25, 0.375), first=(0.25,)),
        "discount": Axis((0.7, 0.8, 0.9, 0.95, 0.98, 1.0), first=(0.8, 1.0), high=1),
        "sigma": Axis((0.2, 0.3, 0.45), first=(0.3,)),
    },
    "thompson": {"sigma": _SIGMA, "persistence": _PERSISTENCE},
    "kalman_total": _KALMAN,
    "kalman": _KALMAN,
    "bayes_information": {"horizon": Axis((1.0, 2.0, 4.0, 8.0, 16.0, 32.0), first=(4.0, 16.0))},
}
"""The axes along which each method's configurations are searched."""
_COLUMNS = (
    "scenario",
    "method",
    "configuration",
    "seed",
    "episodes",
    "share",
    "earned",
    "seconds",
    "note",
)


def tune(
    scenarios: tuple[str, ...] = DEFAULT_SCENARIOS,
    methods: tuple[str, ...] = tuple(GRIDS),
    out: Path = TUNED,
    log: Path = Path("docs/hidden-markets/tuning.csv"),
) -> None:
    """Tune the methods, and keep the best configurations.

    Args:
        scenarios: presets.
        methods: which; what is known of others is kept.
        out: the JSON file with the best parameters, which is updated.
        log: the CSV file with the whole search, of which the rows are replaced that are made anew.

    Raises:
        ValueError: an unknown scenario, or a method that has nothing to tune.
    """
    for scenario in scenarios:
        _checks.choice("scenarios", scenario, SCENARIOS)
    for name in methods:
        _checks.choice("methods", name, GRIDS)
    for scenario in scenarios:
        for name in methods:
            rows: list[dict[str, Any]] = []
            best, note = _tune(name, Task(scenario), rows)
            tuned = read_json(out) if out.exists() else {}
            tuned.setdefault(scenario, {})[name] = best
            write_json(out, tuned)
            _log(log, scenario, name, rows)
            print(f"{scenario} {name}: {best}; {note}", flush=True)


def _tune(name: str, task: Task, rows: list[dict[str, Any]]) -> tuple[Configuration, str]:
    """The best configuration and a note on it; a row is added for each one that was tried."""
    # A price that never changes is what learning is measured against, so it may not be chosen by
    # what the oracle says of it.
    seed, measure = (
        (training_seed(0), "earned") if name == "constant" else (validation_seed(0), "share")
    )

    def score(configuration: Configuration) -> float:
        began = time.perf_counter()
        method = REGISTRY[name].make(task, EPISODES, seed=0, **configuration)
        played = play(method, task, EPISODES, seed)
        measured = {
            "share": played.share,
            "earned": float(played.utility.sum() / played.equilibrium_utility.sum()),
        }
        print(f"  {task.name} {name} {configuration}: {measured[measure]:.4f}", flush=True)
        rows.append(
            {
                "scenario": task.name,
                "method": name,
                "configuration": json.dumps(configuration),
                "seed": seed,
                "episodes": EPISODES,
                **{key: f"{value:.4f}" for key, value in measured.items()},
                "seconds": f"{time.perf_counter() - began:.1f}",
                "note": "",
            }
        )
        return measured[measure]

    best, note = search(GRIDS[name], score, MOST)
    for row in rows:
        if row["configuration"] == json.dumps(best):
            row["note"] = "; ".join(filter(None, ("best", note)))
    return best, note


def _log(path: Path, scenario: str, name: str, rows: list[dict[str, Any]]) -> None:
    """Put the rows of one search in place of older ones."""
    _, kept = read_table(path) if path.exists() else ([], [])
    kept = [row for _, row in kept if (row["scenario"], row["method"]) != (scenario, name)]
    write_csv(path, _COLUMNS, [*kept, *rows])


if __name__ == "__main__":
    tyro.cli(tune)
