"""Rounds as text: a table of the providers or of a menu, and what was sold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_market.rendering import contracts
from aigc_market.rendering.numbers import beside, count, exact, in_a_row, paid, percent, span, steps
from aigc_market.rendering.rounds import MenuRound, Record, Round
from aigc_market.rendering.shown import Shown, mean, shown

if TYPE_CHECKING:
    from aigc_market.competition import Nash

_LISTED = 8
"""So many providers, VMUs, and steps of a cycle."""


def facts(market: Any, vmus: str) -> list[str]:
    """The fixed numbers of a market, or of a round that is shown, and how many VMUs there are."""
    cost, max_price = np.ravel(market.cost).tolist(), np.ravel(market.max_price).tolist()
    least, most = steps(market.min_steps), steps(market.max_steps)
    floor = "" if least == most else f"{least} to " if market.min_steps > 0 else "up to "
    providers = "" if len(cost) == 1 else f"{count(len(cost), 'provider')}, "
    if menu := getattr(market, "menu", None):
        offer = f"{count(len(menu.steps), 'contract')}, fees up to {span([menu.max_fee])}"
    else:
        offer = f"price up to {span(max_price)}"
    told = [
        f"{providers}{vmus}",
        f"a step costs {span(cost)}",
        offer,
        f"{floor}{most} step{'' if most == '1' else 's'} a request",
    ]
    if market.capacity is not None:
        told.append(f"capacity {span(np.ravel(market.capacity).tolist())}")
    return told


def ansi(record: Record) -> str:
    """A round in a few lines."""
    last = shown(record)
    title = f"round {last.number:,} of {last.rounds:,}"
    title += "" if last.number else f": no {'menu' if last.menu else 'price'} yet"
    lines = [title, *(_menu(last.menu) if last.menu else _table(last))]
    if last.remark:
        lines.append(last.remark)
    if last.number:
        lines.append(f"steps sold  {sales(record)}")
    return "\n".join(lines)


def sales(record: Record) -> str:
    """What was delivered to whom and in all, and what was asked for where a capacity cut it."""
    last = shown(record)
    sold = sum(last.sold)
    words = f"0: {last.unsold}" if last.unsold else _steps(last, sold, last.delivered)
    if last.asked > sold * (1 + 1e-9):
        limit = "" if last.capacity is None else f" by the capacity of {span(last.capacity)}"
        each = last.demand[0] if last.delivered else ()
        words += f", cut{limit} from {_steps(last, last.asked, each)} asked for"
    return "; ".join([words, *last.facts()])


def share(rounds: Sequence[Round] | Sequence[MenuRound]) -> str:
    """What is left of the equilibrium's utility, 1 − Σ regret / Σ U_p*: never above 100 %."""
    best = sum(record.equilibrium_utility for record in rounds)
    if best <= 0:
        return f"none: {shown(rounds[-1]).remark}"
    return percent(1 - sum(record.regret for record in rounds) / best)


def summary(rounds: Sequence[Any]) -> str:
    """What rounds of one kind have earned, and what that is held against.

    Of one provider the sums, and its prices, or what its menus sold. Of several a table of the
    means, and their Δ over the rounds with both benchmarks.
    """
    number = count(len(rounds), "round")
    played = [shown(record) for record in rounds]
    if played[0].judge == "regret":
        best = sum(record.equilibrium_utility for record in rounds)
        regret = paid(beside(sum(record.regret for record in rounds), best))
        held = "the best menus" if played[0].menu else "equilibrium prices"
        words = f"You sold {steps(sum(sum(each.sold) for each in played))} steps."
        if isinstance(rounds[0], Round):
            price = span([record.equilibrium_price for record in rounds])
            moved = " (it moved)" if " " in price else ""
            asked = span([record.price for record in rounds])
            words = f"The equilibrium price was {price}{moved}; you asked {asked}."
        return (
            f"{number}: you earned {paid(sum(record.utility for record in rounds))}; "
            f"{held} earn {paid(best)} from rational VMUs.\n"
            f"Against rational VMUs: regret {regret} in all, share {share(rounds)}.\n{words}"
        )
    marks = zip(*(each.benchmarks for each in played), strict=True)
    earned = [[each.utility, *(mark.utility for mark in each.benchmarks)] for each in played]
    judged: list[Any] = [utilities for utilities in earned if None not in utilities]
    # (M, 3) earned, at Nash, as a cartel
    utility = np.mean(judged, axis=0).T if judged else np.zeros((len(played[0].cost), 3))
    means = played[-1]._replace(
        **_means(played, "prices", "sold", "utility"),
        benchmarks=tuple(of[-1]._replace(**_means(of, "prices", "utility")) for of in marks),
        judged=[_gain(*each) for each in utility.tolist()],
        mean_judged=_gain(*utility.mean(axis=0).tolist()),
    )
    remarks = Counter(each.remark for each in played if each.remark)
    found = [f"{remark} in {count(times, 'round')}" for remark, times in remarks.items()]
    return "\n".join([f"{number}, on average:", *_table(means), *found])


