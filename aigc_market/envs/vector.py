"""The ASP's view of many markets at once: a Gymnasium vector environment with scripted VMUs."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from aigc_market import _checks, vmus
from aigc_market.envs.lanes import Lanes
from aigc_market.envs.observation import ObservationSpaces
from aigc_market.envs.settings import RENDER_FPS
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market
from aigc_market.rendering import Screen

SHOWN_LANES = 4
"""Environments of a batch that are drawn: a frame takes longer than a round of them all."""


class PricingVectorEnv(VectorEnv[np.ndarray, Any, np.ndarray]):
    """A batch of `PricingEnv`, played as arrays without a loop over environments or VMUs.

    All lanes begin and end together. Autoreset is `SAME_STEP`: the step that ends the episodes
    returns the first observations of the next ones, and `infos["final_obs"]` and
    `infos["final_info"]` those of the end. Draws come from one generator for the whole batch.
    All arrays that are handed out are the caller's own.

    Args:
        num_envs: N.
        vmus: a follower policy or its name, as for `PricingEnv`.
        judged: whether infos hold `equilibrium_price`, `equilibrium_utility` and `regret`. Where
            the market moves these cost more than the round itself; without them `judgement` tells
            them of the rounds for which it is asked.
        arguments: as for `PricingEnv`.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": RENDER_FPS,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        vmus: str | vmus.FollowerPolicy | None = None,
        judged: bool = True,
        **arguments: Any,
    ) -> None:
        self.num_envs = _checks.integer("num_envs", num_envs, at_least=1)
        self._judged = _checks.flag("judged", judged)
        self._lanes = Lanes((num_envs,), vmus, arguments)
        self.settings = settings = self._lanes.settings
        _checks.choice("render_mode", settings.render_mode, [None, "rgb_array"])
        self.render_mode = mode = settings.render_mode
        shown = min(num_envs, SHOWN_LANES) if mode else 0
        self._screens = [Screen("rgb_array", RENDER_FPS) for _ in range(shown)]
        self.max_cycles = settings.max_cycles
        self.single_action_space = self._lanes.actions.space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.single_observation_space = ObservationSpaces(settings).asp
        self.observation_space = batch_space(self.single_observation_space, num_envs)

    @property
    def market(self) -> Market:
        """The markets in force, a batch where they differ."""
        return self._lanes.market

    @property
    def equilibrium(self) -> Equilibrium:
        """The exact equilibria of `market`."""
        return self._lanes.equilibrium

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every lane.

        Args:
            seed: of every random choice; None goes on with the stream of the last seed.
            options: as for `PricingEnv.reset`; each value may also hold one entry for each lane:
                `satisfaction` (N, K), the others (N,).

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        super().reset(seed=seed)
        self._lanes.begin(self.np_random, options)
        self._take_frames()
        return self._lanes.observation(), {}

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Post a price in every lane; the scripted VMUs buy at it.

        Args:
            actions: (N, 1) float32, or (N,) indices where `continuous_actions=False`.

        Returns:
            Observations (N, n·(K + 1)), rewards, terminations and truncations (N,), and infos.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
            ValueError: NaN, infinity, a wrong shape or type.
        """
        lanes = self._lanes
        if lanes.round < 0:
            raise gymnasium.error.ResetNeeded("reset() needs to be called before step")
        over = lanes.round + 1 >= self.max_cycles
        rewards = lanes.play(lanes.actions.read_batch(actions, self.num_envs), last=over)
        observations = lanes.observation()
        infos = self._infos()
        self._take_frames()
        if over:
            infos = self._masked({"final_obs": observations, "final_info": infos})
            lanes.begin(self.np_random, None)
            self._take_frames()
            observations = lanes.observation()
        never = np.zeros(self.num_envs, bool)
        return observations, rewards, never, np.full(self.num_envs, over), infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Frames (640, 960, 3) uint8 of the first environments, at most four.

        After the step that ends the episodes they show the next ones, as the observations do.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._lanes.round < 0:
            raise gymnasium.error.ResetNeeded("reset() needs to be called before render")
        if not self._screens:
            gymnasium.logger.warn("render() shows nothing without a render_mode")
            return None
        return tuple(screen.frame() for screen in self._screens)

    def judgement(self) -> dict[str, np.ndarray]:
        """How the last round played compares with the best that the leader could have done.

        Returns:
            `equilibrium_price`, `equilibrium_utility` and `regret` of the round, as in infos, (N,)
            each. After the step that ends the episodes they are of its round too.

        Raises:
            gymnasium.error.ResetNeeded: before the first round.
        """
        if self._lanes.last is None:
            raise gymnasium.error.ResetNeeded("no round has been played yet")
        return self._lanes.judgement()

    def _take_frames(self) -> None:
        """Tell the screens, if there are any, of the last round or of a new episode."""
        if self._screens:
            records = self._lanes.records(len(self._screens), self.max_cycles)
            for screen, record in zip(self._screens, records, strict=True):
                screen.add(record)

    def _infos(self) -> dict[str, Any]:
        """Of the round played."""
        lanes, last = self._lanes, self._lanes.last
        infos = {
            "round": np.full(self.num_envs, lanes.round),
            "price": last.price.copy(),
            "demand": last.asked.copy().T,
            "utility": last.asp_utility.copy(),
        }
        if lanes.active is not None:
            infos["active"] = lanes.active
        if self._judged:
            infos |= lanes.judgement()
        return self._masked(infos)

    def _masked(self, infos: dict[str, Any]) -> dict[str, Any]:
        """Infos with Gymnasium's masks `_name` beside them: every lane has every one."""
        masks = np.ones((len(infos), self.num_envs), bool)
        return {**infos, **{f"_{name}": mask for name, mask in zip(infos, masks, strict=True)}}
