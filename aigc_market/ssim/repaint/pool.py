"""The pictures of a service, and where each of them is repainted."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market.ssim.repaint import pictures
from aigc_market.ssim.repaint.painter import Painter
from aigc_market.ssim.repaint.request import Request
from aigc_market.ssim.scenes import Scene


@dataclass(frozen=True, eq=False)
class Pool:
    """Pictures by number, loaded when they are first needed. A pickle does not hold them.

    Args:
        painter: whose pictures' size they have.
        images: "scenes", "photographs", a folder, or pictures.
        mask: "half", "box", "stripes", "road", "strokes", or an array.
        samples: how many pictures, at most.

    Raises:
        TypeError, ValueError: a bad argument.
    """

    painter: Painter
    images: Any
    mask: Any
    samples: int

    def __post_init__(self) -> None:
        if isinstance(self.images, (Sequence, np.ndarray)):  # a pickle loads them once more
            object.__setattr__(self, "images", copy.deepcopy(self.images))
        if isinstance(self.mask, np.ndarray):
            object.__setattr__(self, "mask", self.mask.copy())
        else:
            _checks.choice("mask", self.mask, pictures.MASKS)
        _checks.integer("samples", self.samples, at_least=1)

    @cached_property
    def scenes(self) -> list[Scene]:
        """The pictures, with where their road is.

        Raises:
            TypeError, ValueError: a bad picture, or one that the mask does not fit.
        """
        scenes = pictures.load(self.images, self.painter.diffusion.size, self.samples)
        for number, scene in enumerate(scenes):
            self.ask(scene, number, steps=1, seed=0)
        return scenes

    def request(self, number: int, steps: int, seed: int) -> Request:
        """The request of a picture of the pool."""
        return self.ask(self.scenes[number], number, steps, seed)

    def ask(self, scene: Scene, number: int, steps: int, seed: int) -> Request:
        """The request of any picture, masked as the pool's of that number (random strokes vary)."""
        return Request(scene.image, pictures.mask(self.mask, scene, number), steps, seed)

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def grey(request: Request) -> np.ndarray:
    """The picture of which nothing has been painted: its unknown region grey; SSIM(0) is its."""
    return np.where(request.mask[..., None], np.float32(0.5), request.image)
