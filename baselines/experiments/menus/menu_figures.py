"""The experiment's figures, from its CSV files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from aigc_market import palette
from baselines.experiments.menus.mechanisms import BEST, CONTRACTS, FIRST_BEST, LINEAR, TARIFF
from baselines.figures import STYLES, label_ends, panels, save
from baselines.runs.files import discard, read_frame

_LOOKS: dict[str, dict[str, Any]] = {
    LINEAR: {"color": palette.VERMILLION, "linestyle": "-", "linewidth": 2.0},
    TARIFF: {"color": palette.PURPLE, "linestyle": "--"},
    CONTRACTS[1]: {"color": palette.ORANGE, "linestyle": "-"},
    CONTRACTS[2]: {"color": palette.SKY, "linestyle": "-"},
    CONTRACTS[3]: {"color": palette.BLUE, "linestyle": "-"},
    BEST: {"color": palette.EQUILIBRIUM, "linestyle": "-", "linewidth": 2.0},
    FIRST_BEST: {"color": palette.MUTED, "linestyle": ":"},
}
_LEAST = 1e-5
"""Of what is shown as forgone on a logarithmic axis."""


def draw(folder: Path) -> list[Path]:
    """Draw `mechanisms.png` and `learning.png`, where there is what they show."""
    discard(folder, "learning.png")
    drawn = [save(_mechanisms(read_frame(folder / "mechanisms.csv")), folder / "mechanisms.png")]
    if len(curves := read_frame(folder / "curves.csv")):
        learners = read_frame(folder / "learners.csv")
        drawn.append(save(_learning(curves, learners), folder / "learning.png"))
    return drawn


def _mechanisms(table: Any) -> Figure:
    """What is earned of the first best as types spread; and what is forgone of the best menu."""
    figure, axes = panels(3, 2, width=4.4, height=3.2)
    spread, cost = (table[table["set"] == name] for name in ("spread", "cost"))
    labels = [
        (axes[0], _lines(axes[0], spread, "spread", "of_first", [LINEAR, BEST, FIRST_BEST])),
        (axes[1], _forgone(axes[1], spread, "spread")),
        (axes[2], _forgone(axes[2], cost, "cost")),
    ]
    by = spread.pivot(index="spread", columns="mechanism", values="of_first")
    axes[0].fill_between(by.index, by[LINEAR], by[BEST], color=palette.VERMILLION, alpha=0.18, lw=0)
    axes[0].set(title="earned, share of the first best", ylim=(0.0, 1.04))
    axes[1].set(title="forgone, share of the best menu's profit")
    axes[2].set(title="forgone, types of U(100, 300)", xscale="log", xlabel="cost of a step, c")
    axes[2].set_xticks([0.25, 0.5, 1, 2, 4, 8], ["¼", "½", "1", "2", "4", "8"])
    axes[2].minorticks_off()
    for one in axes[:2]:
        one.set_xlabel("spread h of types: δ of U(200 − h, 200 + h)")
    label_ends(figure, labels)
    middle = by.index[len(by) // 6]
    axes[0].annotate(
        "left on the table\nby a price per step",
        (middle, float(by.loc[middle, [LINEAR, BEST]].mean())),
        (70, 0.78),
        color=palette.VERMILLION,
        arrowprops={"arrowstyle": "-", "color": palette.VERMILLION},
    )
    return figure


def _lines(axes: Any, table: Any, x: str, y: str, names: list[str]) -> dict[str, Any]:
    ends = {}
    for name in names:
        line = table[table["mechanism"] == name].set_index(x)[y]
        axes.plot(line, **_LOOKS[name])
        ends[name] = line.iloc[-1], _LOOKS[name]
    axes.set_xlim(table[x].min(), table[x].max())
    return ends


def _forgone(axes: Any, table: Any, x: str) -> dict[str, Any]:
    forgone = table.assign(forgone=(1.0 - table["of_best"]).clip(lower=_LEAST))
    axes.set_yscale("log")
    axes.set_yticks([1e-4, 1e-3, 1e-2, 0.1, 0.5], ["0.01 %", "0.1 %", "1 %", "10 %", "50 %"])
    ends = _lines(axes, forgone, x, "forgone", [LINEAR, TARIFF, *CONTRACTS.values()])
    axes.set_ylim(_LEAST, 1.0)
    axes.minorticks_off()
    return ends


def _learning(curves: Any, learners: Any) -> Figure:
    """Share of U* of the policy without noise, by rounds of training: each seed and the mean."""
    names = list(curves["scenario"].unique())
    figure, axes = panels(len(names), 2, width=4.4, height=3.2)
    labels = []
    for one, scenario in zip(axes, names, strict=True):
        rows, ends = curves[curves["scenario"] == scenario], {}
        for (method, contracts), of_method in rows.groupby(["method", "contracts"], sort=False):
            style = dict(STYLES[str(method)])
            name = str(method)
            if contracts != rows["contracts"].min():
                name, style["linestyle"] = f"{method}, {contracts} contracts", "--"
            for _, line in of_method.groupby("seed"):
                one.plot(line["rounds"], line["share"], **style, alpha=0.3, linewidth=0.8)
            mean = of_method.groupby("rounds")["share"].mean()
            one.plot(mean, **style, linewidth=2.0)
            ends[name] = mean.iloc[-1], style
        fixed = learners[(learners["scenario"] == scenario) & learners["rounds"].isna()]
        for method, of_method in fixed.groupby("method", sort=False):
            level = of_method["share"].mean()
            one.axhline(level, color=palette.MUTED, linestyle=":", linewidth=1.2)
            ends[str(method)] = level, {"color": palette.MUTED}
        one.set(title=scenario, xscale="log", xlabel="rounds of training", ylim=(-0.2, 1.03))
        one.set_ylabel("share of the best menu's profit")
        one.axhline(1.0, color=palette.EQUILIBRIUM, linestyle="--", linewidth=1.2)
        labels.append((one, ends))
    label_ends(figure, labels)
    return figure
