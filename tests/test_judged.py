"""When the oracle is asked: once a market, only where it is judged, only for what is needed."""

import gymnasium
import numpy as np
import pytest
from views import (
    COMPETITION,
    MENUS,
    PRICING,
    VIEWS,
    menu_lanes,
    pricing_lanes,
    rival,
    rival_lanes,
    same,
)

from aigc_market import LogUniform, Scenario, Shift, competition, competition_v0, menus

JUDGED = {"nash_price", "nash_utility", "cartel_price", "cartel_utility", "profit_gain"}


@pytest.fixture
def solved(monkeypatch):
    """What the oracle is asked for: "nash", "cartel", with the number of markets."""
    asked = []

    def watched(name):
        solve = getattr(competition, name)

        def call(market):
            asked.append((name, *market.batch_shape))
            return solve(market)

        monkeypatch.setattr(competition, name, call)

    watched("nash")
    watched("cartel")
    return asked


def played(name, moves=12, **arguments):
    """A view after some moves."""
    view = COMPETITION[name]
    env = view.make(**arguments)
    view.reset(env, seed=0)
    for number in range(moves):
        view.move(env, number)
    return env


def undecided(market, seat, last_prices, oracle, rng):
    return rng.uniform(2, 3)


@pytest.mark.parametrize("name", [name for name in COMPETITION if name != "tensors of several"])
def test_without_a_judge_nothing_is_solved(solved, name):
    alone = {"rivals": undecided} if "rival" in name else {}
    for scenario in ("duopoly", "road", "hidden"):
        solved.clear()
        env = played(name, scenario=scenario, judged=False, **alone)
        assert not solved
        if name == "vector of rivals":
            assert env.judgement().keys() == JUDGED
            assert sorted(solved) == [("cartel", 3), ("nash", 3)] or scenario == "duopoly"
        elif name != "rival":
            assert env.round_record().nash_prices is None


COMPARES = ("nash", "cartel", "gain", "equilibrium", "regret", "best_response", "best_choice")
"""In names of infos that compare play with what is best."""


TYPES = Scenario("types", arguments={"satisfaction": LogUniform(100, 300)}, moves=[Shift(0.3)])


def parted(told):
    """What is told but for infos, and the names of all that these hold."""
    if not isinstance(told, dict):
        return told, set()
    rest, names = {}, set()
    for name, value in told.items():
        if name in ("info", "infos"):
            of_agents = [v for v in value.values() if isinstance(v, dict)] or [value]
            names |= {word for infos in of_agents for word in infos}
        elif name != "judged":
            rest[name], others = parted(value)
            names |= others
    return rest, names


@pytest.mark.parametrize(
    ("name", "scenarios"),
    [
        *((name, ("paper", "drift", "capacity")) for name in PRICING),
        *((name, ("duopoly", "road", "hidden")) for name in COMPETITION),
        *((name, ("paper", "hidden", TYPES)) for name in MENUS),
    ],
    ids=list(VIEWS),
)
def test_without_a_judge_the_game_is_the_same_and_infos_say_less(name, scenarios):
    view = VIEWS[name]
    for scenario in scenarios:
        told, words = [], []
        for judged in (True, False):
            env = view.make(scenario=scenario, judged=judged, max_cycles=2)
            answers = [view.reset(env, seed=0), *(view.move(env, i) for i in range(8))]
            parts = [parted(answer) for answer in answers]
            told.append([part for part, _ in parts])
            words.append({word for _, of_answer in parts for word in of_answer})
        same(*told)
        whole, less = words
        assert less == {w for w in whole if not any(part in w for part in COMPARES)} < whole


PRESETS = ["paper", "hidden", "drift", "shift", "crowd", "capacity"]
PRICES = np.linspace(2, 19, 6)[:, None].astype("f4")
OFFERS = np.tile(10 * PRICES, 6)


@pytest.mark.parametrize(
    ("make", "price", "scenario"),
    [
        *((pricing_lanes, PRICES, scenario) for scenario in PRESETS),
        *((menu_lanes, OFFERS, scenario) for scenario in ("paper", "hidden", TYPES)),
    ],
)
def test_what_is_not_in_the_infos_is_told_on_request(make, price, scenario):
    arguments = {"scenario": scenario, "max_cycles": 9, "autoreset_mode": "SameStep"}
    full, bare = (make(6, judged=judged, **arguments) for judged in (True, False))
    for env in (full, bare):
        env.reset(seed=0)
    for _ in range(20):
        *theirs, infos = full.step(price)
        *ours, few = bare.step(price)
        same(theirs, ours)
        infos, few = (d.get("final_info", d) for d in (infos, few))
        told = bare.judgement()
        of_price = {"equilibrium_price"} if make is pricing_lanes else set()
        assert set(told) == {"equilibrium_utility", "regret"} | of_price
        assert set(infos) - set(few) == {*told, *(f"_{name}" for name in told)}
        for key, value in told.items():  # after an autoreset too
            np.testing.assert_array_equal(value, infos[key])


