"""What was measured of speed, memory and the solvers, as tables and sentences."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from measurements import NONE, Row, only, table

from baselines.report import table as markdown

MILLIONTH = 1e-6
"""What counts as short, as a share of the larger of two totals."""


def benchmarks(*names: str) -> str:
    """How many goals are met, the rows of these names and all that miss their goals, in bold.

    Raises:
        ValueError: there is no such row.
    """
    rows = table("benchmarks")
    for name in names:
        ratio(name)
    shown = [
        (
            row["what"],
            f"**{row['ratio']}**" if row["met"] == "no" else row["ratio"],
            row["goal"].replace(" ", "\N{NO-BREAK SPACE}"),
        )
        for row in rows
        if row["name"] in names or row["met"] == "no"
    ]
    goals = [row["met"] for row in rows if row["goal"]]
    return "\n\n".join(
        (
            f"Of {len(goals)} rows with goals {goals.count('yes')} meet theirs.",
            markdown(("what", "ratio", "goal"), shown),
            _where(rows, "processor"),
        )
    )


def ratio(name: str) -> str:
    """The ratio of one row.

    Raises:
        ValueError: there is no such row.
    """
    ratios = {row["name"]: row["ratio"] for row in table("benchmarks")}
    if name not in ratios:
        raise ValueError(f"a benchmark must be one of {', '.join(ratios)}, got {name!r}")
    return ratios[name]


# docs/beside.csv, which tests/benchmarks/beside.py writes


def beside(kind: str) -> str:
    """What this package and others play: `single` games, or `learning`.

    Raises:
        ValueError: there is no such kind.
    """
    shown = [(row["package"], row["what"], _agent_steps(row)) for row in _fastest(kind)]
    if not shown:
        raise ValueError(f"docs/beside.csv has no rows of the kind {kind!r}")
    return markdown(("package", "what is played", "agent-steps/s"), shown, words=2)


def beside_batch() -> str:
    """What they play on one core and on two."""
    twice = {row["name"]: row for row in table("beside", kind="batch", cores="2")}
    shown = [
        (row["package"], row["what"], _agent_steps(row), _agent_steps(twice[row["name"]]))
        for row in _fastest("batch", games="4096")
    ]
    return markdown(("package", "what is played", "agent-steps/s", "on two cores"), shown, words=2)


def beside_where() -> str:
    """Where this was measured."""
    return _where(table("beside"), "processor")


def _fastest(kind: str, **of: str) -> list[Row]:
    """All rows of this package, and the fastest of each other, measured in the same way."""
    fastest: dict[tuple[str, ...], Row] = {}
    for row in table("beside", kind=kind, cores="1", **of):
        if not row["agent_steps_per_second"]:
            continue
        ours = row["package"] == "aigc-market"
        through = [by for by in ("benchmark_step", "wrapper") if by in row["what"]]
        key = row["package"], *([row["name"]] if ours else through)
        fastest[key] = max(
            fastest.get(key, row), row, key=lambda each: int(each["agent_steps_per_second"])
        )
    return list(fastest.values())


def _agent_steps(row: Row) -> str:
    speed = row["agent_steps_per_second"]
    return f"{int(speed):,}" if speed else NONE


def _where(rows: Sequence[Row], machine: str = "machine") -> str:
    """On which machines, by which Python, and on which days; versions are in the tables."""
    days: dict[str, set[str]] = {}
    for row in rows:
        days.setdefault(f"{row[machine]}, Python {row['python']}", set()).add(row["date"])
    said = (f"{made_with}, {' and '.join(sorted(dates))}" for made_with, dates in days.items())
    return f"Measured on {'; on '.join(said)}."


def short(value: float) -> str:
    """Two digits of a number: 0.11, 2.5, 110,000."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


# docs/scale.csv, which tests/benchmarks/scale.py writes


def _seconds(what: str, batch: int, size: str | int, of: str) -> float:
    row = only("scale", table=of, what=what, batch=str(batch), size=str(size))
    return float(row["seconds"])


def scale_by_size() -> str:
    """Rounds a second of one game in turns and of the vector environment, and `solve`, by K."""
    rows = []
    for row in table("scale", table="one provider", what="solve"):
        K, turns, games, rounds = int(row["size"]), NONE, NONE, NONE
        if one := table("scale", table="one provider", what="turn", size=row["size"]):
            turns = short(1 / float(one[0]["seconds"]) / (1 + K))
        if many := table("scale", table="vector", size=row["size"]):
            most = max(many, key=lambda each: int(each["batch"]))
            games = f"{int(most['batch']):,}"
            rounds = short(int(most["batch"]) / float(most["seconds"]))
        rows.append((f"{K:,}", turns, games, rounds, short(1e3 * float(row["seconds"]))))
    header = ("K", "AEC, rounds/s", "games at once", "their rounds/s", "`solve`, ms")
    return markdown(header, rows, words=0)


