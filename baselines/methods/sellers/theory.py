"""Nash equilibria and cartels of the markets that are played, solved in one call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from aigc_market import competition
from aigc_market.competition import Cartel, Competition, Nash
from baselines.arena.seeds import training_seed
from baselines.methods.sellers.games import Games
from baselines.methods.sellers.price_units import LEVELS, PriceUnits

_GAMES, _ROUNDS = 4, 50
"""Of a market that moves, from which learners' units are taken."""
_OWN_AXES = {"ssim": 2, **{name: len(p.axes) for name, p in Competition.PARAMETERS.items()}}
"""Of a market's parameters, behind those of a batch. Models of SSIM are the same in all rounds."""


@dataclass(frozen=True)
class Theory:
    """Nash equilibrium and cartel of one market, or of a batch of them."""

    market: Competition
    nash: Nash
    cartel: Cartel

    @classmethod
    def of(cls, market: Competition) -> Theory:
        """Solve them."""
        return cls(market, competition.nash(market), competition.cartel(market))


def markets_of(scenario: str, num_envs: int, rounds: int, seed: int) -> Competition:
    """The markets of some rounds, by rounds and then by games: prices do not move them.

    Returns:
        A batch (rounds·num_envs,), or the one market of a scenario that stands still.
    """
    games = Games(scenario, num_envs, rounds + 1)
    games.reset(seed)
    if not games.moves:
        return games.market
    found = []
    for _ in range(rounds):
        found.append(games.market)
        games.step(np.broadcast_to(games.market.cost, (num_envs, games.market.M)))

    def join(name: str, value: Any) -> Any:
        if np.ndim(value) <= _OWN_AXES[name]:  # the same in all
            return value
        return np.concatenate([getattr(market, name) for market in found])

    return found[0].map(join)


@cache
def units_of(scenario: str) -> PriceUnits:
    """The units of a scenario's learners, from markets of training episodes.

    Raises:
        ValueError: in none of them a Nash equilibrium is found.
    """
    theory = Theory.of(markets_of(scenario, _GAMES, _ROUNDS, training_seed(0)))
    market, nash = theory.market, theory.nash
    found = np.atleast_1d(nash.converged)
    if not found.any():
        raise ValueError(f"scenario must have a Nash equilibrium of providers, got {scenario!r}")
    grids = competition.price_grid(market, LEVELS)
    if market.batch_shape:
        grids = grids[found]
    return PriceUnits(
        M=market.M,
        K=market.K,
        history=Games(scenario, 1, 1).history,
        low=float(grids.min()),
        high=float(grids.max()),
        steps=_mean(nash.shares * nash.steps, found),
        utility=_mean(nash.asp_utility, found),
        vmu_utility=_mean(np.abs(nash.vmu_utility), found),
        satisfaction=float(np.mean(market.satisfaction)),
    )


def _mean(values: Any, found: np.ndarray) -> float:
    values = np.asarray(values)
    return float(values.mean() if len(found) == 1 else values[found].mean())


def value_of_prices(units: PriceUnits, market: Competition, seat: int) -> np.ndarray:
    """(LEVELS,) a round's reward of each price of the grid while the others draw theirs from it."""
    M, prices = market.M, units.price(units.grid)
    others = np.stack(np.meshgrid(*[prices] * (M - 1), indexing="ij"), axis=-1).reshape(-1, M - 1)
    rivals = np.broadcast_to(others, (LEVELS, *others.shape))
    own = np.broadcast_to(prices[:, None, None], (*rivals.shape[:2], 1))
    posted = np.concatenate([rivals[..., :seat], own, rivals[..., seat:]], axis=-1)
    if market.batch_shape:
        posted = posted[:, :, None]
    answer = competition.respond(market, posted)
    settled = competition.settle(market, posted, answer.shares, answer.steps)
    earned = settled.asp_utility[..., seat].reshape(LEVELS, -1).mean(axis=1)
    return earned / units.utility
