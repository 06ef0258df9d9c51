"""The experiment's figures, from its CSV files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aigc_market import palette
from baselines.arena.statistics import mean_interval
from baselines.figures import CARTEL, NASH, STYLES, label_ends, panels, save
from baselines.runs.files import discard, read_frame

_COLOURS = {"ppo": STYLES["ppo"]["color"], "tppo": STYLES["tppo"]["color"]}
_COLOURS |= {"q_learning": palette.PURPLE, "dqn": palette.VERMILLION}
_VARIANTS = ("_myopic", "_shared", "_vmus")


def draw(folder: Path) -> list[Path]:
    """Draw `learning.png` and `gains.png`, where there is what they show."""
    curves, sellers = (read_frame(folder / f"{name}.csv") for name in ("curves", "sellers"))
    discard(folder, "learning.png", "gains.png")
    drawn = []
    if len(curves):
        drawn.append(save(_learning(curves), folder / "learning.png"))
    # Who is told the market has Δ 0 or 1 by design.
    if len(sellers) and len(learners := sellers[sellers["knows"] != "law"]):
        drawn.append(save(_gains(learners), folder / "gains.png"))
    return drawn


def title(scenario: str) -> str:
    """What a scenario is called above its panel."""
    return scenario.replace("-max_price", ", all prices to ")


def _colour(method: str) -> str:
    learner = next((name for name in _COLOURS if method.startswith(name)), "")
    return _COLOURS.get(learner, palette.MUTED)


def _learning(curves: Any) -> Figure:
    """Of each method the mean price over seats and seeds; of variants where they are alone."""
    plain = curves[~curves["method"].str.endswith(_VARIANTS)]
    curves = plain if len(plain) else curves
    scenarios = list(curves["scenario"].unique())
    figure, axes = panels(len(scenarios), columns=2, width=3.9, height=2.8)
    labels = []
    for one, name in zip(axes, scenarios, strict=True):
        rows = curves[curves["scenario"] == name]
        ends = {}
        for method, of_method in rows.groupby("method", sort=False):
            style = {"color": _colour(str(method))}
            price = of_method.groupby("rounds")["price"].mean()
            one.plot(price.index / 1000, price, **style)
            ends[str(method)] = price.iloc[-1], style
        for label, style in (("Nash", NASH), ("cartel", CARTEL)):
            ends[label] = rows[f"{label.lower()}_price"].mean(), style
            one.axhline(ends[label][0], **style)
        one.set(title=title(name), xlabel="thousand rounds", ylabel="mean price, exploring")
        one.set_xlim(0, curves["rounds"].max() / 1000)
        labels.append((one, ends))
    label_ends(figure, labels)
    return figure


def _gains(sellers: Any) -> Figure:
    """Δ of each run, and the mean with its interval."""
    runs = sellers.drop_duplicates(["scenario", "method", "seed"])
    scenarios, names = list(runs["scenario"].unique()), list(runs["method"].unique())[::-1]
    height = 0.25 * len(names) + 0.8
    shared = {"sharex": True, "sharey": True}
    figure, axes = panels(len(scenarios), columns=2, width=3.7, height=height, **shared)
    for one, name in zip(axes, scenarios, strict=True):
        rows = runs[runs["scenario"] == name]
        for i, method in enumerate(names):
            values = rows[rows["method"] == method]["profit_gain"].to_numpy()
            if not len(values):
                continue
            colour, estimate = _colour(method), mean_interval(values)
            one.plot([estimate.low, estimate.high], [i, i], color=colour, linewidth=2, alpha=0.5)
            one.plot(values, np.full(len(values), i), "o", color=colour, markersize=3.5, alpha=0.7)
            one.plot(estimate.mean, i, "|", color=palette.INK, markersize=12)
        one.axvline(0.0, **NASH)
        one.axvline(1.0, **CARTEL)
        one.set_yticks(range(len(names)), names)
        one.set_title(title(name))
    figure.supxlabel("profit gain Δ (0 Nash, 1 cartel)", fontsize=10)
    return figure