def scale_solvers() -> str:
    """What the solvers of several providers take, in two sentences."""
    spent = {
        what: short(1e3 * _seconds(what, 1, 100, "several providers"))
        for what in ("best deviation", "nash", "cartel")
    }
    return (
        f"With 3 providers and 100 VMUs a best deviation takes {spent['best deviation']} ms of one "
        f"thread, a Nash equilibrium with its certificate {spent['nash']} ms and the cartel "
        f"{spent['cartel']} ms. {_where(table('scale', table='several providers'))}"
    )


def scale_live() -> str:
    """What live images cost, in a sentence."""
    call = {n: short(1e3 * _seconds("call", n, 32, "live")) for n in (1, 16)}
    return (
        f"One of the bundled model (32 × 32 pixels) takes {call[1]} ms for one picture and "
        f"{call[16]} ms for 16, and the SSIM of a picture "
        f"{short(1e3 * _seconds('ssim', 1, 32, 'live'))} ms."
    )


# docs/solvers/, which docs/solvers/measure.py writes

BANDS = (5, 10, 20, 40, 80, 160)
"""Bounds of temperatures by which random markets are grouped."""


def solvers_found() -> str:
    """In how many random markets an equilibrium is found, by temperature."""
    rows = table("solvers/nash", markets="random")
    bands = [
        [row for row in rows if low <= float(row["temperature"]) < high]
        for low, high in itertools.pairwise(BANDS)
    ]
    columns = [*bands, rows]
    found = [str(sum(row["converged"] == "1" for row in band)) for band in columns]
    header = ["μ", *(f"{a}–{b}" for a, b in itertools.pairwise(BANDS)), "all"]
    counts = ["markets", *(f"{len(band):,}" for band in columns)]
    return markdown(header, [counts, ["with an equilibrium", *found]])


def solvers_certificates() -> str:
    """Whether a price of a grid earns more than a certificate allows."""
    rows = [row for row in table("solvers/nash") if row["converged"] == "1"]
    beyond = sum(float(row["beyond"]) > 1e-9 for row in rows)
    return (
        f"Of {len(rows):,} equilibria found, {beyond or 'none'} let a price of the grid earn more "
        f"than the certificate allows."
    )


def solvers_hard() -> str:
    """In how many hard markets no equilibrium is found."""
    rows = table("solvers/nash", markets="hard")
    left = sum(row["converged"] == "0" for row in rows)
    return f"In {left} of {len(rows)} such markets `nash` finds none."


def solvers_cartels() -> str:
    """Totals of `cartel` beside those of differential evolution."""
    said = []
    for drawn, which in (
        ("random", "random markets"),
        ("scarce", "markets with scarce capacities"),
    ):
        rows = table("solvers/cartels", markets=drawn)
        both = [(float(row["ours"]), float(row["evolution"])) for row in rows]
        lead = [(ours - theirs) / max(ours, theirs) for ours, theirs in both]
        short_of = [-value for value in lead if value < -MILLIONTH]
        worst = f", by {1e6 * max(short_of):,.0f} millionths at most" if short_of else ""
        more = sum(value > MILLIONTH for value in lead)
        said.append(
            f"- Of {len(rows)} {which} the search was more than a millionth short in "
            f"{len(short_of) or 'none'}{worst}, and found more in {more or 'none'}."
        )
    return "\n".join(said)


# docs/tensors/, which docs/tensors/measure.py writes


def tensors() -> str:
    """How fast games on tensors are by their number, and what memory they take, in sentences."""
    rows = table("tensors/speed", view="tensors", K="2")
    best = max(rows, key=lambda row: float(row["rounds_per_second"]))
    speed = {row["games"]: short(float(row["rounds_per_second"])) for row in rows}
    full, bare = (only("tensors/memory", game="stackelberg", K="2", state=x) for x in "10")
    return (
        f"With K = 2, 16 play {speed['16']} rounds a second, 4,096 play {speed['4096']}, and "
        f"{int(best['games']):,} the most, {speed[best['games']]}. Each takes {full['env']} bytes, "
        f"and {full['step']} a step that is kept ({bare['step']} with `state=False`)."
    )
