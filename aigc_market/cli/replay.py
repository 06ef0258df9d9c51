"""`aigc-market replay`: rounds that were recorded, once more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from aigc_market import _checks, rendering, replay
from aigc_market.cli.arguments import File, existing


@dataclass(frozen=True)
class Replay:
    """Show recorded rounds in the terminal, or draw them as a video."""

    run_file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN.jsonl")]
    """What `aigc-market play --record` kept."""
    video: File = None
    """A .gif or .mp4 to draw the rounds to."""
    fps: float = 4.0
    """Rounds a second of the video."""

    def run(self) -> None:
        """Read, and show or draw."""
        rounds = replay.read(existing("RUN.jsonl", self.run_file, "a file kept by `play --record`"))
        _checks.number("fps", self.fps, above=0)
        if self.video is None:
            for record in rounds:
                print(rendering.ansi(record), end="\n\n")
            return
        if self.video.suffix not in (".gif", ".mp4"):
            raise ValueError(f"video must end in .gif or .mp4, got {str(self.video)!r}")
        replay.write_video(rounds, self.video, fps=self.fps)
        print(f"{len(rounds)} rounds in {self.video}")
