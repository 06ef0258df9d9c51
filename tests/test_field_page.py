"""What the page on the field's methods says follows from the tables, and says no more."""

import csv
import runpy
from pathlib import Path

import pytest

from baselines.arena.registry import REGISTRY
from baselines.experiments.leaderboard.result import is_learner

ROOT = Path(__file__).resolve().parents[1]
WRITE = runpy.run_path(str(ROOT / "docs/write_numbers.py"))
LEADERBOARD = WRITE["leaderboard_tables"]


@pytest.fixture
def docs(tmp_path, monkeypatch):
    """Writes tables of the leaderboard in place of the kept ones."""
    monkeypatch.setattr(WRITE["measurements"], "DOCS", tmp_path)

    def write(name, rows, folder="hidden-markets"):
        (tmp_path / folder).mkdir(exist_ok=True)
        with (tmp_path / folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return write


def standing(scenario, method, knows, share, seconds=0.0):
    return {
        **{"scenario": scenario, "method": method, "knows": knows, "window": "all"},
        **{"share": share, "train_seconds": seconds},
    }


def difference(scenario, method, of, mean, width, reference=None):
    return {
        **{"scenario": scenario, "method": method, "reference": reference or of, "of": of},
        **{"window": "all", "difference": mean, "low": mean - width, "high": mean + width},
    }


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
    assert LEADERBOARD.verdict({"low": str(low), "high": str(high)}) == said


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
    assert LEADERBOARD.difference(row) == shown


def test_verdicts_stand_where_both_were_measured(docs):
    docs(
        "differences",
        [
            difference("hidden", "td3", "sac", 0.01, 0.005),
            difference("drift", "ppo", "sac", -0.001, 0.005),
            difference("capacity", "td3", "sac", 0.0, 0.0005),
            difference("crowd-K40", "td3", "sac", 0.1, 0.01),
        ],
    )
    assert WRITE["made"]("verdicts td3/sac ppo/sac").splitlines() == [
        "|  | `td3` − `sac` | `ppo` − `sac` |",
        "| --- | --- | --- |",
        "| `hidden` | higher, +.0100 ± .0050 | – |",
        "| `drift` | – | undecided, −.0010 ± .0050 |",
        "| `capacity` | equal within .1 %, +.0000 ± .0005 | – |",
    ]


def test_windows_are_the_first_rounds_and_all(docs):
    first = difference("hidden", "td3", "sac", -0.02, 0.01) | {"window": "1-10"}
    docs("differences", [first, difference("hidden", "td3", "sac", 0.01, 0.005)])
    [_, _, *rows] = WRITE["made"]("windows td3 sac").splitlines()
    assert rows == ["| `hidden` | −.0200 ± .0100 | +.0100 ± .0050 |"]


def test_the_best_learner_is_the_best_of_those_that_are_trained_and_told_nothing(docs):
    docs(
        "leaderboard",
        [
            standing("hidden", "sac", "nothing", 0.90, 70),
            standing("hidden", "ppo", "nothing", 0.95, 50),
            standing("hidden", "epsilon_greedy", "nothing", 0.96),
            standing("hidden", "filter", "form", 0.98, 40.4),
            standing("hidden", "cils", "form", 0.97),
            standing("drift", "cils", "form", 0.97),
            standing("drift", "bayes", "law", 0.99),
        ],
    )
    of = "best classical"
    docs(
        "differences",
        [
            difference("hidden", "sac", of, -0.07, 0.01, "cils"),
            difference("hidden", "ppo", of, -0.02, 0.01, "cils"),
        ],
    )
    [header, _, row] = WRITE["made"]("verdicts best-learner/best-classical").splitlines()
    assert header == "|  | best learner − best classical |"
    assert row == "| `hidden` | lower, −.0200 ± .0100 |"
    [_, _, *rows, _, told] = WRITE["made"]("takes").splitlines()
    assert rows[:2] == [
        "| `hidden` | .960 | .970 | .980 | – | – |",
        "| `drift` | – | .970 | – | – | .990 |",
    ]
    assert told == (
        "Where no name stands: `epsilon_greedy` (nothing), `cils` (form, classical), "
        "`filter` (form, fitted), `bayes` (law)."
    )


def test_the_best_are_named_by_scenario_where_they_differ(docs):
    rows = [("hidden", "cils", 0.97), ("hidden", "kalman", 0.96), ("drift", "kalman", 0.97)]
    docs("leaderboard", [standing(name, method, "form", x) for name, method, x in rows])
    [_, _, *rows] = WRITE["made"]("takes").splitlines()
    assert rows[:2] == [
        "| `hidden` | – | .970 (`cils`) | – | – | – |",
        "| `drift` | – | .970 (`kalman`) | – | – | – |",
    ]


def curve(method, seed, *points, scenario="hidden"):
    of = {"scenario": scenario, "method": method, "seed": seed}
    return [of | {"rounds": r, "seconds": r / 10, "share": share} for r, share in points]


def test_speed_is_interpolated_between_checkpoints(docs):
    docs(
        "curves",
        [
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
        ],
    )
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


def trained(scenario, method, knows, share, seeds="0 1"):
    return standing(scenario, method, knows, share, 3600) | {
        **{"low": share - 0.01, "high": share + 0.01, "seeds": seeds, "episodes": 2000},
    }


def test_how_much_was_played_is_counted(docs):
    rows = [
        trained("hidden", "filter", "form", 0.98),
        trained("hidden", "ppo", "nothing", 0.9, seeds="0"),
        trained("drift", "filter", "form", 0.97),
    ]
    docs("leaderboard", rows)
    docs("seeds", [{"window": "all", "train_seconds": 1800}] * 5)
    assert WRITE["made"]("played") == (
        "Learned methods have 1 to 2 training seeds in each scenario. There are 2,000 test "
        "episodes. All 5 trainings together took 2.5 CPU hours."
    )


def test_sizes_of_crowds_stand_side_by_side(docs):
    names = {"crowd": 0.9, "crowd-K40": 0.95, "hidden": 0.5}
    docs("leaderboard", [trained(name, "filter", "form", x) for name, x in names.items()])
    assert WRITE["made"]("sizes filter").splitlines() == [
        "|  | K = 10 | K = 40 |",
        "| --- | --- | --- |",
        "| `filter` | .9000 ± .0100 | .9500 ± .0100 |",
    ]


def test_what_another_law_costs(docs):
    of = {"scenario": "drift", "method": "filter"}
    docs(
        "outside",
        [
            of | {"change": "unchanged", "share": 0.95, "lost": 0},
            of | {"change": "quantal", "share": 0.96, "lost": -0.01},
            of | {"change": "quantal", "share": 0.5, "lost": 0.4, "scenario": "hidden"},
        ],
    )
    assert WRITE["made"]("outside drift filter").splitlines() == [
        "|  | share | quantal |",
        "| --- | --- | --- |",
        "| `filter` | .950 | −.010 |",
    ]


def test_a_ceiling_is_rounded_up(docs):
    docs("ceiling", [{"window": "1-10", "high": 0.97}, {"window": "all", "high": 0.99601}])
    assert WRITE["made"]("ceiling") == ".9961"


def test_learners_track_the_papers_equilibrium_or_not(docs):
    market = {"figure": "2b", "num_vmus": 2, "cost": 1.0, "equilibrium_utility": 100.0}
    utility = {("ppo", 0): 99.99, ("ppo", 1): 99.98, ("td3", 0): 99.9, ("td3", 1): 95.0}
    rows = [market | {"method": m, "seed": s, "utility": x} for (m, s), x in utility.items()]
    docs("runs", rows, folder="results")
    assert WRITE["made"]("tracking ppo td3") == "holds for `ppo`; undecided for `td3`"
    assert WRITE["made"]("worst ppo td3") == "5.0 %"
    assert WRITE["made"]("worst ppo") == ".1 %"  # rounded up


def test_the_leaderboards_page_says_where_learners_were_trained():
    rows = WRITE["measurements"].table("hidden-markets/leaderboard", window="all")
    where = {}
    for row in rows:
        where.setdefault(row["method"], set()).add(row["scenario"])
    learners = [name for name in where if is_learner(REGISTRY[name])]
    assert set().union(*map(where.get, learners)) == {"hidden", "capacity", "saturating"}
    assert where["filter"] - where["filter_pathwise"] == {"crowd", "crowd-K40"}
