"""`python -m baselines menus`: ways to sell, learners of menus, what is kept and reported."""

import dataclasses
import itertools
import json

import numpy as np
import pandas as pd
import pytest

import aigc_market
from aigc_market import Market, menus
from baselines import __main__ as command_line
from baselines.arena.menu_rollout import UNITS, play_menus
from baselines.arena.registry import REGISTRY
from baselines.arena.seeds import demonstration_seed, training_seed
from baselines.arena.statistics import difference_interval
from baselines.arena.task import Task
from baselines.arena.training import Training
from baselines.experiments.menus import mechanisms, menu_tables
from baselines.experiments.menus.menus_command import METHODS, seller
from baselines.experiments.menus.selling_units import Selling
from baselines.methods import menu_fixed

PAPER = Task("paper", {"contracts": 2, "max_cycles": 5}, game="menus")
HIDDEN = Task("hidden", {"contracts": 2, "max_cycles": 5}, game="menus")
SMALL = {"rounds": 40, "lanes": 2, "n_steps": 10, "batch_size": 4, "n_epochs": 1, "width": 8}
SMALL |= {"learning_starts": 20, "buffer_size": 40}


def small(method, task=PAPER):
    recipe = REGISTRY[method].get_trainer("menus").recipe(task)
    own = {field.name for field in dataclasses.fields(recipe)}
    return dataclasses.replace(recipe, **{k: v for k, v in SMALL.items() if k in own})


def always(menu, task):
    """An offer of one menu (L, 2), in the units of the environments."""
    settings = task.settings()
    highest = np.array([settings.market.max_steps, settings.fee_bound])
    action = (2.0 * np.asarray(menu) / highest - 1.0).ravel()
    return lambda seen: np.broadcast_to(action, (len(seen), len(action)))


# --- the game as a task


def test_a_task_of_menus_is_its_json_and_has_its_own_environment():
    task = Task.from_json(json.loads(json.dumps(HIDDEN.as_json())))
    assert task == HIDDEN
    assert task != Task("hidden", {"max_cycles": 5})
    assert task.name == "hidden-contracts2-max_cycles5"
    env = task.environment(3)
    assert isinstance(env, aigc_market.envs.pages.menu_vector.MenuVectorEnv)
    assert env.single_action_space.shape == (4,)
    assert PAPER.stands_still
    assert not HIDDEN.stands_still
    assert HIDDEN.digest() != PAPER.digest()
    assert task.digest_parts()["followers"]["class"] == ["aigc_market.followers:QuantalChoice"]
    with pytest.raises(TypeError, match=r"arguments must be among K, .* got 'capacity'"):
        Task("paper", {"capacity": 3.0}, game="menus")


# --- what was played


def test_the_best_menu_loses_nothing_and_shares_are_by_hand():
    market = PAPER.settings().market
    best = menus.solve_menu(market, 2)
    played = play_menus(always(best.menu, PAPER), PAPER, 3, seed=0)
    assert played.regret.shape == (5, 3)
    assert played.menu.shape == (5, 3, 2, 2)
    assert played.share == pytest.approx(1.0, abs=1e-5)
    steps, fee = 150.0, 1000.0  # both take it; the other contract is worth nothing to anyone
    played = play_menus(always([[steps, fee], [0.0, 500.0]], PAPER), PAPER, 3, seed=0)
    utility = 2 * (fee - steps)
    assert played.share == pytest.approx(utility / float(best.asp_utility), rel=1e-4)
    assert played.earned == pytest.approx(played.share)
    worth = 200.0 * float(market.ssim.gain(steps))
    free = 200.0 * float(market.ssim.gain(market.ssim.demand(0.0, 0.0, 250.0)))
    # The contract with fewer steps is meant for one of the two.
    np.testing.assert_allclose(played.participation, 500.0 / 2, rtol=1e-4)
    np.testing.assert_allclose(played.incentive, (worth - fee + 500.0) / 2, rtol=1e-4)
    np.testing.assert_allclose(played.participation_share, 500.0 / free / 2, rtol=1e-4)


