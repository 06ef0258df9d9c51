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


def test_purchases_are_most_where_the_table_has_them(tables):
    speeds = {1: 90, 2: 80, 20: 10, 100: 6, 200: 2, 1000: 0.1}
    rows = [f"tensors,1024,{K},{1000 * speed}" for K, speed in speeds.items()]
    tables("tensors/speed", "view,games,K,rounds_per_second", *rows)
    assert (
        "Of the K measured, purchases a second are most at K = 100: 600,000."
        in benchmark_tables.tensors("vmus")
    )


def test_certificates_that_fail_are_counted(tables):
    header = "markets,seed,M,K,temperature,converged,beyond,seconds"
    good, left, bad = "random,0,2,2,7,1,-1e-7,1", "hard,0,2,2,9,0,.5,1", "hard,1,2,2,50,1,1e-6,1"
    tables("solvers/nash", header, good, left)
    assert benchmark_tables.solvers("certificates").startswith("Of 1 equilibria found, none let")
    tables("solvers/nash", header, good, left, bad)
    assert benchmark_tables.solvers("certificates").startswith("Of 2 equilibria found, 1 let")
    assert benchmark_tables.solvers("hard") == "In 1 of 2 such markets `nash` finds none."
    assert benchmark_tables.solvers("found").splitlines()[-1] == (
        "| with an equilibrium | 1 | 0 | 0 | 0 | 0 | 1 |"
    )


def test_cartels_that_fall_short_are_counted(tables):
    rows = ["random,100,100", "random,99,100", "scarce,100,99.9", "scarce,100,100.00001"]
    tables("solvers/cartels", "markets,ours,evolution", *rows)
    assert benchmark_tables.solvers("cartels").splitlines() == [
        "- Of 2 random markets the search was more than a millionth short in 1, by 10,000 "
        "millionths at most, and found more in none.",
        "- Of 2 markets with scarce capacities the search was more than a millionth short in none, "
        "and found more in 1.",
    ]


def test_a_table_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"a table must be one of found, .* got 'nothing'"):
        benchmark_tables.solvers("nothing")
    with pytest.raises(ValueError, match=r"a benchmark must be one of aec-rps, .* got 'nothing'"):
        benchmark_tables.ratio("nothing")
