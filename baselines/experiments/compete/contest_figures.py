"""The experiment's figures, from its CSV files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from aigc_market import palette
from baselines.arena.statistics import mean_interval
from baselines.runs.files import read_frame

_COLOURS = {
    "q_learning": palette.PURPLE,
    "dqn": palette.ORANGE,
    "ppo": palette.SKY,
    "tppo": palette.BLUE,
}
_DASHES = {"_myopic": ":", "_shared": "--", "_vmus": "-."}
_NASH = {"color": palette.EQUILIBRIUM, "linestyle": "--", "linewidth": 1.2}
_CARTEL = {"color": palette.MUTED, "linestyle": ":", "linewidth": 1.4}


def draw(folder: Path) -> list[Path]:
    """Draw `learning.png`, `gains.png`, `crossplay.png` and `deviation.png`, where there is what
    they show."""
    tables: dict[str, Any] = {
        name: read_frame(folder / f"{name}.csv")
        for name in ("sellers", "crossplay", "curves", "deviations")
    }
    paths = []
    with mpl.rc_context({"font.size": 10}):
        for name, figure in (
            ("learning", _learning(tables["curves"])),
            ("gains", _gains(tables["sellers"])),
            ("crossplay", _crossplay(tables["crossplay"])),
            ("deviation", _deviation(tables["deviations"])),
        ):
            if figure is not None:
                paths.append(folder / f"{name}.png")
                figure.savefig(paths[-1], dpi=150)
    return paths


def _style(method: str) -> dict[str, Any]:
    for variant, dashes in _DASHES.items():
        if method.endswith(variant):
            return {"color": _COLOURS[method.removesuffix(variant)], "linestyle": dashes}
    return {"color": _COLOURS.get(method, palette.MUTED), "linestyle": "-"}


def _panels(count: int, size: tuple[float, float], below: float) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(size[0] * count, size[1] + below), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False).ravel().tolist()
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _learning(curves: Any) -> Figure | None:
    """Of each method the mean price over seats and seeds."""
    if curves.empty:
        return None
    scenarios = curves["scenario"].unique()
    figure, axes = _panels(len(scenarios), (4.2, 3.4), 0.8)
    labels: dict[str, Any] = {}
    for one, name in zip(axes, scenarios, strict=True):
        rows = curves[curves["scenario"] == name]
        for method in rows["method"].unique():
            price = rows[rows["method"] == method].groupby("rounds")["price"].mean()
            [line] = one.plot(price.index / 1000, price, label=method, **_style(method))
            labels[method] = line
        one.axhline(rows["nash_price"].mean(), **_NASH)
        one.axhline(rows["cartel_price"].mean(), **_CARTEL)
        right = one.get_yaxis_transform()
        for label, column in (("Nash", "nash_price"), ("cartel", "cartel_price")):
            one.text(1.0, rows[column].mean(), f" {label}", transform=right, va="center")
        one.set(title=name, xlabel="thousand rounds of a learner")
        one.grid(alpha=0.3)
    axes[0].set_ylabel("mean price, exploring")
    figure.legend(
        labels.values(), labels.keys(), loc="outside lower center", ncols=5, frameon=False
    )
    return figure


def _gains(sellers: Any) -> Figure | None:
    """Δ of each run, and the mean with its interval."""
    if sellers.empty:
        return None
    scenarios = sellers["scenario"].unique()
    runs = sellers.drop_duplicates(["scenario", "method", "seed"])
    names = list(runs["method"].unique())[::-1]
    figure, axes = _panels(len(scenarios), (3.6, 0.28 * len(names) + 0.6), 0.4)
    for one, name in zip(axes, scenarios, strict=True):
        rows = runs[runs["scenario"] == name]
        for i, method in enumerate(names):
            values = rows[rows["method"] == method]["profit_gain"].to_numpy()
            if not len(values):
                continue
            colour = _style(method)["color"]
            estimate = mean_interval(values)
            one.plot([estimate.low, estimate.high], [i, i], color=colour, linewidth=2, alpha=0.5)
            one.plot(values, np.full(len(values), i), "o", color=colour, markersize=4)
            one.plot(estimate.mean, i, "|", color=palette.INK, markersize=12)
        one.axvline(0.0, **_NASH)
        one.axvline(1.0, **_CARTEL)
        low, high = rows["profit_gain"].min(), rows["profit_gain"].max()
        one.set_xlim(min(-0.35, low - 0.1), max(1.15, high + 0.1))
        one.set_yticks(range(len(names)), names if one is axes[0] else [""] * len(names))
        one.set(title=name, xlabel="profit gain Δ (0 Nash, 1 cartel)")
        one.grid(axis="x", alpha=0.3)
    return figure


def _crossplay(met: Any) -> Figure | None:
    """Δ of the row's seller against strangers: on the diagonal its like of another seed."""
    strangers = met[met["met_in_training"] == 0]
    if strangers.empty:
        return None
    scenarios = strangers["scenario"].unique()
    names = [name for name in met["row"].unique() if name in set(strangers["row"])]
    # Below each other: cells are then wide enough for numbers that can be read on a page.
    height = (0.28 * len(names) + 0.4) * len(scenarios) + 1.2
    figure = Figure(figsize=(7.4, height), layout="constrained")
    axes = figure.subplots(len(scenarios), 1, squeeze=False, sharex=True).ravel().tolist()
    colours = LinearSegmentedColormap.from_list(
        "gain", [palette.VERMILLION, palette.WHITE, palette.BLUE]
    )
    scale = Normalize(-1.2, 1.2)
    for one, name in zip(axes, scenarios, strict=True):
        table = strangers[strangers["scenario"] == name].pivot_table(
            index="row", columns="column", values="row_gain", aggfunc="mean"
        )
        values = table.reindex(index=names, columns=names).to_numpy()
        one.imshow(values, cmap=colours, norm=scale, aspect="auto")
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                ink = palette.WHITE if abs(value) > 0.9 else palette.INK
                one.text(
                    j,
                    i,
                    f"{round(value, 2) + 0.0:.2f}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=ink,
                )
        one.set_xticks(range(len(names)), names, rotation=60, ha="right")
        one.set_yticks(range(len(names)), names)
        one.set(title=name, ylabel="Δ of")
        one.tick_params(length=0)
    axes[-1].set_xlabel("against")
    figure.colorbar(
        ScalarMappable(scale, colours),
        ax=axes,
        shrink=0.5,
        label="profit gain Δ of the row's seller",
    )
    return figure


