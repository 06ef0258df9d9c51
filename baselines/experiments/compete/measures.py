"""What sellers do to each other and to users, against the exact Nash equilibrium and cartel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from aigc_market import competition
from aigc_market.competition import Competition
from baselines.arena.competition import CompetitionEnv, Forced, Rounds, play
from baselines.arena.protocol import Player
from baselines.arena.rollout import PHYSICAL
from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task

WARM_UP, ROUNDS = 50, 100
"""Rounds of an episode before those that are measured, and these."""
GAMES = 4
"""Side by side, where the market moves; else all would be the same."""
EVERY = 10
"""Of the rounds measured where the market moves, each tenth is asked for its deviation gains."""
LONGEST_CYCLE = 25
"""Of prices that are looked for."""
BEFORE, AFTER = 3, 15
"""Rounds before and after a forced deviation that are shown."""
SLACK = 1e-3
"""Prices that differ by less than this share of the way from Nash to cartel are the same."""
GAMMA = 0.95
"""The discount of what a forced deviation pays."""
_POINT = ("prices", "asp_utility", "vmu_utility")


class Benchmark:
    """Nash equilibrium and cartel of all markets of the episode that is measured, solved at once.

    `nash` and `cartel` have `prices` and `asp_utility` (T, N, M) and `vmu_utility` (T, N, K), with
    T = N = 1 where the market stands still.

    Raises:
        ValueError: in some round no Nash equilibrium is certified.
    """

    def __init__(self, task: Task) -> None:
        self.task, self.stands_still = task, task.stands_still
        self.num_envs = 1 if self.stands_still else GAMES
        self.market = market = self._markets()
        nash, cartel = competition.nash(market), competition.cartel(market)
        if not np.all(nash.converged):
            name = task.name
            raise ValueError(f"scenario must have a Nash equilibrium in all rounds, got {name}")
        shape = (1, 1, -1) if self.stands_still else (WARM_UP + ROUNDS, GAMES, -1)
        self.nash, self.cartel = (
            {name: np.reshape(getattr(solved, name), shape) for name in _POINT}
            for solved in (nash, cartel)
        )

    def _markets(self) -> Competition:
        """Of all rounds, by rounds and then by games: prices do not move them."""
        env = self._environment()
        env.reset(demonstration_seed(0))
        moved = [first := env.market]
        if self.stands_still:
            return first
        for _ in range(WARM_UP + ROUNDS - 1):
            env.step(np.broadcast_to(first.cost, (GAMES, first.M)))
            moved.append(env.market)
        names = "satisfaction", *first.MOVED
        of_all = {name: np.concatenate([getattr(m, name) for m in moved]) for name in names}
        return first.replace(**of_all)

    def _environment(self, **more: Any) -> CompetitionEnv:
        more |= {**PHYSICAL, "max_cycles": WARM_UP + ROUNDS}
        return CompetitionEnv(self.task, self.num_envs, **more)

    def play(
        self,
        players: Sequence[Player],
        followers: Any = None,
        forced: Forced = lambda _, prices: prices,
    ) -> Rounds:
        """Play the episode, with a player at each seat, and followers in place of the task's."""

        def shown(t: int) -> SimpleNamespace:  # what insiders ask for
            nash, cartel = (
                of["prices"][0 if self.stands_still else t] for of in (self.nash, self.cartel)
            )
            return SimpleNamespace(nash_price=nash, cartel_price=cartel)

        methods = [player(self.num_envs) for player in players]
        env = self._environment(**({} if followers is None else {"followers": followers}))
        return play(methods, env, demonstration_seed(0), shown, forced)


@cache
def benchmark(task: Task) -> Benchmark:
    """Solved once a process."""
    return Benchmark(task)


