"""A round as text."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_market.rendering.numbers import beside, count, exact, money, percent, steps
from aigc_market.rendering.rounds import Round

_SHOWN_VMUS = 8


def ansi(last: Round) -> str:
    """A round in a few lines."""
    header = "                price       utility"
    target = _row("equilibrium", last.equilibrium_price, last.equilibrium_utility)
    if last.equilibrium_utility == 0:
        target += "   nobody buys at any price"
    if last.number == 0:
        return f"round 0 of {last.rounds:,}: no price yet\n{header}\n{target}"
    regret = money(beside(last.regret, last.equilibrium_utility))
    return "\n".join(
        [
            f"round {last.number:,} of {last.rounds:,}",
            header,
            f"{_row('played', last.price, last.utility)}   regret {regret} against rational VMUs",
            target,
            f"steps sold  {sales(last)}",
        ]
    )


def sales(last: Round) -> str:
    """What was delivered to whom and in all, and what was asked for where a capacity cut it."""
    there = [True] * len(last.asked) if last.active is None else last.active
    asked, sold = sum(last.asked), sum(last.delivered)
    if not any(there):
        return "0: nobody is there"
    if asked == 0:
        return "0: nobody buys"
    words = f"{_of_those(there, last.delivered)} = {_steps(sold)}"
    if last.active is not None:
        words += f" ({sum(there):,} of {count(len(there), 'VMU')} there)"
    if asked > sold * (1 + 1e-9):
        limit = "" if last.capacity is None else f" by the capacity of {exact(last.capacity, 4)}"
        words += f", cut{limit} from {_of_those(there, last.asked)} = {_steps(asked)} asked for"
    return words


def share(rounds: Sequence[Round]) -> str:
    """What is left of the equilibrium's utility, 1 − Σ regret / Σ U_p*: never above 100 %."""
    best = sum(record.equilibrium_utility for record in rounds)
    if best <= 0:
        return "none: nobody buys at any price"
    return percent(1 - sum(record.regret for record in rounds) / best)


def summary(rounds: Sequence[Round]) -> str:
    """What these rounds have earned, and what their prices earn from rational VMUs."""
    best = sum(record.equilibrium_utility for record in rounds)
    regret = money(beside(sum(record.regret for record in rounds), best))
    earned = money(sum(record.utility for record in rounds))
    return (
        f"{count(len(rounds), 'round')}: you earned {earned}; equilibrium prices earn "
        f"{money(best)} from rational VMUs.\n"
        f"Against rational VMUs: regret {regret} in all, share {share(rounds)}."
    )


def _row(name: str, price: float, utility: float) -> str:
    return f"{name:<11} {exact(price):>9} {money(utility):>13}"


def _of_those(there: Sequence[bool], numbers: Sequence[float]) -> str:
    """The numbers of the VMUs that are there, as far as there is room."""
    shown = [_steps(number) for here, number in zip(there, numbers, strict=True) if here]
    more = f" and {len(shown) - _SHOWN_VMUS:,} more" if len(shown) > _SHOWN_VMUS else ""
    return " ".join(shown[:_SHOWN_VMUS]) + more


def _steps(number: float) -> str:
    return f"{number:,.1f}" if number < 1e6 else steps(number)
