"""The road: the RSU that sells, and the vehicles that buy, one by one or as a crowd."""

from __future__ import annotations

import math

import numpy as np

from aigc_market import palette
from aigc_market.rendering.canvas import Canvas, Colour
from aigc_market.rendering.numbers import count, percent, short, steps
from aigc_market.rendering.pictures import from_hexadecimal, picture
from aigc_market.rendering.rounds import Round
from aigc_market.rendering.style import MARGIN, MEDIUM, SMALL, WIDTH

_TOP, _HEIGHT = 80, 312
_LEFT, _RIGHT = MARGIN, WIDTH - MARGIN
_VEHICLES_LEFT, _VEHICLES_RIGHT = 200, _RIGHT - 8  # the RSU stands left of them
_ROAD = 72
_IN_A_ROW = 6
_ONE_BY_ONE = 2 * _IN_A_ROW
_CARS = 40  # of a crowd, at most
_LARGE_PICTURE, _SMALL_PICTURE = 128, 62


def draw(canvas: Canvas, last: Round) -> None:
    """The scene of a round."""
    K = len(last.asked)
    canvas.rectangle(_LEFT, _TOP, _RIGHT - _LEFT, _HEIGHT, palette.GROUND, radius=10)
    two_rows = _IN_A_ROW < K <= _ONE_BY_ONE
    road = _TOP + ((_HEIGHT - _ROAD) / 2 if two_rows else _HEIGHT - _ROAD - 28)
    _road(canvas, road, last.number)
    _rsu(canvas, last, road)
    _sales(canvas, last, road + _ROAD, stacked=two_rows)
    if K > _ONE_BY_ONE:
        _crowd(canvas, last, road)
        return
    in_a_row = math.ceil(K / 2) if two_rows else K
    width = min((_VEHICLES_RIGHT - _VEHICLES_LEFT) / in_a_row, 240)
    first = (_VEHICLES_LEFT + _VEHICLES_RIGHT - width * in_a_row) / 2
    side = _SMALL_PICTURE if two_rows else min(_LARGE_PICTURE, width - 16)
    for k in range(K):
        x = first + width * (k % in_a_row + 0.5)
        lower = k >= in_a_row if two_rows else k % 2
        lane = road + _ROAD * (0.74 if lower else 0.26)
        top = _TOP + 14 + (0 if two_rows else (_LARGE_PICTURE - side) / 2)
        if two_rows and lower:
            top = road + _ROAD + 16
        if _here(last, k):
            reach = top - 4 if two_rows and lower else top + side + (40 if two_rows else 58)
            canvas.line([(x, reach), (x, lane)], palette.LINE, 2)
            _vehicle(canvas, k, x, lane)
        _card(canvas, last, k, x, top, side, width - 8)


def _road(canvas: Canvas, y: float, number: int) -> None:
    left, right = _LEFT, _RIGHT
    canvas.rectangle(left, y, right - left, _ROAD, palette.ASPHALT)
    for edge in (y + 4, y + _ROAD - 6):
        canvas.rectangle(left, edge, right - left, 2, palette.WHITE)
    period = 48
    shift = number * 20 % period  # the markings pass by from round to round
    for x in range(left - shift, right, period):
        start, end = max(x, left), min(x + 26, right)
        if end > start:
            canvas.rectangle(start, y + _ROAD / 2 - 1, end - start, 2, palette.WHITE)


def _rsu(canvas: Canvas, last: Round, road: float) -> None:
    """The roadside unit, with its price on a plate."""
    x, top = _LEFT + 86, _TOP + 14
    mast, foot = top + 84, road
    canvas.rectangle(x - 2, mast, 5, foot - mast, palette.MUTED)
    if foot - mast > 60:
        canvas.rectangle(x - 24, foot - 36, 48, 36, palette.INK, radius=4)
        canvas.text(x, foot - 12, "RSU", MEDIUM, palette.WHITE, anchor=0.5)
        for radius in (14, 24, 34):
            for middle in (0.0, math.pi):
                canvas.arc(x, mast + 28, radius, middle - 0.6, middle + 0.6, palette.LEADER)
    canvas.rectangle(x - 68, top, 136, 84, palette.LEADER, radius=8)
    canvas.text(x, top + 24, "RSU sells at", SMALL, palette.WHITE, anchor=0.5)
    if last.number == 0:
        canvas.text(x, top + 52, "no price yet", MEDIUM, palette.WHITE, anchor=0.5)
        return
    canvas.text(x, top + 56, short(last.price), 44, palette.WHITE, anchor=0.5, room=120)
    canvas.text(x, top + 74, "a step", SMALL, palette.WHITE, anchor=0.5)