def verdict(nash: Nash) -> str:
    """How sure an equilibrium of the providers is, or how their best replies go round."""
    gap = max(beside(*pair) for pair in zip(nash.gap, nash.asp_utility, strict=True))
    if nash.converged:
        more = f"more than {paid(gap)}" if gap else "anything, but for rounding,"
        return f"Certified: no provider gains {more} by any other price."
    words = (
        f"Some provider may gain {paid(gap)} by another price: these prices are no equilibrium in "
        "pure strategies, and no such equilibrium was found. Best replies "
    )
    if nash.cycle is None:
        return f"{words}did not rest, nor go round in a cycle that was seen."
    profiles = [f"({in_a_row(prices)})" for prices in nash.cycle[:_LISTED]]
    more = f" → … {len(nash.cycle) - _LISTED} more" if len(nash.cycle) > _LISTED else ""
    cycle = f"an Edgeworth cycle of {count(len(nash.cycle), 'step')}"
    return f"{words}go round ({cycle}): {' → '.join(profiles)}{more}"


def _means(rounds: Sequence[Any], *names: str) -> dict[str, list[float] | None]:
    """(M) of each field, over the rounds in which it is known."""
    known = {n: [v for r in rounds if (v := getattr(r, n)) is not None] for n in names}
    return {n: np.mean(values, axis=0).tolist() if values else None for n, values in known.items()}


def _gain(utility: float, nash: float, cartel: float) -> float | None:
    """Δ."""
    room = beside(cartel - nash, cartel)
    return None if room == 0 else (utility - nash) / room


# -- the table -------------------------------------------------------------------------------------


def _table(last: Shown) -> list[str]:
    """A line for each provider and for the mean of all."""
    marks, M = [mark.name for mark in last.benchmarks], len(last.cost)
    head = ["", "price", *marks, "sold", "utility", *(f"at {name}" for name in marks), last.judge]
    rows = [head, *(_row(f"asp_{m}", last, [m], last.judged[m]) for m in range(M)[:_LISTED])]
    if M > _LISTED:
        rows.append([f"({M - _LISTED:,} more)", *[""] * (len(head) - 1)])
    if M > 1:
        rows.append(_row("mean", last, range(M), last.mean_judged))
    return _aligned(rows)


def _menu(menu: MenuRound) -> list[str]:
    """A line for each contract for sale and of the best menu, and what they earn."""
    head, *best = contracts.best(menu).rows(menu, paid)
    rows = contracts.posted(menu).rows(menu, paid) if menu.number else [head]
    rows += [[f"best {name}", *row] for name, *row in best]
    most = menu.equilibrium_utility
    known = map(paid, (menu.utility, beside(menu.regret, most)))
    earned, regret = known if menu.number else ("–", "–")
    return [*_aligned(rows), f"utility {earned}, of the best menu {paid(most)}, regret {regret}"]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as what they hold."""
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:{'>' if i else '<'}{wide[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def _row(name: str, last: Shown, members: Sequence[int], judged: float | None) -> list[str]:
    """Means over some providers."""

    def of(values: Sequence[float] | None, write: Callable[..., str], *how: float) -> str:
        return "–" if values is None else write(mean([values[m] for m in members]), *how)

    return [
        name,
        *(of(each.prices, exact, 5) for each in (last, *last.benchmarks)),
        of(last.sold, steps, last.max_steps),
        *(of(each.utility, paid) for each in (last, *last.benchmarks)),
        "–" if judged is None else paid(judged),
    ]


def _steps(last: Shown, total: float, each: Sequence[float]) -> str:
    """In all, and for each VMU that is there if that is known, as far as there is room."""

    def write(number: float) -> str:
        whole = last.max_steps < 10 or number >= 1e6
        return steps(number, last.max_steps) if whole else f"{number:,.1f}"

    if not each:
        return write(total)
    there = [write(number) for number in compress(each, last.here)]
    more = f" and {len(there) - _LISTED:,} more" if len(there) > _LISTED else ""
    return f"{' '.join(there[:_LISTED])}{more} = {write(total)}"
