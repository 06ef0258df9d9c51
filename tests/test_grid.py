"""The grid on which the learners of the paper's market were tuned."""

import dataclasses

import pandas as pd

from baselines.experiments.paper import grid


def test_the_grid_is_written_down(tmp_path, monkeypatch, capsys):
    tiny = {"rounds": 200, "lanes": 2, "n_steps": 10, "batch_size": 10, "n_epochs": 1}
    usual = grid.recipe
    monkeypatch.setattr(grid, "recipe", lambda *given: dataclasses.replace(usual(*given), **tiny))
    monkeypatch.setattr(grid, "GRID", {"learning_rate": (1e-3, 1e-1), "gamma": (0.0,)})
    grid.tune(tmp_path, seeds=1, workers=1)
    rows = pd.read_csv(tmp_path / "tuning.csv")
    assert list(rows.columns) == ["method", "learning_rate", "gamma", "seed", "training", "after"]
    assert list(rows["method"]) == ["ppo", "ppo", "tppo", "tppo"]
    assert rows["seed"].nunique() == 1
    assert rows[["training", "after"]].stack().between(0, 1).all()
    for method, of_method in rows.groupby("method"):
        assert of_method["after"].nunique() == 2, method  # the rate makes a difference
    shown = capsys.readouterr().out
    assert all(f"{share:.4f}" in shown for share in rows["training"])

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    grid.tune(tmp_path, seeds=1, workers=1)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()} == before
    assert pd.read_csv(tmp_path / "tuning.csv").equals(rows)
