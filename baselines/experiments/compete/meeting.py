"""A meeting: methods that no longer train, each at a seat of the same markets, and its measures."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aigc_market import competition
from aigc_market.competition import Competition
from baselines.arena.competition import CompetitionEnv, Forced, Rounds, play
from baselines.arena.protocol import Player
from baselines.arena.registry import Entry
from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.arena.training import Training
from baselines.methods.sellers import trainer
from baselines.methods.sellers.learning_vmus import LearningVMUs
from baselines.methods.sellers.sellers import Sellers, every_price
from baselines.runs.files import write_json

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


@dataclass(frozen=True)
class Participant:
    """A method that plays as it is, or the sellers of a training, of which one sits at each seat.

    Args:
        entry: of the method.
        seed: of its random choices or of the training; None where it makes none.
        training: where it was trained.
        parameters: of its factory, by name.
    """

    entry: Entry
    seed: int | None = None
    training: Training | None = None
    parameters: tuple[tuple[str, float], ...] = ()

    @property
    def method(self) -> str:
        """Its name in tables."""
        return " ".join([self.entry.name, *(f"{n}={value:g}" for n, value in self.parameters)])

    def __str__(self) -> str:
        return self.method if self.seed is None else f"{self.method}-seed{self.seed}"

    def digest_parts(self, out: Path) -> list[Any]:
        """What a meeting depends on, as JSON."""
        trained = self.training and self.training.file(out).name
        return [str(self), self.entry.code_digest(), trained, [list(p) for p in self.parameters]]

    def players(self, task: Task, out: Path) -> list[Player]:
        """Who sits at each seat, called with the number of games."""
        M = task.settings().market.M
        if self.training is not None:
            sellers, _ = trainer.load(self.training.file(out))
            return [sellers.player(seat) for seat in range(M)]

        def at(seat: int) -> Player:
            own, seed = dataclasses.replace(task, seat=seat), (self.seed or 0) * M + seat
            return lambda games: self.entry.make(own, games, seed, **dict(self.parameters))

        return [at(seat) for seat in range(M)]


@dataclass(frozen=True)
class Meeting:
    """One method at the first seat, another at all the others."""

    task: Task
    row: Participant
    column: Participant

    def __str__(self) -> str:
        return f"{self.row} against {self.column} on {self.task.name}"

    @property
    def sides(self) -> tuple[Participant, Participant]:
        """Both."""
        return self.row, self.column

    @property
    def own(self) -> bool:
        """Whether a method meets itself; trained sellers, those that they learned beside."""
        return self.row == self.column

    def file(self, out: Path) -> Path:
        """Where the result stands."""
        sides = [side.digest_parts(out) for side in self.sides]
        digest = self.task.digest(sides, Path(__file__).read_text("utf-8"))
        stem = re.sub(r"[^\w.-]+", "_", f"{self.task.name}-{self.row}-{self.column}")
        return out / "met" / f"{stem}-{digest}.json"

    def execute(self, out: Path) -> None:
        """Let them meet, and keep the measures."""
        known = benchmark(self.task)
        row, column = self.row.players(self.task, out), self.column.players(self.task, out)
        players = [row[0], *column[1:]]
        training = self.row.training
        if training is None or not self.own:
            write_json(self.file(out), measure(known.play(players), known))
            return
        sellers, config = trainer.load(training.file(out))
        result = measure(known.play(players, sellers.vmus), known)
        result |= {name: config[name] for name in ("curve", "seconds", "rounds")}
        result["lowest"], result["highest"] = config["prices"]
        if sellers.vmus is not None:
            result["vmu_regret_everywhere"] = regret_everywhere(sellers.vmus, sellers, known)
        elif known.stands_still:
            forced = [deviate(players, known, seat) for seat in range(len(players))]
            result["deviation_profit"] = [profit for profit, _ in forced]
            result["deviations"] = [row for _, rows in forced for row in rows]
        write_json(self.file(out), result)


class _Shown(NamedTuple):
    """What insiders ask for of the markets of one round, (N, M)."""

    nash_price: np.ndarray
    cartel_price: np.ndarray


class Benchmark:
    """Nash equilibrium and cartel of all markets of the episode that is measured, solved at once.

    Arrays are (T, N, …), with T = N = 1 where the market stands still.
    """

    def __init__(self, task: Task) -> None:
        self.task, self.stands_still = task, task.stands_still
        self.num_envs = 1 if self.stands_still else GAMES
        self.market = market = self._markets()
        shape = (1, 1) if self.stands_still else (WARM_UP + ROUNDS, GAMES)
        nash, cartel = competition.nash(market), competition.cartel(market)

        def points(solved: Any) -> dict[str, np.ndarray]:
            names = ("prices", "asp_utility", "vmu_utility")
            values = {name: np.asarray(getattr(solved, name)) for name in names}
            return {name: v.reshape(*shape, v.shape[-1]) for name, v in values.items()}

        self.nash, self.cartel = points(nash), points(cartel)
        self.found = np.asarray(nash.converged).reshape(shape)
        """Where a Nash equilibrium is certified."""
        self._nash_price = np.where(self.found[..., None], self.nash["prices"], np.nan)

    def _markets(self) -> Competition:
        """Of all rounds, by rounds and then by games: prices do not move them."""
        env = self._environment()
        env.reset(demonstration_seed(0))
        first = env.market
        if self.stands_still:
            return first
        moved = [env.market]
        for _ in range(WARM_UP + ROUNDS - 1):
            env.step(np.broadcast_to(first.cost, (GAMES, first.M)))
            moved.append(env.market)
        names = ("satisfaction", *first.MOVED)
        return first.replace(
            **{name: np.concatenate([getattr(m, name) for m in moved]) for name in names}
        )

    def _environment(self, followers: Any = None) -> CompetitionEnv:
        more: dict[str, Any] = {"max_cycles": WARM_UP + ROUNDS, "normalize": False}
        if followers is not None:
            more["followers"] = followers
        return CompetitionEnv(self.task, self.num_envs, scale_rewards=False, **more)

    def play(
        self,
        players: Sequence[Player],
        followers: Any = None,
        forced: Forced = lambda _, prices: prices,
    ) -> Rounds:
        """Play the episode, with VMUs in place of the task's or without."""

        def shown(t: int) -> _Shown:
            t = 0 if self.stands_still else t
            return _Shown(self._nash_price[t], self.cartel["prices"][t])

        methods = [player(self.num_envs) for player in players]
        env = self._environment(followers)
        return play(methods, env, demonstration_seed(0), shown, forced)


