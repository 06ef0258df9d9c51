"""`aigc-market replay`: rounds that were recorded, once more."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import tyro

from aigc_market import _checks
from aigc_market import replay as runs
from aigc_market.cli.arguments import check_folder
from aigc_market.rendering import Screen
from aigc_market.rendering.numbers import count


def replay(
    run_file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN.jsonl")],
    video: Path | None = None,
    fps: float = 4.0,
    text: bool = False,
) -> None:
    """Show recorded rounds in a window, or draw them as a video.

    Needs the extra `render`; without it the rounds are told as text.

    Args:
        run_file: What `aigc-market play --record` kept, or `aigc_market.replay.write` in Python,
            also of a provider that sells contracts.
        video: A .gif or .mp4 to draw the rounds to, in place of the window.
        fps: Rounds a second.
        text: Tell the rounds as text, in place of the window.
    """
    _checks.number("fps", fps, above=0)
    check_folder("video", video)
    rounds = runs.read(run_file)
    if video is not None:
        if text:
            raise ValueError("text must be left out beside --video")
        runs.write_video(rounds, video, fps=fps)
        print(f"{count(len(rounds), 'round')} in {video}")
        return
    window = not text and importlib.util.find_spec("pygame") is not None
    screen = Screen("human" if window else "ansi", fps)
    try:
        for record in rounds:
            screen.add(record)
            if not window:
                print(screen.show(), end="\n\n")
    except RuntimeError as error:  # no window opens
        raise ValueError(str(error)) from None
    finally:
        screen.close()
