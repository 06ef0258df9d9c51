"""Procedural road scenes: what the bundled diffusion model was trained on, and held-out ones.

A scene is drawn from its seed alone: sky, hills, verge, a road in perspective with its markings,
vehicles, and weather over it. Drawn at four times the size and averaged down, so edges are smooth.
"""

from __future__ import annotations

from typing import NamedTuple

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


class _Road(NamedTuple):
    """A road in perspective; lengths are shares of the picture."""

    horizon: float
    vanishing: float
    bottom: float
    half_width: float

    def depth(self, y: np.ndarray) -> np.ndarray:
        """0 at the horizon, 1 at the bottom edge."""
        return np.clip((y - self.horizon) / (1.0 - self.horizon), 0.0, 1.0)

    def centre(self, y: np.ndarray) -> np.ndarray:
        """Where the middle of the road is at a height."""
        return self.vanishing + (self.bottom - self.vanishing) * self.depth(y)

    def half(self, y: np.ndarray) -> np.ndarray:
        """Half of the road's width at a height."""
        return 0.015 + self.half_width * self.depth(y)


def scene(seed: int, size: int = 32) -> Scene:
    """The road scene of a seed.

    Args:
        seed: decides everything.
        size: pixels of a side.
    """
    rng = np.random.default_rng((seed, 7919))
    season = SEASONS[rng.integers(len(SEASONS))]
    weather = WEATHERS[rng.integers(len(WEATHERS))]
    fine = size * _OVERSAMPLING
    centres = (np.arange(fine) + 0.5) / fine
    y, x = np.meshgrid(centres, centres, indexing="ij")
    road = _Road(
        horizon=rng.uniform(0.32, 0.46),
        vanishing=rng.uniform(0.38, 0.62),
        bottom=rng.uniform(0.36, 0.64),
        half_width=rng.uniform(0.34, 0.50),
    )
    picture = _sky(rng, weather, x, y, road.horizon)
    _hills(rng, season, picture, x, y, road.horizon)
    _verge(rng, season, picture, y, road.horizon)
    surface = _surface(rng, season, picture, x, y, road)
    _vehicles(rng, picture, x, y, road)
    _weather(rng, weather, picture, y, road.horizon)
    blocks = (size, _OVERSAMPLING, size, _OVERSAMPLING)
    image = np.clip(picture, 0.0, 1.0).reshape(*blocks, 3).mean(axis=(1, 3))
    return Scene(image.astype(np.float32), surface.reshape(blocks).mean(axis=(1, 3)) >= 0.5)


def _sky(
    rng: np.random.Generator, weather: str, x: np.ndarray, y: np.ndarray, horizon: float
) -> np.ndarray:
    top, low = (np.array(colour) for colour in _SKY[weather])
    share = np.clip(y / horizon, 0.0, 1.0)[..., None]
    picture = top * (1 - share) + low * share
    if weather in ("clear", "dusk"):
        sun_x, sun_y = rng.uniform(0.1, 0.9), rng.uniform(0.06, horizon * 0.8)
        picture[(x - sun_x) ** 2 + (y - sun_y) ** 2 < 0.045**2] = (1.0, 0.95, 0.72)
    return picture


def _hills(
    rng: np.random.Generator,
    season: str,
    picture: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    horizon: float,
) -> None:
    height, waves, phase = rng.uniform(0.02, 0.12), rng.uniform(1.0, 3.0), rng.uniform(0, 6.28)
    ridge = horizon - height * (0.6 + 0.4 * np.sin(2 * np.pi * waves * x + phase))
    picture[(y > ridge) & (y <= horizon)] = _HILLS[season]


def _verge(
    rng: np.random.Generator, season: str, picture: np.ndarray, y: np.ndarray, horizon: float
) -> None:
    below = y > horizon
    light = 0.82 + 0.18 * (y - horizon) / (1 - horizon) + rng.normal(0, 0.03)
    picture[below] = (light[..., None] * np.array(_VERGE[season]))[below]


def _surface(
    rng: np.random.Generator,
    season: str,
    picture: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    road: _Road,
) -> np.ndarray:
    across = (x - road.centre(y)) / road.half(y)
    below = y > road.horizon
    surface = below & (np.abs(across) <= 1.0)
    asphalt = rng.uniform(0.24, 0.40) * np.array((1.0, 1.0, 1.04))
    if season == "winter" and rng.random() < 0.5:
        asphalt = np.array((0.74, 0.76, 0.80))  # snow on the road
    picture[surface] = asphalt
    picture[below & (np.abs(np.abs(across) - 0.90) < 0.045)] = (0.92, 0.92, 0.90)
    # Dashes of equal length on the ground grow towards the viewer: depth is 1 / distance.
    ground = 1.0 / np.maximum(road.depth(y), 0.02)
    dashes = np.mod(ground * rng.uniform(0.9, 1.4) + rng.uniform(), 1.0) < 0.5
    middle = (0.95, 0.80, 0.20) if rng.random() < 0.4 else (0.94, 0.94, 0.92)
    picture[below & (np.abs(across) < 0.05) & dashes] = middle
    return surface


def _vehicles(
    rng: np.random.Generator, picture: np.ndarray, x: np.ndarray, y: np.ndarray, road: _Road
) -> None:
    for depth in np.sort(rng.uniform(0.18, 0.85, rng.integers(0, 4))):  # far ones first
        base = road.horizon + depth * (1 - road.horizon)
        lane = rng.choice((-0.47, 0.47))
        half = 0.34 * float(road.half(np.array(base)))
        middle = float(road.centre(np.array(base))) + lane * float(road.half(np.array(base)))
        height = half * rng.uniform(1.1, 1.9)
        paint = np.array(_PAINTS[rng.integers(len(_PAINTS))])
        sideways = np.abs(x - middle) / half
        up = (base - y) / height  # 0 at the ground, 1 at the roof
        picture[(sideways < 1.05) & (np.abs(up) < 0.10)] *= 0.35  # shadow
        picture[(sideways < 1.0) & (up > 0.08) & (up < 0.62)] = paint
        picture[(sideways < 0.80) & (up >= 0.62) & (up < 1.0)] = paint * 0.9
        picture[(sideways < 0.68) & (up > 0.64) & (up < 0.90)] = (0.55, 0.68, 0.76)
        lamps = (1.0, 0.25, 0.15) if lane > 0 else (1.0, 0.98, 0.80)
        picture[(np.abs(sideways - 0.78) < 0.16) & (np.abs(up - 0.42) < 0.10)] = lamps


def _weather(
    rng: np.random.Generator, weather: str, picture: np.ndarray, y: np.ndarray, horizon: float
) -> None:
    fine = len(picture)
    if weather == "fog":
        nearness = np.clip((y - horizon) / (1 - horizon), 0.0, 1.0)[..., None]
        thickness = 0.75 * (1 - nearness) ** 1.5
        picture[:] = picture * (1 - thickness) + 0.82 * thickness
    elif weather == "dusk":
        picture[y > horizon] *= (0.62, 0.55, 0.62)
    elif weather == "rain":
        picture *= 0.86
        for _ in range(14):
            row, column = rng.integers(0, fine, 2)
            length = fine // 7
            rows = np.arange(row, min(row + length, fine))
            columns = np.clip(column - (rows - row) // 4, 0, fine - 1)
            picture[rows, columns] = picture[rows, columns] * 0.3 + 0.60
    elif weather == "snowfall":
        side = max(fine // 42, 1)
        for row, column in rng.integers(0, fine - side, (26, 2)):
            picture[row : row + side, column : column + side] = 0.97
