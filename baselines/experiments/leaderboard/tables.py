"""The leaderboard's CSV files and `leaderboard.md`, from what was played."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baselines.arena.registry import KNOWS
from baselines.experiments.leaderboard.evaluation import WINDOWS
from baselines.experiments.leaderboard.markdown import (
    NONE,
    PRECISE,
    bracketed,
    seeds,
    share,
    table,
)
from baselines.experiments.leaderboard.standing import Standing
from baselines.runs.files import write_atomically, write_csv

COLUMNS = (
    "scenario",
    "method",
    "knows",
    "window",
    "share",
    "low",
    "high",
    "earned",
    "regret",
    "seeds",
    "seeds_asked",
    "episodes",
    "first_seed",
    "train_rounds",
    "train_seconds",
    "decision_microseconds",
    "digest",
)
ROUND_COLUMNS = ("scenario", "method", "round", "regret", "equilibrium_utility")
PRICE_COLUMNS = ("scenario", "method", "episode", "round", "price", "equilibrium_price")
CEILING = "law"
"""The track of those that know the law: what the others are measured by, and no rivals."""
_PACKAGES = ("aigc-market", "gymnasium", "numpy", "sb3-contrib", "stable-baselines3", "torch")


def write(out: Path, standings: Sequence[Standing], settings: dict[str, Any]) -> Path:
    """Write `leaderboard.md`, and `leaderboard.csv`, `seeds.csv`, `rounds.csv` and `prices.csv`.

    Args:
        out: folder of these.
        standings: of every method in every task, in the order of the tasks.
        settings: listed at the end.

    Returns:
        Path of `leaderboard.md`.
    """
    write_csv(out / "leaderboard.csv", COLUMNS, [row for s in standings for row in rows(s)])
    alone = [Standing([r]) for s in standings for r in s.results if s.entry.trainer is not None]
    write_csv(out / "seeds.csv", COLUMNS, [row for s in alone for row in rows(s)])
    write_csv(out / "rounds.csv", ROUND_COLUMNS, [row for s in standings for row in _by_round(s)])
    write_csv(out / "prices.csv", PRICE_COLUMNS, [row for s in standings for row in _prices(s)])
    path = out / "leaderboard.md"
    write_atomically(path, "\n".join(_page(standings, settings)))
    return path


def rows(standing: Standing) -> list[dict[str, Any]]:
    """A standing's rows of leaderboard.csv, one for each window."""
    made = []
    for window in WINDOWS:
        estimate = standing.share(window)
        values = (
            standing.task.name,
            standing.entry.name,
            standing.entry.knows,
            window,
            *(format(number, PRECISE) for number in estimate),
            format(standing.earned(window), PRECISE),
            f"{standing.regret(window):.4f}",
            " ".join(map(str, standing.seeds)),
            standing.asked,
            standing.episodes,
            standing.first_seed,
            f"{standing.mean('train_rounds'):.0f}",
            f"{standing.mean('train_seconds'):.1f}",
            f"{standing.mean('decision_microseconds'):.1f}",
            standing.digest,
        )
        made.append(dict(zip(COLUMNS, values, strict=True)))
    return made


def _by_round(standing: Standing) -> Iterator[dict[str, Any]]:
    """Means over episodes and seeds."""
    arrays = [result.arrays for result in standing.results]
    regret = np.mean([a["round_regret"] for a in arrays], axis=0) / standing.episodes
    best = arrays[0]["round_equilibrium_utility"] / standing.episodes
    for i in range(len(best)):
        values = i + 1, f"{regret[i]:.4f}", f"{best[i]:.4f}"
        key = standing.task.name, standing.entry.name
        yield dict(zip(ROUND_COLUMNS, (*key, *values), strict=True))


def _prices(standing: Standing) -> Iterator[dict[str, Any]]:
    """The first seed's prices in the first episodes."""
    arrays = standing.results[0].arrays
    for (t, episode), value in np.ndenumerate(arrays["price"]):
        oracle = arrays["equilibrium_price"][t, episode]
        values = episode + 1, t + 1, f"{value:.4f}", f"{oracle:.4f}"
        key = standing.task.name, standing.entry.name
        yield dict(zip(PRICE_COLUMNS, (*key, *values), strict=True))


