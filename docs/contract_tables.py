"""What docs/menus.md says in numbers: of the oracle itself, and of kept results."""

from __future__ import annotations

import aigc_market
from baselines.report import table as aligned

_REFERENCE = ([200, 200], [100, 300], [150, 250], [200, 210, 240, 260])
"""δ of the markets by which the oracle is pinned."""


def reference() -> str:
    """The best menus of a few markets, and what a price per step earns there."""
    rows = []
    for delta in _REFERENCE:
        market = aigc_market.Market(K=len(delta), satisfaction=delta)
        best, price = aigc_market.solve_menu(market), aigc_market.solve(market)
        earned = [f"{solved.asp_utility:,.1f}" for solved in (best, price)]
        listed = [", ".join(f"{x:.1f}" for x in values) for values in (best.steps, best.fees)]
        rows.append((", ".join(map(str, delta)), *listed, *earned))
    return aligned(("δ", "steps", "fees", "profit", "of a price"), rows, words=3)
