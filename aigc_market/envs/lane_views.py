"""Lanes as Gymnasium environments: what the views of one provider have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from aigc_market import _checks
from aigc_market.envs.actions import ActionReader
from aigc_market.envs.view_settings import RENDER_FPS, RENDER_MODES
from aigc_market.rendering import Screen

SHOWN_LANES = 4
"""Environments of a batch that are drawn: a frame takes longer than a round of them all."""


class PlayedLanes(Protocol):
    """N markets side by side, in which one provider posts prices and all others are scripted."""

    settings: Any
    num_envs: int
    actions: ActionReader
    """Of the provider's prices."""
    space: Box
    """Of a lane's observations."""

    @property
    def round(self) -> int:
        """Rounds played in the episode; −1 before the first reset."""
        ...

    @property
    def last(self) -> Any:
        """The last round as it was settled; None before the first."""
        ...

    def begin(self, rng: np.random.Generator, options: dict[str, Any] | None) -> None:
        """Start an episode in every lane."""
        ...

    def play(self, price: np.ndarray, last: bool) -> np.ndarray:
        """One round at these prices, (N,): the provider's rewards, (N,), fresh memory."""
        ...

    def observation(self) -> np.ndarray:
        """Of each lane, (N, …); fresh memory."""
        ...

    def infos(self, judged: bool) -> dict[str, np.ndarray]:
        """Of the last round, (N, …) each; fresh memory."""
        ...

    def judgement(self) -> dict[str, np.ndarray]:
        """What of the infos is there where they are judged, (N,) each; fresh memory."""
        ...

    def records(self, count: int, rounds: int) -> list[Any]:
        """The last round of the first lanes, for screens."""
        ...


class LaneEnv(gymnasium.Env[np.ndarray, Any]):
    """The environment of one lane. The views' own classes say what is played in it."""

    metadata = {"render_modes": RENDER_MODES, "render_fps": RENDER_FPS}  # noqa: RUF012

    def __init__(self, lanes: PlayedLanes, judged: bool = True) -> None:
        self._lanes: Any = lanes
        self._judged = _checks.flag("judged", judged)
        self.settings = settings = lanes.settings
        self.render_mode = mode = settings.render_mode
        self._screen = Screen(mode, RENDER_FPS) if mode else None
        self.max_cycles = settings.max_cycles
        self.action_space = lanes.actions.space
        self.observation_space = lanes.space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: of every random choice; None goes on with the stream of the last seed.
            options: parameters of this episode's market: `satisfaction`, `cost`, `max_price`,
                `min_steps`, `max_steps`, `capacity` and, where several providers compete,
                `access_cost`, `temperature`, `outside`. Unknown names warn. They hold to the end of
                the episode, but for what moves: a drift starts from a `satisfaction` given, and a
                newcomer or a market drawn again has another.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        with _unless_refused(self):
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
            name: values.item() if values.ndim == 1 else values[0]
            for name, values in lanes.infos(self._judged).items()
        }
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

    def round_record(self) -> Any:
        """The record of the last round played, as `aigc_market.replay` writes it.

        None before the first round of an episode.
        """
        return self._record() if self._lanes.round > 0 else None

    def _record(self) -> Any:
        return self._lanes.records(1, self.max_cycles)[0]


