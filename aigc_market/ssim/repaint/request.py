"""What is asked of a painter."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from aigc_market import _checks
from aigc_market.ssim.repaint import pictures


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


def checked(request: Any, size: int, calls: int) -> Request:
    """A request with its picture as float32 in [0, 1].

    Args:
        request: what a user has handed in.
        size: pixels of a side.
        calls: of a whole chain: the most steps.

    Raises:
        TypeError, ValueError: no request, or a bad part of one.
    """
    _checks.instance("request", request, Request, "a Request(image, mask, steps, seed)")
    steps = _checks.integer("steps", request.steps, at_least=1)
    if steps > calls:
        raise ValueError(f"steps must be at most {calls}, got {steps}")
    seed = checked_seed(request.seed)
    image, mask = pictures.check(request.image, size), pictures.check_mask(request.mask, size)
    return Request(image, mask, steps, seed)


def checked_seed(seed: Any) -> int:
    """A seed that torch's generators take."""
    seed = _checks.integer("seed", seed, at_least=0)
    if seed >= 2**63:
        raise ValueError(f"seed must be below 2**63, got {seed}")
    return seed
