"""How commands end: bad input, Ctrl-C and a reader that has had enough give no traceback."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def in_order(prefix: str, told: Callable[[Exception], str] = str) -> Iterator[None]:
    """Run a command to its end, whatever its terminal can show.

    Args:
        prefix: of the one line on standard error.
        told: what that says of an error.

    Raises:
        SystemExit: 2 where input is bad, 130 after Ctrl-C, 141 where nobody reads on.
    """
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before the command began
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115
        elif name != "stdin" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # δ, or the lines of a table
    if shutil.get_terminal_size().columns < 10:  # where tyro's help takes all memory
        os.environ["COLUMNS"] = "10"
    try:
        yield
        sys.stdout.flush()  # here, where a closed pipe is met
    except KeyboardInterrupt:
        _end(prefix, "interrupted", 130)
    except (BrokenPipeError, SystemExit) as end:  # the latter by rich's consoles
        if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except (ValueError, TypeError, ImportError, OSError) as error:
        _end(prefix, told(error), 2)


def _end(prefix: str, message: str, status: int) -> None:
    print(f"{prefix}: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(status) from None
