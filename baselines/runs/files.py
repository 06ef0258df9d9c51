"""Files of results: each appears whole or not at all, in a folder that is made if need be."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from aigc_market import _files


def write_atomically(path: Path, content: str | bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file of which nobody ever sees a part, however many write it at once.

    Args:
        path: the file; its folder is made if it is not there.
        content: text (UTF-8), bytes, or a function that writes them into the open file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _files.write_atomically(path, content)


def check_folder(out: Path) -> None:
    """Make a folder of results, or refuse it now, and not after hours of work.

    Raises:
        ValueError: nothing can be written into it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise ValueError(
            f"--out must be a folder that can be written to, got {str(out)!r} ({error.strerror})"
        ) from None


def discard(folder: Path, *names: str) -> None:
    """Remove files of an earlier run, which this one may not write."""
    for name in names:
        (folder / name).unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, indented by one."""
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def holding(path: Path, found: Any, *names: str) -> Any:
    """What was read from a kept file.

    Raises:
        ValueError: it lacks one of these names.
    """
    if not (isinstance(found, dict) and set(names) <= set(found)):
        allowed = ", ".join(sorted(names))
        raise ValueError(f"{path}: must hold {allowed} (without the file it is made again)")
    return found


def read_frame(path: Path, **options: Any) -> Any:
    """A table with a header as a frame of pandas; options are those of its `read_csv`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such table.
    """
    import pandas as pd  # slow, and for those alone who want tables

    try:
        return pd.read_csv(path, **options)
    except ValueError as error:  # pandas' own are
        raise ValueError(f"{path}: must be a CSV table ({error})") from None


def write_frame(path: Path, frame: Any) -> None:
    """Write a frame of pandas, numbers with six digits."""
    text = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_atomically(path, text)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table with a header.

    Raises:
        ValueError: a row with another column.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())