def test_gaps_are_of_contracts_in_the_order_of_types():
    """Whatever the order in which a market's types and a menu's contracts stand."""
    one = Task("paper", {"contracts": 2, "satisfaction": [150.0, 250.0]}, game="menus")
    other = Task("paper", {"contracts": 2, "satisfaction": [250.0, 150.0]}, game="menus")
    menu = menus.solve_menu(one.settings().market, 2).menu - [0.0, 1e-3]  # off the ties
    for task, offered in ((one, menu), (one, menu[::-1]), (other, menu)):
        played = play_menus(always(offered, task), task, 1, seed=0)
        assert played.incentive.max() < 0.01
        assert played.participation.max() < 0.01
    turned = [[menu[0, 0], menu[1, 1]], [menu[1, 0], menu[0, 1]]]  # fees of the other
    assert play_menus(always(turned, one), one, 1, seed=0).incentive.min() > 50.0


def test_gaps_are_told_where_there_is_a_contract_for_each_vmu_alone():
    three = Task("paper", {"contracts": 3, "max_cycles": 2}, game="menus")
    played = play_menus(menu_fixed.anything(three, 0), three, 2, seed=0)
    assert np.isnan(played.incentive).all()
    assert np.isfinite(played.regret).all()


def test_sellers_are_compared_on_the_same_episodes():
    played = [play_menus(menu_fixed.anything(HIDDEN, i), HIDDEN, 4, seed=3) for i in (0, 1)]
    np.testing.assert_array_equal(played[0].best, played[1].best)
    assert (played[0].regret != played[1].regret).any()
    assert (played[0].regret >= 0.0).all()


# --- sellers that nobody trains


def test_a_constant_menu_is_the_best_where_the_market_stands_still():
    offer = menu_fixed.constant(PAPER, 0, markets=2)
    assert play_menus(offer, PAPER, 2, seed=0).share > 0.999


def test_a_constant_menu_beats_each_of_a_grid_in_the_markets_that_it_was_found_in():
    task = Task("hidden", {"contracts": 1}, game="menus")
    action = menu_fixed.constant(task, 0, markets=64)(np.zeros((1, 1)))[0]
    settings = task.settings()
    env = task.environment(64)
    env.reset(seed=training_seed(0))

    def earned(menu):
        menu = np.broadcast_to(menu, (64, 1, 2))
        return menus.settle_rational(env.market, menu).asp_utility.mean()

    found = (action.reshape(1, 2) + 1.0) / 2.0 * [250.0, settings.fee_bound]
    grid = np.stack(np.meshgrid(np.linspace(0, 250, 26), np.linspace(0, 6000, 61)), -1)
    assert earned(found) >= max(earned(menu) for menu in grid.reshape(-1, 1, 2))


# --- ways to sell


def test_what_a_linear_price_earns_of_the_best_menu():
    """Half with one type; 82 % with a hundred from U(100, 300)."""
    one = mechanisms.utilities(Market(2))
    assert one[mechanisms.LINEAR] / one[mechanisms.BEST] == pytest.approx(0.5)
    assert one[mechanisms.CONTRACTS[1]] == pytest.approx(one[mechanisms.FIRST_BEST])
    many = mechanisms.utilities(mechanisms.spread_types(100.0))
    assert many[mechanisms.LINEAR] / many[mechanisms.BEST] == pytest.approx(0.8209, abs=1e-4)
    np.testing.assert_allclose(mechanisms.spread_types(100.0).satisfaction.mean(), 200.0)


def test_a_linear_price_is_not_bounded_here():
    few = Market(2, cost=1.0, max_price=2.0)
    free = mechanisms.utilities(few)[mechanisms.LINEAR]
    assert free == pytest.approx(float(aigc_market.solve(Market(2)).asp_utility))
    assert free > 2 * float(aigc_market.solve(few).asp_utility)


