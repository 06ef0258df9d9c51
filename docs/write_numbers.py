"""Write the measured numbers of README.md and docs/ from the tables that are kept in docs/.

    python docs/write_numbers.py                # writes
    python docs/write_numbers.py --check        # exits 1 and names the regions that differ
    python docs/write_numbers.py --from results # first brings tables and figures of new results

A page marks a region by two comments, on lines of their own around a block, or within a sentence:

    <!-- numbers: games -->
    <!-- end of numbers -->

    … earns <!-- numbers: share hidden filter --><!-- end of numbers --> of U_p*.

`REGIONS` lists the names and what may follow them. Numbers are rounded once, from the digits of the
table.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import argparse  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
from collections.abc import Callable  # noqa: E402
from functools import cache  # noqa: E402

import benchmark_tables  # noqa: E402
import both_sides_tables  # noqa: E402
import certificate_tables  # noqa: E402
import contract_tables  # noqa: E402
import field_tables  # noqa: E402
import leaderboard_tables  # noqa: E402
import library_tables  # noqa: E402
import measurements  # noqa: E402
import model_cards  # noqa: E402
import scenario_cards  # noqa: E402
import seller_tables  # noqa: E402

from baselines.experiments.paper import paper_report  # noqa: E402
from baselines.runs.files import write_atomically  # noqa: E402

REGION = re.compile(
    r"(?P<begin><!-- numbers: (?P<name>[^>]*?) -->)(?P<line>\n?).*?"
    r"(?P<end><!-- end of numbers -->)",
    re.DOTALL,
)
RESULTS = {
    "": ("docs/results", ("runs.csv", "learning.csv", "curves.csv")),
    ".": ("docs/images", ("fig2a.png", "fig2bcd.png")),
    "leaderboard": (
        "docs/hidden-markets",
        (
            *("leaderboard.csv", "seeds.csv", "differences.csv", "curves.csv", "outside.csv"),
            "regret.png",
        ),
    ),
    "ceiling": ("docs/hidden-markets", ("ceiling.csv",)),
}
"""Files of a folder of results that are kept, by the folder in it and where they go."""


_sections = cache(paper_report.sections)


def _of_paper(name: str) -> Callable[[], str]:
    return lambda: _sections(measurements.DOCS / "results")[name]


REGIONS: dict[str, Callable[..., str]] = {
    "games": scenario_cards.games,
    "presets": scenario_cards.presets,
    "cards": scenario_cards.cards,
    "played": leaderboard_tables.played,
    "takes": leaderboard_tables.takes,
    "verdicts": leaderboard_tables.verdicts,
    "windows": leaderboard_tables.windows,
    "share": leaderboard_tables.share,
    "ceiling": leaderboard_tables.ceiling,
    "sizes": leaderboard_tables.sizes,
    "outside": leaderboard_tables.outside,
    "faster": field_tables.faster,
    "near": field_tables.near,
    "tracking": field_tables.tracking,
    "worst": field_tables.worst,
    "certificates": certificate_tables.certificates,
    "certificate-cases": certificate_tables.cases,
    "calvano": seller_tables.calvano,
    "calvano-table": seller_tables.calvano_table,
    "calvano-gap": seller_tables.calvano_gap,
    "compete": seller_tables.compete,
    "compete-table": seller_tables.compete_table,
    "deep": seller_tables.deep,
    "deep-table": seller_tables.deep_table,
    "both-sides": both_sides_tables.both_sides,
    "both-sides-aims": both_sides_tables.aims,
    "both-sides-before": both_sides_tables.before,
    "both-sides-leader-first": both_sides_tables.leader_first,
    "menus-mechanisms": contract_tables.mechanisms,
    "menus-learner": contract_tables.learner,
    "menus-difference": contract_tables.difference,
    "menus-choosers": contract_tables.choosers,
    "menus-forgone": contract_tables.forgone,
    "weights": model_cards.weights,
    "bundled": model_cards.bundled,
    "libraries": library_tables.results,
    "benchmarks": benchmark_tables.benchmarks,
    "beside": benchmark_tables.beside,
    "beside-batch": benchmark_tables.beside_batch,
    "beside-where": benchmark_tables.beside_where,
    "ratio": benchmark_tables.ratio,
    "tensors": benchmark_tables.tensors,
    "scale-by-size": benchmark_tables.scale_by_size,
    "scale-solvers": benchmark_tables.scale_solvers,
    "scale-live": benchmark_tables.scale_live,
    "solvers-found": benchmark_tables.solvers_found,
    "solvers-certificates": benchmark_tables.solvers_certificates,
    "solvers-hard": benchmark_tables.solvers_hard,
    "solvers-cartels": benchmark_tables.solvers_cartels,
    **{
        f"paper-{name}": _of_paper(name)
        for name in ("summary", "claims", "rule", "exploring", "arms")
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
    if begun := re.search(r"^ *<!-- numbers: [^>]*? -->.*\S", text, re.MULTILINE):
        raise ValueError(f"Markdown wants words before what begins this line: {begun[0]!r}")

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
        for path in (
            ROOT / "README.md",
            *sorted(measurements.DOCS.rglob("*.md")),
            *sorted(ROOT.glob("baselines/weights/*.md")),
            *sorted(ROOT.glob("aigc_market/ssim/repaint/bundled/*.md")),
        )
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
