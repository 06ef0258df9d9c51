"""Sellers that no longer learn, each at a seat of the same markets: what they do to each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from aigc_market import competition
from aigc_market.competition import rivals
from baselines.arena.seeds import demonstration_seed
from baselines.methods.sellers.games import Games
from baselines.methods.sellers.learning_vmus import LearningVMUs
from baselines.methods.sellers.price_units import PriceUnits
from baselines.methods.sellers.theory import Theory, markets_of

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


class Seller(Protocol):
    """Posts prices without learning."""

    def price(self, games: Games, seat: int) -> np.ndarray:
        """(N,) of a seat in the round to come."""
        ...


@dataclass
class Scripted:
    """A scripted rival of `aigc_market.competition.rivals`, by name."""

    name: str

    def price(self, games: Games, seat: int) -> np.ndarray:
        """(N,) of a seat in the round to come."""
        policy, rng = rivals.SCRIPTED[self.name], np.random.default_rng(0)  # they draw nothing
        seen = games.market, seat, games.last_prices, games.oracle
        return rivals.price(policy, *seen, rng, (games.num_envs,))


class _Oracle(NamedTuple):
    """Of the markets of one round, (N, M): what rivals ask for."""

    nash_price: np.ndarray
    cartel_price: np.ndarray


class Benchmark:
    """Nash and cartel in every round of the games of a scenario, solved once.

    Arrays are (T, N, …), with T = N = 1 where the market stands still.
    """

    def __init__(self, scenario: str) -> None:
        self.scenario = scenario
        self.moves = Games(scenario, 1, 1).moves
        self.num_envs = GAMES if self.moves else 1
        rounds = WARM_UP + ROUNDS
        self.theory = theory = Theory.of(markets_of(scenario, GAMES, rounds, demonstration_seed(0)))
        shape = (rounds, GAMES) if self.moves else (1, 1)

        def by_rounds(values: Any) -> np.ndarray:
            values = np.asarray(values)
            own = values.shape[len(theory.market.batch_shape) :]
            return values.reshape(*shape, *own)

        self.nash, self.cartel = (
            {
                name: by_rounds(getattr(solved, name))
                for name in ("prices", "asp_utility", "vmu_utility")
            }
            for solved in (theory.nash, theory.cartel)
        )
        self.found = by_rounds(theory.nash.converged)
        self._nash_price = np.where(self.found[..., None], self.nash["prices"], np.nan)

    def oracle(self, round: int) -> _Oracle:  # noqa: A002
        """What scripted sellers may know of the markets of a round."""
        t = round if self.moves else 0
        return _Oracle(self._nash_price[t], self.cartel["prices"][t])


@cache
def benchmark(scenario: str) -> Benchmark:
    """Solved once a process."""
    return Benchmark(scenario)


@dataclass(frozen=True)
class Played:
    """Rounds of all games."""

    prices: np.ndarray
    """(T, N, M)"""
    utility: np.ndarray
    """(T, N, M)"""
    vmu_utility: np.ndarray
    """(T, N, K)"""
    vmu_regret: np.ndarray
    """(T, N, K) what VMUs could have had more at the prices posted, all that they ask delivered."""


Forced = Callable[[int, np.ndarray], np.ndarray]


def play(
    sellers: Sequence[Seller],
    known: Benchmark,
    followers: Any = None,
    forced: Forced = lambda _, prices: prices,
) -> Played:
    """Play the games that are measured.

    Args:
        sellers: one for each seat.
        known: of the scenario.
        followers: VMUs in place of rational ones.
        forced: called with the round and the prices (N, M) chosen; gives those that are posted.
    """
    rounds = WARM_UP + ROUNDS
    games = Games(known.scenario, known.num_envs, rounds, followers)
    games.reset(demonstration_seed(0))
    prices, utilities, of_vmus, regrets = [], [], [], []
    for t in range(rounds):
        market, games.oracle = games.market, known.oracle(t)
        chosen = np.stack([s.price(games, seat) for seat, s in enumerate(sellers)], axis=-1)
        utilities.append(games.step(forced(t, chosen)))
        prices.append(games.last_prices)
        of_vmus.append(games.vmu_utility())
        regret = np.zeros_like(of_vmus[-1])
        if followers is not None:
            best = competition.respond(market, games.last_prices).vmu_utility
            regret = best - games.wished_utility()
        regrets.append(regret)
    return Played(*(np.stack(values) for values in (prices, utilities, of_vmus, regrets)))


def measure(played: Played, known: Benchmark) -> dict[str, Any]:
    """What was done in the rounds measured, against Nash and cartel of the same rounds.

    All are ratios of means over rounds and games in which a Nash equilibrium is found: of the way
    from Nash to cartel, `profit_gain` (Δ) and `price_gain` of each seat and of their mean, and
    `users_loss` of the VMUs' utilities. `nash_conv` is Σ_m of the exact gains of deviating once
    from the prices posted, over the providers' utilities at Nash; `deviation_gain` has its parts.
    """
    shape = played.utility.shape[:2]
    found = np.broadcast_to(known.found, shape).copy()
    found[:WARM_UP] = False

    def mean(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, (*shape, values.shape[-1]))[found].mean(axis=0)

    names = {"prices": played.prices, "asp_utility": played.utility}
    names["vmu_utility"] = played.vmu_utility
    own = {name: mean(values) for name, values in names.items()}
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
        "profit_gain": float(gain("asp_utility", np.mean)),
        "price_gain": float(gain("prices", np.mean)),
        "welfare": float(own["vmu_utility"].sum()),
        "nash_welfare": float(nash["vmu_utility"].sum()),
        "cartel_welfare": float(cartel["vmu_utility"].sum()),
        "users_loss": float(gain("vmu_utility", np.sum)),
        "deviation_gain": deviating.tolist(),
        "nash_conv": float(deviating.sum()),
        "vmu_regret": float(mean(played.vmu_regret).mean() / np.abs(nash["vmu_utility"]).mean()),
        "period": _period(played, known),
    }


def _deviation_gains(played: Played, known: Benchmark, found: np.ndarray) -> np.ndarray:
    """(M,) mean exact gains of deviating once from the prices posted."""
    market = known.theory.market
    if not known.moves:
        prices, counts = np.unique(played.prices[found], axis=0, return_counts=True)
        return np.average(competition.deviation_gains(market, prices), axis=0, weights=counts)
    some = np.zeros_like(found)
    some[WARM_UP::EVERY] = found[WARM_UP::EVERY]
    return competition.deviation_gains(market.lanes(some.ravel()), played.prices[some]).mean(axis=0)


def _period(played: Played, known: Benchmark) -> int | None:
    """After how many rounds prices come again, where the market stands still; None: not soon."""
    if known.moves:
        return None
    way = np.abs(known.cartel["prices"] - known.nash["prices"])[0, 0]
    last = played.prices[WARM_UP:, 0] / way
    for period in range(1, LONGEST_CYCLE + 1):
        if np.abs(last[period:] - last[:-period]).max() < SLACK:
            return period
    return None


def regret_everywhere(vmus: LearningVMUs, units: PriceUnits, known: Benchmark) -> float:
    """What VMUs lose against their best responses at all prices of a grid, posted or not.

    Returns:
        The mean over all pairs of prices and, where the market moves, some markets, as a share of
        what VMUs have at Nash prices.
    """
    market, M = known.theory.market, units.M
    axes = np.meshgrid(*[units.price(units.grid)] * M, indexing="ij")
    prices = np.stack(axes, axis=-1).reshape(-1, M)
    if known.moves:
        market = market.lanes(slice(0, None, EVERY * known.num_envs))
        prices = prices[:, None]
    shares, steps = vmus(market, prices, np.random.default_rng(0))
    chosen = competition.settle(market, prices, shares, steps).wished_utility()
    lost = competition.respond(market, prices).vmu_utility - chosen
    return float(lost.mean() / np.abs(known.nash["vmu_utility"]).mean())


def deviate(sellers: Sequence[Seller], known: Benchmark, seat: int, gamma: float) -> dict[str, Any]:
    """Force a provider once to its best price against the others', and see what they do to it.

    Args:
        sellers: one for each seat.
        known: of a market that stands still.
        seat: who deviates, in one round; afterwards it follows its policy again.
        gamma: the discount of what deviating pays.

    Returns:
        `paths`, prices (BEFORE + 1 + AFTER, M) of the deviator and then of the others, and
        `undisturbed`, what they would have been; `profit`, the discounted gain of deviating in
        rounds at Nash utility.
    """
    when = WARM_UP

    def forced(t: int, prices: np.ndarray) -> np.ndarray:
        if t != when:
            return prices
        best = competition.best_deviation(known.theory.market, seat, prices[0]).price
        return np.where(np.arange(prices.shape[1]) == seat, best, prices)

    as_usual, deviated = play(sellers, known), play(sellers, known, forced=forced)
    seats = np.roll(np.arange(as_usual.prices.shape[-1]), -seat)
    shown = slice(when - BEFORE, when + AFTER + 1)
    gained = (deviated.utility - as_usual.utility)[when:, 0, seat]
    worth = (gained * gamma ** np.arange(len(gained))).sum()
    return {
        "paths": deviated.prices[shown, 0][:, seats].tolist(),
        "undisturbed": as_usual.prices[shown, 0][:, seats].tolist(),
        "profit": float(worth / known.nash["asp_utility"][0, 0, seat]),
    }
