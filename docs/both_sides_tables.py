"""What docs/both-sides.md says of leaders and followers that learn together, by numbers."""

from __future__ import annotations

import math
from typing import Any

import measurements
import pandas as pd

from baselines.arena.statistics import Interval, mean_interval
from baselines.report import table

GRADIENTS = {"ppo": "PPO", "pathwise": "pathwise"}
FOLLOWERS = {"shared-ppo": "", "independent-ppo": ", a network for each VMU"}
AIMS = {
    "of rational's": ("of_control", ">=", 0.99, 2),
    "mean gap": ("gap", "<=", 0.005, 3),
    "worst gap": ("worst_gap", "<=", 0.05, 2),
}
"""Of a column: whether it should be at least a bound or at most; and the digits that it is shown
with."""
_PAIR = ["market", "leader", "followers"]


def both_sides_table() -> str:
    """Every pair that was trained, and whether it reaches the aims."""
    header = ("market", "leader", "gradient", *AIMS, "aims", "seeds", "seconds")
    rows = []
    for (*pair, gradient), runs in _groups([*_PAIR, "gradient"]):
        shown, unmet = [], []
        for name, (column, sign, bound, digits) in AIMS.items():
            estimate = mean_interval(runs[column])
            shown.append(_percent(estimate, digits))
            said = verdict(estimate, sign, bound)
            unmet += [f"{name} {said}"] if said != "met" else []
        cost = str(len(runs)), f"{runs['cpu_seconds'].mean():.0f}"
        rows.append(
            (*_named(*pair), GRADIENTS[gradient], *shown, ", ".join(unmet) or "all met", *cost)
        )
    return table(header, rows, words=3)


def verdict(estimate: Interval, sign: str, bound: float) -> str:
    """Met where the whole interval is within the bound, missed where none of it is."""
    low, high = estimate.low - bound, estimate.high - bound
    if sign == "<=":
        low, high = -high, -low
    return "met" if low >= 0 else "missed" if high < 0 else "undecided"


def both_sides() -> str:
    """The leaders of PPO beside pathwise ones, paired by seed."""
    header = ("market", "leader", "share of U_p*", "worst gap", "seeds")
    rows = []
    for pair, runs in _groups(_PAIR):
        by_seed = runs.pivot(index="seed", columns="gradient").dropna()
        apart = [
            _percent(mean_interval(by_seed[name]["ppo"] - by_seed[name]["pathwise"]))
            for name in ("share", "worst_gap")
        ]
        rows.append((*_named(*pair), *apart, str(len(by_seed))))
    return table(header, rows, words=2)


def before() -> str:
    """The worst gap of PPO's followers on `hidden` with a critic, and today, paired by seed."""
    then, now = (
        _read(name).query("market == 'hidden' and gradient == 'ppo'").set_index("seed")["worst_gap"]
        for name in ("critic", "both")
    )
    shown = [_percent(mean_interval(values)) for values in (then, now, (now - then).dropna())]
    return table(("with a critic", "today", "today − with a critic"), [shown], words=0)


def leader_first() -> str:
    """Where both end if the leader learns faster, with a least purchase of 0 and of 10 steps."""
    names = ("price", "share", "share_learned", "gap")
    curves = [_read(f"leader-first-{least}").iloc[::5] for least in (0, 10)]
    rows = []
    for first, second in zip(*(curve.itertuples() for curve in curves), strict=True):
        row = [f"{first.rounds:,.0f}"]
        for point in (first, second):
            values = [getattr(point, name) for name in names]
            row += [f"{values[0]:.2f}", *(f"{100 * value:.0f} %" for value in values[1:])]
        rows.append(row)
    header = ["rounds", *names, *names]
    header[1], header[5] = "S_min = 0: price", "S_min = 10: price"
    return table(header, rows)


def _read(name: str) -> Any:
    return pd.read_csv(measurements.DOCS / "both-sides" / f"{name}.csv")


def _groups(by: list[str]) -> Any:
    shown = _read("both")
    shown["of_control"] = shown["share"] / shown["control"]
    return shown.groupby(by, sort=False)


def _named(market: str, leader: str, followers: str) -> tuple[str, str]:
    return market, leader.upper() + FOLLOWERS[followers]


def _percent(estimate: Interval, digits: int = 2) -> str:
    """An estimate with its interval, in percent."""
    mean, low, high = (f"{100 * value:.{digits}f}".replace("-", "−") for value in estimate)
    return f"{mean} %" if math.isnan(estimate.low) else f"{mean} % [{low}, {high}]"
