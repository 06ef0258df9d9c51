"""The experiment's CSV files and `compete.md`, from the results of meetings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aigc_market._files import read_json
from baselines import report
from baselines.experiments.compete import contest_figures
from baselines.experiments.compete.meeting import Meeting
from baselines.runs.files import holding, read_frame, write_frame

_OF_SEATS = [
    *("price", "nash_price", "cartel_price", "utility", "nash_utility", "cartel_utility"),
    *("seat_gain", "deviation_gain", "deviation_profit"),
]
_OF_ALL = [
    *("profit", "profit_gain", "nash_conv", "users_loss", "vmu_regret", "period"),
    *("lowest", "highest", "rounds", "seconds"),
]
_OF_MEETINGS = ["profit", "profit_gain", "users_loss", "nash_conv"]
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


def write(out: Path, meetings: Sequence[Meeting], settings: Mapping[str, Any]) -> list[Path]:
    """Write the tables and `compete.md`, and draw the figures that it shows.

    `sellers.csv`: methods that meet themselves, a row for each seat. `crossplay.csv`: who met whom.
    `curves.csv`: prices through training. `deviations.csv`: what follows a forced deviation.

    Args:
        out: folder of the results.
        meetings: those to be listed, which have been played.
        settings: listed at the end of `compete.md`.

    Returns:
        The figures' paths.
    """
    rows: dict[str, list[dict[str, Any]]] = {"sellers": [], "crossplay": [], "curves": []}
    rows["deviations"] = []
    for met in meetings:
        path = met.file(out)
        result = holding(path, read_json(path), "seat_gain", "price", *_OF_MEETINGS)
        rows["crossplay"].append(_met(met, result))
        if not met.own:
            continue
        key = {"scenario": met.task.name, "method": met.row.method, "seed": met.row.seed}
        way = {name: float(np.mean(result[name])) for name in ("nash_price", "cartel_price")}
        of_all = {name: result.get(name) for name in _OF_ALL} | {"rounds": result.get("rounds", 0)}
        for seat in range(len(result["price"])):
            of_seat = {name: result[name][seat] if name in result else None for name in _OF_SEATS}
            knows = met.row.entry.knows
            rows["sellers"].append({**key, "knows": knows, "seat": seat, **of_seat, **of_all})
        for point in result.get("curve", []):
            pairs = zip(point["price"], point["reward"], strict=True)
            for seat, (price, reward) in enumerate(pairs):
                posted = {"rounds": point["rounds"], "seat": seat, "price": price, "reward": reward}
                rows["curves"].append({**key, **posted, **way})
        rows["deviations"] += [{**key, **row, **way} for row in result.get("deviations", [])]
    for name, of_table in rows.items():
        frame = pd.DataFrame(of_table, columns=None if of_table else ["scenario", "method"])
        write_frame(out / f"{name}.csv", frame)
    drawn = contest_figures.draw(out)
    report.write(out / "compete.md", _page(out, drawn, settings))
    return drawn


def _met(met: Meeting, result: dict[str, Any]) -> dict[str, Any]:
    row, column = met.sides
    found: dict[str, Any] = {
        "scenario": met.task.name,
        "row": row.method,
        "column": column.method,
        "seed": column.seed if row.seed is None else row.seed,
        "met_in_training": int(met.own and row.training is not None),
    }
    for name, values in (("gain", result["seat_gain"]), ("price", result["price"])):
        found |= {f"row_{name}": values[0], f"column_{name}": float(np.mean(values[1:]))}
    return found | {name: result[name] for name in _OF_MEETINGS}


def _page(out: Path, drawn: Sequence[Path], settings: Mapping[str, Any]) -> list[str]:
    sellers, met = (read_frame(out / f"{name}.csv") for name in ("sellers", "crossplay"))
    parts = ["# Sellers that learn beside each other", _LEGEND]
    for name, rows in sellers.groupby("scenario", sort=False):
        strangers = met[met["scenario"] == name]
        parts += [f"## {name}", _summary(rows, strangers), _differences(rows)]
        parts.append("Δ of the row's seller at the first seat against the column's, a stranger:")
        parts.append(_crossplay(strangers))
    parts += [f"![{path.stem}]({path.name})" for path in drawn]
    return [*parts, "## Settings", report.settings(settings, _PACKAGES)]


def _summary(rows: Any, met: Any) -> str:
    """Of a scenario's rows of `sellers.csv` and `crossplay.csv`."""
    header = (
        *("method", "seeds", "price", "profit", "Δ", "NashConv", "strangers", "users lose"),
        *("deviating pays", "period", "seconds"),
    )
    alike = met[(met["row"] == met["column"]) & (met["met_in_training"] == 0)]
    lines = []
    for method, of_method in rows.groupby("method", sort=False):
        runs = of_method.drop_duplicates("seed")
        by_seed = of_method.groupby("seed", dropna=False)
        strangers = alike[(alike["row"] == method) & runs["rounds"].iloc[0].astype(bool)]
        lines.append(
            (
                str(method),
                str(len(runs)) if runs["seed"].notna().all() else report.NONE,
                report.mean(by_seed["price"].mean()),
                *(report.mean(runs[name]) for name in _COMPARED),
                report.mean(strangers["profit_gain"]),
                report.mean(runs["users_loss"]),
                report.mean(by_seed["deviation_profit"].mean()),
                ", ".join(report.number(value, 0) for value in runs["period"]),
                report.number(runs["seconds"].mean(), 0),
            )
        )
    return report.table(header, lines)


def _differences(rows: Any) -> str:
    """Of each trained method against the first, paired by seed, in a scenario's `sellers.csv`."""
    runs = rows[rows["rounds"] > 0].drop_duplicates(["method", "seed"]).set_index("seed")
    found = {name: of[_COMPARED] for name, of in runs.groupby("method", sort=False)}
    first, *others = found or [""]
    lines = []
    for name in others:
        apart = found[name].sub(found[first]).dropna()
        values = (report.mean(apart[column]) for column in _COMPARED)
        lines.append((f"{name} − {first}", str(len(apart)), *values))
    return report.table(("difference", "seeds", "profit", "Δ", "NashConv"), lines) if lines else ""


def _crossplay(met: Any) -> str:
    """Mean Δ of the row's seller against the column's, which it never met in training."""
    strangers = met[met["met_in_training"] == 0]
    table = strangers.pivot_table(index="row", columns="column", values="row_gain", sort=False)
    table = table.reindex(columns=[name for name in table.index if name in table.columns])
    lines = ((str(name), *(report.number(v, 2) for v in row)) for name, row in table.iterrows())
    return report.table(("", *table.columns), lines)