@pytest.mark.parametrize("name", ["nash", "cartel"])
def test_rivals_ask_for_no_more_than_they_need(solved, name):
    played("vector of rivals", 3, scenario="road", judged=False, rivals=name)
    assert solved == [(name, 3)] * 4


def test_only_games_that_have_changed_are_solved_again(solved):
    hidden = {"satisfaction": LogUniform(100, 300)}
    moving = Scenario("moving", arguments=hidden, moves=[Shift(probability=0.1)])
    env = rival_lanes(20, scenario=moving, rivals="tit_for_tat")
    env.reset(seed=0)
    for _ in range(10):
        env.step(np.full((20, 1), 8.0, "f4"))
    for name in ("nash", "cartel"):
        counts = [count for asked, count in solved if asked == name]
        assert counts[0] == 20
        assert 1 <= sum(counts[1:]) < 60


@pytest.mark.parametrize("name", ["aec of several", "parallel of several", "vector of rivals"])
def test_markets_that_stand_still_are_solved_once(solved, name):
    played(name, 12, max_cycles=2)
    assert sorted(solved) == [("cartel",), ("nash",)]


def test_where_there_is_no_nash_equilibrium_infos_are_nan(monkeypatch):
    nash = competition.nash

    def none(market):
        found = nash(market)
        return type(found)(**{**vars(found), "converged": np.array(False)})

    monkeypatch.setattr(competition, "nash", none)
    view = COMPETITION["parallel of several"]
    env = view.make(scale_rewards=True)
    view.reset(env, seed=0)
    told = view.move(env, 0)
    info = told["infos"]["asp_0"]
    assert np.isnan([info[name] for name in ("nash_price", "nash_utility", "profit_gain")]).all()
    assert info["cartel_utility"] > 0
    assert told["rewards"]["asp_0"] == info["utility"]  # unscaled
    with pytest.raises(ValueError, match="price_grid must be prices where no Nash"):
        competition_v0.env(continuous_actions=False, price_grid="nash_cartel")
    for name in ("nash", "tit_for_tat"):
        with pytest.raises(ValueError, match=r"rivals must not be \"nash\" .* \"cartel\", \"best_"):
            rival(rivals=name).reset(seed=0)


@pytest.mark.parametrize("judged", [True, False])
@pytest.mark.parametrize("view", [name for name in MENUS if name != "tensors of menus"])
def test_the_best_menu_is_found_once_a_market_where_it_is_asked_for(monkeypatch, view, judged):
    asked, solve = [], menus.solve_menu

    def counted(market, contracts):
        asked.append(market.batch_shape)
        return solve(market, contracts=contracts)

    monkeypatch.setattr(menus, "solve_menu", counted)
    for scenario in ("paper", "hidden"):
        env = MENUS[view].make(scenario=scenario, judged=judged, max_cycles=4)
        MENUS[view].reset(env, seed=0)
        for number in range(3):
            MENUS[view].move(env, number)
    before = len(asked)
    assert before == (0 if not judged and "vector" not in view else 2)
    assert env.best_menu.asp_utility is env.best_menu.asp_utility
    assert len(asked) == max(before, 1)


@pytest.mark.parametrize("make", [pricing_lanes, rival_lanes, menu_lanes])
def test_nothing_is_judged_before_the_first_round(make):
    env = make(2, judged=False)
    env.reset(seed=0)
    with pytest.raises(gymnasium.error.ResetNeeded, match="no round has been played"):
        env.judgement()


def test_what_is_judged_later_does_not_feel_what_is_written():
    env = COMPETITION["vector of rivals"].make(judged=False)
    env.reset(seed=0)
    _, rewards, _, _, infos = env.step(np.full((3, 1), 9.0, "f4"))
    before = env.judgement()["profit_gain"].copy()
    rewards *= 0
    for name in ("utility", "demand", "price", "sold"):
        infos[name] *= 0
    np.testing.assert_array_equal(env.judgement()["profit_gain"], before)
