"""What docs/both-sides.md says of leaders and followers that learn together, by numbers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import measurements
import pandas as pd

from baselines.arena.statistics import Interval, mean_interval
from baselines.report import table

GRADIENTS = {"ppo": "PPO", "pathwise": "pathwise"}
FOLLOWERS = {"shared-ppo": "", "independent-ppo": ", a network for each VMU"}
_PAIR = ["market", "leader", "followers"]


class Aim(NamedTuple):
    """What a column of numbers should be: at least the bound, or at most."""

    column: str
    bound: float
    at_least: bool
    digits: int

    def verdict(self, estimate: Interval) -> str:
        """Met where the whole interval is, missed where none of it is."""
        if math.isnan(estimate.low):
            return "undecided"
        low, high = estimate.low - self.bound, estimate.high - self.bound
        if not self.at_least:
            low, high = -high, -low
        return "met" if low >= 0 else "missed" if high < 0 else "undecided"


AIMS = {
    "of rational's": Aim("of_control", 0.99, at_least=True, digits=2),
    "mean gap": Aim("gap", 0.005, at_least=False, digits=3),
    "worst gap": Aim("worst_gap", 0.05, at_least=False, digits=2),
}


def both_sides_table() -> str:
    """Every pair that was trained, and whether it reaches the aims."""
    header = ("market", "leader", "gradient", *AIMS, "aims", "seeds", "seconds")
    rows = []
    for (*pair, gradient), runs in _groups([*_PAIR, "gradient"]):
        found = {name: mean_interval(runs[aim.column]) for name, aim in AIMS.items()}
        shown = [_percent(found[name], aim.digits) for name, aim in AIMS.items()]
        said = {name: aim.verdict(found[name]) for name, aim in AIMS.items()}
        others = ", ".join(f"{name} {word}" for name, word in said.items() if word != "met")
        cost = str(len(runs)), f"{runs['cpu_seconds'].mean():.0f}"
        rows.append((*_named(*pair), GRADIENTS[gradient], *shown, others or "all met", *cost))
    return table(header, rows, words=3)


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
