"""`python -m baselines draw-test-seeds`: episodes that nobody has seen, for tables made once.

A range of test seeds is worth something until methods are chosen by what it shows. So a range is
drawn when all methods are chosen. The first `leaderboard` that plays it writes down what it played:
the registry, the tuned parameters and the policies that come along. While these stay the same it
may be played again; once they have changed, the next tables need another range.
"""

from __future__ import annotations

import datetime
import secrets
from pathlib import Path
from typing import Any

from aigc_market._files import read_json
from baselines.arena import policies, registry
from baselines.arena.seeds import TEST
from baselines.runs.digest import digest
from baselines.runs.files import write_json

DRAWS = Path(__file__).with_name("test_seeds.json")
"""All draws, the newest last, under version control: of each the day, the first seed, and, where it
was looked at, the day and the digest of the methods."""
_SPAN = 1024
"""Seeds of a range, each of a block of episodes."""


def draw_test_seeds() -> None:
    """Draw a range of test seeds that nobody has looked at, and write it down.

    Commit the file before `leaderboard` plays the range. Draw when all methods are chosen: their
    parameters, their recipes, and the policies that `keep` ships.
    """
    kept = draws()
    # By the operating system, and by no seed: nobody can know the episodes before.
    first = TEST[_SPAN * secrets.randbelow(len(TEST) // _SPAN)]
    day = datetime.date.today().isoformat()
    write_json(DRAWS, {"draws": [*kept, {"drawn": day, "first_seed": first}]})
    print(f"test episodes begin with seed {first}; it stands in {DRAWS}")


def draws() -> list[dict[str, Any]]:
    """All draws; the first is the range that versions up to 0.2.0 had."""
    return read_json(DRAWS)["draws"]


def looked_at() -> int:
    """The first seed of a range that was looked at while methods were made."""
    return next(draw["first_seed"] for draw in draws() if "looked_at" in draw)


def look(write: bool = True) -> None:
    """Write down that the newest range is looked at, and by which methods, or only ask.

    Raises:
        ValueError: it was looked at, and the methods are others now.
    """
    *earlier, newest = draws()
    methods = methods_digest()
    if newest.setdefault("methods", methods) != methods:
        raise ValueError(
            f"test episodes must be drawn anew: those from seed {newest['first_seed']} on were "
            f"looked at on {newest['looked_at']}, and the registry, tuned.json or the policies "
            "that come along have changed since. When all methods are chosen: python -m baselines "
            "draw-test-seeds. Until then: --quick plays demonstration episodes, and "
            "--looked-at-before the test episodes of earlier tables"
        )
    newest.setdefault("looked_at", datetime.date.today().isoformat())
    if write:
        write_json(DRAWS, {"draws": [*earlier, newest]})


def methods_digest() -> str:
    """Of all that is chosen: methods of the registry, tuned parameters, and shipped policies."""
    methods = [[e.name, e.knows, e.reference] for e in registry.REGISTRY.values()]
    return digest([methods, read_json(registry.TUNED), policies.index()])
