"""What each part of a method earns: it against itself without, paired by seed and episode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from baselines.arena.statistics import Interval, difference_interval
from baselines.experiments.leaderboard.evaluation import WINDOWS
from baselines.experiments.leaderboard.markdown import PRECISE, bracketed, table
from baselines.experiments.leaderboard.standing import Standing
from baselines.runs.files import write_atomically, write_csv

COLUMNS = (
    "scenario",
    "method",
    "without",
    "window",
    "difference",
    "low",
    "high",
    "seeds",
    "episodes",
)
BUILT_ON = {"filter_pathwise": ("filter", "filter_unfitted", "pathwise_mlp")}
"""Beside the ablations: methods of their own that another is built on, or adds attention to."""


class Difference(NamedTuple):
    """A method's share minus another's."""

    method: Standing
    other: Standing
    seeds: int
    windows: dict[str, Interval]


def write(out: Path, standings: Sequence[Standing]) -> Path | None:
    """Write `attribution.csv` and `attribution.md`; None if nothing was played that they show."""
    found = list(differences(standings))
    if not found:
        return None
    write_csv(out / "attribution.csv", COLUMNS, [row for d in found for row in _rows(d)])
    path = out / "attribution.md"
    write_atomically(path, "\n".join(_page(found)))
    return path


def differences(standings: Sequence[Standing]) -> Iterator[Difference]:
    """Of each method and its ablations, in each task, over the training seeds that both have."""
    played = {(s.task.name, s.entry.name): s for s in standings}
    for other in standings:
        wholes = [m for m, parts in BUILT_ON.items() if other.entry.name in parts]
        for name in (other.entry.ablation_of, *wholes):
            method = played.get((other.task.name, str(name)))
            if method is not None and (found := _difference(method, other)) is not None:
                yield found


def _difference(method: Standing, other: Standing) -> Difference | None:
    """None if they have no seed in common."""
    seeds = [seed for seed in method.seeds if _trained(other, seed)]
    if not seeds:
        return None
    windows = {}
    for window in WINDOWS:
        lost = method.lost(window)[[method.seeds.index(seed) for seed in seeds]]
        of_other = other.lost(window)
        if other.entry.trainer is None:  # it is the same whatever the seed
            of_other = np.repeat(of_other, len(seeds), axis=0)
        else:
            of_other = of_other[[other.seeds.index(seed) for seed in seeds]]
        windows[window] = difference_interval(lost, of_other, method.best(window))
    return Difference(method, other, len(seeds), windows)


def _trained(standing: Standing, seed: int) -> bool:
    return standing.entry.trainer is None or seed in standing.seeds


def _rows(difference: Difference) -> Iterator[dict[str, Any]]:
    for window, estimate in difference.windows.items():
        values = (
            difference.method.task.name,
            difference.method.entry.name,
            difference.other.entry.name,
            window,
            *(format(number, PRECISE) for number in estimate),
            difference.seeds,
            difference.method.episodes,
        )
        yield dict(zip(COLUMNS, values, strict=True))


def _page(found: Sequence[Difference]) -> list[str]:
    lines = [
        "# Attribution",
        "",
        "By how much the whole method's share of the oracle's utility is above that of the same "
        "without some part, in the same episodes and under the same training seeds. Brackets "
        "are 95 % intervals of the difference over training seeds (Student's t) and episodes "
        "(2,000 resamples), paired by both. One seed says nothing of others: there the interval is "
        "of episodes alone.",
        "",
    ]
    header = ("without", "difference", "rounds 1–10", "rounds 11–100", "seeds")
    groups: dict[tuple[str, str], list[Difference]] = {}
    for d in found:
        groups.setdefault((d.method.task.name, d.method.entry.name), []).append(d)
    for (task, method), group in groups.items():
        rows = [
            (
                d.other.entry.name,
                *(bracketed(d.windows[window]) for window in ("all", "1-10", "11-100")),
                _seeds(d),
            )
            for d in group
        ]
        lines += [f"## {method} on {task}", "", table(header, rows), ""]
    return lines


def _seeds(d: Difference) -> str:
    return str(d.seeds) if d.seeds >= d.method.asked else f"{d.seeds} of {d.method.asked}"
