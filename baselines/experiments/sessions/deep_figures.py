"""The experiment's figures, from its CSV files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aigc_market import palette
from baselines.arena.statistics import mean_interval
from baselines.experiments.compete.contest_figures import title
from baselines.experiments.sessions.verdicts import (
    ABOVE,
    COLLUDES,
    FAILS,
    LARGE,
    NEAR_NASH,
    NEITHER,
    SMALL,
)
from baselines.figures import CARTEL, NASH, legend_below, panels, save
from baselines.runs.files import discard, read_frame

_COLOURS = {
    COLLUDES: palette.VERMILLION,
    FAILS: palette.PURPLE,
    NEITHER: palette.MUTED,
    NEAR_NASH: palette.BLUE,
}
_WHO = {"deviator": ("the deviator", palette.VERMILLION), "rival": ("its rival", palette.BLUE)}
_COLUMNS = {
    "profit_gain": "profit gain Δ (0 Nash, 1 cartel)",
    "reply_gain": "a best reply gains, of the Nash profit",
}


def draw(folder: Path) -> list[Path]:
    """Draw `gains.png` and `response.png`, where there is what they show."""
    sessions, responses = (read_frame(folder / f"{name}.csv") for name in ("sessions", "responses"))
    alone = sessions[(sessions["against"] == "itself") & sessions["reply_gain"].notna()]
    discard(folder, "gains.png", "response.png")
    drawn = []
    if len(alone):
        drawn.append(save(_gains(alone), folder / "gains.png"))
    if len(shown := responses[responses["against"] == "itself"]):
        drawn.append(save(_response(shown), folder / "response.png"))
    return drawn


def _gains(sessions: Any) -> Figure:
    """Of each session Δ and what a best reply gains, coloured by its verdict; a scenario a row."""
    scenarios = list(sessions["scenario"].unique())
    names = sessions.groupby("scenario")["learner"].nunique()
    sizes = [0.25 * names[scenario] + 0.9 for scenario in scenarios]
    figure, axes = panels(
        2 * len(scenarios), 2, width=3.8, height=float(np.mean(sizes)), height_ratios=sizes
    )
    for i, one in enumerate(axes):
        scenario, column = scenarios[i // 2], list(_COLUMNS)[i % 2]
        rows = sessions[sessions["scenario"] == scenario]
        learners = list(rows["learner"].unique())[::-1]
        for y, learner in enumerate(learners):
            of_learner = rows[rows["learner"] == learner]
            spread = np.linspace(-0.22, 0.22, len(of_learner)) if len(of_learner) > 1 else [0.0]
            for name, colour in _COLOURS.items():
                these = (of_learner["verdict"] == name).to_numpy()
                points = of_learner[column].to_numpy()[these], y + np.asarray(spread)[these]
                one.plot(*points, "o", color=colour, markersize=3.5, alpha=0.7, label=name)
            estimate = mean_interval(of_learner[column].to_numpy())
            one.plot([estimate.low, estimate.high], [y, y], color=palette.INK, linewidth=1.5)
            one.plot(estimate.mean, y, "|", color=palette.INK, markersize=14)
        if column == "profit_gain":
            one.axvline(0.0, **NASH)
            one.axvline(1.0, **CARTEL)
            one.axvline(ABOVE, color=palette.LINE, linewidth=1)
            one.set_title(title(scenario), loc="left")
        else:
            for threshold in (SMALL, LARGE):
                one.axvline(threshold, color=palette.LINE, linewidth=1)
        one.set_yticks(range(len(learners)), learners if column == "profit_gain" else [])
        one.set_ylim(-0.6, len(learners) - 0.4)
        one.set_xlabel(_COLUMNS[column])
    legend_below(figure, axes)
    return figure


def _response(responses: Any) -> Figure:
    """By how much prices leave what they would have been, by learner, in the first scenario."""
    first = responses[responses["scenario"] == responses["scenario"].iloc[0]]
    groups = list(first.groupby("learner", sort=False))
    figure, axes = panels(len(groups), 3, width=2.5, height=1.8, sharex=True, sharey=True)
    for i, (one, (learner, rows)) in enumerate(zip(axes, groups, strict=True)):
        one.axhline(0.0, color=palette.LINE, linewidth=1)
        for who, (label, colour) in _WHO.items():
            path = rows[rows["who"] == who]
            quartiles = path["lower_quartile"], path["upper_quartile"]
            one.fill_between(path["round"], *quartiles, color=colour, alpha=0.15, linewidth=0)
            one.plot(path["round"], path["mean"], "o-", markersize=2.5, color=colour, label=label)
        one.set_title(str(learner))
        if i >= len(groups) - 3:
            one.set_xlabel("rounds after")
            one.tick_params(labelbottom=True)
    figure.supylabel("change of price, of the way from Nash to cartel", fontsize=10)
    legend_below(figure, axes)
    return figure
