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
    """A vehicle's picture, its steps as a bar of S_max, and both in numbers.

    Args:
        canvas: what is drawn on.
        last: the round.
        k: the vehicle.
        x: of its middle.
        top: where the largest picture begins; smaller ones end where it does.
        pitch: how much room there is.
        scenery: what its picture shows where no image is made.
    """
    side = min(_LARGEST, pitch - 8)
    left, right, top, bottom = x - side / 2, x + side / 2, top + _LARGEST - side, top + _LARGEST
    if not last.here[k]:
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        canvas.line(corners, palette.LINE, 1)
        canvas.text(x, top + side / 2 + 5, "empty", SMALL, palette.MUTED, anchor=0.5)
        return
    canvas.rectangle(left - 3, top - 3, side + 6, side + 18, palette.WHITE, radius=4)
    canvas.picture(left, top, side, _picture(last, k, scenery))
    asked, delivered = last.demand[0][k], last.delivered[k]
    bar(canvas, left, bottom + 4, side, 8, asked / last.max_steps, delivered / last.max_steps)
    words, quality = part(delivered, asked, last.max_steps), _quality(last, k)
    if last.number == 0:
        words, quality = "nothing yet", ""
    elif pitch > 110:  # else there is no room, and the key says it
        words, quality = f"{words} steps", f"{quality_name(last)} {quality}"
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


# -- pictures --------------------------------------------------------------------------------------


def quality_name(last: Shown) -> str:
    """What is measured: the SSIM where images are really made, else the share of the best gain."""
    return "SSIM" if last.images else "quality"


def _quality(last: Shown, k: int) -> str:
    return f"{last.ssim[k]:.2f}" if last.images else percent(last.quality[k], 0)


def _picture(last: Shown, k: int, scenery: int) -> np.ndarray:
    """What vehicle k got, (n, n, 3) uint8, or what stands for it where no image is made."""
    if not last.images:
        return stand_in(scenery, last.quality[k])
    pixels = np.frombuffer(bytes.fromhex(last.images[k]), np.uint8)
    side = math.isqrt(len(pixels) // 3)
    return pixels.reshape(side, side, 3)


def stand_in(number: int, quality: float) -> np.ndarray:
    """A road scene under as much noise as there is quality missing.

    Args:
        number: decides scene and noise.
        quality: 0 shows nothing but noise, 1 the scene; held within these.

    Returns: (96, 96, 3) uint8.
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
