"""What is kept of measurements in docs/, how it is rounded, and how it is grouped."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from baselines.arena.registry import REGISTRY, Entry
from baselines.arena.statistics import Interval
from baselines.report import NONE, number
from baselines.runs.files import read_frame, write_csv

DOCS = Path(__file__).resolve().parent
HIDDEN = ("hidden", "drift", "shift", "crowd", "capacity", "saturating")
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Row = dict[str, str]


def table(name: str, **where: str) -> list[Row]:
    """Rows of a CSV file in docs/, those that have the values asked for."""
    with (DOCS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if where.items() <= row.items()]


def frame(name: str, **options: Any) -> Any:
    """A CSV file in docs/ as a frame of pandas."""
    return read_frame(DOCS / f"{name}.csv", **options)


def measure(
    name: str,
    columns: tuple[str, ...],
    keys: Iterable[tuple[Any, ...]],
    function: Callable[..., dict[str, Any]],
) -> None:
    """Write a row of a CSV file in docs/ for each key that it does not have yet, one at a time.

    Args:
        name: of the file.
        columns: of the keys.
        keys: arguments of the function.
        function: gives the other columns.
    """
    path = DOCS / f"{name}.csv"
    rows: list[dict[str, Any]] = list(table(name)) if path.exists() else []
    done = {tuple(row[column] for column in columns) for row in rows}
    for key in keys:
        if tuple(map(str, key)) not in done:
            rows.append(dict(zip(columns, key, strict=True)) | function(*key))
            print(*rows[-1].values(), flush=True)
            write_csv(path, list(rows[0]), rows)


def only(name: str, **where: str) -> Row:
    """The one row that has these values.

    Raises:
        ValueError: none or several have.
    """
    rows = table(name, **where)
    if len(rows) != 1:
        raise ValueError(f"docs/{name}.csv must have one row with {where}, it has {len(rows)}")
    return rows[0]


def rounded(value: str | Decimal, digits: int, rounding: str = ROUND_HALF_UP) -> str:
    """A number as it is shown: .985, −.03, 1.00, 1,408."""
    exact = Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding)
    sign = "−" if exact < 0 else ""
    return sign + f"{abs(exact):,f}".removeprefix("0" if digits else "")


def percent(share: str | Decimal, digits: int, rounding: str = ROUND_HALF_UP) -> str:
    """A share in percent: 99.8 %, .04 %."""
    return f"{rounded(100 * Decimal(share), digits, rounding)} %"


def plus_minus(estimate: Interval, digits: int) -> str:
    """A mean and half the width of its 95 % interval, where there is one."""
    shown, half = number(estimate.mean, digits), estimate.mean - estimate.low
    shown = shown.replace("-", "−")
    return shown if math.isnan(half) else f"{shown} ± {number(half, digits)}"


def mean(values: Sequence[str]) -> Decimal:
    """The mean, to the precision of decimal arithmetic."""
    return sum(map(Decimal, values), Decimal()) / len(values)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of words."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def standing(scenario: str, method: str) -> Row:
    """A method's row of the leaderboard, over all rounds."""
    return only("hidden-markets/leaderboard", scenario=scenario, method=method, window="all")


def best(scenario: str, among: Callable[[Entry], bool]) -> Row | None:
    """The best row of some of the registry's methods."""
    rows = table("hidden-markets/leaderboard", scenario=scenario, window="all")
    rows = [row for row in rows if row["method"] in REGISTRY and among(REGISTRY[row["method"]])]
    return max(rows, key=lambda row: Decimal(row["share"]), default=None)


def named(row: Row | None, whose: bool = True) -> str:
    """A share and, if asked for, whose it is."""
    if row is None:
        return NONE
    return rounded(row["share"], 3) + f" (`{row['method']}`)" * whose


def paper_score() -> str:
    """The best learner in the paper's market. Rounded down: what falls short of 1 is not 1."""
    arms = {"ppo": table("results/learning", method="ppo", gamma="0.0", query="")}
    arms["tppo"] = table("results/learning", method="tppo", gamma="0.0", query="price")
    shares = {name: mean([row["exploiting"] for row in rows]) for name, rows in arms.items()}
    name = max(shares, key=lambda key: shares[key])
    return f"{rounded(shares[name], 5, ROUND_FLOOR)} (`{name}`)"


def least_exploitable(scenario: str) -> str:
    """The lowest mean NashConv of learners against themselves, and whose it is."""
    by_method: dict[str, list[Row]] = {}
    # On Calvano's grid some learners end at its lowest price, which says more about the grid.
    played = {"calvano": "calvano-max_price2.4"}.get(scenario, scenario)
    for row in table("learning-sellers/compete-sellers", scenario=played, seat="0"):
        if int(row["rounds"]):  # a scripted one learns nothing
            by_method.setdefault(row["method"], []).append(row)
    if not by_method:
        return NONE
    conv = {name: mean([r["nash_conv"] for r in rows]) for name, rows in by_method.items()}
    name = min(conv, key=lambda method: conv[method])
    return f"NashConv {rounded(conv[name], 5)} (`{name}`)"


def seeds_said() -> str:
    """Of how many training seeds the scores of hidden markets are, in a sentence."""
    found = [best(name, lambda entry: entry.knows != "law") for name in HIDDEN]
    seeds = [row["seeds"] for row in found if row and REGISTRY[row["method"]].trainer is not None]
    counts = sorted({len(of_row.split()) for of_row in seeds})
    said = " to ".join(WORDS[count] for count in dict.fromkeys((counts[0], counts[-1])))
    return f"Scores of hidden markets are of {said} training seed{'s' * (counts[-1] > 1)}."
