"""Numbers of a solved market as tables, and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from rich.table import Table

ROWS = 12
"""Of a table: a larger market shows this many of its providers, contracts and VMUs."""

Told = tuple[dict[str, Any], list[Any]]
"""All numbers, and what is shown of them."""


def table(title: str, key: str, columns: Mapping[str, Iterable[str]], first: int = 0) -> Table:
    """A row for each provider, contract or VMU; those in the middle of many are left out.

    Args:
        title, key: of the table, and of the column of numbers.
        columns: their cells.
        first: the number of the first row.
    """
    made = Table(key, *columns, title=title)
    for column in made.columns:
        column.justify = "right"
    rows = [*enumerate(zip(*columns.values(), strict=True), first)]
    if len(rows) > ROWS:
        made.caption = f"{len(rows) - ROWS:,} more between these: see --json"
        del rows[ROWS // 2 : -ROWS // 2]
    for number, cells in rows:
        made.add_row(str(number), *cells)
    return made


def amount(value: float) -> str:
    """Steps, to the thousandth."""
    return f"{value:,.3f}"


def fields(of: Any) -> dict[str, Any]:
    """Of a dataclass, by name."""
    return {field.name: getattr(of, field.name) for field in dataclasses.fields(of)}


def plain(value: Any) -> Any:
    """What JSON does not know: arrays as lists, SSIM models as they are written in Python."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else repr(value)
