"""Runs kept as JSON lines, and drawn again: a header line, then one line a round."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aigc_market import _checks
from aigc_market._files import parse_json, write_atomically
from aigc_market.rendering import CompetitionRound, Round
from aigc_market.rendering.canvas import HEIGHT, WIDTH, WINDOW
from aigc_market.rendering.fields import KINDS, Kind, kind_of
from aigc_market.rendering.rounds import EPISODE

__all__ = ["CompetitionRound", "Round", "collect", "read", "write", "write_video"]

Rounds = Sequence[Round] | Sequence[CompetitionRound]
"""Those of one episode, all of one kind."""


def collect(env: Any, rounds: list[Any]) -> None:
    """Append the last round that an environment has played, unless `rounds` has it already.

    To be called after every `step`, of the AEC, the parallel or the single environment, of one
    provider or several, wrapped or not, whatever its render mode. One list is for one episode.

    Args:
        env: the environment.
        rounds: where the record goes.
    """
    record = env.unwrapped.round_record()
    if record is not None and (not rounds or record.number != rounds[-1].number):
        rounds.append(record)


def write(
    path: str | os.PathLike[str], rounds: Iterable[Round] | Iterable[CompetitionRound]
) -> None:
    """Write the rounds of one episode; the file appears whole or not at all.

    Args:
        path: the file.
        rounds: at least one, in order.

    Raises:
        ValueError: no rounds, rounds out of order, or of different episodes.
    """
    played: list[Any] = list(rounds)
    for i, record in enumerate(played):
        _follow(f"rounds[{i}]", record, played[i - 1] if i else None)
    if not played:
        raise ValueError("rounds must hold at least one round, got none")
    kind = kind_of(played[0])
    lines = [{**kind.header, **{name: getattr(played[0], name) for name in EPISODE}}]
    lines += [{name: getattr(record, name) for name in kind.of_round} for record in played]
    write_atomically(path, "".join(f"{json.dumps(line, allow_nan=False)}\n" for line in lines))


def read(path: str | os.PathLike[str]) -> list[Any]:
    """The rounds in a file that `write` has written, `Round` or `CompetitionRound` by its header.

    Raises:
        ValueError: anything else; the message names the file, the line and the field.
    """
    rounds: list[Any] = []
    kind, episode, size = KINDS[0], {}, {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(file, 1):
            where = f"{path}, line {number}"
            values = parse_json(where, text.rstrip())
            if number == 1:
                kind = _kind(where, values, text)
                episode = kind.read(where, values, EPISODE, size)
                continue
            record = kind.record(**episode, **kind.read(where, values, kind.of_round, size))
            kind.check(where, record)
            _follow(where, record, rounds[-1] if rounds else None)
            rounds.append(record)
    if not rounds:
        raise ValueError(f"{path}: the file must hold a header line and at least one round")
    return rounds


def write_video(rounds: Rounds, path: str | os.PathLike[str], *, fps: float = 4.0) -> None:
    """Draw the rounds of an episode as a film, one frame a round; it appears whole or not at all.

    Args:
        rounds: at least one, in order.
        path: the file; its ending says which kind: .gif, or .mp4 (H.264).
        fps: rounds a second. A GIF counts time in hundredths of a second, and players show it at no
            more than 50.

    Raises:
        ImportError: without the extra `render`.
        ValueError: another ending, no rounds, or an fps that is not above 0.
    """
    path, fps = Path(path), _checks.number("fps", fps, above=0)
    kind = path.suffix.lower()
    if kind not in (".gif", ".mp4"):
        raise ValueError(f"path must end in .gif or .mp4, got {str(path)!r}")
    if not rounds:
        raise ValueError("rounds must hold at least one round, got none")
    write = _write_gif if kind == ".gif" else _write_mp4
    try:
        with tempfile.TemporaryDirectory() as folder:
            film = Path(folder) / f"film{kind}"
            write(rounds, film, fps)
            write_atomically(path, film.read_bytes())
    except ModuleNotFoundError as error:
        raise ImportError(
            f"videos need more packages: pip install 'aigc-market[render]' ({error})"
        ) from error


def _frames(rounds: Rounds, numbers: Iterable[int]) -> Iterator[np.ndarray]:
    """Of the rounds at these places in the list, each with those before it."""
    from aigc_market.rendering.frames import draw  # for those alone who want pictures

    return (draw(rounds[max(i + 1 - WINDOW, 0) : i + 1]) for i in numbers)


def _write_gif(rounds: Rounds, path: Path, fps: float) -> None:
    from PIL import Image

    # One palette for all, of a few frames: its choice takes as long as many frames, and what stands
    # still keeps its colours. Without dithering it takes no space either.
    some = sorted({round(share * (len(rounds) - 1)) for share in (0, 0.25, 0.5, 1)})
    mixture = Image.fromarray(np.concatenate(list(_frames(rounds, some))))
    palette = mixture.quantize(255, dither=Image.Dither.NONE)
    pictures = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in _frames(rounds, range(len(rounds)))
    )
    duration = max(round(100 / fps), 2) * 10
    next(pictures).save(path, save_all=True, append_images=pictures, duration=duration, loop=0)


def _write_mp4(rounds: Rounds, path: Path, fps: float) -> None:
    from imageio_ffmpeg import write_frames

    # The command line that fps goes to takes fractions, whatever its annotation says.
    film = write_frames(str(path), (WIDTH, HEIGHT), fps=fps, quality=8)  # pyright: ignore[reportArgumentType]
    film.send(None)
    try:
        for frame in _frames(rounds, range(len(rounds))):
            film.send(frame)
    finally:
        film.close()


def _kind(where: str, values: dict[str, Any], text: str) -> Kind:
    """What a file's header says that its lines are."""
    for kind in KINDS:
        if {name: values.get(name) for name in kind.header} == kind.header:
            return kind
    allowed = " or ".join(str(kind.header) for kind in KINDS)
    raise ValueError(f"{where}: the header must hold {allowed}, got {text[:80]!r}")


def _follow(where: str, record: Any, before: Any | None) -> None:
    """Check that a round comes right after another one of the same episode."""
    if before is None:
        return
    kind = kind_of(before)
    same = isinstance(record, kind.record) and kind.size(record) == kind.size(before)
    if not same or record[: len(EPISODE)] != before[: len(EPISODE)]:
        raise ValueError(f"{where} must be of the same episode as the round before it")
    if record.number != before.number + 1:
        raise ValueError(
            f"{where}: number must be {before.number + 1}, after {before.number}, "
            f"got {record.number}"
        )
