"""The ASP's view: a Gymnasium environment, and a batch of them, with scripted VMUs."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from aigc_market import _checks, game, vmus
from aigc_market._arrays import as_numpy
from aigc_market.envs.actions import asp_actions
from aigc_market.envs.course import Course, Stand
from aigc_market.envs.episode import is_live, reciprocals
from aigc_market.envs.infos import LazyInfos
from aigc_market.envs.observation import History, ObservationSpaces, Scales, row_width
from aigc_market.envs.records import opening, played
from aigc_market.envs.settings import RENDER_FPS, RENDER_MODES, Settings
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market
from aigc_market.rendering import Round, Screen


class _Lanes:
    """N markets side by side, played by arrays (K, N): the axis that is summed over comes first.

    `batch` is (N,), or () for the one market of the single environment.
    """

    def __init__(self, batch: tuple[int, ...], followers: Any, arguments: dict[str, Any]) -> None:
        self.settings = settings = Settings.make(**arguments)
        self.num_envs = N = math.prod(batch)
        self.actions = asp_actions(settings)
        self.round = -1
        self._batch = batch
        self._followers = vmus.resolve(settings.scenario.vmus if followers is None else followers)
        self._scripted = self._followers is not vmus.best_response
        self._scales = Scales(settings)
        self._history = History(settings.history, settings.max_cycles, (row_width(settings), N))
        self._course: Any = None  # a Course from the first reset on
        self.stand = Stand(settings.market, settings.equilibrium)
        """What the last round was played in; before the first, what it will be."""
        # What a price costs against rational followers comes for free where these ones are, in a
        # market that stands still; elsewhere it is as much work as the round itself.
        self.lazy = self._scripted or bool(settings.scenario.moves)

    @property
    def market(self) -> Market:
        """Of the lanes in force."""
        return self._course.market if self._course else self.settings.market

    @property
    def equilibrium(self) -> Equilibrium:
        """Of `market`."""
        return self._course.equilibrium if self._course else self.settings.equilibrium

    def begin(self, rng: np.random.Generator, options: dict[str, Any] | None) -> None:
        """Start an episode in every lane."""
        self._course, self._rng = Course(self.settings, rng, options, self._batch), rng
        market = self.market
        self.stand = self._course.stand
        self.actions.limit(market.cost, market.max_price)
        self._across: Any = None
        self._take_up()
        self._live = is_live(market)
        self.round = 0
        self._history.fill(market.cost * self._scales.price, self._across.active)

    def _take_up(self) -> None:
        """Lay out the markets in force with the axis of VMUs in front.

        Parameters are then (K, N), (K, 1), (1, N) or a number.
        """
        market, before = self.market, self._across
        if before is not None and market.ssim is self._ssim:
            ssim = before.ssim
        else:
            self._ssim, ssim = market.ssim, market.ssim.map(_vmus_first)
        self._across = market.replace(
            satisfaction=_vmus_first(market.satisfaction),
            ssim=ssim,
            active=_vmus_first(market.active),
        )

    def play(self, price: np.ndarray, last: bool) -> np.ndarray:
        """One round at these prices, (N,), and the move to the next market unless it is the last.

        Returns the leader's rewards, (N,).
        """
        market, capacity, K = self._across, self._across.capacity, self._across.K
        row = self._history.row
        verbatim = capacity is None and not self.settings.normalize
        # Single precision, as actions are.
        asked = row[1 : K + 1] if verbatim else np.empty((K, self.num_envs), np.float32)
        rational = game.purchase(
            price,
            market.satisfaction,
            market.ssim,
            market.min_steps,
            market.max_steps,
            market.active,
        )
        bought = self._bought(price, rational) if self._scripted else rational
        asked[...] = np.rint(bought) if self._live else bought
        delivered, sold = game.deliver(asked, capacity, axis=0, total=np.float64)
        if self._live and capacity is not None:
            delivered = game.whole_calls(delivered)
            sold = delivered.sum(axis=0)
        utility = game.asp_utility(price, market.cost, sold)
        row[0] = price * self._scales.price
        if not verbatim:
            row[1 : K + 1] = delivered * np.float64(self._scales.steps)
        self.round += 1
        self.price, self.asked, self.delivered, self.utility = price, asked, delivered, utility
        self.stand = self._course.stand
        self.judge = partial(
            _judge, self.stand, price, rational if self._scripted else None, utility
        )
        reward = utility
        if self.settings.scale_rewards:
            reward = utility * reciprocals(self.judge()["equilibrium_utility"])
        if not last and self.settings.scenario.moves:
            self._course.advance()
            self._take_up()
        if self._across.active is not None:
            row[K + 1 :] = self._across.active
        self._history.advance()
        return reward

    def records(self, count: int, rounds: int) -> list[Round]:
        """The last round of the first lanes, of so many; before the first, what waits for it."""
        best_price, best = self.stand.best(self.num_envs)
        regret = self.judge()["regret"] if self.round else None
        records = []
        for lane in range(count):
            market = self.stand.market.lanes(lane)
            equilibrium = best_price[lane].item(), best[lane].item()
            if regret is None:
                records.append(opening(rounds, market, equilibrium))
                continue
            records.append(
                played(
                    rounds,
                    market,
                    self.round,
                    self.price[lane].item(),
                    equilibrium,
                    self.utility[lane].item(),
                    regret[lane].item(),
                    self.asked[:, lane],
                    self.delivered[:, lane],
                )
            )
        return records

    @property
    def active(self) -> np.ndarray | None:
        """Who is there to answer the next price, (N, K); None where nobody comes or goes."""
        return None if self._across.active is None else self._across.active.T

    def observation(self) -> np.ndarray:
        """The last n rounds of each lane, oldest first, (N, n·(K + 1)) or wider: a view."""
        return self._history.window().reshape(-1, self.num_envs).T

    def _bought(self, price: np.ndarray, rational: np.ndarray) -> np.ndarray:
        """What the follower policy buys, held within the bounds, (K, N)."""
        K, market = self.market.K, self._across
        low, high = market.min_steps, market.max_steps
        if isinstance(self._followers, vmus.Noisy):
            return self._followers.around(rational, low, high, market.active, self._rng)
        steps = as_numpy(self._followers(self.market, price, self._rng))
        numbers = steps.dtype.kind in "fiu" and np.isfinite(steps).all()
        if steps.shape != (self.num_envs, K) or not numbers:
            raise ValueError(
                f"vmus must buy finite steps of shape ({self.num_envs}, {K}), got {steps!r}"
            )
        steps = np.clip(steps.T.astype(np.float64), low, high)
        return steps if market.active is None else game.present(market.active, steps)


def _judge(
    stand: Stand, price: np.ndarray, rational: np.ndarray | None, utility: np.ndarray
) -> dict[str, np.ndarray]:
    """The equilibrium of the round, and what its prices cost against rational followers, (N,).

    `rational` is what these would have bought, (K, N); None: they are what `utility` comes from.
    """
    market = stand.market
    if rational is not None:
        asked = rational.astype(np.float32)
        _, sold = game.deliver(asked, market.capacity, axis=0, total=np.float64)
        utility = game.asp_utility(price, market.cost, sold)
    best_price, best = stand.best(len(price))
    return {
        "equilibrium_price": best_price,
        "equilibrium_utility": best,
        "regret": np.maximum(best - utility, 0.0),
    }


def _vmus_first(value: Any) -> Any:
    """(K,) as (K, 1), (N, K) as (K, N), one for all VMUs (N, 1) as (1, N)."""
    if np.ndim(value) == 0:  # None too
        return value
    return value[:, None] if value.ndim == 1 else np.ascontiguousarray(value.T)


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
        self._lanes = _Lanes((), vmus, arguments)
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
        return self._lanes.observation()[0].copy(), {}

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
            "price": lanes.price.item(),
            "demand": lanes.asked[:, 0].copy(),
            "utility": lanes.utility.item(),
            **{name: value.item() for name, value in lanes.judge().items()},
        }
        if lanes.active is not None:
            info["active"] = lanes.active[0].copy()
        if self._screen is not None:
            self._screen.add(self._record())
        return lanes.observation()[0].copy(), reward.item(), False, over, info

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


SHOWN_LANES = 4
"""Environments of a batch that are drawn: a frame takes longer than a round of them all."""

_JUDGED = ("equilibrium_price", "equilibrium_utility", "regret")
_JUDGED_MASKS = tuple(f"_{name}" for name in _JUDGED)


class PricingVectorEnv(VectorEnv[np.ndarray, Any, np.ndarray]):
    """A batch of `PricingEnv`, played as arrays without a loop over environments or VMUs.

    All lanes begin and end together. Autoreset is `SAME_STEP`: the step that ends the episodes
    returns the first observations of the next ones, and `infos["final_obs"]` and
    `infos["final_info"]` those of the end. Draws come from one generator for the whole batch.
    Observations are views of memory that is never written again: keep them as long as you like,
    and do not write to them. Where the market moves or followers are not rational, the infos
    `equilibrium_price`, `equilibrium_utility` and `regret` are worked out when they are first read
    (of the round that they belong to), which costs more than the round itself; such infos are a
    dict that copies and pickles as a plain one.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": RENDER_FPS,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self, num_envs: int = 1, vmus: str | vmus.FollowerPolicy | None = None, **arguments: Any
    ) -> None:
        self.num_envs = _checks.integer("num_envs", num_envs, at_least=1)
        self._lanes = _Lanes((num_envs,), vmus, arguments)
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
        self._all = np.ones(num_envs, bool)

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

    def _take_frames(self) -> None:
        """Tell the screens, if there are any, of the last round or of a new episode."""
        if self._screens:
            records = self._lanes.records(len(self._screens), self.max_cycles)
            for screen, record in zip(self._screens, records, strict=True):
                screen.add(record)

    def _infos(self) -> dict[str, Any]:
        """Of the round played."""
        lanes = self._lanes
        infos = {
            "round": np.full(self.num_envs, lanes.round),
            "price": lanes.price,
            "demand": lanes.asked.T,
            "utility": lanes.utility,
        }
        if lanes.active is not None:
            infos["active"] = lanes.active
        if not lanes.lazy:
            return self._masked({**infos, **lanes.judge()})
        masks = dict.fromkeys(_JUDGED_MASKS, self._all)
        return LazyInfos({**self._masked(infos), **masks}, _JUDGED, lanes.judge)

    def _masked(self, infos: dict[str, Any]) -> dict[str, Any]:
        """Infos with Gymnasium's masks `_name` beside them: every lane has every one."""
        return {**infos, **{f"_{name}": self._all for name in infos}}
