"""What a method earned in a task, over its training seeds: from the evaluations' files."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from aigc_market._files import read_arrays
from baselines.arena import policies
from baselines.arena.registry import Entry, Knows
from baselines.arena.statistics import Interval, difference_interval, share_interval
from baselines.experiments.leaderboard.evaluation import WINDOWS, Evaluation
from baselines.runs.digest import digest
from baselines.runs.files import holding

_WANTED = {"regret", "utility", "equilibrium_utility", "seconds", "decision_microseconds"}


class Result:
    """One method in one task, over its seeds, all in the same episodes.

    Args:
        evaluations: of each seed; one at least.
        played: what `Evaluation.play` gave, of each.
        asked: how many seeds were asked for.
    """

    def __init__(
        self,
        evaluations: Sequence[Evaluation],
        played: Sequence[Mapping[str, Any]],
        asked: int = 1,
    ) -> None:
        self.evaluations, self.played, self.asked = evaluations, played, asked
        first = evaluations[0]
        self.entry, self.task, self.change = first.entry, first.task, first.change
        self.episodes, self.first_seed = first.episodes, first.first_seed

    @classmethod
    def read(cls, evaluations: Sequence[Evaluation], out: Path, asked: int = 1) -> Result:
        """Of evaluations whose files are in a folder.

        Raises:
            ValueError: a file holds something else.
        """
        return cls(evaluations, [_read(e.file(out)) for e in evaluations], asked)

    def alone(self) -> list[Result]:
        """Of each seed by itself."""
        return [Result([e], [a]) for e, a in zip(self.evaluations, self.played, strict=True)]

    @property
    def seeds(self) -> list[int]:
        """Of its trainings; of a method that nobody trains, of its random choices."""
        return [evaluation.seed for evaluation in self.evaluations]

    @property
    def digest(self) -> str:
        """Of all that its numbers depend on: tasks, episodes, code, policies or parameters."""
        return digest([evaluation.digest for evaluation in self.evaluations])

    def window(self, name: str, window: str) -> np.ndarray:
        """Sums over a window's rounds of each seed in each episode, (S, N)."""
        parts = np.stack([arrays[name] for arrays in self.played]).astype(np.float64)
        return parts.sum(axis=1) if window == "all" else parts[:, list(WINDOWS).index(window)]

    def best(self, window: str) -> np.ndarray:
        """The oracle's utility in each episode, (N,)."""
        return self.window("equilibrium_utility", window)[0]

    def share(self, window: str = "all") -> Interval:
        """1 − Σ regret / Σ U*: rich markets count more."""
        return share_interval(self.window("regret", window), self.best(window))

    def market_share(self, window: str = "all") -> Interval:
        """The mean over episodes of each episode's own share: all markets count alike."""
        lost = _of_each(self.window("regret", window), self.best(window))
        return share_interval(lost, np.ones(lost.shape[1]))

    def above(self, other: Result, window: str = "all") -> tuple[Interval, Interval, int] | None:
        """By how much its share is above another's, by money and by market, paired.

        Pairs are the episodes, and the training seeds that both have; a method that nobody trains
        is the same under all.

        Returns:
            Both differences, and of how many seeds; None where they have no seed in common.
        """
        trained = [r.seeds for r in (self, other) if r.has_seeds]
        seeds = [seed for seed in trained[0] if seed in trained[-1]] if trained else [0]
        if not seeds:
            return None
        lost, of_other = (r._lost(seeds, window) for r in (self, other))
        best = self.best(window)
        mine, its = (_of_each(each, best) for each in (lost, of_other))
        return (
            difference_interval(lost, of_other, best),
            difference_interval(mine, its, np.ones(mine.shape[1])),
            len(seeds),
        )

    @property
    def has_seeds(self) -> bool:
        """Whether its seeds are different runs: trainings, or those of a user's own method."""
        return self.entry.factory is None or self.entry.is_own

    def _lost(self, seeds: Sequence[int], window: str) -> np.ndarray:
        lost = self.window("regret", window)
        return lost[[self.seeds.index(seed) if self.has_seeds else 0 for seed in seeds]]

    def earned(self, window: str = "all") -> float:
        """Σ utility / Σ U*, noise of the followers and all."""
        of_seeds = self.window("utility", window).sum(axis=1)
        return float(of_seeds.mean() / self.best(window).sum())

    def merit(self) -> float:
        """What methods, parameters and policies are chosen by: see `merit_of`."""
        return merit_of(self.entry.knows, self.earned(), self.share().mean)

    def regret(self, window: str = "all") -> float:
        """A round."""
        rounds = len(self.played[0]["round_regret"][WINDOWS[window]])
        return float(self.window("regret", window).mean() / rounds)

    def mean(self, name: str) -> float:
        """Over seeds, of `seconds` or `decision_microseconds`."""
        return float(np.mean([arrays[name] for arrays in self.played]))

    def training(self, name: str) -> float:
        """The mean over trainings of `rounds` or `seconds`; 0 where nobody trains."""
        files = [e.policy for e in self.evaluations if e.policy is not None]
        return float(np.mean([policies.load(file).config[name] for file in files] or [0.0]))


Item = TypeVar("Item")


def grouped(key: Callable[[Item], Hashable], items: Iterable[Item]) -> dict[Any, list[Item]]:
    """Items with the same key together, keys and items in their order."""
    groups: dict[Any, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def merit_of(knows: Knows, earned: float, share: float) -> float:
    """The one rule of choice, in validation episodes: money, where a method is told no more.

    The oracle's share tells more of a market than its provider could ever see. So it chooses only
    among methods whose training, or whose rule, is told as much: tracks `gradient` and `law`.
    """
    return earned if knows in ("nothing", "form") else share


def is_classical(entry: Entry) -> bool:
    """Whether it is told the form of demand, untrained, and not by this package's filter."""
    by_filter = entry.reference.startswith("baselines.methods.filter")
    return entry.knows == "form" and entry.factory is not None and not by_filter


def is_learner(entry: Entry) -> bool:
    """Whether it is trained, and told nothing: reinforcement learning."""
    return entry.knows == "nothing" and entry.factory is None


def _of_each(lost: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Loss (S, N) as a share of each episode's own U*; those without any trade are left out."""
    return lost[:, best > 0] / best[best > 0]


def _read(path: Path) -> Mapping[str, Any]:
    return holding(path, read_arrays(path), *_WANTED)
