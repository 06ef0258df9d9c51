"""Agents that take turns: leaders, then followers, then all are paid (PettingZoo AEC)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pettingzoo import AECEnv
from pettingzoo.utils.env_logger import EnvLogger

from aigc_market.envs.agents import Agents


class _AfterReset:
    """What stands in an attribute's place before the first reset, and says so when it is read.

    A `__getattr__` would do the same, and make every attribute of the environment slower.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, env: Any, owner: type) -> Any:
        if env is None:
            return self
        raise AttributeError(f"{self._name} cannot be accessed before reset")


class TurnsEnv(Agents, AECEnv):
    """An AEC environment of any of the games, with the promises of PettingZoo's wrappers.

    Order enforcement and clipping, with PettingZoo's own errors and warnings, are kept inside: the
    wrappers would cost three times as much as the game.
    """

    agents: Any = _AfterReset()
    agent_selection: Any = _AfterReset()
    infos: Any = _AfterReset()
    rewards: Any = _AfterReset()
    terminations: Any = _AfterReset()
    truncations: Any = _AfterReset()

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self._set_up(arguments, simultaneous=False)
        self._turn = -1  # whose it is, in the order of agents; -1 while nobody may play
        self._stepped = False

    @property
    def num_agents(self) -> int:
        """How many agents are still in the game."""
        if self._episode is None:
            raise AttributeError("num_agents cannot be accessed before reset")
        return len(self.agents)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin an episode.

        Args:
            seed: of every random choice; None goes on with the stream of the last seed.
            options: parameters of this episode's market: all arguments of the market but its size
                and `ssim`. Unknown names warn. They hold to the end of the episode, but for a
                `satisfaction` in a market that moves: a drift starts from it, and a newcomer or a
                market drawn again has another.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        self._begin(seed, options)
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {} for agent in self.agents}
        self.agent_selection = self.agents[0]
        self._turn = 0
        self._moves: list[Any] = []
        self._paid = False
        self._stepped = True

    def step(self, action: Any) -> None:
        """Play the turn of `agent_selection`.

        Args:
            action: of the agent's action space. Finite values outside are clipped, with
                PettingZoo's warning. None once the episode is over.

        Raises:
            AssertionError: before the first reset.
            TypeError, ValueError: NaN, infinity, a wrong shape or type.
        """
        turn = self._turn
        if turn < 0:
            return self._step_out_of_play(action)
        moves = self._moves
        moves.append(self._readers[turn].read(action))
        if self._paid:
            self.rewards = dict.fromkeys(self.agents, 0.0)
            self._paid = False
        self._stepped = True
        agents = self.possible_agents
        self._cumulative_rewards[agents[turn]] = 0.0
        turn += 1
        if turn == self._leaders:
            self._episode.post(moves)
            self._moves = []
        if turn == len(agents):
            self._end_round()
        else:
            self._turn = turn
            self.agent_selection = agents[turn]
        return None

    def _end_round(self) -> None:
        agents = self.possible_agents
        self._settle(self._moves)
        episode = self._episode
        # A strict zip takes longer than all else that is done here.
        self.rewards = dict(zip(agents, episode.rewards))  # noqa: B905
        self._cumulative_rewards = self.rewards.copy()
        self.infos = dict(zip(agents, episode.infos))  # noqa: B905
        self.agent_selection = agents[0]
        self._turn = 0
        self._moves = []
        self._paid = True
        if episode.round >= self.max_cycles:
            self.truncations = dict.fromkeys(agents, True)
            self._turn = -1

    def _step_out_of_play(self, action: Any) -> None:
        """Before the first reset, or when the episode is over and agents only leave.

        All agents are truncated together, so they leave in order and no search for the next one to
        leave is needed, which would make the end of an episode quadratic in K.
        """
        if self._episode is None:
            EnvLogger.error_step_before_reset()
        self._stepped = True
        if not self.agents:
            EnvLogger.warn_step_after_terminated_truncated()
            return
        if action is not None:
            raise ValueError("when an agent is dead, the only valid action is None")
        if self._paid:
            self.rewards = dict.fromkeys(self.agents, 0.0)
            self._paid = False
        agent = self.agents.pop(0)
        for of_agent in (
            self.rewards,
            self._cumulative_rewards,
            self.terminations,
            self.truncations,
            self.infos,
        ):
            del of_agent[agent]
        if self.agents:
            self.agent_selection = self.agents[0]

    def observe(self, agent: str) -> np.ndarray:
        """What an agent sees now, in memory of its own.

        Raises:
            AssertionError: before the first reset.
        """
        if self._rng is None:
            EnvLogger.error_observe_before_reset()
        return self._episode.observation(self._numbers[agent], False)

    def last(self, observe: bool = True) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """What `agent_selection` sees (None, if that is not asked for), its reward since it acted
        last, whether it is terminated or truncated, and its infos.
        """
        agent = self.agent_selection
        seen = self._episode.observation(self._numbers[agent], False) if observe else None
        return (
            seen,
            self._cumulative_rewards[agent],
            self.terminations[agent],
            self.truncations[agent],
            self.infos[agent],
        )

    # A generator is twice as fast as PettingZoo's iterable of iterators.
    def agent_iter(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, max_iter: int = 2**63
    ) -> Iterator[str]:
        """Agents in the order of their turns, until the episode is over or `max_iter` turns."""
        if self._episode is None:
            EnvLogger.error_agent_iter_before_reset()
        return self._turns(max_iter)

    def _turns(self, max_iter: int) -> Iterator[str]:
        while self.agents and max_iter > 0:
            assert self._stepped, "need to call step() or reset() in a loop over `agent_iter`"
            self._stepped = False
            max_iter -= 1
            yield self.agent_selection

    def state(self) -> np.ndarray:
        """The full state for centralised training: all that is hidden, the price, the history.

        Returns:
            Flat float32, in the units of observations: see `state_space` and the observations
            above.
        """
        if self._rng is None:
            EnvLogger.error_state_before_reset()
        return self._episode.state()

    def render(self) -> str | np.ndarray | None:
        """The last round: text, a frame (640, 960, 3) uint8, or None in mode "human".

        The window of mode "human" shows every round by itself.
        """
        if self._episode is None:
            EnvLogger.error_render_before_reset()
        return self._show()
