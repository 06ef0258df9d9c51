"""Asking the player for a price."""

from __future__ import annotations

import sys

from aigc_market.rendering.numbers import exact


def ask_price(question: str, low: float, high: float) -> float | None:
    """A price, asked for until it is one; None at `q` or the end of the input.

    Args:
        question: what stands before the bounds.
        low: the lowest price.
        high: the highest.
    """
    limits = f"from {exact(low)} to {exact(high)}"
    while True:
        try:
            word = input(f"{question}, price {limits}, q ends > ")
        except EOFError:
            print()
            return None
        word = word.strip()
        if not sys.stdin.isatty():  # what comes through a pipe is not to be seen otherwise
            print(word)
        if word.lower() in ("q", "quit"):
            return None
        try:
            price = float(word)
        except ValueError:
            print(f"  a price must be a number {limits}, got {word!r}")
            continue
        if low <= price <= high:
            return price
        print(f"  a price must be {limits}, got {word}")
