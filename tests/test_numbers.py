"""Measured numbers in README.md and docs/ are those of the tables kept beside them."""

import csv
import re
import runpy
import shutil
from decimal import ROUND_CEILING, ROUND_FLOOR
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aigc_market import scenarios
from baselines.arena.registry import REGISTRY
from baselines.experiments.leaderboard.result import is_learner
from baselines.experiments.paper import claims, paper_report

ROOT = Path(__file__).resolve().parents[1]
WRITE = runpy.run_path(str(ROOT / "docs/write_numbers.py"))
END = "<!-- end of numbers -->"


@pytest.mark.parametrize("page", WRITE["pages"](), ids=lambda path: str(path.relative_to(ROOT)))
def test_regions_say_what_the_tables_say(page):
    assert WRITE["differing"](page.read_text("utf-8")) == [], "run python docs/write_numbers.py"


def test_the_pages_with_regions_are_found():
    assert ROOT / "docs/results.md" in WRITE["pages"]()


@pytest.mark.parametrize(
    ("number", "digits", "shown"),
    [
        (".94647", 3, ".946"),  # not .947 by way of .9465
        (".9465", 3, ".947"),
        ("-0.03456", 3, "−.035"),
        ("-0.0004", 3, ".000"),
        ("1.00000", 2, "1.00"),
        ("10.04", 1, "10.0"),
        ("0.3", 0, "0"),
        ("1408.05", 0, "1,408"),
    ],
)
def test_numbers_are_rounded_once(number, digits, shown):
    assert WRITE["measurements"].rounded(number, digits) == shown


