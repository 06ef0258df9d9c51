"""The keyword arguments that every view shares, checked in one place."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from aigc_market import _checks, scenarios
from aigc_market._arrays import is_array
from aigc_market.distributions import Distribution, distribution
from aigc_market.equilibrium import Equilibrium, solve
from aigc_market.market import Market

RENDER_MODES = ["ansi", "human"]
VMU_REWARDS = ("surplus", "utility")

_MARKET = tuple(field.name for field in dataclasses.fields(Market))
_OPTIONS = tuple(name for name in _MARKET if name not in ("K", "ssim"))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an environment was made with."""

    market: Market
    """The market of an episode that changes nothing; where δ is drawn, a stand-in for it."""
    satisfaction: Distribution | None
    """What δ is drawn from at each reset, or None: it is fixed."""
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
        known = [*_MARKET, *(f.name for f in dataclasses.fields(cls)[3:]), "scenario"]
        for name in (*chosen.arguments, *arguments):
            if name not in known:
                raise TypeError(f"{name!r} is not a parameter; allowed: {', '.join(known)}")
        arguments = {**chosen.arguments, **arguments}
        of_market = {name: arguments.pop(name) for name in _MARKET if name in arguments}
        drawn = distribution(of_market.get("satisfaction"))
        if drawn is not None:
            of_market["satisfaction"] = drawn.high
        market = Market(**of_market)
        settings = cls(market=market, satisfaction=drawn, scenario=chosen, **arguments)
        settings._check()
        return settings

    def _check(self) -> None:
        market = self.market
        for name in sorted(_OPTIONS, key="satisfaction".__eq__):
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
        if not self.continuous_actions and np.ceil(market.min_steps) > market.max_steps:
            raise ValueError(
                "min_steps and max_steps must have a whole number between them where "
                f"continuous_actions=False, got {market.min_steps:g} and {market.max_steps:g}"
            )

    @property
    def satisfaction_bounds(self) -> tuple[float, float]:
        """What δ never leaves, the same for all VMUs.

        A fixed δ leaves room for episodes whose δ is set by the options of `reset`.
        """
        if self.satisfaction is not None:
            return self.satisfaction.low, self.satisfaction.high
        return 0.0, 2.0 * float(self.market.satisfaction.max())

    @cached_property
    def equilibrium(self) -> Equilibrium:
        """Of `market`; solved once."""
        return solve(self.market)

    def episode(
        self,
        rng: np.random.Generator,
        options: dict[str, Any] | None,
        lanes: tuple[int, ...] = (),
        other_options: tuple[str, ...] = (),
    ) -> tuple[Market, Equilibrium]:
        """The market of a new episode and its equilibrium.

        Args:
            rng: where δ is drawn from.
            options: of `reset`; parameters of the market for this episode alone.
            lanes: batch axes, of the vector environment.
            other_options: names that the caller reads itself.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        given = {}
        options = {} if options is None else options
        for name, value in _checks.instance("options", options, Mapping, "a dict").items():
            if name in _OPTIONS:
                given[name] = value
            elif name not in other_options:
                warnings.warn(
                    f"reset option {name!r} is unknown and ignored; "
                    f"allowed: {', '.join((*_OPTIONS, *other_options))}",
                    stacklevel=4,  # whoever calls `reset`
                )
        if self.satisfaction is not None and "satisfaction" not in given:
            given["satisfaction"] = self.satisfaction.draw(rng, (*lanes, self.market.K))
        if not given:
            return self.market, self.equilibrium
        market = dataclasses.replace(self.market, **given)
        if market.batch_shape not in ((), lanes):
            raise ValueError(
                f"reset options must have batch axes {lanes} or none, got {market.batch_shape}"
            )
        low, high = self.satisfaction_bounds
        for name, value, least, most in (
            ("satisfaction", market.satisfaction, low, high),
            ("cost", market.cost, self.market.cost, self.market.max_price),
            ("max_price", market.max_price, self.market.cost, self.market.max_price),
            ("min_steps", market.min_steps, self.market.min_steps, self.market.max_steps),
            ("max_steps", market.max_steps, self.market.min_steps, self.market.max_steps),
        ):
            if np.min(value) < least or np.max(value) > most:
                raise ValueError(
                    f"reset option {name} must stay within the environment's spaces, "
                    f"[{least:g}, {most:g}], got {value!r}"
                )
        return market, solve(market)
