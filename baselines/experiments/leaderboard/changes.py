"""Out of distribution: presets changed in one thing that methods were not made for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

from aigc_market import LogUniform, SharedLevel
from aigc_market import followers as scripted
from aigc_market.followers import FollowerPolicy
from aigc_market.moves import Drift
from aigc_market.scenarios import SCENARIOS, Scenario
from baselines.arena.task import Task
from baselines.runs.digest import described

UNCHANGED = "unchanged"
HOMES = ("hidden", "drift")
"""The presets that are changed."""


class Change(NamedTuple):
    """What is played in place of a preset."""

    task: Task
    followers: FollowerPolicy

    def digest_parts(self) -> list[Any]:
        """All of it that results depend on, as JSON."""
        return [self.task.digest_parts(), described(self.followers)]


def changes(home: str) -> dict[str, Change]:
    """A preset as it is, then changed, by the name of the change.

    Purchases are twice as noisy; δ lies above, or below, all levels that are drawn in the law; the
    drift runs twice as fast (two of its steps between rounds); followers choose by a logit, or hold
    back because they fear for tomorrow's price.
    """
    law = SCENARIOS[home]
    noise = scripted.resolve(law.followers)
    assert isinstance(noise, scripted.Noisy)
    level = law.arguments["satisfaction"].level
    same = Task(home)
    made = {
        UNCHANGED: Change(same, noise),
        "noise doubled": Change(same, scripted.Noisy(2 * noise.sigma)),
        "δ above": Change(_with_level(law, level.high, 2 * level.high), noise),
        "δ below": Change(_with_level(law, level.low / 2, level.low), noise),
        "quantal": Change(same, scripted.Quantal()),
        "myopic discount": Change(same, scripted.MyopicDiscount()),
    }
    if law.moves:
        fast = Task(replace(law, moves=tuple(map(_faster, law.moves))))
        made["drift doubled"] = Change(fast, noise)
    return made


def _with_level(law: Scenario, low: float, high: float) -> Task:
    drawn = SharedLevel(LogUniform(low, high), law.arguments["satisfaction"].spread)
    return Task(replace(law, arguments={**law.arguments, "satisfaction": drawn}))


def _faster(move: Any) -> Any:
    """Two steps of a drift in one: its stationary spread stays."""
    assert isinstance(move, Drift)
    step = move.step * math.sqrt(1 + move.persistence**2)
    return Drift(move.persistence**2, step)