@cache
def benchmark(task: Task) -> Benchmark:
    """Solved once a process."""
    return Benchmark(task)


def measure(played: Rounds, known: Benchmark) -> dict[str, Any]:
    """What was done in the rounds measured, against Nash and cartel of the same rounds.

    All are ratios of means over rounds and games in which a Nash equilibrium is found: `profit` is
    what the providers earn over what they earn at Nash; of the way from Nash to cartel are
    `profit_gain` (Δ), of each seat `seat_gain`, and `users_loss` of the VMUs' utilities.
    `nash_conv` is Σ_m of the exact gains of deviating once from the prices posted, over the
    providers' utilities at Nash; `deviation_gain` has its parts.
    """
    shape = played.utility.shape[:2]
    found = np.broadcast_to(known.found, shape).copy()
    found[:WARM_UP] = False

    def mean(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, (*shape, values.shape[-1]))[found].mean(axis=0)

    names = {"prices": "prices", "asp_utility": "utility", "vmu_utility": "vmu_utility"}
    own = {name: mean(getattr(played, of_rounds)) for name, of_rounds in names.items()}
    nash, cartel = ({n: mean(solved[n]) for n in names} for solved in (known.nash, known.cartel))

    def gain(name: str, of: Callable[[np.ndarray], Any] = lambda values: values) -> Any:
        low = of(nash[name])
        return (of(own[name]) - low) / (of(cartel[name]) - low)

    deviating = _deviation_gains(played, known, found) / nash["asp_utility"].sum()
    return {
        "price": own["prices"].tolist(),
        "nash_price": nash["prices"].tolist(),
        "cartel_price": cartel["prices"].tolist(),
        "utility": own["asp_utility"].tolist(),
        "nash_utility": nash["asp_utility"].tolist(),
        "cartel_utility": cartel["asp_utility"].tolist(),
        "seat_gain": gain("asp_utility").tolist(),
        "profit": float(own["asp_utility"].sum() / nash["asp_utility"].sum()),
        "profit_gain": float(gain("asp_utility", np.mean)),
        "users_loss": float(gain("vmu_utility", np.sum)),
        "deviation_gain": deviating.tolist(),
        "nash_conv": float(deviating.sum()),
        "vmu_regret": float(mean(played.vmu_regret).mean() / np.abs(nash["vmu_utility"]).mean()),
        "period": _period(played, known),
    }


