"""The paper's Fig. 2, from `runs.csv` and `curves.csv` alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from baselines.experiments.paper.claims import NAMES
from baselines.experiments.paper.runs import LEARNERS
from baselines.figures import STYLES, legend_below, panels, save
from baselines.runs.files import read_frame

# For black-and-white print, and for curves that lie on each other.
_MARKERS: dict[str, dict[str, Any]] = {
    "tppo": {"marker": "o", "markersize": 10, "markerfacecolor": "none"},
    "ppo": {"marker": "s", "markersize": 4},
    "greedy": {"marker": "^"},
    "random": {"marker": "v"},
    "equilibrium": {"zorder": 3},
}
_STYLES = {name: {**STYLES[name], **markers} for name, markers in _MARKERS.items()}
_AGAINST = {
    "2b": ("cost", "price", "Unit cost c", "Price p"),
    "2c": ("num_vmus", "utility", "Number of VMUs K", "ASP utility per round"),
    "2d": ("cost", "utility", "Unit cost c", "ASP utility per round"),
}
_BIN = 20
"""Episodes in a point of a learning curve: as many as learners play side by side."""


def draw(folder: Path) -> list[Path]:
    """Draw `fig2a.png` … `fig2d.png`, and the last three side by side as `fig2bcd.png`.

    They stand beside the CSV files that they are drawn from.
    """
    runs: Any = read_frame(folder / "runs.csv", dtype={"figure": str})
    curves: Any = read_frame(folder / "curves.csv")
    figures = {"2a": _learning_curves(runs, curves)}
    figures |= {name: _against(runs, [name]) for name in _AGAINST}
    figures["2bcd"] = _against(runs, list(_AGAINST), width=2.9, height=3.2)
    return [save(figure, folder / f"fig{name}.png") for name, figure in figures.items()]


def _learning_curves(runs: Any, curves: Any) -> Figure:
    figure, [axes] = panels(1)
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
    axes.set(xlabel="Training episode", ylabel="ASP utility per round")
    axes.set_ylim(bottom=0)
    legend_below(figure, [axes], columns=3)
    _second_half(axes, by_method, best)
    seeds = curves["seed"].nunique()
    many = "s, band from lowest to highest" if seeds > 1 else ""
    axes.set_title(f"Mean of {seeds} seed{many}; means of {_BIN} episodes", fontsize=10)
    return figure


def _curve(axes: Any, method: str, by_seed: Any) -> None:
    style = _STYLES[method]
    axes.plot(by_seed.mean(axis=1), label=NAMES[method], **style)
    low, high = by_seed.min(axis=1), by_seed.max(axis=1)
    axes.fill_between(by_seed.index, low, high, color=style["color"], alpha=0.2, linewidth=0)


def _second_half(axes: Any, by_method: dict[str, Any], best: float) -> None:
    """Where learners are near the equilibrium, large enough to tell them apart."""
    inset = axes.inset_axes((0.3, 0.1, 0.67, 0.3))
    for method in LEARNERS:
        by_seed = by_method[method]
        _curve(inset, method, by_seed.iloc[len(by_seed) // 2 :])
    inset.axhline(best, **_STYLES["equilibrium"])
    inset.set_title("the same, second half of training", fontsize=9)
    inset.tick_params(labelsize=9)
    inset.grid(alpha=0.3)


def _against(runs: Any, names: list[str], **size: float) -> Figure:
    """A panel for each of these figures."""
    figure, panel = panels(len(names), len(names), **size)
    for name, axes in zip(names, panel, strict=True):
        _means(axes, runs[runs["figure"] == name], *_AGAINST[name])
        if len(names) > 1:
            axes.set_title(f"({name[-1]})")
    legend_below(figure, panel, columns=3 if len(names) == 1 else 5)
    tppo = runs[runs["figure"].isin(names) & (runs["method"] == "tppo")]
    if (seeds := tppo["seed"].nunique()) > 1:
        figure.suptitle(f"Mean of {seeds} seeds, bars from lowest to highest", fontsize=10)
    return figure


def _means(axes: Any, rows: Any, x: str, y: str, x_label: str, y_label: str) -> None:
    for method in [name for name in NAMES if name in set(rows["method"])]:
        groups = rows[rows["method"] == method].groupby(x)[y]
        mean, style = groups.mean(), {"label": NAMES[method], **_STYLES[method]}
        if method == "equilibrium":
            axes.plot(mean.index, mean, **style)
        else:
            spread = [mean - groups.min(), groups.max() - mean]
            axes.errorbar(mean.index, mean, spread, capsize=3, **style)
    axes.set(xticks=sorted(rows[x].unique()), xlabel=x_label, ylabel=y_label)
    if y == "utility":
        axes.set_ylim(bottom=0)
