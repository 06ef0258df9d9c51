"""What docs/menus.md says in numbers: of the oracle itself, and of kept results."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING
from typing import Any

import pandas as pd
from measurements import DOCS, only, percent, rounded

import aigc_market
from baselines.arena.statistics import mean_interval
from baselines.experiments.menus.mechanisms import CONTRACTS, LINEAR, MECHANISMS
from baselines.report import number, table

_REFERENCE = ([200, 200], [100, 300], [150, 250], [200, 210, 240, 260])
"""δ of the markets by which the oracle is pinned."""
_SPREADS = (50, 100)


def reference() -> str:
    """The best menus of a few markets, and what a price per step earns there."""
    rows = []
    for delta in _REFERENCE:
        market = aigc_market.Market(K=len(delta), satisfaction=delta)
        best, price = aigc_market.solve_menu(market), aigc_market.solve(market)
        earned = [f"{solved.asp_utility:.1f}" for solved in (best, price)]
        listed = [", ".join(f"{x:.1f}" for x in values) for values in (best.steps, best.fees)]
        rows.append((", ".join(map(str, delta)), *listed, *earned))
    return table(("δ", "steps", "fees", "profit", "of a price"), rows, words=3)


def mechanisms() -> str:
    """What each way to sell earns, as a share of the best menu."""
    presets = "paper", "hidden"
    columns = [{"set": "preset", "market": name} for name in presets]
    columns += [{"set": "spread", "spread": str(h)} for h in _SPREADS]
    rows = []
    for name in MECHANISMS:
        found = [only("menus/mechanisms", mechanism=name, **of) for of in columns]
        rows.append((name, *(number(100 * float(row["of_best"]), 2) for row in found)))
    header = [f"`{name}`" for name in presets] + [f"h = {h}" for h in _SPREADS]
    return table(("of the best menu, %", *header), rows)


def scores(scenario: str) -> tuple[str, ...]:
    """Shares of the best menu in a preset: of a price, of one contract, of the best learner."""
    rows = [
        only("menus/mechanisms", set="preset", market=scenario, mechanism=mechanism)
        for mechanism in (LINEAR, CONTRACTS[1])
    ]
    return *(rounded(row["of_best"], 3) for row in rows), best_learner(scenario)


def learners() -> str:
    """Sellers by preset: shares, gaps and costs, means of seeds."""
    header = (
        "scenario",
        "L",
        "method",
        "share",
        "earned",
        "IC gap, %",
        "IR gap, %",
        "rounds",
        "seconds",
    )
    rows = []
    for (scenario, contracts, method), runs in _sellers():
        mean = runs.mean(numeric_only=True)
        shares = _estimate(runs["share"], 3), number(mean["earned"], 3)
        gaps = [number(100 * mean[f"{name}_share"], 1) for name in ("incentive", "participation")]
        cost = [_count(mean["rounds"]), _count(mean["seconds"])]
        rows.append((f"`{scenario}`", str(contracts), f"`{method}`", *shares, *gaps, *cost))
    return table(header, rows, words=3)


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
    frame, rows = _choosers(), []
    for (learns, discount), runs in frame.groupby(["learns", "discount"], sort=False):
        less = f", fees {100 * discount:.0f} % lower" * (discount > 0)
        earned = runs.groupby("market", sort=False)["earned"]
        rows.append((f"{learns}{less}", *(_estimate(of, 2) for _, of in earned)))
    return table(("learns", *frame["market"].unique()), rows)


def forgone() -> str:
    """The most that VMUs that learn forgo, in the mean of a case's seeds; rounded up."""
    means = _choosers().groupby(["market", "learns", "discount"])["forgone"].mean()
    return percent(str(means.max()), 1, ROUND_CEILING)


def _choosers() -> Any:
    return pd.read_csv(DOCS / "menus" / "choosers.csv")


def difference(scenario: str, method: str, against: str) -> str:
    """By how much two sellers' shares differ, paired by seed and episode."""
    row = only("menus/comparisons", scenario=scenario, method=method, against=against)
    mean, low, high = (rounded(row[name], 3) for name in ("difference", "low", "high"))
    return f"{mean} [{low}, {high}]"


def _sellers() -> Any:
    rows = pd.read_csv(DOCS / "menus" / "learners.csv")
    return rows.groupby(["scenario", "contracts", "method"], sort=False)


def _estimate(values: Any, digits: int) -> str:
    """The mean of seeds, and half the width of its 95 % interval by Student's t."""
    mean, low, _ = mean_interval(values)
    return f"{number(mean, digits)} ± {number(mean - low, digits)}"


def _count(value: float) -> str:
    return number(value) if math.isnan(value) else f"{value:,.0f}"
