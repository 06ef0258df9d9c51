"""Rounds as text, from plain records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aigc_market.equilibrium import Equilibrium

_SHOWN_VMUS = 8


class Round(NamedTuple):
    """What happened in a round."""

    price: float
    asked: Sequence[float]
    """Steps that each VMU asked for."""
    delivered: Sequence[float]
    """Steps that each VMU got."""
    utility: float
    """U_p."""
    regret: float
    """What the price costs the leader against rational followers."""


def show(
    mode: str | None, number: int, rounds: int, equilibrium: Equilibrium, last: Round | None
) -> str | None:
    """The last round as text: returned, or printed in mode "human"."""
    text = ansi(number, rounds, equilibrium, last)
    if mode == "human":
        print(text)
        return None
    return text


def ansi(number: int, rounds: int, equilibrium: Equilibrium, last: Round | None) -> str:
    """A round in a few lines."""
    target = f"equilibrium {float(equilibrium.price):>9.3f} {float(equilibrium.asp_utility):>13.2f}"
    header = "                price       utility"
    if last is None:
        return f"round 0 of {rounds}: no price yet\n{header}\n{target}"
    bought = "  ".join(f"{steps:.1f}" for steps in last.delivered[:_SHOWN_VMUS])
    more = len(last.delivered) - _SHOWN_VMUS
    lines = [
        f"round {number} of {rounds}",
        header,
        f"played      {last.price:>9.3f} {last.utility:>13.2f}   regret {last.regret:.2f}",
        target,
        f"steps sold  {bought}" + (f"  and {more} more VMUs" if more > 0 else ""),
    ]
    if sum(last.asked) > sum(last.delivered) * (1 + 1e-9):
        lines.append(f"rationed    {sum(last.asked):.1f} asked for")
    return "\n".join(lines)
