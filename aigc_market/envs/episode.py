"""An episode of one game on Python floats: what those of all games have in common."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.spaces import FLOAT32, constants

ROUNDS_KEPT = 64
"""After so many, rows that nobody sees any longer are dropped."""


class Episode:
    """Rounds of one market: what everybody is paid, sees and is told.

    A game adds `_play(choices)`, which pays and tells of a round and answers with what `_write`
    writes down of it, `record(rounds)`, which says what happened in the last one, and
    `_write_nothing()`: the row of a round before the first.

    What a round pays and tells stands in `rewards` and `infos`, of the leaders that are looked at
    and then of each follower that is an agent.

    Args:
        game: what is played.
        process: the markets, round by round.
        rng: of scripted followers, and of what is served live.
        scales: of the leaders' rewards, (M,).
        seat: the leader who alone is looked at; None: all are, with states, and with followers
            unless these are scripted.
    """

    _state_rows: array[float]
    """Made where the first row is written."""
    _write: Any
    """Takes what `_play` answers with."""

    # At most 29 attributes: an object that has more is slower (Python 3.11).
    def __init__(
        self,
        game: Any,
        process: MarketProcess,
        rng: np.random.Generator,
        scales: np.ndarray,
        seat: int | None,
    ) -> None:
        self._game, self._process, self._rng = game, process, rng
        settings = game.settings
        self._moves, self._judged = bool(settings.scenario.moves), settings.judged
        self._leader_scales: list[float] = scales.tolist()
        self._stated, self._answered = seat is None, seat is None and game.policy is None
        self._seats = range(game.M) if seat is None else (seat,)
        self._leaders = len(self._seats)
        self._units = tuple(field.scale for field in game.leader.row[:2])  # of a row's first fields
        self._terms: Any = None
        self._last: Any = None  # of the last round, for its record
        self.round = 0
        self.rewards: list[float] = []
        self.infos: list[dict[str, Any]] = []
        self._take_up()
        self.post(game.before_any(self.market))
        # One for each leader, and one for all followers: their first numbers, their second ones and
        # so on. To write one for each follower would be felt where there are a thousand.
        self._kept = [game.leader.kept] * self._leaders
        if self._answered:
            self._kept.append(game.follower.kept * game.K)
        self._rows = [array("f") for _ in self._kept]
        self._write_nothing()
        for row in self._rows:
            row *= settings.history

    def _take_up(self) -> None:
        """Lay out the market that the process has come to."""
        game, oracle = self._game, self._process.oracle
        market = oracle.market
        self.oracle, self._terms = oracle, self._lay_out(market)
        self._known: Any = None  # what infos compare play with, once that is asked for
        front = constants(game.leader.front, game.leader_front(market), game.M)
        self._fronts = [array("f", front[m].tobytes()) for m in self._seats]
        if self._stated:
            front = constants(game.state.front, game.state_front(market), 1)
            self._hidden = array("f", front.tobytes())
        if self._answered:
            front = constants(game.follower.front, game.follower_front(market), game.K)
            self._fronts.append(array("f", front.T.tobytes()))
            self._scales: list[float] | None = None
            if game.settings.scale_rewards:
                self._scales = game.follower_scales(market).tolist()

    @property
    def market(self) -> Any:
        """The market in force."""
        return self.oracle.market

    def _lay_out(self, market: Any) -> Any:
        """Terms of `aigc_market.scalar`, with what has not changed of those before."""
        raise NotImplementedError

    def _write_nothing(self) -> None:
        raise NotImplementedError

    def _play(self, choices: Any) -> tuple[Any, ...]:
        raise NotImplementedError

    def settle(self, choices: Any, last: bool) -> None:
        """End the round, and move on to the next market unless it is the last.

        Args:
            choices: what followers do, each as their reader reads it; None: they are scripted.
            last: whether no round follows.
        """
        self.round += 1
        row = self._play(choices)
        if self._moves and not last:
            self._process.advance()
            self._take_up()
        self._write(*row)
        self._window = None
        if not self.round % ROUNDS_KEPT:
            self._forget()

    def post(self, prices: list[float]) -> None:
        """The leaders' prices for the round to come."""
        self.prices, unit = prices, self._units[0]
        self._show(prices if unit == 1.0 else [price * unit for price in prices])

    def _show(self, seen: list[float]) -> None:
        """Keep what is posted, in the units of observations, for all who see it."""
        self._seen = array("f", seen)
        if self._answered:
            self._window: array[float] | None = None  # what followers see, once one looks
            self._to_all, K = array("f"), self._game.K
            for number in seen:
                self._to_all.fromlist([number] * K)

    def _seen_by(self, m: int) -> array[float]:
        """The prices in the order in which leader m sees them."""
        return self._seen[m:] + self._seen[:m]

    def _add_followers(self, paid: list[float], infos: list[dict[str, Any]]) -> None:
        """What the round pays to followers, and tells them."""
        if self._scales is not None:
            paid = [u * scale for u, scale in zip(paid, self._scales, strict=True)]
        self.rewards += paid
        self.infos += infos

    def _forget(self) -> None:
        """Drop rows that nobody sees any longer."""
        for row, kept in zip(self._rows, self._kept, strict=True):
            del row[:-kept]
        del self._state_rows[: -self._game.state.kept]

    def observation(self, agent: int, in_force: bool) -> np.ndarray:
        """What a leader or a follower sees; fresh memory.

        Args:
            agent: its number among those that are looked at, leaders first.
            in_force: whether leaders see the prices in force, as followers do.
        """
        # Five times as fast as to copy and join small NumPy arrays.
        if agent >= self._leaders:
            window = self._window
            if window is None:
                rows = self._rows[-1][-self._kept[-1] :]
                self._window = window = self._fronts[-1] + self._to_all + rows
            return np.frombuffer(window[agent - self._leaders :: self._game.K], FLOAT32)
        front, seen = self._fronts[agent], self._rows[agent][-self._kept[agent] :]
        if in_force:
            front = front + self._seen_by(self._seats[agent])
        return np.frombuffer(front + seen if front else seen, FLOAT32)

    def state(self) -> np.ndarray:
        """All there is to see; fresh memory."""
        rows = self._state_rows[-self._game.state.kept :]
        return np.frombuffer(self._hidden + self._seen + rows, FLOAT32)
