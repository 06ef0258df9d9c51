"""The experiment's CSV files and `sessions.md`, from the records of sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from baselines import report
from baselines.experiments.compete.measures import GAMMA
from baselines.experiments.sessions import deep_figures
from baselines.experiments.sessions.session_measures import ANSWER, POINTS, SOON
from baselines.experiments.sessions.verdicts import (
    ABOVE,
    COLLUDES,
    FAILS,
    LARGE,
    SMALL,
    judged,
)
from baselines.runs.files import read_frame, write_frame

_OF_SEATS = ["price", "seat_gain", "one_shot_gain", "reply_gain", "reply_error", "reply_played"]
_OF_SEATS += ["answered", "unprofitable", "punished", "deviation_profit"]
"""Columns that are means over both sellers; of some there is one of each too."""
_OF_BOTH = ["profit", "profit_gain", "users_loss", "nash_conv", "period"]
_EACH = ["price", "seat_gain", "reply_gain"]
_PACKAGES = ("aigc-market", "numpy", "torch")
_CAPTIONS = {
    "gains": "Profit gains and gains of best replies",
    "response": "Prices after a forced deviation",
}
LEGEND = (
    "After learning, without exploring. Δ: the way from the Nash profit (0) to the cartel's (1); "
    "*users lose*: the same of the VMUs' utilities. *Noisy Δ*: with the sellers' own noise. "
    "*NashConv*: what the sellers could gain by one other price each against the prices posted "
    "(exact). *One shot*: what the best price of one round gains, after which both follow what "
    "they learned. *Best reply*: what the best that a seller can do for ever gains against what "
    f"the other learned. Both are discounted by {GAMMA:g}, per round; all gains are shares of the "
    "utility at Nash, means over sellers. A seller is forced once to its best price of a round: "
    f"*answered*: within {SOON} rounds the rival is lower than it would have been, by {ANSWER:g} "
    "of the way from Nash to cartel; *does not pay*: discounted; *punished*: both. *Above*: share "
    f"of sessions with Δ above {ABOVE:g}. *Colludes*: share of those above whose best replies "
    f"gain at most {SMALL:g} and where every deviation is punished; *fails*: share of those above "
    f"whose best replies gain more than {LARGE:g}. Intervals are 95 % of the mean over sessions "
    "(Student's t)."
)


def write(
    out: Path,
    batches: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
    settings: Mapping[str, Any],
) -> list[Path]:
    """Write the tables and `sessions.md`, and draw the figures that it shows.

    `sessions.csv` has a row a session, `responses.csv` prices after a forced deviation, and
    `curves.csv` prices through learning, exploration included.

    Args:
        out: folder of the results.
        batches: columns that all sessions of a batch share (`scenario`, `learner`, `against`,
            `seed`), and its result: `records`, `seconds`, and `curve`, with `period` of each
            window and `price` (sessions, 2) there.
        settings: listed at the end of `sessions.md`.

    Returns:
        The figures' paths.
    """
    rows: list[dict[str, Any]] = []
    changes: dict[tuple[str, ...], list[Any]] = {}
    curves = []
    for key, result in batches:
        for session, record in enumerate(result["records"]):
            rows.append({**key, "session": session, **_row(record), "seconds": result["seconds"]})
        group = tuple(str(key[name]) for name in ("scenario", "learner", "against"))
        for record in result["records"]:
            pairs = zip(record.get("response", []), record.get("punished", []), strict=True)
            changes.setdefault(group, []).extend(path for path, seen in pairs if seen is not None)
        curves += _curve(key, result["curve"])
    sessions = pd.DataFrame(rows)
    sessions.insert(len(sessions.columns) - 1, "verdict", judged(sessions))
    tables = {
        "sessions": sessions,
        "responses": _responses(changes),
        "curves": pd.DataFrame(curves),
    }
    for name, table in tables.items():
        write_frame(out / f"{name}.csv", table)
    drawn = deep_figures.draw(out)
    report.write(out / "sessions.md", _page(out, drawn, settings))
    return drawn


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: record.get(name, np.nan) for name in _OF_BOTH}
    row["noisy_gain"] = record.get("noisy_gain", np.nan)
    for name in _OF_SEATS:
        of_seats = np.array(record.get(name, [np.nan, np.nan]), np.float64)
        known = of_seats[~np.isnan(of_seats)]
        row[name] = known.mean() if len(known) else np.nan
        if name in _EACH:
            row |= {f"{name}_{seat}": value for seat, value in enumerate(of_seats)}
    return row


def _responses(changes: Mapping[tuple[str, ...], Any]) -> Any:
    """By round after the deviation: mean and quartiles of the change, over those who deviate."""
    rows = []
    for group, paths in changes.items():
        for i, who in enumerate(("deviator", "rival") if paths else ()):
            change = np.array(paths)[:, i]
            spread = change.mean(axis=0), *np.percentile(change, [25, 75], axis=0)
            for t, of_round in enumerate(zip(*spread, strict=True)):
                rows.append((*group, who, t, len(paths), *of_round))
    columns = ["scenario", "learner", "against", "who", "round", "deviations", "mean"]
    return pd.DataFrame(rows, columns=[*columns, "lower_quartile", "upper_quartile"])


def _curve(key: Mapping[str, Any], curve: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By window of learning: the mean price over sessions and sellers, and its quartiles."""
    rows = []
    for period, prices in zip(curve.get("period", []), curve.get("price", []), strict=True):
        of_sessions = np.mean(prices, axis=1)
        lower, upper = np.percentile(of_sessions, [25, 75])
        spread = {"price": of_sessions.mean(), "lower_quartile": lower, "upper_quartile": upper}
        rows.append({**key, "period": period, **spread})
    return rows


