"""Live RePaint: needs the extra `repaint` (torch, diffusers, scikit-image)."""

from aigc_market.ssim.model import Result
from aigc_market.ssim.repaint.calibration import Curve
from aigc_market.ssim.repaint.diffusion import CheckpointError
from aigc_market.ssim.repaint.painter import OutOfMemoryError
from aigc_market.ssim.repaint.pictures import Request
from aigc_market.ssim.repaint.service import RePaintSSIM
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
