"""The road: several RSUs, the vehicles on it, and lines that show who buys where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from aigc_market import palette
from aigc_market.rendering.canvas import Canvas, Colour
from aigc_market.rendering.competition.rounds import CompetitionRound
from aigc_market.rendering.competition.text import outside, steps_of
from aigc_market.rendering.numbers import percent, short
from aigc_market.rendering.style import MARGIN, MEDIUM, SMALL, WIDTH

_TOP, _HEIGHT = 80, 312
_LEFT, _WIDTH = MARGIN, WIDTH - 2 * MARGIN
_PLATE, _PLATE_HEIGHT = _TOP + 10, 86
_ANTENNA = _PLATE + _PLATE_HEIGHT + 6
_ROAD, _ROAD_HEIGHT = _TOP + 196, 72
_LANES = 3
_PLATES = 12
"""More providers than these are shown in groups of neighbours, more vehicles by parts of the
road."""
_CARS = 40  # of a crowd, at most
_WIDEST = 26  # of a line
_SAMPLE = 5.2  # the line of the key


class _Station(NamedTuple):
    """A provider, or a group of neighbours."""

    members: np.ndarray
    x: float
    colour: Colour


def draw(canvas: Canvas, last: CompetitionRound) -> None:
    """The scene of a round."""
    canvas.rectangle(_LEFT, _TOP, _WIDTH, _HEIGHT, palette.GROUND, radius=10)
    stations = _stations(len(last.prices))
    for station in stations:
        canvas.rectangle(station.x - 1.5, _ANTENNA, 3, _ROAD - _ANTENNA, palette.LINE)
    _asphalt(canvas, last)
    K = len(last.vmu_utility)
    places = np.array(last.places) if last.places is not None else (np.arange(K) + 0.5) / K
    demand = np.array(last.demand)
    with canvas.within(_LEFT, _TOP, _WIDTH, _HEIGHT):
        if K <= _PLATES:
            lanes = _lanes(places)
            _lines(canvas, last, stations, places, demand, lanes, 1.0)
            for k, place in enumerate(places.tolist()):
                for turn in _turns(last, place):
                    _vehicle(canvas, str(k), _across(place + turn), _lane(lanes[k]))
        else:
            _crowd(canvas, last, stations, places, demand)
    most = max(_of(station, demand).sum() for station in stations)
    for station in stations:
        canvas.circle(station.x, _ANTENNA, 4, station.colour)
        _plate(canvas, last, station, _WIDTH / len(stations), most)
    _key(canvas, last)


def _stations(M: int) -> list[_Station]:
    groups = np.array_split(np.arange(M), min(M, _PLATES))
    return [
        _Station(
            members,
            _LEFT + (i + 0.5) / len(groups) * _WIDTH,
            palette.PROVIDERS[i % len(palette.PROVIDERS)],
        )
        for i, members in enumerate(groups)
    ]


def _across(place: Any) -> float:
    return _LEFT + place * _WIDTH


def _of(station: _Station, pairs: np.ndarray) -> np.ndarray:
    """(K,) of (M, K)."""
    return pairs[station.members].sum(axis=0)


def _asphalt(canvas: Canvas, last: CompetitionRound) -> None:
    canvas.rectangle(_LEFT, _ROAD, _WIDTH, _ROAD_HEIGHT, palette.ASPHALT)
    for edge in (_ROAD + 3, _ROAD + _ROAD_HEIGHT - 5):
        canvas.rectangle(_LEFT, edge, _WIDTH, 2, palette.WHITE)
    # The markings pass by from round to round where vehicles are nowhere in particular.
    shift = 0 if last.places is not None else last.number * 20 % 48
    for lane in range(1, _LANES):
        y = _ROAD + _ROAD_HEIGHT * lane / _LANES - 1
        for x in range(_LEFT - shift, _LEFT + _WIDTH, 48):
            start, end = max(x, _LEFT), min(x + 20, _LEFT + _WIDTH)
            if end > start:
                canvas.rectangle(start, y, end - start, 1, palette.LINE)


def _lane(lane: int) -> float:
    """The height of its middle."""
    return _ROAD + _ROAD_HEIGHT * (lane + 0.5) / _LANES


def _lanes(places: np.ndarray) -> list[int]:
    """For each vehicle the lane whose last vehicle is farthest behind it."""
    lanes, ends = [0] * len(places), [-math.inf] * _LANES
    for k in np.argsort(places, kind="stable").tolist():
        lanes[k] = lane = ends.index(min(ends))
        ends[lane] = float(places[k])
    return lanes


def _turns(last: CompetitionRound, place: float) -> tuple[int, ...]:
    """By how many turns of the ring a vehicle is drawn: at its seam a second time."""
    if last.places is None or 0.04 < place < 0.96:
        return (0,)
    return (0, 1) if place <= 0.04 else (0, -1)


# -- who buys where --------------------------------------------------------------------------------


def _lines(
    canvas: Canvas,
    last: CompetitionRound,
    stations: Sequence[_Station],
    places: np.ndarray,
    demand: np.ndarray,
    lanes: Sequence[int],
    vehicles: float,
) -> None:
    """From each place to each station, as wide as what is asked for there.

    Args:
        canvas: what is drawn on.
        last: the round.
        stations: where lines end.
        places: (n) in [0, 1).
        demand: (M, n).
        lanes: (n) where on the road lines begin.
        vehicles: whose largest purchase is as wide as a line may be.
    """
    drawn = []
    for station in stations:
        widths = _WIDEST * _of(station, demand) / (last.max_steps * vehicles)
        for i in np.flatnonzero(widths > 0.05).tolist():
            drawn.append((min(max(widths[i], 0.7), _WIDEST), i, station))
    for width, i, station in sorted(drawn, key=lambda line: -line[0]):
        canvas.circle(station.x, _ANTENNA, width / 2, station.colour)
        x, y = _across(places[i]), _lane(lanes[i])
        # On a ring road the shorter way may lead over its seam: both halves of the line are drawn.
        around = 0.0
        if last.places is not None:
            around = -_WIDTH * round((x - station.x) / _WIDTH)
        ends = {0.0, around}
        for shift in ends:
            start = (x + around - shift, y)
            canvas.ribbon(start, (station.x - shift, _ANTENNA), station.colour, width)


def _vehicle(canvas: Canvas, name: str, x: float, y: float) -> None:
    """Seen from above, its number on the roof."""
    canvas.rectangle(x - 22, y - 10, 44, 20, palette.BODY, radius=6)
    canvas.rectangle(x + 11, y - 8, 4, 16, palette.GLASS)
    canvas.rectangle(x - 17, y - 7, 3, 14, palette.GLASS)
    for side in (-7, 7):
        canvas.circle(x + 18, y + side, 1.5, palette.LAMP)
    canvas.text(x - 1, y + 6, name, SMALL, palette.INK, anchor=0.5)


def _crowd(
    canvas: Canvas,
    last: CompetitionRound,
    stations: Sequence[_Station],
    places: np.ndarray,
    demand: np.ndarray,
) -> None:
    """Too many for lines of their own: one bundle for each part of the road."""
    part = np.minimum((places * _PLATES).astype(int), _PLATES - 1)
    bundled = np.stack([np.bincount(part, row, _PLATES) for row in demand])
    middles = (np.arange(_PLATES) + 0.5) / _PLATES
    lanes = [0] * _PLATES
    _lines(canvas, last, stations, middles, bundled, lanes, len(places) / _PLATES)
    shown = places[:: _vehicles_of_a_car(last)]
    for place, lane in zip(shown.tolist(), _lanes(shown), strict=True):
        for turn in _turns(last, place):
            x, y = _across(place + turn), _lane(lane)
            canvas.rectangle(x - 12, y - 6, 24, 12, palette.BODY, radius=4)
            canvas.rectangle(x + 4, y - 5, 3, 10, palette.GLASS)


def _vehicles_of_a_car(last: CompetitionRound) -> int:
    """One as long as all have room on the road."""
    return math.ceil(len(last.vmu_utility) / _CARS)


# -- plates and the key ----------------------------------------------------------------------------


def _plate(
    canvas: Canvas, last: CompetitionRound, station: _Station, pitch: float, most: float
) -> None:
    """A station's price, what it sold, and what more was asked for."""
    width = min(pitch - 8, 150)
    x, left, y = station.x, station.x - width / 2, _PLATE
    narrow, room = width < 110, width - 10
    canvas.rectangle(left, y, width, _PLATE_HEIGHT, palette.WHITE, radius=6)
    canvas.rectangle(left, y, width, 12, station.colour, radius=6)
    canvas.rectangle(left, y + 6, width, 6, station.colour)
    first, final = station.members[0], station.members[-1]
    name = f"RSU {first}" if first == final else f"RSU {first}–{final}"
    canvas.text(x, y + 27, name, SMALL, palette.MUTED, anchor=0.5, room=room)
    if last.number == 0:
        canvas.text(x, y + 52, "no price yet", MEDIUM, palette.MUTED, anchor=0.5, room=room)
        return
    prices = np.array(last.prices)[station.members]
    words = short(prices[0])
    if prices.min() < prices.max():
        words = f"{short(prices.min())}–{short(prices.max())}"
    size = 21 if len(station.members) > 1 else 30 if narrow else 36
    canvas.text(x, y + 52, words, size, palette.INK, anchor=0.5, room=room)
    asked, sold = (_of(station, np.array(last.demand)).sum(), _sold(last, station))
    words = steps_of(last, sold)
    if asked > sold * (1 + 1e-9):
        words = f"{words} of {steps_of(last, asked)}"
    if not narrow:
        words = f"{words} steps"
    canvas.text(x, y + 70, words, SMALL, palette.INK, anchor=0.5, room=room)
    if most > 0:
        room = width - 12
        canvas.rectangle(left + 6, y + 76, room, 5, palette.PALE)
        canvas.rectangle(left + 6, y + 76, asked / most * room, 5, palette.CAPACITY)
        canvas.rectangle(left + 6, y + 76, sold / most * room, 5, palette.DELIVERED)


