"""How fast the environments are, each beside a peer in slices of one run: `make benchmarks`.

    python tests/benchmarks                  # all rows: writes docs/benchmarks.csv and its page
    python tests/benchmarks aec-rps solve    # these rows anew
    python tests/benchmarks --quick          # a minute: prints, and never fails

A row is a ratio, which says the same on any machine: the median of its slices, their lowest and
highest. The exit status is 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import importlib
import importlib.metadata
import logging
import os
import platform
import statistics
import subprocess
import sys
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # seconds are those of one thread
os.environ["TQDM_DISABLE"] = "1"  # no bars among the rows

from measure import NotMeasuredError, Row, processor

from baselines.runs.files import write_csv

DOCS = Path(__file__).parents[2] / "docs"
TABLE = DOCS / "benchmarks.csv"
QUICK = ("games", "solvers", "tensors")
PARTS = (*QUICK, "training", "live")
LIBRARIES = ("numpy", "gymnasium", "pettingzoo", "torch", "torchrl")


def number(value: float) -> str:
    """Three digits of it: 0.123, 1.23, 1230."""
    return f"{float(f'{value:.3g}'):g}"


def measured(row: Row, slices: int, seconds: float) -> dict[str, str]:
    """A line of the CSV file."""
    ratios = list(row.ratios(slices, seconds))
    ratio = statistics.median(ratios)
    return {
        "name": row.name,
        "goal": row.goal,
        "met": "yes" if row.met(ratio) else "no",
        "ratio": number(ratio),
        "low": number(min(ratios)),
        "high": number(max(ratios)),
        "what": row.what,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name).partition("+")[0] for name in LIBRARIES},
        "processor": processor(),
        "date": datetime.date.today().isoformat(),
    }


def keep(lines: dict[str, dict[str, str]], order: list[str]) -> None:
    """Write the lines into the file, in which others stay as they are."""
    if TABLE.exists():
        with TABLE.open(encoding="utf-8", newline="") as file:
            lines = {line["name"]: line for line in csv.DictReader(file)} | lines
    columns = list(next(iter(lines.values())))
    write_csv(TABLE, columns, (lines[name] for name in order if name in lines))


def main() -> int:
    """Measure, print, and write unless it is to be quick."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short slices, nothing is written")
    parser.add_argument("names", nargs="*", help="rows; all by default")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of clipped actions, and what libraries deprecate
    logging.disable(logging.WARNING)
    parts = QUICK if arguments.quick and not arguments.names else PARTS
    rows = {row.name: row for part in map(importlib.import_module, parts) for row in part.ROWS}
    if unknown := set(arguments.names) - set(rows):
        parser.error(f"rows must be of {', '.join(rows)}, got {', '.join(unknown)}")
    chosen = arguments.names or list(rows)
    slices, seconds = (3, 0.1) if arguments.quick else (9, 0.4)
    lines = {}
    for name in chosen:
        try:
            line = measured(rows[name], slices, seconds)
        except NotMeasuredError as error:
            print(f"{name:24}not measured: {error}", flush=True)
            continue
        lines[name] = line
        numbers = f"{line['ratio']:>8} ({line['low']} … {line['high']})"
        verdict = f"{line['goal']} {'MISSED' * (line['met'] == 'no')}"
        print(f"{name:24}{numbers:30}{verdict:16}{line['what']}", flush=True)
    if arguments.quick or not lines:
        return 0
    keep(lines, list(rows))
    subprocess.run([sys.executable, DOCS / "write_numbers.py"], check=True)
    missed = [name for name, line in lines.items() if line["met"] == "no"]
    print(f"Goals missed: {', '.join(missed) or 'none'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
