"""Scenarios: named markets, with the scripted followers that the single-agent views use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aigc_market import _checks


@dataclass(frozen=True)
class Scenario:
    """A named set of arguments; those given to an environment beside it override them."""

    name: str
    vmus: str = "best_response"
    """Scripted followers of the single-agent views, by name (see `vmus`)."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the environments (K, cost, satisfaction, …)."""

    def __post_init__(self) -> None:
        _checks.instance("name", self.name, str, "a string")
        _checks.instance("arguments", self.arguments, Mapping, "a mapping of keyword arguments")


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("paper"),
        # A measured SSIM lies in [0, 1], so its β is some 20 times smaller than the paper's, and δ
        # must be larger for trade to happen: this one keeps the paper's β·δ = 15.
        Scenario("live", arguments={"ssim": "repaint", "satisfaction": 4070.0}),
    )
}
"""The presets.

`paper`: the stationary market of the source paper, all defaults. `live`: the VMUs' images are
really repainted by the bundled diffusion model, and their SSIM measured.
"""


def resolve(scenario: str | Scenario | None) -> Scenario:
    """The scenario meant by the keyword argument `scenario` of every view."""
    if isinstance(scenario, Scenario):
        return scenario
    name = "paper" if scenario is None else _checks.choice("scenario", scenario, SCENARIOS)
    return SCENARIOS[name]
