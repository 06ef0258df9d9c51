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


class Chart(NamedTuple):
    """Lines over the rounds, with the last round in numbers above them."""

    value: float | None
    """In large."""
    colour: Colour
    """Of the value, or of the mark beside the name."""
    notes: list[tuple[str, Colour]]
    """On the right of the value, in as few lines as they need."""
    lines: list[tuple[Values, Colour]]
    """Each with a point at its end."""
    benchmarks: list[tuple[Values, Stroke]]
    """What stands still from round to round."""
    name: str = ""
    band: Sequence[Sequence[float]] = ()
    """For each round the values whose range is shaded."""


class Panel(NamedTuple):
    """Charts side by side that share an axis."""

    title: str
    charts: list[Chart]
    ends: tuple[float, float]
    """The values at the lower and at the upper side; what is outside is drawn there."""
    ticks: Sequence[tuple[float, str, Colour]] = ()
    """Both ends, where nothing else is said."""
    legend: Sequence[Benchmark] = ()
    remark: str = ""


def draw(canvas: Canvas, rounds: Rounds) -> None:
    """Panels side by side."""
    panels = [panel(rounds) for panel in (_prices, *_PANELS[rounds[-1].judge])]
    x, width = float(MARGIN), WIDTH - 2 * MARGIN - (len(panels) - 1) * (_BESIDE + GAP)
    for panel in panels:
        _draw(canvas, panel, x, width, rounds)
        x, width = x + width + GAP, _BESIDE


# -- what is drawn ---------------------------------------------------------------------------------


def _prices(rounds: Rounds) -> Panel:
    """One chart for each provider, or one of all."""
    last, M = rounds[-1], len(rounds[-1].cost)
    low = min(last.cost)
    high = low + round_up(1.02 * (max(_drawn("prices", rounds), default=low) - low))
    groups = [[m] for m in range(M)] if M <= _APART else [range(M)]
    charts = [_compared("prices", members, rounds) for members in groups]
    return Panel("Price of a step", charts, (low, high), legend=last.benchmarks, remark=last.remark)


def _utility(rounds: Rounds) -> Panel:
    """One chart of all providers."""
    M = len(rounds[-1].cost)
    title = "Leader's utility" if M == 1 else "Utility of a provider"
    own = [value for each in rounds for value in each.utility or ()]
    ends = min([0.0, *own]), round_up(1.05 * max([0.0, *_drawn("utility", rounds)]))
    chart = _compared("utility", range(M), rounds)
    return Panel(title, [chart], ends, legend=rounds[-1].benchmarks)


def _regret(rounds: Rounds) -> Panel:
    regrets = [each.mean_judged for each in rounds]
    last, best = rounds[-1], [(each.benchmarks[0].utility or [0.0])[0] for each in rounds]
    high = round_up(max(0.1 * max(best), *(regret or 0.0 for regret in regrets), 0.0))
    note = last.remark
    if last.mean_judged is not None and not note:
        note = f"{percent(last.mean_judged / best[-1])} of equilibrium"
    value, colour = last.mean_judged, palette.REGRET
    chart = Chart(value, colour, [(note, palette.MUTED)], [(regrets, colour)], [])
    return Panel("Regret against rational VMUs", [chart], (0.0, high))


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
    chart = Chart(
        value=last.mean_judged,
        colour=palette.LEADER,
        notes=[("of the mean", palette.MUTED)],
        lines=lines,
        benchmarks=[([at] * len(rounds), mark.stroke) for at, mark in marks],
    )
    # What is farther off than 1 from Nash and cartel would make all else flat.
    gains = [gain for values, _ in lines for gain in values if gain is not None]
    ends = max(min([0.0, *gains]), -1.0) - 0.15, min(max([1.0, *gains]), 2.0) + 0.15
    ticks = [(at, f"{mark.name} {at:g}", mark.stroke.colour) for at, mark in marks]
    return Panel("Profit gain Δ", [chart], ends, ticks)


_PANELS: dict[str, tuple[Callable[[Rounds], Panel], ...]] = {
    "regret": (_utility, _regret),
    "Δ": (_gain,),
}
"""What stands beside the prices, by what judges a round."""