@pytest.fixture(scope="module")
def table():
    return pd.DataFrame(mechanisms.rows())


def test_no_way_to_sell_beats_what_can_do_all_that_it_does(table):
    assert list(table.columns) == list(mechanisms.COLUMNS)
    by = table.pivot_table(
        "utility", ["set", "market", "spread", "cost"], "mechanism", dropna=False
    )
    by = by.dropna()
    order = (mechanisms.LINEAR, mechanisms.TARIFF, mechanisms.BEST, mechanisms.FIRST_BEST)
    contracts = (*mechanisms.CONTRACTS.values(), mechanisms.BEST)
    for chain in (order, contracts):
        for less, more in itertools.pairwise(chain):
            assert (by[less] <= by[more] * (1 + 1e-9)).all(), (less, more)


def test_intervals_are_over_drawn_markets(table):
    drawn = table[table["markets"] > 1]
    assert set(drawn["market"]) == {"hidden"}
    share = drawn.set_index("mechanism").loc[mechanisms.LINEAR]
    assert share["of_best_low"] < share["of_best"] < share["of_best_high"]
    assert table[table["markets"] == 1]["of_best_low"].isna().all()
    env = Task("hidden", game="menus").environment(1000)
    env.reset(seed=demonstration_seed(0))
    best = menus.solve_menu(env.market).asp_utility
    assert share["utility"] / best.mean() == pytest.approx(share["of_best"])


# --- learners


@pytest.mark.parametrize("method", METHODS)
def test_a_learner_is_kept_and_plays_as_it_did(method, tmp_path):
    training = Training(REGISTRY[method], HIDDEN, 7, small(method, HIDDEN))
    paths = []
    for folder in ("a", "b"):
        training.execute(tmp_path / folder)
        paths.append(training.file(tmp_path / folder))
    trainer = training.entry.get_trainer("menus")
    offers = [trainer.load(path) for path in paths]
    seen = HIDDEN.environment(3, history=training.recipe.history, **UNITS).reset(seed=0)[0]
    np.testing.assert_array_equal(offers[0](seen), offers[1](seen))  # from its seed alone
    assert offers[0](seen).shape == (3, 4)
    curve = Selling(method, HIDDEN, 7, training.recipe, episodes=2)
    curve.execute(tmp_path / "a")
    record = curve.record(tmp_path / "a")
    assert record["rounds"] >= 40
    assert [point["rounds"] for point in record["curve"]] == sorted(
        point["rounds"] for point in record["curve"]
    )
    assert record["regret"].shape == (2,)
    assert ("noisy_share" in record) == (method != "td3")
    played = play_menus(offers[0], HIDDEN, 2, demonstration_seed(0), training.recipe.history)
    np.testing.assert_allclose(record["regret"], played.regret.sum(axis=0), rtol=1e-5)


def test_every_number_of_a_menu_has_noise_of_its_own():
    for method in ("td3", "diffusion_td3"):
        noise = REGISTRY[method].get_trainer("menus").recipe(PAPER).arguments()["action_noise"]
        assert len(set(noise())) == 4
    sac = REGISTRY["sac"].get_trainer("menus").recipe(PAPER)
    assert sac.arguments()["target_entropy"] == 4 * sac.target_entropy


def test_ppo_learns_a_menu(tmp_path):
    """In a moment; what more does is in the documentation's tables."""
    task = Task("paper", {"contracts": 2}, game="menus")
    recipe = REGISTRY["ppo"].get_trainer("menus").recipe(task)
    recipe = dataclasses.replace(recipe, rounds=12_000)
    training = Training(REGISTRY["ppo"], task, 0, recipe)
    training.execute(tmp_path)
    offer = training.entry.get_trainer("menus").load(training.file(tmp_path))
    untrained = play_menus(always([[125.0, 808.0]] * 2, task), task, 1, seed=0)  # about the mean
    assert play_menus(offer, task, 1, seed=0).share > untrained.share + 0.2


