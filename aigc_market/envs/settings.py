"""The keyword arguments of the views of one provider's game."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from aigc_market import _checks, scenarios
from aigc_market.envs.oracle import Oracle
from aigc_market.envs.rows import RoundRow
from aigc_market.envs.view_settings import ViewSettings
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market
from aigc_market.moves import State
from aigc_market.ssim import LiveSSIM

VMU_REWARDS = ("surplus", "utility")


@dataclass(frozen=True, kw_only=True)
class Settings(ViewSettings):
    """What an environment was made with."""

    market_class: ClassVar[type[Market]] = Market
    oracle_class: ClassVar[type[Oracle]] = Oracle
    parameters: ClassVar[tuple[str, ...]] = tuple(
        field.name for field in dataclasses.fields(Market) if field.name != "active"
    )
    presets: ClassVar[Mapping[str, scenarios.Scenario]] = scenarios.SCENARIOS

    market: Market
    vmu_reward: str = "surplus"

    def own_axes(self, name: str) -> int:
        """1 for δ, which each VMU has for itself."""
        return int(name == "satisfaction")

    def option_bounds(self) -> dict[str, tuple[float, float]]:
        """Of what agents do, and of what they see where it is drawn."""
        market = self.market
        bounds = {
            "satisfaction": self.satisfaction_bounds,
            "cost": self.price_bounds,
            "max_price": self.price_bounds,
            "min_steps": (market.min_steps, market.max_steps),
            "max_steps": (market.min_steps, market.max_steps),
        }
        if self.capacity is not None:
            bounds["capacity"] = self.capacity.bounds(market)
        return bounds

    def movable(self, market: Market, lanes: tuple[int, ...]) -> dict[str, Any]:
        """The SSIM model and R; nobody comes or goes at first."""
        return {"ssim": market.ssim, "capacity": market.capacity}

    def moved(self, market: Market, state: State) -> dict[str, Any]:
        """The SSIM model, R, and who is there."""
        return {"ssim": state.ssim, "capacity": state.capacity, "active": state.active}

    def _check(self) -> None:
        super()._check()
        _checks.choice("vmu_reward", self.vmu_reward, VMU_REWARDS)
        if any(move.reaches for move in self.scenario.moves):
            raise ValueError(
                "scenario must not move access costs where one provider is alone: "
                f"{self.scenario.name!r} has {list(self.scenario.moves)}"
            )
        if self.masked and isinstance(self.market.ssim, LiveSSIM):
            raise ValueError(
                "ssim must not be live where VMUs come and go: "
                f"scenario {self.scenario.name!r} has {list(self.scenario.moves)}"
            )

    @cached_property
    def row(self) -> RoundRow:
        """Where the numbers of a round stand in the leader's history."""
        return RoundRow(self.market.K, self.masked)

    @property
    def equilibrium(self) -> Equilibrium:
        """Of `market`; solved once."""
        return self.oracle.equilibrium
