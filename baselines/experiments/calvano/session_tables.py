"""The CSV files of the experiment, from the sessions' records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baselines.arena.statistics import mean_interval
from baselines.experiments.calvano.oligopoly import oligopoly
from baselines.experiments.calvano.sessions import Design
from baselines.runs.files import write_csv

Records = Sequence[Mapping[str, Any]]
Part = str
"""Of the experiment: `sellers`, `checks` or `heat map`."""

_DESIGN = ("part", "design", "sellers", "alpha", "beta", "discount", "memory")
_MEASURES = (
    "periods",
    "cycle",
    "equal_prices",
    "price",
    "lowest_price",
    "highest_price",
    "profit_gain",
    "round_equilibrium",
    "round_gain",
    "punished",
    "unprofitable",
    "deviation_gain",
    "returned",
    "returned_in_time",
    "return_period",
    "nash",
    "perfect",
    "reply_gain",
    "reply_gain_all",
    "q_loss",
    "q_loss_all",
    "best_replies",
    "best_replies_all",
)
"""One number a session (see `measure`): in tables the mean over those that have one."""
_SECONDS = ("learn_seconds", "seconds")
SESSION_COLUMNS = (
    *_DESIGN,
    "session",
    "converged",
    "deviations",
    *_MEASURES,
    "profit_gains",
    *_SECONDS,
)
SUMMARY_COLUMNS = (
    *_DESIGN,
    "sessions",
    "cut",
    "profit_gain_low",
    "profit_gain_high",
    "profit_gain_std",
    "constant",
    "cycle_2",
    "longer",
    "deviating",
    *_MEASURES,
    "nash_price",
    "cartel_price",
    *_SECONDS,
)
RESPONSE_COLUMNS = (
    *("part", "design", "sellers", "who", "period"),
    *("mean", "lower_quartile", "median", "upper_quartile", "sessions"),
)
DEVIATION_COLUMNS = ("part", "design", "sellers", "price", "sessions", "unprofitable", "gain")
HEAT_COLUMNS = ("alpha", "beta", "sessions", "cut", "profit_gain", "low", "high", "periods")


def write(out: Path, results: Mapping[tuple[Part, Design], Records]) -> None:
    """Write `sessions.csv`, `summary.csv`, `response.csv`, `deviations.csv` and `heatmap.csv`."""
    sessions, summary, response, deviations, heat = [], [], [], [], []
    for (part, design), records in results.items():
        row = {"part": part, "design": design.name, "sellers": design.sellers}
        row |= {name: getattr(design.recipe, name) for name in _DESIGN[3:]}
        sessions += [row | _session(record) for record in records]
        whole = row | _summary(design, records)
        summary.append(_written(whole))
        if part == "heat map":
            low_high = {name: whole[f"profit_gain_{name}"] for name in ("low", "high")}
            heat.append(_written({name: (whole | low_high)[name] for name in HEAT_COLUMNS}))
        else:
            response += _response(row, records)
            deviations += _deviations(row, design, records)
    write_csv(out / "sessions.csv", SESSION_COLUMNS, sessions)
    write_csv(out / "summary.csv", SUMMARY_COLUMNS, summary)
    write_csv(out / "response.csv", RESPONSE_COLUMNS, response)
    write_csv(out / "deviations.csv", DEVIATION_COLUMNS, deviations)
    write_csv(out / "heatmap.csv", HEAT_COLUMNS, heat)


def _session(record: Mapping[str, Any]) -> dict[str, Any]:
    columns = ("session", "converged", "deviations", *_MEASURES, *_SECONDS)
    gains = " ".join(f"{gain:.6g}" for gain in record["profit_gains"])
    return _written({name: record[name] for name in columns}) | {"profit_gains": gains}


def _summary(design: Design, records: Records) -> dict[str, Any]:
    game = oligopoly(design.sellers)
    columns = {name: np.array([r[name] for r in records], float) for name in _MEASURES + _SECONDS}
    gain = columns["profit_gain"]
    cycle = columns["cycle"]
    interval = mean_interval(gain)
    return {
        **{name: mean_of(values) for name, values in columns.items()},
        "sessions": len(records),
        "cut": sum(not record["converged"] for record in records),
        "profit_gain_low": interval.low,
        "profit_gain_high": interval.high,
        "profit_gain_std": float(gain.std(ddof=1)) if len(gain) > 1 else math.nan,
        "constant": float((cycle == 1).mean()),
        "cycle_2": float((cycle == 2).mean()),
        "longer": float((cycle > 2).mean()),
        "deviating": sum(record["deviations"] > 0 for record in records),
        "nash_price": float(game.nash.prices.mean()),
        "cartel_price": float(game.cartel.prices.mean()),
    }


def _response(row: Mapping[str, Any], records: Records) -> list[dict[str, Any]]:
    """Prices after the deviation, over the sessions in which there is one."""
    paths = np.array([record["response"] for record in records if record["response"]])
    rows = []
    for j, who in enumerate(("deviator", "rivals")):
        for period in range(paths.shape[-1] if len(paths) else 0):
            prices = paths[:, j, period]
            low, median, high = np.percentile(prices, [25, 50, 75])
            values = {
                "who": who,
                "period": period,
                "mean": prices.mean(),
                "lower_quartile": low,
                "median": median,
                "upper_quartile": high,
                "sessions": len(prices),
            }
            rows.append(_written({name: row[name] for name in RESPONSE_COLUMNS[:3]} | values))
    return rows


def _deviations(row: Mapping[str, Any], design: Design, records: Records) -> list[dict[str, Any]]:
    """Deviations to each price of the grid, for one round."""
    tables = np.array([record["by_price"] for record in records], float)
    rows = []
    for j, price in enumerate(oligopoly(design.sellers).grid[0]):
        lost, gain = tables[:, 0, j], tables[:, 1, j]
        values = {
            "price": price,
            "sessions": int((~np.isnan(gain)).sum()),
            "unprofitable": mean_of(lost),
            "gain": mean_of(gain),
        }
        rows.append(_written({name: row[name] for name in DEVIATION_COLUMNS[:3]} | values))
    return rows


def mean_of(values: np.ndarray) -> float:
    """The mean of those that are numbers; NaN where none is."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else math.nan


def _written(row: Mapping[str, Any]) -> dict[str, Any]:
    """Six digits; nothing where there is no number."""
    return {name: _text(value) for name, value in row.items()}


def _text(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
