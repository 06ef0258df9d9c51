"""`aigc-market solve` and `play` with several providers."""

import json
from functools import partial

import gymnasium
import numpy as np
import pytest
from command_line import refused, run, type_words

import aigc_market
from aigc_market import competition, replay

CALVANO = ["--scenario", "calvano"]
CYCLE = ["--M", 2, "--temperature", 10, "--satisfaction", 150, 250, "--access-cost", 0, 30, 30, 0]


@pytest.fixture
def typed(monkeypatch):
    """Lets a test type words into the terminal, one a line."""
    return partial(type_words, monkeypatch)


def cells(out, title):
    """The rows of a table, by its title."""
    lines = [line.strip() for line in out.splitlines()]
    body = lines[lines.index(title) :]
    body = body[: next(i for i, line in enumerate(body) if line.startswith("└"))]
    rows = [line.strip("│") for line in body if line.startswith("│")]
    return [[cell.strip() for cell in row.split("│")] for row in rows]


# -- solve -----------------------------------------------------------------------------------------


def test_the_reference_market_is_solved(capsys):
    out = run(capsys, "solve", *CALVANO)
    nash, cartel = cells(out, "Nash equilibrium"), cells(out, "Cartel")
    assert [row[:4] for row in nash] == [[m, "1.47293", "0.2229", "0.471"] for m in "01"]
    assert [row[1:] for row in cartel] == [["1.92498", "0.3375"]] * 2
    assert "Certified: no provider gains more than " in out
    assert cells(out, "VMUs") == [["0", "2", "47.1 47.1", "1.0 1.0", "0.7151"]]
    assert "VMUs' utility in all: Nash 0.7151, cartel 0.3271." in out


def test_all_is_told_as_json(capsys):
    flags = ["--M", 3, "--satisfaction", 150, 250, "--prices", 3, 4, 5]
    found = json.loads(run(capsys, "solve", *flags, "--json"))
    market = aigc_market.Competition(M=3, satisfaction=[150, 250])
    nash, cartel = competition.nash(market), competition.cartel(market)
    for name in ("prices", "shares", "steps", "asp_utility", "vmu_utility", "gap"):
        assert found["nash"][name] == getattr(nash, name).tolist()
    assert found["nash"]["converged"] is True
    assert found["nash"]["cycle"] is None
    for name in ("prices", "asp_utility", "vmu_utility"):
        assert found["cartel"][name] == getattr(cartel, name).tolist()
    prices = np.array([3.0, 4.0, 5.0])
    asked, answer = found["asked"], competition.respond(market, prices)
    paid = competition.settle(market, prices, answer.shares, answer.steps).asp_utility
    assert asked["asp_utility"] == paid.tolist()
    assert asked["profit_gain"] == competition.profit_gain(market, paid).each.tolist()
    assert asked["deviation_gains"] == competition.deviation_gains(market, prices).tolist()
    assert asked["nash_conv"] == pytest.approx(sum(asked["deviation_gains"]))
    assert found["market"]["cost"] == [1, 1, 1]
    assert found["market"]["satisfaction"] == [150, 250]


@pytest.mark.parametrize(
    ("flags", "parameters"),
    [
        ([], {}),
        (["--K", 3], {"K": 3}),
        (["--cost", 1, 2], {"cost": [1, 2]}),
        (["--cost", 2], {"cost": 2}),
        (["--max-price", 4, 5], {"max_price": [4, 5]}),
        (["--capacity", 100, 150], {"capacity": [100, 150]}),
        (["--satisfaction", 100, 200, 300], {"K": 3, "satisfaction": [100, 200, 300]}),
        (["--min-steps", 20, "--max-steps", 160], {"min_steps": 20, "max_steps": 160}),
        (["--access-cost", 7], {"access_cost": 7}),
        (["--access-cost", 0, 50, 50, 0], {"access_cost": [[0, 50], [50, 0]]}),
        (["--K", 1, "--access-cost", 0, 50], {"K": 1, "access_cost": [[0], [50]]}),
        (["--temperature", 30], {"temperature": 30}),
        (["--outside", 100], {"outside": 100}),
        (["--beta", 0.1], {"ssim": aigc_market.ssim.QuadraticSSIM(-0.000174, 0.1)}),
    ],
)
def test_each_flag_reaches_the_market(capsys, flags, parameters):
    found = json.loads(run(capsys, "solve", "--M", 2, *flags, "--json"))
    market = aigc_market.Competition(**parameters)
    assert found["nash"]["prices"] == competition.nash(market).prices.tolist()


