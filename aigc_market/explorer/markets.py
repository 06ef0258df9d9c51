"""The markets that the explorer begins with, and the SSIM models that it offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aigc_market import ssim as models
from aigc_market.scenarios import SCENARIOS
from aigc_market.ssim import PAPER_SSIM, QuadraticSSIM, TabulatedSSIM

MOST_VMUS = 6
PRICE_STEP = 0.05
"""Of the price that one posts oneself."""
QUADRATIC, MEASURED = "quadratic", "measured on repainted pictures"

# The paper's β is 18 times that of a measured SSIM, which lies in [0, 1]: δ makes up for it.
_MEASURED_SATISFACTION = SCENARIOS["live"].arguments["satisfaction"]

EXAMPLES: dict[str, dict[str, Any]] = {
    "the paper's market": {},
    "a VMU that is priced out": {"satisfaction": [50, 400]},
    "captive demand (120 to 160 steps)": {"min_steps": 120, "max_steps": 160},
    "a capacity of 150 steps": {"capacity": 150},
    "six different VMUs": {"K": 6, "satisfaction": [60, 120, 180, 260, 360, 500]},
    "SSIM as measured": {
        "satisfaction": [3000, _MEASURED_SATISFACTION],
        "ssim": MEASURED,
    },
}
"""Arguments of `Market` by name; `ssim` is one of the names above."""


def example(name: str) -> dict[str, Any]:
    """All values of the sliders for an example; δ of all the VMUs that there may be."""
    given = {
        "K": 2,
        "cost": 1.0,
        "max_price": 20.0,
        "satisfaction": 200,
        "min_steps": 0,
        "max_steps": 250,
        "capacity": None,
        "ssim": QUADRATIC,
        **EXAMPLES[name],
    }
    delta = list(np.atleast_1d(given["satisfaction"]).tolist())
    given["satisfaction"] = delta + [delta[-1]] * (MOST_VMUS - len(delta))
    return given


def first_price(cost: float, best: float) -> float:
    """Where one's own price begins: halfway from c to p*, where steps are sold at a profit.

    Demand is at least that at p*, so there is a profit unless nothing is traded at any price.
    """
    if best - cost <= PRICE_STEP:
        return best
    return cost + PRICE_STEP * max(round((best - cost) / 2 / PRICE_STEP), 1)


def ssim(name: str, alpha: float = PAPER_SSIM.alpha, beta: float = PAPER_SSIM.beta) -> Any:
    """An SSIM model by its name. α and β are a quadratic's, whose γ is left out: it cancels."""
    if name == QUADRATIC:
        return QuadraticSSIM(alpha, beta)
    return _measured()


def satisfaction_range(name: str) -> tuple[int, int, int]:
    """Lowest and highest δ and their step, where SSIM is measured by this model."""
    return (10, 600, 5) if name == QUADRATIC else (200, 12000, 10)


def satisfaction(start: dict[str, Any], name: str) -> list[int]:
    """The δ of an example, brought to the range of another SSIM model."""
    low, high, step = satisfaction_range(name)
    factor = high / satisfaction_range(start["ssim"])[1]
    wanted = (step * round(delta * factor / step) for delta in start["satisfaction"])
    return [min(max(delta, low), high) for delta in wanted]


def _measured() -> TabulatedSSIM:
    """The curve that comes with the bundled diffusion model."""
    folder = Path(models.__file__).parent / "repaint" / "bundled" / "curves"
    values = np.load(sorted(folder.glob("*.npy"))[0]).mean(axis=(0, 1), dtype=np.float64)
    return TabulatedSSIM(np.arange(len(values)), values)
