"""Pictures to repaint, the masks that say where, and requests to do it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from skimage import data, draw, transform

from aigc_market import _checks
from aigc_market.ssim.scenes import Scene, scene

MASKS = ("half", "box", "stripes", "road", "strokes")
_PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
_SUFFIXES = (".png", ".jpg", ".jpeg")


class Request(NamedTuple):
    """A picture to be repainted with so many steps."""

    image: np.ndarray
    """(size, size, 3), uint8 or in [0, 1]."""
    mask: np.ndarray
    """(size, size) bool: what is to be repainted."""
    steps: int
    """S, network calls executed."""
    seed: int
    """Of the noise."""


def check_request(request: Any, size: int, calls: int) -> Request:
    """A user's request with its picture as float32 in [0, 1].

    Args:
        request: what a user has handed in.
        size: pixels of a side.
        calls: of a whole chain: the most steps.

    Raises:
        TypeError, ValueError: no request, or a bad part of one.
    """
    _checks.instance("request", request, Request, "a Request(image, mask, steps, seed)")
    steps = _checks.integer("steps", request.steps, at_least=1, at_most=calls)
    image, mask = check(request.image, size), check_mask(request.mask, size)
    return Request(image, mask, steps, check_seed(request.seed))


def check_seed(seed: Any) -> int:
    """A seed that torch's generators take."""
    return _checks.integer("seed", seed, at_least=0, at_most=2**63 - 1)


def load(source: Any, size: int, count: int) -> list[Scene]:
    """Pictures of a size, with where their road is (nowhere, if they are not scenes).

    Args:
        source: "scenes" (road scenes of held-out seeds), "photographs" (scikit-image's own), a
            folder of pictures, or a sequence of pictures (size, size, 3), uint8 or in [0, 1].
        size: pixels of a side; photographs and files are cropped to a square and resized to it.
        count: how many, at most; scenes are as many as asked for.

    Raises:
        ValueError: no pictures, or one of a wrong shape or range.
    """
    if isinstance(source, str) and source == "scenes":
        return [scene(seed, size) for seed in range(count)]
    if isinstance(source, str) and source == "photographs":
        found = [_square(getattr(data, name)(), size) for name in _PHOTOGRAPHS[:count]]
    elif isinstance(source, (str, Path)):
        paths = sorted(p for p in Path(source).glob("*") if p.suffix.lower() in _SUFFIXES)
        found = [_square(_read(path), size) for path in paths[:count]]
    elif isinstance(source, (Sequence, np.ndarray)):
        found = source
    else:
        raise TypeError(
            f"images must be 'scenes', 'photographs', a folder or pictures, got {source!r}"
        )
    if len(found) == 0:
        raise ValueError(
            "images must be 'scenes', 'photographs', pictures, or a folder that holds "
            f"{', '.join(_SUFFIXES)} files, got {source!r}"
        )
    return [as_scene(picture, size) for picture in found][:count]


def check(picture: Any, size: int) -> np.ndarray:
    """A picture (size, size, 3) as float32 in [0, 1].

    Raises:
        ValueError: another shape or range.
    """
    array = np.asarray(picture)
    if array.shape != (size, size, 3):
        raise ValueError(
            f"image must have shape ({size}, {size}, 3), as the model was trained on, "
            f"got {array.shape}"
        )
    if array.dtype == np.uint8:
        return (array / 255.0).astype(np.float32)
    array = array.astype(np.float32)
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        raise ValueError(
            f"image must be uint8 or hold numbers in [0, 1], got {array.min():g} to {array.max():g}"
        )
    return array


def as_scene(picture: Any, size: int) -> Scene:
    """A picture, or a scene, whose picture is checked."""
    if isinstance(picture, Scene):
        return picture._replace(image=check(picture.image, size))
    return Scene(check(picture, size), np.zeros((size, size), bool))


def mask(kind: Any, picture: Scene, seed: int) -> np.ndarray:
    """Where a picture is repainted, (size, size) bool.

    Args:
        kind: "half" (the right one), "box" (in the middle), "stripes", "road" (a scene's surface),
            "strokes" (random ones), or an array of that shape.
        picture: what it is for.
        seed: of random strokes.

    Raises:
        ValueError: an unknown name, a wrong shape, or a region that is empty.
    """
    size = len(picture.image)
    if isinstance(kind, np.ndarray):
        return check_mask(kind, size)
    rows, columns = np.indices((size, size))
    if _checks.choice("mask", kind, MASKS) == "half":
        chosen = columns >= size // 2
    elif kind == "box":
        low, high = size // 4, size - size // 4
        chosen = (rows >= low) & (rows < high) & (columns >= low) & (columns < high)
    elif kind == "stripes":
        chosen = (columns // max(size // 8, 1)) % 2 == 1
    elif kind == "road":
        chosen = picture.road
    else:
        chosen = _strokes(size, seed)
    return check_mask(chosen, size, given=repr(kind))


def check_mask(mask: Any, size: int, given: str = "an array") -> np.ndarray:
    """A mask (size, size) as bool.

    Raises:
        ValueError: another shape, or nothing is covered; the message says what was `given`.
    """
    chosen = np.asarray(mask).astype(bool)
    if chosen.shape != (size, size) or not chosen.any():
        raise ValueError(
            f"mask must cover some of the ({size}, {size}) picture, got {given} of shape "
            f"{chosen.shape} with {int(chosen.sum())} pixels"
        )
    return chosen


def _strokes(size: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng((seed, 104_729))
    chosen = np.zeros((size, size), bool)
    while chosen.mean() < 0.35:
        row, column, other_row, other_column = rng.integers(0, size, 4)
        width = int(rng.integers(1, max(size // 10, 2) + 1))
        for r, c in zip(*draw.line(row, column, other_row, other_column), strict=True):
            chosen[max(r - width, 0) : r + width + 1, max(c - width, 0) : c + width + 1] = True
    return chosen


def _read(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as file:
            deep = file.mode.startswith("I")  # 16 bits of grey, which RGB would cut off
            return np.asarray(file if deep else file.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # by format
        raise ValueError(f"images must be files that can be read, got {path}: {error}") from error


def _square(picture: np.ndarray, size: int) -> np.ndarray:
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=-1)
    picture = picture[..., :3]
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    square = picture[top : top + side, left : left + side]
    resized: Any = transform.resize(square, (size, size), anti_aliasing=True)
    return np.clip(resized, 0.0, 1.0).astype(np.float32)
