"""What all pricing methods that nobody trains have in common."""

import dataclasses
import inspect
import json

import numpy as np
import pandas as pd
import pytest

from aigc_market import LogUniform, Scenario
from aigc_market.scenarios import SCENARIOS
from aigc_market.ssim import TabulatedSSIM
from baselines.arena.protocol import History
from baselines.arena.registry import REGISTRY, TUNED, imported
from baselines.arena.rollout import play
from baselines.arena.seeds import validation_seed
from baselines.arena.task import Task
from baselines.experiments.leaderboard import tune

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
    learners = "cils", "cils_discounted", "bayes", "likelihood_grid"
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


def searched(space, score, trials):
    """The points that are tried where each has its score."""
    points = []

    def merit(point):
        points.append(point)
        return score(point)

    tune.search(space, trials, merit)
    return points


def test_a_search_proposes_different_points_and_the_same_ones_again():
    space = {"x": tuple(range(40)), "kind": ((1.0, 2.0), (2.0, 1.0))}

    def score(point):
        return -abs(point["x"] - 29) - 3 * (point["kind"] == (1.0, 2.0))

    points = searched(space, score, 24)
    assert len(points) == len({tuple(point.values()) for point in points}) == 24
    assert points[:12] == searched(space, score, 12)
    best = max(points, key=score)
    assert (abs(best["x"] - 29) <= 1, best["kind"]) == (True, (2.0, 1.0))


def test_a_small_space_is_searched_whole():
    space = {"x": (1, 2, 3), "y": ("a", "b")}
    points = searched(space, lambda point: 0.0, 24)
    assert points == [{"x": x, "y": y} for x in (1, 2, 3) for y in "ab"]


def test_tuned_parameters_are_those_of_the_spaces():
    tuned = json.loads(TUNED.read_text())
    assert set(tuned) == set(SCENARIOS)
    untrained = {name for name in tune.SPACES if REGISTRY[name].factory is not None}
    for scenario, of_preset in tuned.items():
        known = {"bayes_information"} if Task(scenario).stands_still else set()
        if scenario not in ("hidden", "saturating"):
            known |= {"log_cils", "log_grid"} - set(of_preset)  # of another form of demand
        assert set(of_preset) == untrained - known
        for name, parameters in of_preset.items():
            assert set(parameters) == set(tune.SPACES[name])


def test_methods_of_a_track_are_chosen_by_money_and_recipes_are_searched_too():
    for name, space in tune.SPACES.items():
        entry = REGISTRY[name]
        if entry.factory is None:
            recipe = entry.get_trainer().recipe(Task("hidden"))
            assert set(space) <= {field.name for field in dataclasses.fields(recipe)}
        else:
            known = inspect.signature(imported(entry.factory)).parameters
            assert set(space) <= set(known)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Tunes on 8 episodes of three prices; a call gives the rows of tuning.csv."""
    monkeypatch.setitem(tune.SPACES, "constant", {"price": (3.0, 9.0, 15.0)})
    (tmp_path / "tuned.json").write_text(json.dumps({"shift": {"constant": {"price": 3.0}}}))

    def run(name="constant", scenario="hidden"):
        given = {"episodes": 8, "workers": 1, "tuned": tmp_path / "tuned.json"}
        tune.tune((name,), (scenario,), out=tmp_path, **given)
        return pd.read_csv(tmp_path / "tuning.csv", keep_default_na=False)

    return run


def test_tuning_keeps_what_earned_most_in_validation_episodes(small, tmp_path):
    table = small()
    task = Task("hidden")
    for row in table.itertuples():
        price = json.loads(row.configuration)["price"]
        method = REGISTRY["constant"].make(task, 8, 0, price=price)
        played = play(method, task, 8, validation_seed(0))
        earned = played.utility.sum() / played.equilibrium_utility.sum()
        assert (row.earned, row.share) == pytest.approx((earned, played.share), abs=1e-6)
    best = json.loads(table.loc[table["earned"].idxmax(), "configuration"])
    assert [row.best for row in table.itertuples()].count("best") == 1
    tuned = json.loads((tmp_path / "tuned.json").read_text())
    assert tuned == {"hidden": {"constant": best}, "shift": {"constant": {"price": 3.0}}}


def test_a_rule_told_the_law_is_chosen_by_share_unless_nothing_is_hidden(small, monkeypatch):
    monkeypatch.setitem(tune.SPACES, "bayes_information", {"horizon": (0.0, 16.0)})
    table = small("bayes_information").set_index("best")
    assert table.loc["best", "share"] == table["share"].max()
    with pytest.raises(ValueError, match="must leave something to be tuned"):
        small("bayes_information", "paper")


def test_a_search_goes_on_where_it_stopped(small, tmp_path, monkeypatch):
    tried = []

    def stops(self, configuration, out, kept=tune.Search._tried):
        tried.append(configuration["price"])
        if len(tried) == 2:
            raise KeyboardInterrupt
        return kept(self, configuration, out)

    monkeypatch.setattr(tune.Search, "_tried", stops)
    with pytest.raises(KeyboardInterrupt):
        small()
    assert len(small()) == 3
    small()
    assert tried == [3.0, 9.0, 9.0, 15.0]
