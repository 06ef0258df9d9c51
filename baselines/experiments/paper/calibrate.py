"""Fig. 1 again: SSIM against diffusion steps, measured on pictures that are really repainted."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress

from aigc_market import PAPER_SSIM, Market, best_response, palette, regret, solve
from aigc_market.ssim import QuadraticFit, QuadraticSSIM, RePaintSSIM
from aigc_market.ssim.quadratic import least_squares
from aigc_market.ssim.repaint import Curve, Request, pictures
from baselines import report
from baselines.figures import panels, save
from baselines.runs.files import check_folder, read_frame, write_atomically, write_csv

PAPER_RANGE = (120, 160)
CHOKE_PRICE = 15.0
"""Above it nobody buys in the paper's market: β·δ. δ is scaled to keep it on a measured curve."""
STRIP = (1, 20, 60, 120, 160, 250)
_TILE = 0.9
"""Width of a picture of the strip, in inches."""


def calibrate(service: RePaintSSIM, out: Path) -> None:
    """Measure a service's curve, fit it, draw Fig. 1, and solve the game on it.

    Args:
        service: what is measured.
        out: folder for ssim.csv, fig1.png, strip.png and calibration.md.
    """
    check_folder(out)
    console = Console()
    with Progress(console=console) as progress:
        task = progress.add_task("repainting", total=len(service.pool))
        curve = service.curve(lambda done, _: progress.update(task, completed=done))
        progress.update(task, completed=len(service.pool))
    rows = [
        {"steps": steps, "mean": f"{mean:.6f}", "std": f"{std:.6f}", "samples": curve.samples}
        for steps, mean, std in zip(curve.steps.tolist(), curve.mean, curve.std, strict=True)
    ]
    write_csv(out / "ssim.csv", list(rows[0]), rows)
    draw(out)
    save(strip(service), out / "strip.png")
    text = describe(service, curve)
    write_atomically(out / "calibration.md", text)
    print(text)
    console.print(f"In {out}/: fig1.png, strip.png, ssim.csv, calibration.md")


def fits(steps: np.ndarray, mean: np.ndarray) -> list[tuple[int, int, QuadraticFit]]:
    """Quadratic fits of the mean on all steps that can be bought, and on the paper's range.

    What a VMU has without any is no picture of the model's, and no part of the fits.

    Returns:
        Of each its least and its most steps, and the fit; the paper's range only where it is
        measured.
    """
    fitted = []
    for low, high in ((1, int(steps[-1])), PAPER_RANGE):
        if high <= steps[-1]:
            chosen = (steps >= low) & (steps <= high)
            fitted.append((low, high, least_squares(steps[chosen], mean[chosen])))
    return fitted


def draw(folder: Path) -> None:
    """Draw `fig1.png` from `ssim.csv` alone."""
    table: Any = read_frame(folder / "ssim.csv")
    steps, mean, std = (table[name].to_numpy() for name in ("steps", "mean", "std"))
    figure, [axes] = panels(1)
    color = palette.MEASURED
    axes.fill_between(steps[1:], (mean - std)[1:], (mean + std)[1:], alpha=0.2, color=color)
    axes.plot(steps[1:], mean[1:], color=color, label="Measured, mean ± deviation")
    label = "S = 0: unknown region grey"
    axes.errorbar(steps[0], mean[0], std[0], color=color, marker="s", capsize=3, label=label)
    styles = (palette.FIT, "--", 1.5), (palette.INK, ":", 2.5)
    for (low, high, fit), style in zip(fits(steps, mean), styles, strict=False):
        x, (color, line, width) = np.arange(low, high + 1), style
        label = f"Fit of S = {low}…{high}, R² = {fit.r_squared:.3f}"
        axes.plot(x, fit(x), line, color=color, label=label, linewidth=width)
    axes.set(xlabel="Diffusion steps S (network calls executed)", ylabel="SSIM")
    axes.set_title(f"{int(table['samples'].iloc[0])} pictures", fontsize=10)
    axes.legend(loc="lower right")
    save(figure, folder / "fig1.png")


