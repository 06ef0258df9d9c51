"""`report.md`: what the sessions did, beside what the paper says."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from baselines.experiments.calvano.oligopoly import LEVELS, oligopoly
from baselines.experiments.calvano.session_figures import label
from baselines.runs.files import read_frame, write_atomically

PAPER = {2: 0.85, 3: 0.64, 4: 0.56}
"""The paper's mean Δ by the number of sellers, at α = .15 and β = 4e-6."""
_PACKAGES = ("aigc-market", "numba", "numpy")


def write(folder: Path, settings: dict[str, Any]) -> Path:
    """Write the report of the CSV files beside them."""
    summary: Any = read_frame(folder / "summary.csv")
    heat: Any = read_frame(folder / "heatmap.csv")
    rows, made = summary[summary["part"] != "heat map"], sections(summary)
    lines = [
        "# Learning sellers: the experiment of Calvano et al.",
        "",
        'Source: Calvano, Calzolari, Denicolò & Pastorello, "Artificial Intelligence, Algorithmic '
        'Pricing, and Collusion", American Economic Review 110(10), 2020, '
        "doi 10.1257/aer.20190623. Intervals are 95 % of the mean over sessions (Student's t).",
        "",
        "## Profit gains",
        "",
        "Δ = (ū − u_Nash)/(u_cartel − u_Nash), of the mean over sellers and over the cycle in "
        "which play ends: 0 at the Nash equilibrium of one round, 1 at the cartel's prices. The "
        "column *paper* has its means as others report them; its text was not at hand.",
        "",
        made["gains"],
        "",
        *_grid(sorted(set(rows["sellers"]))),
        "",
        "![Profit gains](profit_gain.png)",
        "",
        "## Price patterns",
        "",
        "Shares of sessions; prices are means over sellers, periods and sessions.",
        "",
        made["patterns"],
        "",
        "## Forced deviations",
        "",
        "One seller charges its best price of one round for one period; from then on all follow "
        "what they learned. Means over sellers and the phases of a cycle, then over the sessions "
        "in which that price is not the strategy's own (*sessions*). *Punished*: in the next "
        "period the rivals' mean price is below what it would have been. *Unprofitable*: the "
        "deviator's discounted utility falls. *Returned*: play is back in the cycle it left, "
        "within 15 periods or ever.",
        "",
        made["deviations"],
        "",
        "![Response to a forced deviation](response.png)",
        "",
        "`deviations.csv` has deviations to every price of the grid.",
        "",
        "## Best replies",
        "",
        "Against the fixed strategies of its rivals a seller has a Markov decision process with "
        "one state for each profile of prices, solved exactly. *Nash*: sessions in which nobody "
        "can gain on the path; *perfect*: nor after any profile. *Gain*: what the best reply earns "
        "above the strategy, discounted, relative; *Q-loss*: what the choice of one round loses if "
        "best replies follow, relative; *best choices*: share of states in which the choice is a "
        "best one. *One round*: what the best price of one round gains in that round, relative.",
        "",
        made["replies"],
        "",
    ]
    if len(heat):
        lines += [
            "## Δ by learning rate and exploration",
            "",
            _table(heat, _HEAT),
            "",
            "![Heat map](heatmap.png)",
            "",
        ]
    lines += [
        "## Settings",
        "",
        *(f"- {name}: `{value}`" for name, value in settings.items()),
        f"- prices of each seller: `{LEVELS}`",
        f"- sessions cut off before they converged: `{int(summary['cut'].sum())}`",
        "",
        "## Versions",
        "",
        f"- Python {platform.python_version()} on {platform.machine()}",
        *(f"- {name} {importlib.metadata.version(name)}" for name in _PACKAGES),
        "",
    ]
    path = folder / "report.md"
    write_atomically(path, "\n".join(lines))
    return path


def sections(summary: Any) -> dict[str, str]:
    """The tables that docs/learning-sellers.md has too, as Markdown by name."""
    rows = summary[summary["part"] != "heat map"]
    columns = {
        "gains": _GAINS,
        "patterns": _PATTERNS,
        "deviations": _DEVIATIONS,
        "replies": _REPLIES,
    }
    return {name: _table(rows, of_table) for name, of_table in columns.items()}


