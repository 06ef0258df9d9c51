"""Both sides' distance from the equilibrium through training, drawn from its CSV file alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from aigc_market import palette
from aigc_market._files import write_atomically

_COLOURS = (palette.BLUE, palette.VERMILLION, palette.SKY)
_FLOOR = 1e-5
"""What is less is drawn here: an axis of logarithms has no zero."""


def draw(curve: Path, picture: Path) -> None:
    """Leader's relative regret and followers' gap against rounds."""
    table = pd.read_csv(curve)
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, lines, title in (
        (
            left,
            {
                "against best responses": 1 - table["share"],
                "against the learned followers": 1 - table["share_learned"],
            },
            "Leader: relative regret",
        ),
        (
            right,
            {
                "over all prices, mean": table["gap"],
                "over all prices, worst": table["worst_gap"],
                "at the prices played": table["gap_played"],
            },
            "Followers: surplus lost",
        ),
    ):
        for (label, values), colour in zip(lines.items(), _COLOURS, strict=False):
            axes.plot(table["rounds"] / 1000, values.clip(lower=_FLOOR), label=label, color=colour)
        axes.set(title=title, xlabel="thousand rounds of the leader", yscale="log")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=9)
    left.set_ylabel("share of the best")
    write_atomically(picture, lambda file: figure.savefig(file, format="png", dpi=150))
