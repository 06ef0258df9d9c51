"""What ways to sell earn: a price per step, a two-part tariff, few contracts, the best menu.

All of it is exact. A linear price is not bounded here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from aigc_market import Market, menus, solve
from aigc_market.scenarios import MENU_SCENARIOS
from baselines.arena.seeds import demonstration_seed
from baselines.arena.statistics import Interval, share_interval
from baselines.arena.task import Task

LEVEL, SPREADS = 200.0, np.array([*range(0, 195, 5), 195.0])
"""Types are the quantiles of U(LEVEL − h, LEVEL + h), for these h."""
TYPES = 100
"""K where types are spread."""
COSTS = np.geomspace(0.25, 12.0, 24)
"""Of a step, where types are those of U(100, 300)."""
_SPREAD = 100.0
_MARKETS = 1000
"""Drawn from the law of a preset."""
_NO_LIMIT = 1e9
"""A price at which nobody buys."""

LINEAR, TARIFF, BEST, FIRST_BEST = "linear price", "two-part tariff", "best menu", "first best"
CONTRACTS = {1: "1 contract", 2: "2 contracts", 3: "3 contracts"}
MECHANISMS = (LINEAR, TARIFF, *CONTRACTS.values(), BEST, FIRST_BEST)
COLUMNS = ("set", "market", "spread", "cost", "mechanism", "markets", "utility")
COLUMNS += ("of_best", "of_best_low", "of_best_high", "of_first", "of_first_low", "of_first_high")


def rows() -> list[dict[str, Any]]:
    """A row for each mechanism: in each preset, at each spread of types, at each cost.

    Intervals, 95 %, are over the markets that a preset draws; elsewhere there is one market.
    """
    found = []
    for which, name, spread, cost, market in _markets():
        earned = utilities(market)
        best, first = earned[BEST], earned[FIRST_BEST]
        for mechanism, utility in earned.items():
            shares = *_share(utility, best), *_share(utility, first)
            row = which, name, spread, cost, mechanism, len(best), utility.mean(), *shares
            found.append(dict(zip(COLUMNS, row, strict=True)))
    return found


def utilities(market: Market) -> dict[str, np.ndarray]:
    """(B,) what the leader earns by each mechanism of a batch of markets, or of one."""
    linear = solve(market.replace(max_price=_NO_LIMIT))
    found: dict[str, Any] = {LINEAR: linear, TARIFF: menus.best_tariff(market)}
    found |= {name: menus.solve_menu(market, count) for count, name in CONTRACTS.items()}
    found |= {BEST: menus.solve_menu(market), FIRST_BEST: menus.first_best(market)}
    return {name: np.atleast_1d(solved.asp_utility) for name, solved in found.items()}


def spread_types(spread: float, cost: float = 1.0) -> Market:
    """A market of `TYPES` VMUs whose δ are the quantiles of U(LEVEL − spread, LEVEL + spread)."""
    shares = (np.arange(TYPES) + 0.5) / TYPES
    return Market(TYPES, cost, satisfaction=LEVEL + spread * (2.0 * shares - 1.0))


def _markets() -> Iterator[tuple[str, str, float, float, Market]]:
    for name in MENU_SCENARIOS:
        task = Task(name, game="menus")
        env: Any = task.environment(1 if task.stands_still else _MARKETS, judged=False)
        env.reset(seed=demonstration_seed(0))
        yield "preset", name, np.nan, float(env.market.cost), env.market
    places = [("spread", float(spread), 1.0) for spread in SPREADS]
    places += [("cost", _SPREAD, float(cost)) for cost in COSTS]
    for which, spread, cost in places:
        yield which, f"{TYPES} types", spread, cost, spread_types(spread, cost)


def _share(utility: np.ndarray, other: np.ndarray) -> Interval:
    if len(other) < 2:
        return Interval(float(utility[0] / other[0]), np.nan, np.nan)
    return share_interval((other - utility)[None], other)
