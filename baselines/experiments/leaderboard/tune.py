"""Tunes the methods that have parameters: `python -m baselines.experiments.leaderboard.tune`.

Every method gets at most 16 configurations, each played in the same 512 training episodes; what
the search gave is printed and kept in docs/hidden-markets/tuning.csv, the best in tuned.json.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import tyro

from aigc_market import game
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.settings import Settings
from baselines import methods
from baselines.arena.rollout import play
from baselines.arena.task import Task

TRAINING_SEED = 1_000_000
"""Of the training markets and episodes; those of the leaderboard have another."""
EPISODES = 512
SCENARIOS = ("paper", "hidden", "drift", "shift", "crowd", "capacity")

_FIRST = [(6.0, 10.0), (10.0, 6.0), (5.0, 14.0), (14.0, 8.0)]
_KALMAN = {"sigma": [0.2, 0.3], "persistence": [1.0, 0.995, 0.98, 0.95], "spread": [0.0, 0.5]}
GRIDS: dict[str, dict[str, list[Any]]] = {
    "epsilon_greedy": {"arms": [5, 8], "epsilon": [0.05, 0.1, 0.2, 0.3], "step": [0.0, 0.2]},
    "cils": {"kappa": [1.0, 2.0, 4.0, 8.0], "first": _FIRST},
    "cils_discounted": {
        "kappa": [0.5, 1.0, 2.0, 4.0],
        "discount": [0.95, 0.85, 0.7, 0.5],
        "first": _FIRST[:1],
    },
    "controlled_variance": {"kappa": [1.0, 2.0, 4.0, 8.0], "first": _FIRST},
    "thompson": {
        "sigma": [0.2, 0.3],
        "persistence": [1.0, 0.995, 0.98, 0.95],
        "spread": [1.0, 0.75],
    },
    "kalman_total": _KALMAN,
    "kalman": _KALMAN,
    "bayes_information": {"horizon": [2.0, 4.0, 8.0, 16.0, 32.0]},
}
"""The configurations of each method: all combinations."""
_MARKETS_EVERY = 20
"""Rounds between the markets of a training episode that are looked at; they move slowly."""
_COLUMNS = ["scenario", "method", "configuration", "seed", "episodes", "share", "seconds"]


def learn_from_markets(scenario: str) -> dict[str, Any]:
    """What training markets say before any episode is played.

    Returns:
        `price`, the best constant one, and the moments of lines fitted to what rational followers
        buy: `total`, of the mean follower over all prices; `slot`, of one follower where its
        demand bends with the price.
    """
    settings = Settings.make(scenario)
    prices = np.linspace(settings.market.cost, settings.market.max_price, 96)
    course = MarketProcess(settings, np.random.default_rng(TRAINING_SEED), lanes=(EPISODES,))
    earned, total, slot = np.zeros(len(prices)), [], []
    for t in range(settings.max_cycles):
        if t % _MARKETS_EVERY == 0:
            market = course.market
            bought = game.best_response(market, prices[:, None])  # (P, N, K)
            settled = game.settle(market, prices[:, None], bought)
            delivered = settled.delivered
            earned += settled.asp_utility.sum(axis=1)
            count = np.count_nonzero(bought[0], axis=1)  # who is there: nobody buys nothing else
            mean = delivered.sum(axis=2)[:, count > 0] / count[count > 0]
            total.append(_lines(prices, mean, np.ones(mean.shape, bool)))
            inside = (bought > market.min_steps) & (bought < market.max_steps)
            bends = inside.sum(axis=0) > 2
            slot.append(_lines(prices, bought[:, bends], inside[:, bends]))
        course.advance()
    return {
        "price": prices[np.argmax(earned)].item(),
        "total": _moments(np.concatenate(total)),
        "slot": _moments(np.concatenate(slot)),
    }


def _lines(prices: np.ndarray, steps: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Least-squares lines steps = a − b·price through (P, M) points, as (M, 2) rows (a, b)."""
    count = used.sum(axis=0)
    price = (prices[:, None] * used).sum(axis=0) / count
    level = (steps * used).sum(axis=0) / count
    apart = (prices[:, None] - price) * used
    slope = -(apart * steps).sum(axis=0) / (apart**2).sum(axis=0)
    return np.stack([level + slope * price, slope], axis=1)


