"""`aigc-market fit`: the quadratic of Eq. 2 through measured SSIM."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from aigc_market import palette
from aigc_market._files import write_atomically
from aigc_market.cli.arguments import existing, ssim_column, writable
from aigc_market.market import Market
from aigc_market.rendering.numbers import count, exact
from aigc_market.ssim import PAPER_SSIM, QuadraticFit, QuadraticSSIM, fit_quadratic
from aigc_market.ssim.tabulated import read_csv


@dataclass(frozen=True)
class Fit:
    """Fit SSIM(S) = αS² + βS + γ (Eq. 2) to measurements, as the paper's Fig. 1 does."""

    csv: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CSV")]
    """A file with a column `steps` and one of `ssim` or `mean`."""
    min_steps: float = -np.inf
    """Leave out measurements at fewer steps."""
    max_steps: float = np.inf
    """Leave out measurements at more steps."""
    plot: Path | None = None
    """A picture of the measurements and the fit, by its ending (.png, .svg, .pdf). Needs
    matplotlib."""
    json: bool = False
    """The numbers as JSON, with the δ that keeps the paper's β·δ."""

    def run(self) -> None:
        """Fit and print."""
        path = existing("CSV", self.csv, "a file")
        writable("plot", self.plot)
        try:
            rows = np.array([row[1:] for row in read_csv(path, "steps", ssim_column(path))])
            inside = (rows[:, 0] >= self.min_steps) & (rows[:, 0] <= self.max_steps)
            steps, values = rows[inside].T
        except ValueError as error:
            raise ValueError(f"CSV must hold measurements: {error}") from None
        try:
            fit = fit_quadratic(steps, values)
        except ValueError as error:
            raise ValueError(
                f"CSV must hold measurements that can be fitted: {path}: {error}"
            ) from None
        if self.plot is not None:
            _draw(self.plot, steps, values, fit)
        model, errors = fit.ssim, fit.standard_errors
        delta = _satisfaction(model)
        if self.json:
            found = {
                **{name: getattr(model, name) for name in ("alpha", "beta", "gamma")},
                "standard_errors": dict(zip(("alpha", "beta", "gamma"), errors, strict=True)),
                "r_squared": fit.r_squared,
                "measurements": len(steps),
                "satisfaction": delta,
            }
            print(json.dumps(found, indent=2))
            return
        measured = f"{exact(steps.min())} to {exact(steps.max())} steps"
        table = Table(title=f"{count(len(steps), 'measurement')}, {measured}")
        for column in ("", "value", "standard error"):
            table.add_column(column, justify="right")
        values = (model.alpha, model.beta, model.gamma)
        for name, value, error in zip("αβγ", values, errors, strict=True):
            table.add_row(name, f"{value:.6g}", f"{error:.2g}")
        table.add_row("R²", f"{fit.r_squared:.4f}", "")
        table.add_row("best at", f"{-model.beta / (2 * model.alpha):,.1f}", "steps")
        Console().print(table)
        flags = f"--alpha {model.alpha:.6g} --beta {model.beta:.6g} --gamma {model.gamma:.6g}"
        usual = float(Market().satisfaction[0])
        print(f"The game on it: aigc-market solve {flags} --satisfaction {delta:g}")
        print(
            f"δ = {exact(delta)} keeps the paper's β·δ = {exact(PAPER_SSIM.beta * usual)}, the "
            f"price above which a VMU buys nothing; with its δ = {exact(usual)} that would be "
            f"{exact(model.beta * usual, 3)}."
        )


def _satisfaction(model: QuadraticSSIM) -> float:
    """The δ with which a curve makes the paper's market: what decides is β·δ."""
    delta = PAPER_SSIM.beta * float(Market().satisfaction[0]) / model.beta
    return float(f"{delta:.4g}")


def _draw(path: Path, steps: np.ndarray, values: np.ndarray, fit: QuadraticFit) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"plot needs matplotlib: pip install 'aigc-market[plot]' ({error})"
        ) from error
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    line = np.linspace(steps.min(), steps.max(), 200)
    axes.plot(steps, values, "o", color=palette.MEASURED, markersize=4, label="measured")
    axes.plot(line, fit.ssim(line), color=palette.FIT, label=f"fit, R² = {fit.r_squared:.4f}")
    axes.set(xlabel="diffusion steps S", ylabel="SSIM")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    try:
        kind = path.suffix[1:] or "png"
        write_atomically(path, lambda file: figure.savefig(file, dpi=160, format=kind))
    except (ValueError, OSError) as error:
        raise ValueError(f"plot must be a picture that can be written: {error}") from None
