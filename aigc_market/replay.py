"""Runs kept as JSON lines, and drawn again: a header line, then one line a round."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np

from aigc_market import _checks
from aigc_market._files import parse_json, write_atomically
from aigc_market.rendering import CompetitionRound, MenuRound, Round
from aigc_market.rendering.canvas import HEIGHT, WIDTH, WINDOW
from aigc_market.rendering.rounds import Record

__all__ = ["CompetitionRound", "MenuRound", "Round", "collect", "read", "write", "write_video"]

Rounds = Sequence[Record]
"""Those of one episode, all of one kind."""
_JUDGED = (("nash_prices", "nash_utility", "profit_gain"), ("cartel_prices", "cartel_utility"))
"""Fields of a round of several providers that say nothing where the first of them does not."""
_HEADERS: dict[type, dict[str, Any]] = {
    Round: {"format": "aigc_market rounds", "version": 1},
    CompetitionRound: {"format": "aigc_market competition rounds", "version": 1},
    MenuRound: {"format": "aigc_market menu rounds", "version": 1},
}


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


def write(path: str | os.PathLike[str], rounds: Iterable[Record]) -> None:
    """Write the rounds of one episode; the file appears whole or not at all.

    Args:
        path: the file.
        rounds: at least one, in order.

    Raises:
        TypeError: what is no round.
        ValueError: no rounds, rounds out of order, or of different episodes.
    """
    played: list[Any] = list(rounds)
    if not played:
        raise ValueError("rounds must hold at least one round, got none")
    first = played[0]
    if type(first) not in _HEADERS:
        names = " or ".join(kind.__name__ for kind in _HEADERS)
        raise TypeError(f"rounds must be records, {names}, got {first!r}")
    for i, record in enumerate(played):
        if _episode(record) != _episode(first):
            raise ValueError(f"rounds[{i}] must be of the same episode as the round before it")
        _check_order(f"rounds[{i}]", record, played[max(i - 1, 0) : i])
    episode, own = _parts(type(first))
    lines = [{**_HEADERS[type(first)], **{name: getattr(first, name) for name in episode}}]
    lines += [{name: getattr(record, name) for name in own} for record in played]
    write_atomically(path, "".join(f"{json.dumps(line, allow_nan=False)}\n" for line in lines))


def _parts(kind: Any) -> tuple[Sequence[str], Sequence[str]]:
    """The fields that are the same in all rounds of an episode, and those of each round."""
    first = kind._fields.index("number")
    return kind._fields[:first], kind._fields[first:]


def _episode(record: Any) -> tuple[Any, ...]:
    """All that is the same in the rounds of an episode, the lengths of lists too."""
    names = ("asked", "prices", "vmu_utility", "steps", "taken")
    lists = (getattr(record, name, ()) for name in names)
    return type(record), *record[: record._fields.index("number")], *map(len, lists)


def _check_order(where: str, record: Any, before: Sequence[Any]) -> None:
    if before and record.number != (number := before[-1].number + 1):
        raise ValueError(
            f"{where}: number must be {number}, after {number - 1}, got {record.number}"
        )


# -- reading ---------------------------------------------------------------------------------------


def read(path: str | os.PathLike[str]) -> list[Any]:
    """The rounds in a file that `write` has written; its header says of which kind they are.

    Raises:
        OSError: the file cannot be read.
        ValueError: anything else; the message names the file, the line and the field.
    """
    rounds: list[Any] = []
    kind, episode, own, size = Round, {}, (), {}
    try:
        file = open(path, encoding="utf-8", errors="replace")  # noqa: SIM115
    except OSError as error:
        raise type(error)(
            f"{path}: must be rounds kept by `aigc-market play --record` or "
            f"`aigc_market.replay.write` ({error.strerror})"
        ) from None
    with file:
        for number, text in enumerate(file, 1):
            where = f"{path}, line {number}"
            values = parse_json(where, text.rstrip())
            if number == 1:
                kind = _kind(where, values, text)
                names, own = _parts(kind)
                episode = _fields(where, kind, names, values, size)
                continue
            record = kind(**episode, **_fields(where, kind, own, values, size))
            for wrong in _contradictions(record):
                raise ValueError(f"{where}: {wrong}")
            _check_order(where, record, rounds)
            rounds.append(record)
    if not rounds:
        raise ValueError(f"{path}: the file must hold a header line and at least one round")
    return rounds


def _kind(where: str, values: dict[str, Any], text: str) -> Any:
    """What a file's header says that its lines are."""
    for kind, header in _HEADERS.items():
        if header.items() <= values.items():
            return kind
    allowed = " or ".join(map(str, _HEADERS.values()))
    raise ValueError(f"{where}: the header must hold {allowed}, got {text[:80]!r}")


