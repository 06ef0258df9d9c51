"""Until the solvers are moved."""

from aigc_market.rules import Answer, Response, best_utility, rational, respond, together
from aigc_market.rules import PairSettlement as Settlement
from aigc_market.rules import PairSettlement as settle_in  # noqa: N813
from aigc_market.rules import settle_pairs as settle

__all__ = [
    "Answer", "Response", "Settlement", "best_utility", "rational", "respond", "settle",
    "settle_in", "together", "values_of",
]


def values_of(layout, price, steps):
    """Until the solvers are moved."""
    return layout.worth(price, steps)
