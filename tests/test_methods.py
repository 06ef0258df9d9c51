"""What all pricing methods that nobody trains have in common."""

import json
import math

import numpy as np
import pytest

from aigc_market import LogUniform, Scenario
from aigc_market.ssim import TabulatedSSIM
from baselines.arena.protocol import History
from baselines.arena.registry import REGISTRY, TUNED
from baselines.arena.rollout import play
from baselines.arena.seeds import TRAINING, VALIDATION, training_seed
from baselines.arena.task import Task
from baselines.experiments.leaderboard import tune
from baselines.experiments.leaderboard.pattern_search import Axis, search

NAMES = [name for name, entry in REGISTRY.items() if entry.factory]
PRESETS = ("paper", "hidden", "drift", "shift", "crowd", "capacity")
ROUNDS = {"max_cycles": 4}


def made(name, task, lanes=4, seed=0, **parameters):
    return REGISTRY[name].make(task, lanes, seed, **parameters)


def prices_of(method, task, lanes=4, seed=0):
    """(T, N)."""
    return play(method, task, lanes, seed).price


MARKETS = [
    *((preset, {}) for preset in PRESETS),
    ("hidden", {"K": 1}),
    ("hidden", {"min_steps": 10}),
    ("crowd", {"K": 40}),
]


@pytest.mark.parametrize("name", NAMES)
def test_prices_are_within_the_limits_everywhere(name):
    for scenario, arguments in MARKETS:
        task = Task(scenario, {**ROUNDS, **arguments})
        prices = prices_of(made(name, task, 3), task, 3)
        assert np.isfinite(prices).all()
        assert prices.min() >= 1.0
        assert prices.max() <= 20.0


@pytest.mark.parametrize("name", [name for name in NAMES if name != "equilibrium"])
def test_nobody_buys_and_everybody_is_still_priced(name):
    """Rounds without a purchase, at any price (warnings are errors here)."""
    for scenario in ("shift", "crowd", "capacity"):
        task, rng = Task(scenario), np.random.default_rng(0)
        method, K = made(name, task, 3), task.public().K
        here = np.ones((3, K), bool)
        price = method.act(History(np.empty((3, 0)), np.empty((3, 0, K)), here))
        for t in range(8):
            bought = np.zeros((3, 1, K))
            if t == 5:  # and one that somebody does buy in
                bought[1, 0, 0] = 3.0
            price = method.act(History(price[:, None], bought, here))
            assert np.isfinite(price).all()
            assert ((price >= 1.0) & (price <= 20.0)).all()
            price = price if t % 2 else rng.uniform(1.0, 20.0, 3)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_new_episodes_repeat_what_was_played(name):
    for scenario in ("drift", "crowd"):
        task = Task(scenario, ROUNDS)
        one, two = (prices_of(made(name, task, seed=3), task) for _ in range(2))
        np.testing.assert_array_equal(one, two)
    if name in ("random", "greedy", "epsilon_greedy", "thompson", "bayes_thompson"):
        assert not np.array_equal(one, prices_of(made(name, task, seed=4), task))
    learners = "cils", "cils_discounted", "controlled_variance", "bayes", "likelihood_grid"
    if name in ("constant", *learners):
        method = made(name, task)
        first = prices_of(method, task)
        np.testing.assert_array_equal(first, prices_of(method, task))  # nothing is left


def answers(method, prices, steps, active):
    """What a method posts where these rounds are what it sees, whatever it posts. (T, N)."""
    lanes, K = active.shape[1:]
    posted = [method.act(History(np.empty((lanes, 0)), np.empty((lanes, 0, K)), active[0]))]
    for t in range(len(prices) - 1):
        seen = History(prices[t][:, None], steps[t][:, None], active[t + 1])
        posted.append(method.act(seen))
    return np.stack(posted)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("cils", {}),
        ("cils_discounted", {}),
        ("controlled_variance", {}),
        ("kalman_total", {"spread": 0.0}),
        ("kalman", {"spread": 0.0}),
        ("bayes", {}),
        ("likelihood_grid", {"discount": 0.9}),
    ],
)
def test_lanes_and_slots_may_be_renamed(name, parameters):
    rng = np.random.default_rng(0)
    task, T, N, K = Task("crowd"), 6, 5, 10
    prices, active = rng.uniform(4, 16, (T, N)), rng.random((T, N, K)) < 0.5
    steps = (240 - 10 * prices[..., None]) * rng.uniform(0.5, 1.5, (T, N, K)) * active
    steps[rng.random(steps.shape) < 0.1] = 0.0
    posted = answers(made(name, task, N, **parameters), prices, steps, active)
    lane, slot = rng.permutation(N), rng.permutation(K)
    renamed = answers(
        made(name, task, N, **parameters),
        prices[:, lane],
        steps[:, lane][:, :, slot],
        active[:, lane][:, :, slot],
    )
    np.testing.assert_allclose(renamed, posted[:, lane], rtol=1e-9)
    assert np.ptp(posted[-1]) > 0


def test_untuned_scenarios_are_played_by_default_or_it_is_said_what_is_missing():
    task = Task(Scenario("mine", "noisy", {"satisfaction": LogUniform(80, 400)}), ROUNDS)
    needs = {"constant": "price"}
    for name in NAMES:
        if name in needs:
            message = f"{name} needs {needs[name]}, and was not tuned for 'mine"
            with pytest.raises(ValueError, match=message):
                made(name, task)
        else:
            assert prices_of(made(name, task), task).min() >= 1.0
    np.testing.assert_array_equal(prices_of(made("constant", task, price=7.0), task), 7.0)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"capacity": 150.0},
        {"satisfaction": LogUniform(80, 400)},
        {
            "ssim": TabulatedSSIM([0, 20, 60, 100, 250], [0.0, 0.1, 0.5, 0.6, 0.62]),
            "satisfaction": [2000.0, 3300.0],
        },
    ],
)
def test_the_oracle_earns_the_equilibrium(arguments):
    task = Task(Scenario("mine", arguments=arguments), {"max_cycles": 5})
    played = play(made("equilibrium", task, 3), task, 3, seed=0)
    np.testing.assert_allclose(played.utility, played.equilibrium_utility, rtol=1e-5)
    np.testing.assert_allclose(played.regret / played.equilibrium_utility, 0.0, atol=1e-5)


@pytest.mark.parametrize("scenario", ["drift", "shift", "crowd"])
def test_the_oracle_follows_the_market(scenario):
    task = Task(scenario, {"max_cycles": 20})
    played = play(made("equilibrium", task), task, 4, seed=0)
    assert np.ptp(played.price, axis=0).max() > 0
    np.testing.assert_allclose(played.price, played.equilibrium_price, rtol=1e-6)


# Tuning: the search for their parameters


TUNED_FOR = ("paper", "hidden", "drift", "shift", "crowd", "capacity", "live")
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
    assert set(tuned) == set(TUNED_FOR)
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
