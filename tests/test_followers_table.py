"""Trainings of both sides and the rows that they write."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from baselines.arena.task import Task
from baselines.followers import both_table
from baselines.followers.both_table import Case
from baselines.followers.two_time_scales import leader_recipe

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_rows_kept_in_the_docs_are_of_these_cases():
    rows = pd.read_csv(DOCS / "both-sides" / "both.csv")
    assert set(rows["market"]) <= {case.name for case in both_table.CASES}


def test_what_was_trained_is_not_trained_again(monkeypatch, tmp_path):
    task = Task("paper", {"satisfaction": ["200", "300"], "max_cycles": 10})
    monkeypatch.setattr(both_table, "CASES", (Case("here", task),))
    monkeypatch.setattr(both_table, "GAMES", 4)
    monkeypatch.setattr(
        both_table,
        "leader_recipe",
        lambda *words: dataclasses.replace(leader_recipe(*words), rounds=3000),
    )
    out = tmp_path / "both.csv"
    both_table.both_table(out, seeds=1)
    rows = pd.read_csv(out)
    assert list(rows["gradient"]) == ["ppo", "pathwise"]
    assert ((rows["share"] > 0) & (rows["share"] <= 1)).all()
    assert ((rows["control"] > 0) & (rows["control"] <= 1)).all()
    assert (rows["gap"] > 0).all()
    assert (rows["worst_gap"] > rows["gap"]).all()
    monkeypatch.setattr(both_table, "train", lambda *_: pytest.fail("trained again"))
    both_table.both_table(out, seeds=1)
    assert len(pd.read_csv(out)) == 2
