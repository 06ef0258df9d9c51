"""What the examples with other libraries reached: docs/libraries.json, examples/libraries.toml."""

from __future__ import annotations

import json
import re
import tomllib

import measurements
from measurements import NONE, rounded

from baselines.report import table

EXAMPLES = measurements.DOCS.parent / "examples"


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


def _share(line: str) -> str:
    shown = " / ".join(rounded(share, 3) for share in re.findall(r"share (\d\.\d+)", line))
    behaviour = re.match(r"behaviour (\d\.\d+)", line)
    return f"{shown}, from {rounded(behaviour[1], 3)}" if behaviour else shown


def _gap(line: str) -> str:
    return " / ".join(rounded(gap, 2) for gap in re.findall(r"gap (\d+\.\d+)%", line)) or NONE
