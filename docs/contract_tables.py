"""What docs/menus.md says in numbers, from kept results."""

from __future__ import annotations

from decimal import ROUND_CEILING
from typing import Any

from measurements import frame, only, percent, plus_minus, rounded

from baselines.arena.statistics import mean_interval
from baselines.experiments.menus.mechanisms import BEST, MECHANISMS
from baselines.report import number, table

_SPREAD = 100
"""Half the width of the law of types of one column."""


def mechanisms() -> str:
    """What each way to sell earns, as a share of the best menu."""
    presets = "paper", "hidden"
    columns = [{"set": "preset", "market": name} for name in presets]
    columns.append({"set": "spread", "spread": str(_SPREAD)})
    rows = []
    for name in MECHANISMS:
        if name == BEST:
            continue  # it is 100 everywhere
        found = [only("menus/mechanisms", mechanism=name, **of) for of in columns]
        rows.append((name, *(number(100 * float(row["of_best"]), 2) for row in found)))
    header = [f"`{name}`" for name in presets]
    return table(("of the best menu, %", *header, f"h = {_SPREAD}"), rows)


def learner(scenario: str, method: str) -> str:
    """The share of the best menu that a learner of two contracts ends at."""
    [runs] = [runs for name, runs in _sellers() if name == (scenario, 2, method)]
    return plus_minus(mean_interval(runs["share"]), 3)


def best_learner(scenario: str) -> str:
    """The highest mean share of learners of two contracts in a preset, and whose it is."""
    shares = {
        method: runs["share"].mean()
        for (name, contracts, method), runs in _sellers()
        # Nobody trains what is fixed.
        if (name, contracts) == (scenario, 2) and not runs["rounds"].isna().any()
    }
    name = max(shares, key=lambda method: shares[method])
    return f"{rounded(str(shares[name]), 3)} (`{name}`)"


def choosers() -> str:
    """Who learns, and what the leader then earns by market, over the best menu: means of seeds."""
    kept, rows = frame("menus/choosers"), []
    for (learns, discount), runs in kept.groupby(["learns", "discount"], sort=False):
        less = f", fees {100 * discount:.0f} % lower" * (discount > 0)
        earned = runs.groupby("market", sort=False)["earned"]
        rows.append((f"{learns}{less}", *(plus_minus(mean_interval(of), 2) for _, of in earned)))
    return table(("learns", *kept["market"].unique()), rows)


def forgone() -> str:
    """The most that VMUs that learn forgo, in the mean of a case's seeds; rounded up."""
    means = frame("menus/choosers").groupby(["market", "learns", "discount"])["forgone"].mean()
    return percent(str(means.max()), 1, ROUND_CEILING)


def difference(scenario: str, method: str, against: str) -> str:
    """By how much two sellers' shares differ, paired by seed and episode."""
    row = only("menus/comparisons", scenario=scenario, method=method, against=against)
    mean, low, high = (rounded(row[name], 3) for name in ("difference", "low", "high"))
    return f"{mean} [{low}, {high}]"


def _sellers() -> Any:
    rows = frame("menus/learners")
    return rows.groupby(["scenario", "contracts", "method"], sort=False)
