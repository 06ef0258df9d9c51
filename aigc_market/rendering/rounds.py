"""The records of rounds: all that text and frames show of them."""

from __future__ import annotations

from typing import NamedTuple

EPISODE = ("rounds", "cost", "max_price", "min_steps", "max_steps")
"""The fields of a record that are the same in all rounds of an episode."""


class Round(NamedTuple):
    """What happened in a round; numbers, lists and strings only. K is the number of VMUs."""

    rounds: int
    """T, rounds of the episode."""
    cost: float
    """c, what a step costs the leader."""
    max_price: float
    """p_max."""
    min_steps: float
    """S_min, the fewest steps that a VMU may buy."""
    max_steps: float
    """S_max, the most."""
    number: int
    """Of this round, from 1 on; 0 where none has been played and the market waits for a price."""
    price: float
    """p, as posted; the cost before the first round."""
    equilibrium_price: float
    """p* of the market in which the round was played."""
    utility: float
    """U_p of the leader."""
    equilibrium_utility: float
    """U_p*."""
    regret: float
    """What the price costs the leader against rational followers."""
    capacity: float | None
    """R, steps that can be run in a round, or None for no limit."""
    asked: list[float]
    """(K) steps that each VMU asked for."""
    delivered: list[float]
    """(K) steps that each VMU got."""
    ssim: list[float]
    """(K) SSIM of each delivered image, measured where it was really made, else the model's."""
    quality: list[float]
    """(K) (SSIM(S_k) − SSIM(0)) / (max SSIM − SSIM(0)) of the model, the maximum over the steps for
    sale; 0 for nothing bought, 1 for the best image, below 0 where a few steps do harm."""
    active: list[bool] | None
    """(K) who was there to buy, or None where everyone always is."""
    images: list[str] | None
    """(K) the images delivered, where they are really made; square, RGB, row by row, each byte two
    hexadecimal digits."""


class CompetitionRound(NamedTuple):
    """What happened in a round; numbers and lists only. M providers, K VMUs.

    Where the round was not judged, what Nash and cartel say is None; where no Nash equilibrium was
    found, what it says and the profit gain.
    """

    rounds: int
    """T, rounds of the episode."""
    cost: list[float]
    """(M) c, what a step costs each provider."""
    max_price: list[float]
    """(M) p_max."""
    min_steps: float
    """S_min, the fewest steps of a request."""
    max_steps: float
    """S_max, the most."""
    number: int
    """Of this round, from 1 on; 0 where none has been played and the market waits for prices."""
    prices: list[float]
    """(M) p, as posted; the costs before the first round."""
    nash_prices: list[float] | None
    """(M) of the providers' Nash equilibrium in the market in which the round was played."""
    cartel_prices: list[float] | None
    """(M) that earn the most in all."""
    utility: list[float]
    """(M) U_m."""
    nash_utility: list[float] | None
    """(M) U_m at the Nash prices."""
    cartel_utility: list[float] | None
    """(M) U_m at the cartel's prices."""
    profit_gain: list[float | None] | None
    """(M) Δ = (U_m − U_Nash)/(U_cartel − U_Nash); an entry is None where the two are the same."""
    mean_profit_gain: float | None
    """Δ of the mean of the utilities."""
    capacity: list[float] | None
    """(M) R, steps that can be run in a round, or None for no limit."""
    shares: list[list[float]]
    """(M, K) q, the share of its requests that each VMU sent to each provider."""
    demand: list[list[float]]
    """(M, K) q·S, steps that each VMU asked for at each provider."""
    sold: list[float]
    """(M) steps delivered in all."""
    vmu_utility: list[float]
    """(K) U_k of what was delivered."""
    access_cost: list[list[float]]
    """(M, K) τ, what reaching each provider costs each VMU for a request."""
    places: list[float] | None
    """(K) in [0, 1): where the VMUs are on a ring road, on which provider m stands at (m + ½)/M;
    None where they are nowhere in particular."""
