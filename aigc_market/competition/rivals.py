"""Scripted rivals: how the other providers of the single-agent view post their prices.

A rival policy is a function (market, seat, last_prices, oracle, rng) → price: `last_prices` are
the (…, M) prices of the round before, None in an episode's first; `oracle` knows what the market's
Nash equilibrium and cartel are; the price is (…), and every random choice comes from `rng`. By
name: "nash", "cartel", "best_reply" and "tit_for_tat".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import as_numpy
from aigc_market.competition.deviation import best_deviation
from aigc_market.market import Competition


class Oracle(Protocol):
    """What rivals may know of the market in force; each is solved when it is first asked for."""

    @property
    def nash_price(self) -> Any:
        """(…, M); NaN where no Nash equilibrium was found."""
        ...

    @property
    def cartel_price(self) -> Any:
        """(…, M)."""
        ...


RivalPolicy = Callable[[Competition, int, Any, Oracle, np.random.Generator], Any]


def nash(
    market: Competition, seat: int, last_prices: Any, oracle: Oracle, rng: np.random.Generator
) -> Any:
    """A rival that posts its Nash price, whatever the others do."""
    return _nash_prices(oracle)[..., seat]


def cartel(
    market: Competition, seat: int, last_prices: Any, oracle: Oracle, rng: np.random.Generator
) -> Any:
    """A rival that posts its price in the cartel, whatever the others do."""
    return oracle.cartel_price[..., seat]


def best_reply(
    market: Competition, seat: int, last_prices: Any, oracle: Oracle, rng: np.random.Generator
) -> Any:
    """A rival that answers the last round's prices with what pays best against them.

    Exact, by `best_deviation`, which costs far more than a round: tens of rounds for each market
    and rival. Before the first round every price is its provider's cost, as in observations.
    """
    if last_prices is None:
        last_prices = market.cost
    return best_deviation(market, seat, last_prices).price


def tit_for_tat(
    market: Competition, seat: int, last_prices: Any, oracle: Oracle, rng: np.random.Generator
) -> Any:
    """A rival that is as cooperative as the least cooperative of the others was in the last round.

    λ_j = (p_j − p_Nash_j)/(p_cartel_j − p_Nash_j), held within [0, 1], says how far provider j went
    from its Nash price to the cartel's. The rival goes as far: p_Nash + λ·(p_cartel − p_Nash), with
    the smallest λ of the others, and 1 in the first round.
    """
    low, high = _nash_prices(oracle), oracle.cartel_price
    if last_prices is None:
        return high[..., seat]
    way = high - low
    with np.errstate(divide="ignore", invalid="ignore"):
        gone = np.where(way == 0, 1.0, (last_prices - low) / way)  # no way to go: all of it
    gone[..., seat] = 1.0
    least = np.clip(gone, 0.0, 1.0).min(axis=-1)
    return low[..., seat] + least * way[..., seat]


def _nash_prices(oracle: Oracle) -> Any:
    """(…, M).

    Raises:
        ValueError: in some market none was found.
    """
    prices = oracle.nash_price
    if np.isnan(prices).any():
        raise ValueError(
            'rivals must not be "nash" or "tit_for_tat" in a market in which no Nash equilibrium '
            'of the providers is found; allowed there: "cartel", "best_reply" or a function'
        )
    return prices


SCRIPTED: dict[str, RivalPolicy] = {
    "nash": nash,
    "cartel": cartel,
    "best_reply": best_reply,
    "tit_for_tat": tit_for_tat,
}
"""Rival policies by name."""

STEADY: tuple[RivalPolicy, ...] = (nash, cartel)
"""Those whose price depends on the market alone."""


def price(
    policy: RivalPolicy,
    market: Competition,
    seat: int,
    last_prices: Any,
    oracle: Oracle,
    rng: np.random.Generator,
    shape: tuple[int, ...],
) -> np.ndarray:
    """The price that a rival posts, in single precision as all prices are, and checked.

    Args:
        policy: is asked.
        market: one market or a batch, of NumPy.
        seat: the rival's.
        last_prices: (…, M) of the last round, or None.
        oracle: of the market.
        rng: of its random choices.
        shape: of the answer: one price for each market.

    Returns:
        (…) price, double precision, fresh memory.

    Raises:
        ValueError: it answers with something else than finite numbers that broadcast to that shape,
            or leaves the bounds of the seat's prices.
    """
    posted = as_numpy(policy(market, seat, last_prices, oracle, rng))
    low, high = (
        np.asarray(bound[..., seat], np.float32) for bound in (market.cost, market.max_price)
    )
    if posted.dtype.kind in "fiu":
        with contextlib.suppress(ValueError), np.errstate(over="ignore"):  # of another shape
            prices = np.broadcast_to(posted, shape).astype(np.float32)
            # Never up: a price a hair too high loses a whole purchase where SSIM is a table.
            below = np.nextafter(prices, np.float32(0))
            prices = np.where((prices > posted) & (below >= low), below, prices)
            if np.all((prices >= low) & (prices <= high)):  # nor is NaN
                return prices.astype(np.float64)
    raise ValueError(
        f"rivals must post finite prices of shape {shape} from the cost to max_price, for "
        f"provider {seat} within [{low!r}, {high!r}], got {posted!r}"
    )


def resolve(
    policies: str | RivalPolicy | Sequence[str | RivalPolicy], count: int
) -> list[RivalPolicy]:
    """The rival policies meant by the keyword argument `rivals`, one for each of so many.

    Raises:
        TypeError, ValueError: an unknown name, or as many in a sequence as there are not rivals.
    """
    if isinstance(policies, str) or not isinstance(policies, Sequence):
        return resolve([policies], 1) * count
    if len(policies) != count:
        raise ValueError(
            f"rivals must be one policy or a sequence of M − 1 = {count}, "
            f"got {len(policies)}: {policies!r}"
        )
    return [
        policy if callable(policy) else SCRIPTED[_checks.choice("rivals", policy, SCRIPTED)]
        for policy in policies
    ]