def _sales(canvas: Canvas, last: Round, y: float, stacked: bool) -> None:
    """Steps sold and asked for in all, and what the bars mean; below the road."""
    asked, sold = sum(last.asked), sum(last.delivered)
    words = f"{steps(sold)} steps sold"
    if last.number and sold == 0:
        there = any(_here(last, k) for k in range(len(last.asked)))
        words = "nobody buys at this price" if there else "nobody is there to buy"
    parts: list[tuple[str, Colour | None, Colour]]
    parts = [(words, palette.DELIVERED, palette.INK)]
    if asked > sold * (1 + 1e-9):
        parts.append((f"{steps(asked - sold)} more asked for", palette.CAPACITY, palette.INK))
    if (many := _vehicles_of_a_car(last)) > 1:
        parts.append((f"a car stands for {many:,} vehicles", None, palette.MUTED))
    if stacked:
        parts.append((f"a bar is {steps(last.max_steps)} steps", None, palette.MUTED))
        if not last.images:
            parts.append(("% is image quality", None, palette.MUTED))
    x, y = _LEFT + 18, y + (32 if stacked else 20)
    for words, mark, colour in parts:
        if mark is not None:
            canvas.rectangle(x, y - 10, 10, 10, mark)
        used = canvas.text(x + 16, y, words, SMALL, colour, room=140 if stacked else 300)
        if stacked:
            y += 22
        else:
            x += used + 40


# -- one by one ------------------------------------------------------------------------------------


def _here(last: Round, k: int) -> bool:
    return last.active is None or last.active[k]


def _vehicle(canvas: Canvas, k: int, x: float, y: float) -> None:
    """Seen from above, its number on the roof."""
    canvas.rectangle(x - 27, y - 12, 54, 24, palette.BODY, radius=7)
    canvas.polygon(
        [(x + 12, y - 9), (x + 18, y - 10), (x + 18, y + 10), (x + 12, y + 9)], palette.GLASS
    )
    canvas.polygon(
        [(x - 20, y - 9), (x - 16, y - 8), (x - 16, y + 8), (x - 20, y + 9)], palette.GLASS
    )
    for side in (-8, 8):
        canvas.circle(x + 23, y + side, 2, palette.LAMP)
    canvas.text(x - 2, y + 6, str(k), MEDIUM, palette.INK, anchor=0.5)


def _card(
    canvas: Canvas, last: Round, k: int, x: float, y: float, side: float, width: float
) -> None:
    """What a vehicle got: its picture, its steps as a bar, both in numbers."""
    left = x - side / 2
    if not _here(last, k):
        corners = [(left, y), (left + side, y), (left + side, y + side), (left, y + side)]
        for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
            canvas.dashes(start, end, palette.LINE)
        canvas.text(x, y + side / 2 + 5, "empty", SMALL, palette.MUTED, anchor=0.5)
        return
    canvas.rectangle(left - 3, y - 3, side + 6, side + 21, palette.WHITE, radius=4)
    canvas.picture(left, y, side, _picture(last, k, k))
    _bar(canvas, last, k, left, y + side + 5, side)
    words, quality = _bought(last, k), _quality(last, k)
    if last.number == 0:
        canvas.text(x, y + side + 34, words, SMALL, palette.INK, anchor=0.5, room=width)
    elif side == _SMALL_PICTURE:
        words = f"{words}  ·  {quality}"
        canvas.text(x, y + side + 34, words, SMALL, palette.INK, anchor=0.5, room=width)
    else:
        canvas.text(x, y + side + 34, words, SMALL, palette.INK, anchor=0.5, room=width)
        quality = quality if last.images else f"quality {quality}"
        canvas.text(x, y + side + 52, quality, SMALL, palette.INK, anchor=0.5, room=width)


def _picture(last: Round, k: int, scene: int) -> np.ndarray:
    """What vehicle k got, or what stands for it."""
    if last.images:
        return from_hexadecimal(last.images[k])
    return picture(scene, last.quality[k])


def _bar(canvas: Canvas, last: Round, k: int, x: float, y: float, width: float) -> None:
    """Of S_max: what was delivered, and what was asked for in vain."""
    share = width / last.max_steps
    canvas.rectangle(x, y, width, 9, palette.PALE)
    canvas.rectangle(x, y, last.asked[k] * share, 9, palette.CAPACITY)
    canvas.rectangle(x, y, last.delivered[k] * share, 9, palette.DELIVERED)


def _bought(last: Round, k: int) -> str:
    """In numbers."""
    bought = steps(last.delivered[k])
    if last.asked[k] > last.delivered[k] * (1 + 1e-9):
        bought = f"{bought} of {steps(last.asked[k])}"
    return f"{bought} steps" if last.number else "nothing yet"


