"""`report.md`: what the sessions did, beside what the source reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines import report
from baselines.arena.statistics import Interval
from baselines.experiments.calvano.session_figures import draw, label
from baselines.methods.q_learning.oligopoly import LEVELS, oligopoly
from baselines.runs.files import read_frame

SOURCE: dict[str, dict[str, float]] = {
    "n2": {
        "profit_gain": 0.849,
        "profit_gain_std": 0.112,
        "one_shot_nash": 0.505,
        "one_shot_loss": 0.002,
        "one_shot_loss_off": 0.018,
        "unprofitable_of_all": 0.936,
        "return_of_all": 5.705,
    },
    "n3": {"profit_gain": 0.643, "one_shot_nash": 0.184},
    "n2-alpha0.25-beta0.001-discount0-memory0": {"profit_gain": 0.185, "one_shot_nash": 0.273},
}
"""What the source's programs printed, in its replication package (openICPSR 119462): table I, and
the appendix's tables of initial values, of three sellers and of sellers without memory."""

Columns = Mapping[str, tuple[str, int]]
"""By the title of a column of a report: the column of the CSV file, and digits."""
_GAINS: Columns = {
    "sessions": ("sessions", 0),
    "Δ [95 % interval]": ("profit_gain", 3),
    "std of sessions": ("profit_gain_std", 3),
    "against usual": ("change", 3),
    "price": ("price", 3),
    "p_Nash": ("nash_price", 3),
    "p_cartel": ("cartel_price", 3),
    "periods": ("periods", 0),
}
_PATTERNS: Columns = {
    "mean length": ("cycle", 2),
    "equal prices": ("equal_prices", 3),
    "lowest price": ("lowest_price", 3),
    "highest price": ("highest_price", 3),
    "equilibrium of one round": ("round_equilibrium", 3),
    "best price of one round gains": ("round_gain", 4),
}
_DEVIATIONS: Columns = {
    "sessions": ("deviating", 0),
    "punished": ("punished", 3),
    "unprofitable": ("unprofitable", 3),
    "gain": ("deviation_gain", 4),
    "returned": ("returned", 3),
    "period of return": ("return_period", 2),
}
_TESTS: Columns = {
    "Nash, one shot": ("one_shot_nash", 3),
    "Nash, best reply": ("reply_nash", 3),
    "Q-loss, one shot": ("one_shot_loss", 4),
    "off path, one shot": ("one_shot_loss_off", 4),
    "Q-loss, best reply": ("reply_loss", 4),
    "off path, best reply": ("reply_loss_off", 4),
}
_EQUILIBRIA: Columns = {
    **_TESTS,
    "difference of Nash": ("nash_gap", 3),
    "gain of a best reply": ("reply_gain", 4),
}
_CYCLES: Columns = {
    "cycle": ("cycle", 0),
    "share": ("share", 3),
    "Δ": ("profit_gain", 3),
    **_TESTS,
    "unprofitable": ("unprofitable", 3),
    "period of return": ("return_period", 2),
}
_HEAT: Columns = {
    "sessions": ("sessions", 0),
    "Δ [95 % interval]": ("profit_gain", 3),
    "Nash, one shot": ("one_shot_nash", 2),
    "Nash, best reply": ("reply_nash", 2),
    "periods": ("periods", 0),
}
_COMPARED: Columns = {
    "Δ": ("profit_gain", 3),
    "std": ("profit_gain_std", 3),
    "Nash, one shot": ("one_shot_nash", 3),
    "Q-loss, one shot": ("one_shot_loss", 3),
    "off path, one shot": ("one_shot_loss_off", 3),
    "unprofitable": ("unprofitable_of_all", 3),
    "period of return": ("return_of_all", 2),
}