_types = cache(get_type_hints)


def _fields(
    where: str, kind: Any, names: Iterable[str], values: dict[str, Any], size: dict[str, int]
) -> dict[str, Any]:
    """These fields of a record, checked; `size` has the lengths of lists, and takes up new ones."""
    found = {}
    for name in names:
        if name not in values:
            raise ValueError(f"{where}: {name} is missing")
        try:
            allowed = _types(kind, include_extras=True)[name]
            found[name] = _value(f"{where}: {name}", allowed, values[name], size)
        except TypeError as error:  # in a file a wrong type is but a wrong value
            raise ValueError(str(error)) from None
        except RecursionError:
            raise ValueError(f"{where}: {name} must not be nested so deeply") from None
    return found


def _value(name: str, allowed: Any, value: Any, size: dict[str, int]) -> Any:
    """A value, if its type (see `rendering.rounds`) admits it."""
    kind, check = get_args(allowed)
    if check is type(None):
        return None if value is None else _value(name, kind, value, size)
    if callable(check):
        return check(name, value)
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name} must be a list, one value a {check}, got {value!r}")
    if len(value) != (length := size.setdefault(check, len(value))):
        raise ValueError(f"{name} must hold {length} values, one a {check}, got {len(value)}")
    (each,) = get_args(kind)
    return [_value(f"{name}[{i}]", each, item, size) for i, item in enumerate(value)]


def _contradictions(record: Any) -> Iterator[str]:
    """How fields do not fit each other."""
    for name, each, of, most in _limited(record):
        if max(each) > most * (1 + 1e-5 * isinstance(most, float)):
            yield f"{name} must be at most {of} = {most:g}, got {max(each)!r}"
    if not isinstance(record, CompetitionRound):
        return
    for m, (sold, asked) in enumerate(zip(record.sold, map(sum, record.demand), strict=True)):
        if sold > asked * (1 + 1e-5):
            yield f"sold[{m}] must be at most what was asked for there, {asked:g}, got {sold!r}"
    for k, total in enumerate(map(sum, zip(*record.shares, strict=True))):
        if total > 1 + 1e-5:
            yield f"shares must add up to 1 at most for each VMU, got {total} of VMU {k}"
    for basis, *names in _JUDGED:
        for name in names:
            if getattr(record, basis) is None and getattr(record, name) is not None:
                yield f"{name} must be null where {basis} is"


def _limited(record: Any) -> Iterator[tuple[str, Sequence[float], str, float]]:
    """Lists that a picture has room for up to a limit: name and values, name and value of it."""
    if isinstance(record, CompetitionRound):
        for m, each in enumerate(record.demand):
            yield f"demand[{m}]", each, "max_steps", record.max_steps
        return
    limits = {"asked": "max_steps", "delivered": "max_steps"}
    if isinstance(record, MenuRound):
        limits = {"steps": "max_steps", "best_steps": "max_steps", "fees": "max_fee"}
        for name in ("taken", "best_taken"):
            yield name, getattr(record, name), "the number of contracts", len(record.steps)
    for name, of in limits.items():
        yield name, getattr(record, name), of, getattr(record, of)


# -- films -----------------------------------------------------------------------------------------


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
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / f"film{kind}"
        write(rounds, film, fps)
        write_atomically(path, film.read_bytes())


def _frames(rounds: Rounds, numbers: Iterable[int]) -> Iterator[np.ndarray]:
    """Of the rounds at these places in the list, each with those before it."""
    from aigc_market.rendering.frames import draw  # for those alone who want pictures

    return (draw(rounds[max(i + 1 - WINDOW, 0) : i + 1]) for i in numbers)


def _write_gif(rounds: Rounds, path: Path, fps: float) -> None:
    with _checks.needed("render", "videos need more packages"):
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
    with _checks.needed("render", "videos need more packages"):
        from imageio_ffmpeg import write_frames

    # The command line that fps goes to takes fractions, whatever its annotation says.
    film = write_frames(str(path), (WIDTH, HEIGHT), fps=fps, quality=8)  # pyright: ignore[reportArgumentType]
    film.send(None)
    try:
        for frame in _frames(rounds, range(len(rounds))):
            film.send(frame)
    finally:
        film.close()
