"""The table of both sides: made by code of rows that trainings wrote."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from baselines.arena.task import Task
from baselines.followers import both_table
from baselines.followers.both_table import Case, markdown
from baselines.followers.two_time_scales import leader_recipe

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_table_in_the_docs_is_made_of_the_rows_kept_beside_it():
    rows = pd.read_csv(DOCS / "both-sides" / "both.csv").to_dict("records")
    assert {row["market"] for row in rows} <= {case.name for case in both_table.CASES}
    assert markdown(rows) in (DOCS / "both-sides.md").read_text()


def test_means_stand_beside_the_worst_of_the_seeds():
    row = dict.fromkeys(("rounds", "share_learned", "gap_played"), 0.0)
    row |= {"market": "here", "leader": "ppo", "followers": "shared-ppo", "gradient": "ppo"}
    runs = [
        {"seed": 0, "share": 0.9, "control": 0.9, "gap": 0.001, "worst_gap": 0.01},
        {"seed": 1, "share": 0.8, "control": 1.0, "gap": 0.003, "worst_gap": 0.05},
    ]
    line = markdown([{**row, **run, "cpu_seconds": 2.5} for run in runs]).splitlines()[-1]
    assert line == (
        "| here | ppo | PPO | one network | 2 | 85.00% (80.00%) | 90.00% (80.00%) | "
        "0.200% (0.300%) | 3.00% (5.00%) | 2.5 |"
    )


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
    page = tmp_path / "page.md"
    page.write_text("Before.\n\n| market | old |\n|---|---|\n| there | 1 |\n\nAfter.\n")
    both_table.both_table(out, page, seeds=1)
    rows = pd.read_csv(out)
    assert list(rows["gradient"]) == ["ppo", "pathwise"]
    assert ((rows["share"] > 0) & (rows["share"] <= 1)).all()
    assert ((rows["control"] > 0) & (rows["control"] <= 1)).all()
    assert (rows["gap"] > 0).all()
    assert (rows["worst_gap"] > rows["gap"]).all()
    made = markdown(rows.to_dict("records"))
    assert page.read_text() == f"Before.\n\n{made}\nAfter.\n"
    monkeypatch.setattr(both_table, "train", lambda *_: pytest.fail("trained again"))
    both_table.both_table(out, page, seeds=1)
    assert len(pd.read_csv(out)) == 2


def test_a_page_without_the_table_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("| other |\n")
    with pytest.raises(ValueError, match=r"page must have a table .* got '.*page\.md'"):
        both_table.put(page, "")
