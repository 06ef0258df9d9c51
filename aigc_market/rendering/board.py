"""The board with a menu: its contracts on a plane of steps and fees, and in numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from aigc_market import palette
from aigc_market.rendering import contracts
from aigc_market.rendering.canvas import GAP, MARGIN, MEDIUM, SMALL, STAGE, WIDTH, Canvas
from aigc_market.rendering.contracts import Contract, Menu
from aigc_market.rendering.numbers import round_up, short, steps, tick
from aigc_market.rendering.purchases import stand_in
from aigc_market.rendering.rounds import MenuRound
from aigc_market.rendering.shown import Shown

_TOP, _HEIGHT = STAGE
_LEFT, _TABLES, _HEAD, _ROW = MARGIN + 14, 416, _TOP + 26, 21
_UPPER, _LOWER, _AXIS, _END = _TOP + 34, _TOP + 236, 104, 392  # the sides of the plane
_LARGE, _SMALL = 9, 4
"""Of a dot: where it has a row in a table, and where it has none."""
_PICTURES, _SIDE = 4, 112
"""So many at most, of this side."""


def draw(canvas: Canvas, last: Shown, menu: MenuRound) -> None:
    """A round: what was for sale, who took what, and the best menu beside it."""
    canvas.rectangle(MARGIN, _TOP, WIDTH - 2 * MARGIN, _HEIGHT, palette.GROUND, radius=10)
    posted, best = contracts.posted(menu), contracts.best(menu)
    _plane(canvas, menu, posted, best)
    _key(canvas, last)
    _table(canvas, "best menu", menu, best, _ring, 722, (62, 116, 116, 200))
    if menu.number:
        _table(canvas, "posted", menu, posted, _dot, _TABLES, (78, 134, 188, 280))
        _pictures(canvas, posted.contracts)
    else:
        canvas.text(_TABLES, _HEAD, "no menu yet", MEDIUM, palette.MUTED)


def _plane(canvas: Canvas, menu: MenuRound, posted: Menu, best: Menu) -> None:
    """Contracts as dots, those of the best menu as rings, over the line of what steps cost."""
    top = _top(menu)

    def at(amount: float, fee: float) -> tuple[float, float]:
        share = amount / menu.max_steps, fee / top
        return _AXIS + share[0] * (_END - _AXIS), _LOWER - share[1] * (_LOWER - _UPPER)

    canvas.rectangle(_AXIS, _UPPER, _END - _AXIS, _LOWER - _UPPER, palette.WHITE)
    most = min(menu.max_steps, top / menu.cost) if menu.cost else menu.max_steps
    canvas.line([at(0, 0), at(most, menu.cost * most)], palette.MUTED, 1.5)
    canvas.line([(_AXIS, _UPPER), (_AXIS, _LOWER), (_END, _LOWER)], palette.LINE, 1)
    canvas.text(_AXIS, _UPPER - 14, "fee of a contract", SMALL, palette.MUTED)
    for y, words in ((_UPPER + 10, tick(top)), (_LOWER + 2, "0")):
        canvas.text(_AXIS - 14, y, words, SMALL, palette.MUTED, anchor=1, room=52)
    ends = ("0", "steps of a contract", tick(menu.max_steps))
    for x, words in zip((_AXIS, (_AXIS + _END) / 2, _END), ends, strict=True):
        canvas.text(x, _LOWER + 27, words, SMALL, palette.MUTED, anchor=0.5, room=140)
    radius = _LARGE + 2.5 if len(best.contracts) == len(best.listed) else _SMALL + 1.5
    for each in best.contracts:
        _ring(canvas, *at(each.steps, each.fee), each, radius)
    if not menu.number:
        return
    large = posted.listed
    for each in posted.contracts:
        if each not in large:
            _dot(canvas, *at(each.steps, each.fee), each, _SMALL)
    # What most take lies on top, and a number stands only where nothing hides it.
    drawn = sorted(large, key=lambda each: len(each.takers))
    points = [at(each.steps, each.fee) for each in drawn]
    for i, (each, point) in enumerate(zip(drawn, points, strict=True)):
        clear = all(math.dist(point, other) > 16 for other in points[i + 1 :])
        _dot(canvas, *point, each, _LARGE, str(each.number) if clear else "")


def _top(menu: MenuRound) -> float:
    """Of the axis of fees: the highest that there may be, or less where all are far below it."""
    most = max(*menu.fees, *menu.best_fees)
    return round_up(1.02 * most) if 0 < 4 * most < menu.max_fee else max(menu.max_fee, most) or 1.0


def _dot(canvas: Canvas, x: float, y: float, each: Contract, radius: float, name: str = "") -> None:
    """A contract for sale, grey where nobody takes it."""
    canvas.circle(x, y, radius + 1, palette.WHITE)
    canvas.circle(x, y, radius, palette.LEADER if each.takers else palette.MUTED)
    canvas.text(x, y + 5, name, SMALL, palette.WHITE, anchor=0.5, room=16)


def _ring(canvas: Canvas, x: float, y: float, _: Contract, radius: float, name: str = "") -> None:
    """A contract of the best menu: a dot at the same place stands in it."""
    turns = [math.tau * i / 32 for i in range(33)]
    around = [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]
    canvas.line(around, palette.EQUILIBRIUM, 2 if radius > _SMALL + 2 else 1)
    canvas.text(x, y + 5, name, SMALL, palette.EQUILIBRIUM, anchor=0.5, room=13)


def _pictures(canvas: Canvas, posted: Sequence[Contract]) -> None:
    """How good an image each contract makes, if there is room for all."""
    for i, each in enumerate(posted if len(posted) <= _PICTURES else ()):
        x, y = _TABLES + i * (_SIDE + GAP), _TOP + _HEIGHT - 14 - _SIDE
        canvas.rectangle(x - 3, y - 3, _SIDE + 6, _SIDE + 6, palette.WHITE, radius=4)
        canvas.picture(x, y, _SIDE, stand_in(0, each.quality or 0.0))
        _dot(canvas, x + _LARGE, y + _LARGE, each, _LARGE, str(each.number))


def _table(
    canvas: Canvas,
    title: str,
    menu: MenuRound,
    told: Menu,
    mark: Callable[..., None],
    left: float,
    ends: Sequence[float],
) -> None:
    """A menu in rows, each with its mark on the plane; columns end so far from its left side."""
    listed, hue = told.listed, palette.LEADER if mark is _dot else palette.EQUILIBRIUM
    canvas.text(left, _HEAD, title, MEDIUM, hue)
    for i, (name, *cells) in enumerate(told.rows(menu, short)):
        y, hue = _HEAD + (i + 1) * _ROW, palette.INK if i else palette.MUTED
        if 0 < i <= len(listed):
            mark(canvas, left + _LARGE, y - 5, listed[i - 1], _LARGE, name)
        else:
            canvas.text(left, y, name, SMALL, hue)
        for cell, (start, end) in zip(cells, pairwise((20, *ends)), strict=True):
            if start < end:
                canvas.text(left + end, y, cell, SMALL, hue, anchor=1, room=end - start - 6)


def _key(canvas: Canvas, last: Shown) -> None:
    """What dots, rings and the line mean, and what the round came to."""
    x, y, none = _LEFT + 6.0, _TOP + _HEIGHT - 26, Contract(0, [], 0, 0)
    marks = (("taken", _dot, [0]), ("not taken", _dot, []), ("best menu", _ring, []))
    for words, mark, takers in marks:
        mark(canvas, x, y - 5, none._replace(takers=takers), 6)
        x += 27 + canvas.text(x + 10, y, words, SMALL, palette.INK)
    canvas.line([(x - 6, y - 5), (x + 14, y - 5)], palette.MUTED, 1.5)
    canvas.text(x + 20, y, "cost of steps", SMALL, palette.INK)
    sold = last.unsold or f"{steps(sum(last.sold), last.max_steps)} steps sold"
    words = "  ·  ".join([sold, *last.facts()])
    canvas.text(_LEFT, y + 19, words, SMALL, palette.MUTED, room=_TABLES - _LEFT - 20)