def test_prices_are_held_against_both(capsys):
    market = aigc_market.Competition()
    prices = [float(price) for price in competition.cartel(market).prices]
    out = run(capsys, "solve", "--M", 2, "--prices", *prices)
    row = cells(out, "Prices asked for")[0]
    assert row[:3] == ["0", "8", "704.02"]
    assert row[4] == "1"
    assert float(row[5].replace(",", "")) > 500
    assert "Δ of the mean 1, NashConv" in out


def test_where_there_is_no_equilibrium_it_says_so(capsys):
    out = " ".join(run(capsys, "solve", *CYCLE, "--prices", 5, 5).split())
    for said in (
        "No Nash equilibrium found: the smallest gap",
        "no equilibrium in pure strategies",
        "Best replies go round (an Edgeworth cycle of",
        ") → (",
        "Δ of the mean –",
    ):
        assert said in out
    found = json.loads(run(capsys, "solve", *CYCLE, "--prices", 5, 5, "--json"))
    assert found["nash"]["converged"] is False
    assert max(found["nash"]["gap"]) > 0.1
    assert len(found["nash"]["cycle"]) >= 2
    assert found["asked"]["profit_gain"] == [None, None]


def test_where_a_cartel_gains_nothing_there_is_no_profit_gain(capsys):
    """But for rounding, which must not be divided by."""
    scarce = ["--capacity", 20, 30, 25, "--K", 3]
    flags = [*scarce, "--prices", 4, 5, 6, "--json"]
    found = json.loads(run(capsys, "solve", *flags))
    assert found["nash"]["asp_utility"] == pytest.approx(found["cartel"]["asp_utility"])
    assert found["asked"]["profit_gain"] == [None] * 3
    assert found["asked"]["mean_profit_gain"] is None
    out = run(capsys, "play", *scarce, "--policy", 4, "--rounds", 2)
    assert "Δ of the mean" not in out
    assert out.split("mean", 1)[1].split()[-1] == "–"


@pytest.mark.parametrize(
    ("flags", "M"),
    [
        (["--M", 3], 3),
        (["--cost", 1, 2, 1.5], 3),
        (["--max-price", 9, 8], 2),
        (["--capacity", 90, 80, 70, 60], 4),
        (["--scenario", "duopoly"], 2),
        (["--scenario", "road", "--M", 3], 3),
        (["--scenario", "hidden", "--M", 2], 2),
    ],
)
def test_there_are_several_providers(capsys, flags, M):
    found = json.loads(run(capsys, "solve", *flags, "--json"))
    assert found["market"]["M"] == len(found["nash"]["prices"]) == M


@pytest.mark.parametrize("flags", [["--M", 1], ["--scenario", "hidden"], ["--cost", 2]])
def test_there_is_one(capsys, flags):
    """Also in `hidden`, which is a scenario of one provider and one of several."""
    found = json.loads(run(capsys, "solve", *flags, "--json"))
    assert "M" not in found["market"]
    assert "price" in found


def test_providers_alike_charge_as_one_where_they_are_a_cartel(capsys):
    found = json.loads(run(capsys, "solve", "--M", 2, "--json"))
    alone = json.loads(run(capsys, "solve", "--json"))
    assert found["cartel"]["prices"] == pytest.approx([alone["price"]] * 2)
    assert sum(found["cartel"]["asp_utility"]) == pytest.approx(alone["asp_utility"])


