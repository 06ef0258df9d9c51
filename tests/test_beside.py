"""What is measured beside other packages, without these packages."""

import ast
import csv
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "tests" / "benchmarks"


@pytest.fixture(scope="module")
def beside():
    """The module, whose neighbours are imported by their bare names."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import beside

        yield beside
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_each_row_names_a_function_that_takes_its_arguments(beside):
    for row in beside.ROWS:
        module, name = row.side.split(":")
        tree = ast.parse((BENCHMARKS / f"{module}.py").read_text("utf-8"))
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert len(functions[name].args.args) == 1 + len(row.arguments), row.name


def test_names_are_unique_and_quick_rows_exist(beside):
    names = [row.name for row in beside.ROWS]
    assert len({*names}) == len(names)
    assert {*beside.QUICK} <= {*names}


def test_the_table_has_each_row_once_on_each_number_of_cores(beside):
    with beside.TABLE.open(encoding="utf-8", newline="") as file:
        kept = [(row["name"], row["cores"]) for row in csv.DictReader(file)]
    assert kept == [(row.name, str(cores)) for row in beside.ROWS for cores in row.cores]


def test_a_row_is_measured_in_a_process_of_its_own(beside):
    row = beside.Peer("aec", "single", "turns", ("aigc-market",), "beside_single:turns")
    run = beside.Run(row, 1)
    beside.measured([run], slices=2, seconds=0.01)
    assert run.note == ""
    assert len(run.rates) == 2
    line = run.line()
    assert 0 < int(line["low"]) <= int(line["agent_steps_per_second"]) <= int(line["high"])


def test_what_does_not_run_says_why_and_is_not_tried_again(beside):
    row = beside.Peer("no such row", "single", "nothing", ("no-such-package",), "nowhere:nothing")
    run = beside.Run(row, 1)
    beside.measured([run], slices=2, seconds=0.01)
    assert run.rates == []
    line = run.line()
    assert line["note"].startswith("StopIteration")
    assert line["agent_steps_per_second"] == ""
    assert line["versions"] == "no-such-package (not installed)"
