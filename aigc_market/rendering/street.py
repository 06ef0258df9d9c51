"""The street: roadside units that sell, and vehicles that buy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aigc_market import palette
from aigc_market.rendering import purchases
from aigc_market.rendering.canvas import MARGIN, MEDIUM, SMALL, STAGE, WIDTH, Canvas, Colour, Stroke
from aigc_market.rendering.numbers import part, short, steps
from aigc_market.rendering.shown import Shown

_TOP, _HEIGHT = STAGE
_LEFT, _RIGHT, _WIDTH = MARGIN, WIDTH - MARGIN, WIDTH - 2 * MARGIN
_PLATE, _PLATE_HEIGHT = _TOP + 10, 86
_ANTENNA = _PLATE + _PLATE_HEIGHT + 6
_ROAD, _ROAD_HEIGHT = _TOP + 196, 72
_LANES = 3
_PURCHASES = 200  # where the vehicles begin that show what they got
_APART = 12
"""As many vehicles and units are shown one by one; more units in groups of neighbours."""
_CARS = 40  # of a crowd, at most
_WIDEST, _SAMPLE = 26, 5.2  # of the lines, and the one in the key


class _Station(NamedTuple):
    """A unit, or a group of neighbours."""

    name: str
    x: float
    width: float
    """Of its plate."""
    colour: Colour
    prices: list[float]
    demand: np.ndarray
    """(K)."""
    sold: float


def draw(canvas: Canvas, last: Shown) -> None:
    """A round on the street.

    Lines lead from the vehicles to the units at which they buy. Where the record tells what each
    vehicle got, the vehicles show that in place of lines, and the units stand on their left.
    """
    canvas.rectangle(_LEFT, _TOP, _WIDTH, _HEIGHT, palette.GROUND, radius=10)
    stations = _stations(last)
    for station in stations:
        canvas.rectangle(station.x - 1.5, _ANTENNA, 3, _ROAD - _ANTENNA, palette.LINE)
    _road(canvas, last)
    _vehicles(canvas, last, stations)
    for margin in (0, _RIGHT):  # on a ring lines and vehicles go on beyond
        canvas.rectangle(margin, _TOP, MARGIN, _HEIGHT, palette.PAPER)
    most = max(max(station.demand.sum(), station.sold) for station in stations)
    for station in stations:
        canvas.circle(station.x, _ANTENNA, 4, station.colour)
        _plate(canvas, last, station, most)
    _key(canvas, last)


def _stations(last: Shown) -> list[_Station]:
    M = len(last.cost)
    groups = np.array_split(np.arange(M), min(M, _APART))
    pitch = (_PURCHASES - _LEFT if last.delivered else _WIDTH) / len(groups)
    prices, demand, sold = map(np.array, (last.prices or last.cost, last.demand, last.sold))
    return [
        _Station(
            name="RSU" if M == 1 else f"RSU {m[0]}" if len(m) == 1 else f"RSU {m[0]}–{m[-1]}",
            x=_LEFT + (i + 0.5) * pitch,
            width=min(pitch - 8, 150),
            colour=palette.PROVIDERS[i % len(palette.PROVIDERS)],
            prices=prices[m].tolist(),
            demand=demand[m].sum(axis=0),
            sold=float(sold[m].sum()),
        )
        for i, m in enumerate(groups)
    ]


def _road(canvas: Canvas, last: Shown) -> None:
    canvas.rectangle(_LEFT, _ROAD, _WIDTH, _ROAD_HEIGHT, palette.ASPHALT)
    for edge in (_ROAD + 3, _ROAD + _ROAD_HEIGHT - 5):
        canvas.rectangle(_LEFT, edge, _WIDTH, 2, palette.WHITE)
    # The markings pass by from round to round where vehicles are nowhere in particular.
    passed = last.number * 20 % 48 if last.places is None else 0
    for lane in range(1, _LANES):
        y = _ROAD + _ROAD_HEIGHT * lane / _LANES
        canvas.dashes(_LEFT, _RIGHT, y, Stroke(palette.LINE, on=20, off=28), passed)


# -- vehicles --------------------------------------------------------------------------------------


def _vehicles(canvas: Canvas, last: Shown, stations: Sequence[_Station]) -> None:
    """Those that are there, one by one or as a crowd, and what they bought or where."""
    K, ring = len(last.here), last.places is not None
    left, right = (_PURCHASES, _RIGHT - 12) if last.delivered else (_LEFT, _RIGHT)
    places = np.array(last.places) if ring else (np.arange(K) + 0.5) / K
    x, y = left + places * (right - left), np.full(K, _ROAD + 0.5 * _ROAD_HEIGHT / _LANES)
    drawn = np.flatnonzero(last.here)[:: _vehicles_of_a_car(K)]
    along = drawn[np.argsort(places[drawn], kind="stable")]
    y[along] += np.arange(len(along)) % _LANES * _ROAD_HEIGHT / _LANES  # neighbours apart
    if not last.delivered:
        _lines(canvas, last, stations, x, y)
    elif K > _APART:
        purchases.crowd(canvas, last, left, right, _TOP + 12)
    else:
        for k in range(K):
            if last.here[k]:
                canvas.line([(x[k], _ROAD - 10), (x[k], y[k])], palette.LINE)
            purchases.card(canvas, last, k, x[k], _TOP + 12, (right - left) / K, k)
    for k in drawn.tolist():
        for turn in (-_WIDTH, 0, _WIDTH) if ring else (0,):  # seen twice at the seam of a ring
            if _LEFT - 22 < (at := float(x[k]) + turn) < _RIGHT + 22:
                _vehicle(canvas, at, float(y[k]), str(k) if K <= _APART else "")


def _vehicles_of_a_car(K: int) -> int:
    """One as long as all have room on the road."""
    return math.ceil(K / _CARS)


def _vehicle(canvas: Canvas, x: float, y: float, name: str) -> None:
    """Seen from above, its number on the roof; a smaller one without."""
    length, width = (44, 20) if name else (24, 12)
    canvas.rectangle(x - length / 2, y - width / 2, length, width, palette.BODY, radius=width / 3)
    canvas.rectangle(x + length / 4, y - 0.4 * width, 4, 0.8 * width, palette.GLASS)
    canvas.text(x - 2, y + 6, name, SMALL, palette.INK, anchor=0.5)


def _lines(
    canvas: Canvas, last: Shown, stations: Sequence[_Station], x: np.ndarray, y: np.ndarray
) -> None:
    """From each vehicle at (x, y) to each unit, as wide as what it asks for there.

    Too many vehicles for lines of their own share a bundle for each part of the road.
    """
    K, part_of, vehicles = len(x), np.arange(len(x)), 1.0
    if K > _APART:
        length, vehicles = _WIDTH / _APART, K / _APART
        part_of = np.minimum((x - _LEFT) / length, _APART - 1).astype(int)
        x, y = _LEFT + (np.arange(_APART) + 0.5) * length, np.full(_APART, y.min())
    lines = []
    for station in stations:
        demand = np.bincount(part_of, station.demand, len(x))
        widths = _WIDEST * demand / (last.max_steps * vehicles)
        for i in np.flatnonzero(widths > 0.05):
            lines.append((min(max(widths[i], 1.0), _WIDEST), x[i], y[i], station))
    for width, at, height, station in sorted(lines, key=lambda line: -line[0]):
        # On a ring road the shorter way may lead over its seam: both halves of the line are drawn.
        around = 0.0 if last.places is None else -_WIDTH * float(round((at - station.x) / _WIDTH))
        for shift in {0.0, around}:
            start, end = (at + around - shift, height), (station.x - shift, _ANTENNA)
            canvas.line([start, end], station.colour, width)


# -- plates and the key ----------------------------------------------------------------------------


def _plate(canvas: Canvas, last: Shown, station: _Station, most: float) -> None:
    """A unit's price, what it sold, and what more was asked for, beside the most of a unit."""
    x, width, y = station.x, station.width, _PLATE
    left, room = x - width / 2, width - 10
    canvas.rectangle(left, y, width, _PLATE_HEIGHT, palette.WHITE, radius=6)
    canvas.rectangle(left, y, width, 12, station.colour, radius=6)
    canvas.rectangle(left, y + 6, width, 6, station.colour)
    canvas.text(x, y + 27, station.name, SMALL, palette.MUTED, anchor=0.5, room=room)
    if last.prices is None:
        canvas.text(x, y + 52, "no price yet", MEDIUM, palette.MUTED, anchor=0.5, room=room)
        return
    low, high, narrow = short(min(station.prices)), short(max(station.prices)), width < 110
    words, size = (low, 30 if narrow else 36) if low == high else (f"{low}–{high}", MEDIUM)
    canvas.text(x, y + 52, words, size, palette.INK, anchor=0.5, room=room)
    asked = station.demand.sum()
    words = part(station.sold, asked, last.max_steps) + ("" if narrow else " steps")
    canvas.text(x, y + 70, words, SMALL, palette.INK, anchor=0.5, room=room)
    if most > 0:
        purchases.bar(canvas, left + 6, y + 76, width - 12, 5, asked / most, station.sold / most)