def _page(standings: Sequence[Standing], settings: dict[str, Any]) -> list[str]:
    shown = [standing for standing in standings if standing.entry.ablation_of is None]
    return [
        "# Leaderboard",
        "",
        "Share of the oracle's utility, 1 − Σ regret / Σ U\\*, over all rounds of all episodes; "
        "regret and U\\* are those of followers without noise. All methods play the same episodes: "
        "the same markets, moves and noise.",
        "",
        "What a method *knows* beside the public parameters and past rounds is its track: "
        "*nothing*; *form*, that demand is a line within bounds, with noise in proportion; "
        "*gradient*, its training differentiates the simulator; *law*, how markets are drawn and "
        "move: the ceiling, and no rival. Within a track the best come first.",
        "",
        "Shares are means over training seeds; brackets are 95 % intervals over training seeds "
        "(Student's t) and over episodes (2,000 resamples). Methods without training have no "
        "training seeds, and where there is one seed the interval says nothing of others: those "
        "are of episodes alone. Cells with fewer seeds than were asked for say so. "
        "µs are of one decision in one market on one core.",
        "",
        "## All presets",
        "",
        *_all_presets(shown),
        *(
            line
            for name, of_task in _by_task(shown).items()
            for line in (f"## {name}", "", *_one_preset(of_task))
        ),
        "## Figures",
        "",
        "![Regret through an episode](regret.png)",
        "![Prices in some episodes](prices.png)",
        "![Share against the number of VMUs](sizes.png)",
        "",
        "## Settings",
        "",
        *(f"- {name}: `{value}`" for name, value in settings.items()),
        f"- Python {platform.python_version()} on {platform.machine()}",
        *(f"- {name} {importlib.metadata.version(name)}" for name in _PACKAGES),
        "",
    ]


def _by_task(standings: Sequence[Standing]) -> dict[str, list[Standing]]:
    groups: dict[str, list[Standing]] = {}
    for standing in standings:
        groups.setdefault(standing.task.name, []).append(standing)
    return groups


def _all_presets(standings: Sequence[Standing]) -> list[str]:
    """A method a row, a preset a column; in each track's rows the best of a preset in bold."""
    tasks = list(_by_task(standings))
    methods: dict[str, dict[str, Standing]] = {}
    for standing in standings:
        methods.setdefault(standing.entry.name, {})[standing.task.name] = standing
    lines = []
    for ceiling in (False, True):
        made = []
        for track in KNOWS:
            of_track = [m for m in methods.values() if _track(m) == track]
            if (track == CEILING) is ceiling:
                made += [_row(of_method, of_track, tasks) for of_method in of_track]
        if made:
            caption = ["Ceiling, the law known:", ""] if ceiling else []
            lines += [*caption, table(("knows", "method", *tasks), made, words=2), ""]
    return lines


def _track(of_method: dict[str, Standing]) -> str:
    return next(iter(of_method.values())).entry.knows


def _row(
    of_method: dict[str, Standing], of_track: Sequence[dict[str, Standing]], tasks: Sequence[str]
) -> list[str]:
    cells = []
    for task in tasks:
        if task not in of_method:
            cells.append(NONE)
            continue
        standing = of_method[task]
        mean = standing.share().mean
        best = max(m[task].share().mean for m in of_track if task in m)
        text = f"**{share(mean)}**" if mean == best else share(mean)
        fewer = len(standing.results) < standing.asked
        cells.append(f"{text} ({seeds(standing)} seeds)" if fewer else text)
    return [_track(of_method), next(iter(of_method.values())).entry.name, *cells]


def _one_preset(standings: Sequence[Standing]) -> list[str]:
    header = (
        "knows",
        "method",
        "share",
        "seeds",
        "rounds 1–10",
        "rounds 11–100",
        "earned",
        "training rounds",
        "training s",
        "µs",
    )
    ranked = sorted(standings, key=lambda s: (KNOWS.index(s.entry.knows), -s.share().mean))
    lines = []
    for ceiling in (False, True):
        made = [_cells(s) for s in ranked if (s.entry.knows == CEILING) is ceiling]
        if made:
            caption = ["Ceiling, the law known:", ""] if ceiling else []
            lines += [*caption, table(header, made, words=2), ""]
    return lines


def _cells(standing: Standing) -> list[str]:
    trained = standing.entry.trainer is not None
    return [
        standing.entry.knows,
        standing.entry.name,
        *(bracketed(standing.share()), seeds(standing)),
        *(bracketed(standing.share(window)) for window in ("1-10", "11-100")),
        share(standing.earned()),
        f"{standing.mean('train_rounds'):,.0f}" if trained else NONE,
        f"{standing.mean('train_seconds'):,.0f}" if trained else NONE,
        f"{standing.mean('decision_microseconds'):,.0f}",
    ]
