"""The command line: `python -m baselines reproduce | train | evaluate | leaderboard | …`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro

from baselines.experiments.calvano.replicate import calvano
from baselines.experiments.compete.compete import compete
from baselines.experiments.evaluate import evaluate
from baselines.experiments.leaderboard.ceiling import ceiling
from baselines.experiments.leaderboard.command import leaderboard
from baselines.experiments.leaderboard.draw import draw_test_seeds
from baselines.experiments.leaderboard.keep import keep
from baselines.experiments.leaderboard.tune import tune
from baselines.experiments.leaderboard.verify import verify
from baselines.experiments.menus.menus_command import menus
from baselines.experiments.paper.reproduce import reproduce
from baselines.experiments.sessions.deep_command import sessions
from baselines.experiments.train import train


def calibrate(
    checkpoint: str = "bundled",
    images: str = "scenes",
    mask: Literal["half", "box", "stripes", "road", "strokes"] = "half",
    samples: int = 10,
    device: str = "cpu",
    mode: Literal["executed", "respaced"] = "executed",
    schedule_calls: int = 250,
    out: Path = Path("results/calibration"),
) -> None:
    """Measure SSIM against diffusion steps on repainted pictures, and solve the game on it.

    A calibration that was cut short goes on where it stopped. Needs the extra `repaint`.

    Args:
        checkpoint: bundled, a folder, or a hub id such as google/ddpm-ema-celebahq-256.
        images: scenes, photographs, or a folder of pictures.
        mask: what is repainted.
        samples: pictures, one chain each.
        device: cpu, cuda, cuda:1 or mps.
        mode: executed (S calls of one chain), or respaced (a whole chain in S calls).
        schedule_calls: calls of the whole chain.
        out: folder for ssim.csv, fig1.png, strip.png and calibration.md.
    """
    from aigc_market.ssim import RePaintSSIM  # torch and diffusers, for this command alone
    from baselines.experiments.paper.calibrate import calibrate as run

    service = RePaintSSIM(
        checkpoint,
        device,
        schedule_calls=schedule_calls,
        mask=mask,
        images=images,
        samples=samples,
        mode=mode,
        cache_dir=out / "cache",
    )
    run(service, out)


def main() -> None:
    """Run the command line. Bad arguments end it with their message, without a traceback."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            {
                "reproduce": reproduce,
                "train": train,
                "evaluate": evaluate,
                "tune": tune,
                "calibrate": calibrate,
                "leaderboard": leaderboard,
                "keep": keep,
                "verify": verify,
                "draw-test-seeds": draw_test_seeds,
                "ceiling": ceiling,
                "calvano": calvano,
                "compete": compete,
                "menus": menus,
                "sessions": sessions,
            },
            prog="python -m baselines",
            description="Baselines of the AIGC pricing game.",
        )
    except (ValueError, TypeError, ImportError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
