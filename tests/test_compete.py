"""Sellers that learn beside each other: training in lockstep, measures, cross-play, the command."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from aigc_market import competition
from baselines.experiments.compete import contest_figures, meeting
from baselines.experiments.compete.compete import compete, meetings
from baselines.experiments.compete.contest import Meeting, Training
from baselines.experiments.compete.meeting import Scripted, benchmark
from baselines.methods.sellers.games import Games
from baselines.methods.sellers.lockstep import Sellers, train
from baselines.methods.sellers.seller_recipes import LEARNED, VARIANTS, SellerRecipe, parts
from baselines.methods.sellers.theory import markets_of, units_of, value_of_prices
from baselines.runs import policy_files

TINY = SellerRecipe(
    rounds=160, lanes=4, table_lanes=2, n_steps=8, batch_size=32, n_epochs=2, max_cycles=20
)


def met(row, column, scenario="calvano"):
    known = benchmark(scenario)
    sellers = [Scripted(row), *[Scripted(column)] * (known.theory.market.M - 1)]
    return meeting.measure(meeting.play(sellers, known), known)


# Training


@pytest.mark.parametrize("method", [*LEARNED, "ppo_myopic", "ppo_shared", "dqn_shared"])
def test_every_method_learns_in_lockstep(method, tmp_path):
    sellers = train("duopoly", method, 0, TINY)
    assert len(sellers.learners) == (1 if method.endswith("shared") else 2)
    assert [row["rounds"] for row in sellers.curve][-1] == TINY.rounds
    games = Games("duopoly", 3, 30)
    games.reset(5)
    sellers.keep(tmp_path / "kept.safetensors")
    kept = Sellers.load(tmp_path / "kept.safetensors")
    for _ in range(3):
        prices = np.stack([sellers.price(games, seat) for seat in range(2)], axis=-1)
        assert sellers.units.low <= prices.min() <= prices.max() <= sellers.units.high
        assert prices[:, 1].tolist() == kept.price(games, 1).tolist()
        games.step(prices)
    assert (kept.method, kept.seed, kept.curve) == (method, 0, sellers.curve)


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        ({"recipe": {}}, {}),
        ({"units": {"prize": 1}}, {}),
        ({"method": "nobody"}, {}),
        ({}, {"0.q": torch.ones(2)}),
        ({"recipe": 5}, {}),
    ],
)
def test_a_file_of_other_sellers_is_named(tmp_path, config, weights):
    path, units, recipe = tmp_path / "kept.safetensors", units_of("duopoly"), vars(TINY)
    whole = {"scenario": "duopoly", "method": "ppo", "seed": 0, "units": vars(units)}
    policy_files.write(path, weights, {**whole, "recipe": recipe, "curve": [], **config})
    with pytest.raises(ValueError, match=r"path must be of sellers .*kept\.safetensors'"):
        Sellers.load(path)


@pytest.mark.parametrize("method", ["q_learning", "dqn", "ppo"])
def test_training_follows_its_seed(method):
    recipe = dataclasses.replace(TINY, rounds=64)
    first, again, other = (train("calvano", method, seed, recipe) for seed in (1, 1, 2))
    assert first.curve == again.curve
    assert first.curve != other.curve


def test_discount_zero_values_prices_by_a_round():
    # One state of the others' prices, no exploring left to chance: the mean reward is what is held.
    sellers = train("calvano", "q_learning_myopic", 0, TINY)
    values = sellers.learners[0].weights()["values"].numpy()
    assert values.min() >= 0.0
    assert values.max() < 3.0  # of one round, in multiples of what Nash prices earn


def test_prices_are_valued_against_rivals_that_draw_theirs():
    units, market = units_of("calvano"), benchmark("calvano").theory.market
    prices = units.price(units.grid)
    by_hand = []
    for price in prices:
        earned = []
        for other in prices:
            answer = competition.respond(market, [price, other])
            earned.append((price - 1.0) * answer.shares[0, 0])
        by_hand.append(np.mean(earned) / units.utility)
    assert value_of_prices(units, market, 0) == pytest.approx(by_hand, rel=1e-6)
    assert value_of_prices(units, market, 1) == pytest.approx(by_hand, rel=1e-6)


def test_the_range_is_that_of_calvanos_grid():
    grid = competition.price_grid(benchmark("calvano").theory.market)[0]
    units = units_of("calvano")
    assert units.price(units.grid) == pytest.approx(grid, abs=1e-6)
    assert units.position(units.price(units.grid)) == pytest.approx(units.grid)


def test_vmus_learn_beside_sellers():
    sellers = train("duopoly", "ppo_vmus", 0, TINY)
    games = Games("duopoly", 3, 30)
    games.reset(0)
    prices = np.full((3, 2), 4.0)
    shares, steps = sellers.vmus(games.market, prices, np.random.default_rng(0))
    assert shares.shape == steps.shape == (3, 2, 2)
    assert shares.sum(axis=1) == pytest.approx(np.ones((3, 2)))
    assert steps.min() >= 0
    assert steps.max() <= 250
    known = benchmark("duopoly")
    played = meeting.play([sellers, sellers], known, sellers.vmus)
    assert played.vmu_regret.min() > -1e-9
    assert meeting.measure(played, known)["vmu_regret"] > 0
    assert meeting.regret_everywhere(sellers.vmus, sellers.units, known) > 0


# Measures


@pytest.mark.parametrize("scenario", ["duopoly", "calvano", "road"])
def test_nash_prices_measure_nothing_and_cartel_prices_one(scenario):
    nash, cartel = (met(price, price, scenario) for price in ("nash", "cartel"))
    for found, expected in ((nash, 0.0), (cartel, 1.0)):
        for name in ("profit_gain", "price_gain", "users_loss"):
            assert found[name] == pytest.approx(expected, abs=1e-3), name
    assert nash["vmu_regret"] == pytest.approx(0.0, abs=1e-3)
    assert 0 <= nash["nash_conv"] < 1e-4 < 0.1 < cartel["nash_conv"]
    assert nash["period"] == (None if scenario == "road" else 1)
    assert met("tit_for_tat", "tit_for_tat", scenario)["profit_gain"] == pytest.approx(1, abs=1e-3)


def test_best_replies_go_to_nash():
    # A reply is as good as the best to a share of 1e-6: its price to a share of about 1e-3.
    found = met("best_reply", "best_reply")
    assert found["price"] == pytest.approx(found["nash_price"], rel=2e-3)
    assert found["profit_gain"] == pytest.approx(0.0, abs=5e-3)


def test_best_reply_to_the_cartel_is_the_papers():
    found = met("cartel", "best_reply")
    assert found["price"] == pytest.approx([1.924981, 1.6617], rel=2e-3)
    assert found["utility"][1] == pytest.approx(0.41169, abs=1e-4)
    nash, cartel = 0.222927, 0.337490
    assert found["seat_gain"][1] == pytest.approx((0.41169 - nash) / (cartel - nash), abs=1e-3)
    # Who is at its best reply gains nothing by deviating; the other does.
    assert found["deviation_gain"][1] == pytest.approx(0.0, abs=1e-4)
    assert found["deviation_gain"][0] > 0.01


def test_prices_that_come_again():
    known = benchmark("calvano")

    class Swing:
        def price(self, games, seat):
            high = games.last_prices is None or games.last_prices[0, seat] < 1.7
            return np.array([1.8 if high else 1.6])

    assert meeting.measure(meeting.play([Swing(), Swing()], known), known)["period"] == 2


def test_tit_for_tat_answers_a_deviation():
    known = benchmark("calvano")
    nash, cartel = (solved["prices"][0, 0] for solved in (known.nash, known.cartel))
    found = meeting.deviate([Scripted("tit_for_tat")] * 2, known, 1, gamma=0.95)
    best = 1.6617
    way = (best - nash[0]) / (cartel[0] - nash[0])
    answered = nash[0] + way * (cartel[0] - nash[0])
    at = meeting.BEFORE
    assert np.array(found["paths"][:at]) == pytest.approx(np.tile(cartel, (at, 1)), abs=1e-4)
    assert found["paths"][at] == pytest.approx([best, cartel[0]], rel=2e-3)
    assert found["paths"][at + 1] == pytest.approx([cartel[0], answered], rel=2e-3)
    assert found["paths"][at + 2] == pytest.approx([answered, cartel[0]], rel=2e-3)
    assert np.array(found["undisturbed"]) == pytest.approx(
        np.tile(cartel, (len(found["paths"]), 1)), abs=1e-4
    )


# The command


def test_who_meets_whom():
    plan = meetings(["calvano"], ["ppo", "ppo_vmus", "nash"], 2, TINY)
    names = [str(met) for met in plan]
    assert len(names) == len(set(names))
    assert "ppo-seed0 against ppo-seed1 on calvano" in names
    assert "nash against ppo-seed1 on calvano" in names
    assert "ppo_vmus-seed0 against ppo_vmus-seed0 on calvano" in names
    assert not any("followers" in name and "nash" in name for name in names)
    alone = meetings(["calvano"], ["ppo"], 1, TINY)
    assert [met.own for met in alone] == [True]


def test_what_was_kept_is_taken_up(tmp_path):
    arguments = {
        "scenario": ("calvano",),
        "methods": ("q_learning", "nash"),
        "seeds": 2,
        "rounds": 200,
        "out": tmp_path,
        "workers": 1,
    }
    compete(**arguments)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {"sellers.csv", "crossplay.csv", "curves.csv", "deviations.csv", "compete.md"} <= {
        path.name for path in files
    }
    assert {"learning.png", "gains.png", "crossplay.png", "deviation.png"} <= {
        path.name for path in files
    }
    tables = {path.name: path.read_text("utf-8") for path in files if path.suffix == ".csv"}
    kept = {p: p.stat().st_mtime_ns for p in files if p.parent.name in ("trained", "met")}
    lost = next(p for p in kept if "nash-q_learning-seed1" in p.name)
    lost.unlink()
    compete(**arguments)
    assert {p for p in kept if p.stat().st_mtime_ns != kept[p]} == {lost}
    again = {name: (tmp_path / name).read_text("utf-8") for name in tables}
    assert again == tables
    rows = pd.read_csv(tmp_path / "crossplay.csv")
    assert set(rows["row"]) == {"q_learning", "nash"}
    nash = rows[(rows["row"] == "nash") & (rows["column"] == "nash")]
    assert nash["profit_gain"].to_numpy() == pytest.approx(0.0, abs=1e-3)


def test_figures_are_drawn_from_the_tables_alone(tmp_path):
    for name in ("sellers", "crossplay", "curves", "deviations"):
        (tmp_path / f"{name}.csv").write_text("scenario,met_in_training\n", "utf-8")
    assert contest_figures.draw(tmp_path) == []


def test_names_of_methods():
    assert parts("q_learning_shared") == ("q_learning", "_shared")
    assert parts("ppo") == ("ppo", "")
    assert len({name + variant for name in LEARNED for variant in VARIANTS}) == 16
    with pytest.raises(ValueError, match="got 'ppo_shared_shared'"):
        parts("ppo_shared_shared")


def test_a_training_names_what_it_depends_on(tmp_path):
    one = Training("calvano", "ppo", 0, TINY)
    longer = dataclasses.replace(one, recipe=dataclasses.replace(TINY, rounds=512))
    files = {t.file(tmp_path) for t in (one, longer, Training("duopoly", "ppo", 0, TINY))}
    assert len(files) == 3
    assert Meeting("calvano", one, one).file(tmp_path) != Meeting("calvano", longer, one).file(
        tmp_path
    )


def test_markets_of_a_road_are_all_there():
    market = markets_of("road", 3, 4, 0)
    assert market.batch_shape == (12,)
    assert np.shape(market.access_cost) == (12, market.M, market.K)
    assert len(np.unique(np.asarray(market.access_cost)[:, 0, 0])) == 12
