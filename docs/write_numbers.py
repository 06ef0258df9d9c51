"""Write the measured numbers of README.md and docs/ from the tables that are kept in docs/.

    python docs/write_numbers.py                # writes
    python docs/write_numbers.py --check        # exits 1 and names the regions that differ
    python docs/write_numbers.py --from results # first brings tables and figures of new results

A page marks a region by two comments, on lines of their own around a block, or within a sentence:

    <!-- numbers: games -->
    <!-- end of numbers -->

    … earns <!-- numbers: share hidden filter --><!-- end of numbers --> of U_p*.

`REGIONS` lists the names and what may follow them. Numbers are rounded here, once, from the digits
of the table.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import argparse  # noqa: E402
import csv  # noqa: E402
import json  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import tomllib  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal  # noqa: E402
from functools import cache  # noqa: E402
from typing import Any  # noqa: E402

import pandas as pd  # noqa: E402

from baselines.arena.registry import KNOWS, REGISTRY  # noqa: E402
from baselines.experiments.paper import report  # noqa: E402
from baselines.runs.files import write_atomically  # noqa: E402

DOCS = ROOT / "docs"
REGION = re.compile(
    r"(?P<begin><!-- numbers: (?P<name>[^>]*?) -->)(?P<line>\n?).*?"
    r"(?P<end><!-- end of numbers -->)",
    re.DOTALL,
)
RESULTS = {
    "": ("docs/results", ("runs.csv", "learning.csv", "curves.csv")),
    ".": ("docs/images", tuple(f"fig2{x}.png" for x in "abcd")),
    "leaderboard": (
        "docs/hidden-markets",
        (
            *(f"{name}.csv" for name in ("leaderboard", "seeds", "attribution", "outside")),
            *(f"{name}.md" for name in ("leaderboard", "attribution", "outside")),
            *(f"{name}.png" for name in ("regret", "prices", "sizes")),
        ),
    ),
}
"""Files of a folder of results that are kept, by the folder in it and where they go."""
TRACKS = {
    "nothing": "nothing",
    "form": "the form of demand",
    "gradient": "the simulator's gradient",
    "law": "the law: the ceiling",
}
FAIR = tuple(track for track in KNOWS if track != "law")
HIDDEN = ("hidden", "drift", "shift", "crowd", "capacity")
NONE = "–"
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Row = dict[str, str]


def table(name: str, **where: str) -> list[Row]:
    """Rows of a CSV file in docs/, those that have the values asked for."""
    with (DOCS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if where.items() <= row.items()]


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
    """A number as it is shown: .985, −.03, 1.00."""
    number = Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding)
    sign = "−" if number < 0 else ""
    return sign + f"{abs(number):f}".removeprefix("0" if digits else "")


def percent(share: str | Decimal, digits: int, rounding: str = ROUND_HALF_UP) -> str:
    """A share in percent: 99.8 %, .04 %."""
    return f"{rounded(100 * Decimal(share), digits, rounding)} %"


def mean(values: Sequence[str]) -> Decimal:
    """The mean, to the precision of decimal arithmetic."""
    return sum(map(Decimal, values), Decimal()) / len(values)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of words."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def standing(scenario: str, method: str) -> Row:
    """A method's row of the leaderboard, over all rounds."""
    return only("hidden-markets/leaderboard", scenario=scenario, method=method, window="all")


def best(scenario: str, *tracks: str) -> Row | None:
    """The best row of these tracks; the whole method's parts do not count as methods."""
    rows = [
        row
        for row in table("hidden-markets/leaderboard", scenario=scenario, window="all")
        if row["knows"] in tracks
        and not (row["method"] in REGISTRY and REGISTRY[row["method"]].ablation_of)
    ]
    return max(rows, key=lambda row: Decimal(row["share"]), default=None)


def named(row: Row | None) -> str:
    """A share and whose it is."""
    return NONE if row is None else f"{rounded(row['share'], 3)} (`{row['method']}`)"


def games() -> str:
    """Every scenario: what is hidden, what moves, the best score, and what could be had."""
    kept = tomllib.loads((DOCS / "scenarios" / "games.toml").read_text("utf-8"))
    rows = []
    for name, words in kept["one"].items():
        score, ceiling = named(best(name, *FAIR)), best(name, "law")
        most = NONE if ceiling is None else rounded(ceiling["share"], 3)
        if name == "paper":
            score, most = _paper(), "1"
        rows.append((f"`{name}`", words["hidden"], words["moves"], score, most))
    for name, words in kept["several"].items():
        score = _highest_delta(name)
        most = NONE if score == NONE else "Δ = 1"
        rows.append((f"`{name}`, two providers", words["hidden"], words["moves"], score, most))
    header = ("game", "hidden from the leader", "moves", "best fair score", "ceiling")
    return (
        f"{markdown(header, rows)}\n\n"
        "A score is a share of what the oracle earns. *Fair* methods do not know the law by which "
        "markets are drawn; the ceiling does. With several providers Δ says where learning sellers "
        f"end: at 0 in the Nash equilibrium, at 1 in the cartel. {_seeds_said()}"
    )


