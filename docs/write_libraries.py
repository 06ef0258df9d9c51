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

Each file in `examples/` trains leader and followers with another library, from its own idioms, and
ends with one line: the *leader's share* of the equilibrium's utility, 1 − regret / U_p*, of the
price that it settled on, against rational followers; the *followers' gap*, the mean over prices 2,
3, … 12 of (best surplus − learned surplus) / best surplus; and the seconds that it took, imports
included, on two cores. The three on tensors play 1,024 games at once, measure themselves by the
infos of their games at 1,024 prices from 2 to 12, need one core, and count their seconds after
imports. `nox -s examples` runs all, each in an environment of its own, `nox -s
"examples(torchrl_ippo)"` one. This page is written from those runs, by `docs/write_libraries.py`.
Lines are lines of code; glue is what of them only adapts the game to the library, or the library to
the game.

The machine was shared with other work while these ran, so seconds are noisy; CPU seconds, those of
the example's process, say better what each costs. The aim was a share of .95 or more and a gap of
4% or less. Each result is of one run, with settings that were chosen by a few runs like it, and
says nothing of other seeds. But for those on tensors, which are younger, VMUs had to buy at least
10 steps in these runs (S_min); by default they need not any more. On tensors the aim was a share of
.99 and a gap of 1%.
"""
LEADER_FIRST = """
## Two time scales

In each example but SuperSuit's, where one network plays for all, and CleanRL's, the leader learns
more slowly than the followers do. With `--leader-first`, which those on tensors do not know, the
two learning rates are exchanged, and nothing else is. Followers who have not learned yet buy much
at any price, so a leader that learns first raises its price. AgileRL's goes to p_max and stays:
there every follower buys the least that it must, which is worth a share of .2699, and more than any
price near it. Its followers have learned all the same: MATD3 remembers other prices. Tianshou's
leader is not lost, since its prices are kept spread out, so that it sees lower ones that pay more:
a wide spread does here what two time scales do elsewhere.
"""
FLAG = "--leader-first"
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
    head = ["example", "library", "trains", "lines", "glue", "result", "CPU seconds"]
    rows, notes, reversals = _head(head), [], _head(["example", "result", "with `--leader-first`"])
    for name, entry in table.items():
        lines, glue = count((ROOT / "examples" / f"{name}.py").read_text())
        record = records.get(name)
        library, result, cpu = entry["title"], "not run yet", ""
        if record:
            library += f" ({entry['package']} {record['version']})"
            result, cpu = record["line"], str(record["cpu_seconds"])
        rows += _row([f"`{name}.py`", library, entry["trains"], str(lines), str(glue), result, cpu])
        if f"{name} {FLAG}" in records:
            reversals += _row([f"`{name}.py`", result, records[f"{name} {FLAG}"]["line"]])
        if entry["traps"]:
            notes += ["", f"### {entry['title']}", "", *(f"- {trap}" for trap in entry["traps"])]
    return "\n".join([INTRO, *rows, LEADER_FIRST, *reversals, "", "## Traps", *notes, ""])


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
