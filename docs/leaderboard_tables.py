"""Tables of the leaderboard's pages, and the numbers of their sentences."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

import measurements
from measurements import HIDDEN, NONE, Row, markdown, only, percent, rounded, standing, table

from aigc_market.scenarios import SCENARIOS
from baselines.arena.registry import REGISTRY, Entry
from baselines.experiments.leaderboard.changes import UNCHANGED
from baselines.experiments.leaderboard.result import is_classical, is_learner
from baselines.experiments.paper.claims import MARGIN

HIGHER, LOWER, UNDECIDED = "higher", "lower", "undecided"
EQUAL = f"equal within {percent(str(MARGIN), 1)}"


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


def _is_trained(row: Row) -> bool:
    return row["method"] in REGISTRY and REGISTRY[row["method"]].trainer is not None


# --- what they earn


def takes() -> str:
    """The best share in each scenario, by what methods are told.

    A kind of which one method is the best everywhere is named once, below.
    """
    kinds: dict[str, Callable[[Entry], bool]] = {
        "nothing": lambda e: e.knows == "nothing",
        "form, classical": is_classical,
        "form, fitted": lambda e: e.knows == "form" and bool(e.trainer),
        "gradient": lambda e: e.knows == "gradient",
        "law": lambda e: e.knows == "law",
    }
    columns, everywhere = [], []
    for kind, among in kinds.items():
        found = [measurements.best(name, among) for name in HIDDEN]
        methods = sorted({row["method"] for row in found if row})
        if len(methods) == 1:
            everywhere.append(f"`{methods[0]}` ({kind})")
        columns.append([measurements.named(row, whose=len(methods) > 1) for row in found])
    rows = [(f"`{name}`", *cells) for name, *cells in zip(HIDDEN, *columns, strict=True)]
    told = f"\n\nWhere no name stands: {', '.join(everywhere)}." if everywhere else ""
    return markdown(("", *kinds), rows) + told


def share(scenario: str, method: str) -> str:
    """A method's share."""
    return rounded(standing(scenario, method)["share"], 3)


def ceiling() -> str:
    """What no rule told the law earns more of than on `hidden`: a 95 % upper end, rounded up."""
    return rounded(only("hidden-markets/ceiling", window="all")["high"], 4, ROUND_CEILING)


def sizes(*methods: str) -> str:
    """Shares in crowds of as many slots as were trained with, and of other numbers."""
    other = {
        row["scenario"]: row["scenario"].removeprefix("crowd-K")
        for row in table("hidden-markets/leaderboard", window="all")
        if row["scenario"].startswith("crowd-K")
    }
    slots = {"crowd": SCENARIOS["crowd"].arguments["K"], **other}
    rows = [
        (f"`{method}`", *(with_interval(standing(name, method), "share") for name in slots))
        for method in methods
    ]
    return markdown(("", *(f"K = {K}" for K in slots.values())), rows)


def outside(scenario: str, *methods: str) -> str:
    """Shares by the law of training, and what is lost of them where it is another."""
    rows = table("hidden-markets/outside", scenario=scenario)
    changes = [name for name in dict.fromkeys(row["change"] for row in rows) if name != UNCHANGED]
    made = []
    for method in methods:
        of = {row["change"]: row for row in rows if row["method"] == method}
        lost = (rounded(of[change]["lost"], 3) for change in changes)
        made.append((f"`{method}`", rounded(of[UNCHANGED]["share"], 3), *lost))
    return markdown(("", "share", *changes), made)


# --- one less the other


def verdicts(*pairs: str) -> str:
    """Shares less shares, `METHOD/REFERENCE` a column: what the interval says, and the interval."""
    made = []
    for name in HIDDEN:
        found = [compared(name, *pair.split("/")) for pair in pairs]
        if any(found):
            cells = (f"{verdict(row)}, {difference(row)}" if row else NONE for row in found)
            made.append((f"`{name}`", *cells))
    return markdown(("", *(" − ".join(map(_named, pair.split("/"))) for pair in pairs)), made)


def _named(name: str) -> str:
    return f"`{name}`" if name in REGISTRY else name.replace("-", " ")


def windows(method: str, reference: str) -> str:
    """A method's share less a reference's in the first rounds and in all, a scenario a row."""
    parts = {"rounds 1–10": "1-10", "all rounds": "all"}
    made = []
    for name in HIDDEN:
        found = [compared(name, method, reference, window) for window in parts.values()]
        if any(found):
            made.append((f"`{name}`", *(difference(row) if row else NONE for row in found)))
    return markdown(("", *parts), made)


def compared(scenario: str, method: str, of: str, window: str = "all") -> Row | None:
    """A row of differences.csv, if there is one: a method's share less a reference's.

    The method may be `best-learner`; so may the reference, or `best-classical`, `filter`,
    `best-told-the-law`, and the names of some learners.
    """
    if method == "best-learner":
        learner = measurements.best(scenario, is_learner)
        method = learner["method"] if learner else ""
    where = {"scenario": scenario, "method": method, "of": of.replace("-", " "), "window": window}
    rows = table("hidden-markets/differences", **where)
    return rows[0] if rows else None


def verdict(row: Row) -> str:
    """What the 95 % interval of a difference of shares says.

    *Equal* is what lies within the margin on both sides of 0, on whichever of them it is.
    """
    low, high = float(row["low"]), float(row["high"])
    if low >= -MARGIN and high <= MARGIN:
        return EQUAL
    return HIGHER if low > 0 else LOWER if high < 0 else UNDECIDED


def difference(row: Row) -> str:
    """A row of differences.csv as it is shown, with its 95 % interval."""
    shown = with_interval(row, "difference")
    return shown if shown.startswith("−") else f"+{shown}"


def with_interval(row: Row, name: str) -> str:
    """A value with its 95 % interval.

    ± is the longer side; where the other is shorter by more than a fifth, or where ± would hold 0
    and the interval does not, both ends stand.
    """
    mean, low, high = (Decimal(row[column]) for column in (name, "low", "high"))
    short, long = sorted((mean - low, high - mean))
    if short >= Decimal("0.8") * long and (abs(mean) > long) == (low > 0 or high < 0):
        return f"{rounded(mean, 4)} ± {rounded(long, 4)}"
    return f"{rounded(mean, 4)} [{rounded(low, 4)}, {rounded(high, 4)}]"
