"""Side-by-side measurements: ours and a peer in one process, in turns, and a table at the end."""

import statistics
import time

import pytest

_ROWS = pytest.StashKey[list[tuple[str, float, str]]]()


def pytest_configure(config):
    config.stash[_ROWS] = []


@pytest.fixture
def compare(benchmark, request):
    """Record how ours compares with a peer, the fastest where several are given.

    `ours` and the peers take nothing and return how much they did. `measure` makes seconds of one:
    by default those for each unit done. The ratio is the median of several, each of one run of ours
    and one of the peer's: of speeds (higher is better), or of times where `of="time"`.
    """

    def run(what, target, ours, *peers, of="speed", measure=seconds_a_unit, repeats=9):
        for function in (ours, *peers):
            function()  # compile, fill caches
        peer = min(peers, key=measure)
        ratios = []
        for _ in range(repeats):
            mine, theirs = measure(ours), measure(peer)
            ratios.append(mine / theirs if of == "time" else theirs / mine)
        ratio = statistics.median(ratios)
        benchmark.extra_info.update(what=what, ratio=ratio, target=target)
        request.config.stash[_ROWS].append((what, ratio, target))
        benchmark.pedantic(ours, rounds=3)

    return run


def seconds_a_unit(function):
    start = time.perf_counter()
    units = function()
    return (time.perf_counter() - start) / units


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash[_ROWS]
    if not rows:
        return
    terminalreporter.section("side by side")
    width = max(len(what) for what, _, _ in rows)
    terminalreporter.write_line(f"{'what':<{width}}  {'ratio':>8}  target")
    for what, ratio, target in rows:
        terminalreporter.write_line(f"{what:<{width}}  {ratio:>8.3g}  {target}")
