"""How rewards are scaled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from aigc_market._arrays import is_array, larger, namespace
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.view_settings import ViewSettings
from aigc_market.game import best_surplus
from aigc_market.ssim import SSIMModel

_DRAWS, _SEED = 256, 0
"""Markets over which a law's equilibrium is averaged, and of what seed: the same for everyone."""


def leader_scales(settings: ViewSettings) -> np.ndarray:
    """Factors of the leaders' rewards, constants of the environment: equilibrium play is worth 1.

    They are of the market that the arguments describe. Where markets are drawn, or move, play is
    worth 1 on average over the law of their first rounds: a factor of the episode's own market
    would tell a learner how near the best its price is.

    Returns:
        (), or (M,) where providers compete. 1 where there is nothing to gain, or no equilibrium,
        and where rewards are not scaled.
    """
    if not settings.scale_rewards:
        return np.ones(())
    if not settings.random:
        return reciprocals(np.asarray(settings.oracle.utility))
    process = MarketProcess(settings, np.random.default_rng(_SEED), None, (_DRAWS,))
    utility = process.oracle.utility
    known = np.isfinite(utility)
    total, count = np.where(known, utility, 0.0).sum(axis=0), known.sum(axis=0)
    return reciprocals(total / np.maximum(count, 1))


def reciprocals(amounts: Any) -> Any:
    """1 / amount; 1 where there is nothing to gain, so that no reward is divided by zero."""
    return 1.0 / namespace(amounts).where(amounts > 0, amounts, 1.0)


def vmu_scales(market: Any, models: Iterable[SSIMModel]) -> Any:
    """Factors that make free best images worth 1 to each VMU.

    Args:
        market: one market or a batch, of one provider or several.
        models: of SSIM; the best of them counts.

    Returns:
        (…, K).
    """
    both = market.min_steps, market.max_steps
    bounds = [bound[..., None] if is_array(bound) and bound.ndim else bound for bound in both]
    free = [best_surplus(market.satisfaction, ssim, *bounds) for ssim in models]
    most = free[0]
    for other in free[1:]:
        most = larger(most, other)
    return reciprocals(most)
