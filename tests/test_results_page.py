"""docs/results.md says what the tables kept beside it say."""

import re
import runpy
import shutil
from pathlib import Path

import pandas as pd
import pytest

from baselines.experiments.paper import claims, report

ROOT = Path(__file__).resolve().parents[1]
WRITE = runpy.run_path(str(ROOT / "docs/results/write.py"))
PAGE = (ROOT / "docs/results.md").read_text("utf-8")


def test_the_page_is_what_the_tables_say():
    assert set(re.findall(r"<!-- results: (\w+) -->", PAGE)) == {
        "summary",
        "claims",
        "rule",
        "exploring",
        "arms",
        "variants",
    }
    assert WRITE["filled"](PAGE) == PAGE, "run python docs/results/write.py"


def test_no_measured_number_stands_outside_the_blocks():
    prose = WRITE["BLOCK"].sub("", PAGE)
    assert not re.findall(r"\d\.\d\d|\d %", prose)


def test_other_tables_make_another_page(tmp_path):
    for name in WRITE["TABLES"]:
        shutil.copy(ROOT / "docs/results" / name, tmp_path)
    assert WRITE["filled"](PAGE, tmp_path) == PAGE
    learning = pd.read_csv(tmp_path / "learning.csv")
    of_tppo = (
        learning["method"].eq("tppo") & learning["gamma"].eq(0) & learning["query"].eq("price")
    )
    learning.loc[of_tppo, "end"] += 0.05
    learning.to_csv(tmp_path / "learning.csv", index=False)
    [row] = [
        row
        for row in WRITE["filled"](PAGE, tmp_path).splitlines()
        if row.startswith("| TPPO converges higher than PPO |")
    ]
    assert row.endswith("| holds |")
    assert row not in PAGE


def test_blocks_that_the_report_does_not_have_are_refused():
    with pytest.raises(KeyError, match="nothing"):
        WRITE["filled"]("<!-- results: nothing -->\n\n<!-- end of results -->")


def test_the_words_of_the_page_rest_on_these_verdicts():
    runs, learning = report.read(ROOT / "docs/results")
    found = {
        (claim.text, "without exploring" in claim.measure): claim.verdict()
        for claim in (*claims.of_paper(runs, learning), *claims.of_variants(learning))
    }
    queries = "TPPO queried by the last price ends higher than queried by a learnt vector"
    for text in ("TPPO ends higher than PPO", "TPPO ends higher than Greedy", queries):
        assert found[text, True] == "equal"
    for text in ("TPPO beats Greedy", "PPO beats Greedy"):
        assert found[text, False] == "holds"
    # The MLP is ahead while they learn, by less than the margin.
    assert found["TPPO converges higher than PPO", False] == "equal"
    [claim] = [
        claim
        for claim in claims.of_paper(runs, learning)
        if claim.text == "TPPO converges higher than PPO"
    ]
    assert claim.interval()[2] < 0
    # A discount makes learning faster, and nothing else.
    for method in ("PPO", "TPPO"):
        assert found[f"{method} with γ = 0 converges faster than with γ = 0.9", False] == "fails"
        assert found[f"{method} with γ = 0 ends higher than with γ = 0.9", True] == "equal"