class LanesVectorEnv(VectorEnv[np.ndarray, Any, np.ndarray]):
    """The vector environment of all lanes. The views' own classes say what is played in it."""

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": RENDER_FPS,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        lanes: PlayedLanes,
        judged: bool = True,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        self._lanes: Any = lanes
        self._judged = _checks.flag("judged", judged)
        self.autoreset_mode = autoreset_mode
        self.num_envs = lanes.num_envs
        self.settings = settings = lanes.settings
        _checks.choice("render_mode", settings.render_mode, [None, "rgb_array"])
        self.render_mode = mode = settings.render_mode
        shown = min(self.num_envs, SHOWN_LANES) if mode else 0
        self._screens = [Screen("rgb_array", RENDER_FPS) for _ in range(shown)]
        self.max_cycles = settings.max_cycles
        self.single_action_space = lanes.actions.space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.single_observation_space = lanes.space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)

    @property
    def autoreset_mode(self) -> AutoresetMode:
        """When the next episodes begin by themselves; may be set. A string stands for its mode.

        Raises:
            TypeError, ValueError: set to something else than one of Gymnasium's modes.
        """
        return self._autoreset

    @autoreset_mode.setter
    def autoreset_mode(self, value: AutoresetMode | str) -> None:
        if not isinstance(value, AutoresetMode):
            names = [mode.value for mode in AutoresetMode]
            value = AutoresetMode(_checks.choice("autoreset_mode", value, names))
        self._autoreset = value
        self.metadata = {**type(self).metadata, "autoreset_mode": value}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every lane.

        Args:
            seed: of every random choice; None goes on with the stream of the last seed.
            options: as for the single environment's reset; each value may also hold one entry for
                each lane, along an axis in front: `satisfaction` (N, K), `max_steps` (N,).
                Gymnasium's `reset_mask` (N,) has to be True everywhere: all games begin together.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        options = self._without_mask(options)
        with _unless_refused(self):
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
            Observations (N, …), rewards, terminations and truncations (N,), and infos.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, or, where autoreset is disabled,
                after the last round.
            ValueError: NaN, infinity, a wrong shape or type.
        """
        lanes = self._lanes
        ended = lanes.round >= self.max_cycles
        if lanes.round < 0 or (ended and self._autoreset is AutoresetMode.DISABLED):
            raise gymnasium.error.ResetNeeded("reset() needs to be called before step")
        if ended:
            return self._begin_again()
        over = lanes.round + 1 >= self.max_cycles
        rewards = lanes.play(lanes.actions.read_batch(actions, self.num_envs), last=over)
        observations = lanes.observation()
        infos = self._masked(lanes.infos(self._judged))
        self._take_frames()
        if over and self._autoreset is AutoresetMode.SAME_STEP:
            infos = self._masked({"final_obs": observations, "final_info": infos})
            observations = self._begin_again()[0]
        never = np.zeros(self.num_envs, bool)
        return observations, rewards, never, np.full(self.num_envs, over), infos

    def _begin_again(
        self,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Begin the next episodes: all of a step that does nothing else."""
        self._lanes.begin(self.np_random, None)
        self._take_frames()
        no, yet = np.zeros((2, self.num_envs), bool)
        return self._lanes.observation(), np.zeros(self.num_envs), no, yet, {}

    def _without_mask(self, options: dict[str, Any] | None) -> dict[str, Any] | None:
        """Options of a reset without Gymnasium's mask, which must ask for all games."""
        if not isinstance(options, Mapping) or "reset_mask" not in options:
            return options
        mask = options["reset_mask"]
        if not (isinstance(mask, np.ndarray) and mask.dtype == bool and mask.all()) or (
            mask.shape != (self.num_envs,)
        ):
            raise ValueError(
                f"reset option reset_mask must be a NumPy array of {self.num_envs} truth values, "
                f"all True since all games begin together, got {mask!r}"
            )
        return {name: value for name, value in options.items() if name != "reset_mask"}

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Frames (640, 960, 3) uint8 of the first environments, at most four.

        They show what the observations do: after an autoreset the next episodes.

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
        """How the last round played compares with what could have been.

        Returns:
            What of the infos is there where `judged=True`, (N,) each. After an autoreset it is
            still of the round that ended the episodes.

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

    def _masked(self, infos: dict[str, Any]) -> dict[str, Any]:
        """Infos with Gymnasium's masks `_name` beside them: every lane has every one."""
        masks = np.ones((len(infos), self.num_envs), bool)
        return {**infos, **{f"_{name}": mask for name, mask in zip(infos, masks, strict=True)}}


@contextlib.contextmanager
def _unless_refused(env: Any) -> Iterator[None]:
    """Where the reset inside is refused, the environment goes on with the stream that it had."""
    generator, seed = env._np_random, env._np_random_seed  # Gymnasium's, which its reset replaces
    before = None if generator is None else generator.bit_generator.state
    try:
        yield
    except Exception:
        if generator is not None:
            generator.bit_generator.state = before
        env._np_random, env._np_random_seed = generator, seed
        raise
