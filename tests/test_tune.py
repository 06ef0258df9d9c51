"""The search for parameters of methods that nobody trains."""

import json
import math

import pytest

from baselines.arena.registry import REGISTRY, TUNED
from baselines.arena.rollout import play
from baselines.arena.seeds import TRAINING, VALIDATION, training_seed
from baselines.arena.task import Task
from baselines.experiments.leaderboard import tune
from baselines.experiments.leaderboard.pattern_search import Axis, search

PRESETS = ("paper", "hidden", "drift", "shift", "crowd", "capacity", "live")
HEADER = "scenario,method,configuration,seed,episodes,share,earned,seconds,note"


# The search.


def test_axes_go_on_as_they_end_and_stop_where_the_number_loses_its_meaning():
    axis = Axis((1.0, 2.0, 4.0))
    assert axis.beside(2.0) == (1.0, 4.0)
    assert axis.beside(4.0) == (2.0, 8.0)
    assert axis.beside(1.0) == (0.5, 2.0)
    assert axis.beside(16.0) == (8.0, 32.0)
    assert axis.beside(0.25) == (0.125, 0.5)
    share = Axis((0.0, 0.25, 0.5), high=1)
    assert share.beside(0.0) == (None, 0.25)
    assert share.beside(0.5) == (0.25, 1.0)
    assert share.beside(1.0) == (0.5, None)
    assert Axis((3, 5), low=1, whole=True).beside(5) == (3, 8)
    assert Axis((3, 5), low=1, whole=True).beside(1) == (None, 2)


def test_the_best_configuration_is_never_at_an_edge_that_could_be_moved():
    tried = []

    def score(configuration):
        tried.append(configuration)
        return -abs(math.log2(configuration["x"] / 64)) - (configuration["kind"] != "b")

    best, note = search({"x": Axis((1.0, 2.0)), "kind": ("a", "b")}, score, most=24)
    assert best == {"x": 64.0, "kind": "b"}
    assert note == ""
    assert {"x": 128.0, "kind": "b"} in tried
    assert len(tried) == len({tuple(each.values()) for each in tried})  # none is tried twice


def test_a_bound_of_meaning_is_named_and_so_is_a_search_that_was_cut_short():
    axes = {"x": Axis((0.0, 0.5), high=1)}
    assert search(axes, lambda c: c["x"], 24) == ({"x": 1.0}, "x = 1.0 is a bound of its meaning")
    best, note = search({"x": Axis((1.0, 2.0))}, lambda c: c["x"], 5)
    assert best == {"x": 16.0}
    assert note == "stopped after 5 with 1 neighbours untried"
    with pytest.raises(ValueError, match="first combinations"):
        search({"x": Axis((1.0, 2.0))}, lambda c: c["x"], 1)


# The methods' parameters.


def test_tuned_parameters_are_there_for_all_presets():
    tuned = json.loads(TUNED.read_text())
    assert set(tuned) == set(PRESETS)
    for of_preset in tuned.values():
        assert set(of_preset) == set(tune.GRIDS)
        for name, parameters in of_preset.items():
            assert REGISTRY[name].factory is not None
            assert set(parameters) == set(tune.GRIDS[name])


def test_tuning_keeps_the_best_and_writes_down_all(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tune, "EPISODES", 8)
    grid = {"kappa": Axis((0.1, 8.0), low=0.1), "first": ((6.0, 10.0),)}
    monkeypatch.setitem(tune.GRIDS, "cils", grid)
    out, log = tmp_path / "tuned.json", tmp_path / "docs" / "tuning.csv"
    out.write_text(json.dumps({"shift": {"constant": {"price": 3.0}}}))
    log.parent.mkdir()
    log.write_text(f"{HEADER}\nshift,cils,{{}},1,1,0.5,0.4,1.0,\n")
    for _ in range(2):  # the second time replaces the rows of the first
        tune.tune(("paper",), ("cils",), out, log)
    tuned = json.loads(out.read_text())
    assert tuned == {
        "paper": {"cils": {"kappa": 0.1, "first": [6.0, 10.0]}},
        "shift": {"constant": {"price": 3.0}},
    }
    rows = log.read_text().splitlines()
    assert rows[:2] == [HEADER, "shift,cils,{},1,1,0.5,0.4,1.0,"]
    assert len(rows) == 4
    assert int(rows[2].split(",")[-6]) in VALIDATION
    assert [row.rpartition(",")[2] for row in rows[2:]] == [
        "best; kappa = 0.1 is a bound of its meaning",
        "",
    ]
    assert "paper cils" in capsys.readouterr().out
    assert {path.name for path in tmp_path.rglob("*")} == {"docs", "tuned.json", "tuning.csv"}


def test_the_constant_price_is_what_earns_most_in_training_episodes(tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "EPISODES", 64)
    out, log = tmp_path / "tuned.json", tmp_path / "tuning.csv"
    tune.tune(("hidden",), ("constant",), out, log)
    best = json.loads(out.read_text())["hidden"]["constant"]["price"]
    task = Task("hidden")
    earned = {
        price: play(
            REGISTRY["constant"].make(task, 64, 0, price=price), task, 64, training_seed(0)
        ).utility.sum()
        for price in (best, best - 0.5, best + 0.5, 4.0, 16.0)
    }
    assert max(earned, key=lambda price: earned[price]) == best
    assert int(log.read_text().splitlines()[1].split(",")[-6]) in TRAINING
