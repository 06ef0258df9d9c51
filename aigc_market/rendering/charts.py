"""Charts of the last rounds: prices, and what they earned, beside what they are held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from aigc_market import palette
from aigc_market.rendering.canvas import (
    GAP,
    LARGE,
    MARGIN,
    MEDIUM,
    SMALL,
    WIDTH,
    WINDOW,
    Canvas,
    Colour,
    Stroke,
)
from aigc_market.rendering.numbers import percent, short, tick
from aigc_market.rendering.shown import Benchmark, Shown, Values, mean

_TOP, _HEIGHT = 408, 212
_UPPER, _LOWER = _TOP + 84, _TOP + _HEIGHT - 32  # the ends of the axes
_BESIDE = (WIDTH - 2 * MARGIN - 2 * GAP) / 3
"""The width of a panel; that of the prices takes what the others leave."""
_APART = 6
"""As many providers have lines of their own; of more the mean and the range are drawn."""

Rounds = Sequence[Shown]
"""Those played, or the one that waits for a first price."""


class Panel(NamedTuple):
    """A chart: lines over the rounds, with the last round in numbers above them."""

    title: str
    value: float | None
    """In large."""
    colour: Colour
    """Of the value."""
    notes: Sequence[tuple[str, Colour]]
    """On the right of the value, in as few lines as they need."""
    lines: Sequence[tuple[Values, Colour]]
    """Each with a point at its end."""
    benchmarks: Iterable[tuple[Values, Stroke]]
    """What stands still from round to round."""
    ends: tuple[float, float]
    """The values at the lower and at the upper side; what is outside is drawn there."""
    ticks: Sequence[tuple[float, str, Colour]] = ()
    """Both ends, where nothing else is said."""
    legend: Sequence[Benchmark] = ()
    remark: str = ""
    band: Sequence[Sequence[float]] = ()
    """For each round the values whose range is shaded."""


def draw(canvas: Canvas, rounds: Rounds) -> None:
    """Panels side by side."""
    panels = [panel(rounds) for panel in (_prices, *_PANELS[rounds[-1].judge])]
    x, width = float(MARGIN), WIDTH - 2 * MARGIN - (len(panels) - 1) * (_BESIDE + GAP)
    for panel in panels:
        _draw(canvas, panel, x, width, rounds)
        x, width = x + width + GAP, _BESIDE


# -- what is drawn ---------------------------------------------------------------------------------


def _prices(rounds: Rounds) -> Panel:
    low = min(rounds[-1].cost)
    high = low + round_up(1.02 * (max(_drawn("prices", rounds), default=low) - low))
    panel = _compared("Price of a step", "prices", rounds, (low, high))
    return panel._replace(remark=rounds[-1].remark)


def _utility(rounds: Rounds) -> Panel:
    title = "Leader's utility" if len(rounds[-1].cost) == 1 else "Utility of a provider"
    own = [value for each in rounds for value in each.utility or ()]
    ends = min([0.0, *own]), round_up(1.05 * max([0.0, *_drawn("utility", rounds)]))
    return _compared(title, "utility", rounds, ends)


def _regret(rounds: Rounds) -> Panel:
    regrets = [each.mean_judged for each in rounds]
    last, best = rounds[-1], [(each.benchmarks[0].utility or [0.0])[0] for each in rounds]
    high = round_up(max(0.1 * max(best), *(regret or 0.0 for regret in regrets), 0.0))
    note = last.remark
    if last.mean_judged is not None and not note:
        note = f"{percent(last.mean_judged / best[-1])} of equilibrium"
    return Panel(
        title="Regret against rational VMUs",
        value=last.mean_judged,
        colour=palette.REGRET,
        notes=[(note, palette.MUTED)],
        lines=[(regrets, palette.REGRET)],
        benchmarks=[],
        ends=(0.0, high),
    )


def _gain(rounds: Rounds) -> Panel:
    """The profit gain of each provider; their utilities where none is known."""
    last, M = rounds[-1], len(rounds[-1].cost)
    means = [each.mean_judged for each in rounds]
    if means.count(None) == len(means):
        return _utility(rounds)
    lines: list[tuple[Values, Colour]] = [(means, palette.LEADER)]
    if M <= _APART:
        lines = [([each.judged[m] for each in rounds], palette.PROVIDERS[m]) for m in range(M)]
    marks = list(zip((0.0, 1.0), last.benchmarks, strict=True))
    # What is farther off than 1 from Nash and cartel would make all else flat.
    gains = [gain for values, _ in lines for gain in values if gain is not None]
    return Panel(
        title="Profit gain Δ",
        value=last.mean_judged,
        colour=palette.LEADER,
        notes=[("of the mean", palette.MUTED)],
        lines=lines,
        benchmarks=[([at] * len(rounds), mark.stroke) for at, mark in marks],
        ends=(max(min([0.0, *gains]), -1.0) - 0.15, min(max([1.0, *gains]), 2.0) + 0.15),
        ticks=[(at, f"{mark.name} {at:g}", mark.stroke.colour) for at, mark in marks],
    )


_PANELS: dict[str, tuple[Callable[[Rounds], Panel], ...]] = {
    "regret": (_utility, _regret),
    "Δ": (_gain,),
}
"""What stands beside the prices, by what judges a round."""


def _compared(title: str, field: str, rounds: Rounds, ends: tuple[float, float]) -> Panel:
    """Prices or utilities of the providers, of many their mean, beside the same of benchmarks."""
    last, M = rounds[-1], len(rounds[-1].cost)
    apart = M <= _APART

    def lines(parts: Sequence[Shown] | Sequence[Benchmark]) -> list[Values]:
        values = [getattr(part, field) for part in parts]
        if not apart:
            return [[each and mean(each) for each in values]]
        return [[each and each[m] for each in values] for m in range(M)]

    own, colours = getattr(last, field), palette.PROVIDERS if apart else [palette.LEADER]
    notes = []
    if own and M > 1:
        low, high = short(min(own)), short(max(own))
        every = f"all {low}" if low == high else f"{low} to {high}"
        notes.append((f"mean of {M}, {every}", palette.MUTED))
    for mark in last.benchmarks:
        if values := getattr(mark, field):
            notes.append((short(mean(values)), mark.stroke.colour))
    levels = [
        (tuple(values), of[-1].stroke)
        for of in zip(*(each.benchmarks for each in rounds), strict=True)
        for values in lines(of)
    ]
    return Panel(
        title=title,
        value=own and mean(own),
        colour=palette.LEADER,
        notes=notes,
        lines=list(zip(lines(rounds), colours, strict=False)),
        benchmarks=dict.fromkeys(levels),  # alike providers have one level
        ends=ends,
        legend=last.benchmarks,
        band=() if apart else [getattr(each, field) for each in rounds],
    )


def _drawn(field: str, rounds: Rounds) -> list[float]:
    """All values of a field that a panel shows."""
    parts = [part for each in rounds for part in (each, *each.benchmarks)]
    return [value for part in parts for value in getattr(part, field) or ()]


# -- how it is drawn -------------------------------------------------------------------------------


def _draw(canvas: Canvas, panel: Panel, x: float, width: float, rounds: Rounds) -> None:
    canvas.rectangle(x, _TOP, width, _HEIGHT, palette.WHITE, radius=10)
    start = x + 32 + canvas.text(x + 16, _TOP + 26, panel.title, MEDIUM, palette.MUTED)
    right, y = x + width - 16, _TOP + 26
    for name, stroke, prices, _ in reversed(panel.legend):
        if prices is not None:
            right -= canvas.text(right, y, name, SMALL, stroke.colour, anchor=1) + 32
            canvas.dashes(right, right + 26, y - 5, stroke)
            right -= 16
    if canvas.measure(panel.remark, SMALL) < right - start:
        canvas.text(right, y, panel.remark, SMALL, palette.MUTED, anchor=1)
    ticks = panel.ticks or [(end, tick(end), palette.MUTED) for end in panel.ends]
    left = x + 24 + max(canvas.measure(words, SMALL) for _, words, _ in ticks)
    _numbers(canvas, panel, x + 16, x + width - 16)
    _lines(canvas, panel, left, x + width - 16, rounds)
    for at, words, colour in ticks:
        canvas.text(left - 8, _height(at, panel.ends) + 5, words, SMALL, colour, anchor=1)


def _numbers(canvas: Canvas, panel: Panel, left: float, right: float) -> None:
    """The last round."""
    x, y, value = right, _TOP + 66, "–" if panel.value is None else short(panel.value)
    left += 4 + canvas.text(left, y, value, LARGE, panel.colour, room=0.55 * (right - left))
    for words, colour in reversed(panel.notes):
        if canvas.measure(words, SMALL) > x - left:
            x, y = right, y - 14
        x -= canvas.text(x, y, words, SMALL, colour, anchor=1, room=x - left) + 12


def _lines(canvas: Canvas, panel: Panel, left: float, right: float, rounds: Rounds) -> None:
    """The sides, the lines, and the first and the last round of the window below."""
    numbers, total = [max(each.number, 1) for each in rounds], rounds[-1].rounds
    first = numbers[0]
    last = max(min(first + min(WINDOW, total) - 1, total), numbers[-1])

    def across(number: float) -> float:
        return left + 4 + (number - first) / max(last - first, 1) * (right - left - 8)

    def points(values: Iterable[float | None]) -> list[tuple[float, float] | None]:
        at = zip(numbers, values, strict=True)
        return [None if v is None else (across(n), _height(v, panel.ends)) for n, v in at]

    canvas.line([(left, _UPPER), (right, _UPPER)], palette.PALE, 1)
    canvas.line([(left, _LOWER), (right, _LOWER)], palette.LINE, 1)
    if len(panel.band) > 1:
        above, below = (points(map(end, panel.band)) for end in (max, min))
        canvas.polygon([point for point in (*above, *reversed(below)) if point], palette.PALE)
    for values, colour in panel.lines:
        canvas.line(points(values), colour)
    edges = [left, *(across(number - 0.5) for number in numbers[1:]), right]
    for values, stroke in panel.benchmarks:  # over the lines, which may hide them
        for value, (start, stop) in zip(values, pairwise(edges), strict=True):
            if value is not None:  # it keeps its height from round to round
                skipped = (start - left) % (stroke.on + stroke.off)
                canvas.dashes(start, stop, _height(value, panel.ends), stroke, skipped)
    for values, colour in panel.lines:
        if point := points(values)[-1]:
            canvas.circle(*point, 4.5, colour)
    canvas.text(left, _LOWER + 20, f"round {first:,}", SMALL, palette.MUTED)
    canvas.text(right, _LOWER + 20, f"{last:,}", SMALL, palette.MUTED, anchor=1)


def _height(value: float, ends: tuple[float, float]) -> float:
    """Where a value stands."""
    low, high = ends
    share = (value - low) / (high - low) if high > low else 0.0
    return _LOWER - min(max(share, 0.0), 1.0) * (_LOWER - _UPPER)


def round_up(value: float) -> float:
    """The next number of one digit, or 1.5, 2.5 of its power of ten: an axis ends there."""
    if value < 1e-300:  # as good as 0: such a power of ten is none
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        n * power for n in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if n * power >= value * (1 - 1e-9)
    )
