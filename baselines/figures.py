"""The one style of figures: a look for each method, panels, labels at the ends of lines, files.

Figures are drawn from CSV files alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.optimize import isotonic_regression

from aigc_market import palette
from baselines.runs.files import write_atomically

_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    # What a family's methods share is how they get to a price; see `baselines.arena.registry`.
    (palette.MUTED, ("random", "constant", "greedy", "epsilon_greedy")),
    (
        palette.PURPLE,
        (
            *("likelihood_grid", "log_grid", "cils", "cils_discounted", "log_cils"),
            *("kalman", "kalman_total", "thompson"),
        ),
    ),
    (palette.ORANGE, ("ppo", "recurrent_ppo", "a2c")),
    (palette.SKY, ("tppo",)),
    (palette.VERMILLION, ("sac", "td3", "dqn")),
    (palette.OLIVE, ("diffusion_td3",)),
    (palette.BLUE, ("filter_pathwise", "filter_ppo", "filter", "filter_unfitted")),
    (palette.BLACK, ("bayes_information", "bayes", "bayes_thompson")),
)
_DASHES: tuple[Any, ...] = (
    *("-", "--", ":", "-."),
    *((0, (1, 3)), (0, (6, 2, 1, 2, 1, 2)), (0, (2, 2, 6, 2)), (0, (5, 1))),
)

STYLES: dict[str, dict[str, Any]] = {
    method: {"color": color, "linestyle": dashes}
    for color, methods in _FAMILIES
    for method, dashes in zip(methods, _DASHES, strict=False)
} | {"equilibrium": {"color": palette.EQUILIBRIUM, "linestyle": "--"}}
"""Matplotlib's `color` and `linestyle` of the methods of the registry."""
OWN: dict[str, Any] = {"color": palette.INK, "linestyle": "-."}
"""Those of users' own methods."""
NASH: dict[str, Any] = {"color": palette.EQUILIBRIUM, "linestyle": "--", "linewidth": 1.2}
CARTEL: dict[str, Any] = {"color": palette.MUTED, "linestyle": ":", "linewidth": 1.4}
"""Of lines at the prices or profits of a Nash equilibrium and of a cartel."""

_FONTS: Any = {"font.size": 10, "axes.titlesize": 11, "figure.titlesize": 10}
_LABELS = 8.5
"""Size of labels at the ends of lines, in points."""
_APART = 1.25 * _LABELS
"""Least distance of two labels, in points."""


def panels(
    count: int, columns: int = 1, width: float = 6.4, height: float = 4.8, **shared: Any
) -> tuple[Figure, list[Any]]:
    """A figure and its axes, so many side by side, without upper and right spines.

    Args:
        count: of the axes.
        columns: side by side, at most.
        width, height: of one panel, in inches.
        shared: `sharex`, `sharey` and `height_ratios`, as matplotlib has them.
    """
    columns = min(columns, count)
    down = -(-count // columns)
    with mpl.rc_context(_FONTS):
        figure = Figure(figsize=(width * columns, height * down), layout="constrained")
        axes = figure.subplots(down, columns, squeeze=False, **shared).ravel().tolist()
    for empty in axes[count:]:
        empty.set_axis_off()
    for one in axes[:count]:
        one.grid(alpha=0.3)
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes[:count]


def legend_below(figure: Figure, axes: Sequence[Any], columns: int = 4) -> None:
    """One legend under all panels, with each label once."""
    handles: dict[str, Any] = {}
    for one in axes:
        handles |= dict(zip(*reversed(one.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=columns, frameon=False
    )


def label_ends(
    figure: Figure, labels: Sequence[tuple[Any, Mapping[str, tuple[float, dict[str, Any]]]]]
) -> None:
    """Write a text at each line's right end; those that would meet are moved apart, by the least.

    Args:
        figure: complete but for these.
        labels: axes, with their limits and scales set, and by text where the line ends (y) and its
            style.
    """
    for _ in range(2):  # labels make a panel smaller, and in a smaller one they need more of it
        for axes, ends in labels:
            for text in list(axes.texts):
                text.remove()
            box = axes.get_window_extent()
            _label(axes, ends, 72 * box.height / figure.dpi)
        figure.draw_without_rendering()


def _label(axes: Any, ends: Mapping[str, tuple[float, dict[str, Any]]], height: float) -> None:
    to_share = axes.transData + axes.transAxes.inverted()
    right = axes.get_xlim()[1]
    places = {text: to_share.transform((right, y))[1] for text, (y, _) in ends.items()}
    order = sorted(places, key=lambda text: places[text])
    rank = np.arange(len(order)) * _APART / height
    free = isotonic_regression([places[text] for text in order] - rank).x
    apart = np.clip(free, 0.0, max(1.0 - rank[-1], 0.0)) + rank
    for text, place in zip(order, apart, strict=True):
        color = ends[text][1]["color"]
        arrow = {"arrowstyle": "-", "color": color, "linewidth": 0.7, "relpos": (0.0, 0.5)}
        axes.annotate(
            text,
            (1.0, places[text]),
            (1.06, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            color=color,
            va="center",
            fontsize=_LABELS,
            arrowprops={**arrow, "shrinkA": 1, "shrinkB": 0},
            annotation_clip=False,
        )


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG; the file appears as a whole.

    Returns:
        Its path.
    """
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=150)
    # In 256 colours it looks the same, and takes a third of the space.
    few = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    write_atomically(path, lambda file: few.save(file, "png", optimize=True))
    return path