def _moments(lines: np.ndarray) -> dict[str, Any]:
    mean = lines.mean(axis=0)
    # Besides, demand is not a line: a filter that trusts its prior fully could not learn.
    cov = np.cov(lines.T, bias=True) + np.diag((0.1 * mean) ** 2)
    return {"mean": mean.tolist(), "cov": cov.tolist()}


def tune(
    scenarios: tuple[str, ...] = SCENARIOS,
    names: tuple[str, ...] = tuple(GRIDS),
    out: Path = methods.TUNED,
    log: Path = Path("docs/hidden-markets/tuning.csv"),
) -> None:
    """Tune the methods, and keep the best configurations.

    Args:
        scenarios: presets.
        names: methods; what is known of others is kept.
        out: the JSON file with the best parameters, which is updated.
        log: the CSV file with the whole search, of which the rows are replaced that are made anew.
    """
    tuned = json.loads(out.read_text()) if out.exists() else {}
    for scenario in scenarios:
        known = learn_from_markets(scenario)
        print(f"{scenario}, training seed {TRAINING_SEED}, {EPISODES} episodes: {known}")
        tuned.setdefault(scenario, {})["constant"] = {"price": known["price"]}
        for name in names:
            rows = [_try(name, scenario, configuration, known) for configuration in _grid(name)]
            best = max(rows, key=lambda row: row["share"])
            tuned[scenario][name] = _complete(name, best["configuration"], known)
            _write(out, lambda file, tuned=tuned: file.write(_as_json(tuned)))
            _log(log, scenario, name, rows)
            print(f"{scenario} {name}: {best['share']:.4f} with {best['configuration']}")


def _grid(name: str) -> list[dict[str, Any]]:
    grid = GRIDS[name]
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _complete(name: str, configuration: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """With what the method has from training markets."""
    if name == "epsilon_greedy":
        return {**configuration, "start": known["price"]}
    if name in ("thompson", "kalman_total"):
        return {**configuration, "prior": known["total"]}
    return {**configuration, "prior": known["slot"]} if name == "kalman" else configuration


def _try(
    name: str, scenario: str, configuration: dict[str, Any], known: dict[str, Any]
) -> dict[str, Any]:
    """Play one configuration in the training episodes: its share of the oracle's utility."""
    began = time.perf_counter()
    parameters = _complete(name, configuration, known)
    method = methods.make(name, scenario, Task(scenario).public(), EPISODES, seed=0, **parameters)
    played = play(method, Task(scenario), EPISODES, TRAINING_SEED)
    share = 1 - played.regret.sum() / played.equilibrium_utility.sum()
    seconds = time.perf_counter() - began
    print(f"  {scenario} {name} {configuration}: {share:.4f}", flush=True)
    return {"configuration": configuration, "share": share.item(), "seconds": seconds}


def _log(path: Path, scenario: str, name: str, rows: list[dict[str, Any]]) -> None:
    """Put the rows of one search in place of older ones."""
    kept = []
    if path.exists():
        with open(path, newline="") as file:
            kept = [r for r in csv.reader(file) if r[:2] not in ([scenario, name], _COLUMNS[:2])]
    new = [
        [
            scenario,
            name,
            json.dumps(row["configuration"]),
            str(TRAINING_SEED),
            str(EPISODES),
            f"{row['share']:.4f}",
            f"{row['seconds']:.1f}",
        ]
        for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = [_COLUMNS, *kept, *new]
    _write(path, lambda file: csv.writer(file, lineterminator="\n").writerows(table))


def _as_json(tuned: dict[str, Any]) -> str:
    return json.dumps(tuned, indent=1) + "\n"


def _write(path: Path, fill: Callable[[TextIO], Any]) -> None:
    """Write a text file as a whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with open(part, "w", newline="") as file:
        fill(file)
    os.replace(part, path)


if __name__ == "__main__":
    tyro.cli(tune)
