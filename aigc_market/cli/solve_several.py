"""What `aigc-market solve` tells of several providers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from aigc_market import competition
from aigc_market.cli.tables import Told, amount, fields, table
from aigc_market.market import Competition, check_between
from aigc_market.rendering.numbers import beside, exact, paid
from aigc_market.rendering.text import verdict

_SHARES = 4  # of the providers in a VMU's row


def of_several(market: Competition, prices: tuple[float, ...] | None) -> Told:
    """Equilibrium and cartel, and other prices beside them."""
    asked = None if prices is None else _asked(market, np.array(prices))
    nash, cartel = competition.nash(market), competition.cartel(market)
    title, at, gap, vmus = "Nash equilibrium", "Nash", "gap at most", "VMUs"
    if not nash.converged:
        title, at, gap = "No Nash equilibrium found: the smallest gap", "smallest gap", "gap"
        vmus = "VMUs at the smallest gap"
    columns = _earned(nash.prices, nash.asp_utility)
    columns["steps sold"] = map(amount, np.sum(nash.shares * nash.steps, axis=-1))
    columns[gap] = map(paid, map(beside, nash.gap, nash.asp_utility))
    shown = [
        table(title, "m", columns),
        verdict(nash),
        table("Cartel", "m", _earned(cartel.prices, cartel.asp_utility)),
    ]
    welfare = {at: nash.welfare, "cartel": cartel.welfare}
    if asked is not None:
        gain = competition.profit_gain(market, asked["asp_utility"], nash, cartel)
        deltas = [d if np.isfinite(d) else None for d in (*gain.each.tolist(), float(gain.mean))]
        asked["profit_gain"], asked["mean_profit_gain"] = deltas[:-1], deltas[-1]
        columns = _earned(asked["prices"], asked["asp_utility"])
        columns["steps sold"] = map(amount, asked["sold"])
        columns["Δ"] = map(_delta, deltas[:-1])
        columns["gain by another price"] = map(paid, asked["deviation_gains"])
        said = f"Δ of the mean {_delta(deltas[-1])}, NashConv {paid(asked['nash_conv'])}"
        shown += [table("Prices asked for", "m", columns), said]
        welfare["asked"] = asked["welfare"]
    columns = {
        "δ": map(exact, market.satisfaction),
        "% of requests": map(_each, 100 * nash.shares.T),
        "steps for each": map(_each, nash.steps.T),
        "utility U_k": map(paid, nash.vmu_utility),
    }
    words = ", ".join(f"{name} {paid(value)}" for name, value in welfare.items())
    shown += [table(vmus, "k", columns), f"VMUs' utility in all: {words}."]
    return {"nash": fields(nash), "cartel": fields(cartel), "asked": asked}, shown


def _asked(market: Competition, prices: np.ndarray) -> dict[str, Any]:
    """What prices (M,) pay, and what each provider would gain by another one."""
    shares, steps, _ = competition.respond(market, prices)
    check_between("prices", prices, "cost", market.cost, "max_price", market.max_price)
    settled = competition.settle(market, prices, shares, steps)
    gains = competition.deviation_gains(market, prices)
    return {
        "prices": prices,
        "shares": shares,
        "steps": steps,
        "sold": settled.sold,
        "asp_utility": settled.asp_utility,
        "vmu_utility": settled.vmu_utility(),
        "welfare": settled.vmu_utility().sum(),
        "deviation_gains": gains,
        "nash_conv": gains.sum(),
    }


def _earned(prices: np.ndarray, utility: np.ndarray) -> dict[str, Iterable[str]]:
    """Columns of providers."""
    return {"price": map(exact, prices), "utility U_m": map(paid, utility)}


def _delta(value: float | None) -> str:
    return "–" if value is None else exact(value, 4)


def _each(values: np.ndarray) -> str:
    """Of the providers, in a VMU's row."""
    shown = len(values) if len(values) <= _SHARES else _SHARES - 1
    return " ".join(f"{value:,.1f}" for value in values[:shown]) + " …" * (shown < len(values))
