"""The ASP's view: a Gymnasium environment with scripted VMUs."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from aigc_market import vmus
from aigc_market.envs.lanes import Lanes
from aigc_market.envs.observation import ObservationSpaces
from aigc_market.envs.settings import RENDER_FPS, RENDER_MODES
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market
from aigc_market.rendering import Round, Screen


class PricingEnv(gymnasium.Env[np.ndarray, Any]):
    """The leader's view of the game, with scripted followers (Gymnasium).

    ## Description

    One action is one round: post a price, and the VMUs buy at it. See the AEC environment,
    `aigc_market.raw_env`, for the game.

    ## Arguments

    As for `raw_env`, and `vmus`: a follower policy or its name (the scenario's own by default,
    "best_response" in `paper`), see `aigc_market.vmus`.

    ## Actions

    `Box(cost, max_price, (1,), float32)`; `Box(-1, 1, (1,), float32)` where `normalize=True`;
    `Discrete(96)` where `continuous_actions=False`.

    ## Observations

    The last n rounds, oldest first, each (p, S_1 … S_K): `Box` of shape (n·(K+1),) (Eq. 16). Where
    followers come and go each is (p, S_1 … S_K, m_1 … m_K), m being who will answer the next price:
    shape (n·(2K+1),).

    ## Rewards

    U_p = (p − c)·ΣS_k of the round (Eq. 6).

    ## Infos

    `round, price, demand (K,), utility, equilibrium_price, equilibrium_utility, regret`, of the
    market in which the round was played; where followers come and go also `active (K,)`, who will
    answer the next price.

    ## Start

    A new market is drawn, as far as there are laws to draw it from; the history is empty.

    ## End

    Truncated after `max_cycles` rounds, never terminated.

    ## Version history

    * v0: first release.
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": RENDER_FPS}  # noqa: RUF012

    def __init__(self, vmus: str | vmus.FollowerPolicy | None = None, **arguments: Any) -> None:
        self._lanes = Lanes((), vmus, arguments)
        self.settings = settings = self._lanes.settings
        self.render_mode = mode = settings.render_mode
        self._screen = Screen(mode, RENDER_FPS) if mode else None
        self.max_cycles = settings.max_cycles
        self.action_space = self._lanes.actions.space
        self.observation_space = ObservationSpaces(settings).asp

    @property
    def market(self) -> Market:
        """The market in force; before the first episode, the one the arguments describe."""
        return self._lanes.market

    @property
    def equilibrium(self) -> Equilibrium:
        """The exact equilibrium of `market`."""
        return self._lanes.equilibrium

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: of every random choice; None goes on with the stream of the last seed.
            options: parameters of this episode's market: `satisfaction`, `cost`, `max_price`,
                `min_steps`, `max_steps`, `capacity`. Unknown names warn. They hold to the end of
                the episode, but for a `satisfaction` in a market that moves: a drift starts from
                it, and a newcomer or a market drawn again has another.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        super().reset(seed=seed)
        self._lanes.begin(self.np_random, options)
        if self._screen is not None:
            self._screen.add(self._record())
        return self._lanes.observation()[0], {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Post a price; the scripted VMUs buy at it.

        Raises:
            gymnasium.error.ResetNeeded: before a reset, or after the last round.
            TypeError, ValueError: NaN, infinity, a wrong shape or type.
        """
        lanes = self._lanes
        if not 0 <= lanes.round < self.max_cycles:
            raise gymnasium.error.ResetNeeded("reset() needs to be called before step")
        over = lanes.round + 1 >= self.max_cycles
        reward = lanes.play(np.array([lanes.actions.read(action)]), last=over)
        info = {
            "round": lanes.round,
            "price": lanes.last.price.item(),
            "demand": lanes.last.asked[:, 0].copy(),
            "utility": lanes.last.asp_utility.item(),
            **{name: value.item() for name, value in lanes.judgement().items()},
        }
        if lanes.active is not None:
            info["active"] = lanes.active[0]
        if self._screen is not None:
            self._screen.add(self._record())
        return lanes.observation()[0], reward.item(), False, over, info

    def render(self) -> str | np.ndarray | None:
        """The last round: text, a frame (640, 960, 3) uint8, or None in mode "human".

        The window of mode "human" shows every round by itself.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._lanes.round < 0:
            raise gymnasium.error.ResetNeeded("reset() needs to be called before render")
        if self._screen is None:
            gymnasium.logger.warn("render() shows nothing without a render_mode")
            return None
        return self._screen.show()

    def close(self) -> None:
        """Close the window of mode "human"."""
        if self._screen is not None:
            self._screen.close()

    def round_record(self) -> Round | None:
        """The record of the last round played, as `aigc_market.replay` writes it.

        None before the first round of an episode.
        """
        return self._record() if self._lanes.round > 0 else None

    def _record(self) -> Round:
        return self._lanes.records(1, self.max_cycles)[0]
