"""The leaderboard's page: its tables, and the numbers of its sentences."""

from __future__ import annotations

from decimal import Decimal

from measurements import (
    FAIR,
    HIDDEN,
    NONE,
    TRACKS,
    Row,
    best,
    is_method,
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


def behind(scenario: str, method: str) -> str:
    """By how much a method's share is below the best that knows the law."""
    ceiling = best(scenario, "law")
    assert ceiling is not None
    return rounded(Decimal(ceiling["share"]) - Decimal(standing(scenario, method)["share"]), 4)


def best_of(scenario: str, *tracks: str) -> str:
    """The best share of these tracks and whose it is."""
    return named(best(scenario, *tracks))


def part(scenario: str, without: str) -> str:
    """What a part earns: the whole method's share less that without the part."""
    row = only("hidden-markets/attribution", scenario=scenario, without=without, window="all")
    return rounded(row["difference"], 4)


def lost(scenario: str, method: str, *change: str) -> str:
    """What a method loses where the law changes."""
    where = {"scenario": scenario, "method": method, "change": " ".join(change)}
    return rounded(only("hidden-markets/outside", **where)["lost"], 2)


def parts(*without: str) -> str:
    """What these parts earn, from the least to the most over all hidden markets."""
    found = [
        row["difference"]
        for row in table("hidden-markets/attribution", window="all")
        if row["without"] in without
    ]
    least, most = min(found, key=Decimal), max(found, key=Decimal)
    return f"{rounded(least, 4)} to {rounded(most, 4)}"


def filter_lead() -> str:
    """By how much the fitted filter is ahead of the best other method of its track."""
    leads = []
    for scenario in HIDDEN:
        rows = table("hidden-markets/leaderboard", scenario=scenario, knows="form", window="all")
        others = [row["share"] for row in rows if not row["method"].startswith("filter")]
        leads.append(Decimal(standing(scenario, "filter")["share"]) - max(map(Decimal, others)))
    return f"{rounded(min(leads), 4)} to {rounded(max(leads), 4)}"


def played() -> str:
    """How many seeds and episodes the leaderboard has so far, in a sentence."""
    rows = table("hidden-markets/leaderboard", window="all")
    trained = [row for row in rows if _is_trained(row) and is_method(row)]
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
    rows = [
        row
        for row in table("hidden-markets/leaderboard", scenario=scenario, window="all")
        if is_method(row)
    ]
    rows.sort(key=lambda row: Decimal(row["share"]), reverse=True)
    shown = [
        (
            f"`{row['method']}`",
            row["knows"],
            f"{_exact(row['share'])} [{_exact(row['low'])}, {_exact(row['high'])}]",
            _seeds(row),
            rounded(row["decision_microseconds"], 0),
        )
        for row in rows
    ]
    fair, law = best(scenario, *FAIR), best(scenario, "law")
    assert fair is not None
    told = f"best {_said(fair)}" + (f", ceiling {_said(law)}" if law else "")
    return (
        f"<details>\n<summary><code>{scenario}</code>: {told}</summary>\n\n"
        + markdown(("method", "knows", "share [95 %]", "seeds", "µs"), shown)
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


def attribution() -> str:
    """What each part earns in each hidden market."""
    rows = table("hidden-markets/attribution", window="all")
    made = []
    for without in dict.fromkeys(row["without"] for row in rows):
        of = {row["scenario"]: row for row in rows if row["without"] == without}
        cells = [
            f"{_exact(r['difference'])} [{_exact(r['low'])}, {_exact(r['high'])}]" if r else NONE
            for r in map(of.get, HIDDEN)
        ]
        made.append((f"`{without}`", *cells))
    return markdown(("without", *(f"`{name}`" for name in HIDDEN)), made)


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
