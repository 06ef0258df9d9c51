"""Prices of the last rounds against Nash and the cartel, and what share of its gain was earned."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_market import palette
from aigc_market.rendering.axes import Axes, round_up
from aigc_market.rendering.canvas import Canvas
from aigc_market.rendering.competition.rounds import CompetitionRound
from aigc_market.rendering.numbers import exact, short, tick
from aigc_market.rendering.style import GAP, LARGE, MARGIN, MEDIUM, SMALL, WIDTH

_TOP, _HEIGHT = 408, 212
_GAIN = 292  # the width of the panel of Δ
_APART = 6
"""As many providers have a chart of their own; more are drawn together."""
_FARTHEST = 1.0
"""Of Δ: what is farther off is drawn there."""
_DOTS = {"on": 2, "off": 4}

Rounds = Sequence[CompetitionRound]


def draw(canvas: Canvas, rounds: Rounds, last: CompetitionRound) -> None:
    """Two panels side by side; `rounds` without the one that waits for prices."""
    width = WIDTH - 2 * MARGIN - GAP - _GAIN
    _prices(canvas, rounds, last, MARGIN, width)
    x = MARGIN + width + GAP
    if any(record.mean_profit_gain is not None for record in rounds):
        _gain(canvas, rounds, last, x, _GAIN)
    else:
        _utility(canvas, rounds, last, x, _GAIN)


def _panel(canvas: Canvas, x: float, width: float, title: str) -> None:
    canvas.rectangle(x, _TOP, width, _HEIGHT, palette.WHITE, radius=10)
    canvas.text(x + 16, _TOP + 26, title, MEDIUM, palette.MUTED)


# -- prices ----------------------------------------------------------------------------------------


def _prices(canvas: Canvas, rounds: Rounds, last: CompetitionRound, x: float, width: float) -> None:
    _panel(canvas, x, width, "Price of a step")
    _legend(canvas, last, x + width - 16, _TOP + 26)
    judged = rounds or [last]
    low = min(last.cost)
    shown = [record.prices for record in judged]
    shown += [record.nash_prices or [] for record in judged]
    shown += [record.cartel_prices or [] for record in judged]
    high = max(max(values, default=low) for values in shown)
    top = low + round_up(1.02 * (high - low))
    M = len(last.prices)
    names = [tick(low), tick(top)]
    left = x + 16 + max(canvas.measure(words, SMALL) for words in names) + 8
    columns = M if M <= _APART else 1
    width = (x + width - 8 - left) / columns
    for i in range(columns):
        sides = (left + i * width, left + (i + 1) * width - 14, _TOP + 84, _TOP + _HEIGHT - 32)
        axes = Axes(canvas, sides, rounds, last, (low, top))
        axes.frame()
        if i == 0:
            for words, y in zip(names, (axes.lower, axes.upper), strict=True):
                canvas.text(x + 16, y + 5, words, SMALL, palette.MUTED)
        if columns == M:
            _one(canvas, rounds, last, axes, i)
        else:
            _together(canvas, rounds, last, axes)
        if width > 110:
            axes.numbers()


def _legend(canvas: Canvas, last: CompetitionRound, right: float, y: float) -> None:
    if last.cartel_prices is None:
        canvas.text(right, y, "not judged", SMALL, palette.MUTED, anchor=1)
        return
    right -= canvas.text(right, y, "cartel", SMALL, palette.CARTEL, anchor=1) + 6
    canvas.dashes((right - 26, y - 5), (right, y - 5), palette.CARTEL, **_DOTS)
    right -= 26 + 18
    if last.nash_prices is None:
        words = "no Nash equilibrium found"
        canvas.text(right, y, words, SMALL, palette.MUTED, anchor=1)
        return
    right -= canvas.text(right, y, "Nash", SMALL, palette.EQUILIBRIUM, anchor=1) + 6
    canvas.dashes((right - 26, y - 5), (right, y - 5), palette.EQUILIBRIUM)


def _one(canvas: Canvas, rounds: Rounds, last: CompetitionRound, axes: Axes, m: int) -> None:
    """Of one provider."""
    colour = palette.PROVIDERS[m % len(palette.PROVIDERS)]
    judged, left, right, y = rounds or [last], axes.left, axes.right, _TOP + 50
    canvas.rectangle(left, y - 11, 11, 11, colour, radius=2)
    canvas.text(left + 16, y, f"RSU {m}", SMALL, palette.MUTED)
    words = short(last.prices[m]) if last.number else "–"
    room = (right - left) * 0.55
    if canvas.measure(words, 22) <= room:  # it stands on the plate too
        canvas.text(left, y + 24, words, 30, palette.INK, room=room)
    marks = [(last.nash_prices, palette.EQUILIBRIUM), (last.cartel_prices, palette.CARTEL)]
    for i, (values, tint) in enumerate(marks):
        if values is not None:
            words, rest = short(values[m]), right - left - room - 4
            if canvas.measure(words, SMALL) > rest:  # the dashes say it too
                continue
            canvas.text(right, y + 10 + 14 * i, words, SMALL, tint, anchor=1)
    axes.line([record.prices[m] for record in rounds], colour)
    axes.steps([_at(record.cartel_prices, m) for record in judged], palette.CARTEL, **_DOTS)
    axes.steps([_at(record.nash_prices, m) for record in judged], palette.EQUILIBRIUM)
    axes.point([record.prices[m] for record in rounds], colour)


def _at(values: Sequence[float] | None, m: int) -> float | None:
    return None if values is None else values[m]


def _together(canvas: Canvas, rounds: Rounds, last: CompetitionRound, axes: Axes) -> None:
    """Of many: the mean and the range."""
    judged = rounds or [last]
    _band(canvas, axes, [record.number for record in rounds], [r.prices for r in rounds])
    if last.number:
        x = (
            axes.left
            + 8
            + canvas.text(axes.left, _TOP + 70, short(_mean(last.prices)), LARGE, palette.LEADER)
        )
        words = f"mean of {len(last.prices)}, {_range(last.prices)}"
        canvas.text(x, _TOP + 70, words, SMALL, palette.MUTED)
    right = axes.right
    for values, colour in (
        (last.cartel_prices, palette.CARTEL),
        (last.nash_prices, palette.EQUILIBRIUM),
    ):
        if values is not None:
            words = short(_mean(values))
            right -= canvas.text(right, _TOP + 70, words, SMALL, colour, anchor=1) + 16
    means = [_mean(record.prices) for record in rounds]
    axes.line(means, palette.LEADER)
    axes.steps([_mean_or_none(r.cartel_prices) for r in judged], palette.CARTEL, **_DOTS)
    axes.steps([_mean_or_none(r.nash_prices) for r in judged], palette.EQUILIBRIUM)
    axes.point(means, palette.LEADER)


def _band(
    canvas: Canvas, axes: Axes, numbers: Sequence[int], values: Sequence[Sequence[float]]
) -> None:
    """From the least to the most of each round."""
    if len(numbers) < 2:
        return
    upper = [(axes.across(n), axes.height(max(v))) for n, v in zip(numbers, values, strict=True)]
    lower = [(axes.across(n), axes.height(min(v))) for n, v in zip(numbers, values, strict=True)]
    canvas.polygon([*upper, *reversed(lower)], palette.PALE)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mean_or_none(values: Sequence[float] | None) -> float | None:
    return None if values is None else _mean(values)


def _range(values: Sequence[float]) -> str:
    low, high = short(min(values)), short(max(values))
    return f"all {low}" if low == high else f"{low} to {high}"


# -- what was earned -------------------------------------------------------------------------------


def _gain(canvas: Canvas, rounds: Rounds, last: CompetitionRound, x: float, width: float) -> None:
    """Δ of each provider, and of their mean in large."""
    _panel(canvas, x, width, "Profit gain Δ")
    mean = last.mean_profit_gain
    words = "–" if mean is None else f"{exact(mean, 3)}"
    canvas.text(x + 16, _TOP + 62, words, LARGE, palette.LEADER, room=width / 2)
    canvas.text(x + width - 16, _TOP + 62, "of the mean", SMALL, palette.MUTED, anchor=1)
    known = [gain for record in rounds for gain in _gains(record) if gain is not None]
    low = max(min(0.0, *known, 0.0), -_FARTHEST) - 0.15
    high = min(max(1.0, *known, 1.0), 1 + _FARTHEST) + 0.15
    names = ["Nash 0", "cartel 1"]
    left = x + 16 + max(canvas.measure(words, SMALL) for words in names) + 8
    axes = Axes(
        canvas, (left, x + width - 16, _TOP + 78, _TOP + _HEIGHT - 32), rounds, last, (low, high)
    )
    axes.frame()
    for value, name, colour in zip(
        (0.0, 1.0), names, (palette.EQUILIBRIUM, palette.CARTEL), strict=True
    ):
        canvas.text(left - 8, axes.height(value) + 5, name, SMALL, colour, anchor=1)
    lines = _lines(rounds, [_gains(record) for record in rounds])
    for values, colour in lines:
        axes.line(values, colour)
    axes.steps([1.0] * len(rounds), palette.CARTEL, **_DOTS)
    axes.steps([0.0] * len(rounds), palette.EQUILIBRIUM)
    for values, colour in lines:
        axes.point(values, colour)
    axes.numbers()


def _gains(record: CompetitionRound) -> Sequence[float | None]:
    return record.profit_gain or [None] * len(record.prices)


def _lines(rounds: Rounds, values: Sequence[Sequence[float | None]]) -> list:
    """One for each provider, or of the mean alone where there are many."""
    M = len(rounds[0].prices)
    if M > _APART:
        return [([record.mean_profit_gain for record in rounds], palette.LEADER)]
    return [([row[m] for row in values], palette.PROVIDERS[m]) for m in range(M)]


def _utility(
    canvas: Canvas, rounds: Rounds, last: CompetitionRound, x: float, width: float
) -> None:
    """What each earned, where there is nothing to hold it against."""
    _panel(canvas, x, width, "Utility of a provider")
    mean = short(_mean(last.utility)) if last.number else "–"
    canvas.text(x + 16, _TOP + 62, mean, LARGE, palette.LEADER, room=width / 2)
    canvas.text(x + width - 16, _TOP + 62, "mean", SMALL, palette.MUTED, anchor=1)
    M = len(last.prices)
    values = [record.utility for record in rounds]
    low = min([0.0, *(min(each) for each in values)])
    high = round_up(1.05 * max([0.0, *(max(each) for each in values)]))
    names = [tick(low), tick(high)]
    left = x + 16 + max(canvas.measure(words, SMALL) for words in names) + 8
    axes = Axes(
        canvas, (left, x + width - 16, _TOP + 78, _TOP + _HEIGHT - 32), rounds, last, (low, high)
    )
    axes.frame()
    for words, y in zip(names, (axes.lower, axes.upper), strict=True):
        canvas.text(x + 16, y + 5, words, SMALL, palette.MUTED)
    if M > _APART:
        _band(canvas, axes, [record.number for record in rounds], values)
        values = [[_mean(each)] for each in values]
    for m in range(M if M <= _APART else 1):
        line = [each[m] for each in values]
        axes.line(line, palette.PROVIDERS[m])
        axes.point(line, palette.PROVIDERS[m])
    axes.numbers()
