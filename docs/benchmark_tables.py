"""What was measured of speed, memory and the solvers, as tables and sentences."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from measurements import NONE, Row, only, rounded, table

from baselines.report import table as markdown

LIBRARIES = {
    "numpy": "NumPy",
    "gymnasium": "Gymnasium",
    "pettingzoo": "PettingZoo",
    "torch": "torch",
    "torchrl": "TorchRL",
}
MILLIONTH = 1e-6
"""What counts as short, as a share of the larger of two totals."""


def benchmarks() -> str:
    """Every row, and where and when it was measured; what misses its goal is bold."""
    rows = table("benchmarks")
    shown = [
        (
            f"`{row['name']}`",
            row["what"],
            f"**{row['ratio']}**" if row["met"] == "no" else row["ratio"],
            f"{row['low']} … {row['high']}",
            row["goal"],
        )
        for row in rows
    ]
    header = ("row", "what", "ratio", "slices", "goal")
    return f"{markdown(header, shown, words=2)}\n\n{_where(rows, 'processor')}"


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


def beside(name: str) -> str:
    """Steps of this package and of others of the field: one kind of them, or where and when."""
    if name == "where":
        return _beside_where()
    kinds = dict.fromkeys(row["kind"] for row in table("beside"))
    return _made({kind: partial(_beside, kind) for kind in kinds}, name)


def _beside(kind: str) -> str:
    """The rows of a kind, and those that were not measured with their reasons."""
    rows = table("beside", kind=kind)
    shown = [
        (
            row["package"],
            row["what"],
            f"{int(row['games']):,}",
            row["agents"],
            row["cores"] + {"threads": " (t)", "processes": " (p)", "": ""}[row["how"]],
            *map(_rate, (row["steps_per_second"], row["agent_steps_per_second"])),
            f"{_rate(row['low'])} … {_rate(row['high'])}" if row["low"] else row["note"],
        )
        for row in rows
    ]
    header = ("package", "what is played", "games", "agents", "cores", "steps/s", "agent-steps/s")
    return markdown((*header, "slices"), shown, words=2)


def _rate(number: str) -> str:
    """Three digits of a count a second, with commas; "–" where nothing was measured."""
    return f"{int(number):,}" if number else NONE


def _beside_where() -> str:
    """Versions of all packages, the processor and the date."""
    rows = table("beside")
    versions = sorted({each for row in rows for each in row["versions"].split(", ")})
    said = (f"{row['processor']}, Python {row['python']}, {row['date']}" for row in rows)
    return f"Measured on {'; on '.join(dict.fromkeys(said))}. Versions: {', '.join(versions)}."


def _where(rows: Sequence[Row], machine: str = "machine") -> str:
    """On which machines, with which versions, and when."""

    def said(row: Row) -> str:
        versions = [f"{LIBRARIES[name]} {row[name]}" for name in LIBRARIES if name in row]
        return ", ".join([row[machine], f"Python {row['python']}", *versions, row["date"]])

    return f"Measured on {'; on '.join(dict.fromkeys(map(said, rows)))}."


def _made(tables: Mapping[str, Callable[[], str]], name: str) -> str:
    if name not in tables:
        raise ValueError(f"a table must be one of {', '.join(tables)}, got {name!r}")
    return tables[name]()


def short(value: float) -> str:
    """Two digits of a number: 0.11, 2.5, 110,000."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


# docs/scale.csv, which tests/benchmarks/scale.py writes


def scale(name: str) -> str:
    """One table of what a core does, by the size of the problem."""
    return _made(_SCALE, name)


def _seconds(what: str, batch: int, size: str | int, of: str) -> float:
    row = only("scale", table=of, what=what, batch=str(batch), size=str(size))
    return float(row["seconds"])


def _one_provider() -> str:
    rows = []
    for row in table("scale", table="one provider", what="solve"):
        K, speed = int(row["size"]), ("not measured", "not measured")
        if found := table("scale", table="one provider", what="turn", size=row["size"]):
            turns = 1 / float(found[0]["seconds"])
            speed = short(turns / (1 + K)), short(turns)
        rows.append((f"{K:,}", *speed, short(1e3 * float(row["seconds"]))))
    return markdown(("K", "AEC rounds/s", "AEC turns/s", "`solve`, ms"), rows, words=0)


def _vector() -> str:
    rows = []
    for row in table("scale", table="vector"):
        games, K, spent = int(row["batch"]), int(row["size"]), float(row["seconds"])
        rows.append((f"{games:,}", f"{K:,}", short(games / spent), short(games * K / spent)))
    return markdown(("games", "K", "rounds/s, all games", "purchases/s"), rows, words=0)


def _solvers() -> str:
    names = {
        "best deviation": "best deviation, bound within a millionth",
        "nash": "Nash equilibrium with its certificate",
        "cartel": "cartel",
    }
    rows = []
    for row in table("scale", table="several providers", batch="1"):
        name, K = names[row["what"]], int(row["size"])
        rows.append((f"{name}, 3 providers", f"{K:,}", short(1e3 * float(row["seconds"]))))
    together = 1e3 * _seconds("nash", 10_000, 2, "several providers")
    rows.append(("10,000 Nash equilibria at once, 2 providers", "2", short(together)))
    header = ("what", "VMUs", "CPU ms")
    return f"{markdown(header, rows)}\n\n{_where(table('scale', table='several providers'))}"


