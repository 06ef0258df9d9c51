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
        if self.rationed:
            bounds["capacity"] = self.capacity_bounds
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

    @property
    def rationed(self) -> bool:
        """Whether there is a capacity, which the leader sees."""
        return self.capacity is not None or self.market.capacity is not None

    @property
    def capacity_bounds(self) -> tuple[float, float]:
        """What R never leaves where there is one.

        A fixed R leaves room for episodes whose R is set by the options of `reset`.
        """
        market = self.market
        if self.capacity is not None:
            return self.capacity.bounds(market)
        most = market.K * market.max_steps
        return market.K * market.min_steps, max(float(market.capacity), most)

    @cached_property
    def row(self) -> RoundRow:
        """Where the numbers of a round stand in the leader's history."""
        return RoundRow(self.market.K, self.masked)

    @cached_property
    def kept_row(self) -> RoundRow:
        """The same with what VMUs see beside the leader."""
        return RoundRow(self.market.K, self.masked, self.rationed)

    @property
    def equilibrium(self) -> Equilibrium:
        """Of `market`; solved once."""
        return self.oracle.equilibrium
