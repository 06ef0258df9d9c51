"""The leaderboard's figures, from its CSV files alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aigc_market import palette
from baselines.arena.registry import KNOWS, REGISTRY
from baselines.arena.task import Task
from baselines.experiments.leaderboard.result import is_classical
from baselines.figures import OWN, STYLES, label_ends, panels, save, title_above
from baselines.runs.files import read_frame

FLOOR = "constant"
"""Drawn beside the best of each track."""
_IN_EPISODES = ("shift", "drift")
_EPISODES = 3
"""At most: the first ones, whatever they look like."""
_KNOWN = ("paper", "live")
"""Markets without noise, which are the same in all episodes: regret there is a comb."""
_LEVELS = np.array([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
_LEAST = 0.0005
"""Of U*, below which learners are not told apart: their own noise is as large."""
_PANEL = 3.7
"""Width of a panel with its labels in inches: two of them are as wide as a page of the docs."""


def draw(folder: Path) -> list[Path]:
    """Draw the figures for which the CSV files have what they show.

    They are `regret.png`, `prices.png`, `sizes.png` and `learning.png`.
    """
    table, rounds, prices, curves = (
        read_frame(folder / f"{name}.csv") for name in ("leaderboard", "rounds", "prices", "curves")
    )
    figures = {
        "regret": _regret(table, rounds),
        "prices": _prices(table, prices),
        "sizes": _sizes(table),
        "learning": _learning(table, curves),
    }
    return [save(one, folder / f"{name}.png") for name, one in figures.items() if one is not None]


def _drawn(rows: Any) -> list[str]:
    """Of one scenario's rows in leaderboard.csv, the methods that are drawn.

    They are the best of each track, the best classical one, and the floor.
    """
    whole = rows[rows["window"] == "all"]
    tracks = [whole["knows"] == track for track in KNOWS]
    return _best(whole, *tracks, _classical(whole["method"]), whole["method"] == FLOOR)


def _classical(methods: Any) -> list[bool]:
    """Which of them are classical rules."""
    return [name in REGISTRY and is_classical(REGISTRY[name]) for name in methods]


def _best(rows: Any, *masks: Any) -> list[str]:
    """Of rows over whole episodes, the methods with the highest share in each part of them."""
    parts = [rows[mask].set_index("method")["share"] for mask in masks]
    return list(dict.fromkeys(part.idxmax() for part in parts if len(part)))


def _style(method: str) -> dict[str, Any]:
    return STYLES.get(method, OWN)


def _percent(axes: Any, low: float, high: float) -> None:
    """A logarithmic axis of what is lost."""
    levels = _LEVELS[(low < _LEVELS) & (high > _LEVELS)]
    axes.set_yscale("log")
    axes.set_yticks(levels, [f"{100 * level:g} %" for level in levels])
    axes.set_ylim(low, high)
    axes.minorticks_off()


def _episodes_of(table: Any) -> str:
    """How many episodes, and which, where all rows have the same."""
    first = table["first_seed"].unique()
    seeds = f", seeds from {first[0]} on" if len(first) == 1 else ""
    return f"{table['episodes'].max():,} episodes{seeds}"


def _regret(table: Any, rounds: Any) -> Figure | None:
    """What is lost up to each round; its last point is 1 − share, the leaderboard's number.

    Presets of their own size: the others say little more, and would be many.
    """
    names = [n for n in rounds["scenario"].unique() if "-K" not in n and n not in _KNOWN]
    if not names:
        return None
    figure, axes = panels(len(names), 2, _PANEL, 2.6)
    labels = []
    for one, name in zip(axes, names, strict=True):
        rows = rounds[rounds["scenario"] == name].sort_values("round")
        lines = {}
        for method in _drawn(table[table["scenario"] == name]):
            line = rows[rows["method"] == method].set_index("round")
            if line.empty:  # of an earlier table, without its rounds
                continue
            lines[method] = line["regret"].cumsum() / line["equilibrium_utility"].cumsum()
            one.plot(lines[method], **_style(method))
        everything = np.concatenate(list(lines.values()))
        one.set(xscale="log", title=name, xlabel="Rounds played")
        one.set_xlim(1, rows["round"].max())
        one.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        # What loses nothing lies below all logarithms.
        low = max(everything.min(), _LEVELS[0]) / 1.2
        _percent(one, low, everything.max() * 1.2)
        ends = {
            f"{method} {100 * line.iloc[-1]:.1f} %": (max(line.iloc[-1], low), _style(method))
            for method, line in lines.items()
        }
        labels.append((one, ends))
    for one in axes[::2]:
        one.set_ylabel("Lost so far, of U*")
    title_above(
        figure,
        "Utility lost up to a round, as a share of the oracle's: one best price (constant),\n"
        "best classical rule, best of each track. "
        f"{_episodes_of(table[table['scenario'].isin(names)])}.",
    )
    label_ends(figure, labels)
    return figure


def _prices(table: Any, prices: Any) -> Figure | None:
    """The best that is told nothing, and the best that is not told the law, in some episodes."""
    names = [name for name in _IN_EPISODES if name in set(prices["scenario"])]
    if not names:
        return None
    episodes = sorted(prices["episode"].unique())[:_EPISODES]
    shown = [(name, episode) for episode in episodes for name in names]
    figure, axes = panels(len(shown), len(names), max(_PANEL, 6.4 / len(names)), 2.2)
    labels = []
    for one, (name, episode) in zip(axes, shown, strict=True):
        rows = prices[(prices["scenario"] == name) & (prices["episode"] == episode)]
        oracle = rows.drop_duplicates("round")
        style: dict[str, Any] = {"color": palette.EQUILIBRIUM, "linewidth": 2.4}
        one.step(oracle["round"], oracle["equilibrium_price"], where="mid", alpha=0.55, **style)
        one.set(title=f"{name}, episode {episode}")
        one.set_xlim(1, oracle["round"].max())
        ends = {"p*": (float(oracle["equilibrium_price"].iloc[-1]), style)}
        traced = table["method"].isin(rows["method"]) & (table["window"] == "all")
        rivals = table[(table["scenario"] == name) & traced]
        told = rivals["knows"]  # nothing, then anything but the law
        for method in _best(rivals, told == "nothing", told != "law"):
            of_method = rows[rows["method"] == method]
            one.plot(of_method["round"], of_method["price"], linewidth=1.3, **_style(method))
            ends[method] = float(of_method["price"].iloc[-1]), _style(method)
        labels.append((one, ends))
    for one in axes[-len(names) :]:
        one.set_xlabel("Round")
    for one in axes[:: len(names)]:
        one.set_ylabel("Price")
    presets = table[table["scenario"].isin(names)]
    title_above(
        figure, f"Prices posted, and the oracle's p*.\nThe first of {_episodes_of(presets)}."
    )
    label_ends(figure, labels)
    return figure


def _sizes(table: Any) -> Figure | None:
    """The first scenario that was played with other numbers of slots too."""
    parts = table["scenario"].str.extract(r"^(.*)-K(\d+)$")
    if parts[0].isna().all():
        return None
    name = parts[0].dropna().iloc[0]
    own = Task(name).public().K
    sizes = parts[1].astype(float).where(parts[0] == name).mask(table["scenario"] == name, own)
    rows = table.assign(K=sizes)[(table["window"] == "all") & sizes.notna()]
    ticks: Sequence[float] = sorted(rows["K"].unique())
    everywhere = rows.groupby("method")["K"].transform("nunique") == len(ticks)
    rows = rows[everywhere]  # the others were trained for one size
    if rows.empty:
        return None
    figure, [axes] = panels(1, 1, 6.4, 4.1)
    drawn = _drawn(rows[rows["scenario"] == name])
    if "kalman_total" in set(rows["method"]) - set(drawn):
        drawn.append("kalman_total")  # the mean follower is steadier the more there are
    ends = {}
    for method in drawn:
        line = rows[rows["method"] == method].set_index("K")["share"].sort_index()
        axes.plot(1 - line, marker="o", markersize=4, clip_on=False, **_style(method))
        ends[f"{method} {100 * (1 - line.iloc[-1]):.1f} %"] = 1 - line.iloc[-1], _style(method)
    lost = 1 - rows[rows["method"].isin(drawn)]["share"]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axes.set_xlim(ticks[0], ticks[-1])
    axes.set(xlabel="Slots K", ylabel="Lost, of U*")
    _percent(axes, lost.min() / 1.2, lost.max() * 1.2)
    title_above(
        figure,
        f"{name} with other numbers of slots: utility lost, as a share of the oracle's.\n"
        f"What is trained was trained with {own}, and plays all sizes as it is.",
    )
    label_ends(figure, [(axes, ends)])
    return figure


def _learning(table: Any, curves: Any) -> Figure | None:
    """Share of the oracle's utility against rounds and CPU seconds of training, by scenario.

    The mean over training seeds, with a band from the lowest to the highest. Level lines are of
    the best that nobody trains; a cross is where a method stands of which no more is known.
    """
    names = list(curves["scenario"].unique())
    if not names:
        return None
    figure, axes = panels(2 * len(names), 2, _PANEL, 2.9)
    labels = []
    for i, name in enumerate(names):
        whole = table[(table["scenario"] == name) & (table["window"] == "all")]
        untrained = _best(whole, _classical(whole["method"]), whole["knows"] == "law")
        whole = whole.set_index("method")
        fixed = whole.loc[untrained]
        of_name = curves[curves["scenario"] == name]
        lines = {method: _line(rows) for method, rows in of_name.groupby("method", sort=False)}
        done = whole[whole["train_rounds"].gt(0) & ~whole.index.isin(lines)]
        ends = {**fixed["share"], **done["share"]}
        ends |= {method: line["mean"].iloc[-1] for method, line in lines.items()}
        low = min(*ends.values(), *(line["low"].min() for line in lines.values()))
        high = max(*ends.values(), *(line["high"].max() for line in lines.values()))
        for one, time in zip(axes[2 * i : 2 * i + 2], ("rounds", "seconds"), strict=True):
            for method, line in lines.items():
                style = _style(method)
                one.plot(line[time], _lost(line["mean"]), linewidth=1.4, **style)
                band = _lost(line["low"]), _lost(line["high"])
                one.fill_between(line[time], *band, color=style["color"], alpha=0.12)
            for method, row in done.iterrows():
                lost = _lost(row["share"])
                one.plot(row[f"train_{time}"], lost, "x", color=_style(method)["color"])
            for method, share in fixed["share"].items():
                one.axhline(_lost(share), linewidth=1.0, **_style(method))
            one.set(xscale="log", title=name)
            one.set_xlabel({"rounds": "Rounds of training", "seconds": "CPU seconds"}[time])
            _percent(one, _lost(high) / 1.2, 1.2 * _lost(low))
            one.invert_yaxis()
            one.set_yticks(one.get_yticks(), [f"{100 - 100 * y:g} %" for y in one.get_yticks()])
        axes[2 * i].set_ylabel("Share of U*")
        told = {f"{m} {100 * share:.1f} %": (_lost(share), _style(m)) for m, share in ends.items()}
        labels.append((axes[2 * i + 1], told))
    title_above(
        figure,
        "Share of the oracle's utility while learners train: validation episodes, mean over\n"
        "training seeds, band from the lowest to the highest. Test episodes: level lines, the\n"
        "best classical rule and the best told the law; crosses, what else was trained.",
    )
    label_ends(figure, labels)
    return figure


def _line(rows: Any) -> Any:
    """One method's checkpoints over its training seeds, in their order."""
    by_place = rows.groupby(rows.groupby("seed").cumcount())
    shares = by_place["share"].agg(mean="mean", low="min", high="max")
    return by_place[["rounds", "seconds"]].mean().join(shares)


def _lost(share: Any) -> Any:
    """What is lost, as far as it is shown."""
    return np.maximum(1.0 - share, _LEAST)
