"""The experiment's CSV files and `compete.md`, from the results of meetings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aigc_market._files import read_json
from baselines import report
from baselines.arena.statistics import Interval, mean_interval
from baselines.experiments.compete.meeting import Meeting
from baselines.runs.files import read_frame, write_atomically

_OF_SEATS = [
    *("price", "nash_price", "cartel_price", "utility", "nash_utility", "cartel_utility"),
    *("seat_gain", "deviation_gain", "deviation_profit"),
]
_WHOLE = [
    *("profit", "profit_gain", "nash_conv", "users_loss", "vmu_regret", "vmu_regret_everywhere"),
    *("period", "lowest", "highest", "rounds", "seconds"),
]
_PACKAGES = ("aigc-market", "gymnasium", "numpy", "stable-baselines3", "torch")
_PAIRED = ("profit", "profit_gain", "nash_conv")


def write(out: Path, meetings: Sequence[Meeting], settings: Mapping[str, Any]) -> None:
    """Write the tables.

    `sellers.csv`: methods that meet themselves, a row for each seat. `crossplay.csv`: who met whom.
    `curves.csv`: prices through training. `deviations.csv`: what follows a forced deviation.

    Args:
        out: folder of the results.
        meetings: those to be listed, which have been played.
        settings: listed at the end of `compete.md`.
    """
    found = [(met, read_json(met.file(out))) for met in meetings]
    own = [(met, result) for met, result in found if met.own]
    sellers = pd.DataFrame([_seller(met, result) for met, result in own])
    _write(out / "sellers.csv", sellers.explode(["seat", *_OF_SEATS]))
    _write(out / "crossplay.csv", pd.DataFrame([_met(*each) for each in found]))
    curves = pd.DataFrame([row for met, result in own for row in _curve(met, result)])
    _write(out / "curves.csv", curves.explode(["seat", "price", "reward"]) if len(curves) else None)
    rows = [row for met, result in own for row in _deviations(met, result)]
    _write(out / "deviations.csv", pd.DataFrame(rows) if rows else None)
    report.write(out / "compete.md", _page(out, settings))


def _write(path: Path, frame: Any) -> None:
    frame = pd.DataFrame(columns=["scenario", "method"]) if frame is None else frame
    text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_atomically(path, text)


def _key(met: Meeting) -> dict[str, Any]:
    return {"scenario": met.task.name, "method": met.row.method, "seed": met.row.seed}


def _seller(met: Meeting, result: dict[str, Any]) -> dict[str, Any]:
    M = len(result["price"])
    seats = {name: result.get(name, [np.nan] * M) for name in _OF_SEATS}
    whole = {name: result.get(name) for name in _WHOLE}
    whole |= {"rounds": result.get("rounds", 0)}
    knows = met.row.entry.knows
    return {**_key(met), "knows": knows, "seat": list(range(M)), **seats, **whole}


def _met(met: Meeting, result: dict[str, Any]) -> dict[str, Any]:
    row, column = met.row, met.column
    return {
        "scenario": met.task.name,
        "row": row.method,
        "column": column.method,
        "seed": column.seed if row.seed is None else row.seed,
        "met_in_training": int(met.own and row.training is not None),
        "row_gain": result["seat_gain"][0],
        "column_gain": float(np.mean(result["seat_gain"][1:])),
        "row_profit": result["utility"][0] / result["nash_utility"][0],
        "profit_gain": result["profit_gain"],
        "row_price": result["price"][0],
        "column_price": float(np.mean(result["price"][1:])),
        "users_loss": result["users_loss"],
        "nash_conv": result["nash_conv"],
    }


def _prices(result: dict[str, Any]) -> dict[str, float]:
    return {name: float(np.mean(result[name])) for name in ("nash_price", "cartel_price")}


def _curve(met: Meeting, result: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for point in result.get("curve", []):
        seats = list(range(len(point["price"])))
        yield {**_key(met), "seat": seats, **point, **_prices(result)}


def _deviations(met: Meeting, result: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for row in result.get("deviations", []):
        yield {**_key(met), **row, **_prices(result)}


def _page(out: Path, settings: Mapping[str, Any]) -> list[str]:
    sellers, met = (read_frame(out / f"{name}.csv") for name in ("sellers", "crossplay"))
    parts = [
        "# Sellers that learn beside each other",
        "After training, without exploring. *Profit*: what both earn, over the profit at Nash. Δ: "
        "the way from the Nash profit (0) to the cartel's (1); *users lose*: the same of the VMUs' "
        "utilities. *NashConv*: what the providers could gain by deviating once from the prices "
        "posted (exact), over their utilities at Nash. *Strangers*: Δ of the method with itself, "
        "each seller from another training. *Deviating pays*: the discounted gain of one forced "
        "best reply, in rounds at Nash utility. *Period*: after how many rounds prices come again, "
        "for each seed. Intervals are 95 % of the mean over seeds (Student's t).",
    ]
    for name, rows in sellers.groupby("scenario", sort=False):
        strangers = met[met["scenario"] == name]
        parts += [f"## {name}", standings(rows, strangers), differences(rows)]
        parts += [
            "Cross-play: Δ of the row's seller at the first seat against the column's, which it "
            "never met in training.",
            crossplay(strangers),
        ]
    figures = ("learning", "gains", "crossplay", "deviation")
    parts += [f"![{name}]({name}.png)" for name in figures if (out / f"{name}.png").exists()]
    return [*parts, "## Settings", report.settings(settings, _PACKAGES)]


def standings(rows: Any, met: Any) -> str:
    """A scenario's table.

    Args:
        rows: of `sellers.csv`, those of the scenario.
        met: of `crossplay.csv`.
    """
    header = (
        *("method", "seeds", "price", "profit", "Δ", "NashConv", "strangers", "users lose"),
        *("deviating pays", "period", "VMUs' regret", "seconds"),
    )
    return report.table(
        header,
        (
            (str(method), *_standing(of_method, met[met["row"] == method]))
            for method, of_method in rows.groupby("method", sort=False)
        ),
    )


def _standing(rows: Any, met: Any) -> tuple[str, ...]:
    runs = rows.drop_duplicates("seed")
    learned = runs["rounds"].iloc[0] > 0
    strangers = met[(met["row"] == met["column"]) & (met["met_in_training"] == 0)]["profit_gain"]
    periods = (report.NONE if np.isnan(value) else f"{value:.0f}" for value in runs["period"])
    regret = [runs[name].mean() for name in ("vmu_regret", "vmu_regret_everywhere")]
    return (
        str(len(runs)) if runs["seed"].notna().all() else report.NONE,
        _mean(rows.groupby("seed", dropna=False)["price"].mean()),
        *(_mean(runs[name]) for name in ("profit", "profit_gain", "nash_conv")),
        _mean(strangers if learned else runs["profit_gain"][:0]),
        _mean(runs["users_loss"]),
        _mean(rows.groupby("seed")["deviation_profit"].mean().dropna()),
        ", ".join(periods),
        report.NONE if np.isnan(regret[1]) else ", ".join(f"{value:.2%}" for value in regret),
        f"{runs['seconds'].mean():.0f}" if learned else report.NONE,
    )


def _mean(values: Any) -> str:
    return report.bracketed(mean_interval(values.to_numpy()), 2) if len(values) else report.NONE


def differences(rows: Any) -> str:
    """Of each trained method against the first, paired by seed: profit, Δ and NashConv.

    Args:
        rows: of `sellers.csv`, those of a scenario.
    """
    runs = rows[rows["rounds"] > 0].drop_duplicates(["method", "seed"]).set_index("seed")
    names = list(dict.fromkeys(runs["method"]))
    lines = []
    for name in names[1:]:
        both = (runs[runs["method"] == of][list(_PAIRED)] for of in (name, names[0]))
        apart = next(both).sub(next(both)).dropna()
        each = [mean_interval(apart[column].to_numpy()) for column in _PAIRED]
        lines.append((f"{name} − {names[0]}", str(len(apart)), *(_signed(of) for of in each)))
    return report.table(("difference", "seeds", "profit", "Δ", "NashConv"), lines) if lines else ""


def _signed(estimate: Interval) -> str:
    return report.bracketed(estimate, 2)


def crossplay(met: Any) -> str:
    """Δ of the row's seller against strangers.

    Args:
        met: of `crossplay.csv`, those of a scenario.
    """
    table = gains(met)
    cells = ((str(name), *(report.number(v, 2) for v in row)) for name, row in table.iterrows())
    return report.table(("", *table.columns), cells) if len(table) else "Nobody met."


def gains(met: Any) -> Any:
    """Mean Δ of the row's seller against the column's of another training, as a frame."""
    strangers = met[met["met_in_training"] == 0]
    names = [name for name in met["row"].unique() if name in set(strangers["row"])]
    table = strangers.pivot_table(index="row", columns="column", values="row_gain", aggfunc="mean")
    return table.reindex(index=names, columns=[name for name in names if name in table.columns])
