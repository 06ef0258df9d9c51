"""The figures, from the CSV files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from aigc_market import palette
from baselines.runs.files import read_frame

WHO = {
    "deviator": ("the deviating seller", palette.VERMILLION),
    "rivals": ("its rivals", palette.BLUE),
}
_NASH = {"color": palette.EQUILIBRIUM, "linestyle": "--", "linewidth": 1.2}
_CARTEL = {"color": palette.MUTED, "linestyle": ":", "linewidth": 1.4}


def draw(folder: Path) -> list[Path]:
    """Draw `response.png`, `profit_gain.png` and `heatmap.png` where there is what they show."""
    tables: dict[str, Any] = {
        name: read_frame(folder / f"{name}.csv")
        for name in ("sessions", "summary", "response", "heatmap")
    }
    paths = []
    with mpl.rc_context({"font.size": 10}):
        for name, figure in (
            ("response", _response(tables["response"], tables["summary"])),
            ("profit_gain", _profit_gain(tables["sessions"], tables["summary"])),
            ("heatmap", _heatmap(tables["heatmap"])),
        ):
            if figure is not None:
                paths.append(folder / f"{name}.png")
                figure.savefig(paths[-1], dpi=150)
    return paths


def label(row: Any) -> str:
    """What a design is called in figures and tables: `n = 2, no memory`."""
    words = [f"n = {row['sellers']}"]
    if row["memory"] == 0:
        words.append("no memory")
    if row["discount"] == 0:
        words.append("discount 0")
    return ", ".join(words)


def _response(response: Any, summary: Any) -> Figure | None:
    """A panel a design: those of the paper, and one of learners that see no deviation."""
    blind = (summary["sellers"] == 2) & (summary["memory"] == 0) & (summary["discount"] > 0)
    drawn = summary[(summary["part"] == "sellers") | blind]
    drawn = drawn[drawn["design"].isin(response["design"])]
    if drawn.empty:
        return None
    columns = min(2, len(drawn))
    down = -(-len(drawn) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.3 * down + 0.5), layout="constrained")
    axes = figure.subplots(down, columns, squeeze=False).ravel()
    for one in axes[len(drawn) :]:
        one.set_axis_off()
    for one, (_, row) in zip(axes, drawn.iterrows(), strict=False):
        rows = response[(response["design"] == row["design"]) & (response["part"] == row["part"])]
        for who, (name, color) in WHO.items():
            path = rows[rows["who"] == who].sort_values("period")
            one.fill_between(
                path["period"],
                path["lower_quartile"],
                path["upper_quartile"],
                color=color,
                alpha=0.15,
                linewidth=0,
            )
            marks = {"marker": "o", "markersize": 3.5}
            one.plot(path["period"], path["mean"], color=color, label=name, **marks)
        one.axhline(row["nash_price"], label="Nash", **_NASH)
        one.axhline(row["cartel_price"], label="cartel", **_CARTEL)
        count = rows["sessions"].iloc[0]
        one.set_title(f"{label(row)}: {count} sessions", fontsize=10)
        one.set(xlabel="Period; the deviation is in 1", ylabel="Price")
        one.set_xticks([0, 1, 3, 5, 7, 9, 11, 13, 15])
        one.grid(alpha=0.3)
        one.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
    )
    return figure


def _profit_gain(sessions: Any, summary: Any) -> Figure:
    """A row a design: the middle half and nine tenths of its sessions, and the mean."""
    drawn = summary[summary["part"] != "heat map"].reset_index(drop=True)
    figure = Figure(figsize=(7.2, 0.55 * len(drawn) + 1.3), layout="constrained")
    axes = figure.subplots()
    for y, row in drawn.iterrows():
        rows = sessions[(sessions["design"] == row["design"]) & (sessions["part"] == row["part"])]
        low, lower, upper, high = np.percentile(rows["profit_gain"], [5, 25, 75, 95])
        first = y == 0
        axes.plot(
            [low, high],
            [y, y],
            color=palette.SKY,
            linewidth=3,
            solid_capstyle="butt",
            label="nine tenths of the sessions" if first else None,
        )
        axes.plot(
            [lower, upper],
            [y, y],
            color=palette.BLUE,
            linewidth=9,
            solid_capstyle="butt",
            label="their middle half" if first else None,
        )
        mean = row["profit_gain"]
        spread = [[mean - row["profit_gain_low"]], [row["profit_gain_high"] - mean]]
        axes.errorbar(
            mean,
            y,
            xerr=None if np.isnan(spread).any() else spread,
            fmt="o",
            color=palette.INK,
            markerfacecolor=palette.WHITE,
            capsize=4,
            zorder=3,
            label="mean, 95 % interval" if first else None,
        )
    axes.axvline(0.0, label="Nash", **_NASH)
    axes.axvline(1.0, label="cartel", **_CARTEL)
    axes.set_yticks(range(len(drawn)), [label(row) for _, row in drawn.iterrows()])
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.set_xlabel("Profit gain Δ of a session")
    axes.grid(alpha=0.3, axis="x")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _heatmap(heat: Any) -> Figure | None:
    if heat.empty:
        return None
    table = heat.pivot_table(index="alpha", columns="beta", values="profit_gain").sort_index()
    colors = LinearSegmentedColormap.from_list("gain", [palette.WHITE, palette.BLUE])
    figure = Figure(figsize=(6.8, 4.8), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(table, origin="lower", aspect="auto", cmap=colors, vmin=0.0, vmax=1.0)
    for (i, j), value in np.ndenumerate(table.to_numpy()):
        ink = palette.WHITE if value > 0.5 else palette.INK
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(table.shape[1]), [f"{beta:g}" for beta in table.columns])
    axes.set_yticks(range(table.shape[0]), [f"{alpha:g}" for alpha in table.index])
    axes.set_xlabel("β, how fast exploration fades")
    axes.set_ylabel("α, the learning rate")
    counts = sorted(set(heat["sessions"]))
    axes.set_title(f"Two sellers, means of {counts[0]} sessions a cell", fontsize=10)
    figure.colorbar(image, label="Profit gain Δ")
    return figure
