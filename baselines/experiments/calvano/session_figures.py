"""The figures, from the CSV files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from aigc_market import palette
from baselines.figures import CARTEL, NASH, legend_below, panels, save
from baselines.methods.q_learning.tabular import QRecipe
from baselines.runs.files import read_frame

WHO = {
    "deviator": ("the deviating seller", palette.VERMILLION),
    "rivals": ("its rivals", palette.BLUE),
}


def draw(folder: Path) -> None:
    """Draw `response.png`, `profit_gain.png` and `heatmap.png` where there is what they show."""
    names = ("sessions", "summary", "response")
    sessions, summary, response = (read_frame(folder / f"{name}.csv") for name in names)
    heat = summary[summary["part"] == "heat map"]
    if len(response):
        save(_response(response, summary), folder / "response.png")
    save(_profit_gain(sessions, summary), folder / "profit_gain.png")
    if len(heat):
        save(_heatmap(heat), folder / "heatmap.png")


def label(row: Any) -> str:
    """What a design is called in figures and tables: `n = 2, no memory`."""
    words = [f"n = {row['sellers']}"]
    if row["memory"] == 0:
        words.append("no memory")
    if row["discount"] == 0:
        words.append("discount 0")
    if row["part"] == "heat map" or row["alpha"] != QRecipe().alpha:
        words.append(f"α = {row['alpha']:g}, β = {row['beta']:g}")
    return ", ".join(words)


def _of(table: Any, row: Any) -> Any:
    """The rows of a table that are of a design."""
    return table[(table["design"] == row["design"]) & (table["part"] == row["part"])]


def _response(response: Any, summary: Any) -> Figure:
    """A panel a design: those of the source, and one of learners that see no deviation."""
    blind = (summary["sellers"] == 2) & (summary["memory"] == 0) & (summary["discount"] > 0)
    drawn = summary[(summary["part"] == "sellers") | (blind & (summary["part"] == "checks"))]
    figure, axes = panels(len(drawn), columns=2, width=4.6, height=3.5)
    for one, (_, row) in zip(axes, drawn.iterrows(), strict=True):
        rows = _of(response, row)
        for who, (name, color) in WHO.items():
            path = rows[rows["who"] == who]
            quartiles = path["lower_quartile"], path["upper_quartile"]
            one.fill_between(path["period"], *quartiles, color=color, alpha=0.15, linewidth=0)
            style = {"marker": "o", "markersize": 3.5, "color": color}
            one.plot(path["period"], path["mean"], label=name, **style)
        one.axhline(row["nash_price"], label="Nash", **NASH)
        one.axhline(row["cartel_price"], label="cartel", **CARTEL)
        one.set_title(f"{label(row)}: {row['deviating']} sessions")
        one.set(xlabel="Period; the deviation is in 1", ylabel="Price")
        one.set_xticks([0, *range(1, 16, 2)])
    legend_below(figure, axes)
    return figure


def _profit_gain(sessions: Any, summary: Any) -> Figure:
    """A row a design: the middle half and nine tenths of its sessions, and the mean."""
    drawn = summary[summary["part"] != "heat map"].reset_index(drop=True)
    figure, (axes,) = panels(1, width=7.6, height=0.5 * len(drawn) + 1.3)
    gains = [_of(sessions, row)["profit_gain"] for _, row in drawn.iterrows()]
    low, lower, upper, high = np.array([np.percentile(x, [5, 25, 75, 95]) for x in gains]).T
    thin, thick = {"linewidth": 3, "color": palette.SKY}, {"linewidth": 9, "color": palette.BLUE}
    axes.hlines(drawn.index, low, high, label="nine tenths of the sessions", **thin)
    axes.hlines(drawn.index, lower, upper, label="their middle half", **thick)
    mean = drawn["profit_gain"]
    spread = np.nan_to_num([mean - drawn["profit_gain_low"], drawn["profit_gain_high"] - mean])
    circle = {"fmt": "o", "color": palette.INK, "markerfacecolor": palette.WHITE, "capsize": 4}
    axes.errorbar(mean, drawn.index, xerr=spread, label="mean, 95 % interval", **circle)
    axes.axvline(0.0, label="Nash", **NASH)
    axes.axvline(1.0, label="cartel", **CARTEL)
    labels = [label(row).replace(", α", ",\nα") for _, row in drawn.iterrows()]
    axes.set_yticks(drawn.index, labels)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.set_xlabel("Profit gain Δ of a session")
    legend_below(figure, [axes], columns=3)
    return figure


def _heatmap(heat: Any) -> Figure:
    colors = LinearSegmentedColormap.from_list("gain", [palette.WHITE, palette.BLUE])
    shown = {"profit_gain": "Profit gain Δ", "one_shot_nash": "Nash by one-shot deviations"}
    figure, both = panels(2, columns=2, width=6.0, height=4.4)
    for axes, (name, title) in zip(both, shown.items(), strict=True):
        table = heat.pivot_table(index="alpha", columns="beta", values=name)
        low = np.floor(10 * table.to_numpy().min()) / 10
        axes.grid(visible=False)
        image = axes.imshow(table, origin="lower", aspect="auto", cmap=colors, vmin=low, vmax=1.0)
        for (i, j), value in np.ndenumerate(table.to_numpy()):
            ink = palette.WHITE if value > (low + 1.0) / 2 else palette.INK
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=ink)
        axes.set_xticks(range(table.shape[1]), [f"{beta:g}" for beta in table.columns])
        axes.set_yticks(range(table.shape[0]), [f"{alpha:g}" for alpha in table.index])
        axes.set(xlabel="β, how fast exploration fades", ylabel="α, the learning rate", title=title)
        figure.colorbar(image, ax=axes)
    return figure
