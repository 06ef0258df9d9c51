"""Charts of the last rounds: what was sold and earned, beside what it is held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

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
)
from aigc_market.rendering.numbers import percent, round_up, short, tick
from aigc_market.rendering.shown import Benchmark, Shown, Values, mean

_TOP, _HEIGHT = 408, 212
_UPPER, _LOWER = _TOP + 84, _TOP + _HEIGHT - 32  # the ends of the axes
_BESIDE = (WIDTH - 2 * MARGIN - 2 * GAP) / 3
"""The width of a chart; the first takes what the others leave."""
_APART = 6
"""As many providers have lines of their own; of more the mean and the range are drawn."""
_TITLES = {
    "prices": "Price of a step",
    "bought": "Steps sold",
    "utility": "Utility",
    "regret": "Regret against rational VMUs",
    "Δ": "Profit gain Δ",
}

Rounds = Sequence[Shown]
"""Those played, or the one that waits for a first price."""


def draw(canvas: Canvas, rounds: Rounds) -> None:
    """Charts of fields of the rounds, side by side."""
    fields = ["prices", "utility", "judged"]
    if rounds[-1].menu:
        fields = ["utility", "judged", "bought"]
    if rounds[-1].judge == "Δ":  # where it is known it says more than utilities
        known = any(each.mean_judged is not None for each in rounds)
        fields = ["prices", "judged" if known else "utility"]
    x, width = float(MARGIN), WIDTH - 2 * MARGIN - (len(fields) - 1) * (_BESIDE + GAP)
    for field in fields:
        _chart(canvas, field, x, width, rounds)
        x, width = x + width + GAP, _BESIDE


def _chart(canvas: Canvas, field: str, x: float, width: float, rounds: Rounds) -> None:
    """Lines over the rounds, with the last round in numbers above them."""
    last, kind = rounds[-1], rounds[-1].judge if field == "judged" else field
    canvas.rectangle(x, _TOP, width, _HEIGHT, palette.WHITE, radius=10)
    left, right, y = x + 16, x + width - 16, _TOP + 26
    alone = kind == "utility" and len(last.cost) == 1
    title = "Leader's utility" if alone else _TITLES[kind]
    start, stop = left + 16 + canvas.text(left, y, title, MEDIUM, palette.MUTED), right
    ends = _ends(field, rounds)
    ticks = [(end, tick(end), palette.MUTED) for end in ends]
    if kind == "Δ":
        ticks = [
            (at, f"{mark.name} {at:g}", mark.stroke.colour)
            for mark in last.benchmarks
            for at in {*(mark.judged or ())}
        ]
    elif kind != "regret":
        for mark in reversed(last.benchmarks):
            if getattr(mark, field) is not None:
                words, colour = mark.name, mark.stroke.colour
                stop -= canvas.text(stop, y, words, SMALL, colour, anchor=1) + 32
                canvas.dashes(stop, stop + 26, y - 5, mark.stroke)
                stop -= 16
    if kind == "prices" and canvas.measure(last.remark, SMALL) < stop - start:
        canvas.text(stop, y, last.remark, SMALL, palette.MUTED, anchor=1)
    _numbers(canvas, field, left, right, last)
    left = x + 24 + max(canvas.measure(words, SMALL) for _, words, _ in ticks)
    _lines(canvas, field, left, right, rounds, ends)
    for at, words, colour in ticks:
        canvas.text(left - 8, _height(at, ends) + 5, words, SMALL, colour, anchor=1)


def _numbers(canvas: Canvas, field: str, left: float, right: float, last: Shown) -> None:
    """The last round: the mean in large, and notes on its right in as few lines as they need."""
    value, colour, M = _mean(last, field), palette.LEADER, len(last.cost)
    notes: list[tuple[str, Colour]] = []
    if field != "judged":
        if (values := getattr(last, field)) and M > 1:
            low, high = short(min(values)), short(max(values))
            every = f"all {low}" if low == high else f"{low} to {high}"
            notes.append((f"mean of {M}, {every}", palette.MUTED))
        levels = [(_mean(mark, field), mark.stroke.colour) for mark in last.benchmarks]
        notes += [(short(level), hue) for level, hue in levels if level is not None]
    elif last.judge == "Δ":
        notes.append(("of the mean", palette.MUTED))
    else:
        colour, note, best = palette.REGRET, last.remark, _mean(last.benchmarks[0], "utility")
        if value is not None and best and not note:
            note = f"{percent(value / best)} of {last.benchmarks[0].name}"
        notes.append((note, palette.MUTED))
    unknown = "–" if last.number else ""  # before the first round there is nothing to know
    words, x, y = unknown if value is None else short(value), right, _TOP + 66
    left += 4 + canvas.text(left, y, words, LARGE, colour, room=0.55 * (right - left))
    for words, hue in reversed(notes):
        if canvas.measure(words, SMALL) > x - left:
            x, y = right, y - 14
        x -= canvas.text(x, y, words, SMALL, hue, anchor=1, room=x - left) + 12


def _lines(
    canvas: Canvas,
    field: str,
    left: float,
    right: float,
    rounds: Rounds,
    ends: tuple[float, float],
) -> None:
    """The sides, the lines, and the first and the last round of the window below."""
    numbers, total = [max(each.number, 1) for each in rounds], rounds[-1].rounds
    first, apart = numbers[0], len(rounds[-1].cost) <= _APART
    last = max(min(first + min(WINDOW, total) - 1, total), numbers[-1])

    def across(number: float) -> float:
        return left + 4 + (number - first) / max(last - first, 1) * (right - left - 8)

    def points(values: Iterable[float | None]) -> list[tuple[float, float] | None]:
        at = zip(numbers, values, strict=True)
        return [None if v is None else (across(n), _height(v, ends)) for n, v in at]

    def lines(parts: Sequence[Shown | Benchmark]) -> list[Values]:
        if not apart:
            return [[_mean(part, field) for part in parts]]
        known = [getattr(part, field) or [None] * len(rounds[-1].cost) for part in parts]
        return list(zip(*known, strict=True))

    canvas.line([(left, _UPPER), (right, _UPPER)], palette.PALE, 1)
    canvas.line([(left, _LOWER), (right, _LOWER)], palette.LINE, 1)
    if not apart:
        known = [[v for v in getattr(each, field) or () if v is not None] for each in rounds]
        above, below = (points(end(v, default=None) for v in known) for end in (max, min))
        corners = [point for point in (*above, *reversed(below)) if point]
        if len(corners) > 3:
            canvas.polygon(corners, palette.PALE)
    colours = palette.PROVIDERS if apart else (palette.LEADER,)
    if field == "judged" and rounds[-1].judge == "regret":
        colours = (palette.REGRET,)
    own = [(points(values), colours[m]) for m, values in enumerate(lines(rounds))]
    for line, colour in own:
        canvas.line(line, colour)
    edges = [left, *(across(number - 0.5) for number in numbers[1:]), right]
    for marks in zip(*(each.benchmarks for each in rounds), strict=True):
        stroke = marks[-1].stroke
        for values in {*map(tuple, lines(marks))}:  # over the lines, which may hide them
            for value, (start, stop) in zip(values, pairwise(edges), strict=True):
                if value is not None:  # it keeps its height from round to round
                    skipped = (start - left) % (stroke.on + stroke.off)
                    canvas.dashes(start, stop, _height(value, ends), stroke, skipped)
    for line, colour in own:
        if line[-1]:
            canvas.circle(*line[-1], 4.5, colour)
    canvas.text(left, _LOWER + 20, f"round {first:,}", SMALL, palette.MUTED)
    canvas.text(right, _LOWER + 20, f"{last:,}", SMALL, palette.MUTED, anchor=1)


def _mean(part: Shown | Benchmark, field: str) -> float | None:
    """Over the providers; Δ is that of their mean utility."""
    if field == "judged" and isinstance(part, Shown):
        return part.mean_judged
    values = getattr(part, field)
    return values and mean(values)


def _ends(field: str, rounds: Rounds) -> tuple[float, float]:
    """Of the axis: the values at its lower and upper side; what is outside is drawn there."""
    parts = [part for each in rounds for part in (each, *each.benchmarks)]
    drawn = [v for part in parts for v in getattr(part, field) or () if v is not None]
    low = min(rounds[-1].cost) if field == "prices" else min([0.0, *drawn])
    if field == "judged" and rounds[-1].judge == "Δ":
        # What is farther off than 1 from Nash and cartel would make all else flat.
        return max(low, -1.0) - 0.15, min(max(drawn), 2.0) + 0.15
    if field == "judged":  # a small regret looks small
        drawn += [0.1 * best for each in rounds for best in each.benchmarks[0].utility or ()]
    return low, low + round_up(1.02 * (max([low, *drawn]) - low))


def _height(value: float, ends: tuple[float, float]) -> float:
    """Where a value stands."""
    low, high = ends
    share = (value - low) / (high - low) if high > low else 0.0
    return _LOWER - min(max(share, 0.0), 1.0) * (_LOWER - _UPPER)
