"""How far from the best each side is by the rules, on its own and against the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market import followers as scripted
from aigc_market import rules
from aigc_market.followers import FollowerPolicy
from aigc_market.market import Market
from aigc_market.rules import Settlement
from baselines.arena.protocol import Player
from baselines.arena.rollout import PHYSICAL, play_in
from baselines.arena.task import Task

GAMES = 32
"""Games in which play is measured, where no other number is given."""
GRID = 39
"""Prices from the cost to p_max at which followers are measured, visited or not."""
DRAWS = 64
"""Over how many draws a round with followers that draw is averaged."""
COARSE, FINE = 200, 41
"""Prices among which the best one is looked for: from the cost to p_max, then around the best."""


@dataclass(frozen=True)
class Measured:
    """What `measure` finds in the games played. Shares and gaps are of 1."""

    price: float
    """Mean price posted."""
    utility: float
    """Mean U_p a round against the followers; over `DRAWS` draws, where they draw."""
    best: float
    """The same of the best price against these followers in each round. See `best_price`."""
    share: float
    """U_p of the prices posted against best-responding followers, over U_p*."""
    share_learned: float
    """`utility` over `best`."""
    error: float
    """Standard error of `share_learned` by the followers' draws; 0 where they do not draw."""
    gap: float
    """Mean surplus that a VMU loses against its best response, over `surplus`, at a grid of prices;
    the best response is to the price alone, as if all that is asked were had."""
    worst_gap: float
    """The greatest loss of a VMU at any price of the grid, over `surplus`."""
    gap_played: float
    """As `gap`, at the prices posted."""
    surplus: float
    """Mean surplus of a VMU's best response over the grid, which goes from the cost to p_max."""


def measure(
    leader: Player, followers: FollowerPolicy, task: Task, seed: int, games: int = GAMES
) -> Measured:
    """Play an episode without exploring, and compare it with what was best by the rules.

    Followers that draw are averaged over draws that come from the seed. The best price is chosen on
    some of them and valued on others: the maximum of averages over the same draws is too high.

    Args:
        leader: posts the prices.
        followers: buy, whatever followers the task names.
        task: what is played.
        seed: of the games and of all draws.
        games: how many are played.
    """
    rounds: list[tuple[Market, np.ndarray]] = []

    def buy(market: Market, price: np.ndarray, rng: np.random.Generator) -> Any:
        rounds.append((market, price.copy()))
        return followers(market, price, rng)

    env = task.environment(games, history=1, followers=buy, **PHYSICAL)
    played = play_in(env, leader(games), seed)
    first = rounds[0][0]
    draws = draws_of(followers, first)
    earned, lost, best = np.zeros((2, draws)), [], None
    for t, (market, price) in enumerate(rounds):
        if best is None or market is not first:
            best = best_price(market, followers, draws, (seed, t, 0), games)
        judged = answers(followers, market, np.stack([price, best]), draws, (seed, t, 1))
        utilities = np.concatenate([answer.asp_utility for answer in judged])
        if draws == 1:
            utilities[1] = utilities.max(axis=0)  # the price posted may be better than the grid's
        earned += utilities.sum(axis=-1)
        lost.append(losses(followers, market, price[None], draws, (seed, t, 1))[0])
    on_grid, surpluses = losses(followers, first, grid(first, GRID, games), draws, (seed, 0, 2))
    surplus = surpluses.mean()
    utility, best_utility = np.mean(earned, axis=-1).tolist()
    return Measured(
        price=float(played.price.mean()),
        utility=utility / played.price.size,
        best=best_utility / played.price.size,
        share=1.0 - part(played.regret.sum(), played.equilibrium_utility.sum()),
        share_learned=1.0 - part(best_utility - utility, best_utility),
        error=error_of_ratio(*earned),
        gap=part(on_grid.mean(), surplus),
        worst_gap=part(on_grid.max(), surplus),
        gap_played=part(np.concatenate(lost).mean(), surplus),
        surplus=float(surplus),
    )


