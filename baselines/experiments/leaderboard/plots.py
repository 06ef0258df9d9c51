"""The leaderboard's figures, from its CSV files alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from aigc_market import palette
from baselines.arena.task import Task

# Dashes tell apart what shares a colour.
STYLES: dict[str, dict[str, Any]] = {
    "constant": {"color": palette.MUTED, "linestyle": ":"},
    "epsilon_greedy": {"color": palette.MUTED, "linestyle": "--"},
    "cils_discounted": {"color": palette.PURPLE},
    "thompson": {"color": palette.PURPLE, "linestyle": "--"},
    "kalman": {"color": palette.VERMILLION},
    "ppo": {"color": palette.ORANGE},
    "recurrent_ppo": {"color": palette.ORANGE, "linestyle": "--"},
    "filter": {"color": palette.SKY, "linestyle": ":"},
    "tppo": {"color": palette.SKY, "linestyle": "--"},
    "filter_ppo": {"color": palette.SKY},
    "filter_pathwise": {"color": palette.BLUE, "linewidth": 2.2},
    "bayes": {"color": palette.BLACK, "linestyle": "--"},
    "bayes_thompson": {"color": palette.BLACK, "linestyle": ":"},
    "bayes_information": {"color": palette.BLACK},
}
"""The methods that are drawn; the tables have all."""
_IN_ONE_EPISODE = ("filter_pathwise", "filter_ppo", "kalman", "ppo", "cils_discounted")
_MOST_IN_ONE_EPISODE = 3
_KNOWN = ("paper", "live")
"""Markets without noise, which are the same in all episodes: regret there is a comb."""
_LEVELS = np.array([1e-5, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5])


def draw(folder: Path) -> list[Path]:
    """Draw `regret.png`, `prices.png` and `sizes.png` where the CSV files have what they show."""
    table: Any = pd.read_csv(folder / "leaderboard.csv")
    rounds: Any = pd.read_csv(folder / "rounds.csv")
    prices: Any = pd.read_csv(folder / "prices.csv")
    paths = []
    with mpl.rc_context({"font.size": 10}):
        for name, figure in (
            ("regret", _regret(rounds)),
            ("prices", _prices(prices)),
            ("sizes", _sizes(table)),
        ):
            if figure is not None:
                paths.append(folder / f"{name}.png")
                figure.savefig(paths[-1], dpi=150)
    return paths


def _drawn(rows: Any) -> list[str]:
    played = set(rows["method"])
    return [name for name in STYLES if name in played] + sorted(filter(_is_own, played))


def _is_own(method: str) -> bool:
    """A user's, `module:factory`."""
    return ":" in method


def _style(method: str) -> dict[str, Any]:
    own = {"color": palette.VERMILLION, "linestyle": "-.", "linewidth": 2.2}
    return own if _is_own(method) else STYLES[method]


def _panels(count: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Any]]:
    columns = min(columns, count)
    down = -(-count // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * down + 0.9), layout="constrained")
    axes = figure.subplots(down, columns, squeeze=False).ravel().tolist()
    for empty in axes[count:]:
        empty.set_axis_off()
    for one in axes[:count]:
        one.grid(alpha=0.3)
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes[:count]


def _legend(figure: Figure, axes: Sequence[Any]) -> None:
    columns = max(1, int(figure.get_figwidth() / 1.9))
    labels = {
        label: handle
        for one in axes
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        labels.values(), labels.keys(), loc="outside lower center", ncols=columns, frameon=False
    )


def _regret(rounds: Any) -> Figure | None:
    """Presets of their own size: the others say little more, and would be many."""
    drawn = rounds[rounds["method"].isin(_drawn(rounds))]
    names = [n for n in drawn["scenario"].unique() if "-K" not in n and n not in _KNOWN]
    if not names:
        return None
    figure, axes = _panels(len(names), 3, (4.2, 3.2))
    for one, name in zip(axes, names, strict=True):
        rows = drawn[drawn["scenario"] == name]
        for method in _drawn(rows):
            of_method = rows[rows["method"] == method]
            relative = of_method["regret"] / of_method["equilibrium_utility"]
            one.plot(of_method["round"], relative, label=method, **_style(method))
        relative = rows["regret"] / rows["equilibrium_utility"]
        low, high = max(relative.min(), 1e-5) / 1.2, relative.max() * 1.2
        levels = _LEVELS[(low < _LEVELS) & (high > _LEVELS)]
        one.set(xscale="log", yscale="log", title=name, xlabel="Round of the episode")
        one.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        one.set_yticks(levels, [f"{level:.4g} %" for level in 100 * levels])
        one.set_ylim(low, high)  # what loses nothing lies below all logarithms
        one.minorticks_off()
    for one in axes[::3]:
        one.set_ylabel("Regret, share of U*")
    _legend(figure, axes)
    return figure


def _prices(prices: Any) -> Figure | None:
    names = [name for name in ("shift", "drift") if name in set(prices["scenario"])]
    if not names:
        return None
    figure, axes = _panels(len(names), 1, (9.0, 3.0))
    for one, name in zip(axes, names, strict=True):
        rows = prices[prices["scenario"] == name]
        rows = rows[rows["episode"] == _liveliest(rows)]
        methods = [m for m in _IN_ONE_EPISODE if m in _drawn(rows)][:_MOST_IN_ONE_EPISODE]
        oracle = rows.drop_duplicates("round")
        one.step(
            oracle["round"],
            oracle["equilibrium_price"],
            where="mid",
            color=palette.EQUILIBRIUM,
            linewidth=1.8,
            label="oracle",
        )
        for method in methods:
            of_method = rows[rows["method"] == method]
            one.plot(of_method["round"], of_method["price"], label=method, **_style(method))
        one.set(title=f"{name}, one episode", xlabel="Round", ylabel="Price")
        one.set_xlim(1, oracle["round"].max())
    _legend(figure, axes)
    return figure


def _liveliest(rows: Any) -> int:
    """The episode in which the oracle's price moves most, in all rounds together.

    Where it jumps to p_max and back (followers then buy the fewest steps that they may) there is
    little to be seen: such episodes come last.
    """
    oracle = rows.drop_duplicates(["episode", "round"]).pivot_table(
        index="round", columns="episode", values="equilibrium_price"
    )
    jumps = oracle.diff().abs()
    highest = rows["equilibrium_price"].max()
    return int((jumps.sum() - 1e6 * (oracle >= highest - 1e-3).any()).idxmax())


def _sizes(table: Any) -> Figure | None:
    """The first scenario that was played with other numbers of slots too."""
    parts = table["scenario"].str.extract(r"^(.*)-K(\d+)$")
    if parts[0].isna().all():
        return None
    name = parts[0].dropna().iloc[0]
    sizes = parts[1].astype(float).where(parts[0] == name)
    sizes = sizes.mask(table["scenario"] == name, Task(name).public().K)
    rows = table.assign(K=sizes)[(table["window"] == "all") & sizes.notna()]
    figure, [axes] = _panels(1, 1, (6.4, 4.2))
    for method in _drawn(rows):
        shares = rows[rows["method"] == method].groupby("K")["share"].mean()
        if len(shares) == 1:  # trained for one size
            continue
        axes.plot(shares.index, shares, marker="o", markersize=4, label=method, **_style(method))
    ticks = sorted(rows["K"].unique())
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="Slots K", ylabel="Share of the oracle's utility", title=name)
    _legend(figure, [axes])
    return figure
