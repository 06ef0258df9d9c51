"""Procedural road scenes: what the bundled diffusion model was trained on, and held-out ones.

A scene is drawn from its seed alone: sky, hills, verge, a road in perspective with its markings,
vehicles, and weather over it. Drawn at four times the size and averaged down, so edges are smooth.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

SEASONS = ("summer", "autumn", "winter", "desert")
WEATHERS = ("clear", "overcast", "rain", "snowfall", "fog", "dusk")

_OVERSAMPLING = 4
_VERGE = {
    "summer": (0.24, 0.50, 0.18),
    "autumn": (0.62, 0.44, 0.18),
    "winter": (0.90, 0.92, 0.96),
    "desert": (0.82, 0.68, 0.44),
}
_HILLS = {
    "summer": (0.16, 0.36, 0.20),
    "autumn": (0.48, 0.28, 0.16),
    "winter": (0.66, 0.72, 0.80),
    "desert": (0.66, 0.46, 0.32),
}
_SKY = {  # at the top and at the horizon
    "clear": ((0.26, 0.52, 0.88), (0.74, 0.87, 0.97)),
    "overcast": ((0.56, 0.60, 0.66), (0.76, 0.78, 0.81)),
    "rain": ((0.36, 0.40, 0.46), (0.56, 0.60, 0.64)),
    "snowfall": ((0.66, 0.70, 0.76), (0.86, 0.88, 0.91)),
    "fog": ((0.74, 0.76, 0.78), (0.82, 0.83, 0.84)),
    "dusk": ((0.20, 0.18, 0.40), (0.95, 0.56, 0.34)),
}
_PAINTS = (
    (0.80, 0.10, 0.10),
    (0.10, 0.22, 0.66),
    (0.94, 0.94, 0.94),
    (0.12, 0.12, 0.13),
    (0.94, 0.76, 0.12),
    (0.14, 0.46, 0.24),
)


class Scene(NamedTuple):
    """A picture and where its road is."""

    image: np.ndarray
    """(size, size, 3) float32 in [0, 1]."""
    road: np.ndarray
    """(size, size) bool: the road's surface."""


def scene(seed: int, size: int = 32) -> Scene:
    """The road scene of a seed.

    Args:
        seed: decides everything.
        size: pixels of a side.
    """
    return _Drawing(seed, size).scene


