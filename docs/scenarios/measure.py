"""Solve markets that each scenario draws: `python docs/scenarios/measure.py` writes prices.csv.

Of each scenario the best price p* and what it earns, or the prices of the Nash equilibrium and of
the cartel, or what the best menu earns, as quantiles over markets; markets come from training
seeds, and where they move, from every round.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import aigc_market
from aigc_market import competition, competition_v0, scenarios
from aigc_market.envs.pages.menu_vector import MenuVectorEnv
from aigc_market.envs.pages.vector import PricingVectorEnv
from aigc_market.scenarios import COMPETITION_SCENARIOS as SEVERAL
from aigc_market.scenarios import MENU_SCENARIOS
from baselines.arena.seeds import training_seed
from baselines.runs.files import write_csv

MARKETS = 20_000
"""Of one provider; of several a hundredth of these."""
ROUNDS = 100
QUANTILES = {"least": 0.0, "low": 0.05, "median": 0.5, "high": 0.95, "greatest": 1.0}
COLUMNS = ("providers", "scenario", "quantity", "values", *QUANTILES)


def one(name: str) -> Iterator[tuple[str, Any]]:
    """Solutions of the markets of one provider."""
    scenario = scenarios.SCENARIOS[name]
    if name in ("paper", "live"):  # one market
        env = aigc_market.env(scenario=name)
        env.reset(seed=training_seed(0))
        yield "price", env.unwrapped.equilibrium.price
        yield "utility", env.unwrapped.equilibrium.asp_utility
        return
    rounds = ROUNDS if scenario.moves else 1
    env = PricingVectorEnv(num_envs=MARKETS // rounds, scenario=name, judged=False)
    env.reset(seed=training_seed(0))
    solved, scarce = [], []
    for _ in range(rounds):
        solved.append(env.equilibrium)
        scarce.append(env.market.capacity)
        env.step(env.action_space.low)  # prices do not disturb the draws
    yield "price", np.stack([eq.price for eq in solved])
    yield "utility", np.stack([eq.asp_utility for eq in solved])
    if "capacity" in scenario.arguments:
        yield "capacity", np.stack(scarce)


def several(name: str) -> Iterator[tuple[str, Any]]:
    """Nash equilibria, where one is found, and cartels: the first markets of episodes."""
    drawn = name in ("road", "hidden")
    nash, cartel = [], []
    for i in range(MARKETS // 100 if drawn else 1):
        env = competition_v0.env(scenario=name, judged=False)
        env.reset(seed=training_seed(i))
        market = env.unwrapped.market
        found = competition.nash(market)
        if found.converged:
            nash.append(found.prices)
        cartel.append(competition.cartel(market).prices)
    yield "nash_price", np.stack(nash)
    yield "cartel_price", np.stack(cartel)


def by_contract(name: str) -> Iterator[tuple[str, Any]]:
    """Best menus."""
    env = MenuVectorEnv(num_envs=1 if name == "paper" else MARKETS, scenario=name, judged=False)
    env.reset(seed=training_seed(0))
    yield "utility", env.best_menu.asp_utility


def main() -> None:
    """Write the table."""
    rows = []
    games = ("1", scenarios.SCENARIOS, one), ("2", SEVERAL, several)
    for providers, names, solve in (*games, ("menus", MENU_SCENARIOS, by_contract)):
        for name in names:
            for quantity, values in solve(name):
                shown = [f"{x:.6g}" for x in np.quantile(values, list(QUANTILES.values()))]
                row = providers, name, quantity, np.size(values), *shown
                rows.append(dict(zip(COLUMNS, row, strict=True)))
                print(*row)
    write_csv(Path(__file__).with_name("prices.csv"), COLUMNS, rows)


if __name__ == "__main__":
    main()
