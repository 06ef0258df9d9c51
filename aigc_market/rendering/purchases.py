"""What vehicles got: each for itself, or how it is spread over a crowd."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from aigc_market import palette
from aigc_market.rendering.canvas import SMALL, Canvas
from aigc_market.rendering.numbers import part, percent
from aigc_market.rendering.shown import Shown
from aigc_market.ssim.scenes import scene

_LARGEST = 120  # side of a picture
_QUARTILES = ("poorest", "1st quartile", "median", "3rd quartile", "best")
_SCENES = (44, 6, 2, 55, 41, 22, 12, 0, 32, 40, 21, 53)
"""Seeds of scenes that can be told from each other."""
_SIDE, _GRAINS = 96, 48
"""Of a scene, and of the noise over it: finer grains average out where it is shown small."""


def card(
    canvas: Canvas, last: Shown, k: int, x: float, top: float, pitch: float, scenery: int
) -> None:
    """Vehicle k's picture, its steps as a bar of S_max, and both in numbers, around x.

    Pictures end where the largest that begins at `top` would end. Where none is made, a scene of
    this number stands for it.
    """
    side = min(_LARGEST, pitch - 8)
    left, right, top, bottom = x - side / 2, x + side / 2, top + _LARGEST - side, top + _LARGEST
    if not last.here[k]:
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        canvas.line(corners, palette.LINE, 1)
        canvas.text(x, top + side / 2 + 5, "empty", SMALL, palette.MUTED, anchor=0.5)
        return
    picture, quality = stand_in(scenery, last.quality[k]), percent(last.quality[k], 0)
    if last.images:
        pixels = np.frombuffer(bytes.fromhex(last.images[k]), np.uint8)
        n = math.isqrt(len(pixels) // 3)
        picture, quality = pixels.reshape(n, n, 3), f"{last.ssim[k]:.2f}"
    canvas.rectangle(left - 3, top - 3, side + 6, side + 18, palette.WHITE, radius=4)
    canvas.picture(left, top, side, picture)
    asked, delivered = last.demand[0][k], last.delivered[k]
    bar(canvas, left, bottom + 4, side, 8, asked / last.max_steps, delivered / last.max_steps)
    words = part(delivered, asked, last.max_steps)
    if last.number == 0:
        words, quality = "nothing yet", ""
    elif pitch > 110:  # else there is no room, and the key says it
        words, quality = f"{words} steps", f"{last.measured} {quality}"
    for y, line in ((bottom + 30, words), (bottom + 48, quality)):
        canvas.text(x, y, line, SMALL, palette.INK, anchor=0.5, room=pitch - 8)


def bar(
    canvas: Canvas, x: float, y: float, width: float, height: float, asked: float, sold: float
) -> None:
    """Shares of what could be: what was delivered, and what was asked for in vain."""
    canvas.rectangle(x, y, width, height, palette.PALE)
    canvas.rectangle(x, y, width * asked, height, palette.CAPACITY)
    canvas.rectangle(x, y, width * sold, height, palette.DELIVERED)


def crowd(canvas: Canvas, last: Shown, left: float, right: float, top: float) -> None:
    """The vehicles at the quartiles of quality, of those who are there."""
    quality, there = np.array(last.ssim if last.images else last.quality), np.flatnonzero(last.here)
    ranked = there[np.argsort(quality[there], kind="stable")]
    for i, name in enumerate(_QUARTILES if len(there) else ()):
        k = int(ranked[round(i / (len(_QUARTILES) - 1) * (len(ranked) - 1))])
        x = left + (i + 0.5) * (right - left) / len(_QUARTILES)
        canvas.text(x, top + 7, name, SMALL, palette.MUTED, anchor=0.5)
        card(canvas, last, k, x, top, _LARGEST - 8, scenery=0)


def stand_in(number: int, quality: float) -> np.ndarray:
    """Scene and noise of this number, (96, 96, 3) uint8: as much noise as quality is missing.

    A quality of 0 or less shows nothing but noise, one of 1 or more the scene.
    """
    share = min(max(quality, 0.0), 1.0)
    mixed = share * _scene(number % len(_SCENES)) + (1 - share) * _noise(number)
    return (mixed * 255).astype(np.uint8)


@cache
def _scene(number: int) -> np.ndarray:
    return scene(_SCENES[number], _SIDE).image


@cache
def _noise(number: int) -> np.ndarray:
    grains = np.random.default_rng(number).normal(0.5, 0.3, (_GRAINS, _GRAINS, 3))
    block = _SIDE // _GRAINS
    return np.clip(grains, 0.0, 1.0).repeat(block, axis=0).repeat(block, axis=1)
