"""`aigc-market replay`: rounds that were recorded, once more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from aigc_market import replay
from aigc_market.cli.arguments import existing


@dataclass(frozen=True)
class Replay:
    """Show recorded rounds in the terminal, or draw them as a video."""

    run_file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN.jsonl")]
    """What `aigc-market play --record` kept."""
