"""What the strategies of one session do: on their path, after a forced deviation, against a best
reply."""

from __future__ import annotations

from typing import Any

import numpy as np

from baselines.experiments.calvano.oligopoly import Oligopoly
from baselines.methods.q_learning.profiles import best_of_a_round
from baselines.methods.q_learning.strategies import Strategies

PERIODS = 15
"""Followed after a forced deviation; the deviation is the first."""
TOLERANCE = 1e-9
"""Prices and utilities that are nearer are equal."""


def measure(game: Oligopoly, strategies: Strategies, last: int) -> dict[str, Any]:
    """All measures of a session, as JSON.

    Args:
        game: what was played.
        strategies: learned.
        last: the profile from which play goes on.

    Returns:
        `path`, `deviation` and `best_reply`, dicts of numbers (see the functions below), and
        `response`, `by_price`: lists.
    """
    cycle = strategies.cycle(last)
    deviation, response = _forced_deviation(game, strategies, cycle)
    return {
        **_on_path(game, cycle),
        **deviation,
        **_against_best_replies(strategies, cycle),
        "response": response,
        "by_price": _by_price(strategies, cycle),
    }


def _on_path(game: Oligopoly, cycle: np.ndarray) -> dict[str, Any]:
    """The play that goes on for ever: a cycle, of length 1 where prices are constant."""
    prices, utility = game.prices[cycle], game.payoffs[cycle]
    missed = best_of_a_round(game.payoffs)[cycle] / utility - 1.0
    mean = utility.mean(axis=0)
    return {
        "cycle": len(cycle),
        "equal_prices": bool(np.ptp(prices, axis=1).max() < TOLERANCE),
        "price": float(prices.mean()),
        "lowest_price": float(prices.min()),
        "highest_price": float(prices.max()),
        "profit_gain": float(game.gain(mean)),
        "profit_gains": game.gains(mean).tolist(),
        # Play that a single round explains, without any thought of the future:
        "round_equilibrium": bool(np.isin(cycle, game.round_equilibria).all()),
        "round_gain": float(missed.mean()),
    }


def _forced_deviation(
    game: Oligopoly, strategies: Strategies, cycle: np.ndarray
) -> tuple[dict[str, Any], list[list[float]]]:
    """One seller charges its best price of one round once; then all follow their strategies.

    After every profile of the cycle and for every seller; where the strategy itself says that
    price, there is no deviation. Means over those that there are; NaN where there is none.

    Returns:
        The measures, and the mean prices (2, 1 + PERIODS) of who deviates and of its rivals: in the
        round before, then from the deviation on.
    """
    M = game.market.M
    rows: list[dict[str, float]] = []
    responses: list[np.ndarray] = []
    undisturbed = strategies.path(strategies.following[cycle], PERIODS)
    for seat in range(M):
        rivals = np.arange(M) != seat
        options = strategies.alternatives(seat, cycle)
        earns = game.payoffs[options, seat]
        chosen = earns.argmax(axis=1)
        rest = strategies.deviation_values(seat, cycle)
        for j, price in enumerate(chosen):
            if price == strategies.prices[cycle[j], seat]:
                continue
            path = strategies.path(options[j, price], PERIODS)
            before = np.concatenate([cycle[j : j + 1], path])
            own, others = game.prices[before, seat], game.prices[before][:, rivals].mean(axis=1)
            usual = game.prices[undisturbed[:, j]][:, rivals].mean(axis=1)
            back = np.flatnonzero(np.isin(path[1:], cycle))
            kept = strategies.values[cycle[j], seat]
            gain = float(rest[j, price] / kept - 1.0)
            rows.append(
                {
                    "punished": others[2] < usual[1] - TOLERANCE,
                    "unprofitable": gain < -TOLERANCE,
                    "deviation_gain": gain,
                    "returned": bool(np.isin(strategies.cycle(int(path[-1]))[0], cycle)),
                    "returned_in_time": len(back) > 0,
                    "return_period": 2.0 + back[0] if len(back) else np.nan,
                }
            )
            responses.append(np.stack([own, others]))
    if not rows:
        nothing = dict.fromkeys(_DEVIATION, float("nan"))
        return {"deviations": 0, **nothing}, []
    means = {name: _mean([row[name] for row in rows]) for name in _DEVIATION}
    return {"deviations": len(rows), **means}, np.mean(responses, axis=0).tolist()


_DEVIATION = (
    "punished",
    "unprofitable",
    "deviation_gain",
    "returned",
    "returned_in_time",
    "return_period",
)


def _by_price(strategies: Strategies, cycle: np.ndarray) -> list[list[float]]:
    """Gains of one round at each price of the grid, from the path, with what follows on them.

    Returns:
        (2, L): share of the deviations to a price that do not pay, and their mean relative gain;
        NaN for a price that is always played.
    """
    gains = []
    for seat in range(strategies.payoffs.shape[1]):
        kept = strategies.values[cycle, seat]
        gain = strategies.deviation_values(seat, cycle) / kept[:, None] - 1.0
        gain[np.arange(len(cycle)), strategies.prices[cycle, seat]] = np.nan
        gains.append(gain)
    table = np.concatenate(gains)
    lost = np.where(np.isnan(table), np.nan, table < -TOLERANCE)
    return [[_mean(column) for column in values.T] for values in (lost, table)]


def _against_best_replies(strategies: Strategies, cycle: np.ndarray) -> dict[str, Any]:
    """What each seller could gain against the strategies of the others.

    `nash`: nobody can gain on the path; `perfect`: nor after any profile. `reply_gain`: what a best
    reply gains, relative; `q_loss`: what one round's choice loses, if best replies follow, relative
    to the best (the paper's measure); `best_replies`: the share of states in which the choice is
    a best one. Each on the path, and `…_all` after all profiles; means over sellers and states.
    """
    gain, loss, best = [], [], []
    for seat in range(strategies.payoffs.shape[1]):
        reply = strategies.best_reply(seat)
        own = strategies.prices[:, seat, None].astype(np.int64)
        chosen = np.take_along_axis(reply.of_price, own, axis=1)[:, 0]
        most = reply.of_price.max(axis=1)
        followed = strategies.values[:, seat]
        gained = reply.values - followed
        gain.append(np.where(gained > reply.slack, gained / followed, 0.0))
        loss.append(np.where(most - chosen > reply.slack, (most - chosen) / most, 0.0))
        best.append(most - chosen <= reply.slack)
    gains, losses, bests = np.array(gain), np.array(loss), np.array(best)
    return {
        "nash": bool((gains[:, cycle] == 0).all()),
        "perfect": bool((gains == 0).all()),
        "reply_gain": float(gains[:, cycle].mean()),
        "reply_gain_all": float(gains.mean()),
        "q_loss": float(losses[:, cycle].mean()),
        "q_loss_all": float(losses.mean()),
        "best_replies": float(bests[:, cycle].mean()),
        "best_replies_all": float(bests.mean()),
    }


def _mean(values: Any) -> float:
    """Without those that are NaN; NaN if all are."""
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
