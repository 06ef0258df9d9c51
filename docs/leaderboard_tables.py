"""The leaderboard's page: its tables, and the numbers of its sentences."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from measurements import (
    FAIR,
    HIDDEN,
    NONE,
    TRACKS,
    Row,
    best,
    markdown,
    named,
    only,
    rounded,
    standing,
    table,
)

from baselines.arena.registry import KNOWS, REGISTRY
from baselines.arena.statistics import mean_interval

UNCHANGED = "unchanged"


def hidden() -> str:
    """The best of each track in each hidden market."""
    header = ("", *(TRACKS[track] for track in KNOWS))
    rows = [
        (f"`{scenario}`", *(named(best(scenario, track)) for track in KNOWS)) for scenario in HIDDEN
    ]
    return markdown(header, rows)


def share(scenario: str, method: str) -> str:
    """A method's share."""
    return rounded(standing(scenario, method)["share"], 3)


def paired(scenario: str, method: str, other: str, window: str = "all") -> str:
    """A learned method's share less another's, over the training seeds that both have.

    In the same episodes; with Student's 95 % interval.
    """
    shares = [
        {row["seeds"]: row["share"] for row in table("hidden-markets/seeds", **where)}
        for name in (method, other)
        for where in [{"scenario": scenario, "method": name, "window": window}]
    ]
    both = sorted(shares[0].keys() & shares[1].keys())
    found = mean_interval(np.array([float(shares[0][s]) - float(shares[1][s]) for s in both]))
    return _difference(dict(zip(("difference", "low", "high"), map(str, found), strict=True)))


def _difference(row: Row) -> str:
    mean = rounded(row["difference"], 4)
    sign = "" if mean.startswith("−") else "+"
    return f"{sign}{mean} [{rounded(row['low'], 4)}, {rounded(row['high'], 4)}]"


def differences(of: str, *methods: str) -> str:
    """Some methods' shares less a reference's, a preset a column, with their 95 % intervals.

    References are `best-classical`, `filter` and `best-told-the-law`.
    """
    rows = table("hidden-markets/differences", window="all", of=of.replace("-", " "))
    made = []
    for method in methods:
        found = {row["scenario"]: row for row in rows if row["method"] == method}
        cells = [_difference(found[name]) if name in found else NONE for name in HIDDEN]
        made.append((f"`{method}`", *cells))
    return markdown(("method", *(f"`{name}`" for name in HIDDEN)), made)


def lost(scenario: str, method: str, *change: str) -> str:
    """What a method loses where the law changes."""
    where = {"scenario": scenario, "method": method, "change": " ".join(change)}
    return rounded(only("hidden-markets/outside", **where)["lost"], 2)


def played() -> str:
    """How many seeds and episodes the leaderboard has so far, in a sentence."""
    rows = table("hidden-markets/leaderboard", window="all")
    trained = [row for row in rows if _is_trained(row)]
    seeds = sorted({len(row["seeds"].split()) for row in trained})
    asked = max(int(row["seeds_asked"]) for row in trained)
    few = min(int(row["episodes"]) for row in rows)
    most = max(int(row["episodes"]) for row in rows)
    said = " to ".join(map(str, sorted({seeds[0], seeds[-1]})))
    methods = {row["method"] for row in rows}
    absent = [f"`{name}`" for name, e in REGISTRY.items() if e.trainer and name not in methods]
    return (
        f"Learned methods have {said} of {asked} training seeds. "
        f"There are {most:,} test episodes"
        + (f", {few:,} in a crowd of 40 slots" if few != most else "")
        + "."
        + (f" Not trained yet: {', '.join(absent)}." if absent else "")
    )


def leaderboard() -> str:
    """A table for each hidden market, best first."""
    names = dict.fromkeys(row["scenario"] for row in table("hidden-markets/leaderboard"))
    return "\n\n".join(map(_standings, names))


def _standings(scenario: str) -> str:
    rows = table("hidden-markets/leaderboard", scenario=scenario, window="all")
    rows.sort(key=lambda row: Decimal(row["share"]), reverse=True)
    shown = [
        (
            f"`{row['method']}`",
            row["knows"],
            f"{_exact(row['share'])} [{_exact(row['low'])}, {_exact(row['high'])}]",
            _exact(row["market_share"]) if row["market_share"] else NONE,
            _seeds(row),
            rounded(row["decision_microseconds"], 0),
        )
        for row in rows
    ]
    fair, law = best(scenario, *FAIR), best(scenario, "law")
    assert fair is not None
    told = f"best {_said(fair)}" + (f"; told the law {_said(law)}" if law else "")
    return (
        f"<details>\n<summary><code>{scenario}</code>: {told}</summary>\n\n"
        + markdown(("method", "track", "share [95 %]", "per market", "seeds", "µs"), shown)
        + "\n\n</details>"
    )


def _said(row: Row) -> str:
    return f"{rounded(row['share'], 3)} (<code>{row['method']}</code>)"


def _exact(value: str) -> str:
    """Methods next to each other differ in the fourth digit."""
    return rounded(value, 4)


def _seeds(row: Row) -> str:
    """Of how many trainings, and of how many that were asked for, if those are more."""
    if not _is_trained(row):
        return NONE
    count = len(row["seeds"].split())
    return str(count) if count >= int(row["seeds_asked"]) else f"{count} of {row['seeds_asked']}"


def _is_trained(row: Row) -> bool:
    return row["method"] in REGISTRY and REGISTRY[row["method"]].trainer is not None


def outside(scenario: str) -> str:
    """Shares where the law changes, and what is lost by it."""
    rows = table("hidden-markets/outside", scenario=scenario)
    changes = list(dict.fromkeys(row["change"] for row in rows))
    made = []
    for method in dict.fromkeys(row["method"] for row in rows):
        of = {row["change"]: row for row in rows if row["method"] == method}
        cells = [
            rounded(of[change]["share"], 3)
            if change == UNCHANGED
            else f"{rounded(of[change]['share'], 3)} ({rounded(of[change]['lost'], 3)})"
            for change in changes
        ]
        made.append((f"`{method}`", *cells))
    return markdown(("method", *changes), made)
