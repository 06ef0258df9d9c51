"""What the examples with other libraries reached: docs/libraries.json, examples/libraries.toml."""

from __future__ import annotations

import json
import re
import tomllib
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import measurements
from measurements import NONE, percent, rounded

from baselines.report import table

EXAMPLES = measurements.DOCS.parent / "examples"


def sentence() -> str:
    """How near the examples come. What is learned from recorded games is of another scenario."""
    lines = [run["line"] for run in _runs().values() if not run["line"].startswith("behaviour")]
    shares = [share for line in lines for share in _shares(line)]
    gaps = [gap for line in lines for gap in _gaps(line)]
    return (
        f"Leaders end at {percent(min(shares, key=Decimal), 0, ROUND_FLOOR)} to "
        f"{percent(max(shares, key=Decimal), 0)} of U_p*, and followers within "
        f"{rounded(max(gaps, key=Decimal), 1, ROUND_CEILING)} % of their best responses "
        f"({len(lines)} examples, one run each)."
    )


def results() -> str:
    """What had to be known in each example, and what it reached."""
    entries = tomllib.loads((EXAMPLES / "libraries.toml").read_text("utf-8"))
    runs, rows = _runs(), []
    for name, entry in entries.items():
        package, reached = entry["package"], ("not run yet", NONE, NONE)
        if run := runs.get(name):
            package += f" {run['version']}"
            reached = _share(run["line"]), _gap(run["line"]), str(run["cpu_seconds"])
        rows.append((f"`{name}.py`", package, entry["know"], *reached))
    return table(("example", "package", "to know", "share", "gap, %", "CPU s"), rows, words=3)


def _runs() -> dict[str, dict[str, str]]:
    return json.loads((measurements.DOCS / "libraries.json").read_text("utf-8"))


def _shares(line: str) -> list[str]:
    return re.findall(r"share (\d\.\d+)", line)


def _gaps(line: str) -> list[str]:
    return re.findall(r"gap (\d+\.\d+)%", line)


def _share(line: str) -> str:
    shown = " / ".join(rounded(share, 3) for share in _shares(line))
    behaviour = re.match(r"behaviour (\d\.\d+)", line)
    return f"{shown}, from {rounded(behaviour[1], 3)}" if behaviour else shown


def _gap(line: str) -> str:
    return " / ".join(rounded(gap, 2) for gap in _gaps(line)) or NONE