def test_bounds_are_rounded_outwards():
    assert WRITE["measurements"].percent("0.9999", 1, ROUND_FLOOR) == "99.9 %"
    assert WRITE["measurements"].percent("0.00041", 2, ROUND_CEILING) == ".05 %"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The script, with a copy of the tables that a test may change."""
    for path in (ROOT / "docs").rglob("*"):
        if path.suffix in (".csv", ".json", ".toml") and "_build" not in path.parts:
            copy = tmp_path / "docs" / path.relative_to(ROOT / "docs")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    monkeypatch.setattr(WRITE["measurements"], "DOCS", tmp_path / "docs")
    monkeypatch.setitem(WRITE["main"].__globals__, "ROOT", tmp_path)
    return tmp_path


def edit(path, change):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_another_table_is_another_region_and_is_told(elsewhere, capsys, monkeypatch):
    page = elsewhere / "README.md"
    page.write_text(f"It earns <!-- numbers: share hidden filter -->{END} of it.\n")
    monkeypatch.setattr("sys.argv", ["write_numbers.py"])
    assert WRITE["main"]() == 0
    before = page.read_text()
    monkeypatch.setattr("sys.argv", ["write_numbers.py", "--check"])
    assert WRITE["main"]() == 0

    def worse(row):
        if (row["scenario"], row["method"]) == ("hidden", "filter"):
            row["share"] = "0.12345"

    edit(elsewhere / "docs/hidden-markets/leaderboard.csv", worse)
    capsys.readouterr()
    assert WRITE["main"]() == 1
    assert capsys.readouterr().out == "README.md: share hidden filter\n"
    assert page.read_text() == before
    monkeypatch.setattr("sys.argv", ["write_numbers.py"])
    WRITE["main"]()
    assert page.read_text() == f"It earns <!-- numbers: share hidden filter -->.123{END} of it.\n"


def test_a_ceiling_is_rounded_up(elsewhere):
    (elsewhere / "docs/hidden-markets/ceiling.csv").write_text("window,high\nall,0.99601\n")
    assert WRITE["made"]("ceiling") == ".9961"


def test_an_aim_is_met_or_missed_where_the_whole_interval_says_so(elsewhere):
    columns = "market,leader,followers,gradient,seed,cpu_seconds,control,share,gap,worst_gap"
    (elsewhere / "docs/both-sides/both.csv").write_text(
        f"{columns}\n"
        "here,ppo,shared-ppo,ppo,0,2.6,0.9,0.9,0.001,0.06\n"
        "here,ppo,shared-ppo,ppo,1,2.6,0.8,0.8,0.001,0.06\n"
        "here,ppo,shared-ppo,pathwise,0,2.6,0.9,0.9,0.001,0.01\n"
        "here,ppo,shared-ppo,pathwise,1,2.6,1.0,0.8,0.003,0.05\n"
    )
    aims = WRITE["made"]("both-sides-aims")
    assert "Of 2 pairs 1 meet the leader's aim (PPO on here by the pathwise gradient und" in aims
    assert "0 meet that of the worst gap (PPO on here by PPO's gradient missed, PPO" in aims
    [row] = WRITE["made"]("both-sides").splitlines()[2:]
    assert row == "| here | 100.00 ± 0.00 | 90.00 ± 127.06 | 0.00 ± 0.00 |"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"<!-- numbers: nothing -->\n{END}", "a region must be one of games, .* got 'nothing'"),
        (f"a\n<!-- numbers: share hidden ppo -->{END}", "Markdown wants words before"),
        ("<!-- numbers: games -->\n", "must have its <!-- end of numbers -->"),
        (
            f"a <!-- numbers: share hidden nobody -->{END}",
            r"leaderboard.csv must have one row with",
        ),
        (f"a <!-- numbers: share -->{END}", "region 'share': .* missing 2 required"),
    ],
)
def test_regions_that_cannot_be_made_are_refused(text, told):
    with pytest.raises(ValueError, match=told):
        WRITE["filled"](text)


def test_results_are_brought_where_they_are_kept(elsewhere):
    made = elsewhere / "results" / "leaderboard"
    made.mkdir(parents=True)
    (made / "outside.csv").write_text("new")
    WRITE["bring"](elsewhere / "results")
    assert (elsewhere / "docs/hidden-markets/outside.csv").read_text() == "new"


PRESETS = {
    "one": scenarios.SCENARIOS,
    "several": scenarios.COMPETITION_SCENARIOS,
    "menus": scenarios.MENU_SCENARIOS,
}


@pytest.mark.parametrize("providers", PRESETS)
def test_every_scenario_has_a_card(providers):
    cards = WRITE["made"](f"cards {providers}")
    assert re.findall(r"^- \*\*`(\w+)`", cards, re.MULTILINE) == list(PRESETS[providers])


def test_prices_of_cards_are_those_of_the_oracle(monkeypatch):
    measure = runpy.run_path(str(ROOT / "docs/scenarios/measure.py"))
    monkeypatch.setitem(measure["one"].__globals__, "MARKETS", 400)
    kept = {
        (row["providers"], row["scenario"], row["quantity"]): row
        for row in WRITE["measurements"].table("scenarios/prices")
    }
    assert set(kept) >= {("1", name, "price") for name in scenarios.SCENARIOS}
    for quantity, prices in measure["several"]("calvano"):
        assert float(kept["2", "calvano", quantity]["median"]) == pytest.approx(prices[0], 1e-4)
    for providers, name, solve in (
        ("1", "paper", "one"),
        ("1", "capacity", "one"),
        ("menus", "paper", "by_contract"),
        ("menus", "hidden", "by_contract"),
    ):
        for quantity, values in measure[solve](name):
            of = kept[providers, name, quantity]
            row = {key: float(of[key]) for key in ("least", "low", "high")}
            assert row["low"] < np.median(values) + 1e-2 * row["low"]
            assert np.median(values) <= row["high"] * (1 + 1e-5)
            assert np.min(values) >= row["least"] - 1e-2 * row["least"]


# The page of results


PAGE = (ROOT / "docs/results.md").read_text("utf-8")


def test_no_measured_number_stands_outside_the_blocks():
    prose = WRITE["REGION"].sub("", PAGE)
    assert not re.findall(r"\d\.\d\d|\d %", prose)


def test_the_words_of_the_page_rest_on_these_verdicts():
    runs, learning = paper_report.read(ROOT / "docs/results")
    found = {
        (claim.text, "without exploring" in claim.measure): claim.verdict()
        for claim in (*claims.of_paper(runs, learning), *claims.of_variants(learning))
    }
    small = ", by less than 0.1 %"
    queries = "TPPO queried by the last price ends higher than queried by a learnt vector"
    for text in ("TPPO ends higher than PPO", queries):
        assert found[text, True] == f"undecided{small}"
    for method in ("TPPO", "PPO"):
        assert found[f"{method} beats Greedy", False] == "holds"
        assert found[f"{method} ends higher than Greedy", True] == f"fails: lower{small}"
        # A discount leaves less noise at the end, and the same price.
        usual = f"{method} with γ = 0"
        assert found[f"{usual} converges faster than with γ = 0.9", False] == "undecided"
        assert found[f"{usual} converges higher than with γ = 0.9", False] == "fails: lower"
        assert found[f"{usual} ends higher than with γ = 0.9", True] == f"undecided{small}"
    for text in ("TPPO converges higher than PPO", "At γ = 0.9 TPPO converges higher than PPO"):
        assert found[text, False].startswith("fails: lower")
    for text in ("Price rises as c rises", "Utility rises with the number of VMUs"):
        assert found[f"{text} (TPPO)", False] == "holds"
    assert found["TPPO tracks the equilibrium in (b)–(d)", False] == "holds"


# The pages of the leaderboard and of the field's methods


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.0011, 0.02, "higher"),
        (0.0001, 0.0011, "higher"),  # not all of it within the margin
        (0.0001, 0.0009, "equal within .1 %"),
        (-0.001, 0.001, "equal within .1 %"),
        (-0.0009, -0.0001, "equal within .1 %"),
        (-0.02, -0.0001, "lower"),
        (-0.0011, 0.0001, "undecided"),
        (-0.5, 0.5, "undecided"),
    ],
)
def test_one_rule_of_verdict(low, high, said):
    assert WRITE["leaderboard_tables"].verdict({"low": str(low), "high": str(high)}) == said


@pytest.mark.parametrize(
    ("low", "mean", "high", "shown"),
    [
        (0.005, 0.01, 0.015, "+.0100 ± .0050"),
        (-0.0182, -0.01, -0.0, "−.0100 ± .0100"),
        (0.002, 0.01, 0.0163, "+.0100 [.0020, .0163]"),  # a side shorter by more than a fifth
        (0.001, 0.009, 0.0185, "+.0090 [.0010, .0185]"),  # ± would hold 0
    ],
)
def test_an_interval_is_one_number_where_its_sides_are_alike(low, mean, high, shown):
    row = {"difference": str(mean), "low": str(low), "high": str(high)}
    assert WRITE["leaderboard_tables"].difference(row) == shown


def curve(method, seed, *points, scenario="hidden"):
    of = {"scenario": scenario, "method": method, "seed": seed}
    return [of | {"rounds": r, "seconds": r / 10, "share": share} for r, share in points]


def test_speed_is_interpolated_between_checkpoints(tmp_path, monkeypatch):
    points = [
        # Near at 1,000, the middle of 100 and 10,000 on the axis of logarithms.
        *curve("sac", 0, (100, 0.8), (10_000, 1.0)),
        *curve("sac", 1, (100, 0.8), (12_100, 1.0)),
        *curve("sac", 2, (100, 0.8), (14_400, 1.0), (20_000, 0.7)),
        *curve("td3", 0, (500, 0.95), (1_000, 0.96)),  # near before anybody looked
        *curve("td3", 1, (500, 0.93), (1_000, 0.96)),
        *curve("ppo", 0, (100, 0.8), (1_000, 0.89)),
        *curve("ppo", 1, (100, 0.9), (1_000, 0.89)),
        *curve("sac", 0, (100, 0.9), scenario="drift"),
        *curve("td3", 0, (200, 0.9), scenario="drift"),
    ]
    (tmp_path / "hidden-markets").mkdir()
    pd.DataFrame(points).to_csv(tmp_path / "hidden-markets/curves.csv")
    monkeypatch.setattr(WRITE["measurements"], "DOCS", tmp_path)
    [_, _, *rows] = WRITE["made"]("near sac td3 ppo dqn").splitlines()
    assert rows == [
        "| `hidden` | 1,100 (110 s) | 500 (50 s) | 1 of 2 seeds | – |",
        "| `drift` | 100 (10 s) | 200 (20 s) | – | – |",
    ]
    # Of two seeds that both have; one pair says nothing of others, nor does a curve without end.
    assert WRITE["made"]("faster td3 sac") == "faster in `hidden`; undecided in `drift`"
    assert WRITE["made"]("faster sac td3") == "slower in `hidden`; undecided in `drift`"
    assert WRITE["made"]("faster ppo sac") == "undecided in `hidden`"
    assert WRITE["made"]("faster dqn sac") == "not measured"


def test_the_leaderboards_page_says_where_learners_were_trained():
    rows = WRITE["measurements"].table("hidden-markets/leaderboard", window="all")
    where = {}
    for row in rows:
        where.setdefault(row["method"], set()).add(row["scenario"])
    learners = [name for name in where if is_learner(REGISTRY[name])]
    assert set().union(*map(where.get, learners)) == {"hidden", "capacity", "saturating"}
    assert where["filter"] - where["filter_pathwise"] == {"crowd", "crowd-K40"}


# What is worse is said to be worse


BENCHMARKS = WRITE["benchmark_tables"]


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Writes tables that stand in for those of docs/."""
    monkeypatch.setattr(WRITE["measurements"], "DOCS", tmp_path)
    (tmp_path / "solvers").mkdir()
    return lambda name, *lines: (tmp_path / f"{name}.csv").write_text("\n".join(lines))