def _quality(last: Round, k: int) -> str:
    """The SSIM measured where the image is really made, else the share of the best gain."""
    return f"SSIM {last.ssim[k]:.2f}" if last.images else percent(last.quality[k], 0)


# -- a crowd ---------------------------------------------------------------------------------------


def _crowd(canvas: Canvas, last: Round, road: float) -> None:
    """Too many to be shown: how steps and quality are spread over those who are there."""
    K = len(last.asked)
    here = np.flatnonzero([_here(last, k) for k in range(K)])
    _traffic(canvas, road, math.ceil(len(here) / _vehicles_of_a_car(last)))
    left, middle, top = _VEHICLES_LEFT + 6, _VEHICLES_LEFT + 290, _TOP + 28
    canvas.text(left, top, "Steps bought", MEDIUM, palette.INK)
    canvas.text(middle, top, "Image quality", MEDIUM, palette.INK)
    words = count(K, "vehicle")
    if last.active:
        words = f"{len(here):,} of {words} are there"
    canvas.text(_RIGHT - 18, top, words, SMALL, palette.MUTED, anchor=1)
    if len(here) == 0 or last.number == 0:
        words = "nothing yet" if len(here) else "nobody is there"
        for x in (left, middle):
            canvas.text(x, top + 60, words, SMALL, palette.MUTED)
        return
    bought = np.array(last.delivered)[here]
    _histogram(canvas, bought, last.max_steps, left, top + 14, middle - left - 24, 124)
    _quantiles(canvas, last, here, middle, top + 32, _RIGHT - middle - 14)


def _vehicles_of_a_car(last: Round) -> int:
    """One as long as all have room on the road."""
    return math.ceil(len(last.asked) / _CARS)


def _traffic(canvas: Canvas, road: float, cars: int) -> None:
    """So many small cars, of `_CARS` at most."""
    pitch = (_RIGHT - _VEHICLES_LEFT - 16) / (_CARS / 2)
    for i in range(cars):
        x = _VEHICLES_LEFT + 8 + (i // 2 + 0.5) * pitch
        y = road + _ROAD * (0.74 if i % 2 else 0.26)
        canvas.rectangle(x - 13, y - 7, 26, 14, palette.BODY, radius=4)
        canvas.rectangle(x + 4, y - 5, 4, 10, palette.GLASS)


def _histogram(
    canvas: Canvas,
    bought: np.ndarray,
    most: float,
    x: float,
    y: float,
    width: float,
    height: float,
) -> None:
    """How many bought how much, from none to S_max."""
    bins = 25
    counts, _ = np.histogram(bought, bins, (0.0, most))
    bar, foot = width / bins, y + height
    canvas.rectangle(x, y, width, height, palette.WHITE, radius=4)
    for i, share in enumerate(counts / counts.max()):
        if share:
            tall = max((height - 10) * share, 2)
            canvas.rectangle(x + i * bar + 0.5, foot - tall, bar - 1, tall, palette.DELIVERED)
    canvas.line([(x, foot), (x + width, foot)], palette.MUTED, 1)
    median = float(np.median(bought))
    at = x + width * median / most
    canvas.line([(at, y + 3), (at, foot)], palette.INK, 2)
    zero = canvas.text(x, foot + 18, "0", SMALL, palette.MUTED)
    end = canvas.text(x + width, foot + 18, steps(most), SMALL, palette.MUTED, anchor=1)
    words = f"median {steps(median)}"
    half = 0.5 * canvas.measure(words, SMALL) + 8
    at = min(max(at, x + zero + half), x + width - end - half)
    canvas.text(at, foot + 18, words, SMALL, palette.INK, anchor=0.5)


_QUARTILES = ("poorest", "1st quartile", "median", "3rd quartile", "best")


def _quantiles(
    canvas: Canvas, last: Round, here: np.ndarray, x: float, y: float, width: float
) -> None:
    """Pictures of the vehicles at the quartiles of quality."""
    quality = np.array(last.ssim if last.images else last.quality)
    ranked = here[np.argsort(quality[here], kind="stable")]
    column = width / len(_QUARTILES)
    side = column - 14
    for i, name in enumerate(_QUARTILES):
        k = int(ranked[round(i / (len(_QUARTILES) - 1) * (len(ranked) - 1))])
        left = x + column * i
        middle = left + side / 2
        canvas.text(middle, y, name, SMALL, palette.MUTED, anchor=0.5, room=column - 4)
        canvas.rectangle(left - 3, y + 7, side + 6, side + 6, palette.WHITE, radius=4)
        canvas.picture(left, y + 10, side, _picture(last, k, 0))
        canvas.text(middle, y + side + 32, _quality(last, k), MEDIUM, palette.INK, anchor=0.5)
