"""N markets side by side with scripted VMUs: what the single and the vector environment play."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from aigc_market import game, vmus
from aigc_market._arrays import as_numpy
from aigc_market.envs.actions import asp_actions
from aigc_market.envs.course import Course, Stand
from aigc_market.envs.episode import is_live, reciprocals
from aigc_market.envs.observation import History, Scales, row_width
from aigc_market.envs.records import opening, played
from aigc_market.envs.settings import Settings
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market
from aigc_market.rendering import Round


class Lanes:
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