def test_certificates_that_fail_are_counted(tables):
    header = "markets,seed,M,K,temperature,converged,beyond,seconds"
    good, left, bad = "random,0,2,2,7,1,-1e-7,1", "hard,0,2,2,9,0,.5,1", "hard,1,2,2,50,1,1e-6,1"
    tables("solvers/nash", header, good, left)
    assert BENCHMARKS.solvers_certificates().startswith("Of 1 equilibria found, none let")
    tables("solvers/nash", header, good, left, bad)
    assert BENCHMARKS.solvers_certificates().startswith("Of 2 equilibria found, 1 let")
    assert BENCHMARKS.solvers_hard() == "In 1 of 2 such markets `nash` finds none."
    assert BENCHMARKS.solvers_found().splitlines()[-1] == (
        "| with an equilibrium | 1 | 0 | 0 | 0 | 0 | 1 |"
    )


def test_cartels_that_fall_short_are_counted(tables):
    rows = ["random,100,100", "random,99,100", "scarce,100,99.9", "scarce,100,100.00001"]
    tables("solvers/cartels", "markets,ours,evolution", *rows)
    assert BENCHMARKS.solvers_cartels().splitlines() == [
        "- Of 2 random markets the search was more than a millionth short in 1, by 10,000 "
        "millionths at most, and found more in none.",
        "- Of 2 markets with scarce capacities the search was more than a millionth short in none, "
        "and found more in 1.",
    ]


def test_what_did_not_run_is_left_out(tables):
    header = "kind,name,package,what,games,cores,agent_steps_per_second"
    two = "batch,q,other,Q,4096,1,4", "batch,q,other,Q,4096,2,"
    tables("beside", header, "single,x,other,X,1,1,7", "single,z,other,Z,1,1,", *two)
    assert BENCHMARKS.beside("single").splitlines()[2:] == ["| other | X | 7 |"]
    assert BENCHMARKS.beside_batch().splitlines()[2:] == ["| other | Q | 4 | – |"]


@pytest.mark.parametrize("region", ["beside nothing", "ratio nothing"])
def test_a_table_that_is_not_there_is_named(region):
    with pytest.raises(ValueError, match=r"'nothing'"):
        WRITE["made"](region)
