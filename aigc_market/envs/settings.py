"""The keyword arguments that every view shares, checked in one place."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from aigc_market import _checks, scenarios
from aigc_market._arrays import is_array
from aigc_market.distributions import DemandShare, Distribution, DrawnQuadratic, distribution
from aigc_market.envs.rows import RoundRow
from aigc_market.equilibrium import Equilibrium, solve
from aigc_market.market import Market
from aigc_market.ssim import LiveSSIM

RENDER_MODES = ["ansi", "human", "rgb_array"]
RENDER_FPS = 4
VMU_REWARDS = ("surplus", "utility")

_MARKET = tuple(f.name for f in dataclasses.fields(Market) if f.name != "active")
OPTIONS = tuple(name for name in _MARKET if name not in ("K", "ssim"))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an environment was made with."""

    market: Market
    """The market of an episode that changes nothing, with stand-ins for what is drawn."""
    satisfaction: Distribution | None
    """What δ is drawn from at each reset, or None: it is fixed."""
    ssim: DrawnQuadratic | None
    """What the SSIM model is drawn from."""
    capacity: DemandShare | None
    """What R is drawn from."""
    scenario: scenarios.Scenario
    history: int = 5
    max_cycles: int = 100
    continuous_actions: bool = True
    normalize: bool = False
    scale_rewards: bool = False
    vmu_reward: str = "surplus"
    render_mode: str | None = None

    @classmethod
    def make(cls, scenario: str | scenarios.Scenario | None = None, **arguments: Any) -> Settings:
        """Check the keyword arguments of an environment.

        Raises:
            TypeError, ValueError: an unknown name or a bad value; the message names the parameter,
                the value and what is allowed.
        """
        chosen = scenarios.resolve(scenario)
        known = [*_MARKET, *(f.name for f in dataclasses.fields(cls)[5:]), "scenario"]
        for name in (*chosen.arguments, *arguments):
            if name not in known:
                raise TypeError(f"{name!r} is not a parameter; allowed: {', '.join(known)}")
        arguments = {**chosen.arguments, **arguments}
        of_market = {name: arguments.pop(name) for name in _MARKET if name in arguments}
        drawn = distribution(of_market.get("satisfaction"))
        if drawn is not None:
            of_market["satisfaction"] = drawn.high
        ssim, capacity = of_market.get("ssim"), of_market.get("capacity")
        ssim = ssim if isinstance(ssim, DrawnQuadratic) else None
        capacity = capacity if isinstance(capacity, DemandShare) else None
        if ssim is not None:
            of_market["ssim"] = ssim.stand_in()
        if capacity is not None:
            of_market["capacity"] = None
        settings = cls(
            market=Market(**of_market),
            satisfaction=drawn,
            ssim=ssim,
            capacity=capacity,
            scenario=chosen,
            **arguments,
        )
        settings._check()
        return settings

    def _check(self) -> None:
        market = self.market
        for name in sorted(OPTIONS, key="satisfaction".__eq__):
            # Last comes δ, which a tensor anywhere has made a tensor.
            value, axes = getattr(market, name), int(name == "satisfaction")
            if is_array(value) and not (isinstance(value, np.ndarray) and value.ndim <= axes):
                raise ValueError(
                    f"{name} must be of one market and no tensor in an environment (the options "
                    f"of a vector environment's reset may differ from lane to lane), got {value!r}"
                )
        if market.batch_shape:
            raise ValueError(f"ssim must be of one market, got batch axes {market.batch_shape}")
        _checks.integer("history", self.history, at_least=1)
        _checks.integer("max_cycles", self.max_cycles, at_least=1)
        for name in ("continuous_actions", "normalize", "scale_rewards"):
            _checks.flag(name, getattr(self, name))
        _checks.choice("vmu_reward", self.vmu_reward, VMU_REWARDS)
        _checks.choice("render_mode", self.render_mode, [None, *RENDER_MODES])
        if self.normalize and self.satisfaction and self.satisfaction.high > 1e30:
            raise ValueError(
                "satisfaction must have bounds where normalize=True: "
                "wrap the function as aigc_market.Drawn(low, high, function)"
            )
        if self.masked and isinstance(market.ssim, LiveSSIM):
            raise ValueError(
                "ssim must not be live where VMUs come and go: "
                f"scenario {self.scenario.name!r} has {list(self.scenario.moves)}"
            )
        if not self.continuous_actions and np.ceil(market.min_steps) > market.max_steps:
            raise ValueError(
                "min_steps and max_steps must have a whole number between them where "
                f"continuous_actions=False, got {market.min_steps:g} and {market.max_steps:g}"
            )

    @property
    def satisfaction_bounds(self) -> tuple[float, float]:
        """What δ never leaves when it is drawn or given, the same for all VMUs.

        A fixed δ leaves room for episodes whose δ is set by the options of `reset`.
        """
        if self.satisfaction is not None:
            return self.satisfaction.low, self.satisfaction.high
        return 0.0, 2.0 * float(self.market.satisfaction.max())

    @property
    def seen_satisfaction_bounds(self) -> tuple[float, float]:
        """What δ never leaves as it moves and is observed: 0 stands for a VMU that is not there."""
        low, high = self.satisfaction_bounds
        for move in self.scenario.moves:
            low, high = low * move.reach[0], high * move.reach[1]
        return (0.0 if self.masked else low), high

    @cached_property
    def masked(self) -> bool:
        """Whether VMUs come and go."""
        return any(move.masks for move in self.scenario.moves)

    @cached_property
    def row(self) -> RoundRow:
        """Where the numbers of a round stand in the leader's history."""
        return RoundRow(self.market.K, self.masked)

    @cached_property
    def equilibrium(self) -> Equilibrium:
        """Of `market`; solved once."""
        return solve(self.market)
