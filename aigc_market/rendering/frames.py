"""Rounds as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc_market import palette
from aigc_market.rendering import charts, street
from aigc_market.rendering.canvas import Canvas
from aigc_market.rendering.competition import frames as competition
from aigc_market.rendering.competition.rounds import CompetitionRound
from aigc_market.rendering.header import header, limit
from aigc_market.rendering.numbers import count, steps
from aigc_market.rendering.rounds import Round
from aigc_market.rendering.style import HEIGHT, WIDTH, WINDOW


def draw(rounds: Sequence[Round] | Sequence[CompetitionRound]) -> np.ndarray:
    """The frame of the last of these rounds; those before it are in its charts.

    Args:
        rounds: of one episode, in order; at least one, and the last `WINDOW` are enough. A round of
            number 0 is a market that waits for its first price.

    Returns:
        (640, 960, 3) uint8.

    Raises:
        ImportError: without the extra `render`.
    """
    canvas, last = Canvas(WIDTH, HEIGHT, palette.PAPER), rounds[-1]
    played: list = [record for record in rounds[-WINDOW:] if record.number > 0]
    if isinstance(last, CompetitionRound):
        competition.draw(canvas, played, last)
        return canvas.finish()
    header(canvas, last, _facts(last))
    street.draw(canvas, last)
    charts.draw(canvas, played, last)
    return canvas.finish()


def _facts(last: Round) -> list[str]:
    """The market's fixed numbers."""
    floor = f"{steps(last.min_steps)} to" if last.min_steps > 0 else "up to"
    facts = [
        count(len(last.asked), "vehicle"),
        f"a step costs {limit(last.cost)}",
        f"price up to {limit(last.max_price)}",
        f"{floor} {steps(last.max_steps)} steps each",
    ]
    if last.capacity is not None:
        facts.append(f"capacity {steps(last.capacity)}")
    return facts
