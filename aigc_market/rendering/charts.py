"""Price, utility and regret of the last rounds, against the equilibrium."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_market import palette
from aigc_market.rendering.axes import Axes, round_up
from aigc_market.rendering.canvas import Canvas, Colour
from aigc_market.rendering.numbers import beside, percent, short, tick
from aigc_market.rendering.rounds import Round
from aigc_market.rendering.style import GAP, LARGE, MARGIN, MEDIUM, SMALL, WIDTH

_TOP, _HEIGHT = 408, 212


def draw(canvas: Canvas, rounds: Sequence[Round], last: Round) -> None:
    """Three charts side by side; `rounds` without the one that waits for a price."""
    width = (WIDTH - 2 * MARGIN - 2 * GAP) / 3
    prices = [record.price for record in rounds]
    utilities = [record.utility for record in rounds]
    regrets = [beside(record.regret, record.equilibrium_utility) for record in rounds]
    judged = rounds or [last]
    best_prices = [record.equilibrium_price for record in judged]
    best = [record.equilibrium_utility for record in judged]
    highest = round_up(1.05 * max(*best, *utilities, 0.0))
    worst = round_up(max(0.1 * max(best), *regrets, 0.0))
    panels = (
        ("Price of a step", prices, best_prices, last.max_price, palette.LEADER),
        ("Leader's utility", utilities, best, highest, palette.LEADER),
        ("Regret against rational VMUs", regrets, None, worst, palette.REGRET),
    )
    for i, (title, values, equilibria, top, colour) in enumerate(panels):
        x = MARGIN + i * (width + GAP)
        canvas.rectangle(x, _TOP, width, _HEIGHT, palette.WHITE, radius=10)
        canvas.text(x + 16, _TOP + 26, title, MEDIUM, palette.MUTED)
        words = short(values[-1]) if values else "–"
        used = canvas.text(x + 16, _TOP + 58, words, LARGE, colour, room=width / 2)
        right, room = x + width - 16, width - used - 72
        if equilibria:
            words = f"equilibrium {short(equilibria[-1])}"
            if canvas.measure(words, SMALL) > room:  # its dashes say it too
                words = short(equilibria[-1])
            wide = canvas.text(
                right, _TOP + 58, words, SMALL, palette.EQUILIBRIUM, anchor=1, room=room
            )
            canvas.dashes(
                (right - wide - 26, _TOP + 53), (right - wide - 6, _TOP + 53), palette.EQUILIBRIUM
            )
        elif values:
            words = "nobody buys at any price"
            if last.equilibrium_utility > 0:
                words = f"{percent(values[-1] / last.equilibrium_utility)} of equilibrium"
            canvas.text(right, _TOP + 58, words, SMALL, palette.MUTED, anchor=1, room=room + 26)
        _plot(canvas, x + 16, width - 32, values, equilibria, top, colour, rounds, last)


def _plot(
    canvas: Canvas,
    x: float,
    width: float,
    values: Sequence[float],
    equilibria: Sequence[float] | None,
    top: float,
    colour: Colour,
    rounds: Sequence[Round],
    last: Round,
) -> None:
    upper, lower = _TOP + 76, _TOP + _HEIGHT - 32
    ends = [(lower, "0"), (upper, tick(top))]
    left = x + 8 + max(canvas.text(x, y + 5, words, SMALL, palette.MUTED) for y, words in ends)
    axes = Axes(canvas, (left, x + width, upper, lower), rounds, last, (0.0, top))
    axes.frame()
    axes.line(values, colour)
    if equilibria is not None:  # over the line of what was played, which may hide it
        axes.steps(equilibria, palette.EQUILIBRIUM)
    axes.point(values, colour)
    axes.numbers()
