"""The keyword arguments of the views of several providers, checked in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from aigc_market import _checks, competition
from aigc_market._arrays import namespace
from aigc_market.competition import Competition, followers
from aigc_market.competition.market import PARAMETERS
from aigc_market.competition.scenarios import SCENARIOS
from aigc_market.envs.competition.oracle import Oracle
from aigc_market.envs.view_settings import ViewSettings
from aigc_market.moves import State
from aigc_market.scenarios import Scenario

PRICE_LEVELS = 96
"""Prices of the discrete game where none are given, evenly from a provider's cost to its p_max."""
WEIGHT_LEVELS = 11
"""Weights of the discrete game: 0, .1 … 1."""
NASH_CARTEL = "nash_cartel"
"""Asks for the grid of `competition.price_grid`."""
AGENTS = "agents"
"""Followers that are agents themselves."""


@dataclass(frozen=True, kw_only=True)
class Settings(ViewSettings):
    """What an environment of several providers was made with."""

    market_class: ClassVar[type[Competition]] = Competition
    oracle_class: ClassVar[type[Oracle]] = Oracle
    parameters: ClassVar[tuple[str, ...]] = PARAMETERS
    presets: ClassVar[Mapping[str, Scenario]] = SCENARIOS

    market: Competition
    followers: Any = AGENTS
    """"agents", a scripted policy, or its name."""
    price_grid: Any = None
    """Prices of the discrete game: None, "nash_cartel", (L,) or (M, L)."""
    judged: bool = True
    """Whether infos say what Nash and cartel would earn, and what is rational for VMUs."""

    def own_axes(self, name: str) -> int:
        """1 for what each provider or VMU has for itself, 2 for what each pair has."""
        return {"access_cost": 2, "min_steps": 0, "max_steps": 0}.get(
            name, 0 if name in ("temperature", "outside") else 1
        )

    def option_bounds(self) -> dict[str, tuple[float, float]]:
        """Of what agents do and see."""
        market = self.market
        return {
            "satisfaction": self.satisfaction_bounds,
            "cost": self.price_bounds,
            "max_price": self.price_bounds,
            "min_steps": (market.min_steps, market.max_steps),
            "max_steps": (market.min_steps, market.max_steps),
            "access_cost": self.access_cost_bounds,
        }

    def check_episode(self, market: Competition) -> None:
        """As in the base; and VMUs that are agents have a weight for the outside option, or none.

        Raises:
            ValueError: an option that would leave the spaces.
        """
        super().check_episode(market)
        had, has = self.market.outside is not None, market.outside is not None
        if self.policy is None and had != has:
            raise ValueError(
                f"reset option outside must be {'a number' if had else 'None'} where VMUs are "
                f"agents that have {'a' if had else 'no'} weight for it, got {market.outside!r}"
            )

    def movable(self, market: Competition, lanes: tuple[int, ...]) -> dict[str, Any]:
        """The SSIM model where it is drawn, and τ."""
        shape = (*lanes, market.M, market.K)
        return {
            "ssim": market.ssim[0],
            "capacity": market.capacity,
            "access_cost": namespace(market.access_cost).broadcast_to(market.access_cost, shape),
        }

    def moved(self, market: Competition, state: State) -> dict[str, Any]:
        """The SSIM model where it is drawn, and τ."""
        models = market.ssim
        if self.ssim is not None and state.ssim is not models[0]:
            models = (state.ssim,) * market.M
        return {"ssim": models, "access_cost": state.access_cost}

    def check_moved(self, satisfaction: Any, state: State) -> None:
        """As in the base, and of τ.

        Raises:
            ValueError: an observation cannot hold it.
        """
        super().check_moved(satisfaction, state)
        cost: Any = state.access_cost
        low, high = self.seen_access_cost_bounds
        if not (cost.min() >= low and cost.max() <= high):
            raise ValueError(
                f"access_cost must stay within [{low:g}, {high:g}] as the market moves (what it is "
                f"at first, and `most_access_cost` of the scenario's moves), got {cost!r}"
            )

    def _check(self) -> None:
        super()._check()
        if self.capacity is not None:
            raise ValueError(
                "capacity must be None, a number or M numbers where providers compete, "
                f"not a law, got {self.capacity!r}"
            )
        if self.masked:
            raise ValueError(
                "scenario must not let VMUs come and go where providers compete: "
                f"{self.scenario.name!r} has {list(self.scenario.moves)}"
            )
        _checks.flag("judged", self.judged)
        if not (callable(self.followers) or self.followers == AGENTS):
            _checks.choice("followers", self.followers, [AGENTS, *followers.SCRIPTED])
        if self.price_grid is not None:
            self._check_grid()

    def _check_grid(self) -> None:
        given, market = self.price_grid, self.market
        if isinstance(given, str):
            _checks.choice("price_grid", given, [NASH_CARTEL])
            laws = (self.satisfaction, self.ssim, *self.scenario.moves)
            if not self.continuous_actions and any(law is not None for law in laws):
                raise ValueError(
                    "price_grid must be prices where the market is drawn or moves "
                    f"(those of Nash and cartel are not known), got {given!r}"
                )
            return
        grid = _checks.numeric("price_grid", given, above=0)
        shapes = np.shape(grid)[:-1] in ((), (market.M,)) and np.ndim(grid) > 0 and np.size(grid)
        low, high = market.cost[:, None], market.max_price[:, None]
        if not shapes or np.any(grid < low) or np.any(grid > high):
            raise ValueError(
                f'price_grid must be None, "nash_cartel", or prices (L,) or (M, L) with M = '
                f"{market.M}, each within its provider's cost and max_price, got {given!r}"
            )

    @cached_property
    def policy(self) -> followers.FollowerPolicy | None:
        """The scripted followers; None: they are agents."""
        given = self.followers
        return None if isinstance(given, str) and given == AGENTS else followers.resolve(given)

    @cached_property
    def grid(self) -> np.ndarray:
        """(M, L) prices of the discrete game.

        Raises:
            ValueError: the grid is that of Nash and cartel, and no Nash equilibrium was found.
        """
        market, given = self.market, self.price_grid
        if given is None:
            return np.linspace(market.cost, market.max_price, PRICE_LEVELS, axis=-1)
        if isinstance(given, str):
            known = {"nash": self.oracle.nash, "cartel": self.oracle.cartel}
            grid = np.asarray(competition.price_grid(market, **known))
            if not np.isfinite(grid).all():
                raise ValueError(
                    f"price_grid must be prices where no Nash equilibrium is found, got {given!r}"
                )
            return grid
        grid = np.asarray(_checks.numeric("price_grid", given))
        return np.broadcast_to(grid, (market.M, grid.shape[-1]))

    @cached_property
    def access_cost_bounds(self) -> tuple[float, float]:
        """What τ is when an episode begins.

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
