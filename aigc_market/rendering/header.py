"""The head of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aigc_market import palette
from aigc_market.rendering.canvas import Canvas
from aigc_market.rendering.numbers import exact, short
from aigc_market.rendering.style import GAP, LARGE, MARGIN, MEDIUM, WIDTH


def header(canvas: Canvas, last: Any, facts: Sequence[str]) -> None:
    """The round, the market's fixed numbers, and how far the episode is."""
    title = f"Round {last.number:,} of {last.rounds:,}"
    left = MARGIN + canvas.text(MARGIN, 46, title, LARGE, palette.INK, room=420)
    right, width = WIDTH - MARGIN, WIDTH - 2 * MARGIN
    room = right - left - 2 * GAP
    canvas.text(right, 46, "  ·  ".join(facts), MEDIUM, palette.MUTED, anchor=1, room=room)
    canvas.rectangle(MARGIN, 60, width, 5, palette.PALE, radius=2)
    if last.number:
        done = min(last.number / last.rounds, 1.0)
        canvas.rectangle(MARGIN, 60, max(width * done, 5), 5, palette.LEADER, radius=2)


def limit(value: float) -> str:
    """A fixed number in few digits."""
    return short(value) if value >= 1e6 else exact(value)
