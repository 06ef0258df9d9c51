"""The markets that the explorer begins with, its sliders, and the SSIM models that it offers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aigc_market import ssim as models
from aigc_market.competition import Competition
from aigc_market.scenarios import SCENARIOS
from aigc_market.ssim import PAPER_SSIM, QuadraticSSIM, TabulatedSSIM

MOST_PROVIDERS, MOST_VMUS = 5, 6
QUADRATIC, MEASURED = "quadratic", "measured on repainted pictures"
UNIT = "unit demand (Calvano et al.)"
"""One unit for each request, worth δ·(SSIM(1) − SSIM(0)) = δ: their a is δ, their μ is μ."""

Range = tuple[float, float, float]
_QUADRATIC: dict[str, Range] = {
    "cost": (0.5, 10, 0.1),
    "satisfaction": (10, 600, 5),
    "max_price": (2, 40, 0.5),
    "min_steps": (0, 250, 1),
    "max_steps": (0, 250, 1),
    "capacity": (10, 1500, 5),
    "temperature": (2, 160, 1),
    "near": (0, 200, 5),
    "outside": (-200, 1000, 10),
    "alpha": (0.5, 4, 0.02),
    "beta": (0.01, 0.15, 0.001),
}
RANGES: dict[str, dict[str, Range]] = {
    QUADRATIC: _QUADRATIC,
    # The paper's β is 18 times that of a measured SSIM, which lies in [0, 1]: δ makes up for it.
    MEASURED: {**_QUADRATIC, "satisfaction": (200, 12000, 10)},
    UNIT: {
        **_QUADRATIC,
        "cost": (0.5, 2, 0.02),
        "satisfaction": (1, 4, 0.05),
        "max_price": (1.5, 6, 0.1),
        "capacity": (0.05, 1, 0.01),
        "temperature": (0.05, 1, 0.01),
        "near": (0, 1, 0.02),
        "outside": (-1, 1, 0.05),
    },
}
"""By SSIM model and slider: the lowest value, the highest, and the step between."""

_PAPER: dict[str, Any] = {
    **{field.name: field.default for field in dataclasses.fields(Competition)},
    "M": 1,
    "near": 0,
    "ssim": QUADRATIC,
    "alpha": -1e4 * PAPER_SSIM.alpha,
    "beta": PAPER_SSIM.beta,
    "close": False,
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "the paper's market": {},
    "a VMU that is priced out": {"satisfaction": [50, 400]},
    "captive demand (120 to 160 steps)": {"min_steps": 120, "max_steps": 160},
    "a capacity of 150 steps": {"capacity": 150},
    "six different VMUs": {"K": 6, "satisfaction": [60, 120, 180, 260, 360, 500]},
    "SSIM as measured": {
        "satisfaction": [3000, SCENARIOS["live"].arguments["satisfaction"]],
        "ssim": MEASURED,
    },
    "two equal providers": {"M": 2},
    "each VMU near a provider of its own": {"M": 2, "near": 100},
    "no equilibrium: best replies go round": {
        "M": 2,
        "temperature": 10,
        "near": 30,
        "satisfaction": [150, 250],
        "close": True,
    },
    "one provider is cheaper": {"M": 2, "cost": [1, 3]},
    "three providers, four VMUs": {
        "M": 3,
        "K": 4,
        "near": 60,
        "satisfaction": [120, 200, 280, 360],
    },
    "capacities that bind": {"M": 2, "capacity": 120},
    "two sellers of a unit (Calvano et al.)": {
        "M": 2,
        "K": 1,
        "temperature": 0.25,
        "satisfaction": 2,
        "max_price": 3,
        "outside": 0,
        "ssim": UNIT,
    },
}
"""What differs from the paper's market. `near` is the cost of reaching another provider than one's
own, `alpha` is |α|·10⁴, `close` whether to look at the prices about Nash alone."""


def example(name: str) -> dict[str, Any]:
    """All of an example's values, for all the providers and VMUs that there may be."""
    given = {**_PAPER, **EXAMPLES[name]}
    for key, most in (("cost", MOST_PROVIDERS), ("satisfaction", MOST_VMUS)):
        values = np.atleast_1d(given[key]).tolist()
        given[key] = values + [values[-1]] * (most - len(values))
    return given


def moved(start: Mapping[str, Any], model: str) -> dict[str, Any]:
    """An example's values, where SSIM is another model: at the same place of the other range."""
    values = dict(start)
    for name, (low, high, step) in RANGES[model].items():
        before = RANGES[start["ssim"]][name]
        if values[name] is not None and (low, high, step) != before:
            wanted = step * np.round(np.asarray(values[name]) * high / before[1] / step)
            values[name] = np.clip(wanted, low, high).tolist()
    return values


def arguments(model: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Market`, or of `Competition` where M is above 1.

    VMU k reaches provider k mod M for nothing and the others at the cost `near`.

    Args:
        model: of SSIM.
        values: of all sliders; `capacity` and `outside` are None where there is none.
    """
    M, K = values["M"], values["K"]
    names = ["K", "max_price", "min_steps", "max_steps", "capacity"]
    given = {
        "satisfaction": values["satisfaction"][:K],
        "cost": values["cost"][0],
        "ssim": ssim(model, values),
    }
    if M > 1:
        names += ["M", "temperature", "outside"]
        given["cost"] = values["cost"][:M]
        own = np.arange(K) % M == np.arange(M)[:, None]
        given["access_cost"] = np.where(own, 0.0, values["near"])
    steps = {"min_steps": 1, "max_steps": 1} if model == UNIT else {}
    return {**{name: values[name] for name in names}, **given, **steps}


def ssim(model: str, values: Mapping[str, Any]) -> QuadraticSSIM | TabulatedSSIM:
    """An SSIM model by its name. A quadratic's γ is left out: it cancels."""
    if model == QUADRATIC:
        return QuadraticSSIM(-1e-4 * values["alpha"], values["beta"])
    if model == UNIT:
        return QuadraticSSIM(-1.0, 2.0)
    # The curve that comes with the bundled diffusion model.
    folder = Path(models.__file__).parent / "repaint" / "bundled" / "curves"
    curve = np.load(sorted(folder.glob("*.npy"))[0]).mean(axis=(0, 1), dtype=np.float64)
    return TabulatedSSIM(np.arange(len(curve)), curve)
