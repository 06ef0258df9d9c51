"""The records of rounds: all that text and frames show of them, and what their fields may hold.

The fields of each before `number` are the same in all rounds of an episode.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any, NamedTuple, Self, TypeVar

from aigc_market import _checks

_LARGEST = 1e100
"""What can be drawn: far beyond what a game pays whose prices and steps are single-precision."""


def _number(least: float) -> partial[float]:
    return partial(_checks.number, at_least=least, at_most=_LARGEST)


def _count(name: str, value: Any) -> int:
    _checks.number(name, _checks.integer(name, value, at_least=1), at_most=_LARGEST)
    return value


def _image(name: str, value: Any) -> str:
    try:
        pixels = len(bytes.fromhex(value)) / 3
    except (TypeError, ValueError):
        pixels = math.nan
    if not (pixels > 0 and pixels == math.isqrt(int(pixels)) ** 2):
        raise ValueError(
            f"{name} must be a square RGB image in hexadecimal digits, got {str(value)[:40]!r}"
        )
    return value


# Each type comes with the check of what is read from a file: called with a name and a value, which
# it returns or refuses. Lists come with what there is one value of.
_Value = TypeVar("_Value")
ByProvider = Annotated[list[_Value], "provider"]
ByVMU = Annotated[list[_Value], "VMU"]
ByContract = Annotated[list[_Value], "contract"]
Count = Annotated[int, _count]
Number = Annotated[float, _number(-_LARGEST)]
NotNegative = Annotated[float, _number(0)]
Positive = Annotated[float, _number(1 / _LARGEST)]  # it divides
Share = Annotated[float, partial(_checks.number, at_least=0, at_most=1 + 1e-5)]
Place = Annotated[float, partial(_checks.number, at_least=0, below=1)]
Choice = Annotated[int, partial(_checks.integer, at_least=0)]
Flag = Annotated[bool, _checks.flag]
Image = Annotated[str, _image]


class Round(NamedTuple):
    """What happened in a round; numbers, lists and strings only. K is the number of VMUs."""

    rounds: Count
    """T, rounds of the episode."""
    cost: NotNegative
    """c, what a step costs the leader."""
    max_price: NotNegative
    """p_max."""
    min_steps: NotNegative
    """S_min, the fewest steps that a VMU may buy."""
    max_steps: Positive
    """S_max, the most."""
    number: Count
    """Of this round, from 1 on; 0 where none has been played and the market waits for a price."""
    price: NotNegative
    """p, as posted; the cost before the first round."""
    equilibrium_price: NotNegative
    """p* of the market in which the round was played."""
    utility: Number
    """U_p of the leader."""
    equilibrium_utility: Number
    """U_p*."""
    regret: NotNegative
    """What the price costs the leader against rational followers."""
    capacity: Positive | None
    """R, steps that can be run in a round, or None for no limit."""
    asked: ByVMU[NotNegative]
    """(K) steps that each VMU asked for."""
    delivered: ByVMU[NotNegative]
    """(K) steps that each VMU got."""
    ssim: ByVMU[Number]
    """(K) SSIM of each delivered image, measured where it was really made, else the model's."""
    quality: ByVMU[Number]
    """(K) (SSIM(S_k) − SSIM(0)) / (max SSIM − SSIM(0)) of the model, the maximum over the steps for
    sale; 0 for nothing bought, 1 for the best image, below 0 where a few steps do harm."""
    active: ByVMU[Flag] | None
    """(K) who was there to buy, or None where everyone always is."""
    images: ByVMU[Image] | None
    """(K) the images delivered, where they are really made; square, RGB, row by row, each byte two
    hexadecimal digits."""

    def without_vmus(self) -> Self:
        """With nothing about single VMUs: charts need no more of earlier rounds."""
        return self._replace(asked=[], delivered=[], ssim=[], quality=[], active=None, images=None)


