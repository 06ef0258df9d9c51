"""Who breaks out of the law: `outside.csv` and `outside.md`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from baselines.arena.registry import KNOWS
from baselines.experiments.leaderboard.markdown import PRECISE, bracketed, seeds, share, table
from baselines.experiments.leaderboard.standing import Standing
from baselines.experiments.leaderboard.worlds import UNCHANGED, World
from baselines.runs.files import write_atomically, write_csv

COLUMNS = (
    "scenario",
    "change",
    "method",
    "knows",
    "share",
    "low",
    "high",
    "lost",
    "earned",
    "seeds",
    "seeds_asked",
    "episodes",
    "digest",
)


class Outside(NamedTuple):
    """A method in a changed market, and the same in the market as it was."""

    standing: Standing
    unchanged: Standing

    @property
    def world(self) -> World:
        """Where."""
        world = self.standing.results[0].evaluation.world
        assert world is not None
        return world

    @property
    def lost(self) -> float:
        """By how much its share is below that in the market as it was."""
        return self.unchanged.share().mean - self.standing.share().mean


def write(out: Path, standings: Sequence[Standing]) -> Path | None:
    """Write both files; None if nothing was played outside."""
    played = list(_pairs(standings))
    if not played:
        return None
    write_csv(out / "outside.csv", COLUMNS, [_csv(one) for one in played])
    path = out / "outside.md"
    write_atomically(path, "\n".join(_page(played)))
    return path


def _pairs(standings: Sequence[Standing]) -> Iterator[Outside]:
    unchanged = {}
    for standing in standings:
        world = standing.results[0].evaluation.world
        assert world is not None
        if world.change == UNCHANGED:
            unchanged[standing.task.name, standing.entry.name] = standing
    for standing in standings:
        same = unchanged.get((standing.task.name, standing.entry.name))
        if same is not None:
            yield Outside(standing, same)


def _csv(one: Outside) -> dict[str, Any]:
    standing = one.standing
    values = (
        standing.task.name,
        one.world.change,
        standing.entry.name,
        standing.entry.knows,
        *(format(number, PRECISE) for number in standing.share()),
        format(one.lost, PRECISE),
        format(standing.earned(), PRECISE),
        " ".join(map(str, standing.seeds)),
        standing.asked,
        standing.episodes,
        standing.digest,
    )
    return dict(zip(COLUMNS, values, strict=True))


def _page(played: Sequence[Outside]) -> list[str]:
    lines = [
        "# Out of the law",
        "",
        "Methods that were trained or tuned on a preset, in the same preset with one thing "
        "changed, in episodes of their own; the column *unchanged* is played in these too. Each "
        "cell has the share of the oracle's utility against rational followers and, in brackets, "
        "what is lost of it by the change. Followers that choose by a logit or hold back are not "
        "rational on average: there *earned*, Σ utility / Σ U\\*, says more, and stands in the "
        "second table.",
        "",
    ]
    homes: dict[str, list[Outside]] = {}
    for one in played:
        homes.setdefault(one.standing.task.name, []).append(one)
    for home, group in homes.items():
        changes = list(dict.fromkeys(one.world.change for one in group))
        others = [change for change in changes if change != UNCHANGED]
        lines += [f"## {home}", "", *_tables(group, others)]
    return lines


def _tables(group: Sequence[Outside], changes: Sequence[str]) -> list[str]:
    """Of shares, and of what was earned; the least lost, on average over the changes, first."""
    methods: dict[str, dict[str, Outside]] = {}
    for one in group:
        methods.setdefault(one.standing.entry.name, {})[one.world.change] = one

    def rank(name: str) -> tuple[int, float]:
        by_change = methods[name]
        lost = [by_change[change].lost for change in changes if change in by_change]
        knows = by_change[UNCHANGED].standing.entry.knows
        return KNOWS.index(knows), float(np.mean(lost)) if lost else 0.0

    shares, earned = [], []
    for name in sorted(methods, key=rank):
        by_change = methods[name]
        home = by_change[UNCHANGED].standing
        key = home.entry.knows, name, seeds(home)
        shares.append([*key, bracketed(home.share()), *(_lost(by_change, c) for c in changes)])
        columns = (UNCHANGED, *changes)
        earned.append([*key, *(_earned(by_change, change) for change in columns)])
    header = ("knows", "method", "seeds", UNCHANGED, *changes)
    return [
        table(header, shares, words=2),
        "",
        "Earned:",
        "",
        table(header, earned, words=2),
        "",
    ]


def _lost(by_change: dict[str, Outside], change: str) -> str:
    one = by_change.get(change)
    return "–" if one is None else f"{share(one.standing.share().mean)} ({share(one.lost)})"


def _earned(by_change: dict[str, Outside], change: str) -> str:
    one = by_change.get(change)
    return "–" if one is None else share(one.standing.earned())
