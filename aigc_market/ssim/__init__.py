"""SSIM models: how image quality depends on the diffusion steps bought."""

from __future__ import annotations

from typing import Any

from aigc_market.ssim.model import DemandCurve, SSIMModel
from aigc_market.ssim.quadratic import PAPER_SSIM, QuadraticFit, QuadraticSSIM, fit_quadratic
from aigc_market.ssim.tabulated import TabulatedSSIM

__all__ = [
    "PAPER_SSIM",
    "DemandCurve",
    "QuadraticFit",
    "QuadraticSSIM",
    "SSIMModel",
    "TabulatedSSIM",
    "fit_quadratic",
    "resolve",
]


def resolve(model: Any) -> SSIMModel:
    """The SSIM model meant by the keyword argument `ssim` of every view.

    Raises:
        NotImplementedError: `"repaint"`, until live repainting is part of the package.
        TypeError, ValueError: anything else that is no model.
    """
    if model is None or (isinstance(model, str) and model == "quadratic"):
        return PAPER_SSIM
    if isinstance(model, str) and model == "repaint":
        raise NotImplementedError(
            "ssim='repaint' (live RePaint on a diffusion model) is not part of this version; "
            "allowed now: an SSIM model, 'quadratic' or None"
        )
    if isinstance(model, str):
        raise ValueError(f"ssim must be an SSIM model, 'quadratic' or 'repaint', got {model!r}")
    if isinstance(model, type) or not isinstance(model, SSIMModel):
        raise TypeError(
            "ssim must be an SSIM model, 'quadratic' or 'repaint', "
            f"got {model!r} of type {type(model).__name__}"
        )
    return model
