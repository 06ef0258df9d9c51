"""Draws docs/images/tensors-games.png from speed.csv beside this file."""

import csv
from pathlib import Path

from matplotlib.figure import Figure

from aigc_market import palette

HERE = Path(__file__).parent
LINES = {
    "tensors": (palette.LEADER, "o", "MarketEnv, both sides act"),
    "competition": (palette.PURPLE, "s", "MarketEnv, two providers"),
    "vector": (palette.ORANGE, "^", "NumPy's vector env, leaders only"),
    "wrapper": (palette.INK, "D", "PettingZooWrapper, one game"),
}


with (HERE / "speed.csv").open(newline="", encoding="utf-8") as file:
    rows = [row for row in csv.DictReader(file) if row["K"] == "2"]
figure = Figure(figsize=(7, 4.2), layout="constrained")
axes = figure.subplots()
for view, (colour, marker, label) in LINES.items():
    line = sorted(
        (int(row["games"]), float(row["rounds_per_second"])) for row in rows if row["view"] == view
    )
    if len(line) == 1:  # a single game, drawn level
        axes.axhline(line[0][1], color=colour, linestyle="--", linewidth=1.5, label=label)
    else:
        shape = {"marker": marker, "markersize": 5, "linewidth": 2}
        axes.plot(*zip(*line, strict=True), color=colour, label=label, **shape)
axes.set(
    xscale="log", yscale="log", xlabel="games side by side", ylabel="rounds a second, all games"
)
axes.set_title("K = 2, random play, one thread", fontsize=10, loc="left")
axes.grid(color=palette.PALE, linewidth=0.6)
axes.set_axisbelow(True)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, fontsize=9)
figure.savefig(HERE.parent / "images" / "tensors-games.png", dpi=150)
