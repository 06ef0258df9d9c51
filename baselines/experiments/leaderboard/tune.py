"""Tunes the methods that have parameters: `python -m baselines.experiments.leaderboard.tune`.

Every method gets at most 16 configurations, each played in the same 512 validation episodes; what
the search gave is printed and kept in docs/hidden-markets/tuning.csv, the best in tuned.json.
"""

from __future__ import annotations

import csv
import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from aigc_market import _checks, game
from aigc_market.envs.market_process import MarketProcess
from aigc_market.scenarios import SCENARIOS
from baselines.arena.registry import REGISTRY, TUNED
from baselines.arena.rollout import play
from baselines.arena.seeds import training_seed, validation_seed
from baselines.arena.task import Task
from baselines.runs.files import write_csv, write_json

EPISODES = 512
DEFAULT_SCENARIOS = ("paper", "hidden", "drift", "shift", "crowd", "capacity", "live")

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
    "likelihood_grid": {
        "sway": [0.1, 0.2],
        "fade": [0.0, 0.25],
        "discount": [1.0, 0.95, 0.9, 0.8],
    },
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
_COLUMNS = ("scenario", "method", "configuration", "seed", "episodes", "share", "seconds")


def learn_from_markets(task: Task) -> dict[str, Any]:
    """What the demand of training markets says before any episode is played.

    Returns:
        `price`, the best constant one, and the moments of lines fitted to what rational followers
        buy: `total`, of the mean follower where anybody buys more than the least; `slot`, of one
        follower where its demand bends with the price.
    """
    settings = task.settings()
    prices = np.linspace(settings.market.cost, settings.market.max_price, 96)
    rng = np.random.default_rng(training_seed(0))
    process = MarketProcess(settings, rng, lanes=(EPISODES,))
    shape = EPISODES, settings.market.K
    earned, total, slot = np.zeros(len(prices)), [], []
    for t in range(settings.max_cycles):
        if t % _MARKETS_EVERY == 0:
            market = process.market
            here = np.broadcast_to(True if market.active is None else market.active, shape)
            count = here.sum(axis=1)
            bought = game.best_response(market, prices[:, None])
            played = game.settle(
                market, prices[:, None], np.broadcast_to(bought, (len(prices), *shape))
            )
            earned += played.asp_utility.sum(axis=1)
            mean = played.delivered.sum(axis=2)[:, count > 0] / count[count > 0]
            total.append(_lines(prices, mean, mean > market.min_steps))
            asked = played.asked[:, here]
            bends = (asked > market.min_steps) & (asked < market.max_steps)
            slot.append(_lines(prices, asked, bends))
        process.advance()
    return {
        "price": prices[np.argmax(earned)].item(),
        "total": _moments(np.concatenate(total)),
        "slot": _moments(np.concatenate(slot)),
    }


def _lines(prices: np.ndarray, steps: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Least-squares lines steps = a − b·price through (P, M) points, as rows (a, b).

    There is one for each of the M that has three points to be `used`, or more.
    """
    enough = used.sum(axis=0) > 2
    steps, used = steps[:, enough], used[:, enough]
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
    tuned = json.loads(out.read_text()) if out.exists() else {}
    for scenario in scenarios:
        task = Task(scenario)
        known = learn_from_markets(task)
        print(f"{scenario}, {EPISODES} markets: {known}")
        tuned.setdefault(scenario, {})["constant"] = {"price": known["price"]}
        for name in methods:
            rows = [_try(name, task, configuration, known) for configuration in _grid(name)]
            best = max(rows, key=lambda row: row["share"])
            tuned[scenario][name] = _complete(name, best["configuration"], known)
            write_json(out, tuned)
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
    name: str, task: Task, configuration: dict[str, Any], known: dict[str, Any]
) -> dict[str, Any]:
    """Play one configuration in the validation episodes: its share of the oracle's utility."""
    began = time.perf_counter()
    parameters = _complete(name, configuration, known)
    method = REGISTRY[name].make(task, EPISODES, seed=0, **parameters)
    share = play(method, task, EPISODES, validation_seed(0)).share
    print(f"  {task.name} {name} {configuration}: {share:.4f}", flush=True)
    seconds = time.perf_counter() - began
    return {"configuration": configuration, "share": share, "seconds": seconds}


def _log(path: Path, scenario: str, name: str, rows: list[dict[str, Any]]) -> None:
    """Put the rows of one search in place of older ones."""
    kept = []
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            kept = list(csv.DictReader(file))
    kept = [row for row in kept if (row["scenario"], row["method"]) != (scenario, name)]
    new = [
        {
            "scenario": scenario,
            "method": name,
            "configuration": json.dumps(row["configuration"]),
            "seed": validation_seed(0),
            "episodes": EPISODES,
            "share": f"{row['share']:.4f}",
            "seconds": f"{row['seconds']:.1f}",
        }
        for row in rows
    ]
    write_csv(path, _COLUMNS, [*kept, *new])


if __name__ == "__main__":
    tyro.cli(tune)
