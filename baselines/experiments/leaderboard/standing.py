"""What a method did in a task, over its training seeds: from the evaluations' files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aigc_market._files import read_arrays
from baselines.arena import policies
from baselines.arena.statistics import Interval, share_interval, shares
from baselines.experiments.leaderboard.evaluation import WINDOWS, Evaluation
from baselines.runs.digest import digest


class Result:
    """An evaluation's file, and its method's training."""

    def __init__(self, evaluation: Evaluation, arrays: dict[str, np.ndarray]) -> None:
        self.evaluation, self.arrays = evaluation, arrays
        self.train_rounds, self.train_seconds = 0, 0.0
        if evaluation.policy is not None:
            record = policies.load(evaluation.policy).config
            self.train_rounds, self.train_seconds = record["rounds"], record["seconds"]

    @classmethod
    def read(cls, evaluation: Evaluation, out: Path) -> Result:
        """What was kept of an evaluation.

        Raises:
            ValueError: its file holds something else.
        """
        path = evaluation.file(out)
        arrays = read_arrays(path)
        wanted = ("regret", "utility", "equilibrium_utility", "decision_microseconds")
        if not (isinstance(arrays, dict) and set(wanted) <= set(arrays)):
            raise ValueError(f"{path}: must hold {', '.join(wanted)} of an evaluation")
        return cls(evaluation, arrays)

    @property
    def decision_microseconds(self) -> float:
        """Of one decision in one market."""
        return float(self.arrays["decision_microseconds"])

    def window(self, name: str, window: str) -> np.ndarray:
        """Sums over a window's rounds in each episode, (N,)."""
        parts = self.arrays[name].astype(np.float64)
        return parts.sum(axis=0) if window == "all" else parts[list(WINDOWS).index(window)]


class Standing:
    """One method in one task, over its seeds.

    Args:
        results: of each seed, in the same episodes; one at least.
        asked: how many seeds were asked for.
    """

    def __init__(self, results: Sequence[Result], asked: int = 1) -> None:
        self.results, self.asked = results, asked
        first = results[0].evaluation
        self.entry, self.task, self.episodes = first.entry, first.task, first.episodes
        self.first_seed = first.first_seed

    @property
    def seeds(self) -> list[int]:
        """Of its trainings."""
        return [result.evaluation.seed for result in self.results]

    @property
    def digest(self) -> str:
        """Of all that its numbers depend on: tasks, episodes, code, policies or parameters."""
        return digest([result.evaluation.digest for result in self.results])

    def lost(self, window: str) -> np.ndarray:
        """Regret, (S, N), of each seed in each episode."""
        return np.stack([result.window("regret", window) for result in self.results])

    def best(self, window: str) -> np.ndarray:
        """The oracle's utility in each episode, (N,)."""
        return self.results[0].window("equilibrium_utility", window)

    def share(self, window: str = "all") -> Interval:
        """Of the oracle's utility."""
        return share_interval(self.lost(window), self.best(window))

    def earned(self, window: str = "all") -> float:
        """Σ utility / Σ U*, noise of the followers and all."""
        best = self.best(window)
        return float(
            np.mean([1.0 - shares(r.window("utility", window), best) for r in self.results])
        )

    def regret(self, window: str = "all") -> float:
        """A round."""
        rounds = len(range(len(self.results[0].arrays["round_regret"]))[WINDOWS[window]])
        return float(self.lost(window).mean() / rounds)

    def mean(self, name: str) -> float:
        """Over seeds, of `train_rounds`, `train_seconds` or `decision_microseconds`."""
        return float(np.mean([getattr(result, name) for result in self.results]))
