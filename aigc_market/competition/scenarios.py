"""Scenarios of several providers, beside those of one in `aigc_market.scenarios`."""

from __future__ import annotations

from aigc_market import scenarios
from aigc_market.moves import Road
from aigc_market.scenarios import Scenario
from aigc_market.ssim import QuadraticSSIM

# One user who wants one unit, which is worth δ·(SSIM(1) − SSIM(0)) = 2 to it.
_CALVANO = {
    "M": 2,
    "K": 1,
    "cost": 1.0,
    "max_price": 3.0,
    "satisfaction": 2.0,
    "ssim": QuadraticSSIM(-1.0, 2.0, 0.0),
    "min_steps": 1,
    "max_steps": 1,
    "temperature": 0.25,
    "outside": 0.0,
    "continuous_actions": False,
    "price_grid": "nash_cartel",
    "followers": "best_response",
    "history": 1,
}

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("duopoly"),
        Scenario("calvano", arguments=_CALVANO),
        # Reaching the farther of two units costs up to 150 more, 2.5 times the temperature: close
        # by, a unit is nearly alone; halfway between two, prices decide. Nash play earns from 200
        # to 440 (of a cartel's 1410); at twice the rate one market in five has no Nash equilibrium.
        Scenario("road", arguments={"M": 2, "K": 4}, moves=(Road(rate=300.0),)),
        Scenario("hidden", "noisy", {"M": 2, **scenarios.SCENARIOS["hidden"].arguments}),
    )
}
"""The presets.

`duopoly`: two equal providers and two VMUs, all defaults. `calvano`: the unit demand of Calvano,
Calzolari, Denicolò & Pastorello (AER 2020), whose agents are two sellers on a grid of 15 prices
about those of Nash and cartel. `road`: vehicles drive past two roadside units, and what reaching
these costs moves with them. `hidden`: δ, α and β are drawn for each episode.
"""


def resolve(scenario: str | Scenario | None) -> Scenario:
    """The scenario meant by the keyword argument `scenario` of every view; None: `duopoly`."""
    return scenarios.resolve(scenario, SCENARIOS)
