"""The experiment's CSV files and `menus.md`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baselines import report
from baselines.arena.statistics import Interval, difference_interval, share_interval
from baselines.experiments.menus import mechanisms
from baselines.experiments.menus.selling_units import FIXED, GAPS, Selling
from baselines.runs.files import read_frame, write_csv

_KEY = ("scenario", "contracts", "method", "seed")
_SHARES = ("share", "earned", "noisy_share", "noisy_earned")
LEARNERS = (*_KEY, *_SHARES, *GAPS, "rounds", "seconds")
CURVES = (*_KEY, "rounds", "seconds", "share", "earned")
COMPARED = ("scenario", "contracts", "method", "against", "difference", "low", "high")
_SHOWN_SPREADS = (0.0, 50.0, 100.0, 195.0)
_PACKAGES = ("aigc-market", "numpy", "scipy", "stable-baselines3", "torch")
_OF_MECHANISMS = (
    "What each way to sell earns of rational VMUs who choose for themselves, exactly; with the "
    "first best VMUs' types are seen. Brackets: 95 % over the markets that the preset draws. "
    f"*h*: the δ of {mechanisms.TYPES} VMUs are the quantiles of U(200 − h, 200 + h), c = 1."
)
_OF_LEARNERS = (
    "Policies without noise in {episodes:,} fresh episodes. *Share*: 1 − Σ regret / Σ U* against "
    "rational VMUs; brackets: 95 % over seeds and episodes. *Earned*: Σ utility / Σ U* of the "
    "VMUs as they are. *Noisy*: the share with the policy's own noise (td3 has none). "
    "*IC gap*, *IR gap*: what a VMU would gain by the other contract, or by none, if the contract "
    "with the k-th least steps were for the VMU with the k-th lowest δ, in per cent of "
    "δ·(max SSIM − SSIM(0)): means over VMUs, rounds, episodes and seeds. *constant*: one menu for "
    "ever, the best found by differential evolution in 2,048 training markets; *random*: any menu. "
    "CPU seconds are a training's."
)


def write(
    out: Path, sold: Sequence[Selling], more: Sequence[str], settings: Mapping[str, Any]
) -> None:
    """Write the tables.

    `mechanisms.csv` has a row a mechanism and market, `learners.csv` one a seller and seed,
    `curves.csv` shares on the way of training, `comparisons.csv` differences with their intervals.

    Args:
        out: folder of the results, where the records are.
        sold: sellers that were played.
        more: parts of `menus.md` before its end.
        settings: listed there.
    """
    records = {one: one.record(out) for one in sold}
    groups = _groups(records)
    compared = list(_comparisons(groups))
    curves = [
        _key(one) | point | {"rounds": int(point["rounds"])}
        for one, of_one in records.items()
        for point in of_one["curve"]
    ]
    for name, columns, rows in (
        ("mechanisms", mechanisms.COLUMNS, mechanisms.rows()),
        ("learners", LEARNERS, [_row(*item) for item in records.items()]),
        ("curves", CURVES, curves),
        ("comparisons", COMPARED, compared),
    ):
        write_csv(out / f"{name}.csv", columns, map(rounded, rows))
    parts = ["# Menus", "## Ways to sell", _OF_MECHANISMS, *_mechanisms(out)]
    if groups:
        parts += ["## Learners", _OF_LEARNERS.format(episodes=max(s.episodes for s in sold))]
        parts += [_learners(out, groups), "By how much shares differ, paired by seed and episode:"]
        parts.append(_compared(compared))
    report.write(out / "menus.md", [*parts, *more, report.settings(settings, _PACKAGES)])


def rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it is written: fractions with six digits, nothing where there is no number."""
    return {
        name: ("" if np.isnan(value) else f"{value:.6g}") if isinstance(value, float) else value
        for name, value in row.items()
    }


def _key(one: Selling) -> dict[str, Any]:
    contracts = one.task.settings().contracts
    return dict(zip(_KEY, (one.task.scenario_name, contracts, one.method, one.seed), strict=True))


