"""The leaderboard's CSV files and `leaderboard.md`, from the evaluations' files."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baselines.arena import policies
from baselines.arena.seeds import test_seed
from baselines.arena.statistics import Interval, interval, iqm, resampled, shares
from baselines.experiments.leaderboard.evaluation import WINDOWS, Evaluation
from baselines.runs.files import write_atomically, write_csv

COLUMNS = (
    "scenario",
    "method",
    "knows",
    "seed",
    "window",
    "share",
    "regret",
    "train_rounds",
    "train_seconds",
    "decision_microseconds",
)
ROUND_COLUMNS = ("scenario", "method", "round", "regret", "equilibrium_utility")
PRICE_COLUMNS = ("scenario", "method", "episode", "round", "price", "equilibrium_price")
FLOOR = ("constant",)
CEILING = ("bayes", "bayes_thompson", "bayes_information")
"""Those that know the law. Between FLOOR and the best of these lies what learning can gain."""
_PACKAGES = ("aigc-market", "gymnasium", "numpy", "sb3-contrib", "stable-baselines3", "torch")


class Result:
    """An evaluation's file, and its method's training."""

    def __init__(self, evaluation: Evaluation, out: Path) -> None:
        self.evaluation = evaluation
        with np.load(evaluation.file(out), allow_pickle=False) as file:
            self.arrays: dict[str, np.ndarray] = {name: file[name] for name in file.files}
        self.train_rounds, self.train_seconds = 0, 0.0
        if evaluation.policy is not None:
            record = policies.load(evaluation.policy).config
            self.train_rounds, self.train_seconds = record["rounds"], record["seconds"]

    @property
    def key(self) -> tuple[str, str]:
        """The task's name and the method's."""
        return self.evaluation.task.name, self.evaluation.entry.name

    @property
    def rounds(self) -> int:
        """Rounds of an episode."""
        return len(self.arrays["round_regret"])

    @property
    def decision_microseconds(self) -> float:
        """Of one decision in one market."""
        return float(self.arrays["decision_microseconds"])

    def window(self, name: str, window: str) -> np.ndarray:
        """Sums over a window's rounds in each episode, (N,)."""
        parts = self.arrays[name].astype(np.float64)
        return parts.sum(axis=0) if window == "all" else parts[list(WINDOWS).index(window)]

    def lengths(self, window: str) -> int:
        """Rounds of a window."""
        return len(range(self.rounds)[WINDOWS[window]])


def write(out: Path, evaluations: Sequence[Evaluation], settings: dict[str, Any]) -> Path:
    """Write `leaderboard.csv`, `rounds.csv`, `prices.csv` and `leaderboard.md` of what was played.

    Args:
        out: folder of the evaluations' files, and of these.
        evaluations: those to be listed, all finished.
        settings: listed at the end.

    Returns:
        Path of `leaderboard.md`.
    """
    results = [Result(evaluation, out) for evaluation in evaluations]
    write_csv(out / "leaderboard.csv", COLUMNS, [row for r in results for row in _rows(r)])
    write_csv(out / "rounds.csv", ROUND_COLUMNS, _round_rows(results))
    write_csv(out / "prices.csv", PRICE_COLUMNS, _price_rows(results))
    by_task: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        task, method = result.key
        by_task.setdefault(task, {}).setdefault(method, []).append(result)
    path = out / "leaderboard.md"
    write_atomically(path, "\n".join(_page(by_task, settings)))
    return path


def _rows(result: Result) -> list[dict[str, Any]]:
    rows = []
    for window in WINDOWS:
        best = result.window("equilibrium_utility", window)
        regret = result.window("regret", window)
        rows.append(
            {
                "scenario": result.evaluation.task.name,
                "method": result.evaluation.entry.name,
                "knows": result.evaluation.entry.knows,
                "seed": result.evaluation.seed,
                "window": window,
                "share": f"{shares(regret, best):.6f}",
                "regret": f"{regret.mean() / result.lengths(window):.4f}",
                "train_rounds": result.train_rounds,
                "train_seconds": f"{result.train_seconds:.1f}",
                "decision_microseconds": f"{result.decision_microseconds:.1f}",
            }
        )
    return rows


def _round_rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Means over episodes and seeds."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault(result.key, []).append(result)
    rows = []
    for (task, method), group in groups.items():
        episodes = group[0].evaluation.episodes
        regret = np.mean([r.arrays["round_regret"] for r in group], axis=0) / episodes
        best = group[0].arrays["round_equilibrium_utility"] / episodes
        for i in range(len(best)):
            values = i + 1, f"{regret[i]:.4f}", f"{best[i]:.4f}"
            rows.append(dict(zip(ROUND_COLUMNS, (task, method, *values), strict=True)))
    return rows


