"""The command line: `python -m baselines reproduce | train | evaluate | leaderboard | …`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import tyro

from aigc_market import _checks
from aigc_market.cli.ending import in_order
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


_ORDER = (
    *(reproduce, train, evaluate, tune, calibrate, leaderboard, keep, verify, draw_test_seeds),
    *(ceiling, calvano, compete, menus, sessions),
)
_COMMANDS = {command.__name__.replace("_", "-"): command for command in _ORDER}


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: 2 where arguments are bad, 130 after Ctrl-C, with a line on standard error.
    """
    with in_order("error"):
        if sys.argv[1:] and not sys.argv[1].startswith("-"):
            _checks.choice("command", sys.argv[1], _COMMANDS)
        tyro.extras.subcommand_cli_from_dict(
            _COMMANDS,
            prog="python -m baselines",
            description="Baselines of the AIGC pricing game.",
            config=(tyro.conf.DisallowNone,),  # what is left out is None
        )


if __name__ == "__main__":
    main()