def _deviation(paths: Any) -> Figure | None:
    """By how much prices leave what they would have been, of each run and on average."""
    if paths.empty:
        return None
    scenarios, methods = paths["scenario"].unique(), list(paths["method"].unique())
    way = paths["cartel_price"] - paths["nash_price"]
    paths = paths.assign(
        own=(paths["price"] - paths["undisturbed"]) / way,
        others=(paths["others_price"] - paths["others_undisturbed"]) / way,
    )
    figure = Figure(
        figsize=(3.2 * len(scenarios) + 1.2, 1.1 * len(methods) + 0.9), layout="constrained"
    )
    axes = figure.subplots(len(methods), len(scenarios), squeeze=False, sharex=True, sharey="col")
    for j, scenario in enumerate(scenarios):
        for i, method in enumerate(methods):
            one = axes[i, j]
            one.spines[["top", "right"]].set_visible(False)
            one.axhline(0.0, color=palette.LINE, linewidth=1)
            rows = paths[(paths["scenario"] == scenario) & (paths["method"] == method)]
            for column, colour, label in _SIDES:
                for _, run in rows.groupby(["seed", "deviator"]):
                    one.plot(run["round"], run[column], color=colour, linewidth=0.6, alpha=0.35)
                mean = rows.groupby("round")[column].mean()
                one.plot(mean.index, mean, "o-", markersize=3, color=colour, label=label)
            if i == 0:
                one.set_title(scenario, fontsize=10)
            if i == len(methods) - 1:
                one.set_xlabel("rounds after")
            if j == 0:
                one.set_ylabel(method, rotation=0, ha="right", va="center")
    figure.supylabel("change of price, share of the way from Nash to cartel", fontsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


_SIDES = (("own", palette.VERMILLION, "the deviator"), ("others", palette.BLUE, "its rival"))
