"""What all multi-agent environments have in common: agents, spaces, seeds, rendering."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium import logger
from gymnasium.spaces import Space
from gymnasium.utils import seeding

from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.rewards import leader_scales
from aigc_market.envs.seats import LEADER, Seat
from aigc_market.envs.view_settings import RENDER_FPS
from aigc_market.rendering import Screen


class Agents:
    """A base of the multi-agent environments, whose keyword arguments are those of its settings.

    A game says what its settings and episodes are, who plays, and by which actions. Leaders come
    first, then followers, if these are agents.
    """

    settings_class: ClassVar[Any]
    """A `ViewSettings`."""
    episode_class: ClassVar[Any]
    """Of settings, a market process, a generator, and the leaders' `rewards.leader_scales`."""

    def _set_up(self, arguments: dict[str, Any], parallel: bool) -> None:
        self.settings: Any = self.settings_class.make(**arguments)
        self.max_cycles = self.settings.max_cycles
        self.render_mode = mode = self.settings.render_mode
        self._screen = Screen(mode, RENDER_FPS) if mode else None
        self._readers: list[Any] = []  # of actions, in the order of seats
        self._seats: dict[str, Seat] = {}
        self.observation_spaces: dict[str, Space[Any]] = {}
        self.action_spaces: dict[str, Space[Any]] = {}
        self.state_space: Any = self._seat_agents(parallel)
        self.possible_agents = list(self._seats)
        self._leaders = sum(seat.role == LEADER for seat in self._seats.values())
        self._rng: Any = None  # a numpy.random.Generator from the first reset on
        self._episode: Any = None  # an episode from the first reset on
        # No cached property: it would make all attributes slower.
        self._leader_scales: Any = None  # from the first reset on

    def _seat_agents(self, parallel: bool) -> Space[Any]:
        """Call `_seat` for every agent, in the order of turns; the space of states."""
        raise NotImplementedError

    def _seat(self, seat: Seat, reader: Any, seen: Space[Any], acts: Space[Any]) -> None:
        """Take in an agent: who reads its actions, its observations and its actions."""
        self._readers.append(reader)
        self._seats[seat.agent] = seat
        self.observation_spaces[seat.agent] = seen
        self.action_spaces[seat.agent] = acts

    def _limit(self, market: Any) -> None:
        """Hold actions within the bounds of an episode's market."""
        raise NotImplementedError

    def _begin(self, seed: int | None, options: dict[str, Any] | None, *other: str) -> None:
        """Begin an episode; where an option is refused, the last one and its stream go on.

        `other` options are read by `_take_options`.
        """
        rng: Any = self._rng
        if seed is not None or rng is None:
            rng, _ = seeding.np_random(seed)
        if self._leader_scales is None:
            self._leader_scales = leader_scales(self.settings)
        before = rng.bit_generator.state
        try:
            process = MarketProcess(self.settings, rng, options, (), other)
            self._take_options(options or {}, process.market)
            episode = self.episode_class(self.settings, process, rng, self._leader_scales)
        except Exception:
            rng.bit_generator.state = before
            raise
        self._rng, self._episode = rng, episode
        self._limit(process.market)
        if self._screen is not None:
            self._screen.add(self._episode.record(self.max_cycles))

    def _take_options(self, options: dict[str, Any], market: Any) -> None:
        """Read the options that are no parameters of the market, before anything changes."""

    def observation_space(self, agent: str) -> Space[Any]:
        """The agent's observation space, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[Any]:
        """The agent's action space, always the same object."""
        return self.action_spaces[agent]

    def round_record(self) -> Any:
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

    def _settle(self, asked: list[Any]) -> tuple[list[float], list[dict[str, Any]]]:
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
