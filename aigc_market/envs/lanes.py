"""N markets side by side with scripted VMUs: what the single and the vector environment play."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aigc_market import game, vmus
from aigc_market.envs import observation
from aigc_market.envs.actions import asp_actions
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.observation import History, ObservationSpaces, Scales
from aigc_market.envs.records import Played, opening, record
from aigc_market.envs.rewards import leader_scales
from aigc_market.envs.settings import Settings
from aigc_market.equilibrium import Equilibrium
from aigc_market.game import Settlement
from aigc_market.layouts import Columns
from aigc_market.market import Market
from aigc_market.rendering import Round


class Lanes:
    """N markets side by side, played by arrays (K, N): the axis that is summed over comes first.

    `batch` is (N,), or () for the one market of the single environment, which is a `view`.
    """

    def __init__(
        self, batch: tuple[int, ...], followers: Any, arguments: dict[str, Any], view: type
    ) -> None:
        self.settings = settings = Settings.make(_view=view, **arguments)
        self.num_envs = N = math.prod(batch)
        self.actions = asp_actions(settings)
        self.space = ObservationSpaces(settings).asp
        self.round = -1
        self._batch = batch
        self._followers = vmus.resolve(settings.scenario.vmus if followers is None else followers)
        self._scripted = self._followers is not vmus.best_response
        self._scales = Scales(settings)
        self._history = History(settings.history, settings.max_cycles, settings.row, (N,))
        self._process: Any = None  # a MarketProcess from the first reset on
        self._played: Any = None  # the Settlement of the last round
        self._oracle: Any = None  # the Oracle of its market
        self._reward_scale: Any = None  # from the first reset on

    @property
    def market(self) -> Market:
        """Of the lanes in force."""
        return self._process.market if self._process else self.settings.market

    @property
    def equilibrium(self) -> Equilibrium:
        """Of `market`."""
        return self._process.oracle.equilibrium if self._process else self.settings.equilibrium

    def begin(self, rng: np.random.Generator, options: dict[str, Any] | None) -> None:
        """Start an episode in every lane."""
        if self._reward_scale is None:
            self._reward_scale = leader_scales(self.settings)
        self._process, self._rng = MarketProcess(self.settings, rng, options, self._batch), rng
        market = self.market
        self.actions.limit(market.cost, market.max_price)
        self._layout: Any = None
        self._take_up()
        self.round = 0
        self._history.fill(market.cost * self._scales.price, self._layout.active)

    def _take_up(self) -> None:
        """Lay out the markets in force with the axis of VMUs in front."""
        self._layout = Columns(self.market, axis=0, single=True, before=self._layout)

    def play(self, price: np.ndarray, last: bool) -> np.ndarray:
        """One round at these prices, (N,), and the move to the next market unless it is the last.

        Returns: the leader's rewards, (N,), fresh memory.
        """
        layout, history = self._layout, self._history
        rational = game.best_purchases(layout, price)
        bought = self._bought(price, rational) if self._scripted else rational
        # What is asked for is written where the leader will see it, if that is what rows hold.
        seen_as_asked = self.settings.rationed or layout.capacity is None
        in_place = seen_as_asked and not self.settings.normalize
        asked = history.steps if in_place else np.empty(bought.shape, np.float32)
        asked[...] = bought  # single precision, as actions are
        self._played = played = game.settle_in(layout, price, asked, rational)
        self.round += 1
        self._oracle = self._process.oracle
        if not last and self.settings.scenario.moves:
            self._process.advance()
            self._take_up()
        seen = played.asked if self.settings.rationed else played.delivered
        if not (in_place and seen is asked):
            unit = self._scales.steps
            history.steps[...] = seen if unit == 1 else seen * np.float64(unit)
        history.post(price * self._scales.price)
        history.end(None, self._layout.active, 0.0)
        return played.asp_utility * self._reward_scale

    @property
    def last(self) -> Settlement:
        """The last round, VMUs first; not to be written into."""
        return self._played

    def judgement(self) -> dict[str, np.ndarray]:
        """The optimum of the last round, and what its prices cost against rational followers.

        Returns: (N,) each, fresh memory.
        """
        rational = self._played.rational() if self._scripted else self._played
        oracle = self._oracle
        return {
            "equilibrium_price": self._each_lane(oracle.price),
            "equilibrium_utility": self._each_lane(oracle.utility),
            "regret": oracle.regret(rational),
        }

    def infos(self, judged: bool) -> dict[str, np.ndarray]:
        """Of the last round, (N, …) each, fresh memory; `judged`: with the judgement."""
        last = self.last
        infos = {
            "round": np.full(self.num_envs, self.round),
            "price": last.price.copy(),
            "demand": last.asked.copy().T,
            "utility": last.asp_utility.copy(),
        }
        if self.active is not None:
            infos["active"] = self.active
        if judged:
            infos |= self.judgement()
        return infos

    def records(self, count: int, rounds: int) -> list[Round]:
        """The last round of the first lanes, of so many; before the first, what waits for it."""
        oracle = self._oracle if self.round else self._process.oracle
        prices, utilities = map(self._each_lane, (oracle.price, oracle.utility))
        best = list(zip(prices, utilities, strict=True))
        markets = [oracle.market.lanes(lane) for lane in range(count)]
        if self.round == 0:
            return [opening(rounds, market, best[i]) for i, market in enumerate(markets)]
        last, regret = self.last, self.judgement()["regret"]
        return [
            record(
                rounds,
                Played(
                    market,
                    self.round,
                    last.price[i],
                    last.asp_utility[i],
                    best[i],
                    regret[i],
                    last.asked[:, i],
                    last.delivered[:, i],
                ),
            )
            for i, market in enumerate(markets)
        ]

    def _each_lane(self, value: Any) -> np.ndarray:
        """(N,), fresh memory."""
        return np.array(value) if np.ndim(value) else np.full(self.num_envs, value)

    @property
    def active(self) -> np.ndarray | None:
        """Who is there to answer the next price, (N, K); None where nobody comes or goes."""
        return None if self._layout.active is None else self._layout.active.T.copy()

    def observation(self) -> np.ndarray:
        """The last n rounds of each lane, oldest first, (N, n·(K + 1)) or wider; fresh memory.

        R stands in front, where there is a capacity.
        """
        rounds = self._history.window().reshape(-1, self.num_envs)
        capacity = observation.capacity(self.settings, self.market)
        if capacity is None:
            return rounds.copy().T
        in_front = np.full((1, self.num_envs), capacity, np.float32)
        return np.concatenate([in_front, rounds]).T

    def _bought(self, price: np.ndarray, rational: np.ndarray) -> np.ndarray:
        """What the follower policy buys, (K, N)."""
        layout = self._layout
        policy: Any = self._followers
        if type(policy) is vmus.Noisy:  # what is rational need not be worked out again
            low, high = layout.min_steps, layout.max_steps
            return policy.around(rational, low, high, layout.active, self._rng)
        return vmus.purchases(policy, self.market, price, self._rng).T
