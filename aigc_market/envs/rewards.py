"""How rewards are scaled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aigc_market._arrays import is_array, larger, namespace
from aigc_market.game import best_surplus
from aigc_market.ssim import SSIMModel


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
