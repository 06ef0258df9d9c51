"""What every view of the games says, recorded once and played again after each change.

    python tests/recording record   # play all cases, and write recording.npz
    python tests/recording compare  # play them again: what differs by more than 1e-6, relative

A recording is of one machine and one set of packages: streams of random numbers and last digits
are theirs. It serves whoever rebuilds the package's inside, and is no test.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cases import cases
from play import play

FILE = Path(__file__).with_name("recording.npz")
TOLERANCE = 1e-6
Said = dict[str, np.ndarray]


def record(names: list[str]) -> None:
    """Play cases and keep what they said; cases that are not named stay as they are."""
    kept = load() if FILE.exists() else {}
    kept |= {name: played(case) for name, case in cases().items() if chosen(name, names)}
    arrays = {}
    for name, said in kept.items():
        keys = [[key, list(array.shape)] for key, array in said.items()]
        arrays[f"{name}|keys"] = np.frombuffer(json.dumps(keys).encode(), np.uint8)
        arrays[f"{name}|values"] = np.concatenate([array.ravel() for array in said.values()])
    np.savez_compressed(FILE, **arrays)
    print(f"{len(kept)} cases, {FILE.stat().st_size / 1e6:.1f} MB")


def compare(names: list[str]) -> int:
    """Play cases again. Returns: how many differ."""
    kept, wrong = load(), 0
    for name, case in cases().items():
        if not chosen(name, names):
            continue
        if name not in kept:
            print(f"{name}: not recorded")
            continue
        try:
            problems = list(differences(kept[name], played(case)))
        except Exception as error:  # whatever it is, it is to be told of this case
            problems = [f"{type(error).__name__}: {error}"]
        wrong += bool(problems)
        for problem in problems[:4]:
            print(f"{name}: {problem[:300]}")
        if len(problems) > 4:
            print(f"{name}: … {len(problems)} differences")
    print(f"{wrong} of {len(kept)} cases differ")
    return wrong


def chosen(name: str, names: list[str]) -> bool:
    """Whether a case is meant; those that really make images take minutes, and are to be named."""
    return any(part in name for part in names) if names else not name.endswith("live")


def played(case: dict[str, Any]) -> Said:
    """What a case says, by name."""
    return {name: np.array(values, np.float64) for name, values in play(**case).items()}


def load() -> dict[str, Said]:
    """The recording, by case: of each, names and shapes, and all numbers one after the other."""
    kept = {}
    with np.load(FILE) as file:
        for case in (key.removesuffix("|keys") for key in file.files if key.endswith("|keys")):
            names, shapes = zip(*json.loads(file[f"{case}|keys"].tobytes()), strict=True)
            ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
            parts = np.split(file[f"{case}|values"], ends)
            arrays = map(np.reshape, parts, shapes)
            kept[case] = dict(zip(names, arrays, strict=True))
    return kept


def differences(before: Said, after: Said) -> Iterator[str]:
    """What of a case is not as it was."""
    yield from (f"{name} is gone" for name in before.keys() - after.keys())
    yield from (f"{name} is new" for name in after.keys() - before.keys())
    for name in before.keys() & after.keys():
        a, b = before[name], after[name]
        if a.shape != b.shape:
            yield f"{name} had shape {a.shape}, has {b.shape}"
            continue
        most = max(1.0, float(np.nanmax(np.abs(a), initial=0.0)))
        bad = ~np.isclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * most, equal_nan=True)
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            yield f"{name}{at}: was {a[at]!r}, is {b[at]!r} ({bad.sum()} of {bad.size} differ)"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("names", nargs="*", help="parts of the names of cases; all by default")
    given = parser.parse_args()
    start = time.perf_counter()
    ends = record(given.names) if given.what == "record" else compare(given.names)
    print(f"{time.perf_counter() - start:.0f} s")
    sys.exit(bool(ends))