def _page(out: Path, drawn: Sequence[Path], settings: Mapping[str, Any]) -> list[str]:
    sessions = read_frame(out / "sessions.csv")
    parts = ["# Deep sellers on continuous prices", LEGEND]
    for name, rows in sessions.groupby("scenario", sort=False):
        alone, others = rows["against"] == "itself", rows["against"] != "itself"
        parts += [f"## {name}", _summary(rows[alone])]
        if others.any():
            parts += ["After learning, beside sellers that they did not learn with:"]
            parts += [_strangers(rows)]
    if sessions["reply_error"].notna().any():  # where the market moves there are none
        parts.append(
            f"The grid of best replies has {2 * POINTS - 1} prices; by one of {POINTS} gains "
            f"differ by at most {sessions['reply_error'].max():.2g}."
        )
    parts += [f"![{_CAPTIONS[path.stem]}]({path.name})" for path in drawn]
    return [*parts, "## Settings", report.settings(settings, _PACKAGES)]


def _summary(rows: Any) -> str:
    """Of a scenario's rows of `sessions.csv` whose sellers learned together."""
    header = (
        *("learner", "sessions", "Δ", "noisy Δ", "above", "NashConv", "one shot", "best reply"),
        *("answered", "does not pay", "punished", "users lose", "colludes", "fails"),
    )
    lines = []
    for learner, of in rows.groupby("learner", sort=False):
        above = of[of["profit_gain"] > ABOVE]
        judged_ones = above["verdict"].dropna()
        lines.append(
            (
                f"`{learner}`",
                str(len(of)),
                *(report.mean(of[name]) for name in ("profit_gain", "noisy_gain")),
                report.number(len(above) / len(of), 2),
                *(report.mean(of[f], 3) for f in ("nash_conv", "one_shot_gain", "reply_gain")),
                *(report.number(of[f].mean(), 2) for f in ("answered", "unprofitable", "punished")),
                report.mean(of["users_loss"]),
                *(report.number((judged_ones == one).mean(), 2) for one in (COLLUDES, FAILS)),
            )
        )
    return report.table(header, lines)


def _strangers(rows: Any) -> str:
    """Δ of the same sellers with whom they learned, with strangers, and of new ones."""
    lines = []
    for learner, of_learner in rows.groupby("learner", sort=False):
        found = dict(list(of_learner.groupby("against")))
        line = [f"`{learner}`"]
        for name in ("itself", "stranger"):
            line.append(report.mean(found[name]["profit_gain"]) if name in found else report.NONE)
        frozen = found.get("frozen")
        for name in ("seat_gain_0", "seat_gain_1", "reply_gain_0"):
            line.append(report.NONE if frozen is None else report.mean(frozen[name]))
        lines.append(line)
    header = ("learner", "Δ of both", "Δ of strangers")
    return report.table(
        (*header, "Δ beside a frozen rival", "Δ of that rival", "best reply gains"), lines
    )