def test_many_are_cut_in_the_tables_alone(capsys):
    out = run(capsys, "solve", "--M", 20, "--K", 30)
    assert "8 more between these: see --json" in out
    assert "18 more between these: see --json" in out
    assert len(cells(out, "VMUs")) == 12
    assert max(map(len, out.splitlines())) <= 80


def test_the_first_market_of_a_scenario_is_solved(capsys):
    flags = ["--scenario", "road", "--seed", 5, "--json"]
    found = json.loads(run(capsys, "solve", *flags))
    env = gymnasium.make("aigc_market/Rival-v0", scenario="road", rivals="cartel").unwrapped
    env.reset(seed=5)
    assert found["market"]["access_cost"] == env.market.access_cost.tolist()
    assert found["market"]["K"] == 4


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--cost", 1, -1], "--cost must be finite numbers above 0"),
        (["--cost", 30], "--max-price must be at least cost = array([30., 30.]), got array("),
        (["--cost", 1, 5, "--max-price", 3], "--max-price must be at least cost = array([1., 5.])"),
        (["--cost", 1, 2, 3], "--cost must be one number or hold M = 2 along its last axis, got"),
        (["--capacity", 9, 9, 9], "--capacity must be one number or hold M = 2 along its last"),
        (["--access-cost", 1, 2, 3], "--access-cost must be one number or hold (M, K) = (2, 2)"),
        (["--access-cost", -1], "--access-cost must be finite numbers at least 0"),
        (["--temperature", 0], "--temperature must be finite numbers above 0, got 0.0"),
        (["--outside", "nan"], "--outside must be finite numbers, got nan"),
        (["--min-steps", 10, "--capacity", 5], "--capacity must add up to at least K · min_steps"),
        (["--ssim", "repaint"], "--ssim must be made of models that are not live"),
        (["--prices", 5], "--prices must hold M = 2 along the last axis, got"),
        (["--prices", 5, 50], "--prices must lie between cost = array([1., 1.]) and max_price ="),
        (["--prices"], "--prices must be followed by a value or several, got nothing"),
        (["--scenario", "paper"], "--scenario must be one of ['duopoly', 'calvano', 'road'"),
        (["--seed", 3], "--seed must be left out where nothing is drawn from it"),
        (["--scenario", "duopoly", "--seed", 3], "--seed must be left out where nothing is drawn"),
        (
            ["--active", 1],
            "--active must be left out where there are several providers (--M), got (1,)",
        ),
    ],
)
def test_bad_flags_of_solve(capsys, flags, said):
    assert said in refused(capsys, "solve", "--M", 2, *flags)


# -- play ------------------------------------------------------------------------------------------


def test_scripted_providers_play(capsys):
    flags = [*CALVANO, "--policy", "cartel", "--rivals", "best_reply", "--rounds", 3]
    out = run(capsys, "play", *flags)
    assert "Here: 2 providers, 1 VMU, a step costs 1, price up to 3, 1 step a request." in out
    assert (
        "  round 2, price 1.925 1.6617: steps sold 0.84;" in out
    )  # the best reply of the reference table
    assert "0.4117" in out
    assert "3 rounds, on average:" in out
    assert "asp_0   1.925  1.4729   1.925" in out


def test_all_may_have_a_policy_of_their_own(capsys):
    flags = ["--M", 3, "--policy", "nash", "--rivals", "tit_for_tat", 4, "--rounds", 2]
    out = run(capsys, "play", *flags)
    nash = competition.nash(aigc_market.Competition(M=3)).prices[0]
    assert f"  round 1, price {nash:.5g} 8 4:" in out
    assert f"  round 2, price {nash:.5g} {nash:.5g} 4:" in out


