"""What learned sellers of many sessions do, and what each could still gain: exactly, side by side.

Sellers neither learn nor explore here. In a market that stands still their strategies are functions
of the last two prices, so that all that follows a round is known. Gains are discounted by GAMMA
and given per round, as shares of a seller's utility at Nash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aigc_market import competition
from baselines.arena.competition import Rounds
from baselines.arena.protocol import History, Player
from baselines.experiments.compete import measures
from baselines.experiments.compete.measures import GAMMA, ROUNDS, SLACK, WARM_UP, Benchmark
from baselines.experiments.sessions.reply_solver import Strategy, best_replies, earned, paired

HORIZON = 300
"""Rounds whose utilities are summed: what is left out is a share of .95^300 = 2e-7."""
POINTS = 101
"""Prices of the grid of best replies; another, of twice as many intervals, tells its error."""
OPTIONS = 101
"""Prices of which the best for one round is looked for, with all that follows."""
AFTER = 25
"""Rounds after a forced deviation that are shown."""
SOON, ANSWER = 2, 0.01
"""A rival answers a deviation that in one of the next SOON rounds posts a price lower than it would
have by ANSWER of the way from Nash to cartel."""


def measured(
    known: Benchmark, strategies: Sequence[Strategy], last: np.ndarray
) -> list[dict[str, Any]]:
    """What is played in each of B sessions: a record each, as `measures.measure` has it.

    Args:
        known: the market.
        strategies: of the seller at each seat, of two.
        last: (B, 2) prices of the round before the first.
    """
    sessions, seats = range(len(last)), list(enumerate(strategies))
    if known.stands_still:
        path = follow(strategies, last, WARM_UP + ROUNDS)
        rounds = [_rounds(known, path[:, b]) for b in sessions]
    else:
        rounds = [known.play([_player(one, last, b, m) for m, one in seats]) for b in sessions]
    return [measures.measure(one, known) for one in rounds]


def probed(
    known: Benchmark,
    strategies: Sequence[Strategy],
    last: np.ndarray,
    prices: tuple[float, float],
) -> list[dict[str, Any]]:
    """What may follow the rounds of `measured`, in a market that stands still: a record each.

    Of each seller, from the next round on:

    - `one_shot_gain`: of the best price of one round, after which both follow their strategies;
    - `reply_gain`: of a best reply for ever, by the finer grid; `reply_error`, by how much the
      coarser differs; and `reply_played`, what that reply gains when it is played, with no grid of
      the rival's prices: a bound from below;
    - after it is forced to the best price of a round, once: whether that is `answered` by the
      rival, `unprofitable`, `punished` (both), and `deviation_profit`, discounted, in rounds at
      Nash utility; None where it posts that price already;
    - `response`: by how much its prices and its rival's, from that round on, are not what they
      would have been, as a share of the way from Nash to cartel, (2, 1 + AFTER).

    Args:
        known: the market.
        strategies: of the seller at each seat, of two.
        last: (B, 2) prices of the round before the first.
        prices: the lowest and the highest that sellers may post.
    """
    path = follow(strategies, last, WARM_UP + ROUNDS + HORIZON)
    before, usual = path[WARM_UP + ROUNDS - 1], path[WARM_UP + ROUNDS :]
    gains = _gains(known, strategies, before, usual, prices)
    records: list[dict[str, Any]] = [{} for _ in last]
    for found in (gains, _deviations(known, strategies, usual)):
        for name in found[0]:
            of_seats = np.stack([of_seat[name] for of_seat in found], axis=1).tolist()
            for record, values in zip(records, of_seats, strict=True):
                record[name] = [None if value != value else value for value in values]  # no NaN
    return records


def follow(strategies: Sequence[Strategy], last: np.ndarray, rounds: int) -> np.ndarray:
    """(rounds, B, …, 2) prices that follow the last ones, (B, …, 2)."""
    now, played = last.reshape(len(last), -1, 2), []
    for _ in range(rounds):
        now = np.stack([strategy(now) for strategy in strategies], axis=-1)
        played.append(now.reshape(last.shape))
    return np.stack(played)


def discounted(values: np.ndarray) -> np.ndarray:
    """Σ_t GAMMA^t · value over the first axis."""
    return np.tensordot(GAMMA ** np.arange(len(values)), values, axes=1)


def _rounds(known: Benchmark, prices: np.ndarray) -> Rounds:
    """One game, of prices (T, 2)."""
    answer = competition.respond(known.market, prices)
    utility = competition.settle(known.market, prices, answer.shares, answer.steps).asp_utility
    users = np.asarray(answer.vmu_utility)[:, None]
    return Rounds(prices[:, None], utility[:, None], users, np.zeros_like(users))


def _player(strategy: Strategy, last: np.ndarray, session: int, seat: int) -> Player:
    """The seller of one session at a seat, as a method."""
    return lambda games: _Seller(strategy, last, session, seat, games)


class _Seller:
    def __init__(
        self, strategy: Strategy, last: np.ndarray, session: int, seat: int, games: int
    ) -> None:
        self._strategy, self._session, self._seat = strategy, session, seat
        self._first, self._shape = last[session], (len(last), games, 2)

    def act(self, history: History) -> np.ndarray:
        seen = self._first
        if history.prices.shape[1] and history.rivals is not None:
            seen = paired(self._seat, history.prices[:, -1], history.rivals[:, -1, 0])
        return self._strategy(np.broadcast_to(seen, self._shape))[self._session]


def _gains(
    known: Benchmark,
    strategies: Sequence[Strategy],
    before: np.ndarray,
    usual: np.ndarray,
    prices: tuple[float, float],
) -> list[dict[str, np.ndarray]]:
    """What one other price, and a best reply for ever, gain each seller in `usual` (T, B, 2)."""
    market, scale = known.market, known.nash["asp_utility"][0, 0] / (1.0 - GAMMA)
    found = []
    for seat in range(2):
        rival, theirs = strategies[1 - seat], usual[0, :, 1 - seat]
        options = paired(seat, np.linspace(*prices, OPTIONS), theirs[:, None])
        path = np.concatenate([options[None], follow(strategies, options, HORIZON - 1)])
        once = discounted(earned(market, path)[..., seat]).max(axis=1)
        coarse, fine = (
            best_replies(market, seat, rival, prices, points, GAMMA, len(before))
            for points in (POINTS, 2 * POINTS - 1)
        )
        now, posted = before, []
        for _ in range(HORIZON):
            answer = rival(now[:, None])[:, 0]
            now = paired(seat, fine.prices(market, seat, rival, answer), answer)
            posted.append(now)
        played = discounted(earned(market, np.stack(posted))[..., seat])
        own = discounted(earned(market, usual)[..., seat])
        gains = {
            "one_shot_gain": np.maximum(once - own, 0.0),
            "reply_gain": fine.at(theirs) - own,
            "reply_error": np.abs(fine.at(theirs) - coarse.at(theirs)),
            "reply_played": played - own,
        }
        found.append({name: gain / scale[seat] for name, gain in gains.items()})
    return found


def _deviations(
    known: Benchmark, strategies: Sequence[Strategy], usual: np.ndarray
) -> list[dict[str, np.ndarray]]:
    """What follows when each seller is forced once to its best price of a round."""
    market, nash = known.market, known.nash["asp_utility"][0, 0]
    way = np.abs(known.cartel["prices"] - known.nash["prices"])[0, 0].mean()
    found = []
    for seat in range(2):
        best = competition.best_deviation(market, seat, usual[0]).price
        first = paired(seat, best, usual[0, :, 1 - seat])
        after = np.concatenate([first[None], follow(strategies, first, HORIZON - 1)])
        gained = discounted((earned(market, after) - earned(market, usual))[..., seat])
        change = np.moveaxis((after - usual)[: 1 + AFTER] / way, 0, -1)[:, :: 1 - 2 * seat]
        answered = change[:, 1, 1 : 1 + SOON].min(axis=-1) < -ANSWER
        of_deviation = {
            "answered": answered,
            "unprofitable": gained < 0,
            "punished": answered & (gained < 0),
            "deviation_profit": gained / nash[seat],
        }
        moved = np.abs(change[:, 0, 0]) > SLACK
        found.append({name: np.where(moved, v, np.nan) for name, v in of_deviation.items()})
        found[-1]["response"] = change
    return found
