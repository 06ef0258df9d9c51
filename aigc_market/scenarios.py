"""Scenarios: named markets, how they move, and the followers of the single-agent views."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market.distributions import (
    DemandShare,
    DrawnQuadratic,
    DrawnSaturating,
    LogUniform,
    SharedLevel,
    Uniform,
)
from aigc_market.market import Competition
from aigc_market.moves import Drift, Move, Road, Shift, Traffic
from aigc_market.ssim import QuadraticSSIM

ARGUMENTS = (
    *(one.name for one in fields(Competition)),
    *("followers", "history", "max_cycles", "continuous_actions", "normalize", "scale_rewards"),
    *("judged", "render_mode", "vmu_reward", "price_grid", "contracts", "max_fee"),
)
"""What a scenario may set: keyword arguments of the environments of one game at least."""


@dataclass(frozen=True)
class Scenario:
    """A named set of arguments; those given to an environment beside it override them.

    Raises:
        TypeError: a field of another type, or an argument that no environment has. Values are
            checked by the environment.
    """

    name: str
    followers: str = "best_response"
    """Scripted followers of the single-agent views, by name (see `aigc_market.followers`)."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the environments (K, cost, satisfaction, …), see `ARGUMENTS`."""
    moves: Sequence[Move] = ()
    """How the market moves between rounds, in this order."""

    def __post_init__(self) -> None:
        _checks.instance("name", self.name, str, "a string")
        _checks.instance("arguments", self.arguments, Mapping, "a mapping of keyword arguments")
        for name in self.arguments:
            if name not in ARGUMENTS:
                raise TypeError(
                    f"arguments must name parameters of an environment, {', '.join(ARGUMENTS)}, "
                    f"got {name!r}{_checks.meant(name, ARGUMENTS)}"
                )
        _checks.instance("moves", self.moves, Sequence, "a sequence of Moves")
        for move in self.moves:
            _checks.instance("moves", move, Move, "a sequence of Moves")
        for kind in (Road, Traffic):  # a second one would undo what the first has done
            if sum(isinstance(move, kind) for move in self.moves) > 1:
                raise ValueError(f"moves must hold one {kind.__name__} at most, got {self.moves!r}")
        kept = {name: _own(value) for name, value in self.arguments.items()}
        object.__setattr__(self, "arguments", kept)
        object.__setattr__(self, "moves", tuple(self.moves))


def _own(value: Any) -> Any:
    """A copy of what a caller could write into: numbers in lists or arrays."""
    return copy.deepcopy(value) if isinstance(value, list | np.ndarray) else value


_SSIM = DrawnQuadratic(alpha=LogUniform(1.2e-4, 4e-4), beta=Uniform(0.05, 0.12))
_HIDDEN = {"K": 2, "satisfaction": SharedLevel(LogUniform(80, 400), spread=0.3), "ssim": _SSIM}
_CROWD = {"K": 10, "satisfaction": LogUniform(80, 400), "ssim": _SSIM}
_SATURATING = {
    **_HIDDEN,
    "ssim": DrawnSaturating(gain=LogUniform(2.0, 5.0), scale=LogUniform(25.0, 60.0)),
}
_SCARCE = {**_HIDDEN, "capacity": DemandShare(Uniform(0.4, 1.0))}

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("paper"),
        Scenario("hidden", "noisy", _HIDDEN),
        Scenario("drift", "noisy", _HIDDEN, (Drift(persistence=0.98, step=0.1),)),
        Scenario("shift", "noisy", _HIDDEN, (Shift(probability=0.03),)),
        Scenario("crowd", "noisy", _CROWD, (Traffic(busy=0.3, arrival=0.02, departure=0.05),)),
        Scenario("capacity", "noisy", _SCARCE),
        # A measured SSIM lies in [0, 1], so δ must be larger than the paper's for trade to happen.
        # On the curve of the bundled model a step gains .00164 at best (57 of them do), so that
        # nobody buys above .00164·δ: with this δ above 15, which is β·δ of the paper's market. The
        # equilibrium then lies in the middle of the prices: p* = 11.9, 86 steps each, U_p* = 1877.
        Scenario("saturating", "noisy", _SATURATING),
        Scenario("live", arguments={"ssim": "repaint", "satisfaction": 9130.0}),
    )
}
"""The presets.

`paper`: the stationary market of the source paper, all defaults. In the next ones the market is
hidden from the leader, and scripted followers are noisy. `hidden`: δ, α and β are drawn for each
episode. `drift`: beside that, the level of δ drifts. `shift`: or the whole market is drawn again
now and then. `crowd`: vehicles come and go in ten slots, each with a δ of its own. `capacity`: as
`hidden`, with a drawn capacity that binds. `saturating`: as `hidden`, with curves that rise
exponentially to their best, of drawn A and τ: demand is no line. `live`: the VMUs' images are
really repainted by the bundled diffusion model, and their SSIM measured.
"""


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

COMPETITION_SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("duopoly"),
        Scenario("calvano", arguments=_CALVANO),
        # Reaching the farther of two units costs up to 150 more, 2.5 times the temperature: close
        # by, a unit is nearly alone; halfway between two, prices decide. Nash play earns from 200
        # to 440 (of a cartel's 1410); at twice the rate one market in five has no Nash equilibrium.
        Scenario("road", arguments={"M": 2, "K": 4}, moves=(Road(rate=300.0),)),
        Scenario("hidden", "noisy", {"M": 2, **_HIDDEN}),
    )
}
"""The presets where providers compete.

`duopoly`: two equal providers and two VMUs, all defaults. `calvano`: the unit demand of Calvano,
Calzolari, Denicolò & Pastorello (AER 2020), whose agents are two sellers on a grid of 15 prices
about those of Nash and cartel. `road`: vehicles drive past two roadside units, and what reaching
these costs moves with them. `hidden`: δ, α and β are drawn for each episode.
"""


MENU_SCENARIOS = {
    scenario.name: scenario
    for scenario in (Scenario("paper"), Scenario("hidden", "quantal", _HIDDEN))
}
"""The presets where contracts are sold.

`paper`: the market of the source paper. `hidden`: δ, α and β are drawn for each episode, and
scripted followers choose by a logit.
"""


def resolve(
    scenario: str | Scenario | None, presets: Mapping[str, Scenario] = SCENARIOS
) -> Scenario:
    """The scenario meant by the keyword argument `scenario` of every view; None: the first."""
    if isinstance(scenario, Scenario):
        return scenario
    if scenario is None:
        return next(iter(presets.values()))
    return presets[_checks.choice("scenario", scenario, presets)]
