"""Deep sellers judged: exact best replies, responses to deviations, controls, the command."""

import dataclasses
from functools import partial

import numpy as np
import pandas as pd
import pytest

from aigc_market import competition
from baselines.arena.task import Task
from baselines.experiments.compete.measures import GAMMA, benchmark
from baselines.experiments.sessions import session_measures
from baselines.experiments.sessions.deep_command import learner, sessions
from baselines.experiments.sessions.reply_solver import best_replies, earned
from baselines.experiments.sessions.session_measures import HORIZON, follow, measured, probed
from baselines.experiments.sessions.session_units import Learning, Measuring, next_ones
from baselines.experiments.sessions.studied import LEARNERS
from baselines.experiments.sessions.verdicts import verdict
from baselines.methods.q_learning.oligopoly import oligopoly
from baselines.methods.q_learning.strategies import Strategies
from baselines.methods.sellers import deep_policies

CALVANO = Task("calvano", {}, "competition")
KNOWN = benchmark(CALVANO)
NASH, CARTEL = (float(of["prices"][0, 0, 0]) for of in (KNOWN.nash, KNOWN.cartel))
U_NASH, U_CARTEL = (float(of["asp_utility"][0, 0, 0]) for of in (KNOWN.nash, KNOWN.cartel))


def always(price):
    return lambda last: np.full(last.shape[:-1], price)


def grim(last):
    """The cartel's price as long as both have posted it, else Nash's."""
    return np.where((last > CARTEL - 1e-9).all(axis=-1), CARTEL, NASH)


def tit_for_tat(seat):
    return lambda last: last[..., 1 - seat]


def judged(strategies, start, B=1, prices=(NASH, CARTEL)):
    last = np.full((B, 2), start)
    found = measured(KNOWN, strategies, last), probed(KNOWN, strategies, last, prices)
    return [played | more for played, more in zip(*found, strict=True)]


# --- best replies


def test_against_a_constant_price_the_best_reply_is_that_of_one_round():
    for price in (1.5, 1.7, CARTEL):
        best = competition.best_deviation(KNOWN.market, 0, [1.5, price])
        replies = best_replies(KNOWN.market, 0, always(price), (1.4, 2.0), 401, GAMMA)
        worth = replies.at(np.array([price]))[0] * (1 - GAMMA)
        assert worth == pytest.approx(best.utility, rel=1e-5)
        assert worth <= best.upper_bound
        [reply] = replies.prices(KNOWN.market, 0, always(price), np.array([price]))
        assert reply == pytest.approx(best.price, abs=(2.0 - 1.4) / 400)


@pytest.mark.parametrize(("seat", "discount"), [(0, 0.1), (1, 0.3), (1, 0.6), (0, 0.95)])
def test_against_a_grim_trigger_it_keeps_the_cartel_or_breaks_it_once(seat, discount):
    broken = competition.best_deviation(KNOWN.market, 0, [CARTEL, CARTEL]).utility
    kept = U_CARTEL / (1 - discount)
    left = broken + discount * U_NASH / (1 - discount)
    replies = best_replies(KNOWN.market, seat, grim, (NASH, CARTEL), 401, discount)
    at_nash, at_cartel = replies.at(np.array([[NASH, CARTEL]]))[0]
    assert at_cartel == pytest.approx(max(kept, left), rel=1e-5)
    assert at_nash == pytest.approx(U_NASH / (1 - discount), rel=1e-5)


def test_best_replies_to_tables_are_those_of_the_tables_own_test():
    game, rng = oligopoly(2), np.random.default_rng(1)
    tables = rng.integers(15, size=(15**2, 2))
    grid = game.grid[0]

    def strategy(last):
        at = np.rint((last - grid[0]) / (grid[1] - grid[0])).astype(int)
        return grid[tables[15 * at[..., 0] + at[..., 1], 1]]

    replies = best_replies(KNOWN.market, 0, strategy, (grid[0], grid[-1]), 15, GAMMA)
    exact = Strategies(game.payoffs, tables, GAMMA).best_reply(0)[0]
    np.testing.assert_allclose(replies.worth[0][tables[:, 1]], exact, rtol=1e-6)


def test_sessions_are_solved_apart():
    prices = np.array([1.5, 1.6, 1.9])

    def strategies(last):
        return np.broadcast_to(prices[:, None], (3, last.shape[1]))

    together = best_replies(KNOWN.market, 1, strategies, (1.4, 2.0), 61, GAMMA, 3)
    for b, price in enumerate(prices):
        alone = best_replies(KNOWN.market, 1, always(price), (1.4, 2.0), 61, GAMMA)
        np.testing.assert_allclose(together.worth[b], alone.worth[0])


# --- a session


