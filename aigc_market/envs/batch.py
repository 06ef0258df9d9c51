"""One leader's view of any game, as Gymnasium environments: one game on floats, or N on arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from aigc_market import _checks
from aigc_market.envs.game import Game
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.settings import RENDER_FPS, RENDER_MODES
from aigc_market.envs.spaces import Viewer, constants
from aigc_market.envs.view import NOT_BEGUN, OVER, View, screen

SHOWN_LANES = 4
"""Environments of a batch that are drawn: a frame takes longer than a round of them all."""


class LeaderEnv(View, gymnasium.Env[np.ndarray, Any]):
    """One leader's view of one game in which all others are scripted."""

    metadata = {"render_modes": RENDER_MODES, "render_fps": RENDER_FPS}  # noqa: RUF012
    game_class: ClassVar[type[Game]]

    def __init__(self, seat: int, rivals: Any, arguments: dict[str, Any]) -> None:
        settings = self.game_class.settings_class.make(_view=type(self), **arguments)
        game: Any = self.game_class(settings, scripted=True)
        self._game = game
        self.settings = settings = game.settings
        self._rivals = game.seats(seat, rivals)
        self._rivals_told = self._rivals.told  # a step is short enough to feel the way to it
        self._seat, self._reader = seat, game.prices[seat]
        self.render_mode = mode = settings.render_mode
        self._screen = screen(mode)
        self.max_cycles = settings.max_cycles
        self.action_space = self._reader.space
        self.observation_space = game.leader.space
        self._episode: Any = None  # of the game, from the first reset on
        self._scales: Any = None  # of the leaders' rewards, likewise

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

        Returns:
            What the leader sees, and an empty info: nothing has been played. What is best in the
            new market is told by `market` and `oracle` of the unwrapped environment.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        if self._scales is None:
            self._scales = self._game.leader_scales()
        with _unless_refused(self):
            super().reset(seed=seed)
            rng = self.np_random
            process = MarketProcess(self.settings, rng, options, ())
            self._rivals.begin(process, rng, ())
            self._episode = self._game.episode_class(
                self._game, process, rng, self._scales, self._seat
            )
        self._game.limit(process.market)
        self._process = process
        self._take_frame()
        return self._episode.observation(0, False), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Post a price, or a menu; the scripted VMUs buy.

        Raises:
            gymnasium.error.ResetNeeded: before a reset, or after the last round.
            TypeError, ValueError: NaN, infinity, a wrong shape or type.
        """
        episode = self._episode
        if episode is None or episode.round >= self.max_cycles:
            raise gymnasium.error.ResetNeeded(OVER if episode else NOT_BEGUN)
        prices = [self._reader.read(action)]
        if self._rivals_told:
            prices = self._rivals.beside_one(prices[0])
        episode.post(prices)
        over = episode.round + 1 >= self.max_cycles
        episode.settle(None, over)
        info = episode.infos[0]
        if self._rivals_told:
            info["rival_prices"] = self._rivals.posted.copy()
            if not over:
                self._rivals.post(self._process, prices)
        if self._screen is not None:
            self._take_frame()
        return episode.observation(0, False), episode.rewards[0], False, over, info

    def render(self) -> str | np.ndarray | None:
        """The last round: text, a frame (640, 960, 3) uint8, or None in mode "human".

        The window of mode "human" shows every round by itself.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._episode is None:
            raise gymnasium.error.ResetNeeded("reset() needs to be called before render")
        return self._show()


