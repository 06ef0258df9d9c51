"""The record of a round: all that a frame of it shows."""

from __future__ import annotations

from typing import NamedTuple


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


EPISODE = Round._fields[:5]
"""The fields that are the same in all rounds of an episode."""