class _Drawing:
    """A scene at four times its size, drawn from the back to the front; lengths are its shares."""

    def __init__(self, seed: int, size: int) -> None:
        self.rng = rng = np.random.default_rng((seed, 7919))
        self.season = SEASONS[rng.integers(len(SEASONS))]
        self.weather = WEATHERS[rng.integers(len(WEATHERS))]
        centres = (np.arange(size * _OVERSAMPLING) + 0.5) / (size * _OVERSAMPLING)
        self.y, self.x = np.meshgrid(centres, centres, indexing="ij")
        self.horizon, self.vanishing = rng.uniform(0.32, 0.46), rng.uniform(0.38, 0.62)
        self.bottom, self.half_width = rng.uniform(0.36, 0.64), rng.uniform(0.34, 0.50)
        self.below = self.y > self.horizon
        self._sky()
        self._hills()
        self._verge()
        surface = self._road()
        self._vehicles()
        self._weather()
        blocks = (size, _OVERSAMPLING, size, _OVERSAMPLING)
        image = np.clip(self.picture, 0.0, 1.0).reshape(*blocks, 3).mean(axis=(1, 3))
        road = surface.reshape(blocks).mean(axis=(1, 3)) >= 0.5
        self.scene = Scene(image.astype(np.float32), road)

    def _at(self, y: Any) -> tuple[Any, Any, Any]:
        """Of the road at a height: its depth (1 at the bottom edge), middle and half its width."""
        depth = np.clip((y - self.horizon) / (1.0 - self.horizon), 0.0, 1.0)
        middle = self.vanishing + (self.bottom - self.vanishing) * depth
        return depth, middle, 0.015 + self.half_width * depth

    def _sky(self) -> None:
        top, low = (np.array(colour) for colour in _SKY[self.weather])
        share = np.clip(self.y / self.horizon, 0.0, 1.0)[..., None]
        self.picture = top * (1 - share) + low * share
        if self.weather in ("clear", "dusk"):
            x, y = self.rng.uniform(0.1, 0.9), self.rng.uniform(0.06, self.horizon * 0.8)
            sun = (self.x - x) ** 2 + (self.y - y) ** 2 < 0.045**2
            self.picture[sun] = (1.0, 0.95, 0.72)

    def _hills(self) -> None:
        uniform = self.rng.uniform
        height, waves, phase = uniform(0.02, 0.12), uniform(1.0, 3.0), uniform(0, 6.28)
        hills = 0.6 + 0.4 * np.sin(2 * np.pi * waves * self.x + phase)
        self.picture[(self.y > self.horizon - height * hills) & ~self.below] = _HILLS[self.season]

    def _verge(self) -> None:
        light = 0.82 + 0.18 * (self.y - self.horizon) / (1 - self.horizon)
        light = light + self.rng.normal(0, 0.03)
        verge = light[..., None] * np.array(_VERGE[self.season])
        self.picture[self.below] = verge[self.below]

    def _road(self) -> np.ndarray:
        """Where its surface is."""
        rng, picture = self.rng, self.picture
        depth, middle, half = self._at(self.y)
        across = (self.x - middle) / half
        surface = self.below & (np.abs(across) <= 1.0)
        asphalt = rng.uniform(0.24, 0.40) * np.array((1.0, 1.0, 1.04))
        if self.season == "winter" and rng.random() < 0.5:
            asphalt = np.array((0.74, 0.76, 0.80))  # snow on the road
        picture[surface] = asphalt
        picture[self.below & (np.abs(np.abs(across) - 0.90) < 0.045)] = (0.92, 0.92, 0.90)
        # Dashes of equal length on the ground grow towards the viewer: depth is 1 / distance.
        ground = 1.0 / np.maximum(depth, 0.02)
        dashes = np.mod(ground * rng.uniform(0.9, 1.4) + rng.uniform(), 1.0) < 0.5
        paint = (0.95, 0.80, 0.20) if rng.random() < 0.4 else (0.94, 0.94, 0.92)
        picture[self.below & (np.abs(across) < 0.05) & dashes] = paint
        return surface

    def _vehicles(self) -> None:
        rng, picture = self.rng, self.picture
        for depth in np.sort(rng.uniform(0.18, 0.85, rng.integers(0, 4))):  # far ones first
            base = self.horizon + depth * (1 - self.horizon)
            lane = rng.choice((-0.47, 0.47))
            _, middle, road = self._at(base)
            half = 0.34 * road
            height = half * rng.uniform(1.1, 1.9)
            paint = np.array(_PAINTS[rng.integers(len(_PAINTS))])
            sideways = np.abs(self.x - (middle + lane * road)) / half
            up = (base - self.y) / height  # 0 at the ground, 1 at the roof
            picture[(sideways < 1.05) & (np.abs(up) < 0.10)] *= 0.35  # shadow
            picture[(sideways < 1.0) & (up > 0.08) & (up < 0.62)] = paint
            picture[(sideways < 0.80) & (up >= 0.62) & (up < 1.0)] = paint * 0.9
            picture[(sideways < 0.68) & (up > 0.64) & (up < 0.90)] = (0.55, 0.68, 0.76)
            lamps = (1.0, 0.25, 0.15) if lane > 0 else (1.0, 0.98, 0.80)
            picture[(np.abs(sideways - 0.78) < 0.16) & (np.abs(up - 0.42) < 0.10)] = lamps

    def _weather(self) -> None:
        rng, picture, fine = self.rng, self.picture, len(self.picture)
        if self.weather == "fog":
            nearness = self._at(self.y)[0][..., None]
            thickness = 0.75 * (1 - nearness) ** 1.5
            picture[:] = picture * (1 - thickness) + 0.82 * thickness
        elif self.weather == "dusk":
            picture[self.below] *= (0.62, 0.55, 0.62)
        elif self.weather == "rain":
            picture *= 0.86
            for _ in range(14):
                row, column = rng.integers(0, fine, 2)
                rows = np.arange(row, min(row + fine // 7, fine))
                columns = np.clip(column - (rows - row) // 4, 0, fine - 1)
                picture[rows, columns] = picture[rows, columns] * 0.3 + 0.60
        elif self.weather == "snowfall":
            side = max(fine // 42, 1)
            for row, column in rng.integers(0, fine - side, (26, 2)):
                picture[row : row + side, column : column + side] = 0.97
