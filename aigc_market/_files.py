"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomically(
    path: str | os.PathLike[str], content: str | bytes | Callable[[BinaryIO], object]
) -> None:
    """Write a file of which nobody ever sees a part, however many write it at once.

    It is written beside its place under a name that no other writer has, and then renamed; what is
    left of a failed attempt is removed.

    Args:
        path: the file, in a folder that exists.
        content: text (UTF-8, line ends as they are), bytes, or a function that writes them into the
            open file.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(partial, "xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