def strip(service: RePaintSSIM, rows: int = 4) -> Figure:
    """Pictures after a few steps: the original, what is known, then S = 1, 20, 60, …

    Above each column its mean SSIM.
    """
    stops = [s for s in STRIP if s <= len(service.schedule)]
    requests, tiles = [], []
    for i, scene in enumerate(service.pool[:rows]):
        where = pictures.mask(service.mask, scene, i)
        known = np.where(where[..., None], np.float32(0.5), scene.image)
        tiles.append([scene.image, known])
        requests += [Request(scene.image, where, s, i) for s in stops]
    served = service.serve(requests)
    for i, row in enumerate(tiles):
        row += [result.image for result in served[i * len(stops) : (i + 1) * len(stops)]]
    heads = ["original", "what is\nknown"]
    for i, stop in enumerate(stops):
        ssim = np.mean([result.ssim for result in served[i :: len(stops)]])
        heads.append(f"S = {stop}\nSSIM {ssim:.2f}")
    figure, axes = panels(len(tiles) * len(heads), len(heads), _TILE, 1.15 * _TILE)
    for one, image in zip(axes, itertools.chain(*tiles), strict=True):
        one.imshow(image, interpolation="nearest")
        one.set_axis_off()
    for one, head in zip(axes, heads, strict=False):
        one.set_title(head, fontsize=9, loc="left")
    return figure


def describe(service: RePaintSSIM, curve: Curve) -> str:
    """The fits beside the paper's, and the game on the measured curve, as Markdown."""
    header = ("fit", "α", "β", "γ", "R²", "α < 0", "β > 0", "γ < 0")
    of_paper = [str(value) for value in (PAPER_SSIM.alpha, PAPER_SSIM.beta, PAPER_SSIM.gamma)]
    signs = ["yes", "yes", "no (its text says yes)"]
    rows = [["the paper's, S = 120…160", *of_paper, "not given", *signs]]
    fitted = fits(curve.steps, curve.mean)
    for low, high, fit in fitted:
        cells = [
            f"{value:.4g} ± {error:.1g}"
            for value, error in zip(fit.coefficients, fit.standard_errors, strict=True)
        ]
        alpha, beta, gamma = fit.coefficients
        signs = ["yes" if holds else "no" for holds in (alpha < 0, beta > 0, gamma < 0)]
        rows.append([f"measured, S = {low}…{high}", *cells, f"{fit.r_squared:.4f}", *signs])
    return "\n\n".join(
        [
            "# SSIM against diffusion steps, measured",
            f"Checkpoint {service.checkpoint}, {curve.samples} chains of {len(service.schedule)} "
            f"calls, mask {service.mask}, mode {service.mode}, {service.device}.",
            report.table(header, rows),
            "± are standard errors under independent errors. Without any step a VMU has the "
            f"picture with its unknown region grey, SSIM {curve.mean[0]:.4f}, which is no part of "
            "the fits.",
            *_game(curve, fitted[0][2]),
            "",
        ]
    )


def _game(curve: Curve, fit: QuadraticFit) -> list[str]:
    alpha, beta, gamma = fit.coefficients
    if not alpha < 0 < beta:
        return ["The fit of the whole curve is not concave and rising at 0: no game on it."]
    table, top = curve.table(), float(curve.steps[-1])
    best_gain = float(table.demand_curve(0.0, top).rates[-1])  # of a step
    if best_gain <= 0:
        return ["No picture is better than the one of which nothing is painted: no game on it."]
    delta = CHOKE_PRICE / best_gain
    arguments: dict[str, Any] = {"satisfaction": delta, "max_steps": top, "min_steps": 0}
    measured = Market(ssim=table, **arguments)
    smooth = Market(ssim=QuadraticSSIM(alpha, beta, gamma), **arguments)
    solved = {"the measured table": solve(measured), "its fit": solve(smooth)}
    rows = [
        (name, f"{found.price:.3f}", f"{found.steps[0]:.1f}", f"{found.asp_utility:.1f}")
        for name, found in solved.items()
    ]
    price = solved["its fit"].price
    gap = regret(measured, price, best_response(measured, price))
    return [
        f"The game with K = 2, c = 1 and δ = {delta:.0f}, with which nobody who knows the table "
        f"buys above {CHOKE_PRICE:g}, as in the paper's market (β·δ = {CHOKE_PRICE:g}):",
        report.table(("SSIM", "p*", "steps a VMU", "U_p*"), rows),
        f"Posting the fit's price to VMUs that know the table costs the leader {gap.leader:.1f}, "
        f"{gap.leader_relative:.2%} of U_p*.",
    ]
