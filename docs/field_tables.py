"""What the field uses, compared: differences of shares, verdicts, speed and cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

import numpy as np
from leaderboard_tables import compared, difference
from measurements import NONE, Row, markdown, percent, rounded, table

from baselines.arena.registry import REGISTRY, Entry
from baselines.arena.statistics import mean_interval
from baselines.experiments.leaderboard.result import is_classical, is_learner
from baselines.experiments.paper.claims import MARGIN

HIGHER, LOWER, UNDECIDED = "higher", "lower", "undecided"
EQUAL = f"equal within {percent(str(MARGIN), 1)}"
FASTER, SLOWER = "faster", "slower"
NEAR = 0.9
"""Share of the oracle's utility from which a learner counts as near it."""


def verdict(row: Row) -> str:
    """What the 95 % interval of a difference of shares says.

    *Equal* is what lies within the margin on both sides of 0, on whichever of them it is.
    """
    low, high = float(row["low"]), float(row["high"])
    if low >= -MARGIN and high <= MARGIN:
        return EQUAL
    return HIGHER if low > 0 else LOWER if high < 0 else UNDECIDED


def verdicts(method: str, reference: str) -> str:
    """In which scenarios a method's share is higher, lower or equal, in words."""
    found = {name: compared(name, method, reference) for name in _scenarios()}
    said = {name: verdict(row) for name, row in found.items() if row}
    return _by_word(said, HIGHER, LOWER, EQUAL, UNDECIDED)


def comparisons(*pairs: str) -> str:
    """Shares less shares, a pair `METHOD/REFERENCE` a column, where both were measured."""
    header = [" − ".join(map(_named, pair.split("/"))) for pair in pairs]
    rows = []
    for scenario in _scenarios():
        found = [compared(scenario, *pair.split("/")) for pair in pairs]
        if any(found):
            cells = [_told(row) if row else NONE for row in found]
            rows.append((f"`{scenario}`", *cells))
    return markdown(("", *header), rows)


def _told(row: Row) -> str:
    """A difference and its verdict; who is meant, where the reference is the best of some."""
    meant = f"`{row['method']}` − `{row['reference']}`: " if row["of"] != row["reference"] else ""
    return f"{meant}{difference(row)}, {verdict(row)}"


def _named(name: str) -> str:
    return f"`{name}`" if name in REGISTRY else name.replace("-", " ")


# --- speed

Arrival = tuple[float, float]
"""Rounds and CPU seconds of training."""


def near(*methods: str) -> str:
    """Rounds and CPU seconds of training until near the oracle; medians over training seeds."""
    rows = []
    for scenario in _scenarios():
        found = [_arrivals(scenario, method) for method in methods]
        if any(found):
            rows.append((f"`{scenario}`", *map(_arrival, found)))
    return markdown(("", *(f"`{method}`" for method in methods)), rows)


def _arrival(arrivals: Mapping[str, Arrival | None]) -> str:
    """Of a method's trainings in a scenario."""
    there = [arrival for arrival in arrivals.values() if arrival]
    if not arrivals:
        return NONE
    if len(there) < len(arrivals):
        return f"{len(there)} of {len(arrivals)} seeds"
    # No more digits than checkpoints that lie a factor of two apart can tell.
    rounds, seconds = (f"{statistics.median(values):.2g}" for values in zip(*there, strict=True))
    return f"{rounded(rounds, 0)} ({rounded(seconds, 0)} s)"


def faster(method: str, reference: str) -> str:
    """In which scenarios a method is near the oracle after fewer rounds of training, in words.

    By the mean of the logarithm of the ratio over training seeds that both have, with Student's
    95 % interval; undecided too where a training of either never comes near.
    """
    said = {}
    for scenario in _scenarios():
        mine, its = (_arrivals(scenario, name) for name in (method, reference))
        pairs = [(mine[seed], its[seed]) for seed in mine.keys() & its.keys()]
        if not pairs:
            continue
        arrived = [(one, other) for one, other in pairs if one and other]
        said[scenario] = UNDECIDED
        if len(arrived) == len(pairs) > 1:
            _, low, high = mean_interval(np.log([one[0] / other[0] for one, other in arrived]))
            said[scenario] = FASTER if high < 0 else SLOWER if low > 0 else UNDECIDED
    return _by_word(said, FASTER, SLOWER, UNDECIDED)


def _arrivals(scenario: str, method: str) -> dict[str, Arrival | None]:
    """When each seed's training was near the oracle first; None where it never was.

    Between two checkpoints the share is taken to change linearly with the logarithms; what is near
    at the first checkpoint was so then, for nothing is known of before.
    """
    curves: dict[str, list[Row]] = {}
    for row in table("hidden-markets/curves", scenario=scenario, method=method):
        curves.setdefault(row["seed"], []).append(row)
    return {seed: _arrived(rows) for seed, rows in curves.items()}


def _arrived(rows: list[Row]) -> Arrival | None:
    shares = [float(row["share"]) for row in rows]
    after = next((i for i, share in enumerate(shares) if share >= NEAR), None)
    if after is None:
        return None
    before = max(after - 1, 0)
    ends = [shares[before], shares[after]] if after else [0.0, NEAR]
    rounds, seconds = (
        float(
            np.exp(np.interp(NEAR, ends, np.log([float(rows[i][unit]) for i in (before, after)])))
        )
        for unit in ("rounds", "seconds")
    )
    return rounds, seconds


# --- cost


def takes() -> str:
    """What earns most in each scenario, by what it is told, and what its training cost."""
    columns: dict[str, Callable[[Entry], bool]] = {
        "told nothing, untrained": lambda e: e.knows == "nothing" and not e.trainer,
        "told nothing, trained": is_learner,
        "classical": is_classical,
        "the form, trained": lambda e: e.knows == "form" and bool(e.trainer),
        "told the law": lambda e: e.knows == "law",
    }
    rows = [
        (f"`{name}`", *(_cost(_best(name, among)) for among in columns.values()))
        for name in _scenarios()
    ]
    return markdown(("", *columns), rows)


def _best(scenario: str, among: Callable[[Entry], bool]) -> Row | None:
    rows = table("hidden-markets/leaderboard", scenario=scenario, window="all")
    rows = [row for row in rows if row["method"] in REGISTRY and among(REGISTRY[row["method"]])]
    return max(rows, key=lambda row: float(row["share"]), default=None)


def _cost(row: Row | None) -> str:
    if row is None:
        return NONE
    seconds = float(row["train_seconds"] or 0)
    cost = f", {rounded(str(seconds), 0)} s" if seconds else ""
    return f"{rounded(row['share'], 3)} (`{row['method']}`{cost})"


def _scenarios() -> list[str]:
    """All that were played, in the size of the preset."""
    names = dict.fromkeys(row["scenario"] for row in table("hidden-markets/leaderboard"))
    return [name for name in names if "-K" not in name]


def _by_word(said: Mapping[str, str], *words: str) -> str:
    """Which scenarios have each word."""
    parts = {word: [f"`{name}`" for name in said if said[name] == word] for word in words}
    told = [f"{word} in {', '.join(names)}" for word, names in parts.items() if names]
    return "; ".join(told) or "not measured"
