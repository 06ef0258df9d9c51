"""Write docs/libraries.md from docs/libraries.json, examples/libraries.toml and the examples."""

import ast
import io
import json
import tokenize
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
INTRO = """\
# Third-party libraries

Each file in `examples/` is a whole training with another library. Copy one into any folder and run
it: it needs this package and the library, and no other file. The last line that it prints says
where the agents ended:

- The *leader's share* is 1 − regret / U_p*, of the price that the leader settled on, against
  rational followers. U_p* is the leader's utility at the [equilibrium](oracle.md).
- The *followers' gap* is the mean over prices 2, 3, … 12 of (best surplus − learned surplus) / best
  surplus. Where followers are scripted there is none (–).

On tensors 1,024 games are played at once, and the gap is the mean over 1,024 prices from 2 to 12.
`minari_offline.py` plays the scenario `hidden`, a market unknown and new in each game, and its
share is of all rounds of 100 games; *behaviour* is the share of the policy that it learns from.

`nox -s examples` runs all of them, each in an environment of its own, and `nox -s
"examples(torchrl_ippo)"` runs one. `docs/write_libraries.py` writes this page from what they print.
The second version is this package's. *Lines* are lines of code. *Glue* is what of them only adapts
the game to the library, or the library to the game. CPU seconds are of the example's process, on
one thread.

Each result is of one run with one seed, and says nothing of other seeds. The first three have the
settings of their libraries, unchanged, and play about 20,000 rounds. The settings of the others
were chosen by a few runs like theirs.
"""
TIME_SCALES = """
## Two time scales

Where both sides learn, followers should learn faster than the leader does: the leader's price is
then judged by followers who know how to answer it. In each example where leader and followers have
networks of their own, the leader's learning rate is lower. [Both sides learn](both-sides.md) shows
what happens the other way round.
"""
_SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def count(source: str) -> tuple[int, int]:
    """Lines of code of an example, and those of them in definitions under a comment `# Glue`."""
    code: set[int] = set()
    begins_statement = True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        docstring = begins_statement and token.type == tokenize.STRING
        if token.type not in _SILENT and not docstring:
            code.update(range(token.start[0], token.end[0] + 1))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            begins_statement = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines = ["", *source.splitlines()]
    marked = [n for n in ast.parse(source).body if lines[n.lineno - 1].startswith("# Glue")]
    glue = code & {line for n in marked for line in range(n.lineno, (n.end_lineno or 0) + 1)}
    return len(code), len(glue)


def page(table: dict[str, Any], records: dict[str, Any]) -> str:
    """The page, of what has been run."""
    rows, notes = _head(["example", "library", "trains", "result", "lines (glue)", "CPU s"]), []
    for name, entry in table.items():
        lines, glue = count((ROOT / "examples" / f"{name}.py").read_text())
        record = records.get(name)
        library, result, cpu = entry["title"], "not run yet", ""
        if record:
            library += f" ({entry['package']} {record['version']}, with {record['aigc_market']})"
            result, cpu = record["line"], str(record["cpu_seconds"])
        rows += _row([f"`{name}.py`", library, entry["trains"], result, f"{lines} ({glue})", cpu])
        if entry["traps"]:
            notes += ["", f"### {entry['title']}", "", *(f"- {trap}" for trap in entry["traps"])]
    return "\n".join([INTRO, *rows, TIME_SCALES, "## Traps", *notes, ""])


def _head(cells: list[str]) -> list[str]:
    """The first two lines of a table."""
    return [*_row(cells), *_row(["---"] * len(cells))]


def _row(cells: list[str]) -> list[str]:
    """One line of a table, in a list."""
    return [f"| {' | '.join(cells)} |"]


def main() -> None:
    """Write the page."""
    table = tomllib.loads((ROOT / "examples" / "libraries.toml").read_text())
    records = json.loads((ROOT / "docs" / "libraries.json").read_text())
    (ROOT / "docs" / "libraries.md").write_text(page(table, records))


if __name__ == "__main__":
    main()
