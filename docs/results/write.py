"""Brings results of `python -m baselines reproduce --variants` into the docs.

    python docs/results/write.py [FOLDER]

copies the tables of FOLDER beside this file and its figures to docs/images, and writes the marked
blocks of docs/results.md anew. Without a folder it does the last alone, from the tables kept here.
"""

import re
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(DOCS.parent))

from baselines.experiments.paper.report import sections  # noqa: E402
from baselines.runs.files import write_atomically  # noqa: E402

KEPT = DOCS / "results"
TABLES = ("runs.csv", "learning.csv", "curves.csv")
FIGURES = tuple(f"fig2{x}.png" for x in "abcd")
PAGE = DOCS / "results.md"
BLOCK = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def filled(page: str, tables: Path = KEPT) -> str:
    """A page's text with its blocks made from the tables of a folder.

    Raises:
        KeyError: a block that the report does not have.
    """
    made = sections(tables)
    return BLOCK.sub(lambda found: f"{found[1]}\n{made[found[2]]}\n\n{found[3]}", page)


def main(folder: Path | None) -> None:
    """Bring the tables and figures of a folder, if there is one, and write the page."""
    if folder is not None:
        for name in TABLES:
            shutil.copy(folder / name, KEPT)
        for name in FIGURES:
            shutil.copy(folder / name, DOCS / "images")
    write_atomically(PAGE, filled(PAGE.read_text("utf-8")))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
