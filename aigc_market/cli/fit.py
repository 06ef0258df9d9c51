"""`aigc-market fit`: the quadratic of Eq. 2 through measured SSIM."""

from __future__ import annotations

import json as jsons
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from aigc_market import palette
from aigc_market._checks import needed
from aigc_market._files import write_atomically
from aigc_market.cli.arguments import check_folder
from aigc_market.market import Market
from aigc_market.rendering.numbers import count, exact
from aigc_market.ssim import PAPER_SSIM, QuadraticFit, fit_quadratic
from aigc_market.ssim.tabulated import read_csv, ssim_column


def fit(
    csv: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CSV")],
    min_steps: float = -np.inf,
    max_steps: float = np.inf,
    plot: Path | None = None,
    json: bool = False,
) -> None:
    """Fit SSIM(S) = αS² + βS + γ (Eq. 2) to measurements, as the paper's Fig. 1 does.

    Args:
        csv: A file with a column `steps` and one of `ssim` or `mean`.
        min_steps: Leave out measurements at fewer steps.
        max_steps: Leave out measurements at more steps.
        plot: A picture of the measurements and the fit, by its ending (.png, .svg, .pdf). Needs
            matplotlib.
        json: The numbers as JSON, with the δ that keeps the paper's β·δ.
    """
    check_folder("plot", plot)
    try:
        rows = np.array([row[1:] for row in read_csv(csv, "steps", ssim_column(csv))])
        inside = (rows[:, 0] >= min_steps) & (rows[:, 0] <= max_steps)
        steps, values = rows[inside].T
        found = fit_quadratic(steps, values)
    except ValueError as error:
        raise ValueError(f"CSV must hold measurements that can be fitted: {error}") from None
    if plot is not None:
        _draw(plot, steps, values, found)
    model, names = found.ssim, ("alpha", "beta", "gamma")
    coefficients = dict(zip(names, found.coefficients, strict=True))
    errors = dict(zip(names, found.standard_errors, strict=True))
    usual = float(Market().satisfaction[0])
    # What decides is β·δ: this δ makes the paper's market.
    delta = float(f"{PAPER_SSIM.beta * usual / model.beta:.4g}")
    if json:
        told = {
            **coefficients,
            "standard_errors": errors,
            "r_squared": found.r_squared,
            "measurements": len(steps),
            "satisfaction": delta,
        }
        print(jsons.dumps(told, indent=2))
        return
    measured = f"{exact(steps.min())} to {exact(steps.max())} steps"
    table = Table(title=f"{count(len(steps), 'measurement')}, {measured}")
    for column in ("", "value", "standard error"):
        table.add_column(column, justify="right")
    for letter, name in zip("αβγ", names, strict=True):
        table.add_row(letter, f"{coefficients[name]:.6g}", f"{errors[name]:.2g}")
    table.add_row("R²", f"{found.r_squared:.4f}", "")
    table.add_row("best at", f"{-model.beta / (2 * model.alpha):,.1f}", "steps")
    Console().print(table)
    flags = " ".join(f"--{name} {value:.6g}" for name, value in coefficients.items())
    print(f"The game on it: aigc-market solve {flags} --satisfaction {delta:g}")
    print(
        f"δ = {exact(delta)} keeps the paper's β·δ = {exact(PAPER_SSIM.beta * usual)}, the "
        f"price above which a VMU buys nothing; with its δ = {exact(usual)} that would be "
        f"{exact(model.beta * usual, 3)}."
    )


def _draw(path: Path, steps: np.ndarray, values: np.ndarray, fit: QuadraticFit) -> None:
    with needed("plot", "plot needs matplotlib"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    line = np.linspace(steps.min(), steps.max(), 200)
    axes.plot(steps, values, "o", color=palette.MEASURED, markersize=4, label="measured")
    axes.plot(line, fit(line), color=palette.FIT, label=f"fit, R² = {fit.r_squared:.4f}")
    axes.set(xlabel="diffusion steps S", ylabel="SSIM")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    try:
        kind = path.suffix[1:] or "png"
        write_atomically(path, lambda file: figure.savefig(file, dpi=160, format=kind))
    except (ValueError, OSError) as error:
        raise ValueError(f"plot must be a picture that can be written: {error}") from None
