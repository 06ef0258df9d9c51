"""How many steps a second this package plays, and others of the field: `nox -s beside`.

    python tests/benchmarks/beside.py                   # writes docs/beside.csv and its page
    python tests/benchmarks/beside.py pricing cartpole  # prints these rows, writes nothing
    python tests/benchmarks/beside.py --quick           # prints few rows, writes nothing

All rows are measured in turns, a slice of each after the other, on one core and, where a package
can use them, on two. What does not run gets a row that says why. The exit status is 1 where that
is one of ours.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from beside_rows import OURS, QUICK, ROWS, Peer
from measure import NotMeasuredError, processor

from baselines.runs.files import write_csv

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
TABLE = DOCS / "beside.csv"
QUIET = 0.1
"""Above this share of other work, nothing is measured by the clock."""


class Worker:
    """A process on its own cores."""

    def __init__(self, cores: Sequence[int]):
        command = [sys.executable, HERE / "beside_worker.py", ",".join(map(str, cores))]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdin
        assert self.process.stdout
        self.questions, self.answers = self.process.stdin, self.process.stdout

    def ask(self, name: str, seconds: float) -> None:
        """Let it play a row for some seconds."""
        question = json.dumps({"name": name, "seconds": seconds})
        with contextlib.suppress(BrokenPipeError):  # the answer says so
            print(question, file=self.questions, flush=True)

    def answer(self) -> float:
        """Seconds of one step of one game.

        Raises:
            NotMeasuredError: the package does not run.
        """
        if not (line := self.answers.readline()):
            raise NotMeasuredError(f"the process ended with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise NotMeasuredError(answer["error"])
        return answer["seconds"]


class Run:
    """A row on one core or two, with what its slices measured."""

    def __init__(self, row: Peer, cores: int):
        self.row, self.cores = row, cores
        self.rates: list[float] = []
        self.note = ""
        self.failed = False

    @property
    def wall(self) -> bool:
        """Whether seconds are those of the clock, which other work on the machine lengthens."""
        return self.row.wall or (self.cores > 1 and self.row.two == "threads")

    def parts(self, cores: Sequence[int]) -> list[tuple[str, tuple[int, ...]]]:
        """The workers it needs: the module they import, and their cores."""
        module = self.row.side.partition(":")[0]
        used = tuple(cores[: self.cores])
        apart = self.row.two == "processes"
        return [(module, (core,)) for core in used] if apart else [(module, used)]

    def measure(self, workers: Sequence[Worker], seconds: float) -> float:
        """Steps a second, of all games and processes; NaN and a note where it does not run."""
        for worker in workers:
            worker.ask(self.row.name, seconds)
        rate = 0.0
        for worker in workers:  # all must be read
            try:
                rate += 1 / worker.answer()
            except NotMeasuredError as error:
                self.note, self.failed = str(error), True
        return rate

    def line(self) -> dict[str, str]:
        """A line of the CSV file."""
        row, steps = self.row, sorted(self.rates)
        agents = [row.agents * rate for rate in steps]
        return {
            "kind": row.kind,
            "name": row.name,
            "package": row.packages[0],
            "what": row.what,
            "versions": ", ".join(map(version, row.packages)),
            "games": str(row.games),
            "agents": str(row.agents),
            "cores": str(self.cores),
            "how": row.two if self.cores > 1 else "",
            "clock": "wall" if self.wall else "CPU",
            "steps_per_second": number(steps and statistics.median(steps)),
            "agent_steps_per_second": number(agents and statistics.median(agents)),
            "low": number(agents and agents[0]),
            "high": number(agents and agents[-1]),
            "note": self.note,
            "python": platform.python_version(),
            "processor": processor(),
            "date": datetime.date.today().isoformat(),
        }


def number(value: float | list[float]) -> str:
    """Three digits of it, and nothing where nothing was measured."""
    return f"{float(f'{value:.3g}'):.0f}" if isinstance(value, float) else ""


def version(package: str) -> str:
    """A package with its version."""
    try:
        return f"{package} {importlib.metadata.version(package).partition('+')[0]}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} (not installed)"


def used_by_others(seconds: float = 1.0) -> float:
    """The share of the machine that is at work now; 0 where the system does not tell."""
    if not (counts := Path("/proc/stat")).exists():
        return 0.0

    def ticks() -> tuple[int, int]:
        first = [int(field) for field in counts.read_text().splitlines()[0].split()[1:9]]
        return sum(first), first[3] + first[4]  # idle, and waiting for a disk

    total, idle = ticks()
    time.sleep(seconds)
    later, idle_later = ticks()
    return 1 - (idle_later - idle) / max(later - total, 1)


def measured(runs: Sequence[Run], slices: int, seconds: float) -> None:
    """Measure all, in turns; what fails once is not tried again."""
    free = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0, 1]
    workers: dict[tuple[str, tuple[int, ...]], Worker] = {}
    busy = used_by_others()
    for turn in range(1 + slices):
        for run in runs:
            if run.cores > len(free):
                run.note = "not measured: there is one core"
            if run.wall and busy > QUIET:
                run.note = f"not measured: other work took {busy:.0%} of the machine"
            if run.note:
                continue
            parts = run.parts(free)
            for part in parts:
                if part not in workers:
                    workers[part] = Worker(part[1])
            # The first turn imports, makes and compiles; it is not counted.
            rate = run.measure([workers[part] for part in parts], seconds if turn else 0)
            if turn and not run.note:
                run.rates.append(rate)
            if not turn:
                print(f"{run.row.name}, {run.cores}: {run.note or 'ready'}", flush=True)
    for worker in workers.values():
        worker.process.communicate()  # nothing more is asked: it ends


def main() -> int:
    """Measure, print, and write if it is the whole table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rows, short slices, one core")
    parser.add_argument("names", nargs="*", help="rows to print; all by default, and written")
    arguments = parser.parse_args()
    rows = {row.name: row for row in ROWS}
    if unknown := set(arguments.names) - set(rows):
        parser.error(f"rows must be of {', '.join(rows)}, got {', '.join(unknown)}")
    chosen = [rows[name] for name in arguments.names or (QUICK if arguments.quick else rows)]
    cores = (1,) if arguments.quick else (1, 2)
    runs = [Run(row, count) for row in chosen for count in row.cores if count in cores]
    measured(runs, *((3, 0.1) if arguments.quick else (7, 0.5)))
    lines = [run.line() for run in runs]
    for line in lines:
        numbers = f"{line['agent_steps_per_second']:>10} ({line['low']} … {line['high']})"
        print(f"{line['name']:28}{line['cores']:3}{numbers:36}{line['note'] or line['versions']}")
    if not (arguments.quick or arguments.names):
        write_csv(TABLE, list(lines[0]), lines)
        subprocess.run([sys.executable, DOCS / "write_numbers.py"], check=True)
    return int(any(run.failed for run in runs if run.row.packages[0] == OURS))


if __name__ == "__main__":
    sys.exit(main())
