"""`aigc-market replay`: rounds that were recorded, once more."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from aigc_market import _checks, replay
from aigc_market.cli.arguments import check_folder
from aigc_market.rendering import Screen
from aigc_market.rendering.numbers import count


@dataclass(frozen=True)
class Replay:
    """Show recorded rounds in a window, or draw them as a video.

    Needs the extra `render`; without it the rounds are told as text.
    """

    run_file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN.jsonl")]
    """What `aigc-market play --record` kept."""
    video: Path | None = None
    """A .gif or .mp4 to draw the rounds to, in place of the window."""
    fps: float = 4.0
    """Rounds a second."""
    text: bool = False
    """Tell the rounds as text, in place of the window."""

    def run(self) -> None:
        """Read, and show or draw."""
        _checks.number("fps", self.fps, above=0)
        check_folder("video", self.video)
        rounds = replay.read(self.run_file)
        if self.video is not None:
            if self.text:
                raise ValueError("text must be left out beside --video")
            replay.write_video(rounds, self.video, fps=self.fps)
            print(f"{count(len(rounds), 'round')} in {self.video}")
            return
        window = not self.text and importlib.util.find_spec("pygame") is not None
        screen = Screen("human" if window else "ansi", self.fps)
        try:
            for record in rounds:
                screen.add(record)
                if not window:
                    print(screen.show(), end="\n\n")
        except RuntimeError as error:  # pygame's own is one
            raise ValueError(f"text must be given where no window opens ({error})") from None
        finally:
            screen.close()
