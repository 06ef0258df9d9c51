"""The parallel environment: VMUs answer the price in force while the ASP posts the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pettingzoo import ParallelEnv

from aigc_market import _checks
from aigc_market.envs.agents import MarketAgents
from aigc_market.market import Market


class parallel_env(MarketAgents, ParallelEnv):  # noqa: N801 (PettingZoo's name)
    """All agents move at once, and nobody's observation is stale (PettingZoo parallel).

    ## Description

    The same sequence of moves as the AEC game (asp, vmus, asp, vmus, …), regrouped: a first price
    is posted at reset; in step t all followers answer the price in force p_t while the leader posts
    p_{t+1}. PettingZoo's own conversion would make followers answer a price they have not seen.

    ## Arguments

    As for the AEC environment, `raw_env`.

    ## Actions

    As for the AEC environment. The leader's takes force in the next step; its last one is never
    played.

    ## Observations

    Leader: the price in force, then the last n rounds, shape (1 + n·(K+1),) where nobody comes or
    goes. Followers: as in the AEC game.

    ## Rewards

    Of the round (p_t, S_t) that the step settles. A leader's price is therefore paid one step
    later: a learner needs a discount factor above 0 (or to shift rewards by one step).

    ## Infos

    As for the AEC environment, of the round that the step settles.

    ## Start

    The first price is drawn uniformly, or is `options["price"]`.

    ## End

    After `max_cycles` steps all agents are truncated; none is ever terminated. Every agent is in
    every dict up to and with the last step.

    ## Version history

    * v0: first release.
    """

    def __init__(self, **arguments: Any) -> None:
        self._set_up("parallel_asp", arguments)
        self.agents = []

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Begin an episode and post its first price.

        Args:
            seed: of every random choice; None goes on with the stream of the last seed.
            options: parameters of this episode's market, as for the AEC environment, and `price`:
                the first price, in units of money whatever the units of actions, instead of a
                random one.

        Returns:
            Observations, and empty infos, of every agent.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        self._begin(seed, options, "price")
        price = self._first_price
        self._episode.post(self._prices.draw(self._rng) if price is None else price)
        self.agents = self.possible_agents[:]
        return self._observations(), {agent: {} for agent in self.agents}

    def _take_options(self, options: dict[str, Any], market: Market) -> None:
        self._first_price: float | None = None
        if "price" in options:
            low, high = (float(np.float32(b)) for b in (market.cost, market.max_price))
            given = np.asarray(_checks.numeric("reset option price", options["price"]), np.float32)
            if given.shape not in ((), (1,)) or not low <= given.item() <= high:
                raise ValueError(
                    f"reset option price must be one number within [{low:g}, {high:g}], "
                    f"got {options['price']!r}"
                )
            self._first_price = given.item()

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, np.ndarray],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Settle the price in force against the VMUs' purchases, and post the next price.

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
        leader, *followers = agents
        next_price = self._prices.read(actions[leader])
        asked = [self._purchases.read(actions[vmu]) for vmu in followers]
        rewards, infos = self._settle(asked)
        self._episode.post(next_price)
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
            (K + 1 + n·(K + 1),) float32, or wider, in the units of observations: see `state_space`
            and the AEC environment's observations.
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
        K = self.settings.market.K
        seen = [self._episode.parallel_asp_observation()]
        seen.extend(self._episode.vmu_observation(k) for k in range(K))
        return dict(zip(self.possible_agents, seen, strict=True))
