"""Rounds as pictures: a head, the street or the board with a menu, and charts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc_market import palette
from aigc_market.rendering import board, charts, street
from aigc_market.rendering.canvas import GAP, LARGE, MARGIN, MEDIUM, WIDTH, WINDOW, Canvas
from aigc_market.rendering.rounds import Record
from aigc_market.rendering.shown import Shown, shown
from aigc_market.rendering.text import facts


def draw(rounds: Sequence[Record]) -> np.ndarray:
    """The frame of the last of these rounds; those before it are in its charts.

    Args:
        rounds: of one episode, in order; at least one, and the last `WINDOW` are enough. A round of
            number 0 is a market that waits for a first price or menu.

    Returns:
        (640, 960, 3) uint8.

    Raises:
        ImportError: without the extra `render`.
    """
    every = [shown(record) for record in rounds[-WINDOW:]]
    canvas, last = Canvas(), every[-1]
    _head(canvas, last)
    if last.menu:
        board.draw(canvas, last, last.menu)
    else:
        street.draw(canvas, last)
    charts.draw(canvas, [each for each in every if each.number] or [last])
    return canvas.finish()


def _head(canvas: Canvas, last: Shown) -> None:
    """The round, the market's fixed numbers, and how far the episode is."""
    title = f"Round {last.number:,} of {last.rounds:,}"
    left = MARGIN + canvas.text(MARGIN, 46, title, LARGE, palette.INK, room=420)
    right, width = WIDTH - MARGIN, WIDTH - 2 * MARGIN
    words, room = "  ·  ".join(facts(last, last.vmus)), right - left - 2 * GAP
    canvas.text(right, 46, words, MEDIUM, palette.MUTED, anchor=1, room=room)
    canvas.rectangle(MARGIN, 60, width, 5, palette.PALE, radius=2)
    if last.number:
        done = min(last.number / last.rounds, 1.0)
        canvas.rectangle(MARGIN, 60, max(width * done, 5), 5, palette.LEADER, radius=2)