def _sold(last: CompetitionRound, station: _Station) -> float:
    return float(np.array(last.sold)[station.members].sum())


def _key(canvas: Canvas, last: CompetitionRound) -> None:
    """What lines and bars mean, and what they add up to; below the road."""
    K = len(last.vmu_utility)
    asked, sold = float(np.sum(last.demand)), sum(last.sold)
    shares = np.array(last.shares)
    y = _ROAD + _ROAD_HEIGHT + 18
    x = _LEFT + 14
    words = f"{steps_of(last, sold)} steps sold"
    if asked == 0:
        words = "nobody buys at these prices" if last.number else "nothing sold yet"
    x = _entry(canvas, x, y, words, palette.DELIVERED)
    if asked > sold * (1 + 1e-9):
        x = _entry(canvas, x, y, f"{steps_of(last, asked - sold)} more asked for", palette.CAPACITY)
    a_line = last.max_steps * _SAMPLE / _WIDEST * (1 if K <= _PLATES else K / _PLATES)
    canvas.rectangle(x, y - 5 - _SAMPLE / 2, 26, _SAMPLE, palette.MUTED)
    canvas.text(x + 32, y, f"{steps_of(last, a_line)} steps asked for", SMALL, palette.INK)
    if last.number:
        words = f"all vehicles' utility {short(sum(last.vmu_utility))}"
        canvas.text(_LEFT + _WIDTH - 14, y, words, SMALL, palette.INK, anchor=1)
    facts = []
    if last.number and (idle := outside(last)) > 5e-4:
        facts.append(f"{percent(idle)} of requests buy nothing")
    reach = float((shares * np.array(last.access_cost)).sum()) / K
    if reach > 0:
        facts.append(f"to reach an RSU costs {short(reach)} a request")
    if K > _PLATES:
        facts.append("lines: all vehicles on a twelfth of the road")
        if (many := _vehicles_of_a_car(last)) > 1:
            facts.append(f"a car stands for {many:,}")
    if last.places is not None:
        facts.append("a ring road: its ends meet")
    if facts:
        words = "  ·  ".join(facts)
        canvas.text(_LEFT + 14, y + 19, words, SMALL, palette.MUTED, room=_WIDTH - 28)


def _entry(canvas: Canvas, x: float, y: float, words: str, mark: Colour) -> float:
    """Where the next one begins."""
    canvas.rectangle(x, y - 10, 10, 10, mark)
    return x + 16 + canvas.text(x + 16, y, words, SMALL, palette.INK) + 24