def _price_rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The first seed's prices in the first episodes."""
    seen: set[tuple[str, str]] = set()
    rows = []
    for result in results:
        key = result.key
        if key in seen:
            continue
        seen.add(key)
        price, oracle = result.arrays["price"], result.arrays["equilibrium_price"]
        for (t, episode), value in np.ndenumerate(price):
            values = episode + 1, t + 1, f"{value:.4f}", f"{oracle[t, episode]:.4f}"
            rows.append(dict(zip(PRICE_COLUMNS, (*key, *values), strict=True)))
    return rows


def _page(by_task: dict[str, dict[str, list[Result]]], settings: dict[str, Any]) -> list[str]:
    return [
        "# Leaderboard",
        "",
        "Share of the oracle's utility, 1 − Σ regret / Σ U\\*, over all rounds of all test "
        "episodes. Regret and U\\* are those of followers without noise; *earned* is "
        "Σ utility / Σ U\\* with it. All methods play the same episodes: the same markets, moves "
        "and noise.",
        "",
        "Over training seeds the interquartile mean is shown; brackets are 95 % intervals of a "
        "bootstrap over training seeds and over episodes (percentiles of 2,000 resamples). Methods "
        "without training have no training seeds: their intervals come from episodes alone. "
        "*Behind* is the first method's share minus this one's, in the same resampled episodes. "
        "*Learnt* is (U − constant) / (Bayes − constant), with the better of the Bayes methods. "
        "µs are of one decision in one market on one core.",
        "",
        *(
            line
            for name, methods in by_task.items()
            for line in (f"## {name}", "", _task_table(methods), "")
        ),
        "What a method *knows* beside the public parameters and past rounds: *form*, that demand "
        "is a line within bounds; *gradient*, its training differentiates the simulator; *law*, "
        "how the market is drawn and moves.",
        "",
        "## Figures",
        "",
        "![Regret through an episode](regret.png)",
        "![Prices in one episode](prices.png)",
        "![Share against the number of VMUs](sizes.png)",
        "",
        "## Settings",
        "",
        f"- first test seed: `{test_seed(0)}`",
        *(f"- {name}: `{value}`" for name, value in settings.items()),
        f"- Python {platform.python_version()} on {platform.machine()}",
        *(f"- {name} {importlib.metadata.version(name)}" for name in _PACKAGES),
        "",
    ]


class _Standing:
    """One method in one task, over its seeds."""

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = results
        self.entry = results[0].evaluation.entry
        self.share, self.resamples = self._of("all", "regret")

    def _of(self, window: str, lost: str) -> tuple[float, np.ndarray]:
        best = self.results[0].window("equilibrium_utility", window)
        if lost == "regret":
            losses = np.stack([r.window("regret", window) for r in self.results])
        else:
            losses = np.stack([best - r.window("utility", window) for r in self.results])
        return float(iqm(shares(losses, best))), resampled(losses, best)

    def interval(self, window: str) -> Interval:
        return interval(*self._of(window, "regret"))

    @property
    def earned(self) -> float:
        return self._of("all", "utility")[0]

    def behind(self, first: _Standing) -> Interval:
        return interval(first.share - self.share, first.resamples - self.resamples)

    def mean(self, name: str) -> float:
        return float(np.mean([getattr(result, name) for result in self.results]))


def _task_table(methods: dict[str, list[Result]]) -> str:
    standings = {name: _Standing(results) for name, results in methods.items()}
    ranked = sorted(standings, key=lambda name: -standings[name].share)
    first = standings[ranked[0]]
    floor, ceiling = (
        max((standings[name].share for name in names if name in standings), default=None)
        for names in (FLOOR, CEILING)
    )
    header = (
        "method",
        "share",
        "rounds 1–10",
        "rounds 11–100",
        "behind",
        "relative regret",
        "learnt",
        "earned",
        "seeds",
        "training rounds",
        "training s",
        "µs",
        "knows",
    )
    rows: list[tuple[str, ...]] = [header]
    for name in ranked:
        standing = standings[name]
        trained = standing.entry.trainer is not None
        behind = "–" if standing is first else _bracketed(standing.behind(first))
        rows.append(
            (
                name,
                _bracketed(standing.interval("all")),
                _bracketed(standing.interval("1-10")),
                _bracketed(standing.interval("11-100")),
                behind,
                f"{1.0 - standing.share:.2%}",
                _learnt(standing.share, floor, ceiling),
                f"{standing.earned:.4f}",
                str(len(standing.results)) if trained else "–",
                f"{standing.mean('train_rounds'):,.0f}" if trained else "–",
                f"{standing.mean('train_seconds'):,.0f}" if trained else "–",
                f"{standing.mean('decision_microseconds'):,.0f}",
                standing.entry.knows,
            )
        )
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(header) - 2) + "---|")
    return "\n".join(lines)


def _bracketed(estimate: Interval) -> str:
    return f"{estimate.mean:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def _learnt(share: float, floor: float | None, ceiling: float | None) -> str:
    """Nothing where no constant or no Bayes was played, or where Bayes gains nothing."""
    if floor is None or ceiling is None or ceiling - floor < 1e-3:
        return "–"
    return f"{(share - floor) / (ceiling - floor):.3f}"
