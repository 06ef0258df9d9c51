"""The search for parameters of methods that nobody trains."""

import json

import numpy as np
import pytest

from baselines.arena.registry import REGISTRY, TUNED
from baselines.arena.rollout import play
from baselines.arena.seeds import VALIDATION
from baselines.arena.task import Task
from baselines.experiments.leaderboard import tune

PRESETS = ("paper", "hidden", "drift", "shift", "crowd", "capacity")


def test_tuned_parameters_are_there_for_all_presets():
    tuned = json.loads(TUNED.read_text())
    for preset in PRESETS:
        assert {*tune.GRIDS, "constant"} == set(tuned[preset])
    for of_preset in tuned.values():
        for name in of_preset:
            assert REGISTRY[name].factory is not None
    assert all(len(tune._grid(name)) <= 16 for name in tune.GRIDS)


def test_tuning_keeps_the_best_and_writes_down_all(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tune, "EPISODES", 8)
    monkeypatch.setitem(tune.GRIDS, "cils", {"kappa": [0.1, 8.0], "first": [(6.0, 10.0)]})
    out, log = tmp_path / "tuned.json", tmp_path / "docs" / "tuning.csv"
    out.write_text(json.dumps({"shift": {"constant": {"price": 3.0}}}))
    log.parent.mkdir()
    log.write_text(
        "scenario,method,configuration,seed,episodes,share,seconds\nshift,cils,{},1,1,0.5,1.0\n"
    )
    for _ in range(2):  # the second time replaces the rows of the first
        tune.tune(("paper",), ("cils",), out, log)
    tuned = json.loads(out.read_text())
    assert tuned["paper"]["cils"] == {"kappa": 0.1, "first": [6.0, 10.0]}
    assert tuned["paper"]["constant"]["price"] == pytest.approx(8.0)
    assert tuned["shift"] == {"constant": {"price": 3.0}}
    rows = log.read_text().splitlines()
    assert rows[0] == "scenario,method,configuration,seed,episodes,share,seconds"
    assert rows[1] == "shift,cils,{},1,1,0.5,1.0"
    assert len(rows) == 4
    assert int(rows[2].split(",")[-4]) in VALIDATION
    assert "paper cils" in capsys.readouterr().out
    assert {path.name for path in tmp_path.rglob("*")} == {"docs", "tuned.json", "tuning.csv"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scenarios": ("nowhere",)}, "scenarios must be one of"),
        ({"methods": ("random",)}, "methods must be one of"),
    ],
)
def test_what_cannot_be_tuned_is_refused(tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        tune.tune(**given, out=tmp_path / "tuned.json", log=tmp_path / "tuning.csv")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("low", [0, 10])
def test_what_is_learnt_from_training_markets(monkeypatch, low):
    monkeypatch.setattr(tune, "EPISODES", 64)
    arguments = {"min_steps": low, "max_cycles": 40}
    known = tune.learn_from_markets(Task("paper", arguments))
    assert known["price"] == pytest.approx(8.0)
    line = [0.075 / 3.48e-4, 1 / (3.48e-4 * 200)]
    np.testing.assert_allclose(known["slot"]["mean"], line)
    np.testing.assert_allclose(known["total"]["mean"], line)
    task = Task("crowd", arguments)
    price = tune.learn_from_markets(task)["price"]
    constant = {
        price: play(REGISTRY["constant"].make(task, 64, 0, price=price), task, 64, 0).share
        for price in (price, 6.0, 16.0)
    }
    assert max(constant, key=lambda price: constant[price]) == next(iter(constant))
