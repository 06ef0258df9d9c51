"""The leaderboard's page: its tables, and the numbers of its sentences."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

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


def compared(scenario: str, method: str, of: str, window: str = "all") -> Row | None:
    """A row of differences.csv, if there is one: a method's share less a reference's.

    The method may be `best-learner`; so may the reference, or `best-classical`, `filter`,
    `best-told-the-law`, and the names of some learners.
    """
    if method == "best-learner":
        learner = best_learner(scenario)
        method = learner["method"] if learner else ""
    where = {"scenario": scenario, "method": method, "of": of.replace("-", " "), "window": window}
    rows = table("hidden-markets/differences", **where)
    return rows[0] if rows else None


def best_learner(scenario: str) -> Row | None:
    """Of the methods that were trained and are told nothing, the one with the highest share."""
    rows = table("hidden-markets/leaderboard", scenario=scenario, knows="nothing", window="all")
    return max(filter(_is_trained, rows), key=lambda row: Decimal(row["share"]), default=None)


def difference(row: Row) -> str:
    """A row of differences.csv as it is shown, with its 95 % interval."""
    mean = rounded(row["difference"], 4)
    sign = "" if mean.startswith("−") else "+"
    return f"{sign}{mean} [{rounded(row['low'], 4)}, {rounded(row['high'], 4)}]"


def differences(of: str, window: str, *methods: str) -> str:
    """Some methods' shares less a reference's in a window of rounds, a preset a row."""
    made = []
    for scenario in HIDDEN:
        found = [compared(scenario, method, of, window) for method in methods]
        if any(found):
            cells = (difference(row) if row else NONE for row in found)
            made.append((f"`{scenario}`", *cells))
    return markdown(("", *(f"`{method}`" for method in methods)), made)


def lost(scenario: str, method: str, *change: str) -> str:
    """What a method loses where the law changes."""
    where = {"scenario": scenario, "method": method, "change": " ".join(change)}
    return rounded(only("hidden-markets/outside", **where)["lost"], 2)


def played() -> str:
    """How many seeds and episodes the leaderboard has, in a sentence."""
    rows = table("hidden-markets/leaderboard", window="all")
    seeds = sorted({len(row["seeds"].split()) for row in rows if _is_trained(row)})
    said = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    few, most = (pick(int(row["episodes"]) for row in rows) for pick in (min, max))
    trainings = table("hidden-markets/seeds", window="all")
    hours = sum((Decimal(row["train_seconds"]) for row in trainings), Decimal()) / 3600
    return (
        f"Learned methods have {said} training seeds in each scenario. "
        f"There are {most:,} test episodes"
        + (f", {few:,} in crowds of other sizes" if few != most else "")
        + f". All {len(trainings)} trainings together took {rounded(hours, 1)} CPU hours."
    )


def trained() -> str:
    """Which methods were trained for which scenarios."""
    methods: dict[str, list[str]] = {}
    for row in table("hidden-markets/leaderboard", window="all"):
        if _is_trained(row) and "-K" not in row["scenario"]:
            methods.setdefault(row["scenario"], []).append(row["method"])
    scenarios: dict[tuple[str, ...], list[str]] = {}
    for scenario, names in methods.items():
        scenarios.setdefault(tuple(sorted(names)), []).append(scenario)
    rows = [(_names(where), _names(names)) for names, where in scenarios.items()]
    return markdown(("trained for", "methods"), rows)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def leaderboard() -> str:
    """A table for each scenario: by track, and within one the best first."""
    names = dict.fromkeys(row["scenario"] for row in table("hidden-markets/leaderboard"))
    return "\n\n".join(map(_standings, names))


def _standings(scenario: str) -> str:
    rows = table("hidden-markets/leaderboard", scenario=scenario, window="all")
    rows.sort(key=lambda row: (KNOWS.index(row["knows"]), -Decimal(row["share"])))
    header = "track", "method", "share [95 %]", "per market", "seeds", "rounds", "CPU s", "µs"
    fair, law = best(scenario, *FAIR), best(scenario, "law")
    assert fair is not None
    told = f"best {_said(fair)}" + (f"; told the law {_said(law)}" if law else "")
    return (
        f"<details>\n<summary><code>{scenario}</code>: {told}</summary>\n\n"
        + markdown(header, [_standing(row) for row in rows])
        + "\n\n</details>"
    )


def _standing(row: Row) -> tuple[str, ...]:
    """Methods next to each other differ in the fourth digit."""
    share, low, high = (rounded(row[name], 4) for name in ("share", "low", "high"))
    training = [NONE] * 3
    if _is_trained(row):
        cost = (rounded(row[f"train_{unit}"], 0) for unit in ("rounds", "seconds"))
        training = [_seeds(row), *cost]
    return (
        *(row["knows"], f"`{row['method']}`", f"{share} [{low}, {high}]"),
        rounded(row["market_share"], 4) if row["market_share"] else NONE,
        *(*training, rounded(row["decision_microseconds"], 0)),
    )


def _seeds(row: Row) -> str:
    """Of how many trainings, and of how many that were asked for, if those are more."""
    count = len(row["seeds"].split())
    return str(count) if count >= int(row["seeds_asked"]) else f"{count} of {row['seeds_asked']}"


def _said(row: Row) -> str:
    return f"{rounded(row['share'], 3)} (<code>{row['method']}</code>)"


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
