"""The experiment's CSV files and `compete.md`, from the files of what was trained and met."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baselines.arena.statistics import Interval, mean_interval
from baselines.experiments.compete import meeting
from baselines.experiments.compete.contest import Meeting, Training
from baselines.runs.files import read_frame, write_atomically, write_csv

_MEANS = (
    "profit_gain",
    "price_gain",
    "users_loss",
    "nash_conv",
    "vmu_regret",
    "welfare",
    "nash_welfare",
    "cartel_welfare",
)
_OF_SEATS = (
    "price",
    "nash_price",
    "cartel_price",
    "utility",
    "nash_utility",
    "cartel_utility",
    "seat_gain",
    "deviation_gain",
)
_PACKAGES = ("aigc-market", "gymnasium", "numpy", "stable-baselines3", "torch")


def write(out: Path, meetings: Sequence[Meeting], settings: Mapping[str, Any]) -> None:
    """Write the tables.

    `sellers.csv`: those that learned together, a row for each seat. `crossplay.csv`: who met whom.
    `curves.csv`: prices through training. `deviations.csv`: what follows a forced deviation.

    Args:
        out: folder of the results.
        meetings: those to be listed; those without a result are left out.
        settings: listed at the end of `compete.md`.
    """
    found = [(m, m.result(out)) for m in meetings if m.file(out).exists()]
    own = [(m, result) for m, result in found if m.own]
    _write(out / "sellers.csv", _sellers(own), ("scenario", "method", "seed", "seat"))
    _write(out / "crossplay.csv", _crossplay(found), ("scenario", "row", "column", "seed"))
    _write(out / "curves.csv", _curves(own), ("scenario", "method", "seed", "rounds", "seat"))
    _write(out / "deviations.csv", _deviations(own), ("scenario", "method", "seed", "deviator"))
    write_atomically(out / "compete.md", "\n".join(_page(out, settings)))


def _write(path: Path, rows: Iterable[dict[str, Any]], key: tuple[str, ...]) -> None:
    rows = list(rows)
    columns = list(rows[0]) if rows else list(key)
    write_csv(path, columns, [{n: _text(value) for n, value in row.items()} for row in rows])


def _text(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _key(side: Training | str) -> tuple[str, int | None]:
    return (side, None) if isinstance(side, str) else (side.method, side.seed)


def _sellers(own: Iterable[tuple[Meeting, dict[str, Any]]]) -> Iterable[dict[str, Any]]:
    for met, result in own:
        method, seed = _key(met.row)
        deviations = result.get("deviations")
        for seat in range(len(result["price"])):
            yield {
                "scenario": met.scenario,
                "method": method,
                "seed": seed,
                "seat": seat,
                **{name: result[name][seat] for name in _OF_SEATS},
                **{name: result[name] for name in _MEANS},
                "vmu_regret_everywhere": result.get("vmu_regret_everywhere"),
                "period": result["period"],
                "deviation_profit": deviations[seat]["profit"] if deviations else None,
                "rounds": result.get("rounds", 0),
                "seconds": result.get("seconds", 0.0),
            }


def _crossplay(found: Iterable[tuple[Meeting, dict[str, Any]]]) -> Iterable[dict[str, Any]]:
    for met, result in found:
        (row, seed), (column, other) = _key(met.row), _key(met.column)
        learned = seed is not None and met.own
        yield {
            "scenario": met.scenario,
            "row": row,
            "column": column,
            "seed": other if seed is None else seed,
            "met_in_training": int(learned),
            "row_gain": result["seat_gain"][0],
            "column_gain": float(np.mean(result["seat_gain"][1:])),
            "profit_gain": result["profit_gain"],
            "row_price": result["price"][0],
            "column_price": float(np.mean(result["price"][1:])),
            "users_loss": result["users_loss"],
            "nash_conv": result["nash_conv"],
        }


def _curves(own: Iterable[tuple[Meeting, dict[str, Any]]]) -> Iterable[dict[str, Any]]:
    for met, result in own:
        method, seed = _key(met.row)
        for point in result.get("curve", []):
            for seat, price in enumerate(point["price"]):
                yield {
                    "scenario": met.scenario,
                    "method": method,
                    "seed": seed,
                    "rounds": point["rounds"],
                    "seat": seat,
                    "price": price,
                    "utility": point["utility"][seat],
                    "nash_price": result["nash_price"][seat],
                    "cartel_price": result["cartel_price"][seat],
                }


def _deviations(own: Iterable[tuple[Meeting, dict[str, Any]]]) -> Iterable[dict[str, Any]]:
    for met, result in own:
        method, seed = _key(met.row)
        for seat, forced in enumerate(result.get("deviations", [])):
            for t, (path, usual) in enumerate(
                zip(forced["paths"], forced["undisturbed"], strict=True)
            ):
                yield {
                    "scenario": met.scenario,
                    "method": method,
                    "seed": seed,
                    "deviator": seat,
                    "round": t - meeting.BEFORE,
                    "price": path[0],
                    "others_price": float(np.mean(path[1:])),
                    "undisturbed": usual[0],
                    "others_undisturbed": float(np.mean(usual[1:])),
                    "nash_price": result["nash_price"][seat],
                    "cartel_price": result["cartel_price"][seat],
                }


def _page(out: Path, settings: Mapping[str, Any]) -> list[str]:
    sellers, met = (read_frame(out / f"{name}.csv") for name in ("sellers", "crossplay"))
    scenarios = list(sellers["scenario"].unique()) if len(sellers) else []
    return [
        "# Sellers that learn beside each other",
        "",
        "After training, without exploring. Δ is the way from the Nash profit (0) to the cartel's "
        "(1), *price* the same of prices, *users lose* the same of the VMUs' utilities. "
        "*NashConv*: what the providers could gain by deviating once from the prices posted "
        "(exact), over their profit at Nash. *Deviating pays*: the discounted gain of one forced "
        "best reply, in rounds at Nash profit; below 0 the others punish it. *Period*: after how "
        f"many rounds prices come again (–: not within {meeting.LONGEST_CYCLE}). *Strangers*: Δ of "
        "the method against itself, trained with another seed. *VMUs' regret*, where they learn: "
        "at the prices posted and at all prices of the range, over their utility at Nash. Means "
        "over seeds with Student's 95 % intervals.",
        "",
        *(
            line
            for name in scenarios
            for line in (
                f"## {name}",
                "",
                *standings(sellers[sellers["scenario"] == name], met[met["scenario"] == name]),
                "",
                "Cross-play: Δ of the row's seller at the first seat against the column's, which "
                "it never met in training.",
                "",
                *_matrix(met[met["scenario"] == name]),
                "",
            )
        ),
        "![Prices through training](learning.png)",
        "![Profit gains](gains.png)",
        "![Cross-play](crossplay.png)",
        "![After a forced deviation](deviation.png)",
        "",
        "## Settings",
        "",
        *(f"- {name}: `{value}`" for name, value in settings.items()),
        f"- Python {platform.python_version()} on {platform.machine()}",
        *(f"- {name} {importlib.metadata.version(name)}" for name in _PACKAGES),
        "",
    ]


def standings(rows: Any, met: Any) -> list[str]:
    """The lines of a scenario's table.

    Args:
        rows: of `sellers.csv`, those of the scenario.
        met: of `crossplay.csv`.
    """
    header = (
        "method",
        "seeds",
        "Δ",
        "strangers",
        "price",
        "users lose",
        "NashConv",
        "deviating pays",
        "period",
        "VMUs' regret",
        "rounds",
        "seconds",
    )
    lines = [header, ("---", *["---:"] * (len(header) - 1))]
    for method in rows["method"].unique():
        of_method = rows[rows["method"] == method]
        runs = of_method.drop_duplicates("seed")
        learned = runs["seed"].notna().all()
        periods = ["–" if np.isnan(value) else f"{value:.0f}" for value in runs["period"]]
        alike = met[(met["row"] == method) & (met["column"] == method)]
        strange = alike[alike["met_in_training"] == 0]["profit_gain"].to_numpy()
        paid = of_method.groupby("seed")["deviation_profit"].mean()
        lines.append(
            (
                method,
                str(len(runs)) if learned else "–",
                bracketed(mean_interval(runs["profit_gain"].to_numpy())),
                bracketed(mean_interval(strange)) if learned and len(strange) else "–",
                *(
                    bracketed(mean_interval(runs[name].to_numpy()))
                    for name in ("price_gain", "users_loss", "nash_conv")
                ),
                bracketed(mean_interval(paid.to_numpy())) if paid.notna().any() else "–",
                ", ".join(periods),
                _regret(runs),
                f"{runs['rounds'].iloc[0]:,}" if learned else "–",
                f"{runs['seconds'].mean():.0f}" if learned else "–",
            )
        )
    return ["| " + " | ".join(line) + " |" for line in lines]


def _regret(runs: Any) -> str:
    """At the prices posted, and at all prices; rational VMUs have none."""
    if runs["vmu_regret_everywhere"].isna().all():
        return "–"
    return f"{runs['vmu_regret'].mean():.2%}, {runs['vmu_regret_everywhere'].mean():.2%}"


def bracketed(estimate: Interval) -> str:
    """An estimate with its interval, where there is one."""
    mean, low, high = (f"{round(value, 2) + 0.0:.2f}" for value in estimate)  # no −0.00
    return mean if np.isnan(estimate.low) else f"{mean} [{low}, {high}]"


def _matrix(met: Any) -> list[str]:
    strangers = met[met["met_in_training"] == 0]
    if strangers.empty:
        return ["Nobody met."]
    table = strangers.pivot_table(
        index="row", columns="column", values="row_gain", aggfunc="mean", sort=False
    )
    names = [name for name in met["row"].unique() if name in table.index]
    table = table.reindex(index=names, columns=[n for n in names if n in table.columns])
    lines = [("", *table.columns), ("---", *["---:"] * len(table.columns))]
    for name, values in table.iterrows():
        cells = ["–" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}" for value in values]
        lines.append((str(name), *cells))
    return ["| " + " | ".join(line) + " |" for line in lines]
