"""Reading the words of the command line, running the command they name, and telling errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_type_hints, is_typeddict

from tyro.extras import subcommand_cli_from_dict

import aigc_market
from aigc_market import _checks
from aigc_market.cli.ending import in_order
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
        SystemExit: 2 where the words are bad; see `in_order`.
    """
    with in_order("aigc-market", lambda error: _told(words, error)):
        if list(words[:1]) == ["--version"]:
            print(f"aigc-market {aigc_market.__version__}")
            return
        if words and not words[0].startswith("-"):
            _checks.choice("command", words[0], _COMMANDS)
        subcommand_cli_from_dict(
            _COMMANDS,
            prog="aigc-market",
            description="The AIGC pricing game: a leader, or several that compete, its followers, "
            "and the equilibrium. --version tells the version.",
            args=words,
        )


def _told(words: Sequence[str], error: Exception) -> str:
    """An error of the package in words of the command line: a parameter is a flag."""
    name, _, rest = str(error).partition(" ")
    hints = get_type_hints(_COMMANDS[words[0]]) if words[0] in _COMMANDS else {}
    groups = filter(is_typeddict, hints.values())
    if name in hints or any(name in group.__annotations__ for group in groups):
        name = f"--{name.replace('_', '-')}"
    return f"{name} {rest}"
