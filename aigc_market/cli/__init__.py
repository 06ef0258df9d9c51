"""The console command `aigc-market` (extra `cli`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        argv: its words; those of the process by default.

    Raises:
        SystemExit: 2 with one line on standard error where the words are bad; 130 after Ctrl-C.
    """
    try:
        import rich  # noqa: F401
        import tyro  # noqa: F401
    except ImportError as error:
        print(
            f"aigc-market: the command line needs tyro and rich: pip install 'aigc-market[cli]' "
            f"({error})",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    from aigc_market.cli.commands import run

    run(sys.argv[1:] if argv is None else argv)
