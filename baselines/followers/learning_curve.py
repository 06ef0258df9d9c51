"""Both sides' distance from the equilibrium through training, drawn from its CSV file alone."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from aigc_market import palette
from aigc_market._files import write_atomically
from baselines.runs.files import read_frame

_COLOURS = (palette.BLUE, palette.VERMILLION, palette.SKY)
_FLOOR = 1e-4
"""What is less is drawn here: an axis of logarithms has no zero."""


def draw(curve: Path, picture: Path) -> None:
    """What the leader's prices and the followers' purchases lose, against rounds."""
    table = read_frame(curve)
    figure = Figure(figsize=(7.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, lines, title in (
        (
            left,
            {
                "against best responses": 1 - table["share"],
                "against the learned followers": 1 - table["share_learned"],
            },
            "Utility that the leader loses",
        ),
        (
            right,
            {
                "mean over all prices": table["gap"],
                "worst at any price": table["worst_gap"],
                "mean at the prices played": table["gap_played"],
            },
            "Surplus that followers lose",
        ),
    ):
        for (label, values), colour in zip(lines.items(), _COLOURS, strict=False):
            axes.plot(table["rounds"] / 1000, values.clip(lower=_FLOOR), label=label, color=colour)
        axes.set(xlabel="Rounds of the leader, thousands", yscale="log", ylim=(0.7 * _FLOOR, 30))
        axes.set_title(title, fontsize=11)
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9, loc="upper right")
    left.set_ylabel("Lost, as a share of the best")
    write_atomically(picture, lambda file: figure.savefig(file, format="png", dpi=150))
