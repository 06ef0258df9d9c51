"""Reading the words of the command line, running the command they name, and telling errors."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import tyro
from tyro.conf import subcommand

from aigc_market.cli.explore import Explore
from aigc_market.cli.fit import Fit
from aigc_market.cli.info import Info
from aigc_market.cli.play import Play
from aigc_market.cli.replay import Replay
from aigc_market.cli.solve import Solve

_Command = (
    Annotated[Solve, subcommand("solve")]
    | Annotated[Fit, subcommand("fit")]
    | Annotated[Play, subcommand("play")]
    | Annotated[Explore, subcommand("explore")]
    | Annotated[Replay, subcommand("replay")]
    | Annotated[Info, subcommand("info")]
)


def run(words: Sequence[str]) -> None:
    """Run one command.

    Raises:
        SystemExit: 2 where the words are bad, 130 after Ctrl-C.
    """
    command = _parse(words)
    try:
        command.run()
        sys.stdout.flush()  # here, where a closed pipe is met
    except KeyboardInterrupt:
        _end("interrupted", 130)
    except BrokenPipeError:  # whoever reads has had enough, as in `aigc-market solve | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except (ValueError, TypeError, ImportError, OSError) as error:
        _end(_with_flag(str(error), command), 2)


def _parse(words: Sequence[str]) -> Any:
    """The command meant; tyro tells errors in a box of several lines, of which one is made."""
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(
                _Command,
                prog="aigc-market",
                description="The AIGC pricing game: a leader, its followers, and the equilibrium.",
                args=words,
            )
    except SystemExit as stop:
        if stop.code != 2:
            raise
    lines = [line.strip("│╭╮╰╯ ") for line in told.getvalue().splitlines()]
    inside = [line for line in lines if line and not re.search("──$", line)]
    body = []
    for line in lines[1:]:  # the first holds the title
        if line.startswith("───"):
            break
        body.append(line)
    return _end(" ".join(" ".join(body or inside).split()), 2)


def _with_flag(message: str, command: Any) -> str:
    """The message with the flag in place of the parameter's name that it begins with."""
    name, _, rest = message.partition(" ")
    parts = [command, *(getattr(command, field.name) for field in dataclasses.fields(command))]
    names = {
        f.name for part in parts if dataclasses.is_dataclass(part) for f in dataclasses.fields(part)
    }
    return f"--{name.replace('_', '-')} {rest}" if name in names else message


def _end(message: str, status: int) -> Any:
    print(f"aigc-market: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(status) from None