def _paper() -> str:
    """Of the paper's market: rounded down, for what falls short of 1 does not reach it."""
    arms = {"ppo": table("results/learning", method="ppo", gamma="0.0", query="")}
    arms["tppo"] = table("results/learning", method="tppo", gamma="0.0", query="price")
    shares = {name: mean([row["exploiting"] for row in rows]) for name, rows in arms.items()}
    name = max(shares, key=lambda key: shares[key])
    return f"{rounded(shares[name], 5, ROUND_FLOOR)} (`{name}`)"


def _highest_delta(scenario: str) -> str:
    if scenario == "calvano":
        return f"Δ = {delta('n2')} (`q_learning`)"
    methods = {row["method"] for row in table("learning-sellers/compete-sellers") if row["rounds"]}
    made = {
        method: gains
        for method in sorted(methods)
        if (gains := _gains(scenario, method)) and len(gains) > 1  # one: it is scripted
    }
    if not made:
        return NONE
    name = max(made, key=lambda method: mean(made[method]))
    return f"Δ = {rounded(mean(made[name]), 2)} (`{name}`)"


def _gains(scenario: str, method: str) -> list[str]:
    """Profit gains, one a training."""
    rows = table("learning-sellers/compete-sellers", scenario=scenario, method=method, seat="0")
    return [row["profit_gain"] for row in rows]


def _seeds_said() -> str:
    learned = [
        row
        for name in HIDDEN
        if (row := best(name, *FAIR)) and REGISTRY[row["method"]].trainer is not None
    ]
    counts = sorted({len(row["seeds"].split()) for row in learned})
    said = " to ".join(WORDS[count] for count in {counts[0], counts[-1]})
    return f"Scores of hidden markets are of {said} training seed{'s' * (counts[-1] > 1)} so far."


