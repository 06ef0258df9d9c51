"""The leaderboard's figures, from its CSV files alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from aigc_market import palette
from baselines.arena.registry import KNOWS, REGISTRY
from baselines.arena.styles import STYLES
from baselines.arena.task import Task

FLOOR = "constant"
"""Drawn beside the best of each track."""
_OWN: dict[str, Any] = {"color": palette.VERMILLION, "linestyle": "-."}
"""The look of users' own methods."""
_IN_EPISODES = ("shift", "drift")
_EPISODES = 3
"""At most: the first ones, whatever they look like."""
_KNOWN = ("paper", "live")
"""Markets without noise, which are the same in all episodes: regret there is a comb."""
_LEVELS = np.array([1e-5, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
_BINS = 20
"""Most points of a line: rounds in which prices go up and down by turns are put together."""
_APART = 0.065
"""Least distance of two labels, as a share of an axis's height."""


def draw(folder: Path) -> list[Path]:
    """Draw `regret.png`, `prices.png` and `sizes.png` where the CSV files have what they show."""
    table: Any = pd.read_csv(folder / "leaderboard.csv")
    rounds: Any = pd.read_csv(folder / "rounds.csv")
    prices: Any = pd.read_csv(folder / "prices.csv")
    paths = []
    with mpl.rc_context({"font.size": 10}):
        for name, figure in (
            ("regret", _regret(table, rounds)),
            ("prices", _prices(table, prices)),
            ("sizes", _sizes(table)),
        ):
            if figure is not None:
                paths.append(folder / f"{name}.png")
                figure.savefig(paths[-1], dpi=150)
    return paths


def _drawn(rows: Any) -> list[str]:
    """Of one scenario's rows in leaderboard.csv, the best method of each track, and the floor."""
    whole = rows[rows["window"] == "all"]
    methods = [m for m in whole["method"] if m not in REGISTRY or not REGISTRY[m].ablation_of]
    whole = whole[whole["method"].isin(methods)]
    drawn = []
    for track in KNOWS:
        of_track = whole[whole["knows"] == track]
        if len(of_track):
            drawn.append(str(of_track.loc[of_track["share"].idxmax(), "method"]))
    if FLOOR in methods and FLOOR not in drawn:
        drawn.append(FLOOR)
    return drawn


def _style(method: str) -> dict[str, Any]:
    return STYLES.get(method, _OWN)


def _panels(count: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Any]]:
    columns = min(columns, count)
    down = -(-count // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * down), layout="constrained")
    axes = figure.subplots(down, columns, squeeze=False).ravel().tolist()
    for empty in axes[count:]:
        empty.set_axis_off()
    for one in axes[:count]:
        one.grid(alpha=0.3)
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes[:count]


def _label_ends(axes: Any, ends: Mapping[str, tuple[float, dict[str, Any]]]) -> None:
    """Write each line's name at its right end; names that would meet are moved apart.

    Args:
        axes: with its limits and scales set.
        ends: by name: where the line ends, and its style.
    """
    to_share = axes.transData + axes.transAxes.inverted()
    right = axes.get_xlim()[1]
    places = {name: to_share.transform((right, y))[1] for name, (y, _) in ends.items()}
    order = sorted(places, key=lambda name: places[name])
    apart = np.array([places[name] for name in order])
    for i in range(1, len(apart)):
        apart[i] = max(apart[i], apart[i - 1] + _APART)
    apart[-1] = min(apart[-1], 1.0)
    for i in reversed(range(len(apart) - 1)):  # those that were moved out at the top
        apart[i] = min(apart[i], apart[i + 1] - _APART)
    for name, place in zip(order, apart, strict=True):
        axes.annotate(
            name,
            (1.0, places[name]),
            (1.03, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            color=ends[name][1]["color"],
            va="center",
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": ends[name][1]["color"], "linewidth": 0.6},
            annotation_clip=False,
        )


def _regret(table: Any, rounds: Any) -> Figure | None:
    """Presets of their own size: the others say little more, and would be many."""
    names = [n for n in rounds["scenario"].unique() if "-K" not in n and n not in _KNOWN]
    if not names:
        return None
    figure, axes = _panels(len(names), 2, (5.6, 3.2))
    for one, name in zip(axes, names, strict=True):
        drawn = _drawn(table[table["scenario"] == name])
        rows = rounds[rounds["scenario"] == name]
        lines = {method: _relative(rows[rows["method"] == method]) for method in drawn}
        for method, (middle, relative) in lines.items():
            one.plot(middle, relative, **_style(method))
        everything = np.concatenate([relative for _, relative in lines.values()])
        low, high = max(everything.min(), 1e-5) / 1.2, everything.max() * 1.2
        levels = _LEVELS[(low < _LEVELS) & (high > _LEVELS)]
        one.set(xscale="log", yscale="log", title=name, xlabel="Round of the episode")
        one.set_xlim(1, rows["round"].max())
        one.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        one.set_yticks(levels, [f"{level:.4g} %" for level in 100 * levels])
        one.set_ylim(low, high)  # what loses nothing lies below all logarithms
        one.minorticks_off()
        ends = {
            method: (max(relative[-1], low), _style(method))
            for method, (_, relative) in lines.items()
        }
        _label_ends(one, ends)
    for one in axes[::2]:
        one.set_ylabel("Regret, share of U*")
    return figure


def _relative(rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rounds, and regret over U* there: means of rounds that lie together in the logarithm."""
    last = int(rows["round"].max())
    edges = np.unique(np.geomspace(1, last + 1, _BINS + 1).astype(int))
    sums = rows.groupby(np.searchsorted(edges, rows["round"], side="right"))
    middle = np.sqrt(sums["round"].min() * sums["round"].max())
    return middle.to_numpy(), (sums["regret"].sum() / sums["equilibrium_utility"].sum()).to_numpy()


def _prices(table: Any, prices: Any) -> Figure | None:
    """The best of each track that does not know the law, in the first episodes."""
    names = [name for name in _IN_EPISODES if name in set(prices["scenario"])]
    if not names:
        return None
    episodes = sorted(prices["episode"].unique())[:_EPISODES]
    shown = [(name, episode) for name in names for episode in episodes]
    figure, axes = _panels(len(shown), len(episodes), (4.6, 2.9))
    for one, (name, episode) in zip(axes, shown, strict=True):
        rows = prices[(prices["scenario"] == name) & (prices["episode"] == episode)]
        oracle = rows.drop_duplicates("round")
        style: dict[str, Any] = {"color": palette.EQUILIBRIUM, "linewidth": 1.8}
        one.step(oracle["round"], oracle["equilibrium_price"], where="mid", **style)
        one.set(title=f"{name}, episode {episode}", xlabel="Round")
        one.set_xlim(1, oracle["round"].max())
        ends = {"oracle": (float(oracle["equilibrium_price"].iloc[-1]), style)}
        rivals = table[(table["scenario"] == name) & (table["knows"] != "law")]
        for method in _drawn(rivals):
            if method == FLOOR:
                continue
            of_method = rows[rows["method"] == method]
            one.plot(of_method["round"], of_method["price"], linewidth=1.1, **_style(method))
            ends[method] = float(of_method["price"].iloc[-1]), _style(method)
        _label_ends(one, ends)
    for one in axes[:: len(episodes)]:
        one.set_ylabel("Price")
    return figure


def _sizes(table: Any) -> Figure | None:
    """The first scenario that was played with other numbers of slots too."""
    parts = table["scenario"].str.extract(r"^(.*)-K(\d+)$")
    if parts[0].isna().all():
        return None
    name = parts[0].dropna().iloc[0]
    sizes = parts[1].astype(float).where(parts[0] == name)
    sizes = sizes.mask(table["scenario"] == name, Task(name).public().K)
    rows = table.assign(K=sizes)[(table["window"] == "all") & sizes.notna()]
    ticks: Sequence[float] = sorted(rows["K"].unique())
    everywhere = rows.groupby("method")["K"].transform("nunique") == len(ticks)
    rows = rows[everywhere]  # the others were trained for one size
    if rows.empty:
        return None
    figure, [axes] = _panels(1, 1, (6.4, 4.2))
    drawn = _drawn(rows[rows["scenario"] == name])
    ends = {}
    for method in drawn:
        line = rows[rows["method"] == method].sort_values("K")
        axes.plot(line["K"], line["share"], marker="o", markersize=4, **_style(method))
        ends[method] = float(line["share"].iloc[-1]), _style(method)
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="Slots K", ylabel="Share of the oracle's utility", title=name)
    _label_ends(axes, ends)
    return figure
