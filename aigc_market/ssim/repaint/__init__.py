"""Live RePaint: needs the extra `repaint` (torch, diffusers, scikit-image)."""

from aigc_market.ssim.repaint.model import CheckpointError
from aigc_market.ssim.repaint.service import (
    Curve,
    OutOfMemoryError,
    RePaintSSIM,
    Request,
    Result,
)
from aigc_market.ssim.scenes import Scene, scene

__all__ = [
    "CheckpointError",
    "Curve",
    "OutOfMemoryError",
    "RePaintSSIM",
    "Request",
    "Result",
    "Scene",
    "scene",
]
