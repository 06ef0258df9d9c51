"""Live RePaint: needs the extra `repaint` (torch, diffusers, scikit-image)."""

from aigc_market.ssim.repaint.model import CheckpointError
from aigc_market.ssim.repaint.scenes import Scene, scene
from aigc_market.ssim.repaint.service import (
    Curve,
    OutOfMemoryError,
    RePaintSSIM,
    Request,
    Result,
)

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
