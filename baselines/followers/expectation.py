"""What scripted followers that draw buy in expectation, where that is known and all that counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr, softmax

from aigc_market import followers as scripted
from aigc_market import rules
from aigc_market.followers import FollowerPolicy
from aigc_market.market import Market
from aigc_market.ssim.model import LiveSSIM


def in_expectation(followers: FollowerPolicy, market: Market) -> FollowerPolicy:
    """Followers that always buy what these buy in expectation; these, where it is not known.

    U_p is linear in what is sold, so against both every price earns the same in expectation. It is
    not where purchases are rationed or rounded to whole calls: there these are returned too.
    """
    # A subclass may buy otherwise.
    known = {scripted.Noisy: _noisy, scripted.Quantal: _quantal}.get(type(followers))
    linear = market.capacity is None and not isinstance(market.ssim, LiveSSIM)
    if known is None or not linear:
        return followers
    return lambda market, price, rng: known(followers, market, price)


def _noisy(followers: scripted.Noisy, market: Market, price: Any) -> np.ndarray:
    """E of a normal held within two bounds: the least factor is a bound like S_min."""
    rational = rules.best_response(market, price)
    low, high = market.per_vmu(market.min_steps), market.per_vmu(market.max_steps)
    low = np.minimum(np.maximum(low, scripted.LEAST_FACTOR * rational), high)
    deviation = np.maximum(followers.sigma * rational, 1e-9)  # σ may be 0, and so may purchases
    a, b = (low - rational) / deviation, (high - rational) / deviation
    inside = ndtr(b) - ndtr(a)
    tails = low * ndtr(a) + high * ndtr(-b)
    return tails + rational * inside + deviation * (_density(a) - _density(b))


def _density(z: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * np.minimum(z * z, 1e3)) / np.sqrt(2 * np.pi)


def _quantal(followers: scripted.Quantal, market: Market, price: Any) -> np.ndarray:
    bought = []
    for k in range(market.K):
        steps, logits = followers.logits(market, price, k)
        bought.append(softmax(logits, axis=-1) @ steps)
    return np.stack(bought, axis=-1)