def test_files_of_another_kind_are_refused(tmp_path):
    training = Training(REGISTRY["td3"], PAPER, 0, small("td3"))
    training.execute(tmp_path)
    with pytest.raises(ValueError, match="path must be a policy of ppo for menus"):
        REGISTRY["ppo"].get_trainer("menus").load(training.file(tmp_path))
    with pytest.raises(ValueError, match="dqn must be a method that is trained for the game menus"):
        REGISTRY["dqn"].get_trainer("menus")


# --- the command


def run(monkeypatch, words):
    monkeypatch.setattr("sys.argv", ["baselines", *words.split()])
    command_line.main()


def test_the_command_writes_all_and_does_nothing_twice(monkeypatch, tmp_path):
    words = f"menus --scenario paper --learners ppo td3 random --quick --workers 1 --out {tmp_path}"
    run(monkeypatch, words)
    files = {path.name for path in tmp_path.iterdir() if path.is_file()}
    tables = {"mechanisms.csv", "learners.csv", "curves.csv", "comparisons.csv", "choosers.csv"}
    assert files == {*tables, "menus.md", "mechanisms.png", "learning.png"}
    learners = pd.read_csv(tmp_path / "learners.csv")
    assert list(learners.columns) == list(menu_tables.LEARNERS)
    assert list(learners["method"]) == ["ppo", "td3", "random"]
    assert learners["rounds"].isna().tolist() == [False, False, True]
    compared = pd.read_csv(tmp_path / "comparisons.csv")
    assert compared[["method", "against"]].to_numpy().tolist() == [["ppo", "td3"]]
    shares = learners.set_index("method")["share"]
    assert compared["difference"][0] == pytest.approx(shares["ppo"] - shares["td3"], abs=1e-5)
    page = (tmp_path / "menus.md").read_text("utf-8")
    assert f"{shares['ppo']:.3f}" in page
    assert "## Both sides" in page
    written = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.suffix != ".png"}
    kept = [p for p in written if p.parent.name in ("trained", "sold")]
    assert len(kept) == 2 + 3
    run(monkeypatch, words)
    assert all(p.stat().st_mtime_ns == written[p] for p in kept)


def test_ways_to_sell_need_no_learner(monkeypatch, tmp_path):
    for name in ("learning.png", "choosers.csv"):  # of an earlier run
        (tmp_path / name).touch()
    run(monkeypatch, f"menus --learners --no-both-sides --out {tmp_path} --workers 1")
    assert len(pd.read_csv(tmp_path / "mechanisms.csv")) > 100
    assert not len(pd.read_csv(tmp_path / "learners.csv"))
    assert not (tmp_path / "learning.png").exists()
    assert not (tmp_path / "choosers.csv").exists()


def test_pairs_are_of_one_scenario_and_as_many_seeds():
    rng = np.random.default_rng(0)
    best = np.full(6, 10.0)
    groups = {
        ("paper", 2, "a"): (rng.random((3, 6)), best),
        ("paper", 2, "b"): (rng.random((3, 6)), best),
        ("paper", 3, "a"): (rng.random((3, 6)), best),
        ("hidden", 2, "b"): (rng.random((3, 6)), best),
        ("paper", 2, "random"): (rng.random((3, 6)), best),
    }
    [row] = menu_tables._comparisons(groups)
    assert (row["method"], row["against"]) == ("a", "b")
    (lost, _), (other, _) = groups["paper", 2, "a"], groups["paper", 2, "b"]
    assert row["low"] == difference_interval(lost, other, best).low


def test_a_learner_is_named_with_contracts_and_its_recipe():
    assert seller("ppo=3 rounds=10") == ("ppo", 3, ["rounds=10"])
    assert seller("random") == ("random", 2, [])
