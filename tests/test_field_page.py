"""What the page on the field's methods says follows from the tables, and says no more."""

import csv
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WRITE = runpy.run_path(str(ROOT / "docs/write_numbers.py"))
FIELD = WRITE["field_tables"]


@pytest.fixture
def docs(tmp_path, monkeypatch):
    """Writes tables of the leaderboard in place of the kept ones."""
    monkeypatch.setattr(WRITE["measurements"], "DOCS", tmp_path)
    (tmp_path / "hidden-markets").mkdir()

    def write(name, rows):
        with (tmp_path / "hidden-markets" / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return write


def standing(scenario, method, knows, share, seconds=0.0):
    return {
        **{"scenario": scenario, "method": method, "knows": knows, "window": "all"},
        **{"share": share, "train_seconds": seconds, "train_rounds": 10 * seconds},
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
    assert FIELD.verdict({"low": str(low), "high": str(high)}) == said


def test_verdicts_name_the_scenarios_in_which_both_were_measured(docs):
    names = "hidden", "drift", "capacity", "paper"
    docs("leaderboard", [standing(name, "sac", "nothing", 0.9) for name in (*names, "crowd-K40")])
    docs(
        "differences",
        [
            difference("hidden", "td3", "sac", 0.01, 0.005),
            difference("capacity", "td3", "sac", 0.02, 0.005),
            difference("paper", "td3", "sac", 0.0, 0.0005),
            difference("crowd-K40", "td3", "sac", 0.1, 0.01),
        ],
    )
    said = WRITE["made"]("verdicts td3 sac")
    assert said == "higher in `hidden`, `capacity`; equal within .1 % in `paper`"
    assert WRITE["made"]("verdicts sac td3") == "not measured"
    [header, _, *rows] = WRITE["made"]("comparisons td3/sac").splitlines()
    assert header == "|  | `td3` − `sac` |"
    assert rows[0] == "| `hidden` | +.0100 [.0050, .0150], higher |"
    assert len(rows) == 3


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
    [_, _, row] = WRITE["made"]("comparisons best-learner/best-classical").splitlines()
    assert row == "| `hidden` | `ppo` − `cils`: −.0200 [−.0300, −.0100], lower |"
    [_, _, *rows] = WRITE["made"]("takes").splitlines()
    assert rows == [
        "| `hidden` | .960 (`epsilon_greedy`) | .950 (`ppo`, 50 s) | .970 (`cils`) "
        "| .980 (`filter`, 40 s) | – |",
        "| `drift` | – | – | .970 (`cils`) | – | – |",
    ]


def curve(method, seed, *points, scenario="hidden"):
    of = {"scenario": scenario, "method": method, "seed": seed}
    return [of | {"rounds": r, "seconds": r / 10, "share": share} for r, share in points]


def test_speed_is_interpolated_between_checkpoints(docs):
    names = "hidden", "drift"
    docs("leaderboard", [standing(name, "sac", "nothing", 0.9) for name in names])
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
        **{"low": share - 0.01, "high": share + 0.01, "market_share": "", "seeds": seeds},
        **{"seeds_asked": 2, "episodes": 2000, "decision_microseconds": 12.4},
    }


def test_standings_are_by_track_and_say_what_training_cost(docs):
    rows = [
        trained("hidden", "filter", "form", 0.98),
        trained("hidden", "ppo", "nothing", 0.9, seeds="0"),
        trained("hidden", "random", "nothing", 0.6, seeds="0"),
        trained("hidden", "tppo", "nothing", 0.95),
        trained("drift", "filter", "form", 0.97),
    ]
    docs("leaderboard", rows)
    docs("seeds", [{"window": "all", "train_seconds": 1800}] * 5)
    [table, _] = WRITE["made"]("leaderboard").split("</details>")[:2]
    shown = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert shown == [
        "| nothing | `tppo` | .9500 [.9400, .9600] | – | 2 | 36,000 | 3,600 | 12 |",
        "| nothing | `ppo` | .9000 [.8900, .9100] | – | 1 of 2 | 36,000 | 3,600 | 12 |",
        "| nothing | `random` | .6000 [.5900, .6100] | – | – | – | – | 12 |",
        "| form | `filter` | .9800 [.9700, .9900] | – | 2 | 36,000 | 3,600 | 12 |",
    ]
    assert WRITE["made"]("trained").splitlines()[2:] == [
        "| `hidden` | `filter`, `ppo`, `tppo` |",
        "| `drift` | `filter` |",
    ]
    assert WRITE["made"]("played") == (
        "Learned methods have 1 to 2 training seeds in each scenario. There are 2,000 test "
        "episodes. All 5 trainings together took 2.5 CPU hours."
    )
