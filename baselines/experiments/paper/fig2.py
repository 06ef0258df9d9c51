"""The paper's figures, from `runs.csv` and `curves.csv` alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from aigc_market import palette
from baselines.runs.files import write_atomically

NAMES = {
    "tppo": "TPPO",
    "ppo": "PPO",
    "greedy": "Greedy",
    "random": "Random",
    "equilibrium": "Stackelberg equilibrium",
}
# Markers are for black-and-white print.
_STYLES: dict[str, dict[str, Any]] = {
    "tppo": {"color": palette.BLUE, "marker": "o", "markersize": 10, "markerfacecolor": "none"},
    "ppo": {"color": palette.ORANGE, "marker": "s", "markersize": 4},
    "greedy": {"color": palette.SKY, "marker": "^"},
    "random": {"color": palette.PURPLE, "marker": "v"},
    "equilibrium": {"color": palette.EQUILIBRIUM, "linestyle": "--"},
}
_BIN = 10


def draw(folder: Path) -> list[Path]:
    """Draw `fig2a` … `fig2d` (PNG and SVG) beside the CSV files that they are drawn from."""
    runs: Any = pd.read_csv(folder / "runs.csv", dtype={"figure": str})
    curves: Any = pd.read_csv(folder / "curves.csv")
    with mpl.rc_context({"svg.hashsalt": "aigc_market", "font.size": 11}):
        figures = {
            "fig2a": _learning_curves(runs, curves),
            "fig2b": _against(runs, "2b", "cost", "price", "Unit cost c", "Price p"),
            "fig2c": _against(
                runs, "2c", "num_vmus", "utility", "Number of VMUs K", "ASP utility per round"
            ),
            "fig2d": _against(
                runs, "2d", "cost", "utility", "Unit cost c", "ASP utility per round"
            ),
        }
        paths = []
        for name, figure in figures.items():
            for suffix, metadata in (("png", None), ("svg", {"Date": None})):
                paths.append(folder / f"{name}.{suffix}")
                save = partial(figure.savefig, format=suffix, dpi=150, metadata=metadata)
                write_atomically(paths[-1], save)
    return paths


def _axes() -> tuple[Figure, Any]:
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(figure: Figure) -> None:
    figure.legend(loc="outside lower center", ncols=3, frameon=False)


def _learning_curves(runs: Any, curves: Any) -> Figure:
    figure, axes = _axes()
    block = (curves["episode"] - 1) // _BIN
    curves = curves.assign(episode=(block + 0.5) * _BIN + 0.5)
    for method in [name for name in NAMES if name in set(curves["method"])]:
        by_seed = (
            curves[curves["method"] == method]
            .groupby(["episode", "seed"])["utility"]
            .mean()
            .unstack("seed")
        )
        mean = by_seed.mean(axis=1)
        style = {**_STYLES[method], "markevery": 2}
        axes.plot(mean.index, mean, label=NAMES[method], **style)
        axes.fill_between(
            by_seed.index,
            by_seed.min(axis=1),
            by_seed.max(axis=1),
            color=style["color"],
            alpha=0.2,
            linewidth=0,
        )
    best = runs[runs["figure"] == "2a"]["equilibrium_utility"].iloc[0]
    axes.axhline(best, label=NAMES["equilibrium"], **_STYLES["equilibrium"])
    axes.set_xlabel("Training episode")
    axes.set_ylabel("ASP utility per round")
    axes.set_ylim(bottom=0)
    _legend(figure)
    seeds = curves["seed"].nunique()
    axes.set_title(
        f"Mean of {seeds} seed{'s' if seeds > 1 else ''}"
        + (", band from lowest to highest" if seeds > 1 else "")
        + f"; means of {_BIN} episodes",
        fontsize=10,
    )
    return figure


def _against(runs: Any, figure_name: str, x: str, y: str, x_label: str, y_label: str) -> Figure:
    figure, axes = _axes()
    rows = runs[runs["figure"] == figure_name]
    for method in [name for name in NAMES if name in set(rows["method"])]:
        groups = rows[rows["method"] == method].groupby(x)[y]
        mean = groups.mean()
        if method == "equilibrium":
            axes.plot(mean.index, mean, label=NAMES[method], zorder=3, **_STYLES[method])
        else:
            spread = [mean - groups.min(), groups.max() - mean]
            axes.errorbar(
                mean.index, mean, spread, label=NAMES[method], capsize=3, **_STYLES[method]
            )
    axes.set_xticks(sorted(rows[x].unique()))
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if y == "utility":
        axes.set_ylim(bottom=0)
    _legend(figure)
    seeds = rows[rows["method"] == "tppo"]["seed"].nunique()
    if seeds > 1:
        axes.set_title(f"Mean of {seeds} seeds, bars from lowest to highest", fontsize=10)
    return figure