def hidden() -> str:
    """The best of each track in each hidden market."""
    header = ("knows", *(f"`{name}`" for name in HIDDEN))
    rows = [
        (TRACKS[track], *(named(best(scenario, track)) for scenario in HIDDEN)) for track in KNOWS
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


def delta(design: str) -> str:
    """Calvano's Δ of a design: n2, n3, n4, n2-memory0, …"""
    rows = table("learning-sellers/calvano-summary", design=design)
    [row] = [row for row in rows if row["part"] != "heat map"]
    return rounded(row["profit_gain"], 2)


def calvano() -> str:
    """Where Q-learners end, in a sentence."""
    two, three, four, forgetful = map(delta, ("n2", "n3", "n4", "n2-memory0"))
    return (
        f"Two, three and four Q-learners end at Δ = {two}, {three} and {four} of the way from the "
        f"Nash equilibrium to the cartel. Two that remember nothing end at {forgetful}."
    )


def sellers(scenario: str, method: str) -> str:
    """Δ of a learner against itself, the mean over trainings."""
    return rounded(mean(_gains(scenario, method)), 2)


def both_sides() -> str:
    """What leaders and followers that learn together end at, one line a gradient."""
    return "\n".join(_both_sides())


def _both_sides() -> Iterator[str]:
    names = {"pathwise": "By the gradient through the rules", "ppo": "By PPO"}
    for gradient, said in names.items():
        rows = table("both-sides/both", gradient=gradient)
        leader = min(Decimal(row["share"]) / Decimal(row["control"]) for row in rows)
        gap = max(Decimal(row["gap"]) for row in rows)
        worst = max(rows, key=lambda row: Decimal(row["worst_gap"]))
        yield (
            f"- {said} the leader earns {percent(leader, 1, ROUND_FLOOR)} or more of what the same "
            f"leader earns from rational followers. Followers lose "
            f"{percent(gap, 2, ROUND_CEILING)} or less of their mean best surplus; the one that "
            f"loses most ({worst['market']}) loses {percent(worst['worst_gap'], 1)}."
        )
    runs = table("both-sides/both")
    seconds = [Decimal(row["cpu_seconds"]) for row in runs]
    seeds = WORDS[len({row["seed"] for row in runs})]
    yield (
        f"- A training takes {rounded(min(seconds), 0, ROUND_FLOOR)} to "
        f"{rounded(max(seconds), 0, ROUND_CEILING)} seconds of one core. These numbers are of "
        f"{seeds} seed{'s' * (seeds != 'one')}."
    )


def both_sides_table() -> str:
    """Every pair that was trained."""
    shown: Any = pd.read_csv(DOCS / "both-sides" / "both.csv")
    shown["of_control"] = shown["share"] / shown["control"]
    header = ("market", "gradient", "leader", "followers", "seeds")
    header += ("of U_p*", "of rational's", "gap", "worst gap", "seconds")
    rows = []
    pairs = ["market", "leader", "followers", "gradient"]
    for (market, leader, followers, gradient), runs in shown.groupby(pairs, sort=False):
        rows.append(
            (
                market,
                gradient,
                leader.upper(),
                "one network" if followers == "shared-ppo" else "one each",
                str(len(runs)),
                _mean_and(runs["share"], "min"),
                _mean_and(runs["of_control"], "min"),
                _mean_and(runs["gap"], "max", 3),
                _mean_and(runs["worst_gap"], "max"),
                f"{runs['cpu_seconds'].mean():.1f}",
            )
        )
    return markdown(header, rows)


def _mean_and(values: Any, worst: str, digits: int = 2) -> str:
    """The mean over seeds, and where they are several the worst of them."""
    shown = f"{values.mean():.{digits}%}"
    return shown if len(values) == 1 else f"{shown} ({values.agg(worst):.{digits}%})"


def libraries() -> str:
    """How near the examples with other libraries come, in a sentence."""
    runs = json.loads((DOCS / "libraries.json").read_text("utf-8"))
    lines = [run["line"] for name, run in runs.items() if "--leader-first" not in name]
    shares = [x for line in lines for x in re.findall(r"share (\d\.\d+)", line)]
    gaps = [x for line in lines for x in re.findall(r"gap (\d+\.\d+)%", line)]
    return (
        f"Leaders end at {percent(min(shares, key=Decimal), 0, ROUND_FLOOR)} to "
        f"{percent(max(shares, key=Decimal), 0)} of U_p*, and followers within "
        f"{rounded(max(gaps, key=Decimal), 1, ROUND_CEILING)} % of their best responses "
        f"({len(lines)} examples, one run each)."
    )


def speed() -> str:
    """Rounds a second of 4,096 games in each view, in a sentence."""
    tensors, vector = (
        only("tensors/speed", view=view, games="4096", K="2") for view in ("tensors", "vector")
    )
    [alone] = table("tensors/speed", view="wrapper", K="2")
    counts = [Decimal(row["rounds_per_second"]) for row in (vector, tensors, alone)]
    return (
        f"On one core 4,096 games play {rounded(counts[0] / 1_000_000, 0)} million rounds a second "
        f"in the vector environment, and {rounded(counts[1] / 1_000_000, 1)} million on tensors, "
        f"where followers act too. One parallel game in TorchRL's wrapper plays "
        f"{rounded(counts[2], 0)}."
    )


_sections = cache(report.sections)


def _of_paper(name: str) -> Callable[[], str]:
    return lambda: _sections(DOCS / "results")[name]


REGIONS: dict[str, Callable[..., str]] = {
    "games": games,
    "hidden": hidden,
    "share": share,
    "behind": behind,
    "best": best_of,
    "part": part,
    "lost": lost,
    "calvano": calvano,
    "delta": delta,
    "sellers": sellers,
    "both-sides": both_sides,
    "both-sides-table": both_sides_table,
    "libraries": libraries,
    "speed": speed,
    **{
        f"paper-{name}": _of_paper(name)
        for name in ("summary", "claims", "rule", "exploring", "arms", "variants")
    },
}
"""What makes a region, by the first word of its name; the words that follow are its arguments."""


def made(name: str) -> str:
    """What stands in a region.

    Raises:
        ValueError: there is no such region, or its arguments name nothing that was measured.
    """
    kind, *arguments = name.split()
    if kind not in REGIONS:
        raise ValueError(f"a region must be one of {', '.join(REGIONS)}, got {name!r}")
    try:
        return REGIONS[kind](*arguments)
    except TypeError as error:
        raise ValueError(f"region {name!r}: {error}") from error


def filled(text: str) -> str:
    """A page with its regions made anew.

    Raises:
        ValueError: a region that cannot be made, or one without an end.
    """
    if len(REGION.findall(text)) != text.count("<!-- numbers:"):
        raise ValueError("every <!-- numbers: … --> must have its <!-- end of numbers -->")

    def region(found: re.Match[str]) -> str:
        inside = made(found["name"])
        inside = f"\n\n{inside}\n\n" if found["line"] else inside
        return found["begin"] + inside + found["end"]

    return REGION.sub(region, text)


def differing(text: str) -> list[str]:
    """Names of the regions that are not what the tables say."""
    new = filled(text)
    pairs = zip(REGION.finditer(text), REGION.finditer(new), strict=True)
    return [old["name"] for old, fresh in pairs if old[0] != fresh[0]]


def pages() -> list[Path]:
    """All that may have regions."""
    return [
        path
        for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
        if not {"_build", "environments"} & set(path.relative_to(ROOT).parts)
        and "<!-- numbers:" in path.read_text("utf-8")
    ]


def bring(results: Path) -> None:
    """Copy what is kept of a folder of results into the docs."""
    for part_of, (kept, names) in RESULTS.items():
        for name in names:
            if (path := results / part_of / name).exists():
                shutil.copy(path, ROOT / kept / name)


def main() -> int:
    """Write all pages, or say which regions differ."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where one differs")
    parser.add_argument("--from", dest="results", type=Path, help="folder of new results")
    arguments = parser.parse_args()
    if arguments.results is not None:
        bring(arguments.results)
    wrong = 0
    for path in pages():
        text = path.read_text("utf-8")
        for name in differing(text):
            wrong += 1
            print(f"{path.relative_to(ROOT)}: {name}")
        if not arguments.check:
            write_atomically(path, filled(text))
    return int(arguments.check and wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
