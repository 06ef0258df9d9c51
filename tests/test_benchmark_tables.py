"""Sentences on speed and solvers follow the tables: what is worse is said to be worse."""

import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
sys.path.insert(0, str(DOCS))

import benchmark_tables  # noqa: E402
import measurements  # noqa: E402


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Writes tables that stand in for those of docs/."""
    monkeypatch.setattr(measurements, "DOCS", tmp_path)

    def write(name, header, *rows):
        path = tmp_path / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *rows]) + "\n")

    return write


def test_the_number_of_games_that_plays_most_is_the_tables(tables):
    rows = [f"tensors,{games},2,{speed}" for games, speed in ((16, 100), (4096, 900), (65536, 80))]
    tables("tensors/speed", "view,games,K,rounds_per_second", *rows)
    tables("tensors/memory", "game,K,state,env,step", "stackelberg,2,1,9,8", "stackelberg,2,0,9,7")
    said = benchmark_tables.tensors()
    assert "and 4,096 the most, 900." in said
    assert "9 bytes, and 8 a step that is kept (7 with" in said


def test_missed_goals_are_shown_and_counted(tables):
    header = "name,what,ratio,goal,met,processor,python,date"
    row = "{0},what of {0},1.5,{1},{2},X,3.11,2026-0{3}-01"
    rows = row.format("a", "≥ 1", "yes", 2), row.format("b", "≥ 2", "no", 1)
    tables("benchmarks", header, *rows, row.format("c", "", "yes", 1))
    said = benchmark_tables.benchmarks()
    assert said.startswith("Of 2 rows with goals 1 meet theirs.")
    assert "| what of b | **1.5** | ≥\N{NO-BREAK SPACE}2 |" in said
    assert "what of a" not in said
    assert "| what of a | 1.5 | ≥\N{NO-BREAK SPACE}1 |" in benchmark_tables.benchmarks("a")
    assert said.endswith("Measured on X, Python 3.11, 2026-01-01 and 2026-02-01.")


def test_of_others_the_fastest_is_shown(tables):
    single = [
        "single,a,aigc-market,A,1,1,10",
        "single,b,aigc-market,B,1,1,20",
        "single,x,other,X,1,1,7",
        "single,y,other,Y,1,1,8",
        "single,z,other,Z,1,1,",
        "single,w,other,X in a wrapper,1,1,3",
    ]
    batch = [
        "batch,p,other,P,4096,1,9",
        "batch,p,other,P,4096,2,5",
        "batch,p-64,other,P,64,1,10",
        "batch,q,more,Q,4096,1,4",
        "batch,q,more,Q,4096,2,",
    ]
    rows = *single, *batch
    tables("beside", "kind,name,package,what,games,cores,agent_steps_per_second", *rows)
    assert benchmark_tables.beside("single").splitlines()[2:] == [
        "| aigc-market | A | 10 |",
        "| aigc-market | B | 20 |",
        "| other | Y | 8 |",
        "| other | X in a wrapper | 3 |",
    ]
    assert benchmark_tables.beside_batch().splitlines()[2:] == [
        "| other | P | 9 | 5 |",
        "| more | Q | 4 | – |",
    ]


def test_certificates_that_fail_are_counted(tables):
    header = "markets,seed,M,K,temperature,converged,beyond,seconds"
    good, left, bad = "random,0,2,2,7,1,-1e-7,1", "hard,0,2,2,9,0,.5,1", "hard,1,2,2,50,1,1e-6,1"
    tables("solvers/nash", header, good, left)
    assert benchmark_tables.solvers_certificates().startswith("Of 1 equilibria found, none let")
    tables("solvers/nash", header, good, left, bad)
    assert benchmark_tables.solvers_certificates().startswith("Of 2 equilibria found, 1 let")
    assert benchmark_tables.solvers_hard() == "In 1 of 2 such markets `nash` finds none."
    assert benchmark_tables.solvers_found().splitlines()[-1] == (
        "| with an equilibrium | 1 | 0 | 0 | 0 | 0 | 1 |"
    )


def test_cartels_that_fall_short_are_counted(tables):
    rows = ["random,100,100", "random,99,100", "scarce,100,99.9", "scarce,100,100.00001"]
    tables("solvers/cartels", "markets,ours,evolution", *rows)
    assert benchmark_tables.solvers_cartels().splitlines() == [
        "- Of 2 random markets the search was more than a millionth short in 1, by 10,000 "
        "millionths at most, and found more in none.",
        "- Of 2 markets with scarce capacities the search was more than a millionth short in none, "
        "and found more in 1.",
    ]


def test_a_table_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"docs/beside.csv has no rows of the kind 'nothing'"):
        benchmark_tables.beside("nothing")
    with pytest.raises(ValueError, match=r"a benchmark must be one of aec-rps, .* got 'nothing'"):
        benchmark_tables.ratio("nothing")
