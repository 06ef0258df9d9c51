"""The one writer of reports: numbers and tables as Markdown. What is shown is rounded here."""

from __future__ import annotations

import importlib.metadata
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.arena.statistics import Interval, mean_interval
from baselines.runs.files import write_atomically

NONE = "–"
"""Where there is no number."""


def number(value: float, digits: int = 4) -> str:
    """A number with so many digits; `NONE` for NaN."""
    return NONE if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"  # no −0


def bracketed(estimate: Interval, digits: int = 4) -> str:
    """An estimate with its interval, where there is one."""
    mean, low, high = (number(value, digits) for value in estimate)
    return mean if math.isnan(estimate.low) else f"{mean} [{low}, {high}]"


def mean(values: Any, digits: int = 2) -> str:
    """The mean of a column with Student's 95 % interval; `NONE` where there is no number."""
    known = values.dropna().to_numpy()
    return bracketed(mean_interval(known), digits) if len(known) else NONE


def percent(share: float, digits: int = 3) -> str:
    """A share in percent, rounded down: what falls short of 100 % is not said to reach it."""
    scale = 10**digits
    return f"{math.floor(100 * scale * share + 0.01) / scale:.{digits}f} %"  # prices are float32


def table(header: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A Markdown table whose first columns are words, the others numbers."""
    rule = "|" + "---|" * words + "---:|" * (len(header) - words)
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def settings(values: Mapping[str, Any], packages: Iterable[str]) -> str:
    """What a result was made by: settings, the machine's kind, and versions of packages."""
    lines = [f"- {name}: `{value}`" for name, value in values.items()]
    lines.append(f"- Python {platform.python_version()} on {platform.machine()}")
    lines += [f"- {name} {importlib.metadata.version(name)}" for name in packages]
    return "\n".join(lines)


def write(path: Path, parts: Iterable[str]) -> Path:
    """Write a page of parts (headings, paragraphs, tables) with an empty line between them.

    Returns:
        Its path.
    """
    write_atomically(path, "\n\n".join(part for part in parts if part) + "\n")
    return path
