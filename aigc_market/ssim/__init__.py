"""SSIM models: how image quality depends on the diffusion steps bought."""

from __future__ import annotations

from functools import cache
from typing import Any

from aigc_market._checks import needed
from aigc_market.ssim.model import DemandCurve, LiveSSIM, Result, SSIMModel
from aigc_market.ssim.quadratic import PAPER_SSIM, QuadraticFit, QuadraticSSIM, fit_quadratic
from aigc_market.ssim.saturating import SaturatingFit, SaturatingSSIM, fit_saturating
from aigc_market.ssim.tabulated import TabulatedSSIM

__all__ = [
    "PAPER_SSIM",
    "DemandCurve",
    "LiveSSIM",
    "QuadraticFit",
    "QuadraticSSIM",
    "RePaintSSIM",  # pyright: ignore[reportUnsupportedDunderAll] (by __getattr__)
    "Result",
    "SSIMModel",
    "SaturatingFit",
    "SaturatingSSIM",
    "TabulatedSSIM",
    "fit_quadratic",
    "fit_saturating",
    "resolve",
]


def __getattr__(name: str) -> Any:
    # torch and diffusers are imported only by those who repaint.
    if name != "RePaintSSIM":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needed("repaint", "live repainting needs torch, diffusers and scikit-image"):
        from aigc_market.ssim.repaint import RePaintSSIM
    return RePaintSSIM


@cache
def _default_service() -> Any:
    """One service for all environments of a process: they may share its network."""
    return __getattr__("RePaintSSIM")()


def is_live(model: SSIMModel) -> bool:
    """Whether a model's images are really made; a protocol's `isinstance` takes microseconds."""
    return hasattr(model, "serve_round")


def resolve(model: Any) -> SSIMModel:
    """The SSIM model meant by the keyword argument `ssim` of every view.

    Raises:
        ImportError: `"repaint"` without the extra `repaint`.
        TypeError, ValueError: anything else that is no model.
    """
    if model is None or (isinstance(model, str) and model == "quadratic"):
        return PAPER_SSIM
    if isinstance(model, str) and model == "repaint":
        return _default_service()
    if isinstance(model, str):
        raise ValueError(f"ssim must be an SSIM model, 'quadratic' or 'repaint', got {model!r}")
    if isinstance(model, type) or not isinstance(model, SSIMModel):
        lacking = [name for name in dir(SSIMModel) if name[0] != "_" and not hasattr(model, name)]
        raise TypeError(
            "ssim must be an SSIM model, 'quadratic' or 'repaint', "
            f"got {model!r} of type {type(model).__name__}, which lacks {', '.join(lacking)}"
        )
    return model
