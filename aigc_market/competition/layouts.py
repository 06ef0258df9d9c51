"""Until the solvers are moved."""

from aigc_market.rules import PairTerms as Columns
from aigc_market.rules import PairTerms as Layout

__all__ = ["Columns", "Layout"]
