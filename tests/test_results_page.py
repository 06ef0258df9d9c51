"""docs/results.md says what the tables kept beside it say."""

import re
import runpy
from pathlib import Path

from baselines.experiments.paper import claims, report

ROOT = Path(__file__).resolve().parents[1]
REGION = runpy.run_path(str(ROOT / "docs/write_numbers.py"))["REGION"]
PAGE = (ROOT / "docs/results.md").read_text("utf-8")


def test_no_measured_number_stands_outside_the_blocks():
    prose = REGION.sub("", PAGE)
    assert not re.findall(r"\d\.\d\d|\d %", prose)


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
