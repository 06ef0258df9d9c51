"""Learners of the field: when they are near the oracle, and how the paper's market suits them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from decimal import ROUND_CEILING

import numpy as np
from leaderboard_tables import UNDECIDED
from measurements import HIDDEN, NONE, Row, frame, markdown, percent, rounded, table

from baselines.arena.statistics import mean_interval
from baselines.experiments.paper import claims

FASTER, SLOWER = "faster", "slower"
NEAR = 0.9
"""Share of the oracle's utility from which a learner counts as near it."""

Arrival = tuple[float, float]
"""Rounds and CPU seconds of training."""


def near(*methods: str) -> str:
    """Rounds and CPU seconds of training until near the oracle; medians over training seeds."""
    rows = []
    for scenario in HIDDEN:
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
    for scenario in HIDDEN:
        mine, its = (_arrivals(scenario, name) for name in (method, reference))
        pairs = [(mine[seed], its[seed]) for seed in mine.keys() & its.keys()]
        if not pairs:
            continue
        arrived = [(one, other) for one, other in pairs if one and other]
        said[f"`{scenario}`"] = UNDECIDED
        if len(arrived) == len(pairs) > 1:
            _, low, high = mean_interval(np.log([one[0] / other[0] for one, other in arrived]))
            said[f"`{scenario}`"] = FASTER if high < 0 else SLOWER if low > 0 else UNDECIDED
    return _by_word(said, "in")


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


# --- the paper's market


def tracking(*methods: str) -> str:
    """For which learners it holds that they track the paper's equilibrium, in words."""
    runs = frame("results/runs", dtype={"figure": str})
    return _by_word({f"`{name}`": claims.tracking(runs, name).verdict() for name in methods}, "for")


def worst(*methods: str) -> str:
    """What the worst run of these learners loses of the paper's U_p*, rounded up."""
    rows = [row for row in table("results/runs") if row["method"] in methods]
    lost = max(1 - float(row["utility"]) / float(row["equilibrium_utility"]) for row in rows)
    return percent(f"{lost:.8f}", 1, ROUND_CEILING)


def _by_word(said: Mapping[str, str], where: str) -> str:
    """Which names have each word."""
    names: dict[str, list[str]] = {}
    for name, word in said.items():
        names.setdefault(word, []).append(name)
    told = [f"{word} {where} {', '.join(names[word])}" for word in sorted(names)]
    return "; ".join(told) or "not measured"