def _calls() -> str:
    rows = []
    for row in table("scale", table="live", what="call"):
        batch, spent = int(row["batch"]), float(row["seconds"])
        rows.append((row["batch"], short(1e3 * spent), short(batch / spent)))
    return markdown(("pictures in a call", "ms a call", "pictures × calls/s"), rows, words=0)


def _rounds() -> str:
    rows = []
    for row in table("scale", table="live"):
        if not row["what"][0].isdigit():
            continue
        steps, spent = [int(step) for step in row["what"].split()], float(row["seconds"])
        bought = ", ".join(
            f"{steps.count(step)} × {step}" for step in sorted({*steps}, reverse=True)
        )
        total = sum(steps)
        rows.append((bought, str(max(steps)), str(total), short(spent), short(1e3 * spent / total)))
    header = ("VMUs × steps", "max S", "ΣS", "s", "ms a picture and call")
    return markdown(header, rows)


def _picture() -> str:
    rows = [
        (f"{n} × {n}", *(short(1e3 * _seconds(what, 1, n, "live")) for what in ("noise", "ssim")))
        for n in (32, 256)
    ]
    return markdown(("pixels", "noise, ms a picture and call", "SSIM, ms a picture"), rows)


_SCALE: dict[str, Callable[[], str]] = {
    "one-provider": _one_provider,
    "vector": _vector,
    "solvers": _solvers,
    "calls": _calls,
    "rounds": _rounds,
    "picture": _picture,
    "where": lambda: _where(table("scale")),
}


# docs/solvers/, which docs/solvers/measure.py writes

BANDS = (5, 10, 20, 40, 80, 160)
"""Bounds of temperatures by which random markets are grouped."""


def solvers(name: str) -> str:
    """What the solvers of several providers find in random markets."""
    made_by = {"found": _found, "certificates": _certificates, "hard": _hard, "cartels": _cartels}
    return _made(made_by, name)


def _found() -> str:
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


def _certificates() -> str:
    """Whether a price of a grid earns more than a certificate allows."""
    rows = [row for row in table("solvers/nash") if row["converged"] == "1"]
    beyond = sum(float(row["beyond"]) > 1e-9 for row in rows)
    return (
        f"Of {len(rows):,} equilibria found, {beyond or 'none'} let a price of the grid earn more "
        f"than the certificate allows."
    )


def _hard() -> str:
    rows = table("solvers/nash", markets="hard")
    left = sum(row["converged"] == "0" for row in rows)
    return f"In {left} of {len(rows)} such markets `nash` finds none."


def _cartels() -> str:
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


def tensors(name: str) -> str:
    """Speed and memory of games on tensors, in sentences and a table."""
    return _made({"games": _games, "vmus": _vmus, "memory": _memory}, name)


def _games() -> str:
    """From how many games on more of them bring nothing."""
    said = []
    views = {"tensors": "one provider", "competition": "two providers"}
    for view, who in views.items():
        rows = table("tensors/speed", view=view, K="2")
        best = max(rows, key=lambda row: float(row["rounds_per_second"]))
        few = {row["games"]: float(row["rounds_per_second"]) for row in rows}
        said.append(
            f"- Games of {who} (K = 2) play {short(few['16'])} rounds a second when 16 are side by "
            f"side, {short(few['4096'])} when 4,096 are, and most, "
            f"{short(float(best['rounds_per_second']))}, when {int(best['games']):,} are."
        )
    return "\n".join(said)


def _vmus() -> str:
    """How 1,024 games slow down with K, and where purchases are most."""
    rows = {int(row["K"]): row for row in table("tensors/speed", view="tensors", games="1024")}
    speed = {K: float(row["rounds_per_second"]) for K, row in sorted(rows.items())}
    most = max(speed, key=lambda K: K * speed[K])
    return (
        f"- 1,024 games play {short(speed[2])} rounds a second with K = 2, {short(speed[20])} with "
        f"K = 20 and {short(speed[1000])} with K = 1,000. Of the K measured, purchases a second "
        f"are most at K = {most}: {short(most * speed[most])}."
    )


def _memory() -> str:
    """Bytes a game, with the state and without."""
    who = {"stackelberg": "one provider", "competition": "two providers"}
    rows = []
    for row in table("tensors/memory", state="1"):
        bare = only("tensors/memory", game=row["game"], K=row["K"], state="0")
        steps = [f"{int(each['step']):,}" for each in (row, bare)]
        rows.append((f"{who[row['game']]}, K = {row['K']}", f"{int(row['env']):,}", *steps))
    header = ("game", "an environment after a step", "a step kept", "the same, `state=False`")
    return markdown(header, rows)


# docs/repaint/modes.csv, which docs/repaint/measure.py writes


def modes() -> str:
    """SSIM by the steps bought, under two readings of a step."""
    rows = table("repaint/modes", mode="executed"), table("repaint/modes", mode="respaced")
    header = ["S", *(row["steps"] for row in rows[0])]
    shown = [[each[0]["mode"], *(rounded(row["mean"], 3) for row in each)] for each in rows]
    return markdown(header, shown)
