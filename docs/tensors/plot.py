"""Draws docs/images/tensors-games.png and tensors-vmus.png from speed.csv beside this file."""

import csv
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from aigc_market import palette

HERE = Path(__file__).parent
LINES = {
    "tensors": (palette.LEADER, "o", "MarketEnv, both sides act"),
    "competition": (palette.PURPLE, "s", "MarketEnv, two providers"),
    "vector": (palette.ORANGE, "^", "NumPy's vector env, leaders only"),
    "wrapper": (palette.INK, "D", "PettingZooWrapper, one game"),
}


def draw(name: str, xlabel: str, points: dict[str, Any], title: str) -> None:
    """A line for each view on logarithmic axes; one that has a single point is drawn level."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for view, (colour, marker, label) in LINES.items():
        line = sorted(points.get(view, []))
        if len(line) == 1:
            axes.axhline(line[0][1], color=colour, linestyle="--", linewidth=1.5, label=label)
        elif line:
            axes.plot(
                *zip(*line, strict=True),
                color=colour,
                marker=marker,
                markersize=5,
                linewidth=2,
                label=label,
            )
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel="rounds a second, all games")
    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(color=palette.PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(HERE.parent / "images" / name, dpi=150)


with (HERE / "speed.csv").open(newline="", encoding="utf-8") as file:
    rows = [
        (row["view"], int(row["games"]), int(row["K"]), float(row["rounds_per_second"]))
        for row in csv.DictReader(file)
    ]
by_games = {
    view: [(games, speed) for name, games, K, speed in rows if (name, K) == (view, 2)]
    for view in LINES
}
by_vmus = {
    view: [(K, speed) for name, number, K, speed in rows if (name, number) == (view, games)]
    for view, games in (("tensors", 1024), ("vector", 1024), ("wrapper", 1))
}
title = "{}, random play, one thread"
draw("tensors-games.png", "games side by side", by_games, title.format("K = 2"))
draw("tensors-vmus.png", "K, VMUs of a game", by_vmus, title.format("1024 games"))
