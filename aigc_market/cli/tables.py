"""What `aigc-market solve` tells of a market: its numbers as tables, and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from rich.table import Table

import aigc_market
from aigc_market import _checks, competition, menus
from aigc_market.curves import theorem_2
from aigc_market.market import Competition, Market, check_between
from aigc_market.menus import Menu
from aigc_market.rendering.numbers import beside, count, exact, in_a_row, paid, percent
from aigc_market.rendering.text import verdict

_ROWS = 12
"""Of a table: a larger market shows this many of its providers, contracts and VMUs."""

Told = tuple[dict[str, Any], list[Any]]
"""All numbers, and what is shown of them."""

_SHARES = 4  # of the providers in a VMU's row
_TARIFF = 300  # VMUs: the best two-part tariff takes time and memory of their square


def table(title: str, key: str, columns: Mapping[str, Iterable[str]], first: int = 0) -> Table:
    """A row for each provider, contract or VMU; those in the middle of many are left out.

    Args:
        title, key: of the table, and of the column of numbers.
        columns: their cells.
        first: the number of the first row.
    """
    made = Table(key, *columns, title=title)
    for column in made.columns:
        column.justify = "right"
    rows = [*enumerate(zip(*columns.values(), strict=True), first)]
    if len(rows) > _ROWS:
        made.caption = f"{len(rows) - _ROWS:,} more between these: see --json"
        del rows[_ROWS // 2 : -_ROWS // 2]
    for number, cells in rows:
        made.add_row(str(number), *cells)
    return made


def amount(value: float) -> str:
    """Steps, to the thousandth."""
    return f"{value:,.3f}"


def fields(of: Any) -> dict[str, Any]:
    """Of a dataclass, by name."""
    return {field.name: getattr(of, field.name) for field in dataclasses.fields(of)}


def plain(value: Any) -> Any:
    """What JSON does not know: arrays as lists, SSIM models as they are written in Python."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else repr(value)


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


def of_menus(market: Market, contracts: int | None) -> Told:
    """The best menu of so many contracts at most (None: of any number), and other mechanisms."""
    K, title = market.K, "Best menu"
    allowed = K if contracts is None else _checks.integer("contracts", contracts, at_least=1)
    found = best = _told_once(market, menus.solve_menu(market))
    if allowed < K:
        title += f" of {'1 contract' if allowed == 1 else f'at most {allowed:,} contracts'}"
        found = _told_once(market, menus.solve_menu(market, allowed))

    number, served = len(found.menu), np.count_nonzero(found.taken)
    nobody = "none: steps cost more than they are worth to anybody"
    totals = Table(title=title, show_header=False)
    totals.add_row("ASP utility", paid(found.asp_utility))
    totals.add_row("contracts", f"{number:,}")
    totals.add_row("VMUs that take one", f"{served:,} of {K:,}" if served else nobody)
    totals.add_row("steps sold", amount(found.steps.sum()))
    steps, fees = found.menu.T
    if K <= _ROWS:
        who = "taken by VMU"
        taken = [in_a_row(np.flatnonzero(found.taken == n + 1).tolist()) for n in range(number)]
    else:
        who, takers = "taken by", np.bincount(found.taken, minlength=number + 1)[1:]
        taken = [count(each, "VMU") for each in takers.tolist()]
    offered = {
        "steps": map(amount, steps),
        "fee": map(paid, fees),
        "fee per step": map(exact, fees / steps),
        who: taken,
    }
    vmus = {
        "δ": map(exact, market.satisfaction),
        "contract": [str(each or "none") for each in found.taken.tolist()],
        "steps": map(amount, found.steps),
        "fee": map(paid, found.fees),
        "surplus": map(paid, map(beside, found.vmu_surplus, found.fees)),
    }
    shown = [totals, table("VMUs", "k", vmus)]
    if served:
        shown.insert(1, table("Contracts", "contract", offered, first=1))

    compared = Table("", "ASP utility", "of the best menu", title="Beside other ways to sell")
    told: dict[str, Any] = {}
    for name, (words, numbers) in _mechanisms(market, best, found, allowed).items():
        told[name], cells = None, ("–", "–")
        if numbers is not None:
            earned, most = float(numbers["asp_utility"]), float(best.asp_utility)
            share = earned / most if most > 0 else None
            told[name] = {**numbers, "share": share}
            cells = paid(earned), "–" if share is None else percent(share)
        compared.add_row(words, *cells)
    for column in compared.columns[1:]:
        column.justify = "right"
    return {**fields(found), "mechanisms": told}, [*shown, compared]


def _mechanisms(
    market: Market, best: Menu, found: Menu, allowed: int
) -> dict[str, tuple[str, dict[str, Any] | None]]:
    """How each is told, and its numbers, if they are worked out."""
    told: dict[str, tuple[str, dict[str, Any] | None]] = {
        "first_best": ("first best: the ASP sees each δ", fields(menus.first_best(market))),
        "best_menu": ("best menu", fields(best)),
    }
    if 1 < allowed < market.K:
        told["few_contracts"] = f"best menu of at most {allowed:,} contracts", fields(found)
    told["one_contract"] = (
        "best menu of 1 contract",
        fields(_told_once(market, menus.solve_menu(market, 1))),
    )
    if market.K > _TARIFF:
        told["two_part_tariff"] = f"two-part tariff: up to {_TARIFF} VMUs only", None
    else:
        tariff, words = menus.best_tariff(market), "two-part tariff"
        if tariff.steps.any():
            words += f": {paid(tariff.fee)}, and {exact(tariff.price)} a step"
        told["two_part_tariff"] = words, tariff._asdict()
    price, words = aigc_market.solve(market), "price"
    if price.steps.any():
        words += f": {exact(price.price)} a step"
        words += ", the highest allowed" if price.binding.max_price else ""
    numbers = {"price": price.price, "steps": price.steps, "asp_utility": price.asp_utility}
    told["price"] = words, {**numbers, "vmu_surplus": price.vmu_surplus}
    return told


def _told_once(market: Market, found: Menu) -> Menu:
    """Without contracts that nobody takes, and those that are alike but for rounding as one."""
    rows = np.unique(found.taken[found.taken > 0])
    steps = found.menu[rows - 1, 0]
    new = np.diff(steps, prepend=0.0) > 1e-9 * market.max_steps
    numbers = np.zeros(len(found.menu) + 1, int)
    numbers[rows] = np.cumsum(new)
    return dataclasses.replace(found, menu=found.menu[rows[new] - 1], taken=numbers[found.taken])
