"""The paper's figures, from `runs.csv` and `curves.csv` alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from baselines.arena.styles import STYLES
from baselines.runs.files import read_frame, write_atomically

NAMES = {
    "tppo": "TPPO",
    "ppo": "PPO",
    "greedy": "Greedy",
    "random": "Random",
    "equilibrium": "Stackelberg equilibrium",
}
# For black-and-white print, and for curves that lie on each other.
_MARKERS: dict[str, dict[str, Any]] = {
    "tppo": {"marker": "o", "markersize": 10, "markerfacecolor": "none"},
    "ppo": {"marker": "s", "markersize": 4},
    "greedy": {"marker": "^"},
    "random": {"marker": "v"},
    "equilibrium": {"zorder": 3},
}
_STYLES = {name: {**STYLES[name], **markers} for name, markers in _MARKERS.items()}
_BIN = 10
_LEARNERS = ("tppo", "ppo")


def draw(folder: Path) -> list[Path]:
    """Draw `fig2a` … `fig2d` (PNG and SVG) beside the CSV files that they are drawn from."""
    runs: Any = read_frame(folder / "runs.csv", dtype={"figure": str})
    curves: Any = read_frame(folder / "curves.csv")
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


def _legend(figure: Figure, axes: Any) -> None:
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    labels = [label for label in NAMES.values() if label in handles]
    figure.legend(
        [handles[label] for label in labels],
        labels,
        loc="outside lower center",
        ncols=3,
        frameon=False,
    )


def _learning_curves(runs: Any, curves: Any) -> Figure:
    figure, axes = _axes()
    best = runs[runs["figure"] == "2a"]["equilibrium_utility"].iloc[0]
    block = (curves["episode"] - 1) // _BIN
    curves = curves.assign(episode=(block + 0.5) * _BIN + 0.5)
    by_method = {
        name: rows.pivot_table(index="episode", columns="seed", values="utility")
        for name, rows in curves.groupby("method")
    }
    for method in [name for name in NAMES if name in by_method]:
        _curve(axes, method, by_method[method])
    axes.axhline(best, label=NAMES["equilibrium"], **_STYLES["equilibrium"])
    axes.set_xlabel("Training episode")
    axes.set_ylabel("ASP utility per round")
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    _second_half(axes, by_method, best)
    seeds = curves["seed"].nunique()
    axes.set_title(
        f"Mean of {seeds} seed{'s' if seeds > 1 else ''}"
        + (", band from lowest to highest" if seeds > 1 else "")
        + f"; means of {_BIN} episodes",
        fontsize=10,
    )
    return figure


def _curve(axes: Any, method: str, by_seed: Any) -> None:
    style = _STYLES[method]
    axes.plot(by_seed.mean(axis=1), label=NAMES[method], markevery=2, **style)
    low, high = by_seed.min(axis=1), by_seed.max(axis=1)
    axes.fill_between(by_seed.index, low, high, color=style["color"], alpha=0.2, linewidth=0)


def _second_half(axes: Any, by_method: dict[str, Any], best: float) -> None:
    """Where learners are near the equilibrium, large enough to tell them apart."""
    inset = axes.inset_axes((0.3, 0.1, 0.67, 0.3))
    for method in _LEARNERS:
        by_seed = by_method[method]
        _curve(inset, method, by_seed.iloc[len(by_seed) // 2 :])
    inset.axhline(best, **_STYLES["equilibrium"])
    inset.set_title("the same, second half of training", fontsize=9)
    inset.tick_params(labelsize=9)
    inset.grid(alpha=0.3)


def _against(runs: Any, figure_name: str, x: str, y: str, x_label: str, y_label: str) -> Figure:
    figure, axes = _axes()
    rows = runs[runs["figure"] == figure_name]
    for method in [name for name in NAMES if name in set(rows["method"])]:
        groups = rows[rows["method"] == method].groupby(x)[y]
        mean = groups.mean()
        if method == "equilibrium":
            axes.plot(mean.index, mean, label=NAMES[method], **_STYLES[method])
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
    _legend(figure, axes)
    seeds = rows[rows["method"] == "tppo"]["seed"].nunique()
    if seeds > 1:
        axes.set_title(f"Mean of {seeds} seeds, bars from lowest to highest", fontsize=10)
    return figure
