"""The leaderboard's figure, from its CSV files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aigc_market import palette
from baselines.arena.registry import KNOWS, REGISTRY
from baselines.experiments.leaderboard.result import is_classical
from baselines.figures import OWN, STYLES, label_ends, panels, save
from baselines.runs.files import discard, read_frame

FLOOR = "constant"
"""Drawn beside the best of each track."""
_KNOWN = ("paper", "live")
"""Markets without noise, which are the same in all episodes: regret there is a comb."""
_LEVELS = np.array([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
_PANEL = 3.7
"""Width of a panel with its labels in inches: two of them are as wide as a page of the docs."""


def draw(folder: Path) -> Path | None:
    """Draw `regret.png`, if there are presets whose regret is worth drawing.

    It is what is lost up to each round; its last point is 1 − share, the leaderboard's number.
    Presets of their own size: the others say little more, and would be many.
    """
    table, rounds = (read_frame(folder / f"{name}.csv") for name in ("leaderboard", "rounds"))
    names = [n for n in rounds["scenario"].unique() if "-K" not in n and n not in _KNOWN]
    if not names:
        discard(folder, "regret.png")
        return None
    figure, axes = panels(len(names), 2, _PANEL, 2.6)
    labels = []
    for one, name in zip(axes, names, strict=True):
        rows = rounds[rounds["scenario"] == name].sort_values("round")
        lines = {}
        for method in _drawn(table[table["scenario"] == name]):
            line = rows[rows["method"] == method].set_index("round")
            lines[method] = line["regret"].cumsum() / line["equilibrium_utility"].cumsum()
            one.plot(lines[method], **STYLES.get(method, OWN))
        everything = np.concatenate(list(lines.values()))
        one.set(xscale="log", title=name, xlabel="Rounds played")
        one.set_xlim(1, rows["round"].max())
        one.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        # What loses nothing lies below all logarithms.
        low = max(everything.min(), _LEVELS[0]) / 1.2
        _percent(one, low, everything.max() * 1.2)
        ends = {}
        for method, line in lines.items():
            lost = line.iloc[-1]
            ends[f"{method} {100 * lost:.1f} %"] = max(lost, low), STYLES.get(method, OWN)
        labels.append((one, ends))
    for one in axes[::2]:
        one.set_ylabel("Lost so far, of U*")
    episodes = table[table["scenario"].isin(names)]["episodes"].max()
    figure.suptitle(
        "Utility lost up to a round, as a share of the oracle's: one best price (constant),\n"
        "best classical rule, best of each track. "
        f"{episodes:,} episodes, seeds from {table['first_seed'].iloc[0]} on.",
        x=0.01,
        ha="left",
        color=palette.MUTED,
    )
    label_ends(figure, labels)
    return save(figure, folder / "regret.png")


def _drawn(rows: Any) -> list[str]:
    """Of one scenario's rows in leaderboard.csv, the methods that are drawn.

    They are the best of each track, the best classical one, and the floor.
    """
    whole = rows[rows["window"] == "all"]
    classical = [m in REGISTRY and is_classical(REGISTRY[m]) for m in whole["method"]]
    tracks = [whole["knows"] == track for track in KNOWS]
    parts = [whole[mask] for mask in (*tracks, classical, whole["method"] == FLOOR)]
    best = [part.set_index("method")["share"].idxmax() for part in parts if len(part)]
    return list(dict.fromkeys(best))


def _percent(axes: Any, low: float, high: float) -> None:
    """A logarithmic axis of what is lost."""
    levels = _LEVELS[(low < _LEVELS) & (high > _LEVELS)]
    axes.set_yscale("log")
    axes.set_yticks(levels, [f"{100 * level:g} %" for level in levels])
    axes.set_ylim(low, high)
    axes.minorticks_off()
