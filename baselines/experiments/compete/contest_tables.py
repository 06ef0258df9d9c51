"""The experiment's CSV files and `compete.md`, from the results of meetings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aigc_market._files import read_json
from baselines import report
from baselines.arena.statistics import mean_interval
from baselines.experiments.compete.meeting import Meeting
from baselines.runs.files import read_frame, write_atomically

_OF_SEATS = [
    *("price", "nash_price", "cartel_price", "utility", "nash_utility", "cartel_utility"),
    *("seat_gain", "deviation_gain", "deviation_profit"),
]
_OF_ALL = [
    *("profit", "profit_gain", "nash_conv", "users_loss", "vmu_regret", "period"),
    *("lowest", "highest", "rounds", "seconds"),
]
_COMPARED = ["profit", "profit_gain", "nash_conv"]
_PACKAGES = ("aigc-market", "gymnasium", "numpy", "stable-baselines3", "torch")
_LEGEND = (
    "After training, without exploring. *Profit*: what all earn, over what they earn at Nash. Δ: "
    "the way from the Nash profit (0) to the cartel's (1); *users lose*: the same of the VMUs' "
    "utilities. *NashConv*: what the providers could gain by deviating once from the prices posted "
    "(exact), over their utilities at Nash. *Strangers*: Δ of the method with itself, each seller "
    "from another training. *Deviating pays*: the discounted gain of one forced best reply, in "
    "rounds at Nash utility. *Period*: after how many rounds prices come again, for each seed. "
    "Intervals are 95 % of the mean over seeds (Student's t); differences are paired by seed."
)


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
    rows = {
        "sellers": [row for each in own for row in _sellers(*each)],
        "crossplay": [_met(*each) for each in found],
        "curves": [row for each in own for row in _curve(*each)],
        "deviations": [row for each in own for row in _deviations(*each)],
    }
    for name, of_table in rows.items():
        frame = pd.DataFrame(of_table, columns=None if of_table else ["scenario", "method"])
        text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        write_atomically(out / f"{name}.csv", text)
    report.write(out / "compete.md", _page(out, settings))


def _key(met: Meeting) -> dict[str, Any]:
    return {"scenario": met.task.name, "method": met.row.method, "seed": met.row.seed}


def _sellers(met: Meeting, result: dict[str, Any]) -> Iterable[dict[str, Any]]:
    of_all = {name: result.get(name) for name in _OF_ALL} | {"rounds": result.get("rounds", 0)}
    for seat in range(len(result["price"])):
        of_seat = {name: result[name][seat] if name in result else None for name in _OF_SEATS}
        yield {**_key(met), "knows": met.row.entry.knows, "seat": seat, **of_seat, **of_all}


def _met(met: Meeting, result: dict[str, Any]) -> dict[str, Any]:
    row, column = met.sides
    of_row = {name: result[name][0] for name in ("price", "seat_gain")}
    of_column = {name: float(np.mean(result[name][1:])) for name in of_row}
    return {
        "scenario": met.task.name,
        "row": row.method,
        "column": column.method,
        "seed": column.seed if row.seed is None else row.seed,
        "met_in_training": int(met.own and row.training is not None),
        "row_gain": of_row["seat_gain"],
        "column_gain": of_column["seat_gain"],
        "row_price": of_row["price"],
        "column_price": of_column["price"],
        **{name: result[name] for name in ("profit", "profit_gain", "users_loss", "nash_conv")},
    }


def _prices(result: dict[str, Any]) -> dict[str, float]:
    return {name: float(np.mean(result[name])) for name in ("nash_price", "cartel_price")}


def _curve(met: Meeting, result: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for point in result.get("curve", []):
        for seat, (price, reward) in enumerate(zip(point["price"], point["reward"], strict=True)):
            of_seat = {"rounds": point["rounds"], "seat": seat, "price": price, "reward": reward}
            yield {**_key(met), **of_seat, **_prices(result)}


def _deviations(met: Meeting, result: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for row in result.get("deviations", []):
        yield {**_key(met), **row, **_prices(result)}


def _page(out: Path, settings: Mapping[str, Any]) -> list[str]:
    sellers, met = (read_frame(out / f"{name}.csv") for name in ("sellers", "crossplay"))
    parts = ["# Sellers that learn beside each other", _LEGEND]
    for name, rows in sellers.groupby("scenario", sort=False):
        strangers = met[met["scenario"] == name]
        parts += [f"## {name}", summary(rows, strangers), differences(rows)]
        parts.append("Δ of the row's seller at the first seat against the column's, a stranger:")
        parts.append(crossplay(strangers))
    figures = ("learning", "gains", "deviation")
    parts += [f"![{name}]({name}.png)" for name in figures]
    return [*parts, "## Settings", report.settings(settings, _PACKAGES)]


def summary(rows: Any, met: Any) -> str:
    """A scenario's table.

    Args:
        rows: of `sellers.csv`, those of the scenario.
        met: of `crossplay.csv`.
    """
    header = (
        *("method", "seeds", "price", "profit", "Δ", "NashConv", "strangers", "users lose"),
        *("deviating pays", "period", "seconds"),
    )
    alike = met[(met["row"] == met["column"]) & (met["met_in_training"] == 0)]
    lines = []
    for method, of_method in rows.groupby("method", sort=False):
        runs = of_method.drop_duplicates("seed")
        by_seed = of_method.groupby("seed", dropna=False)
        learned = bool(runs["rounds"].iloc[0])
        strangers = alike[alike["row"] == method]["profit_gain"] if learned else runs["seed"][:0]
        line = (
            str(method),
            str(len(runs)) if runs["seed"].notna().all() else report.NONE,
            _mean(by_seed["price"].mean()),
            *(_mean(runs[name]) for name in _COMPARED),
            _mean(strangers),
            _mean(runs["users_loss"]),
            _mean(by_seed["deviation_profit"].mean().dropna()),
            ", ".join(report.number(value, 0) for value in runs["period"]),
            report.number(runs["seconds"].mean(), 0),
        )
        lines.append(line)
    return report.table(header, lines)


def _mean(values: Any) -> str:
    return report.bracketed(mean_interval(values.to_numpy()), 2) if len(values) else report.NONE


def differences(rows: Any) -> str:
    """Of each trained method against the first, paired by seed.

    Args:
        rows: of `sellers.csv`, those of a scenario.
    """
    runs = rows[rows["rounds"] > 0].drop_duplicates(["method", "seed"]).set_index("seed")
    first, *others = [of[_COMPARED] for _, of in runs.groupby("method", sort=False)] or [runs]
    names = list(dict.fromkeys(runs["method"]))
    lines = []
    for name, other in zip(names[1:], others, strict=True):
        apart = other.sub(first).dropna()
        values = (_mean(apart[column]) for column in _COMPARED)
        lines.append((f"{name} − {names[0]}", str(len(apart)), *values))
    return report.table(("difference", "seeds", "profit", "Δ", "NashConv"), lines) if lines else ""


def crossplay(met: Any) -> str:
    """Mean Δ of the row's seller against the column's, which it never met in training.

    Args:
        met: of `crossplay.csv`, those of a scenario.
    """
    strangers = met[met["met_in_training"] == 0]
    table = strangers.pivot_table(index="row", columns="column", values="row_gain", sort=False)
    table = table.reindex(columns=[name for name in table.index if name in table.columns])
    lines = ((str(name), *(report.number(v, 2) for v in row)) for name, row in table.iterrows())
    return report.table(("", *table.columns), lines)
