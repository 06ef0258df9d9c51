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
from baselines.runs.files import discard, read_frame

WHO = {
    "deviator": ("the deviating seller", palette.VERMILLION),
    "rivals": ("its rivals", palette.BLUE),
}


def draw(folder: Path) -> list[Path]:
    """Draw `response.png` and `heatmap.png` where there is what they show."""
    summary, response = (read_frame(folder / f"{name}.csv") for name in ("summary", "response"))
    heat = summary[summary["part"] == "heat map"]
    # Designs of the source, and one of learners that see no deviation.
    blind = (summary["sellers"] == 2) & (summary["memory"] == 0) & (summary["discount"] > 0)
    shown = summary[(summary["part"] == "sellers") | (blind & (summary["part"] == "checks"))]
    discard(folder, "response.png", "heatmap.png")
    drawn = []
    if len(shown):
        drawn.append(save(_response(response, shown), folder / "response.png"))
    if len(heat):
        drawn.append(save(_heatmap(heat), folder / "heatmap.png"))
    return drawn


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


def _response(response: Any, designs: Any) -> Figure:
    """A panel a design, which is a row of `summary.csv`."""
    figure, axes = panels(len(designs), columns=2, width=3.7, height=2.9)
    for one, (_, row) in zip(axes, designs.iterrows(), strict=True):
        rows = response[(response["design"] == row["design"]) & (response["part"] == row["part"])]
        for who, (name, color) in WHO.items():
            path = rows[rows["who"] == who]
            quartiles = path["lower_quartile"], path["upper_quartile"]
            one.fill_between(path["period"], *quartiles, color=color, alpha=0.15, linewidth=0)
            style = {"marker": "o", "markersize": 3.5, "color": color}
            one.plot(path["period"], path["mean"], label=name, **style)
        one.axhline(row["nash_price"], label="Nash", **NASH)
        one.axhline(row["cartel_price"], label="cartel", **CARTEL)
        one.set_title(label(row))
        one.set(xlabel="period; the deviation is in 1", ylabel="price")
        one.set_xticks([0, *range(1, 16, 2)])
    legend_below(figure, axes)
    return figure


def _heatmap(heat: Any) -> Figure:
    """Each map on its own range of colours."""
    colors = LinearSegmentedColormap.from_list("gain", [palette.WHITE, palette.BLUE])
    shown = {"profit_gain": "profit gain Δ", "one_shot_nash": "share of Nash, one shot"}
    figure, both = panels(2, columns=2, width=3.7, height=3.4, sharey=True)
    for axes, (name, title) in zip(both, shown.items(), strict=True):
        table = heat.pivot_table(index="alpha", columns="beta", values=name)
        low, high = table.to_numpy().min(), table.to_numpy().max()
        axes.grid(visible=False)
        axes.imshow(table, origin="lower", aspect="auto", cmap=colors, vmin=low, vmax=high)
        for (i, j), value in np.ndenumerate(table.to_numpy()):
            ink = palette.WHITE if value > (low + high) / 2 else palette.INK
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=ink)
        axes.set_xticks(range(table.shape[1]), [f"{1e6 * beta:g}" for beta in table.columns])
        axes.set_yticks(range(table.shape[0]), [f"{alpha:g}" for alpha in table.index])
        axes.set(xlabel="β, in millionths", title=title)
    both[0].set_ylabel("α, the learning rate")
    return figure
