"""What the environments tell `rendering` and `replay` of a round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aigc_market import game
from aigc_market.market import Market
from aigc_market.rendering import Round


def opening(rounds: int, market: Market, best: tuple[float, float]) -> Round:
    """What there is to see before the first round of an episode."""
    nothing = np.zeros(market.K)
    return played(rounds, market, 0, market.cost, best, 0.0, 0.0, nothing, nothing)


def played(
    rounds: int,
    market: Market,
    number: int,
    price: float,
    best: tuple[float, float],
    utility: float,
    regret: float,
    asked: Any,
    delivered: Any,
    served: Sequence[Any] = (),
) -> Round:
    """The record of a round.

    Args:
        rounds: T.
        market: the one market in which the round was played.
        number: of the round.
        price: p.
        best: p* and U_p* of the market.
        utility: U_p.
        regret: of the leader.
        asked: (K,) steps.
        delivered: (K,) steps.
        served: (K) the images that were really made, each with its `image`, (size, size, 3) in
            [0, 1], and its `ssim`.
    """
    ssim, delivered = market.ssim, np.asarray(delivered, np.float64)
    most = game.best_surplus(np.ones(market.K), ssim, market.min_steps, market.max_steps)
    gained = ssim.gain(delivered)
    measured = [result.ssim for result in served] if served else ssim(delivered).tolist()
    return Round(
        rounds=rounds,
        cost=float(market.cost),
        max_price=float(market.max_price),
        min_steps=float(market.min_steps),
        max_steps=float(market.max_steps),
        number=number,
        price=float(price),
        equilibrium_price=float(best[0]),
        utility=float(utility),
        equilibrium_utility=float(best[1]),
        regret=float(regret),
        capacity=None if market.capacity is None else float(market.capacity),
        asked=np.asarray(asked, np.float64).tolist(),
        delivered=delivered.tolist(),
        ssim=measured,
        quality=np.where(most > 0, gained / np.where(most > 0, most, 1.0), 0.0).tolist(),
        active=None if market.active is None else market.active.tolist(),
        images=[_hexadecimal(result.image) for result in served] or None,
    )


def _hexadecimal(image: np.ndarray) -> str:
    return np.round(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8).tobytes().hex()