class LeaderVectorEnv(VectorEnv[np.ndarray, Any, np.ndarray]):
    """One leader's view of N games in which all others are scripted, played by arrays."""

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": RENDER_FPS,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }
    game_class: ClassVar[type[Game]]

    def __init__(
        self,
        num_envs: int,
        seat: int,
        rivals: Any,
        autoreset_mode: AutoresetMode | str,
        copy: bool,
        arguments: dict[str, Any],
    ) -> None:
        self.num_envs = N = _checks.integer("num_envs", num_envs, at_least=1)
        self._copy = _checks.flag("copy", copy)
        self.autoreset_mode = autoreset_mode
        settings = self.game_class.settings_class.make(_view=type(self), **arguments)
        game: Any = self.game_class(settings, scripted=True)
        self._game = game
        self.settings = settings = game.settings
        self._rivals = game.seats(seat, rivals)
        self._seat, self._reader = seat, game.prices[seat]
        _checks.choice("render_mode", settings.render_mode, [None, "rgb_array"])
        self.render_mode = mode = settings.render_mode
        shown = min(N, SHOWN_LANES) if mode else 0
        self._screens = [screen(mode) for _ in range(shown)]
        self.max_cycles = settings.max_cycles
        self.single_action_space: Space[Any] = self._reader.space
        self.action_space = batch_space(self.single_action_space, N)
        self.single_observation_space = game.leader.space
        self.observation_space = batch_space(self.single_observation_space, N)
        self._history = History(game.leader, N)
        self._round = -1  # rounds played in the episode
        self._process: Any = None  # a MarketProcess from the first reset on
        self._scales: Any = None  # of the leaders' rewards, likewise
        self._settled: Any = None  # of the last round
        self._constants: dict[str, np.ndarray] = {}  # of infos, by name
        self._all = np.ones(N, bool)
        self._all.flags.writeable = False

    @property
    def autoreset_mode(self) -> AutoresetMode:
        """When the next episodes begin by themselves; may be set. A string stands for its mode.

        | mode | after the last round |
        |---|---|
        | `NEXT_STEP` | the next `step` begins new episodes: it ignores its actions and pays 0 |
        | `SAME_STEP` | the last `step` begins them; infos `final_obs`, `final_info` hold the ends |
        | `DISABLED` | `reset` has to be called |

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
        """Begin an episode in every game.

        Args:
            seed: of every random choice; None goes on with the stream of the last seed. All games
                draw from one stream: game i is not that of a single environment, nor of Gymnasium's
                `SyncVectorEnv`, that was reset by seed + i.
            options: as for the single environment's reset; each value may also hold one entry for
                each game, along an axis in front: `satisfaction` (N, K), `max_steps` (N,).
                Gymnasium's `reset_mask` (N,) has to be True everywhere: all games begin together.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        options = self._without_mask(options)
        with _unless_refused(self):
            super().reset(seed=seed)
            self._begin(options)
        return self._observation(), {}

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Post a price, or a menu, in every game; the scripted VMUs buy.

        Args:
            actions: (N, 1) float32, or (N,) indices where `continuous_actions=False`; of menus
                (N, 2L) of either kind.

        Returns:
            Observations (N, …), rewards, terminations and truncations (N,), and infos.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, or, where autoreset is disabled,
                after the last round.
            ValueError: NaN, infinity, a wrong shape or type.
        """
        ended = self._round >= self.max_cycles
        if self._round < 0 or (ended and self._autoreset is AutoresetMode.DISABLED):
            raise gymnasium.error.ResetNeeded(OVER if ended else NOT_BEGUN)
        N = self.num_envs
        if ended:
            self._begin(None)
            no, yet = np.zeros((2, N), bool)
            return self._observation(), np.zeros(N), no, yet, {}
        rewards = self._play(self._reader.read_batch(actions, N))
        over = self._round >= self.max_cycles
        observations, infos = self._observation(), self._masked(self._infos())
        self._take_frames()
        if over and self._autoreset is AutoresetMode.SAME_STEP:
            infos = self._masked({"final_obs": observations, "final_info": infos})
            self._begin(None)
            observations = self._observation()
        truncated = np.ones(N, bool) if over else np.zeros(N, bool)  # faster than np.full
        return observations, rewards, np.zeros(N, bool), truncated, infos

    def _begin(self, options: dict[str, Any] | None) -> None:
        """Start an episode in every game."""
        if self._scales is None:
            self._scales = self._game.leader_scales()
        rng = self.np_random
        process = MarketProcess(self.settings, rng, options, (self.num_envs,))
        self._rivals.begin(process, rng, (self.num_envs,))
        self._process, self._rng, self._terms = process, rng, None
        self._game.limit(process.market)
        self._round = 0
        self._take_up()
        nothing = self._game.before_first(self._terms, self.num_envs)
        self._history.fill(self._row(nothing))
        self._take_frames()

    def _take_up(self) -> None:
        """Lay out the markets in force."""
        game, market = self._game, self._process.market
        self._terms: Any = game.terms(market, self._terms)
        self._active = getattr(self._terms, "active", None)
        front = [part[..., self._seat, :] for part in game.leader_front(market)]
        self._front: Any = None  # (width, N)
        if front:
            self._front = constants(game.leader.front, front, self.num_envs).T

    def _play(self, price: np.ndarray) -> np.ndarray:
        """One round at what is posted, (…, N): the leader's rewards, (N,), fresh memory."""
        game, process, seat = self._game, self._process, self._seat
        prices = self._rivals.beside(price) if self._rivals.others else price[None]
        settled = game.settle(self._terms, prices, game.scripted(self._terms, prices, self._rng))
        self._settled, self._oracle = settled, process.oracle
        self._places = process.places if self._screens else None
        self._round += 1
        rewards = game.earned(settled)[seat] * self._scales[seat]
        if self._round < self.max_cycles:
            if self.settings.scenario.moves:
                process.advance()
                self._take_up()
            if self._rivals.others:
                self._rivals.post(process, prices.T)
        self._history.add(self._row(settled))
        return rewards

    def _row(self, settled: Any) -> list[Any]:
        return [part[self._seat] for part in self._game.leader_row(settled, self._active)]

    def _observation(self) -> np.ndarray:
        return self._history.seen(self._front, self._copy)

    def _infos(self) -> dict[str, np.ndarray]:
        game, seat = self._game, self._seat
        infos = game.leader_infos(self._round, self._settled, self._active)
        told: dict[str, Any] = {"round": np.full(self.num_envs, infos.pop("round"))}
        for name, value in infos.items():
            own = value[seat]
            own = own.copy() if self._copy else own
            told[name] = own.T if own.ndim < 3 else np.moveaxis(own, -1, 0)
        if self._rivals.told:
            told["rival_prices"] = self._settled.prices[self._rivals.others].T
        return told | self._judged() if self.settings.judged else told

    def _judged(self) -> dict[str, np.ndarray]:
        """What compares the last round with the best; what is the same in all is read-only."""
        judged = self._game.judgement(self._settled, self._oracle)
        for name, value in judged.items():
            axes = getattr(value, "ndim", 0)  # np.ndim takes as long as some arithmetic here
            own = value[self._seat] if axes == 2 else value
            whole = axes and len(own) == self.num_envs
            judged[name] = own.copy() if whole else self._same(name, own)
        return judged

    def _same(self, name: str, value: Any) -> np.ndarray:
        """(N,) of one number, read-only, made once."""
        known = self._constants.get(name)
        if known is None or known[0] != value:
            known = self._constants[name] = np.broadcast_to(value, self.num_envs)
        return known

    def judgement(self) -> dict[str, np.ndarray]:
        """How the last round played compares with what could have been.

        Returns:
            What of the infos is there where `judged=True`, (N,) each. After an autoreset it is
            still of the round that ended the episodes.

        Raises:
            gymnasium.error.ResetNeeded: before the first round.
        """
        if self._settled is None:
            raise gymnasium.error.ResetNeeded("no round has been played yet")
        return self._judged()

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Frames (640, 960, 3) uint8 of the first environments, at most four.

        They show what the observations do: after an autoreset the next episodes.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._round < 0:
            raise gymnasium.error.ResetNeeded("reset() needs to be called before render")
        if not self._screens:
            gymnasium.logger.warn("render() shows nothing without a render_mode")
            return None
        return tuple(shown.frame() for shown in self._screens)

    @property
    def market(self) -> Any:
        """The markets in force, a batch where they differ."""
        return self._process.market if self._process else self.settings.market

    @property
    def oracle(self) -> Any:
        """What is best in `market`, solved when it is first asked for."""
        return self._process.oracle if self._process else self.settings.oracle

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

    def _take_frames(self) -> None:
        """Tell the screens, if there are any, of the last round or of a new episode."""
        begun = self._round > 0
        for lane, shown in enumerate(self._screens):
            oracle = self._oracle if begun else self._process.oracle
            places = self._places if begun else self._process.places
            settled = self._settled if begun else None
            shown.add(
                self._game.record(self.max_cycles, self._round, settled, oracle, lane, places)
            )

    def _masked(self, infos: dict[str, Any]) -> dict[str, Any]:
        """Infos with Gymnasium's masks `_name` beside them: every game has every one."""
        return infos | dict.fromkeys(_masks(*infos), self._all)


