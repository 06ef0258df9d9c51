"""Agents that all move at once: followers answer the prices in force (PettingZoo parallel)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pettingzoo import ParallelEnv

from aigc_market.envs.agents import Agents
from aigc_market.envs.view import NOT_BEGUN, OVER


class SimultaneousEnv(Agents, ParallelEnv):
    """A parallel environment of any of the games.

    Where followers are agents they answer the prices in force while leaders post the next ones.
    Where they are scripted they answer at once.
    """

    def __init__(self, **arguments: Any) -> None:
        self._set_up(arguments, simultaneous=True)
        self._of_agents = list(zip(self.possible_agents, self._readers, strict=True))
        self.agents = []

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Begin an episode and, where followers are agents, post its first prices.

        Args:
            seed: of every random choice; None goes on with the stream of the last seed.
            options: parameters of this episode's market, as for the AEC environment, and what
                leaders post first instead of something random, whatever the units of actions:
                `price`, one number or one of each leader, or `menu`, (L, 2).

        Returns:
            Observations, and empty infos, of every agent.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        self._begin(seed, options, *([self._game.post] if self._answered else []))
        if self._answered:
            drawn = [reader.draw(self._rng) for reader in self._readers[: self._leaders]]
            self._episode.post(self._given or drawn)
        self.agents = self.possible_agents[:]
        return self._observations(), {agent: {} for agent in self.agents}

    def _take_options(self, options: dict[str, Any], market: Any) -> None:
        self._given: list[Any] | None = None
        name = self._game.post
        if self._answered and name in options:
            self._given = self._game.given(options[name], market)

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, np.ndarray],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Settle a round.

        Where followers are agents it is that of the prices in force, and the next prices are
        posted.

        Args:
            actions: of every agent, in any order.

        Returns:
            Observations, rewards, terminations, truncations and infos of every agent.

        Raises:
            AssertionError: before a reset, or after the last round.
            TypeError, ValueError: an agent without an action, an unknown agent, or a bad action.
        """
        assert self.agents, OVER if self._episode else NOT_BEGUN
        if not isinstance(actions, Mapping) or actions.keys() != self._numbers.keys():
            given = list(actions) if isinstance(actions, Mapping) else actions
            raise ValueError(
                f"actions must be given for exactly {self.possible_agents}, got {given!r}"
            )
        agents = self.possible_agents
        moves = [reader.read(actions[agent]) for agent, reader in self._of_agents]
        prices, asked = moves[: self._leaders], moves[self._leaders :]
        episode = self._episode
        if self._answered:
            self._settle(asked)
            episode.post(prices)
        else:
            episode.post(prices)
            self._settle(asked)
        over = episode.round >= self.max_cycles
        if over:
            self.agents = []
        return (
            self._observations(),
            dict(zip(agents, episode.rewards, strict=True)),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, over),
            dict(zip(agents, episode.infos, strict=True)),
        )

    def state(self) -> np.ndarray:
        """The full state for centralised training: all that is hidden, the price, the history.

        Returns:
            Flat float32, in the units of observations: see `state_space` and the AEC environment's
            observations.
        """
        assert self._episode is not None, "reset() needs to be called before state."
        return self._episode.state()

    def render(self) -> str | np.ndarray | None:
        """The last round: text, a frame (640, 960, 3) uint8, or None in mode "human".

        The window of mode "human" shows every round by itself.
        """
        assert self._episode is not None, "reset() needs to be called before render."
        return self._show()

    def _observations(self) -> dict[str, np.ndarray]:
        see, in_force = self._episode.observation, self._in_force
        return {agent: see(number, in_force) for agent, number in self._numbers.items()}