def _deviation_gains(played: Rounds, known: Benchmark, found: np.ndarray) -> np.ndarray:
    """(M,) mean exact gains of deviating once from the prices posted."""
    if known.stands_still:
        prices, counts = np.unique(played.prices[found], axis=0, return_counts=True)
        gains = competition.deviation_gains(known.market, prices)
        return np.average(gains, axis=0, weights=counts)
    some = np.zeros_like(found)
    some[WARM_UP::EVERY] = found[WARM_UP::EVERY]
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


def regret_everywhere(vmus: LearningVMUs, sellers: Sellers, known: Benchmark) -> float:
    """What VMUs lose against their best responses at all prices of a grid, posted or not.

    Returns:
        The mean over all tuples of prices of the sellers' range and, where the market moves, some
        markets, as a share of what VMUs have at Nash prices.
    """
    market = known.market
    if not known.stands_still:
        market = market.lanes(slice(0, None, EVERY * known.num_envs))
    prices = every_price(market, sellers.prices)
    prices = np.broadcast_to(prices, (*prices.shape[: market.M], *market.batch_shape, market.M))
    shares, steps = vmus(market, prices, np.random.default_rng(0))
    chosen = competition.settle(market, prices, shares, steps).wished_utility()
    lost = competition.respond(market, prices).vmu_utility - chosen
    return float(lost.mean() / np.abs(known.nash["vmu_utility"]).mean())


def deviate(
    players: Sequence[Player], known: Benchmark, seat: int
) -> tuple[float, list[dict[str, Any]]]:
    """Force a provider once to its best price against the others', and see what they do to it.

    Args:
        players: one for each seat.
        known: of a market that stands still.
        seat: who deviates, in one round; afterwards it follows its policy again.

    Returns:
        The discounted gain of deviating, in rounds at Nash utility; and the prices of the rounds
        about it, of the deviator and the mean of the others, and what they would have been.
    """

    def forced(t: int, prices: np.ndarray) -> np.ndarray:
        if t != WARM_UP:
            return prices
        best = competition.best_deviation(known.market, seat, prices[0]).price
        return np.where(np.arange(prices.shape[1]) == seat, best, prices)

    usual, after = known.play(players), known.play(players, forced=forced)
    gained = (after.utility - usual.utility)[WARM_UP:, 0, seat]
    worth = (gained * GAMMA ** np.arange(len(gained))).sum()

    def sides(rounds: Rounds, t: int) -> tuple[float, float]:
        prices = rounds.prices[WARM_UP + t, 0]
        return float(prices[seat]), float(np.delete(prices, seat).mean())

    names = ("price", "others_price", "undisturbed", "others_undisturbed")
    rows = [
        {"deviator": seat, "round": t}
        | dict(zip(names, (*sides(after, t), *sides(usual, t)), strict=True))
        for t in range(-BEFORE, AFTER + 1)
    ]
    return float(worth / known.nash["asp_utility"][0, 0, seat]), rows
