"""The surface of a frame, drawn at twice its size, so that edges come out smooth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from aigc_market import palette
from aigc_market._checks import needed

WIDTH, HEIGHT = 960, 640
"""Of a frame, in pixels; multiples of 16, as video codecs like them."""
WINDOW = 50
"""The last rounds that a frame shows."""
MARGIN, GAP = 24, 16
STAGE = 80, 312
"""Upper side and height of what stands between head and charts."""
LARGE, MEDIUM, SMALL = 38, 21, 18
"""Sizes of text."""

Colour = str
"""In hexadecimal digits, as `palette` has them."""
_FINE = 2
_FONTS: dict[int, Any] = {}
"""By size. A font remembers its letters: drawing each anew takes longer than all else."""


class Stroke(NamedTuple):
    """A dashed line."""

    colour: Colour
    on: float = 6
    """How long a dash is."""
    off: float = 4
    """How far it is from the next."""


def load_pygame() -> Any:
    """The module, imported when the first picture is asked for.

    Raises:
        ImportError: it is not there; the message says what to install.
    """
    with needed("render", "pictures need pygame"):
        import pygame
    return pygame


class Canvas:
    """Everything is drawn fine and averaged down, text too: its letters then stand evenly.

    Lengths are pixels of the finished picture, from its upper left corner.
    """

    def __init__(self) -> None:
        self._pygame = load_pygame()
        self._pygame.font.init()
        self._surface = self._pygame.Surface((WIDTH * _FINE, HEIGHT * _FINE), 0, 32)
        self._surface.fill(palette.PAPER)

    def rectangle(
        self, x: float, y: float, width: float, height: float, colour: Colour, radius: float = 0
    ) -> None:
        """Filled, with round corners of this radius."""
        sides = [round(v * _FINE) for v in (x, y, width, height)]
        self._pygame.draw.rect(self._surface, colour, sides, border_radius=round(radius * _FINE))

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """Filled."""
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        self._pygame.draw.polygon(self._surface, colour, fine)

    def circle(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Filled."""
        centre = round(x * _FINE), round(y * _FINE)
        self._pygame.draw.circle(self._surface, colour, centre, round(radius * _FINE))

    def line(
        self, points: Sequence[tuple[float, float] | None], colour: Colour, width: float = 2
    ) -> None:
        """Through the points, with round joints and ends, and a gap where there is none."""
        for start, end in pairwise(points):
            if start and end:  # as a polygon it is as wide in every direction
                (x0, y0), (x1, y1) = start, end
                length = 2 * math.dist(start, end) / width or 1.0
                x, y = (y0 - y1) / length, (x1 - x0) / length
                corners = (x0 + x, y0 + y), (x1 + x, y1 + y), (x1 - x, y1 - y), (x0 - x, y0 - y)
                self.polygon(corners, colour)
        for point in filter(None, points):
            self.circle(*point, width / 2, colour)

    def dashes(
        self, left: float, right: float, y: float, stroke: Stroke, skipped: float = 0
    ) -> None:
        """A dashed level line, whose pattern begins so many pixels before it."""
        for begin in np.arange(left - skipped, right, stroke.on + stroke.off).tolist():
            start, end = max(begin, left), min(begin + stroke.on, right)
            if start < end:
                self.rectangle(start, y - 1, end - start, 2, stroke.colour)

    def picture(self, x: float, y: float, side: float, pixels: np.ndarray) -> None:
        """A square picture, (n, n, 3) uint8, brought to `side`."""
        small = self._pygame.surfarray.make_surface(pixels.transpose(1, 0, 2))
        fine = self._pygame.transform.smoothscale(small.convert(self._surface), [side * _FINE] * 2)
        self._surface.blit(fine, (x * _FINE, y * _FINE))

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: int,
        colour: Colour,
        anchor: float = 0,
        room: float = float("inf"),
    ) -> float:
        """One line of text, set smaller where it would not fit its room.

        Of it stands the share `anchor` (0, 0.5 or 1) on the left of x; y is its baseline.

        Returns: its width.
        """
        if not words:
            return 0.0
        while size > 8 and self.measure(words, size) > room:
            size -= 1
        font, width = self._font(size), self.measure(words, size)
        where = round((x - anchor * width) * _FINE), round(y * _FINE - font.get_ascent())
        self._surface.blit(font.render(words, True, colour), where)
        return width

    def measure(self, words: str, size: int) -> float:
        """How wide a text of this size is."""
        return self._font(size).size(words)[0] / _FINE

    def finish(self) -> np.ndarray:
        """(640, 960, 3) uint8."""
        surface = self._pygame.transform.smoothscale(self._surface, (WIDTH, HEIGHT))
        content = self._pygame.image.tobytes(surface, "RGB")
        return np.frombuffer(content, np.uint8).reshape(HEIGHT, WIDTH, 3).copy()

    def _font(self, size: int) -> Any:
        try:
            _FONTS[size].get_ascent()
        except (KeyError, self._pygame.error):  # somebody may have called `pygame.quit` meanwhile
            _FONTS[size] = self._pygame.font.Font(None, size * _FINE)
        return _FONTS[size]
