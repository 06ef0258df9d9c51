"""What `aigc-market solve` tells of one provider that posts a price."""

from __future__ import annotations

import numpy as np
from rich.table import Table

import aigc_market
from aigc_market.cli.tables import Told, amount, fields, table
from aigc_market.curves import theorem_2
from aigc_market.market import Market
from aigc_market.rendering.numbers import count, exact, paid


def of_one(market: Market) -> Told:
    """The equilibrium."""
    found, theorem = aigc_market.solve(market), theorem_2(market)
    low, high, *_ = binding = found.binding
    limits = {
        f"the cost {exact(market.cost)} as a price": binding.min_price,
        f"the highest price {exact(market.max_price)}": binding.max_price,
        f"the capacity {exact(market.capacity or 0)}": binding.capacity,
    }
    for name, bound, at in (("S_min", market.min_steps, low), ("S_max", market.max_steps, high)):
        limits[f"{name} = {exact(bound)} for {at.sum():,} of {count(market.K, 'VMU')}"] = at.any()
    asked, sold = aigc_market.best_response(market, found.price).sum(), found.steps.sum()
    sales = amount(sold) if sold else "none: nobody buys at any price"
    if asked > sold * (1 + 1e-9):
        sales += f", cut from {amount(asked)} asked for"
    said = "says nothing: demand is no line (SSIM is no parabola), or nobody is there"
    if theorem is not None:
        applies = "it applies" if found.closed_form else "it does not apply, since a bound binds"
        said = f"{exact(theorem)}: {applies}"
    totals = Table(title="Stackelberg equilibrium", show_header=False)
    totals.add_row("price p*", exact(found.price))
    totals.add_row("ASP utility U_p*", paid(found.asp_utility))
    totals.add_row("steps sold", sales)
    totals.add_row("binds", ", ".join(name for name, at in limits.items() if at) or "nothing")
    totals.add_row("Theorem 2", said)
    binds = np.select([low & high, low, high], ["S_min, S_max", "S_min", "S_max"], "")
    if market.active is not None:
        binds = np.where(market.active, binds, "not there")
    vmus = {
        "δ": map(exact, market.satisfaction),
        "steps": map(amount, found.steps),
        "surplus": map(paid, found.vmu_surplus),
        "binds": binds,
    }
    numbers = {**fields(found), "binding": binding._asdict(), "theorem_2_price": theorem}
    return numbers, [totals, table("VMUs", "k", vmus)]