def _key(canvas: Canvas, last: Shown) -> None:
    """What lines and bars mean, and what they add up to; below the road."""
    K, most, sold, facts = len(last.here), last.max_steps, sum(last.sold), last.facts()
    words = last.unsold or f"{steps(sold, most)} steps sold"
    entries = [(words, palette.DELIVERED, 10.0, 10.0)]
    if last.asked > sold * (1 + 1e-9):
        words = f"{steps(last.asked - sold, most)} more asked for"
        entries.append((words, palette.CAPACITY, 10.0, 10.0))
    if not last.delivered:
        line = steps(most * _SAMPLE / _WIDEST * max(1.0, K / _APART), most)
        entries.append((f"{line} steps asked for", palette.MUTED, 26.0, _SAMPLE))
        if K > _APART:
            facts.append("lines: all VMUs on a twelfth of the road")
    elif K <= _APART:
        full = steps(most, most)
        facts.append(f"a full bar is {full} steps, below it steps and {last.measured}")
    if (many := _vehicles_of_a_car(K)) > 1:
        facts.append(f"a car stands for {many:,} VMUs")
    if last.places is not None:
        facts.append("a ring road: its ends meet")
    x, y = _LEFT + 14.0, _ROAD + _ROAD_HEIGHT + 18
    for words, colour, width, height in entries:
        canvas.rectangle(x, y - 5 - height / 2, width, height, colour)
        x += width + 30 + canvas.text(x + width + 6, y, words, SMALL, palette.INK)
    words = "  ·  ".join(facts)
    canvas.text(_LEFT + 14, y + 19, words, SMALL, palette.MUTED, room=_WIDTH - 28)
