"""Files that appear whole or not at all; and files of any content, read without surprises.

Whatever is wrong with the content of a file is told by one ValueError that begins with its path.
"""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


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


def read_text(path: str | os.PathLike[str], expected: str = "a file of text") -> str:
    """A file of text, its line ends as they are.

    Args:
        path: the file.
        expected: what it is to be, for the error where it cannot be read.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no UTF-8, with a byte order mark or without.
    """
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise type(error)(f"{path}: must be {expected} ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: must be text in UTF-8 ({error})") from None


def parse_json(where: str, text: str, kind: type[dict] | type[list] = dict) -> Any:
    """JSON from a file.

    Args:
        where: what to name it by: the file, and the line if it is one of many.
        text: the JSON.
        kind: what it must be: an object or an array.

    Raises:
        ValueError: it is something else, or nested so deeply that it cannot be read.
    """
    allowed = f"{where}: must be a JSON {'object' if kind is dict else 'array'}"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{allowed} ({error}), got {text[:80]!r}") from None
    if not isinstance(value, kind):
        raise ValueError(f"{allowed}, got {text[:80]!r}")
    return value


def read_json(path: str | os.PathLike[str], kind: type[dict] | type[list] = dict) -> Any:
    """A file of JSON.

    Raises:
        OSError: it cannot be read.
        ValueError: see `read_text` and `parse_json`.
    """
    return parse_json(str(path), read_text(path, "a file of JSON"), kind)


def read_table(
    path: str | os.PathLike[str], expected: str = "a CSV table"
) -> tuple[list[str], list[tuple[int, dict[str, str | None]]]]:
    """A CSV file with a header row.

    Args:
        path: the file.
        expected: see `read_text`.

    Returns:
        The columns, and of each row the line that it ends in and its cells by column; None for
        those that it is too short for.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no UTF-8, or no CSV, a cell is too long, or there are too many in a row.
    """
    reader = csv.DictReader(io.StringIO(read_text(path, expected), newline=""))
    try:
        columns = list(reader.fieldnames or ())
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        where = f"{path}, line {reader.line_num + 1}"
        raise ValueError(f"{where}: must be a row of a CSV table ({error})") from None
    for line, row in rows:
        beyond = row.pop(None, [])  # as a comma in a number leaves it
        if any(beyond):
            raise ValueError(
                f"{path}, line {line}: must have no more cells than the header, "
                f"{len(columns)}, got {beyond} beyond them"
            )
    return columns, rows


def read_arrays(path: str | os.PathLike[str]) -> Any:
    """What `np.save` or `np.savez` has written: an array, or arrays by name. Nothing is unpickled.

    Raises:
        OSError: it cannot be read.
        ValueError: it is something else.
    """
    try:
        with open(path, "rb") as file:
            found = np.load(file, allow_pickle=False)
            return found if isinstance(found, np.ndarray) else dict(found)
    except OSError as error:
        raise type(error)(f"{path}: must be arrays of NumPy ({error.strerror})") from None
    except Exception as error:  # of many kinds, by what is wrong with the file
        raise ValueError(f"{path}: must be arrays that NumPy has written ({error})") from None
