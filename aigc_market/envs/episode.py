"""An episode of one game on Python floats: what those of all games have in common."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.spaces import FLOAT32, of_each

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

    # At most 30 attributes: an object that has more is slower (Python 3.11).
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
        followers = game.K * self._answered
        self._kept = [game.leader.kept] * self._leaders + [game.follower.kept] * followers
        self._price_unit, self._steps_unit = (field.scale for field in game.leader.row[:2])
        self._terms: Any = None
        self._last: Any = None  # of the last round, for its record
        self.round = 0
        self.rewards: list[float] = []
        self.infos: list[dict[str, Any]] = []
        self._take_up()
        self.post(game.before_any(self.market))
        # Plain arrays, for a call a VMU would be felt where there are a thousand.
        self._rows = [array("f") for _ in self._kept[: self._leaders + 1]]
        self._write_nothing()
        for row in self._rows:
            row *= settings.history
        # All followers' rows begin alike.
        self._rows += [self._rows[-1][:] for _ in range(followers - 1)]

    def _take_up(self) -> None:
        """Lay out the market that the process has come to."""
        game, oracle = self._game, self._process.oracle
        self.oracle, self.market = oracle, oracle.market
        self._terms = self._lay_out(oracle.market)
        self._known: Any = None  # what infos compare play with, once that is asked for
        fronts = of_each(game.leader.front, game.leader_front(oracle.market), game.M)
        self._fronts = [fronts[m] for m in self._seats]
        if self._stated:
            front = game.state_front(oracle.market)
            self._hidden = of_each(game.state.front, front, 1)[0]
        if self._answered:
            front = game.follower_front(oracle.market)
            self._fronts += of_each(game.follower.front, front, game.K)
            self._scales: list[float] | None = None
            if game.settings.scale_rewards:
                self._scales = game.follower_scales(oracle.market).tolist()

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
        if not self.round % ROUNDS_KEPT:
            self._forget()

    def post(self, prices: list[float]) -> None:
        """The leaders' prices for the round to come."""
        self.prices, unit = prices, self._price_unit
        self._seen = array("f", prices if unit == 1.0 else [price * unit for price in prices])

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
        front, seen = self._fronts[agent], self._rows[agent][-self._kept[agent] :]
        if agent >= self._leaders:
            front = front + self._seen
        elif in_force:
            front = front + self._seen_by(self._seats[agent])
        return np.frombuffer(front + seen if front else seen, FLOAT32)

    def state(self) -> np.ndarray:
        """All there is to see; fresh memory."""
        rows = self._state_rows[-self._game.state.kept :]
        return np.frombuffer(self._hidden + self._seen + rows, FLOAT32)
