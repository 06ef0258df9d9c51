"""The keyword arguments of environments, checked in one place before anything is computed."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from aigc_market import _checks, scenarios
from aigc_market._arrays import holds, is_array
from aigc_market.distributions import DemandShare, Distribution, DrawnSSIM, distribution
from aigc_market.envs.spaces import Field
from aigc_market.moves import State

RENDER_MODES = ["ansi", "human", "rgb_array"]
RENDER_FPS = 4
AGENTS = "agents"
"""Followers that are agents themselves."""

_OF_ONE_GAME = (
    "{} must be of one market and no tensor in an environment (the options of a vector "
    "environment's reset may differ from lane to lane), got {!r}"
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an environment was made with. A game says of which market, and adds its arguments."""

    market_class: ClassVar[Any]
    """Of the game's parameters."""
    presets: ClassVar[Mapping[str, scenarios.Scenario]]
    """The game's scenarios by name, its default first."""

    market: Any
    """The market of an episode that changes nothing, with stand-ins for what is drawn."""
    satisfaction: Distribution | None
    """What δ is drawn from at each reset, or None: it is fixed."""
    ssim: DrawnSSIM | None
    """What the SSIM model is drawn from."""
    capacity: DemandShare | None
    """What R is drawn from."""
    scenario: scenarios.Scenario
    followers: Any = None
    """A scripted policy, its name, or "agents"; None: what the view has by default."""
    history: int = 5
    max_cycles: int = 100
    continuous_actions: bool = True
    normalize: bool = False
    scale_rewards: bool = False
    judged: bool = True
    """Whether infos compare play with what is best."""
    render_mode: str | None = None

    @classmethod
    def make(
        cls,
        scenario: str | scenarios.Scenario | None = None,
        *,
        _view: type | None = None,
        **arguments: Any,
    ) -> Self:
        """Check the keyword arguments of an environment.

        Args:
            scenario: a name, or a scenario; the game's first by default.
            _view: the environment's class, whose own arguments are allowed too, though not here.
            arguments: all others.

        Raises:
            TypeError, ValueError: an unknown name or a bad value; the message names the parameter,
                the value and what is allowed.
        """
        chosen = scenarios.resolve(scenario, cls.presets)
        known = cls.names()
        for name in (*chosen.arguments, *arguments):
            if name not in known:
                allowed = dict.fromkeys([*known, *_named_by(_view)])
                raise TypeError(
                    f"{name!r} is not a parameter; allowed: {', '.join(allowed)}"
                    f"{_checks.meant(name, allowed)}"
                )
        arguments = {**chosen.arguments, **arguments}
        of_market = {name: arguments.pop(name) for name in cls._parameters() if name in arguments}
        drawn = distribution(of_market.get("satisfaction"))
        if drawn is not None:
            of_market["satisfaction"] = drawn.high
        ssim, capacity = of_market.get("ssim"), of_market.get("capacity")
        ssim = ssim if isinstance(ssim, DrawnSSIM) else None
        capacity = capacity if isinstance(capacity, DemandShare) else None
        if ssim is not None:
            of_market["ssim"] = ssim.stand_in()
        if capacity is not None:
            of_market["capacity"] = None
        for name, value in of_market.items():
            if is_array(value) and not isinstance(value, np.ndarray):
                raise ValueError(_OF_ONE_GAME.format(name, value))
        settings = cls(
            market=cls.market_class(**of_market),
            satisfaction=drawn,
            ssim=ssim,
            capacity=capacity,
            scenario=chosen,
            **arguments,
        )
        settings._check()
        return settings

    @classmethod
    def names(cls) -> list[str]:
        """Of the keyword arguments."""
        own = [field.name for field in dataclasses.fields(cls)]
        parameters = cls._parameters()
        return [*parameters, *(name for name in own if name not in (*parameters, "market"))]

    @classmethod
    def _parameters(cls) -> list[str]:
        """Of the market, as far as they are keyword arguments."""
        names = [field.name for field in dataclasses.fields(cls.market_class)]
        return [name for name in names if name != "active"]  # who is there is for moves to say

    @cached_property
    def options(self) -> tuple[str, ...]:
        """Parameters of the market that the options of a reset may set."""
        return tuple(name for name in self._parameters() if name in self.market.PARAMETERS)

    def oracle_of(self, market: Any) -> Any:
        """What is best in a market, or in a batch."""
        raise NotImplementedError

    @cached_property
    def oracle(self) -> Any:
        """What is best in the market that the arguments describe."""
        return self.oracle_of(self.market)

    def _check(self) -> None:
        market = self.market
        for name in self.options:
            value = getattr(market, name)
            if np.ndim(value) > len(market.axes(name)):
                raise ValueError(_OF_ONE_GAME.format(name, value))
        if market.batch_shape:
            raise ValueError(f"ssim must be of one market, got batch axes {market.batch_shape}")
        _checks.integer("history", self.history, at_least=1)
        _checks.integer("max_cycles", self.max_cycles, at_least=1)
        for name in ("continuous_actions", "normalize", "scale_rewards", "judged"):
            _checks.flag(name, getattr(self, name))
        _checks.choice("render_mode", self.render_mode, [None, *RENDER_MODES])
        if self.normalize and self.seen_satisfaction_bounds[1] > 1e30:
            self._refuse_unbounded("where normalize=True")
        if not self.continuous_actions and np.ceil(market.min_steps) > market.max_steps:
            raise ValueError(
                "min_steps and max_steps must have a whole number between them where "
                f"continuous_actions=False, got {market.min_steps:g} and {market.max_steps:g}"
            )

    def _refuse_unbounded(self, where: str) -> None:
        raise ValueError(
            f"satisfaction must have bounds of at most 1e30 {where}, whatever moves make of it "
            "(wrap a function as aigc_market.Drawn(low, high, function)), "
            f"got {self.satisfaction or self.market.satisfaction!r} and "
            f"{list(self.scenario.moves)}"
        )

    # What is seen never leaves these bounds.

    def field(self, name: str, count: int, low: float, high: float) -> Field:
        """A field of what is seen, in the environment's units."""
        return Field(name, count, float(low), float(high)).in_units(self.normalize)

    def coefficients(self) -> list[Field]:
        """Fields of the SSIM model's coefficients that are drawn, one number each."""
        if self.ssim is None:
            return []
        return [self.field(name, 1, *bounds) for name, bounds in self.ssim.coefficients.items()]

    @property
    def price_bounds(self) -> tuple[float, float]:
        """The least and the highest price of any provider."""
        market = self.market
        return float(np.min(market.cost)), float(np.max(market.max_price))

    @property
    def satisfaction_bounds(self) -> tuple[float, float]:
        """What δ never leaves when it is drawn or given, the same for all VMUs.

        A fixed δ leaves room for episodes whose δ is set by the options of `reset`.
        """
        if self.satisfaction is not None:
            return self.satisfaction.low, self.satisfaction.high
        return 0.0, 2.0 * float(self.market.satisfaction.max())

    @cached_property
    def seen_satisfaction_bounds(self) -> tuple[float, float]:
        """What δ never leaves as it moves and is observed: 0 stands for a VMU that is not there."""
        low, high = self.satisfaction_bounds
        for move in self.scenario.moves:
            low, high = low * move.factor_bounds[0], high * move.factor_bounds[1]
        return (0.0 if self.masked else low), min(high, float(np.finfo(np.float32).max))

    @property
    def rationed(self) -> bool:
        """Whether there is a capacity, which leaders see."""
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
        return market.K * market.min_steps, max(float(np.max(market.capacity)), most)

    @cached_property
    def access_cost_bounds(self) -> tuple[float, float]:
        """What τ is when an episode begins, where providers compete.

        It leaves room for episodes whose τ is set by the options of `reset`: twice the most that it
        is, or four temperatures, which leave a provider two per cent of the odds.
        """
        market = self.market
        return 0.0, max(2.0 * float(market.access_cost.max()), 4.0 * market.temperature)

    @cached_property
    def seen_access_cost_bounds(self) -> tuple[float, float]:
        """What τ never leaves as it moves."""
        low, high = self.access_cost_bounds
        return low, high + sum(move.most_access_cost for move in self.scenario.moves)

    def option_bounds(self) -> dict[str, tuple[float, float]]:
        """What a reset option must stay within, by name: agents see or do it."""
        steps = self.market.min_steps, self.market.max_steps
        bounds = {
            "satisfaction": self.satisfaction_bounds,
            **dict.fromkeys(("cost", "max_price"), self.price_bounds),
            **dict.fromkeys(("min_steps", "max_steps"), steps),
        }
        if self.rationed:
            bounds["capacity"] = self.capacity_bounds
        if "access_cost" in self.options:
            bounds["access_cost"] = self.access_cost_bounds
        return bounds

    def check_episode(self, market: Any) -> None:
        """Refuse the options of a reset that would leave the spaces.

        Args:
            market: that they make; or a batch.

        Raises:
            ValueError: one of its parameters is not within the `option_bounds`.
        """
        for name, (least, most) in self.option_bounds().items():
            value = getattr(market, name)
            if value is not None and not holds((value >= least) & (value <= most)):
                raise ValueError(
                    f"reset option {name} must stay within the environment's spaces, "
                    f"[{least:g}, {most:g}], got {value!r}"
                )

    def check_moved(self, satisfaction: Any, state: State) -> None:
        """Refuse what moves have made of a market if an observation cannot hold it.

        Args:
            satisfaction: δ with the moves' factors.
            state: all else.

        Raises:
            ValueError: it is out of bounds.
        """
        values = {"satisfaction": (satisfaction, self.seen_satisfaction_bounds)}
        if state.access_cost is not None:
            values["access_cost"] = state.access_cost, self.seen_access_cost_bounds
        for name, (value, (low, high)) in values.items():
            if not (value.min() >= low and value.max() <= high):  # NaN fails too
                raise ValueError(
                    f"{name} must stay within [{low:g}, {high:g}] as the market moves (what it is "
                    f"at a reset, and the bounds that its moves state), got {value!r}"
                )

    # How markets differ from episode to episode.

    def draw(
        self, rng: Any, lanes: tuple[int, ...], without: Container[str] = ()
    ) -> dict[str, Any]:
        """δ and the SSIM model of new markets, as far as they are drawn; a capacity is not.

        Args:
            rng: see `Distribution.draw`.
            lanes: the batch axes.
            without: parameters that are given.
        """
        drawn: dict[str, Any] = {}
        if self.satisfaction is not None and "satisfaction" not in without:
            drawn["satisfaction"] = self.satisfaction.draw(rng, (*lanes, self.market.K))
        if self.ssim is not None:
            drawn["ssim"] = self.ssim.draw(rng, lanes)
        return drawn

    @property
    def random(self) -> bool:
        """Whether an episode's market may differ from `market` though no option says so."""
        laws = (self.satisfaction, self.ssim, self.capacity)
        return bool(self.scenario.moves) or any(law is not None for law in laws)

    @cached_property
    def masked(self) -> bool:
        """Whether VMUs come and go."""
        return any(move.sets_active for move in self.scenario.moves)


def _named_by(view: Any) -> list[str]:
    """The arguments that a class of environments takes by name."""
    if view is None:
        return []
    parameters = inspect.signature(view.__init__).parameters.values()
    return [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name != "self"]
