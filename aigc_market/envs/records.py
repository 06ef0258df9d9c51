"""What the environments tell `rendering` and `replay` of a round."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from aigc_market import game
from aigc_market.market import Market
from aigc_market.rendering import Round


class Played(NamedTuple):
    """A round of one market, as it was settled."""

    market: Market
    number: int
    """Of the round."""
    price: float
    utility: float
    """U_p."""
    best: tuple[float, float]
    """p* and U_p* of the market."""
    regret: float
    """Of the leader, against rational followers."""
    asked: Any
    """(K,) steps."""
    delivered: Any
    """(K,) steps."""
    served: tuple[Any, ...] = ()
    """(K) the images that were really made, each with its `image`, (size, size, 3) in [0, 1], and
    its `ssim`; none where none are made."""


def opening(rounds: int, market: Market, best: tuple[float, float]) -> Round:
    """What there is to see before the first of so many rounds."""
    nothing = np.zeros(market.K)
    return record(rounds, Played(market, 0, market.cost, 0.0, best, 0.0, nothing, nothing))


def record(rounds: int, played: Played) -> Round:
    """The record of a round, of so many."""
    market, ssim = played.market, played.market.ssim
    delivered = np.asarray(played.delivered, np.float64)
    most = game.best_surplus(np.ones(market.K), ssim, market.min_steps, market.max_steps)
    gained = ssim.gain(delivered)
    served = played.served
    measured = [result.ssim for result in served] if served else ssim(delivered).tolist()
    return Round(
        rounds=rounds,
        cost=float(market.cost),
        max_price=float(market.max_price),
        min_steps=float(market.min_steps),
        max_steps=float(market.max_steps),
        number=played.number,
        price=float(played.price),
        equilibrium_price=float(played.best[0]),
        utility=float(played.utility),
        equilibrium_utility=float(played.best[1]),
        regret=float(played.regret),
        capacity=None if market.capacity is None else float(market.capacity),
        asked=np.asarray(played.asked, np.float64).tolist(),
        delivered=delivered.tolist(),
        ssim=measured,
        quality=np.where(most > 0, gained / np.where(most > 0, most, 1.0), 0.0).tolist(),
        active=None if market.active is None else market.active.tolist(),
        images=[_hexadecimal(result.image) for result in served] or None,
    )


def _hexadecimal(image: np.ndarray) -> str:
    return np.round(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8).tobytes().hex()
