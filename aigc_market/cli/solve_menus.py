"""What `aigc-market solve --menus` tells: the best menu, and what it is held against."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from rich.table import Table

import aigc_market
from aigc_market import _checks, menus
from aigc_market.cli.tables import ROWS, Told, amount, fields, table
from aigc_market.market import Market
from aigc_market.menus import Menu
from aigc_market.rendering.numbers import beside, count, exact, in_a_row, paid, percent

_TARIFF = 300  # VMUs: the best two-part tariff takes time and memory of their square


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
    if K <= ROWS:
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