class CompetitionRound(NamedTuple):
    """What happened in a round; numbers and lists only. M providers, K VMUs.

    Where the round was not judged, what Nash and cartel say is None; where no Nash equilibrium was
    found, what it says and the profit gain.
    """

    rounds: Count
    """T, rounds of the episode."""
    cost: ByProvider[NotNegative]
    """(M) c, what a step costs each provider."""
    max_price: ByProvider[NotNegative]
    """(M) p_max."""
    min_steps: NotNegative
    """S_min, the fewest steps of a request."""
    max_steps: Positive
    """S_max, the most."""
    number: Count
    """Of this round, from 1 on; 0 where none has been played and the market waits for prices."""
    prices: ByProvider[NotNegative]
    """(M) p, as posted; the costs before the first round."""
    nash_prices: ByProvider[NotNegative] | None
    """(M) of the providers' Nash equilibrium in the market in which the round was played."""
    cartel_prices: ByProvider[NotNegative] | None
    """(M) that earn the most in all."""
    utility: ByProvider[Number]
    """(M) U_m."""
    nash_utility: ByProvider[Number] | None
    """(M) U_m at the Nash prices."""
    cartel_utility: ByProvider[Number] | None
    """(M) U_m at the cartel's prices."""
    profit_gain: ByProvider[Number | None] | None
    """(M) Δ = (U_m − U_Nash)/(U_cartel − U_Nash); an entry is None where the two are the same."""
    mean_profit_gain: Number | None
    """Δ of the mean of the utilities."""
    capacity: ByProvider[Positive] | None
    """(M) R, steps that can be run in a round, or None for no limit."""
    shares: ByProvider[ByVMU[Share]]
    """(M, K) q, the share of its requests that each VMU sent to each provider."""
    demand: ByProvider[ByVMU[NotNegative]]
    """(M, K) q·S, steps that each VMU asked for at each provider."""
    sold: ByProvider[NotNegative]
    """(M) steps delivered in all."""
    vmu_utility: ByVMU[Number]
    """(K) U_k of what was delivered."""
    access_cost: ByProvider[ByVMU[NotNegative]]
    """(M, K) τ, what reaching each provider costs each VMU for a request."""
    places: ByVMU[Place] | None
    """(K) in [0, 1): where the VMUs are on a ring road, on which provider m stands at (m + ½)/M;
    None where they are nowhere in particular."""

    def without_vmus(self) -> Self:
        """With nothing about single VMUs: charts need no more of earlier rounds."""
        return self._replace(shares=[], demand=[], vmu_utility=[], access_cost=[], places=None)


class MenuRound(NamedTuple):
    """What happened in a round; numbers and lists only. L contracts, K VMUs."""

    rounds: Count
    """T, rounds of the episode."""
    cost: NotNegative
    """c, what a step costs the leader."""
    max_fee: NotNegative
    """F."""
    max_steps: Positive
    """S_max, the most steps of a contract."""
    number: Count
    """Of this round, from 1 on; 0 where none has been played and the market waits for a menu."""
    steps: ByContract[NotNegative]
    """(L) S of each contract, as posted; 0 before the first round."""
    fees: ByContract[NotNegative]
    """(L) T of each contract, as posted; 0 before the first round."""
    best_steps: ByContract[NotNegative]
    """(L) S of the best menu of as many contracts in the market in which the round was played, in
    rising order; a row of 0 steps and fee 0 is no contract."""
    best_fees: ByContract[NotNegative]
    """(L) T of the best menu."""
    taken: ByVMU[Choice]
    """(K) the number of the contract that each VMU took, 1 to L, or 0 for none."""
    best_taken: ByVMU[Choice]
    """(K) what each takes of the best menu, counted alike."""
    satisfaction: ByVMU[NotNegative]
    """(K) δ."""
    surplus: ByVMU[Number]
    """(K) δ_k·(SSIM(S) − SSIM(0)) − T of what each VMU took."""
    quality: ByContract[Number]
    """(L) (SSIM(S) − SSIM(0)) / (max SSIM − SSIM(0)) of each contract, as posted."""
    utility: Number
    """Of the leader, Σ (T − c·S) over what was taken."""
    equilibrium_utility: Number
    """Of the leader with the best menu, from rational VMUs."""
    regret: NotNegative
    """What the menu costs the leader against rational followers."""

    def without_vmus(self) -> Self:
        """With nothing about single VMUs but what they take: charts need no more."""
        return self._replace(satisfaction=[], surplus=[])


Record = Round | CompetitionRound | MenuRound
"""Of any game."""
