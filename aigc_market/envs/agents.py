"""What the AEC and the parallel environment have in common: agents, spaces, seeds, rendering."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import logger
from gymnasium.spaces import Space
from gymnasium.utils import seeding

from aigc_market.envs.actions import asp_actions, vmu_actions
from aigc_market.envs.episode import Episode
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.observation import ObservationSpaces
from aigc_market.envs.seats import FOLLOWER, LEADER, Seat, seats
from aigc_market.envs.settings import Settings
from aigc_market.envs.view_settings import RENDER_FPS, RENDER_MODES
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market
from aigc_market.rendering import Round, Screen


class MarketAgents:
    """A mixin for the multi-agent environments. Its keyword arguments are those of `Settings`."""

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's type)
        "name": "stackelberg_v0",
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
        "is_parallelizable": False,
    }

    def _set_up(self, asp_space: str, arguments: dict[str, Any]) -> None:
        self.settings = settings = Settings.make(**arguments)
        self.max_cycles = settings.max_cycles
        self.render_mode = mode = settings.render_mode
        self._screen = Screen(mode, RENDER_FPS) if mode else None
        self._order = seats(settings.market.K)
        self._leads = [seat.role == LEADER for seat in self._order]
        self._seats: dict[str, Seat] = {seat.agent: seat for seat in self._order}
        self.possible_agents = list(self._seats)
        spaces = ObservationSpaces(settings)
        seen = {LEADER: getattr(spaces, asp_space), FOLLOWER: spaces.vmu}
        self.observation_spaces = {seat.agent: seen[seat.role] for seat in self._order}
        self.state_space = spaces.state
        self._prices = asp_actions(settings)
        self._purchases = vmu_actions(settings)
        # Sampling must be independent from VMU to VMU, so each has a space of its own.
        self.action_spaces = {
            seat.agent: self._prices.space if seat.role == LEADER else vmu_actions(settings).space
            for seat in self._order
        }
        self._rng: Any = None  # a numpy.random.Generator from the first reset on
        self._episode: Any = None  # an Episode from the first reset on

    def _begin(self, seed: int | None, options: dict[str, Any] | None, *other: str) -> None:
        """Begin an episode; where an option is refused, the last one and its stream go on.

        `other` options are read by `_take_options`.
        """
        rng: Any = self._rng
        if seed is not None or rng is None:
            rng, _ = seeding.np_random(seed)
        before = rng.bit_generator.state if options else None
        try:
            process = MarketProcess(self.settings, rng, options, (), other)
            self._take_options(options or {}, process.market)
        except Exception:
            if before is not None:
                rng.bit_generator.state = before
            raise
        self._rng = rng
        market = process.market
        self._prices.limit(market.cost, market.max_price)
        self._purchases.limit(market.min_steps, market.max_steps)
        self._episode = Episode(self.settings, process, rng)
        if self._screen is not None:
            self._screen.add(self._episode.record(self.max_cycles))

    def _take_options(self, options: dict[str, Any], market: Market) -> None:
        """Read the options that are no parameters of the market, before anything changes."""

    @property
    def market(self) -> Market:
        """The market in force; before the first episode, the one the arguments describe."""
        return self._episode.market if self._episode else self.settings.market

    @property
    def equilibrium(self) -> Equilibrium:
        """The exact equilibrium of `market`."""
        return self._episode.equilibrium if self._episode else self.settings.equilibrium

    def observation_space(self, agent: str) -> Space[Any]:
        """The agent's observation space, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[Any]:
        """The agent's action space, always the same object."""
        return self.action_spaces[agent]

    def round_record(self) -> Round | None:
        """The record of the last round played, as `aigc_market.replay` writes it.

        None before the first round of an episode is over.
        """
        if self._episode is None or self._episode.round == 0:
            return None
        return self._episode.record(self.max_cycles)

    def close(self) -> None:
        """Close the window of mode "human"."""
        if self._screen is not None:
            self._screen.close()

    def _settle(self, asked: list[float]) -> tuple[list[float], list[dict[str, Any]]]:
        episode = self._episode
        settled = episode.settle(asked, last=episode.round + 1 >= self.max_cycles)
        if self._screen is not None:
            self._screen.add(episode.record(self.max_cycles))
        return settled

    def _show(self) -> str | np.ndarray | None:
        if self._screen is None:
            logger.warn("render() shows nothing without a render_mode")
            return None
        return self._screen.show()
