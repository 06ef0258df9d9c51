"""One session: learners play until they stand still; then what their strategies do is measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from baselines.methods.q_learning.oligopoly import Oligopoly, best_of_a_round
from baselines.methods.q_learning.strategies import Strategies
from baselines.methods.q_learning.tabular import QRecipe, learn

PERIODS = 15
"""Followed after a forced deviation; the deviation is the first."""
TOLERANCE = 1e-9
"""Prices and relative gains that are nearer are equal."""


def session(game: Oligopoly, recipe: QRecipe, seed: int | Sequence[int]) -> dict[str, Any]:
    """Learn, and measure: `periods`, `converged`, all of `measure`, and `seconds`; as JSON."""
    began = time.perf_counter()
    learned = learn(game.payoffs, recipe, seed)
    strategies = Strategies(game.payoffs, learned.strategies, recipe.discount)
    return {
        "periods": learned.periods,
        "converged": learned.converged,
        **measure(game, strategies, learned.last),
        "seconds": time.perf_counter() - began,
    }


def measure(game: Oligopoly, strategies: Strategies, last: int) -> dict[str, Any]:
    """What strategies do on their path, after a forced deviation, and against best replies.

    Args:
        game: what was played.
        strategies: learned.
        last: the profile from which play goes on.

    Returns:
        Numbers, which the functions below explain, and the list `response`, (2, 1 + PERIODS),
        empty without a deviation.
    """
    cycle = strategies.cycle(last)
    return {
        **_on_path(game, cycle),
        **_after_deviations(game, strategies, cycle),
        **_tested(strategies, cycle),
    }


def _on_path(game: Oligopoly, cycle: np.ndarray) -> dict[str, Any]:
    """The play that goes on for ever: a cycle, of length 1 where prices are constant."""
    prices, utility = game.prices[cycle], game.payoffs[cycle]
    missed = best_of_a_round(game.payoffs)[cycle] / utility - 1.0
    mean = utility.mean(axis=0)
    return {
        "cycle": len(cycle),
        "equal_prices": float(np.ptp(prices, axis=1).max() < TOLERANCE),
        "price": float(prices.mean()),
        "lowest_price": float(prices.min()),
        "highest_price": float(prices.max()),
        "profit_gain": float(game.gain(mean)),
        # Play that a single round explains, without any thought of the future:
        "round_equilibrium": float(np.isin(cycle, game.round_equilibria).all()),
        "round_gain": float(missed.mean()),
    }


def _after_deviations(game: Oligopoly, strategies: Strategies, cycle: np.ndarray) -> dict[str, Any]:
    """One seller charges its best price of one round once; then all follow their strategies.

    After every profile of the cycle and for every seller; where the strategy itself says that
    price, there is no deviation. Means over those that there are (`deviations`); NaN where there is
    none. `punished`: the rivals' mean price of the next round is below what it would have been;
    `unprofitable`: the deviator's discounted utility falls; `deviation_gain`: relative; `returned`:
    play comes back to the cycle, in `return_period` (the deviation is in period 1).

    `response` has the mean prices of who deviates and of its rivals, in the round before and from
    the deviation on.
    """
    rows: list[tuple[float, ...]] = []
    responses: list[np.ndarray] = []
    undisturbed = game.prices[strategies.path(cycle, 3)[2]]
    for seat in range(game.market.M):
        rivals = np.arange(game.market.M) != seat
        options = strategies.alternatives(seat, cycle)
        best = game.payoffs[options, seat].argmax(axis=1)
        values = strategies.action_values(seat, cycle)
        for j in np.flatnonzero(best != strategies.prices[cycle, seat]):
            start = int(options[j, best[j]])
            path = game.prices[[cycle[j], *strategies.path(np.array(start), PERIODS)]]
            others = path[:, rivals].mean(axis=1)
            usual = undisturbed[j, rivals].mean()
            gain = values[j, best[j]] / strategies.values[cycle[j], seat] - 1.0
            period = strategies.returns(start, cycle)
            punished, unprofitable = others[2] < usual - TOLERANCE, gain < -TOLERANCE
            rows.append((punished, unprofitable, gain, not np.isnan(period), period))
            responses.append(np.stack([path[:, seat], others]))
    columns = ["punished", "unprofitable", "deviation_gain", "returned", "return_period"]
    return {
        "deviations": len(rows),
        **pd.DataFrame(rows, columns=columns, dtype=np.float64).mean().to_dict(),
        "response": np.mean(responses, axis=0).tolist() if responses else [],
    }


def _tested(strategies: Strategies, cycle: np.ndarray) -> dict[str, Any]:
    """Both tests of the strategies: one-shot deviations, and best replies for ever.

    Of each test: `…_nash`, nobody gains on the path; `…_loss`, what the choice of one round loses
    there, relative to the best one (the Q-loss of Calvano et al.), and `…_best`, the share of
    profiles after which the choice is a best one. `reply_gain`: what a best reply earns above the
    strategy, discounted, relative. `…_off`: the same after all profiles off the path. Means over
    sellers and profiles. `perfect`: nobody gains after any profile, by either test.
    """
    losses: dict[str, list[np.ndarray]] = {"one_shot": [], "reply": []}
    gains = []
    for seat in range(strategies.payoffs.shape[1]):
        (best, of_replies), own = strategies.best_reply(seat), strategies.values[:, seat]
        slack = strategies.slack(seat)
        gained = best - own
        gains.append(np.where(gained > slack, gained / own, 0.0))
        chosen = strategies.prices[:, seat, None].astype(np.int64)
        tests = {"one_shot": strategies.action_values(seat), "reply": of_replies}
        for test, values in tests.items():
            most = values.max(axis=1)
            lost = most - np.take_along_axis(values, chosen, axis=1)[:, 0]
            losses[test].append(np.where(lost > slack, lost / most, 0.0))
    gain = np.array(gains)
    on_path = np.zeros(gain.shape[1], bool)
    on_path[cycle] = True
    found = {"perfect": float((gain == 0).all())}
    for where, profiles in (("", on_path), ("_off", ~on_path)):
        found[f"reply_gain{where}"] = float(gain[:, profiles].mean())
        for test, of_test in losses.items():
            loss = np.array(of_test)[:, profiles]
            found[f"{test}_loss{where}"] = float(loss.mean())
            found[f"{test}_best{where}"] = float((loss == 0).mean())
    for test in losses:
        found[f"{test}_nash"] = float(found[f"{test}_best"] == 1)
    return found
