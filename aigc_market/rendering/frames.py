"""Rounds as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc_market import palette
from aigc_market.rendering import charts, street
from aigc_market.rendering.canvas import Canvas
from aigc_market.rendering.numbers import count, exact, short, steps
from aigc_market.rendering.rounds import Round
from aigc_market.rendering.style import GAP, HEIGHT, LARGE, MARGIN, MEDIUM, WIDTH, WINDOW


def draw(rounds: Sequence[Round]) -> np.ndarray:
    """The frame of the last of these rounds; those before it are in its charts.

    Args:
        rounds: of one episode, in order; at least one, and the last `WINDOW` are enough. A round of
            number 0 is a market that waits for its first price.

    Returns:
        (640, 960, 3) uint8.

    Raises:
        ImportError: without the extra `render`.
    """
    last = rounds[-1]
    canvas = Canvas(WIDTH, HEIGHT, palette.PAPER)
    _header(canvas, last)
    street.draw(canvas, last)
    charts.draw(canvas, [record for record in rounds[-WINDOW:] if record.number > 0], last)
    return canvas.finish()


def _header(canvas: Canvas, last: Round) -> None:
    """The round, the market's fixed numbers, and how far the episode is."""
    title = f"Round {last.number:,} of {last.rounds:,}"
    left = MARGIN + canvas.text(MARGIN, 46, title, LARGE, palette.INK, room=420)
    floor = f"{steps(last.min_steps)} to" if last.min_steps > 0 else "up to"
    facts = [
        count(len(last.asked), "vehicle"),
        f"a step costs {_limit(last.cost)}",
        f"price up to {_limit(last.max_price)}",
        f"{floor} {steps(last.max_steps)} steps each",
    ]
    if last.capacity is not None:
        facts.append(f"capacity {steps(last.capacity)}")
    right, width = WIDTH - MARGIN, WIDTH - 2 * MARGIN
    room = right - left - 2 * GAP
    canvas.text(right, 46, "  ·  ".join(facts), MEDIUM, palette.MUTED, anchor=1, room=room)
    canvas.rectangle(MARGIN, 60, width, 5, palette.PALE, radius=2)
    if last.number:
        done = min(last.number / last.rounds, 1.0)
        canvas.rectangle(MARGIN, 60, max(width * done, 5), 5, palette.LEADER, radius=2)


def _limit(value: float) -> str:
    return short(value) if value >= 1e6 else exact(value)
