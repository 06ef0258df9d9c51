"""A round among several providers as a picture."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_market.rendering.canvas import Canvas
from aigc_market.rendering.competition import charts, road
from aigc_market.rendering.competition.rounds import CompetitionRound
from aigc_market.rendering.header import header, limit
from aigc_market.rendering.numbers import count, steps


def draw(canvas: Canvas, rounds: Sequence[CompetitionRound], last: CompetitionRound) -> None:
    """The whole frame; `rounds` without the one that waits for prices."""
    header(canvas, last, _facts(last))
    road.draw(canvas, last)
    charts.draw(canvas, rounds, last)


def _facts(last: CompetitionRound) -> list[str]:
    """The market's fixed numbers."""
    least, most = steps(last.min_steps), steps(last.max_steps)
    floor = "" if least == most else f"{least} to " if last.min_steps > 0 else "up to "
    return [
        f"{count(len(last.cost), 'provider')}, {count(len(last.vmu_utility), 'vehicle')}",
        f"a step costs {_span(last.cost)}",
        f"price up to {_span(last.max_price)}",
        f"{floor}{most} step{'' if most == '1' else 's'} a request",
    ]


def _span(values: Sequence[float]) -> str:
    low, high = limit(min(values)), limit(max(values))
    return low if low == high else f"{low} to {high}"
