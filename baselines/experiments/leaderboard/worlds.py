"""Markets out of the law that methods were trained or tuned for: `leaderboard --outside`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from aigc_market import LogUniform, SharedLevel
from aigc_market import followers as scripted
from aigc_market.followers import FollowerPolicy
from aigc_market.moves import Drift
from aigc_market.scenarios import SCENARIOS, Scenario
from baselines.arena.task import Task
from baselines.runs.digest import described

UNCHANGED = "unchanged"
HOMES = ("hidden", "drift")
"""The presets whose methods are played outside."""


@dataclass(frozen=True)
class World:
    """A preset, changed in one thing. Methods are made for `home`, and play in this."""

    change: str
    home: Task
    task: Task
    followers: FollowerPolicy
    """In place of the preset's."""

    def environment_arguments(self) -> dict[str, Any]:
        """Beside those of the task."""
        return {"followers": self.followers}

    def digest_parts(self) -> list[Any]:
        """All of it that results depend on, as JSON."""
        return [self.change, self.task.digest_parts(), described(self.followers)]


def worlds(home: str) -> list[World]:
    """A preset as it is, then changed.

    Purchases are twice as noisy; δ lies above, or below, all levels that are drawn in the law; the
    drift runs twice as fast (two of its steps between rounds); followers choose by a logit, or hold
    back because they fear for tomorrow's price.
    """
    law = SCENARIOS[home]
    noise = scripted.resolve(law.followers)
    assert isinstance(noise, scripted.Noisy)
    level = law.arguments["satisfaction"].level
    changed: dict[str, tuple[Scenario, FollowerPolicy]] = {
        UNCHANGED: (law, noise),
        "noise doubled": (law, scripted.Noisy(2 * noise.sigma)),
        "δ above": (_with_level(law, level.high, 2 * level.high), noise),
        "δ below": (_with_level(law, level.low / 2, level.low), noise),
        "quantal": (law, scripted.Quantal()),
        "myopic discount": (law, scripted.MyopicDiscount()),
    }
    if law.moves:
        changed["drift doubled"] = replace(law, moves=tuple(map(_faster, law.moves))), noise
    return [
        World(change, Task(home), Task(scenario), followers)
        for change, (scenario, followers) in changed.items()
    ]


def _with_level(law: Scenario, low: float, high: float) -> Scenario:
    spread = law.arguments["satisfaction"].spread
    drawn = SharedLevel(LogUniform(low, high), spread)
    return replace(law, arguments={**law.arguments, "satisfaction": drawn})


def _faster(move: Any) -> Any:
    """Two steps of a drift in one: its stationary spread stays."""
    assert isinstance(move, Drift)
    step = move.step * math.sqrt(1 + move.persistence**2)
    return Drift(move.persistence**2, step)