def test_you_are_asked_for_the_prices_of_asp_0(capsys, typed):
    typed("x", 99, 5, "q")
    out = run(capsys, "play", "--M", 2, "--rivals", 4)
    assert "You are asp_0.\n" in out
    assert "a price must be a number from 1 to 20, got 'x'" in out
    assert "a price must be a number from 1 to 20, got '99'" in out
    assert "  round 1, price 5 4: steps sold" in out
    assert "1 round, on average:" in out
    typed(2, 3)
    out = run(capsys, "play", *CYCLE, "--rivals", "cartel", "--show-equilibrium", "--rounds", 1)
    assert "round 1/1 (no Nash equilibrium was found), price from" in out
    typed(2)
    out = run(capsys, "play", *CALVANO, "--show-equilibrium", "--rounds", 1)
    assert "round 1/1 (equilibrium 1.4729 earns 0.2229), price from 1 to 3" in out
    typed()
    assert "No round was played." in run(capsys, "play", "--M", 2)


def test_a_game_is_recorded_and_replayed(capsys, tmp_path):
    path = tmp_path / "run.jsonl"
    flags = ["--scenario", "road", "--seed", 1, "--rounds", 3, "--policy", 3, "--rivals", "cartel"]
    out = run(capsys, "play", *flags, "--record", path)
    assert f"aigc-market replay {path}" in out
    rounds = replay.read(path)
    assert [type(each) for each in rounds] == [replay.CompetitionRound] * 3
    assert [each.prices[0] for each in rounds] == [3, 3, 3]
    assert rounds[0].places != rounds[1].places
    told = run(capsys, "replay", path, "--text")
    assert "round 3 of 3" in told
    film = tmp_path / "run.gif"
    assert "3 rounds in" in run(capsys, "replay", path, "--video", film)
    assert film.read_bytes().startswith(b"GIF89a")
    assert run(capsys, "play", *flags) == out.split("Kept in")[0]  # a seed is a game


def test_where_no_equilibrium_is_found_it_is_said(capsys):
    flags = [*CYCLE, "--policy", "best_reply", "--rivals", "best_reply", "--rounds", 2]
    out = run(capsys, "play", *flags)
    assert "no Nash equilibrium was found in 2 rounds" in out
    assert "Δ of the mean" not in out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--rivals", "nasty"], "--rivals must be one of ['nash', 'cartel', 'best_reply', 'tit_"),
        (["--rivals", "nasty"], "'tit_for_tat'] or a price, got 'nasty'"),
        (["--rivals", 99, "--policy", 2], "--rivals must post finite prices"),
        (["--rivals", "nan", "--policy", 2], "--rivals must post finite prices"),
        (["--rivals"], "--rivals must be followed by a value or several, got nothing"),
        (
            ["--rivals", "nash", 4, "nash"],
            "--rivals must be one policy or a sequence of M − 1 = 1, got 3",
        ),
        ([*CYCLE, "--rivals", "nash"], '--rivals must not be "nash" or "tit_for_tat" in a market'),
        (
            [*CYCLE, "--rivals", "cartel", "--policy", "nash"],
            '--policy must not be "nash" or "tit_for_tat" in a market',
        ),
        (["--policy", "greedy"], "--policy must be one of ['nash'"),
        (["--policy", 0.5], "--policy must post finite prices of shape () from the cost"),
        (["--policy", "nan"], "--policy must post finite prices of shape () from the cost"),
        (["--followers", "quantal"], "--followers must be one of ['best_response', 'noisy'"),
        (["--rounds", 0], "--rounds must be a whole number of at least 1, got 0"),
        (["--seed", 3], "--seed must be left out where nothing is drawn from it"),
        (["--scenario", "paper"], "--scenario must be one of ['duopoly'"),
        (["--record", "no/where/run.jsonl"], "--record must be in a folder that is there"),
    ],
)
def test_bad_flags_of_play(capsys, flags, said):
    assert said in refused(capsys, "play", "--M", 2, *flags)