def measure(played: Rounds, known: Benchmark) -> dict[str, Any]:
    """What was done in the rounds measured, against Nash and cartel of the same rounds.

    All are ratios of means over rounds and games: `profit` is what the providers earn over what
    they earn at Nash; of the way from Nash to cartel are `profit_gain` (Δ), of each seat
    `seat_gain`, and `users_loss` of the VMUs' utilities. `nash_conv` is Σ_m of the exact gains of
    deviating once from the prices posted, over the providers' utilities at Nash; `deviation_gain`
    has its parts.
    """

    def mean(values: np.ndarray) -> np.ndarray:
        values = values if len(values) == 1 else values[WARM_UP:]
        return values.mean(axis=(0, 1))

    played_point = played.prices, played.utility, played.vmu_utility
    own = {name: mean(values) for name, values in zip(_POINT, played_point, strict=True)}
    nash, cartel = (
        {name: mean(values) for name, values in of.items()} for of in (known.nash, known.cartel)
    )

    def gain(name: str, of: Callable[[np.ndarray], Any]) -> Any:
        low = of(nash[name])
        return (of(own[name]) - low) / (of(cartel[name]) - low)

    deviating = _deviation_gains(played, known) / nash["asp_utility"].sum()
    return {
        "price": own["prices"].tolist(),
        "nash_price": nash["prices"].tolist(),
        "cartel_price": cartel["prices"].tolist(),
        "utility": own["asp_utility"].tolist(),
        "nash_utility": nash["asp_utility"].tolist(),
        "cartel_utility": cartel["asp_utility"].tolist(),
        "seat_gain": gain("asp_utility", np.asarray).tolist(),
        "profit": float(own["asp_utility"].sum() / nash["asp_utility"].sum()),
        "profit_gain": float(gain("asp_utility", np.mean)),
        "users_loss": float(gain("vmu_utility", np.sum)),
        "deviation_gain": deviating.tolist(),
        "nash_conv": float(deviating.sum()),
        "vmu_regret": float(mean(played.vmu_regret).mean() / np.abs(nash["vmu_utility"]).mean()),
        "period": _period(played, known),
    }


def _deviation_gains(played: Rounds, known: Benchmark) -> np.ndarray:
    """(M,) mean exact gains of deviating once from the prices posted."""
    if known.stands_still:
        prices, counts = np.unique(played.prices[WARM_UP:, 0], axis=0, return_counts=True)
        gains = competition.deviation_gains(known.market, prices)
        return np.average(gains, axis=0, weights=counts)
    some = np.zeros(played.prices.shape[:2], bool)
    some[WARM_UP::EVERY] = True
    markets = known.market.lanes(some.ravel())
    return competition.deviation_gains(markets, played.prices[some]).mean(axis=0)


def _period(played: Rounds, known: Benchmark) -> int | None:
    """After how many rounds prices come again, where the market stands still; None: not soon."""
    if not known.stands_still:
        return None
    way = np.abs(known.cartel["prices"] - known.nash["prices"])[0, 0]
    last = played.prices[WARM_UP:, 0] / way
    for period in range(1, LONGEST_CYCLE + 1):
        if np.abs(last[period:] - last[:-period]).max() < SLACK:
            return period
    return None


def deviations(players: Sequence[Player], known: Benchmark) -> dict[str, list[Any]]:
    """Force each provider in turn, once, to its best price against the others', and see the answer.

    Args:
        players: one for each seat; they play on as they are.
        known: of a market that stands still.

    Returns:
        `deviation_profit` of each seat, the discounted gain in rounds at Nash utility; and
        `deviations`, the prices of the rounds about it, of the deviator and the mean of the
        others, and what they would have been, a row a round.
    """
    usual, profits, rows = known.play(players), [], []
    for seat in range(len(players)):

        def forced(t: int, prices: np.ndarray, seat: int = seat) -> np.ndarray:
            if t != WARM_UP:
                return prices
            best = competition.best_deviation(known.market, seat, prices[0]).price
            return np.where(np.arange(prices.shape[1]) == seat, best, prices)

        after = known.play(players, forced=forced)
        gained = (after.utility - usual.utility)[WARM_UP:, 0, seat]
        worth = (gained * GAMMA ** np.arange(len(gained))).sum()
        profits.append(float(worth / known.nash["asp_utility"][0, 0, seat]))
        for t in range(-BEFORE, AFTER + 1):
            row: dict[str, Any] = {"deviator": seat, "round": t}
            for name, played in (("price", after), ("undisturbed", usual)):
                prices = played.prices[WARM_UP + t, 0]
                row |= {name: float(prices[seat])}
                row |= {f"others_{name}": float(np.delete(prices, seat).mean())}
            rows.append(row)
    return {"deviation_profit": profits, "deviations": rows}
