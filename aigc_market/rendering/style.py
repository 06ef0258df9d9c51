"""What all parts of a frame share: sizes, colours, numbers."""

from __future__ import annotations

WIDTH, HEIGHT = 960, 640
"""Of a frame, in pixels; multiples of 16, as video codecs like them."""
WINDOW = 50
"""The last rounds that the charts show."""
MARGIN, GAP = 24, 16

LARGE, MEDIUM, SMALL = 38, 21, 18
"""Sizes of text."""


def number(value: float) -> str:
    """A few digits, whatever the size."""
    size = abs(value)
    if size >= 1e7:
        return f"{value:.3g}"
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if size >= 1 or size < 5e-4 else f"{value:.3f}"


def whole(value: float) -> str:
    """Steps, as whole ones where there are many."""
    if abs(value) < 10:
        return f"{round(value, 1):g}"
    return f"{value:,.0f}" if abs(value) < 1e7 else f"{value:.3g}"


def percent(share: float) -> str:
    """A share as a whole number of hundredths."""
    return f"{share * 100:.0f} %"
