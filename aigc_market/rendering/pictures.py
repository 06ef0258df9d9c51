"""Pictures of what the vehicles bought."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from aigc_market.ssim.scenes import scene

_SEEDS = (44, 6, 2, 55, 41, 22, 12, 0, 32, 40, 21, 53)
"""Scenes that can be told from each other."""
_SIDE = 96
_GRAIN = 48
"""Grains of noise along a side: finer ones average out where the picture is shown small."""


def picture(vmu: int, quality: float) -> np.ndarray:
    """A road scene under as much noise as there is quality missing.

    No image is made in a market whose SSIM is a formula: this one stands for it. What is really
    made is in a round's `images`.

    Args:
        vmu: whose; decides scene and noise.
        quality: 0 shows nothing but noise, 1 the scene; held within these.

    Returns: (96, 96, 3) uint8.
    """
    share = min(max(quality, 0.0), 1.0)
    mixed = share * _scene(vmu % len(_SEEDS)) + (1 - share) * _noise(vmu)
    return (np.clip(mixed, 0.0, 1.0) * 255).astype(np.uint8)


def from_hexadecimal(digits: str) -> np.ndarray:
    """An image of a round's `images`, (n, n, 3) uint8."""
    pixels = np.frombuffer(bytes.fromhex(digits), np.uint8)
    side = math.isqrt(len(pixels) // 3)
    return pixels.reshape(side, side, 3)


@cache
def _scene(number: int) -> np.ndarray:
    return scene(_SEEDS[number], _SIDE).image


def _noise(vmu: int) -> np.ndarray:
    grains = np.random.default_rng(vmu).normal(0.5, 0.3, (_GRAIN, _GRAIN, 3))
    block = _SIDE // _GRAIN
    return np.clip(grains, 0.0, 1.0).repeat(block, axis=0).repeat(block, axis=1)