def draws_of(followers: FollowerPolicy, market: Market) -> int:
    """1 where followers draw nothing from their generator, so that once is always; else `DRAWS`."""
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    (games,) = market.batch_shape or (1,)
    scripted.purchases(followers, market, grid(market, GRID, games), rng)
    return 1 if rng.bit_generator.state == before else DRAWS


def answers(
    followers: FollowerPolicy, market: Market, prices: np.ndarray, draws: int, seed: Any
) -> Iterator[Settlement]:
    """Rounds at prices (P, N), in parts: each settles (…, draws, N) of them, in order.

    All prices meet the same draws, so that what differs is the price.
    """
    for some in [prices] if draws == 1 else prices[:, None]:
        price = np.broadcast_to(some[:, None], (len(some), draws, some.shape[-1]))
        asked = scripted.purchases(followers, market, price, np.random.default_rng(seed))
        yield rules.settle(market, price, asked)


def best_price(
    market: Market, followers: FollowerPolicy, draws: int, seed: Any, games: int = GAMES
) -> np.ndarray:
    """The price in each of N games that earns most against followers, in expectation: (N,).

    It is looked for on a grid of 200 prices a step h apart, and then around the best of them, h/20
    apart. What is missed of the best utility is of second order, (h/40 / (p − c))² or so, where
    utility is smooth in the price; where demand falls in steps it is at most a share h / (p − c).
    Where followers draw, it is the best by an average over draws, which costs a little more.
    """

    def best_of(prices: np.ndarray) -> np.ndarray:
        parts = answers(followers, market, prices, draws, seed)
        earned = np.concatenate([answer.asp_utility.mean(axis=1) for answer in parts])
        return np.take_along_axis(prices, earned.argmax(axis=0)[None], axis=0)[0]

    coarse = grid(market, COARSE, games)
    around = best_of(coarse) + np.linspace(-1, 1, FINE)[:, None] * (coarse[1] - coarse[0])
    return best_of(np.clip(around, market.cost, market.max_price))


def grid(market: Market, size: int, games: int) -> np.ndarray:
    """Prices from the cost to p_max in every game: (size, games)."""
    prices = np.linspace(market.cost, market.max_price, size)
    return np.broadcast_to(prices.reshape(size, -1), (size, games))


def losses(
    followers: FollowerPolicy, market: Market, prices: np.ndarray, draws: int, seed: Any
) -> tuple[np.ndarray, np.ndarray]:
    """What VMUs lose at prices (P, N), and the surplus of their best responses, (P·N·K,) each.

    Both are of the steps asked for, as in `aigc_market.regret`, and the mean over draws. VMUs that
    are not there are left out.
    """
    lost, best = [], []
    unlimited = market.replace(capacity=None)
    for answer in answers(followers, market, prices, draws, seed):
        had = rules.settle(unlimited, answer.price, answer.asked)
        rational = had.rational().surplus()
        lost.append((rational - had.surplus()).mean(axis=1))
        best.append(rational.mean(axis=1))
    present = True if market.active is None else market.active
    there = np.broadcast_to(present, (*prices.shape, market.K))
    return np.concatenate(lost)[there], np.concatenate(best)[there]


def part(lost: float, best: float) -> float:
    """Lost over best. Nothing lost of nothing is 0; something lost of nothing is infinite."""
    if best > 0:
        return float(lost / best)
    return float("inf") if lost > 0 else 0.0


def error_of_ratio(numerators: np.ndarray, denominators: np.ndarray) -> float:
    """Standard error of Σ numerators / Σ denominators over draws that are independent."""
    count, best = len(numerators), denominators.mean()
    if count == 1 or best <= 0:
        return 0.0
    ratio = numerators.mean() / best
    return float(np.std(numerators - ratio * denominators, ddof=1) / (best * np.sqrt(count)))