def _compared(field: str, members: Sequence[int], rounds: Rounds) -> Chart:
    """Prices or utilities of some providers, beside the same of the benchmarks."""

    def of(part: Shown | Benchmark) -> float | None:
        values = getattr(part, field)
        return values and mean([values[m] for m in members])

    last, own = rounds[-1], [getattr(each, field) for each in rounds]
    apart, colour, notes = len(members) <= _APART, palette.LEADER, []
    lines: list[tuple[Values, Colour]] = [([of(each) for each in rounds], colour)]
    if apart:
        lines = [([v and v[m] for v in own], palette.PROVIDERS[m]) for m in members]
    if len(members) == 1:
        colour = palette.PROVIDERS[members[0]]
    elif own[-1]:
        low, high = short(min(own[-1])), short(max(own[-1]))
        every = f"all {low}" if low == high else f"{low} to {high}"
        notes.append((f"mean of {len(members)}, {every}", palette.MUTED))
    marks = [(of(mark), mark.stroke.colour) for mark in last.benchmarks]
    return Chart(
        value=of(last),
        colour=colour,
        notes=[*notes, *((short(value), tint) for value, tint in marks if value is not None)],
        lines=lines,
        benchmarks=[
            ([of(each.benchmarks[i]) for each in rounds], mark.stroke)
            for i, mark in enumerate(last.benchmarks)
        ],
        name=f"RSU {members[0]}" if len(members) < len(last.cost) else "",
        band=() if apart else own,
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
    column = (x + width - 2 - left) / len(panel.charts)
    for i, chart in enumerate(panel.charts):
        start, end = left + i * column, left + (i + 1) * column - 14
        _numbers(canvas, chart, start if chart.name else x + 16, end)
        _lines(canvas, chart, start, end, panel.ends, rounds)
    for at, words, colour in ticks:
        canvas.text(left - 8, _height(at, panel.ends) + 5, words, SMALL, colour, anchor=1)


def _numbers(canvas: Canvas, chart: Chart, left: float, right: float) -> None:
    """The last round; what has no room is left out, for the lines say it too."""
    y, size, colour = _TOP + 66, LARGE, chart.colour
    if chart.name:
        canvas.rectangle(left, y - 27, 11, 11, colour, radius=2)
        canvas.text(left + 16, y - 16, chart.name, SMALL, palette.MUTED)
        y, size, colour = y + 8, 30, palette.INK
    room, value = 0.55 * (right - left), "–" if chart.value is None else short(chart.value)
    if canvas.measure(value, 22) <= room:
        left += canvas.text(left, y, value, size, colour, room=room) + 4
    x = right
    for words, tint in reversed(chart.notes):
        wide = canvas.measure(words, SMALL)
        if wide > x - left:
            x, y = right, y - 14
        if wide <= x - left:
            x -= canvas.text(x, y, words, SMALL, tint, anchor=1) + 12


def _lines(
    canvas: Canvas,
    chart: Chart,
    left: float,
    right: float,
    ends: tuple[float, float],
    rounds: Rounds,
) -> None:
    """The sides, the lines, and the first and the last round of the window below."""
    numbers, total = [max(each.number, 1) for each in rounds], rounds[-1].rounds
    first = numbers[0]
    last = max(min(first + min(WINDOW, total) - 1, total), numbers[-1])

    def across(number: float) -> float:
        return left + 4 + (number - first) / max(last - first, 1) * (right - left - 8)

    def points(values: Iterable[float | None]) -> list[tuple[float, float] | None]:
        at = zip(numbers, values, strict=True)
        return [None if v is None else (across(n), _height(v, ends)) for n, v in at]

    canvas.line([(left, _UPPER), (right, _UPPER)], palette.PALE, 1)
    canvas.line([(left, _LOWER), (right, _LOWER)], palette.LINE, 1)
    if len(chart.band) > 1:
        above, below = (points(map(end, chart.band)) for end in (max, min))
        canvas.polygon([point for point in (*above, *reversed(below)) if point], palette.PALE)
    for values, colour in chart.lines:
        canvas.line(points(values), colour)
    edges = [left, *(across(number - 0.5) for number in numbers[1:]), right]
    for values, stroke in chart.benchmarks:  # over the lines, which may hide them
        for value, (start, stop) in zip(values, pairwise(edges), strict=True):
            if value is not None:  # it keeps its height from round to round
                skipped = (start - left) % (stroke.on + stroke.off)
                canvas.dashes(start, stop, _height(value, ends), stroke, skipped)
    for values, colour in chart.lines:
        if point := points(values)[-1]:
            canvas.circle(*point, 4.5, colour)
    if right - left > 100:
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