def test_at_nash_nobody_gains_and_there_is_no_deviation():
    [found] = judged([always(NASH)] * 2, NASH)
    assert found["profit_gain"] == pytest.approx(0.0, abs=1e-9)
    for name in ("one_shot_gain", "reply_gain", "reply_played"):
        assert found[name] == pytest.approx([0.0, 0.0], abs=1e-5)
    assert found["punished"] == found["deviation_profit"] == [None, None]


def test_high_prices_without_an_answer_are_no_punishment():
    [found] = judged([always(CARTEL), always(CARTEL)], 1.5)
    assert found["profit_gain"] == pytest.approx(1.0)
    assert found["answered"] == found["unprofitable"] == found["punished"] == [0.0, 0.0]
    # NashConv over both utilities at Nash is the gain of each over its own: the sellers are equal.
    assert found["reply_gain"] == pytest.approx([found["nash_conv"]] * 2, rel=1e-4)
    assert found["reply_played"] == pytest.approx(found["reply_gain"], rel=1e-4)
    # Once, and then as before: a share 1 − γ of that.
    once = (1 - GAMMA) * found["nash_conv"]
    assert found["one_shot_gain"] == pytest.approx([once] * 2, rel=1e-3)
    assert found["deviation_profit"] == pytest.approx([found["nash_conv"]] * 2, rel=1e-5)


def test_a_grim_trigger_punishes_and_is_a_best_reply_to_itself():
    [found] = judged([grim, grim], CARTEL)
    broken = competition.best_deviation(KNOWN.market, 0, [CARTEL, CARTEL])
    lost = broken.utility - U_CARTEL + GAMMA * (U_NASH - U_CARTEL) / (1 - GAMMA)
    assert found["punished"] == [1.0, 1.0]
    assert found["deviation_profit"] == pytest.approx([lost / U_NASH] * 2, rel=1e-5)
    for name in ("one_shot_gain", "reply_gain", "reply_played"):
        assert found[name] == pytest.approx([0.0, 0.0], abs=1e-5)
    own, rival = np.array(found["response"][1])
    way = CARTEL - NASH
    assert own[:2] * way + CARTEL == pytest.approx([broken.price, NASH], abs=1e-6)
    assert rival[:2] * way + CARTEL == pytest.approx([CARTEL, NASH], abs=1e-6)


def test_who_forgives_is_exploited_by_whom_it_meets():
    """A rival at the cartel's price whatever happens; a seller that follows it."""
    [found] = judged([tit_for_tat(0), always(CARTEL)], CARTEL)
    assert found["reply_gain"][0] > 0.3
    assert found["reply_gain"][1] < 0.01  # its rival follows it down
    assert found["answered"] == [0.0, 1.0]


def test_a_best_reply_that_is_played_earns_what_was_promised():
    rng = np.random.default_rng(2)
    slopes = rng.uniform(-0.5, 0.5, size=(2, 4, 2))  # other strategies in each of four sessions

    def strategy(seat):
        def prices(last):
            bent = np.tanh(np.einsum("bnm,bm->bn", last - 1.7, slopes[seat]) * 4)
            return 1.7 + 0.2 * bent

        return prices

    strategies = [strategy(0), strategy(1)]
    found = judged(strategies, 1.6, 4, (1.43, 1.97))
    path = follow(strategies, np.full((4, 2), 1.6), 150 + HORIZON)
    for b, of_session in enumerate(found):
        assert of_session["reply_played"] == pytest.approx(of_session["reply_gain"], abs=2e-4)
        assert max(of_session["reply_error"]) < 2e-4
        for once, ever in zip(of_session["one_shot_gain"], of_session["reply_gain"], strict=True):
            assert -1e-5 <= once <= ever + 1e-4
        assert of_session["price"] == pytest.approx(path[50:150, b].mean(axis=0))
        own = earned(KNOWN.market, path[50:150, b]).mean(axis=0)
        assert of_session["utility"] == pytest.approx(own)


@pytest.mark.slow  # solves 600 markets
def test_sellers_of_a_moving_market_are_measured_by_its_rounds():
    known = benchmark(Task("road", {}, "competition"))
    low, high = measured(known, [always(1.8), always(1.8)], np.full((2, 2), 1.8))
    assert low == high
    assert low["price"] == pytest.approx([1.8, 1.8])
    assert abs(low["profit_gain"]) < 0.1


# --- the command

QUICK = {"quick": True, "periods": 80, "workers": 1, "learners": ("sac", "ppo")}


@pytest.fixture
def coarse(monkeypatch):
    """Grids and horizons of a moment."""
    for name, value in (("POINTS", 11), ("OPTIONS", 5), ("HORIZON", 30)):
        monkeypatch.setattr(session_measures, name, value)


