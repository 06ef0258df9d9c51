"""A surface that is drawn at twice its size, so that edges come out smooth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

Colour = str
"""In hexadecimal digits, as `palette` has them."""
_FINE = 2


def load_pygame() -> Any:
    """The module, imported when the first picture is asked for.

    Raises:
        ImportError: it is not there; the message says what to install.
    """
    try:
        import pygame
    except ImportError as error:
        raise ImportError(
            f"pictures need pygame: pip install 'aigc-market[render]' ({error})"
        ) from error
    return pygame


class Canvas:
    """Everything is drawn fine and averaged down, text too: its letters then stand evenly.

    Lengths are pixels of the finished picture, from its upper left corner. Nothing is kept between
    canvases: whoever shares the process may call `pygame.quit` at any time.
    """

    def __init__(self, width: int, height: int, background: Colour) -> None:
        self._pygame = load_pygame()
        self._pygame.font.init()
        self.width, self.height = width, height
        self._surface = self._pygame.Surface((width * _FINE, height * _FINE), 0, 32)
        self._surface.fill(background)
        self._fonts: dict[int, Any] = {}

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        colour: Colour,
        radius: float = 0,
        outline: float = 0,
    ) -> None:
        """Filled, or only its outline of so many pixels."""
        self._pygame.draw.rect(
            self._surface,
            colour,
            [round(v * _FINE) for v in (x, y, width, height)],
            round(outline * _FINE),
            round(radius * _FINE),
        )

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """Filled."""
        self._pygame.draw.polygon(
            self._surface, colour, [(x * _FINE, y * _FINE) for x, y in points]
        )

    def circle(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Filled."""
        centre = round(x * _FINE), round(y * _FINE)
        self._pygame.draw.circle(self._surface, colour, centre, round(radius * _FINE))

    def arc(
        self, x: float, y: float, radius: float, start: float, stop: float, colour: Colour
    ) -> None:
        """Part of a circle, two pixels wide; angles in radians, counted against the clock."""
        angles = np.linspace(start, stop, 24)
        self.line(
            list(zip(x + radius * np.cos(angles), y - radius * np.sin(angles), strict=True)), colour
        )

    def ribbon(
        self, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: float
    ) -> None:
        """From one level to another, as wide all along as at its ends."""
        (x0, y0), (x1, y1) = start, end
        across, down = x1 - x0, y1 - y0
        length = max(float(np.hypot(across, down)), 1e-9)
        x, y = -down / length * width / 2, across / length * width / 2
        self.polygon(
            [(x0 + x, y0 + y), (x1 + x, y1 + y), (x1 - x, y1 - y), (x0 - x, y0 - y)], colour
        )

    @contextmanager
    def within(self, x: float, y: float, width: float, height: float) -> Iterator[None]:
        """Meanwhile nothing is drawn outside this rectangle."""
        self._surface.set_clip([round(v * _FINE) for v in (x, y, width, height)])
        try:
            yield
        finally:
            self._surface.set_clip(None)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: float = 2) -> None:
        """Through the points, with round joints and ends."""
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        for start, end in pairwise(fine):
            self._pygame.draw.line(self._surface, colour, start, end, round(width * _FINE))
        for x, y in fine:
            self._pygame.draw.circle(self._surface, colour, (x, y), width * _FINE / 2)

    def dashes(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        colour: Colour,
        width: float = 2,
        on: float = 6,
        off: float = 4,
    ) -> None:
        """A dashed straight line."""
        (x0, y0), (x1, y1) = start, end
        length = max(float(np.hypot(x1 - x0, y1 - y0)), 1e-9)
        for begin in np.arange(0, length, on + off):
            a, b = begin / length, min(begin + on, length) / length
            self._pygame.draw.line(
                self._surface,
                colour,
                ((x0 + a * (x1 - x0)) * _FINE, (y0 + a * (y1 - y0)) * _FINE),
                ((x0 + b * (x1 - x0)) * _FINE, (y0 + b * (y1 - y0)) * _FINE),
                round(width * _FINE),
            )

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
        """One line of text on the baseline y, set smaller where it would not fit its room.

        Args:
            x: where the text stands.
            y: of its baseline.
            words: the text.
            size: of the font.
            colour: of the text.
            anchor: the share of the text that is left of x: 0, 0.5 or 1.
            room: the most that it may be wide.

        Returns: its width.
        """
        drawn = self._font(size).render(words, True, colour)
        while size > 8 and drawn.get_width() > room * _FINE:
            size -= 1
            drawn = self._font(size).render(words, True, colour)
        width = drawn.get_width() / _FINE
        top = y * _FINE - self._font(size).get_ascent()
        self._surface.blit(drawn, (round((x - anchor * width) * _FINE), round(top)))
        return width

    def measure(self, words: str, size: int) -> float:
        """How wide a text of this size is."""
        return self._font(size).size(words)[0] / _FINE

    def finish(self) -> np.ndarray:
        """(height, width, 3) uint8."""
        surface = self._pygame.transform.smoothscale(self._surface, (self.width, self.height))
        content = self._pygame.image.tobytes(surface, "RGB")
        return np.frombuffer(content, np.uint8).reshape(self.height, self.width, 3).copy()

    def _font(self, size: int) -> Any:
        if size not in self._fonts:
            self._fonts[size] = self._pygame.font.Font(None, size * _FINE)
        return self._fonts[size]
