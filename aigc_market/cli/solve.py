"""`aigc-market solve`: the equilibrium of a market of one provider, or of several."""

from __future__ import annotations

import dataclasses
import json as jsons
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from rich.console import Console
from rich.table import Table
from tyro.conf import arg

import aigc_market
from aigc_market import competition
from aigc_market.cli.arguments import MarketFlags, begin, environment, several
from aigc_market.curves import theorem_2
from aigc_market.market import Competition, Market, check_between
from aigc_market.rendering.numbers import beside, count, exact, paid
from aigc_market.rendering.text import verdict

_ROWS = 12  # of a table: a larger market shows this many of its providers and VMUs
_SHARES = 4  # of the providers in a VMU's row

Told = tuple[dict[str, Any], list[Any]]
"""All numbers, and what is shown of them."""


class SolveFlags(TypedDict, total=False):
    """What may be left out beside the market."""

    active: tuple[Literal[0, 1], ...]
    """One provider: which VMUs are there to buy. Unset: all, or as the scenario says."""
    prices: tuple[float, ...]
    """Several providers: M prices to hold against equilibrium and cartel: what they earn, their
    profit gain Δ (0: Nash, 1: cartel), and what each provider would gain by another price."""


def solve(
    market: Annotated[MarketFlags, arg(name="")],
    flags: Annotated[SolveFlags, arg(name="")],
    json: bool = False,
) -> None:
    """Solve a market: what the leader's best price is, what it sells and earns, and what binds.

    Of several providers: their Nash equilibrium with its certificate, and their cartel. Where no
    equilibrium in pure strategies is found it says so, and tells the prices of the smallest gap and
    how best replies go round. Of a scenario, the first market drawn from the seed; unset: 0.

    Args:
        market: The market.
        flags: What may be left out beside it.
        json: All numbers of all providers and VMUs, as JSON.
    """
    found = _market({**market, **flags})
    if isinstance(found, Competition):
        numbers, shown = _of_several(found, flags.get("prices"))
    else:
        numbers, shown = _of_one(found)
    if json:
        told = {"market": _fields(found), **numbers}
        print(jsons.dumps(told, indent=2, ensure_ascii=False, allow_nan=False, default=_plain))
    else:
        Console(highlight=False).print(*shown, sep="\n")


def _market(flags: dict[str, Any]) -> Market | Competition:
    """The first that is drawn."""
    active = flags.get("active")
    if active and "satisfaction" not in flags:
        flags.setdefault("K", len(active))
    # Nobody posts a price; the usual rivals are refused where there may be no equilibrium.
    env = environment(flags, **({"rivals": "cartel"} if several(flags) else {}))
    begin(env, flags)
    if "seed" not in flags:
        env.reset(seed=0)
    return dataclasses.replace(env.market, active=np.array(active, bool)) if active else env.market


def _fields(of: Any) -> dict[str, Any]:
    return {field.name: getattr(of, field.name) for field in dataclasses.fields(of)}


def _plain(value: Any) -> Any:
    """What JSON does not know: arrays as lists, SSIM models as they are written in Python."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else repr(value)


def _of_one(market: Market) -> Told:
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
    sales = _steps(sold) if sold else "none: nobody buys at any price"
    if asked > sold * (1 + 1e-9):
        sales += f", cut from {_steps(asked)} asked for"
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
        "steps": map(_steps, found.steps),
        "surplus": map(paid, found.vmu_surplus),
        "binds": binds,
    }
    numbers = {**_fields(found), "binding": binding._asdict(), "theorem_2_price": theorem}
    return numbers, [totals, _table("VMUs", "k", vmus)]


def _of_several(market: Competition, prices: tuple[float, ...] | None) -> Told:
    """Equilibrium and cartel, and other prices beside them."""
    asked = None if prices is None else _asked(market, np.array(prices))
    nash, cartel = competition.nash(market), competition.cartel(market)
    title, at, gap, vmus = "Nash equilibrium", "Nash", "gap at most", "VMUs"
    if not nash.converged:
        title, at, gap = "No Nash equilibrium found: the smallest gap", "smallest gap", "gap"
        vmus = "VMUs at the smallest gap"
    columns = _earned(nash.prices, nash.asp_utility)
    columns["steps sold"] = map(_steps, np.sum(nash.shares * nash.steps, axis=-1))
    columns[gap] = map(paid, map(beside, nash.gap, nash.asp_utility))
    shown = [
        _table(title, "m", columns),
        verdict(nash),
        _table("Cartel", "m", _earned(cartel.prices, cartel.asp_utility)),
    ]
    welfare = {at: nash.welfare, "cartel": cartel.welfare}
    if asked is not None:
        gain = competition.profit_gain(market, asked["asp_utility"], nash, cartel)
        deltas = [d if np.isfinite(d) else None for d in (*gain.each.tolist(), float(gain.mean))]
        asked["profit_gain"], asked["mean_profit_gain"] = deltas[:-1], deltas[-1]
        columns = _earned(asked["prices"], asked["asp_utility"])
        columns["steps sold"] = map(_steps, asked["sold"])
        columns["Δ"] = map(_delta, deltas[:-1])
        columns["gain by another price"] = map(paid, asked["deviation_gains"])
        said = f"Δ of the mean {_delta(deltas[-1])}, NashConv {paid(asked['nash_conv'])}"
        shown += [_table("Prices asked for", "m", columns), said]
        welfare["asked"] = asked["welfare"]
    columns = {
        "δ": map(exact, market.satisfaction),
        "% of requests": map(_each, 100 * nash.shares.T),
        "steps for each": map(_each, nash.steps.T),
        "utility U_k": map(paid, nash.vmu_utility),
    }
    words = ", ".join(f"{name} {paid(value)}" for name, value in welfare.items())
    shown += [_table(vmus, "k", columns), f"VMUs' utility in all: {words}."]
    return {"nash": _fields(nash), "cartel": _fields(cartel), "asked": asked}, shown


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


def _steps(value: float) -> str:
    return f"{value:,.3f}"


def _delta(value: float | None) -> str:
    return "–" if value is None else exact(value, 4)


def _each(values: np.ndarray) -> str:
    """Of the providers, in a VMU's row."""
    shown = len(values) if len(values) <= _SHARES else _SHARES - 1
    return " ".join(f"{value:,.1f}" for value in values[:shown]) + " …" * (shown < len(values))


def _table(title: str, key: str, columns: Mapping[str, Iterable[str]]) -> Table:
    """A row for each provider or VMU; those in the middle of many are left out."""
    table = Table(key, *columns, title=title)
    for column in table.columns:
        column.justify = "right"
    rows = [*enumerate(zip(*columns.values(), strict=True))]
    if len(rows) > _ROWS:
        table.caption = f"{len(rows) - _ROWS:,} more between these: see --json"
        del rows[_ROWS // 2 : -_ROWS // 2]
    for number, cells in rows:
        table.add_row(str(number), *cells)
    return table
