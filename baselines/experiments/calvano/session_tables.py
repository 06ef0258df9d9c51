"""The CSV files of the experiment, from a frame of sessions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from baselines.arena.statistics import mean_interval
from baselines.methods.q_learning.oligopoly import oligopoly
from baselines.runs.files import write_frame

DESIGN = ["part", "design", "sellers", "alpha", "beta", "discount", "memory"]
"""Columns that the sessions of a design share. Its part of the experiment is `sellers`, `checks` or
`heat map`; a design may be in several."""
_ESTIMATES = ("profit_gain", "change", "one_shot_nash", "nash_gap")
"""Columns whose means have an interval, as `…_low` and `…_high`."""
_OF_CYCLES = ["profit_gain", "one_shot_nash", "reply_nash", "one_shot_loss", "one_shot_loss_off"]
_OF_CYCLES += ["reply_loss", "reply_loss_off", "unprofitable", "return_period"]


def write(out: Path, sessions: Any) -> None:
    """Write the tables; means are over the sessions that have a number.

    `sessions.csv` has a row a session, `summary.csv` a row a design; `cycles.csv` has its sessions
    by the length of their cycle, and `response.csv` prices after a forced deviation.

    Args:
        out: folder of the results.
        sessions: frame of `DESIGN`, and of each session its number and what was measured.
    """
    usual = sessions[sessions["part"] == "sellers"].set_index(["sellers", "session"])
    same = pd.MultiIndex.from_frame(sessions[["sellers", "session"]])
    change = sessions["profit_gain"] - usual["profit_gain"].reindex(same).to_numpy()
    gaps = {  # of one session: it has the same random numbers in all designs
        "change": change.where(sessions["part"] != "sellers"),
        "nash_gap": sessions["one_shot_nash"] - sessions["reply_nash"],
    }
    sessions = sessions.assign(**gaps)
    shown = sessions[sessions["part"] != "heat map"]
    tables = {
        "sessions": sessions.drop(columns="response"),
        "summary": _of_designs(sessions, _summary),
        "cycles": _of_designs(shown, _cycles),
        "response": _of_designs(shown, _response),
    }
    for name, table in tables.items():
        write_frame(out / f"{name}.csv", table)


def _of_designs(sessions: Any, rows_of: Callable[[Any], list[dict[str, Any]]]) -> Any:
    """The rows of each design, with the columns that tell which it is."""
    return pd.DataFrame(
        [
            {**of_design.iloc[0][DESIGN], **row}
            for _, of_design in sessions.groupby(["part", "design"], sort=False)
            for row in rows_of(of_design)
        ]
    )


def _summary(sessions: Any) -> list[dict[str, Any]]:
    game, count = oligopoly(sessions["sellers"].iloc[0]), sessions["deviations"]
    measured = sessions.drop(columns=[*DESIGN, "response", "session", "converged"])
    row: dict[str, Any] = {
        "sessions": len(sessions),
        "cut": int((~sessions["converged"]).sum()),
        **measured.mean(),
        "profit_gain_std": sessions["profit_gain"].std(),
        "deviating": int((count > 0).sum()),
        # The source's means are of all deviations alike, ours of sessions:
        "unprofitable_of_all": _weighted(sessions["unprofitable"], count),
        "return_of_all": _weighted(sessions["return_period"], count * sessions["returned"]),
        "nash_price": game.nash.prices.mean(),
        "cartel_price": game.cartel.prices.mean(),
    }
    for name in _ESTIMATES:
        interval = mean_interval(sessions[name].to_numpy())
        row |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return [row]


def _weighted(values: Any, counts: Any) -> float:
    counted = counts > 0
    return np.average(values[counted], weights=counts[counted]) if counted.any() else np.nan


def _cycles(sessions: Any) -> list[dict[str, Any]]:
    lengths = ["constant", "cycle of 2", "longer"]
    kinds = pd.cut(sessions["cycle"], [0, 1, 2, np.inf], labels=lengths)
    return [
        {
            "cycle": kind,
            "sessions": len(alike),
            "share": len(alike) / len(sessions),
            "profit_gain_std": alike["profit_gain"].std(),
            **alike[_OF_CYCLES].mean(),
        }
        for kind, alike in sessions.groupby(kinds, observed=True)
    ]


def _response(sessions: Any) -> list[dict[str, Any]]:
    """Prices after the deviation, over the sessions in which there is one."""
    paths = np.array([path for path in sessions["response"] if path])
    names = {"25%": "lower_quartile", "75%": "upper_quartile", "count": "sessions"}
    rows = []
    for i, who in enumerate(("deviator", "rivals") if len(paths) else ()):
        spread = pd.DataFrame(paths[:, i]).describe().T.rename(columns=names)
        for period, row in spread[["mean", *names.values()]].iterrows():
            rows.append({"who": who, "period": period, **row})
    return rows
