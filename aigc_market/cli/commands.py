"""Reading the words of the command line, running the command they name, and telling errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import get_type_hints, is_typeddict

from tyro.extras import subcommand_cli_from_dict

import aigc_market
from aigc_market import _checks
from aigc_market.cli.explore import explore
from aigc_market.cli.fit import fit
from aigc_market.cli.info import info
from aigc_market.cli.play import play
from aigc_market.cli.replay import replay
from aigc_market.cli.solve import solve

_COMMANDS = {command.__name__: command for command in (solve, fit, play, explore, replay, info)}


def run(words: Sequence[str]) -> None:
    """Run one command.

    Raises:
        SystemExit: 2 where the words are bad, 130 after Ctrl-C.
    """
    if list(words[:1]) == ["--version"]:
        print(f"aigc-market {aigc_market.__version__}")
        return
    if words and not words[0].startswith("-"):
        try:
            _checks.choice("command", words[0], _COMMANDS)
        except ValueError as error:
            _end(str(error), 2)
    try:
        subcommand_cli_from_dict(
            _COMMANDS,
            prog="aigc-market",
            description="The AIGC pricing game: a leader, or several that compete, its followers, "
            "and the equilibrium. --version tells the version.",
            args=words,
        )
        sys.stdout.flush()  # here, where a closed pipe is met
    except KeyboardInterrupt:
        _end("interrupted", 130)
    except BrokenPipeError:  # whoever reads has had enough, as in `aigc-market solve | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except (ValueError, TypeError, ImportError, OSError) as error:
        name, _, rest = str(error).partition(" ")
        hints = get_type_hints(_COMMANDS[words[0]])
        groups = filter(is_typeddict, hints.values())
        if name in hints or any(name in group.__annotations__ for group in groups):
            name = f"--{name.replace('_', '-')}"  # a parameter, as the package names it
        _end(f"{name} {rest}", 2)


def _end(message: str, status: int) -> None:
    print(f"aigc-market: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(status) from None
