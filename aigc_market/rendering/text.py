"""A round as text."""

from __future__ import annotations

from aigc_market.rendering.rounds import Round

_SHOWN_VMUS = 8


def ansi(last: Round) -> str:
    """A round in a few lines."""
    header = "                price       utility"
    target = f"equilibrium {last.equilibrium_price:>9.3f} {last.equilibrium_utility:>13.2f}"
    if last.number == 0:
        return f"round 0 of {last.rounds}: no price yet\n{header}\n{target}"
    bought = "  ".join(f"{steps:.1f}" for steps in last.delivered[:_SHOWN_VMUS])
    more = len(last.delivered) - _SHOWN_VMUS
    lines = [
        f"round {last.number} of {last.rounds}",
        header,
        f"played      {last.price:>9.3f} {last.utility:>13.2f}   regret {last.regret:.2f}",
        target,
        f"steps sold  {bought}" + (f"  and {more} more VMUs" if more > 0 else ""),
    ]
    if sum(last.asked) > sum(last.delivered) * (1 + 1e-9):
        lines.append(f"rationed    {sum(last.asked):.1f} asked for")
    return "\n".join(lines)