def write(folder: Path, made_by: dict[str, Any]) -> Path:
    """Write the report of the CSV files beside it, and draw the figures that it shows."""
    summary, cycles = (read_frame(folder / f"{name}.csv") for name in ("summary", "cycles"))
    is_heat = summary["part"] == "heat map"
    heat, rows = summary[is_heat], summary[~is_heat]
    drawn = [path.name for path in draw(folder)]
    made_by |= {"prices of each seller": LEVELS, "sessions cut off": int(summary["cut"].sum())}
    parts = [
        "# Learning sellers: the experiment of Calvano et al.",
        'Source: Calvano, Calzolari, Denicolò & Pastorello, "Artificial Intelligence, Algorithmic '
        'Pricing, and Collusion", American Economic Review 110(10), 2020, '
        "doi 10.1257/aer.20190623. Intervals are 95 % of the mean over sessions (Student's t).",
        "## Profit gains",
        "Δ = (ū − u_Nash)/(u_cartel − u_Nash), of the mean over sellers and over the cycle in "
        "which play ends: 0 at the Nash equilibrium of one round, 1 at the cartel's prices. "
        "*Against usual*: the difference to the usual learners, as many, paired by session.",
        _table(rows, _GAINS),
        *map(_grid, sorted(set(summary["sellers"]))),
        "## Beside the source",
        "Ours / the source's: what the programs of its replication package printed (openICPSR "
        "119462). Of deviations these are means over all alike, below over sessions.",
        _table(rows[rows["design"].isin(SOURCE)], _COMPARED, beside_the_source=True),
        "## Price patterns",
        "Shares of sessions; prices are means over sellers, periods and sessions.",
        _table(rows, _PATTERNS),
        "## Forced deviations",
        "One seller charges its best price of one round for one period; then all follow what they "
        "learned. *Sessions*: those in which that price is not the strategy's own. *Punished*: in "
        "the next period the rivals' mean price is below what it would have been. *Unprofitable*: "
        "the deviator's discounted utility falls. *Returned*: play comes back to its cycle.",
        _table(rows, _DEVIATIONS),
        "![Response to a forced deviation](response.png)" if "response.png" in drawn else "",
        "## Equilibria",
        "*One shot*: another price in one period, after which all follow their strategies; the "
        "source's test. *Best reply*: the best that a seller can do for ever. *Nash*: sessions in "
        "which nobody gains on the path of play. *Q-loss*: what the choice of one period loses "
        "there, relative. *Gain*: of the best reply, discounted, relative.",
        _table(rows, _EQUILIBRIA),
        "By the length of the cycle:",
        _table(cycles[cycles["part"] == "sellers"], _CYCLES),
    ]
    if len(heat):
        parts += ["## Δ by learning rate and exploration", _table(heat, _HEAT)]
        parts.append("![Heat map](heatmap.png)")
    parts += ["## Made by", report.settings(made_by, ("aigc-market", "numba", "numpy"))]
    return report.write(folder / "report.md", parts)


def _table(rows: Any, columns: Columns, beside_the_source: bool = False) -> str:
    cells = []
    for _, row in rows.iterrows():
        line = [label(row)]
        for name, digits in columns.values():
            cell = _cell(row, name, digits)
            if beside_the_source:
                theirs = SOURCE[row["design"]].get(name, math.nan)
                cell += f" / {report.number(theirs, digits)}"
            line.append(cell)
        cells.append(line)
    return report.table(["learners", *columns], cells)


def _cell(row: Any, name: str, digits: int) -> str:
    if isinstance(row[name], str):
        return row[name]
    if f"{name}_low" in row:
        interval = Interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
        return report.bracketed(interval, digits)
    return report.number(row[name], digits)


def _grid(sellers: int) -> str:
    """What one round's equilibria on the grid earn: play at that Δ needs no collusion."""
    game = oligopoly(sellers)
    points = [
        f"({', '.join(f'{price:.4f}' for price in game.prices[i])}) with Δ = {gain:.3f}"
        for i in game.round_equilibria
        for gain in [game.gain(game.payoffs[i])]
    ]
    return (
        f"On the grid of n = {sellers} the pure Nash equilibria of one round are: "
        f"{', '.join(points)}. Constant play there is no evidence of collusion."
    )
