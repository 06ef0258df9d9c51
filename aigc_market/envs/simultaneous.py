"""Agents that all move at once: followers answer the prices in force (PettingZoo parallel)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pettingzoo import ParallelEnv

from aigc_market import _checks
from aigc_market.envs.agents import Agents


class SimultaneousEnv(Agents, ParallelEnv):
    """A parallel environment of any of the games.

    Where followers are agents they answer the prices in force while leaders post the next ones.
    Where they are scripted they answer at once.
    """

    first_prices: ClassVar[str]
    """The reset option that sets them."""

    def __init__(self, **arguments: Any) -> None:
        self._set_up(arguments, parallel=True)
        # Whether followers are agents, who answer the prices in force.
        self._answered = self._leaders < len(self._seats)
        self._of_agents = list(zip(self.possible_agents, self._readers, strict=True))
        self.agents = []

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Begin an episode and, where followers are agents, post its first prices.

        Args:
            seed: of every random choice; None goes on with the stream of the last seed.
            options: parameters of this episode's market, as for the AEC environment, and the first
                prices (`first_prices` is the option's name), in units of money whatever the units
                of actions, instead of random ones.

        Returns:
            Observations, and empty infos, of every agent.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        self._begin(seed, options, *([self.first_prices] if self._answered else []))
        if self._answered:
            drawn = [reader.draw(self._rng) for reader in self._readers[: self._leaders]]
            self._episode.post(self._given or drawn)
        self.agents = self.possible_agents[:]
        return self._observations(), {agent: {} for agent in self.agents}

    def _take_options(self, options: dict[str, Any], market: Any) -> None:
        self._given: list[float] | None = None
        name, M = self.first_prices, self._leaders
        if not self._answered or name not in options:
            return
        low, high = (
            np.broadcast_to(np.float32(bound), M) for bound in (market.cost, market.max_price)
        )
        given = np.asarray(_checks.numeric(f"reset option {name}", options[name]), np.float32)
        fits = given.shape in ((), (1,), (M,))
        if not fits or not np.all((given >= low) & (given <= high)):
            bounds = {f"[{a:g}, {b:g}]" for a, b in zip(low, high, strict=True)}
            raise ValueError(
                f"reset option {name} must be one number{f' or {M}' if M > 1 else ''} within "
                f"{', '.join(sorted(bounds))}, got {options[name]!r}"
            )
        self._given = np.broadcast_to(given, M).tolist()

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
            AssertionError: before a reset.
            TypeError, ValueError: an agent without an action, an unknown agent, or a bad action.
        """
        assert self.agents, "reset() needs to be called before step."
        if not isinstance(actions, Mapping) or actions.keys() != self._seats.keys():
            given = list(actions) if isinstance(actions, Mapping) else actions
            raise ValueError(
                f"actions must be given for exactly {self.possible_agents}, got {given!r}"
            )
        agents = self.possible_agents
        moves = [reader.read(actions[agent]) for agent, reader in self._of_agents]
        prices, asked = moves[: self._leaders], moves[self._leaders :]
        if self._answered:
            rewards, infos = self._settle(asked)
            self._episode.post(prices)
        else:
            self._episode.post(prices)
            rewards, infos = self._settle(asked)
        over = self._episode.round >= self.max_cycles
        if over:
            self.agents = []
        return (
            self._observations(),
            dict(zip(agents, rewards, strict=True)),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, over),
            dict(zip(agents, infos, strict=True)),
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
        episode, M = self._episode, self._leaders
        see = episode.parallel_asp_observation if self._answered else episode.asp_observation
        seen = [see(m) for m in range(M)]
        seen += [episode.vmu_observation(k) for k in range(len(self._seats) - M)]
        return dict(zip(self.possible_agents, seen, strict=True))