class History:
    """The last rounds of N games as rows of single-precision numbers, games last.

    Rows are appended to a little memory, and when it is full the last ones move to its beginning:
    so they are always one piece, which stays in the processor's cache.

    Args:
        viewer: who sees them.
        num_envs: N.
    """

    def __init__(self, viewer: Viewer, num_envs: int) -> None:
        self._viewer, self._num_envs = viewer, num_envs
        self._rows = np.zeros((4 * viewer.rounds + 1, viewer.width, num_envs), np.float32)
        self._now = 0
        self._seen = np.empty((0, 0), np.float32)

    def fill(self, row: list[Any]) -> None:
        """Begin with rows that are all the same: of each field (count, N)."""
        self._now = 0
        self.add(row)
        self._rows[1 : self._viewer.rounds] = self._rows[0]
        self._now = self._viewer.rounds

    def add(self, row: list[Any]) -> None:
        """Append a round: of each field (count, N)."""
        n = self._viewer.rounds
        if self._now == len(self._rows):
            self._rows[:n] = self._rows[-n:]
            self._now = n
        start, into = 0, self._rows[self._now]
        for field, part in zip(self._viewer.row, row, strict=True):
            stop = start + field.width
            into[start:stop] = part if field.scale == 1.0 else part * field.scale
            start = stop
        self._now += 1

    def seen(self, front: np.ndarray | None, copy: bool) -> np.ndarray:
        """(N, width of all): what stands in front, (width, N) or None, and then the last rounds.

        Where it is no copy the next round may write over it.
        """
        rows = self._rows[self._now - self._viewer.rounds : self._now]
        rows = rows.reshape(-1, self._num_envs)
        if front is not None:
            rows = np.concatenate([front, rows])
        elif copy:
            rows = rows.copy()
        return rows.T


@cache
def _masks(*names: str) -> list[str]:
    return [f"_{name}" for name in names]


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