@pytest.mark.parametrize(
    ("profit_gain", "reply_gain", "punished", "called"),
    [
        (0.1, 0.3, 1.0, "near Nash"),
        (0.9, 0.02, 1.0, "colludes"),
        (0.9, 0.02, 0.5, "neither"),
        (0.9, 0.02, float("nan"), "neither"),
        (0.9, 0.03, 1.0, "neither"),
        (0.9, 0.06, 1.0, "fails to learn"),
    ],
)
def test_a_session_is_called_by_its_numbers(profit_gain, reply_gain, punished, called):
    assert verdict(profit_gain, reply_gain, punished) == called


def test_what_was_kept_is_taken_up(tmp_path, coarse):
    arguments = {**QUICK, "frozen": ("sac",), "out": tmp_path}
    sessions(**arguments)
    tables = {path.name: path.read_text("utf-8") for path in tmp_path.glob("*.csv")}
    assert set(tables) == {"sessions.csv", "responses.csv", "curves.csv"}
    assert {path.name for path in tmp_path.glob("*.png")} == {"gains.png", "response.png"}
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.parent != tmp_path}
    [lost] = [path for path in kept if "-ppo-" in path.name and "-itself-" in path.name]
    lost.unlink()
    sessions(**arguments)
    assert {p for p in kept if p.is_file() and p.stat().st_mtime_ns != kept[p]} == {lost}
    assert {name: (tmp_path / name).read_text("utf-8") for name in tables} == tables
    rows = pd.read_csv(tmp_path / "sessions.csv")
    counts = rows.groupby(["learner", "against"]).size().to_dict()
    assert counts == {
        ("sac", "itself"): 2,
        ("sac", "stranger"): 2,
        ("sac", "frozen"): 2,
        ("ppo", "itself"): 2,
        ("ppo", "stranger"): 2,
    }
    assert np.nanmin(rows["reply_error"].to_numpy()) >= 0
    page = (tmp_path / "sessions.md").read_text("utf-8")
    assert "beside sellers that they did not learn with" in page


def test_a_frozen_rival_is_the_next_sessions_and_does_not_learn(tmp_path, coarse):
    recipe = dataclasses.replace(LEARNERS["sac"], periods=80, warm_up=20)
    before = Learning("sac", CALVANO, recipe, 2, 0)
    after = dataclasses.replace(before, seed=2, before=before)
    for one in (before, after, Measuring(after), Measuring(before, True)):
        one.execute(tmp_path)
    old, new = (deep_policies.load(one.file(tmp_path)) for one in (before, after))
    assert new.seats == (0,)
    last = np.full((2, 1, 2), 1.6)
    rivals = next_ones(old).mean(1, last)
    assert rivals[::-1].tolist() == old.mean(1, last).tolist()
    assert (new.mean(0, last) != old.mean(0, last)).all()
    prices = {}
    for one in (Measuring(after), Measuring(before, True)):
        prices[one.against] = [r["price"] for r in one.rows(tmp_path)[1]["records"]]
    start = np.array(after.curve(tmp_path)["price"][-1])
    path = follow([partial(new.mean, 0), partial(next_ones(old).mean, 1)], start, 150)
    np.testing.assert_allclose(prices["frozen"], path[50:].mean(axis=0))
    assert prices["stranger"] != prices["frozen"]


def test_a_batch_names_what_it_depends_on(tmp_path):
    one = Learning("sac", CALVANO, LEARNERS["sac"], 2, 0)
    others = [
        one,
        dataclasses.replace(one, seed=1),
        dataclasses.replace(one, sessions=3),
        dataclasses.replace(one, recipe=LEARNERS["sac_myopic"]),
        dataclasses.replace(one, task=Task("duopoly", {}, "competition")),
        dataclasses.replace(one, before=dataclasses.replace(one, seed=1)),
    ]
    assert len({other.file(tmp_path) for other in others}) == len(others)
    assert len({Measuring(one, strangers).file(tmp_path) for strangers in (False, True)}) == 2


def test_words_of_the_command():
    name, recipe, count = learner("sac=5 actor_rate=0.03 memory=false", 20)
    assert (name, recipe.actor_rate, recipe.memory, count) == (
        "sac actor_rate=0.03 memory=false",
        0.03,
        False,
        5,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sac colour=3", "--learners 'sac colour=3': --recipe must set one of learner"),
        ("sac tau=2", "--learners 'sac tau=2': tau must be"),
    ],
)
def test_a_bad_recipe_is_named(words, message):
    with pytest.raises(ValueError, match=message):
        learner(words, 20)


def test_learners_of_one_scenario_must_be_learners():
    with pytest.raises(ValueError, match=r"--scenario calvano must be one of \['sac', 'ppo'\]"):
        sessions(**QUICK, scenario=("calvano td3",))
