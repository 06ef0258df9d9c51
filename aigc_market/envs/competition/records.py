"""What the environments of several providers tell `rendering` and `replay` of a round."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from aigc_market.competition import Competition
from aigc_market.envs.competition.oracle import Benchmarks
from aigc_market.rendering import CompetitionRound


class Judged(NamedTuple):
    """What a round is held against; NaN where no Nash equilibrium was found."""

    nash_prices: Any
    """(M,), as all but the last."""
    nash_utility: Any
    cartel_prices: Any
    cartel_utility: Any
    profit_gain: Any
    mean_profit_gain: float


class Played(NamedTuple):
    """A round of one market, as it was settled; pairs are (M, K) or flat, provider by provider."""

    market: Competition
    number: int
    """Of the round."""
    prices: Any
    """(M,)."""
    utility: Any
    """(M,) U_m."""
    judged: Judged | None
    """None where the oracle is not asked."""
    shares: Any
    """(M, K)."""
    demand: Any
    """(M, K) q·S as asked for."""
    sold: Any
    """(M,) as delivered."""
    vmu_utility: Any
    """(K,) of what was delivered."""
    places: Any = None
    """(K,) in [0, 1) on the ring road, or None."""


def judge(benchmarks: Benchmarks, utility: Any) -> Judged:
    """What utilities (M,) in one market are held against."""
    means = benchmarks.map(np.mean)
    return Judged(
        *vars(benchmarks).values(),
        profit_gain=benchmarks.profit_gain(utility),
        mean_profit_gain=float(means.profit_gain(np.mean(utility))),
    )


def opening(
    rounds: int, market: Competition, judged: Judged | None, places: Any = None
) -> CompetitionRound:
    """What there is to see before the first of so many rounds; its profit gain is left out."""
    providers, vmus = np.zeros(market.M), np.zeros(market.K)
    pairs = np.zeros((market.M, market.K))
    played = Played(
        market, 0, market.cost, providers, judged, pairs, pairs, providers, vmus, places
    )
    return record(rounds, played)._replace(profit_gain=None, mean_profit_gain=None)


def record(rounds: int, played: Played) -> CompetitionRound:
    """The record of a round, of so many."""
    market, judged = played.market, played.judged
    pairs = (market.M, market.K)
    found = judged is not None and np.all(np.isfinite(judged.nash_prices))
    gain = _some(judged.profit_gain) if judged and found else None
    return CompetitionRound(
        rounds=rounds,
        cost=_numbers(market.cost),
        max_price=_numbers(market.max_price),
        min_steps=float(market.min_steps),
        max_steps=float(market.max_steps),
        number=played.number,
        prices=_numbers(played.prices),
        nash_prices=_numbers(judged.nash_prices) if judged and found else None,
        cartel_prices=_numbers(judged.cartel_prices) if judged else None,
        utility=_numbers(played.utility),
        nash_utility=_numbers(judged.nash_utility) if judged and found else None,
        cartel_utility=_numbers(judged.cartel_utility) if judged else None,
        profit_gain=gain,
        mean_profit_gain=_some([judged.mean_profit_gain])[0] if judged and found else None,
        capacity=None if market.capacity is None else _numbers(market.capacity),
        shares=_numbers(np.reshape(played.shares, pairs)),
        demand=_numbers(np.reshape(played.demand, pairs)),
        sold=_numbers(played.sold),
        vmu_utility=_numbers(played.vmu_utility),
        access_cost=_numbers(market.access_cost),
        places=None if played.places is None else _numbers(played.places),
    )


def _numbers(values: Any) -> Any:
    return np.asarray(values, np.float64).tolist()


def _some(values: Any) -> list[float | None]:
    """The numbers, None in place of one that is none."""
    return [value if np.isfinite(value) else None for value in _numbers(values)]
