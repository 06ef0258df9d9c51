"""Reading the words of the command line, running the command they name, and telling errors."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import io
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from tyro.extras import subcommand_cli_from_dict

import aigc_market
from aigc_market.cli import compete
from aigc_market.cli.arguments import flag
from aigc_market.cli.explore import Explore
from aigc_market.cli.fit import Fit
from aigc_market.cli.info import Info
from aigc_market.cli.play import Play
from aigc_market.cli.replay import Replay
from aigc_market.cli.solve import Solve

_COMMANDS: dict[str, Any] = {
    "solve": Solve,
    "fit": Fit,
    "play": Play,
    "compete solve": compete.Solve,
    "compete play": compete.Play,
    "explore": Explore,
    "replay": Replay,
    "info": Info,
}


def run(words: Sequence[str]) -> None:
    """Run one command.

    Raises:
        SystemExit: 2 where the words are bad, 130 after Ctrl-C.
    """
    if words and words[0] == "--version":
        print(f"aigc-market {aigc_market.__version__}")
        return
    name, rest = _command(words)
    if name in _COMMANDS:
        _check_flags(name, rest)
    command = _parse(name, rest)
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


def _command(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The command that is named, of one word or two, or --help; and the words behind it.

    Raises:
        SystemExit: 2 where there is no command of this name.
    """
    length = 2 if words and any(name.startswith(f"{words[0]} ") for name in _COMMANDS) else 1
    name = " ".join(words[:length])
    if name in _COMMANDS:
        return name, words[length:]
    if words and words[:length][-1] in ("-h", "--help"):
        return "--help", []
    got = _guess(name, _COMMANDS) if words else "nothing"
    return _end(f"the command must be one of {', '.join(_COMMANDS)}, got {got}", 2)


def _parse(name: str, rest: Sequence[str]) -> Any:
    """The command meant; tyro tells errors in a box of several lines, of which one is made."""
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return subcommand_cli_from_dict(
                _COMMANDS,
                prog="aigc-market",
                description="The AIGC pricing game: a leader, or several that compete, its "
                "followers, and the equilibrium. --version tells the version.",
                args=[name, *rest],
            )
    except SystemExit as stop:
        if stop.code != 2:
            raise
    # A title, and paragraphs between rules; drawn in ASCII where the terminal has nothing else.
    lines = [line.strip("│╭╮╰╯ ") for line in told.getvalue().splitlines()]
    ruled = ["" if not line.strip("─-") else line for line in lines[1:]]
    paragraphs = "\n".join(ruled).strip().split("\n\n")
    message = " ".join(paragraphs[0].split())
    for found, put in _IN_OUR_WORDS:
        message = re.sub(found, put.format(command=name), message)
    return _end(message, 2)


_IN_OUR_WORDS = (
    (r"^Error parsing (\S+): it must", r"\1 must"),
    (r"^Missing value for argument '(\S+)'.*", r"\1 must be followed by a value"),
    (r"^Missing from .*?: (\S+) (.*) \(required\)$", r"\1 must be given: \2"),
    (r"^Unrecognized options: (.*)", r"{command} has no use for \1: see {command} --help"),
)


def _check_flags(name: str, rest: Sequence[str]) -> None:
    """Say of a flag that there is none of this name which one may be meant."""
    flags = {"--help"}
    for field in _fields(_COMMANDS[name]):
        flags.add(flag(field.name))
        if field.type == "bool":
            flags.add(flag(f"no_{field.name}"))
    for word in rest:
        given = word.partition("=")[0].replace("_", "-")
        if given.startswith("--") and given not in flags:
            _end(f"{name} has no flag {_guess(given, flags)}: see aigc-market {name} --help", 2)


def _guess(name: str, allowed: Iterable[str]) -> str:
    """A name in quotes, and the one that is nearest to it, if any is near."""
    longer = sorted(each for each in allowed if each.startswith(name))
    near = longer or difflib.get_close_matches(name, list(allowed), 1)
    return f"{name!r}" + (f" (did you mean {near[0]!r}?)" if near else "")


def _fields(kind: Any) -> list[dataclasses.Field[Any]]:
    """Of a command, those that are flags."""
    found = []
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(field.default):  # a group of flags
            found += _fields(type(field.default))
        elif "Positional" not in str(field.type):
            found.append(field)
    return found


def _with_flag(message: str, command: Any) -> str:
    """The message with the flag in place of the parameter's name that it begins with."""
    name, _, rest = message.partition(" ")
    return f"{flag(name)} {rest}" if name in {f.name for f in _fields(command)} else message


def _end(message: str, status: int) -> Any:
    print(f"aigc-market: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(status) from None
