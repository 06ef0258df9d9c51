"""Scripted followers: how the VMUs of the single-agent views buy.

A follower policy is a function (market, price, rng) → steps: `price` is (…), the steps are
(…, K), and every random choice comes from `rng`. Steps outside the bounds are clipped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from aigc_market import _checks, game
from aigc_market.market import Market

FollowerPolicy = Callable[[Market, Any, np.random.Generator], Any]


def best_response(market: Market, price: Any, rng: np.random.Generator) -> Any:
    """Rational followers (Eqs. 9–11)."""
    return game.best_response(market, price)


SCRIPTED: dict[str, FollowerPolicy] = {"best_response": best_response}
"""Follower policies by name."""


def resolve(policy: str | FollowerPolicy) -> FollowerPolicy:
    """The follower policy meant by the keyword argument `vmus` of the single-agent views."""
    if callable(policy):
        return policy
    return SCRIPTED[_checks.choice("vmus", policy, SCRIPTED)]
