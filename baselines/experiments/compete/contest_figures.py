"""The experiment's figures, from its CSV files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aigc_market import palette
from baselines.arena.statistics import mean_interval
from baselines.figures import CARTEL, NASH, STYLES, legend_below, panels, save
from baselines.runs.files import read_frame

_COLOURS = {"ppo": STYLES["ppo"]["color"], "tppo": STYLES["tppo"]["color"]}
_COLOURS |= {"q_learning": palette.PURPLE, "dqn": palette.VERMILLION}
_DASHES = {"_myopic": ":", "_shared": "--", "_vmus": "-."}
_SIDES = (("own", palette.VERMILLION, "the deviator"), ("others", palette.BLUE, "its rival"))


def draw(folder: Path) -> list[Path]:
    """Draw `learning.png`, `gains.png` and `deviation.png`, where there is what they show."""
    drawn = []
    for name, table, of in (
        ("learning", "curves", _learning),
        ("gains", "sellers", _gains),
        ("deviation", "deviations", _deviation),
    ):
        if len(frame := read_frame(folder / f"{table}.csv")):
            drawn.append(save(of(frame), folder / f"{name}.png"))
    return drawn


def _title(scenario: str) -> str:
    return scenario.replace("-max_price", ", all prices to ")


def _style(method: str) -> dict[str, Any]:
    dashes = next((d for ending, d in _DASHES.items() if method.endswith(ending)), "-")
    learner = next((name for name in _COLOURS if method.startswith(name)), "")
    return {"color": _COLOURS.get(learner, palette.MUTED), "linestyle": dashes}


def _learning(curves: Any) -> Figure:
    """Of each method the mean price over seats and seeds."""
    scenarios = list(curves["scenario"].unique())
    figure, axes = panels(len(scenarios), columns=2, width=4.2, height=3.2)
    for one, name in zip(axes, scenarios, strict=True):
        rows = curves[curves["scenario"] == name]
        for method, of_method in rows.groupby("method", sort=False):
            price = of_method.groupby("rounds")["price"].mean()
            one.plot(price.index / 1000, price, label=method, **_style(str(method)))
        right = one.get_yaxis_transform()
        for column, style, label in (
            ("nash_price", NASH, "Nash"),
            ("cartel_price", CARTEL, "cartel"),
        ):
            one.axhline(rows[column].mean(), **style)
            one.text(1.0, rows[column].mean(), f" {label}", transform=right, va="center")
        one.set(title=_title(name), xlabel="thousand rounds of a learner")
        one.set_ylabel("mean price, exploring")
    legend_below(figure, axes)
    return figure


def _gains(sellers: Any) -> Figure:
    """Δ of each run, and the mean with its interval."""
    runs = sellers.drop_duplicates(["scenario", "method", "seed"])
    scenarios, names = list(runs["scenario"].unique()), list(runs["method"].unique())[::-1]
    height = 0.26 * len(names) + 0.9
    figure, axes = panels(len(scenarios), columns=2, width=4.6, height=height, sharey=True)
    for one, name in zip(axes, scenarios, strict=True):
        rows = runs[runs["scenario"] == name]
        for i, method in enumerate(names):
            values = rows[rows["method"] == method]["profit_gain"].to_numpy()
            if not len(values):
                continue
            colour, estimate = _style(method)["color"], mean_interval(values)
            one.plot([estimate.low, estimate.high], [i, i], color=colour, linewidth=2, alpha=0.5)
            one.plot(values, np.full(len(values), i), "o", color=colour, markersize=3.5, alpha=0.7)
            one.plot(estimate.mean, i, "|", color=palette.INK, markersize=12)
        one.axvline(0.0, **NASH)
        one.axvline(1.0, **CARTEL)
        one.set_yticks(range(len(names)), names)
        one.set(title=_title(name), xlabel="profit gain Δ (0 Nash, 1 cartel)")
    return figure


def _deviation(paths: Any) -> Figure:
    """By how much prices leave what they would have been, of each run and on average."""
    way = paths["cartel_price"] - paths["nash_price"]
    paths = paths.assign(
        own=(paths["price"] - paths["undisturbed"]) / way,
        others=(paths["others_price"] - paths["others_undisturbed"]) / way,
    )
    scenarios, methods = paths["scenario"].unique(), paths["method"].unique()
    count = len(scenarios) * len(methods)
    figure, axes = panels(count, len(scenarios), width=3.0, height=1.15, sharex=True, sharey="col")
    for i, one in enumerate(axes):
        method, scenario = methods[i // len(scenarios)], scenarios[i % len(scenarios)]
        rows = paths[(paths["scenario"] == scenario) & (paths["method"] == method)]
        one.grid(visible=False)
        one.axhline(0.0, color=palette.LINE, linewidth=1)
        for column, colour, label in _SIDES:
            for _, run in rows.groupby(["seed", "deviator"]):
                one.plot(run["round"], run[column], color=colour, linewidth=0.5, alpha=0.25)
            mean = rows.groupby("round")[column].mean()
            one.plot(mean.index, mean, "o-", markersize=3, color=colour, label=label)
        if i < len(scenarios):
            one.set_title(_title(scenario))
        if i >= count - len(scenarios):
            one.set_xlabel("rounds after")
        if i % len(scenarios) == 0:
            one.set_ylabel(method, rotation=0, ha="right", va="center")
    figure.supylabel("change of price, share of the way from Nash to cartel", fontsize=9)
    legend_below(figure, axes)
    return figure
