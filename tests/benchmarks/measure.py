"""How a row is measured: ours and a peer in turns, so that ratios hold on busy machines too."""

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Side = Callable[[float], float]
"""Works for some seconds, as many as it is told, and answers with the seconds of a unit of work."""


class NotMeasuredError(Exception):
    """What a row needs is not on this machine."""


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: by which it is chosen.
        goal: "≥ 3" of our speed against the peer's, or "≤ 3" of our time.
        what: what is compared with what.
        sides: makes ours and the peer's.
        slices: at most so many, where one takes long.
    """

    name: str
    goal: str
    what: str
    sides: Callable[[], tuple[Side, Side]]
    slices: int = 9

    def ratios(self, slices: int, seconds: float) -> Iterator[float]:
        """Ours against the peer's, a slice after the other."""
        ours, peer = self.sides()
        for _ in range(min(slices, self.slices)):
            mine, theirs = ours(seconds), peer(seconds)
            yield mine / theirs if self.goal.startswith("≤") else theirs / mine

    def met(self, ratio: float) -> bool:
        """Whether a ratio reaches the goal."""
        sign, bound = self.goal.split()
        return ratio >= float(bound) if sign == "≥" else ratio <= float(bound)


def processor() -> str:
    """Its name, where the system tells it."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def repeat(
    function: Callable[[], object],
    units: float = 1,
    clock: Callable[[], float] = time.process_time,
) -> Side:
    """A side that calls a function over and over.

    Seconds are by default those of this process on its one thread, so that other work on the
    machine counts little.

    Args:
        function: takes nothing.
        units: how much it does.
        clock: tells seconds.
    """
    function()  # compiles, fills caches

    def side(seconds: float) -> float:
        calls, more, began = 0, 1, clock()
        while True:
            for _ in range(more):
                function()
            calls, spent = calls + more, clock() - began
            if spent >= seconds:
                return spent / (calls * units)
            more = calls  # the clock is read so rarely that it does not count

    return side