def _row(one: Selling, record: Mapping[str, Any]) -> dict[str, Any]:
    share = 1.0 - record["regret"].sum() / record["best"].sum()
    names = (*_SHARES[1:], *GAPS, "rounds", "seconds")
    return _key(one) | {"share": share} | {name: record.get(name) for name in names}


Group = tuple[str, int, str]
"""Scenario, contracts, method."""
Lost = tuple[np.ndarray, np.ndarray]
"""(S, N) regret of seeds in episodes, and (N,) what the best menu earns there."""


def _groups(records: Mapping[Selling, Mapping[str, Any]]) -> dict[Group, Lost]:
    found: dict[Group, list[Any]] = {}
    for one, record in records.items():
        scenario, contracts, method, _ = _key(one).values()
        found.setdefault((scenario, contracts, method), []).append(record)
    return {
        group: (np.array([record["regret"] for record in of_one]), of_one[0]["best"])
        for group, of_one in found.items()
    }


def _comparisons(groups: Mapping[Group, Lost]) -> Iterable[dict[str, Any]]:
    """Each pair of sellers of a scenario that were played with as many contracts and seeds.

    But for `random`, which nobody has to be told from.
    """
    named = [item for item in groups.items() if item[0][2] != "random"]
    for (one, (lost, best)), (other, (others, _)) in itertools.combinations(named, 2):
        if one[:2] == other[:2] and lost.shape == others.shape:
            found = difference_interval(lost, others, best)
            row = (*one, other[2], *found)
            yield dict(zip(COMPARED, row, strict=True))


def _mechanisms(out: Path) -> list[str]:
    table = read_frame(out / "mechanisms.csv")
    presets, spread = (table[table["set"] == name] for name in ("preset", "spread"))
    header, rows = ["preset", "mechanism", "utility", "of the best menu", "of the first best"], []
    for _, row in presets.iterrows():
        shares = (
            report.bracketed(Interval(*(row[f"{of}{end}"] for end in ("", "_low", "_high"))))
            for of in ("of_best", "of_first")
        )
        rows.append([row["market"], row["mechanism"], report.number(row["utility"], 1), *shares])
    by = spread.pivot(index="mechanism", columns="spread", values="of_best")
    of_spread = [
        [name, *(report.number(by.loc[name, h]) for h in _SHOWN_SPREADS)]
        for name in mechanisms.MECHANISMS
    ]
    head = ["of the best menu, types spread by", *(f"h = {h:g}" for h in _SHOWN_SPREADS)]
    return [report.table(header, rows, words=2), report.table(head, of_spread)]


def _learners(out: Path, groups: Mapping[Group, Lost]) -> str:
    table = read_frame(out / "learners.csv")
    header = ["scenario", "method", "contracts", "seeds", "share", "worst, best seed", "earned"]
    header += ["noisy", "IC gap, %", "IR gap, %", "rounds", "CPU seconds"]
    rows = []
    for group, (lost, best) in groups.items():
        scenario, contracts, method = group
        where = (table["scenario"] == scenario) & (table["contracts"] == contracts)
        mine = table[where & (table["method"] == method)]
        mean = mine.mean(numeric_only=True)
        ends = ", ".join(report.number(of, 3) for of in (mine["share"].min(), mine["share"].max()))
        gaps = [report.number(100 * mean[f"{name}_share"], 1) for name in GAPS[:2]]
        spent = [f"{mean['rounds']:,.0f}", f"{mean['seconds']:.0f}"]
        if method in FIXED:  # nobody trains them
            spent = [report.NONE] * 2
        rows.append(
            [scenario, method, str(contracts), str(len(lost))]
            + [report.bracketed(share_interval(lost, best), 3), ends]
            + [report.number(mean[name], 3) for name in ("earned", "noisy_share")]
            + [*gaps, *spent]
        )
    return report.table(header, rows, words=2)


def _compared(rows: Iterable[Mapping[str, Any]]) -> str:
    cells = []
    for row in rows:
        found = Interval(row["difference"], row["low"], row["high"])
        words = row["scenario"], row["method"], row["against"], str(row["contracts"])
        cells.append([*words, report.bracketed(found, 3)])
    return report.table(["scenario", "method", "against", "contracts", "difference"], cells, 3)