def _grid(sellers: Sequence[int]) -> list[str]:
    """What one round's equilibria on the grid earn: play at that Δ needs no collusion."""
    lines = []
    for n in sellers:
        game = oligopoly(n)
        played = [game.prices[i] for i in game.round_equilibria]
        gains = game.gain(game.payoffs[game.round_equilibria])
        points = [
            f"({', '.join(f'{price:.4f}' for price in prices)}) with Δ = {gain:.3f}"
            for prices, gain in zip(played, gains, strict=True)
        ]
        lines.append(
            f"On the grid of n = {n} the pure Nash equilibria of one round are: "
            f"{', '.join(points)}. Constant play there is no evidence of collusion."
        )
    return [line for both in lines for line in (both, "")][:-1]


def _number(name: str, digits: int = 3) -> Callable[[Any], str]:
    return lambda row: _text(row[name], digits)


def _text(value: float, digits: int) -> str:
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def _gain(row: Any) -> str:
    low, high = (_text(row[f"profit_gain_{end}"], 3) for end in ("low", "high"))
    return f"{_text(row['profit_gain'], 3)} [{low}, {high}]"


def _of_paper(row: Any) -> str:
    usual = row["part"] == "sellers" and (row["alpha"], row["beta"]) == (0.15, 4e-6)
    return f"{PAPER[row['sellers']]:.2f}" if usual else "–"


def _millions(name: str) -> Callable[[Any], str]:
    return lambda row: f"{row[name] / 1e6:.2f}"


Column = tuple[str, Callable[[Any], str]]
_NAME: Column = ("learners", label)
_GAINS: list[Column] = [
    _NAME,
    ("sessions", lambda row: str(row["sessions"])),
    ("Δ [95 % interval]", _gain),
    ("std of sessions", _number("profit_gain_std")),
    ("paper", _of_paper),
    ("price", _number("price")),
    ("p_Nash", _number("nash_price")),
    ("p_cartel", _number("cartel_price")),
    ("million periods", _millions("periods")),
    ("seconds a session", _number("seconds", 2)),
]
_PATTERNS: list[Column] = [
    _NAME,
    ("constant", _number("constant")),
    ("cycle of 2", _number("cycle_2")),
    ("longer", _number("longer")),
    ("mean length", _number("cycle", 2)),
    ("equal prices", _number("equal_prices")),
    ("lowest price", _number("lowest_price")),
    ("highest price", _number("highest_price")),
    ("equilibrium of one round", _number("round_equilibrium")),
]
_DEVIATIONS: list[Column] = [
    _NAME,
    ("sessions", lambda row: str(row["deviating"])),
    ("punished", _number("punished")),
    ("unprofitable", _number("unprofitable")),
    ("gain", _number("deviation_gain", 4)),
    ("returned in 15", _number("returned_in_time")),
    ("returned ever", _number("returned")),
    ("period of return", _number("return_period", 2)),
]
_REPLIES: list[Column] = [
    _NAME,
    ("Nash", _number("nash")),
    ("perfect", _number("perfect")),
    ("gain", _number("reply_gain", 4)),
    ("gain, all states", _number("reply_gain_all", 4)),
    ("Q-loss", _number("q_loss", 4)),
    ("Q-loss, all states", _number("q_loss_all", 4)),
    ("best choices", _number("best_replies")),
    ("best choices, all states", _number("best_replies_all")),
    ("one round", _number("round_gain", 4)),
]
_HEAT: list[Column] = [
    ("α", lambda row: f"{row['alpha']:g}"),
    ("β", lambda row: f"{row['beta']:g}"),
    ("sessions", lambda row: f"{row['sessions']:.0f}"),
    (
        "Δ [95 % interval]",
        lambda row: f"{row['profit_gain']:.3f} [{_text(row['low'], 3)}, {_text(row['high'], 3)}]",
    ),
    ("million periods", _millions("periods")),
]


def _table(rows: Any, columns: Sequence[Column]) -> str:
    lines = [[name for name, _ in columns]]
    lines += [[text(row) for _, text in columns] for _, row in rows.iterrows()]
    written = ["| " + " | ".join(line) + " |" for line in lines]
    written.insert(1, "|" + "---|" * len(columns))
    return "\n".join(written)
