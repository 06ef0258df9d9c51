"""The console command `aigc-market`: `solve`, `fit`, `info` and `explore`, and each error."""

import contextlib
import importlib.util
import io
import os
import re
import signal
import socket
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from command_line import CYCLE, misread, numbers, process, refused, run
from rounds import record

import aigc_market
from aigc_market import cli, competition, menus, replay, scenarios
from aigc_market.ssim import PAPER_SSIM, QuadraticSSIM, TabulatedSSIM

ALPHA, BETA, GAMMA = PAPER_SSIM.parameters


@pytest.fixture
def table(tmp_path):
    """SSIM as `calibrate` writes it."""
    steps = np.arange(0, 251, 10)
    path = tmp_path / "ssim.csv"
    rows = [f"{s},{-1e-5 * s**2 + 3.4e-3 * s + 0.4},0,10\n" for s in steps]
    path.write_text("steps,mean,std,samples\n" + "".join(rows))
    return path


def cells(out, title):
    """The rows of a table, by its title."""
    lines = [line.strip() for line in out.splitlines()]
    body = lines[lines.index(title) :]
    body = body[: next(i for i, line in enumerate(body) if line.startswith("└"))]
    rows = [line.strip("│") for line in body if line.startswith("│")]
    return [[cell.strip() for cell in row.split("│")] for row in rows]


# -- solve -----------------------------------------------------------------------------------------


def test_solve_prints_the_papers_equilibrium(capsys):
    out = run(capsys, "solve")
    for said in ("p*", "8", "1,408.05", "100.575", "352.01", "nothing", "8: it applies"):
        assert said in out
    assert "utility" not in out.split("VMUs", 1)[1]  # of VMUs the surplus alone, without γ
    assert "978" not in out
    assert numbers(capsys, "solve")["theorem_2_price"] == pytest.approx(8)


def plain(values):
    """Numbers as JSON tells them."""
    return {name: np.asarray(value).tolist() for name, value in values.items()}


def test_the_reference_market_of_several_is_solved(capsys):
    out = run(capsys, "solve --scenario calvano")
    nash, cartel = cells(out, "Nash equilibrium"), cells(out, "Cartel")
    assert [row[:4] for row in nash] == [[m, "1.47293", "0.2229", "0.471"] for m in "01"]
    assert [row[1:] for row in cartel] == [["1.92498", "0.3375"]] * 2
    assert "Certified: no provider gains more than " in out
    assert cells(out, "VMUs") == [["0", "2", "47.1 47.1", "1.0 1.0", "0.7151"]]
    assert "VMUs' utility in all: Nash 0.7151, cartel 0.3271." in out


def test_all_of_several_is_told_as_json(capsys):
    found = numbers(capsys, "solve --M 3 --satisfaction 150 250 --prices 3 4 5")
    market = aigc_market.Competition(M=3, satisfaction=[150, 250])
    nash, cartel = competition.nash(market), competition.cartel(market)
    assert found["nash"] == plain(vars(nash))
    assert found["cartel"] == plain(vars(cartel))
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
        ("--cost 2", {"cost": 2}),
        ("--satisfaction 50 400", {"satisfaction": [50, 400]}),
        ("--gamma 0", {"ssim": QuadraticSSIM(ALPHA, BETA, 0)}),
        ("--max_price 7", {"max_price": 7}),
        ("--satisfaction 120 200 350", {"K": 3, "satisfaction": [120, 200, 350]}),
        ("--K 3 --satisfaction 120 200 350", {"K": 3, "satisfaction": [120, 200, 350]}),
        ("--K=4 --satisfaction=150", {"K": 4, "satisfaction": 150}),
        ("--active 1 0 1", {"K": 3, "active": [True, False, True]}),
        ("--min-steps 120 --max-steps 160", {"min_steps": 120, "max_steps": 160}),
        ("--ssim quadratic --capacity 150", {"capacity": 150}),
        ("--alpha -2e-4", {"ssim": QuadraticSSIM(-2e-4, BETA, GAMMA)}),
        ("--beta .1", {"ssim": QuadraticSSIM(ALPHA, 0.1, GAMMA)}),
        ("--M 2 --cost 1 2", {"cost": [1, 2]}),
        ("--M 2 --cost 2", {"M": 2, "cost": 2}),
        ("--M 2 --capacity 100 150", {"capacity": [100, 150]}),
        ("--M 2 --satisfaction 100 200 300", {"M": 2, "K": 3, "satisfaction": [100, 200, 300]}),
        ("--M 2 --access-cost 7", {"access_cost": 7}),
        ("--M 2 --access-cost 0 50 50 0", {"access_cost": [[0, 50], [50, 0]]}),
        ("--M 2 --K 1 --access-cost 0 50", {"K": 1, "access_cost": [[0], [50]]}),
        ("--M 2 --temperature 30", {"temperature": 30}),
        ("--M 2 --outside 100", {"outside": 100}),
    ],
)
def test_each_flag_reaches_the_market(capsys, flags, parameters):
    found = numbers(capsys, "solve", flags)
    if "--M" in flags:
        nash = competition.nash(aigc_market.Competition(**parameters))
        assert found["nash"]["prices"] == nash.prices.tolist()
    else:
        solved = vars(aigc_market.solve(aigc_market.Market(**parameters)))
        binding = plain(solved.pop("binding")._asdict())
        expected = plain(solved) | {"binding": binding}
        assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("flags", "M"),
    [
        ("--M 1", None),
        ("--scenario hidden", None),  # the name of a scenario of one, and of one of several
        ("--scenario hidden --M 2", 2),
        ("--cost 1 2 1.5", 3),
        ("--max-price 9 8", 2),
        ("--capacity 90 80 70 60", 4),
        ("--scenario duopoly", 2),
        ("--scenario road --M 3", 3),
    ],
)
def test_how_many_providers_there_are(capsys, flags, M):
    found = numbers(capsys, "solve", flags)
    assert found["market"].get("M") == M
    assert M is None or len(found["nash"]["prices"]) == M


@pytest.mark.parametrize("column", ["mean", "ssim"])
def test_a_measured_table_is_solved(capsys, table, column):
    table.write_text(table.read_text().replace("mean", column))
    words = f"solve --ssim {table} --satisfaction 4000"
    found = numbers(capsys, words)
    model = TabulatedSSIM.from_csv(table, values=column)
    equilibrium = aigc_market.solve(aigc_market.Market(satisfaction=4000, ssim=model))
    assert found["price"] == equilibrium.price
    assert found["theorem_2_price"] is None
    assert "SSIM is no parabola" in run(capsys, words)


def test_a_table_that_begins_above_0(capsys, tmp_path):
    path = tmp_path / "ssim.csv"
    path.write_text("steps,ssim\n100,.6\n250,.8\n")
    assert "--at-zero" in refused(capsys, "solve --ssim", path)
    found = numbers(capsys, "solve --at-zero .1 --satisfaction 4000 --ssim", path)
    model = TabulatedSSIM([0, 100, 250], [0.1, 0.6, 0.8])
    expected = aigc_market.solve(aigc_market.Market(satisfaction=4000, ssim=model))
    assert found["price"] == expected.price


def test_a_large_market_is_cut_in_the_tables_alone(capsys):
    out = run(capsys, "solve --K 500")
    assert "488 more between these: see --json" in out
    assert len(out.splitlines()) < 40
    assert len(numbers(capsys, "solve --K 500")["steps"]) == 500
    out = run(capsys, "solve --M 13 --K 30")
    assert "  1 more between these: see --json" in out
    assert "18 more between these: see --json" in out
    assert [row[0] for row in cells(out, "VMUs")] == [*"012345", *map(str, range(24, 30))]
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--min-steps 120 --max-steps 160", "the highest price 20"),
        ("--capacity 150", "the capacity 150"),
        ("--satisfaction 50 400", "S_min = 0 for 1 of 2 VMUs"),
        ("--satisfaction 50 400", "3.83333: it does not apply"),
        ("--satisfaction 10", "none: nobody buys at any price"),
        ("--capacity 50 --max-price 5", "50.000, cut from 287.356 asked for"),
        ("--active 1 0", "not there"),
    ],
)
def test_what_binds_is_said(capsys, flags, said):
    assert said in run(capsys, "solve", flags)


def test_prices_are_held_against_nash_and_cartel(capsys):
    prices = " ".join(map(str, competition.cartel(aigc_market.Competition()).prices))
    out = run(capsys, "solve --M 2 --prices", prices)
    row = cells(out, "Prices asked for")[0]
    assert row[:3] == ["0", "8", "704.02"]
    assert row[4] == "1"
    assert float(row[5].replace(",", "")) > 500
    assert "Δ of the mean 1, NashConv" in out


def test_where_there_is_no_equilibrium_it_says_so(capsys):
    out = " ".join(run(capsys, "solve", CYCLE, "--prices 5 5").split())
    for said in (
        "No Nash equilibrium found: the smallest gap",
        "no equilibrium in pure strategies",
        "Best replies go round (an Edgeworth cycle of",
        ") → (",
        "Δ of the mean –",
    ):
        assert said in out
    found = numbers(capsys, "solve", CYCLE, "--prices 5 5")
    assert found["nash"]["converged"] is False
    assert max(found["nash"]["gap"]) > 0.1
    assert len(found["nash"]["cycle"]) >= 2
    assert found["asked"]["profit_gain"] == [None, None]


def test_where_a_cartel_gains_nothing_there_is_no_profit_gain(capsys):
    """But for rounding, which must not be divided by."""
    scarce = "--capacity 20 30 25 --K 3"
    found = numbers(capsys, "solve", scarce, "--prices 4 5 6")
    assert found["nash"]["asp_utility"] == pytest.approx(found["cartel"]["asp_utility"])
    assert found["asked"]["profit_gain"] == [None] * 3
    assert found["asked"]["mean_profit_gain"] is None
    out = run(capsys, "play", scarce, "--policy 4 --rounds 2")
    assert "Δ of the mean" not in out
    assert out.split("mean", 1)[1].split()[-1] == "–"


@pytest.mark.parametrize("words", ["", "--M 2", "--menus"])
def test_which_market_of_a_law_is_solved_is_told(capsys, words):
    of_law = "One market of many: the first that scenario hidden draws from seed "
    for scenario, seed in (("--scenario hidden", 0), ("--scenario hidden --seed 5", 5), ("", None)):
        told = run(capsys, "solve", scenario, words).splitlines()[0]
        assert told.startswith(f"{of_law}{seed} ") == (seed is not None)
        assert numbers(capsys, "solve", scenario, words)["market"]["seed"] == seed


def test_a_misspelt_command_is_met_with_the_one_most_like_it(capsys):
    line = refused(capsys, "slove")
    assert "command must be one of ['solve', 'fit', 'play', " in line
    assert line.endswith("got 'slove'; did you mean 'solve'?\n")
    assert "got 'compete'\n" in refused(capsys, "compete --help")


def test_the_first_market_of_a_scenario_is_solved(capsys):
    words = "solve --scenario hidden --seed 5"
    found = numbers(capsys, words)
    env = gymnasium.make("aigc_market/Pricing-v0", scenario="hidden").unwrapped
    env.reset(seed=5)
    assert found["price"] == env.equilibrium.price
    assert found["market"]["satisfaction"] == env.market.satisfaction.tolist()
    dearer, one = numbers(capsys, words, "--cost 4"), numbers(capsys, words, "--active 0 1")
    for other in (dearer, one):
        assert other["market"]["satisfaction"] == found["market"]["satisfaction"]
    assert dearer["price"] > found["price"]
    assert one["steps"][0] == 0
    assert 0 < one["asp_utility"] < found["asp_utility"]
    env = gymnasium.make("aigc_market/Rival-v0", scenario="road", rivals="cartel").unwrapped
    env.reset(seed=5)
    found = numbers(capsys, "solve --scenario road --seed 5")
    assert found["market"]["access_cost"] == env.market.access_cost.tolist()
    assert found["market"]["K"] == 4


# -- solve --menus ---------------------------------------------------------------------------------


BESIDE = "Beside other ways to sell"


def test_the_best_menu_of_the_reference_market(capsys):
    out = run(capsys, "solve --menus --satisfaction 150 250")
    assert cells(out, "Best menu") == [
        ["ASP utility", "2,028.02"],
        ["contracts", "2"],
        ["VMUs that take one", "2 of 2"],
        ["steps sold", "362.069"],
    ]
    assert cells(out, "Contracts") == [
        ["1", "158.046", "1,126.08", "7.125", "0"],
        ["2", "204.023", "1,264.01", "6.19542", "1"],
    ]
    assert cells(out, "VMUs") == [
        ["0", "150", "1", "158.046", "1,126.08", "0"],
        ["1", "250", "2", "204.023", "1,264.01", "750.72"],
    ]
    assert cells(out, BESIDE) == [
        ["first best: the ASP sees each δ", "2,817.05", "138.9 %"],
        ["best menu", "2,028.02", "100.0 %"],
        ["best menu of 1 contract", "2,012.69", "99.2 %"],
        ["two-part tariff: 941.96, and 1.33333 a step", "2,013.97", "99.3 %"],
        ["price: 7.53125 a step", "1,307.50", "64.5 %"],
    ]


def test_menus_are_told_as_json(capsys):
    delta = [200, 230, 260, 290, 320]
    found = numbers(capsys, "solve --menus --contracts 2 --satisfaction", *delta)
    market = aigc_market.Market(K=5, satisfaction=delta)
    beside, told = found.pop("mechanisms"), found.pop("market")
    assert told["satisfaction"] == delta
    assert found == plain(vars(menus.solve_menu(market, 2)))
    shares = {name: each.pop("share") for name, each in beside.items()}
    best = menus.solve_menu(market)
    assert len(beside["best_menu"]["menu"]) == 5
    assert beside["first_best"] == plain(vars(menus.first_best(market)))
    assert beside["best_menu"] == plain(vars(best))
    assert beside["few_contracts"] == found
    assert beside["one_contract"] == plain(vars(menus.solve_menu(market, 1)))
    assert beside["two_part_tariff"] == plain(menus.best_tariff(market)._asdict())
    price = aigc_market.solve(market)
    assert beside["price"]["price"] == price.price
    assert beside["price"]["vmu_surplus"] == price.vmu_surplus.tolist()
    for name, each in beside.items():
        assert shares[name] == pytest.approx(each["asp_utility"] / best.asp_utility)
    assert sorted(shares.values(), reverse=True)[:2] == [shares["first_best"], 1]


def test_contracts_that_are_alike_are_told_once(capsys):
    """Those of pooled VMUs; and those of nothing, for VMUs that are left out, never."""
    delta = [10, 300, 305, 400, 400, 12]
    found = numbers(capsys, "solve --menus --satisfaction", *delta)
    best = menus.solve_menu(aigc_market.Market(K=6, satisfaction=delta))
    assert found["steps"] == best.steps.tolist()
    offered = [tuple(row) for row in best.menu.tolist() if row[0] > 0]
    assert len(set(offered)) < len(offered)
    assert [tuple(row) for row in found["menu"]] == sorted(set(offered))
    got = [(0, 0), *map(tuple, found["menu"])]
    pairs = zip(found["steps"], found["fees"], strict=True)
    assert [got[number] for number in found["taken"]] == [*pairs]
    assert [number > 0 for number in found["taken"]] == [d > 12 for d in delta]


def test_as_many_contracts_as_vmus_are_enough(capsys):
    all_of_them = run(capsys, "solve --menus --satisfaction 150 250")
    for contracts in (2, 10**9):
        words = f"solve --menus --satisfaction 150 250 --contracts {contracts}"
        assert run(capsys, words) == all_of_them
    out = run(capsys, "solve --menus --satisfaction 150 250 --contracts 1")
    assert cells(out, "Best menu of 1 contract")[0] == ["ASP utility", "2,012.69"]
    assert cells(out, BESIDE) == cells(all_of_them, BESIDE)
    out = run(capsys, "solve --menus --satisfaction 150 250 350 --contracts 2")
    assert cells(out, "Best menu of at most 2 contracts")[1] == ["contracts", "2"]
    assert cells(out, BESIDE)[2][0] == "best menu of at most 2 contracts"


def test_where_no_contract_can_earn_anything(capsys):
    out = run(capsys, "solve --menus --satisfaction 10")
    nobody = "none: steps cost more than they are worth to anybody"
    assert ["VMUs that take one", nobody] in cells(out, "Best menu")
    assert "Contracts" not in out
    assert [row[2] for row in cells(out, "VMUs")] == ["none", "none"]
    assert [row[1:] for row in cells(out, BESIDE)] == [["0", "–"]] * 5
    assert cells(out, BESIDE)[-1][0] == "price"
    found = numbers(capsys, "solve --menus --satisfaction 10")
    assert found["menu"] == []
    assert found["mechanisms"]["price"]["share"] is None


def test_a_price_beside_a_menu_is_bounded(capsys):
    out = run(capsys, "solve --menus --max-price 5")
    assert cells(out, BESIDE)[1] == ["best menu", "2,816.09", "100.0 %"]
    price = aigc_market.solve(aigc_market.Market(max_price=5)).asp_utility
    assert cells(out, BESIDE)[-1][:2] == [
        "price: 5 a step, the highest allowed",
        f"{price:,.2f}",
    ]


def test_the_menu_of_many_vmus(capsys):
    out = run(capsys, "solve --menus --K 500 --contracts 3")
    assert cells(out, "Contracts") == [["1", "201.149", "1,609.20", "8", "500 VMUs"]]
    assert "488 more between these: see --json" in out
    assert ["two-part tariff: up to 300 VMUs only", "–", "–"] in cells(out, BESIDE)
    assert len(out.splitlines()) < 50
    assert max(map(len, out.splitlines())) <= 80
    found = numbers(capsys, "solve --menus --K 500")
    assert found["mechanisms"]["two_part_tariff"] is None
    assert len(found["steps"]) == 500
    delta = np.geomspace(100, 300, 40)
    out = run(capsys, "solve --menus --satisfaction", *delta)
    number = int(dict(cells(out, "Best menu"))["contracts"])
    assert number > 20
    assert f"{number - 12} more between these: see --json" in out
    assert [row[0] for row in cells(out, "Contracts")][-1] == str(number)


def test_the_menu_of_the_first_market_of_a_scenario(capsys):
    found = numbers(capsys, "solve --menus --scenario hidden --seed 5")
    env = gymnasium.make("aigc_market/Menu-v0", scenario="hidden", contracts=2).unwrapped
    env.reset(seed=5)
    assert found["asp_utility"] == env.best_menu.asp_utility
    assert found["market"]["satisfaction"] == env.market.satisfaction.tolist()
    unset = numbers(capsys, "solve --menus --scenario hidden")
    assert unset == numbers(capsys, "solve --menus --scenario hidden --seed 0")
    dearer = numbers(capsys, "solve --menus --scenario hidden --seed 5 --cost 2")
    assert dearer["market"]["satisfaction"] == found["market"]["satisfaction"]
    assert dearer["asp_utility"] < found["asp_utility"]


# -- bad words of solve ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--M 0", "--M must be a whole number of at least 1, got 0"),
        ("--cost 30", "--max-price must be at least cost = 30.0, got 20.0"),
        ("--satisfaction", "--satisfaction must be followed by a value or several, got nothing"),
        (
            "--K 2 --satisfaction 120 200 350",
            "--satisfaction must be one number or hold K = 2 along its last axis, got (120.0, 200",
        ),
        ("--M 1 --cost 1 2", "--cost must be of one market"),
        ("--min-steps 10 --capacity 15", "--capacity must be at least K · min_steps = 20.0"),
        (
            "--ssim nowhere.csv",
            "--ssim must be `quadratic`, `repaint` or a CSV file: nowhere.csv: must be a CSV table "
            "with a column `steps` and one of `ssim` or `mean` (No such file or directory)",
        ),
        ("--alpha 1", "--alpha must be finite numbers below 0, got 1.0"),
        ("--at-zero .1", "--at-zero must be left out"),
        ("--ssim repaint --beta 1", "--ssim must be left out or `quadratic`"),
        ("--K 2 --active 1", "--active must hold 2 truth values"),
        ("--scenario road --M 1", "--scenario must be one of ['paper', 'hidden'"),
        ("--scenario paper --seed -1", "--seed must be a whole number of at least 0"),
        ("--seed 3", "--seed must be left out where nothing is drawn from it"),
        ("--M 2 --access-cost 1 2 3", "--access-cost must be one number or hold (M, K) = (2, 2)"),
        ("--M 2 --ssim repaint", "--ssim must be made of models that are not live"),
        ("--M 2 --prices 5", "--prices must hold M = 2 along the last axis, got"),
        ("--M 2 --prices 5 50", "--prices must lie between cost = array([1., 1.]) and max_price ="),
        ("--M 2 --scenario paper", "--scenario must be one of ['duopoly', 'calvano', 'road'"),
        ("--contracts 3", "--contracts must be left out where none are sold (no --menus), got 3"),
        ("--menus --contracts 0", "--contracts must be a whole number of at least 1, got 0"),
        ("--menus --scenario drift", "--scenario must be one of ['paper', 'hidden'], got 'drift'"),
        ("--menus --ssim repaint", "--ssim must not be live where contracts are sold"),
    ],
)
def test_bad_flags_of_solve(capsys, flags, said):
    assert said in refused(capsys, "solve", flags)


@pytest.mark.parametrize(
    ("words", "misplaced", "where"),
    [
        ("", "prices temperature outside access-cost", "there is one provider (--M 1, or unset)"),
        ("--M 2", "active", "there are several providers (--M)"),
        (
            "--menus",
            "M capacity min-steps active prices temperature outside access-cost",
            "contracts are sold (--menus)",
        ),
    ],
)
def test_flags_of_another_game_are_refused(capsys, words, misplaced, where):
    for flag in misplaced.split():
        line = refused(capsys, "solve", words, f"--{flag} 1")
        assert f"--{flag} must be left out where {where}, got" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "Expected one of {solve, fit, play, explore, replay, info}"),
        ("solve --K", "Missing value for argument"),
        ("solve --satisfaction 1 b", "--satisfaction: Could not find valid parse for arguments"),
        ("solve --active 1 2", "invalid choice '2' for argument '--active'. Expected one of ('0'"),
        ("solve --capcity 3", "Unrecognized options: --capcity, 3"),
        ("solve --capcity 3", "Perhaps you meant: --capacity"),
        ("solve --speed 3", "Perhaps you meant: --seed"),
        ("solve extra", "Unrecognized options: extra"),
        ("fit", "Missing from aigc-market fit: CSV A file with a column `steps`"),
        ("replay", "Missing from aigc-market replay: RUN.jsonl What"),
    ],
)
def test_words_that_cannot_be_read(capsys, words, said):
    assert said in misread(capsys, words)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps,quality\n0,1\n", "line 1: the header must name a column 'ssim'"),
        ("steps,ssim\n0,.1\n100,.5\n90,.6\n", "line 4: steps must be strictly increasing"),
        ("steps,ssim\n0,.1\n100,.5\n", "--max-steps must be at most 100"),
        (b"\xff\xfe\x00", "ssim.csv: must be text in UTF-8"),
    ],
)
def test_bad_tables_are_named(capsys, tmp_path, text, said):
    path = tmp_path / "ssim.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused(capsys, "solve --ssim", path)
    assert said in line
    assert "--ssim must be `quadratic`, `repaint` or a CSV file: " in line or "--max-steps" in line
    line = refused(capsys, "fit", path)
    assert "CSV must hold measurements that can be fitted: " in line


# -- fit -------------------------------------------------------------------------------------------


def test_fit_finds_the_parabola(capsys, table):
    found = numbers(capsys, "fit", table)
    assert (found["alpha"], found["beta"], found["gamma"]) == pytest.approx((-1e-5, 3.4e-3, 0.4))
    assert found["r_squared"] == pytest.approx(1)
    assert found["measurements"] == 26
    assert set(found["standard_errors"]) == {"alpha", "beta", "gamma"}
    assert numbers(capsys, "fit --min-steps 120 --max-steps 160", table)["measurements"] == 5
    out = run(capsys, "fit", table)
    assert "26 measurements, 0 to 250 steps" in out
    assert "1.0000" in out
    command = "aigc-market solve --alpha -1e-05 --beta 0.0034 --gamma 0.4 --satisfaction 4412\n"
    assert command in out
    assert "δ = 4,412 keeps the paper's β·δ = 15" in out
    assert "with its δ = 200 that would be 0.68." in out


@pytest.mark.parametrize("scale", [1e-3, 1, 30])
def test_fit_recommends_a_market_with_trade(capsys, tmp_path, scale):
    """Whatever SSIM is measured in, the command that it prints is the paper's market."""
    path = tmp_path / "ssim.csv"
    measured = *range(0, 201, 20), 100, 40  # some more than once, in any order
    rows = [f"{s},{scale * (-1e-5 * s**2 + 4e-3 * s + 0.4)}\n" for s in measured]
    path.write_text("steps,ssim\n" + "".join(rows))
    [command] = re.findall("aigc-market (solve .*)", run(capsys, "fit", path))
    found = numbers(capsys, command)
    assert found["price"] == pytest.approx(8, rel=1e-3)
    assert min(found["vmu_surplus"]) > 0
    assert found["asp_utility"] > 0
    satisfaction = numbers(capsys, "fit", path)["satisfaction"]
    assert found["market"]["satisfaction"] == [satisfaction] * 2


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_fit_draws(capsys, table, tmp_path, ending, begins):
    path = tmp_path / f"fit.{ending}"
    run(capsys, "fit", table, "--plot", path)
    assert path.read_bytes().startswith(begins)


def test_bad_words_of_fit(capsys, table, tmp_path, monkeypatch):
    line = refused(capsys, "fit nowhere.csv")
    assert "nowhere.csv: must be a CSV table with a column `steps` and one of `ssim` or" in line
    assert "at least 4 measurements" in refused(capsys, "fit --min-steps 240", table)
    assert "--plot" in refused(capsys, "fit", table, "--plot", tmp_path / "fit.docx")
    assert "--plot" in refused(capsys, "fit", table, "--plot", tmp_path / "no" / "fit.png")
    rising = tmp_path / "rising.csv"
    rising.write_text("steps,ssim\n0,0\n10,.1\n20,.4\n30,.9\n")
    line = refused(capsys, "fit", rising)
    assert "CSV must hold measurements that can be fitted: values must have" in line
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    line = refused(capsys, "fit", table, "--plot", tmp_path / "fit.png")
    assert "--plot needs matplotlib: pip install 'aigc-market[plot]'" in line


# -- info ------------------------------------------------------------------------------------------


def test_info_tells_what_is_there(capsys):
    found = numbers(capsys, "info")
    assert found["aigc-market"] == aigc_market.__version__
    assert found["dependencies"]["numpy"] == np.__version__
    assert set(found["dependencies"]) == {"numpy", "gymnasium", "pettingzoo", "array-api-compat"}
    assert found["extras"]["cli"] == []
    ids = [f"aigc_market/{name}-v0" for name in ("Pricing", "Rival", "Menu")]
    assert found["environments"]["Gymnasium"] == ids
    has_torch = importlib.util.find_spec("torch") is not None
    assert found["devices"][:1] == (["cpu"] if has_torch else [])
    out = run(capsys, "info")
    for said in (np.__version__, "aigc_market/Menu-v0", "extras cli"):
        assert said in out


def test_info_names_what_is_missing(capsys, monkeypatch):
    from aigc_market.cli import info

    before = info._version

    def version(name):
        return None if name in ("tyro", "rich") else before(name)

    monkeypatch.setattr(info, "_version", version)
    monkeypatch.setattr(info.importlib.util, "find_spec", lambda name: None)
    found = numbers(capsys, "info")
    assert found["extras"]["cli"] == ["rich", "tyro"]
    assert set(found["extras"]["app"]) >= {"rich", "tyro"}  # it names the other
    assert found["devices"] == []
    assert re.search(r"devices +│ none", run(capsys, "info"))


# -- explore, and the command as a whole -----------------------------------------------------------


def test_explore_serves_until_ctrl_c():
    with process("explore --no-browser --port 0") as server:
        try:
            line = server.stdout.readline()
            assert line.startswith("The explorer is at http://127.0.0.1:")
            port = int(line.split()[4].rsplit(":", 1)[1])
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                connection.settimeout(60)
                assert connection.recv(12) == b"HTTP/1.1 200"
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(timeout=120) == 130
        assert server.stderr.read() == "aigc-market: interrupted\n"


def test_bad_flags_of_explore(capsys, monkeypatch):
    words = "explore --no-browser"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(capsys, words, "--port", port)
    assert f"--port must be free and host an address of this machine, got {port}" in line
    line = refused(capsys, words, "--port 70000")
    assert "--port must be finite numbers at least 0 and at most 65535, got 70000" in line
    assert "'no.such.host'" in refused(capsys, words, "--host no.such.host")
    monkeypatch.setitem(sys.modules, "marimo", None)
    line = refused(capsys, words)
    assert "explore needs marimo and altair: pip install 'aigc-market[app]'" in line


@pytest.mark.parametrize("missing", ["tyro", "rich"])
def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    assert "pip install 'aigc-market[cli]'" in refused(capsys, "solve")


def test_the_version(capsys):
    assert run(capsys, "--version") == f"aigc-market {aigc_market.__version__}\n"


COMMANDS = ["solve", "fit", "play", "replay", "explore", "info"]


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help(capsys, command):
    with pytest.raises(SystemExit) as end:
        cli.main([*command, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(" ".join(["usage: aigc-market", *command]))
    for presets in (scenarios.SCENARIOS, scenarios.COMPETITION_SCENARIOS):
        named = ", ".join(presets) in " ".join(out.replace("│", " ").split())
        assert named == (command in (["solve"], ["play"]))
    sold = f"With `solve --menus` {', '.join(scenarios.MENU_SCENARIOS)}."
    assert (sold in " ".join(out.replace("│", " ").split())) == (command in (["solve"], ["play"]))


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "info"])
def test_a_bad_value_of_any_flag_names_it(capsys, command, table, tmp_path):
    run_file = tmp_path / "run.jsonl"
    replay.write(run_file, [record(number=1)])
    needed = {"fit": table, "replay": run_file, "explore": "--no-browser"}.get(command, "")
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    flags = set(re.findall(r"(?m)^\W*(--[a-zA-Z](?:-?\w)*)", capsys.readouterr().out))
    truths = {"--help", "--json", "--no-json", "--show-equilibrium", "--no-show-equilibrium"}
    truths |= {"--text", "--no-text", "--browser", "--no-browser", "--menus", "--no-menus"}
    assert len(flags - truths) >= 2
    for flag in flags - truths:
        bad = tmp_path / "no" / "where.txt" if flag in ("--plot", "--record", "--video") else "§"
        line = misread(capsys, command, needed, flag, bad)
        assert flag in line or (flag, line[13:19]) == ("--host", "--port"), line
        assert str(bad) in line, line


def test_errors_in_a_process_of_its_own():
    with process("solve --cost -1") as child:
        out, err = child.communicate(timeout=120)
    assert (child.returncode, out) == (2, "")
    assert err == "aigc-market: --cost must be finite numbers above 0, got -1.0\n"


@pytest.mark.parametrize("words", ["solve", "solve --K 2000 --json", "--version"])
def test_a_reader_that_has_had_enough(words):
    read, write = os.pipe()
    os.close(read)
    with process(words, stdout=write) as child:
        os.close(write)
        assert child.wait(timeout=120) == 141
        assert child.stderr.read() == ""


@pytest.mark.parametrize("words", [["solve"], ["solve", "--help"]])
def test_a_terminal_that_knows_no_greek(monkeypatch, words):
    shown = io.TextIOWrapper(io.BytesIO(), "cp1252", write_through=True)
    monkeypatch.setattr(sys, "stdout", shown)
    with pytest.raises(SystemExit, match="0") if words[1:] else contextlib.nullcontext():
        cli.main(words)
    assert b"?" in shown.buffer.getvalue()  # δ


def test_streams_that_were_closed_before(monkeypatch):
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(sys, name, None)
    cli.main(["play"])
    sys.stdin.close()
    sys.stdout.close()


def test_a_terminal_too_narrow_for_help(monkeypatch):
    monkeypatch.setenv("COLUMNS", "1")
    cli.main(["--version"])
    assert os.environ["COLUMNS"] == "10"


def test_ctrl_c_in_a_process_of_its_own(tmp_path):
    """While it plays: a signal to a process that waits for a word may come before it waits."""
    path = tmp_path / "prices"
    path.write_text("9\n" * 100_000)
    with open(path) as prices, process("play --rounds 100000", stdin=prices) as child:
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=120)
        assert err == "aigc-market: interrupted\n"
        # Where it comes while Python executes a string, as dataclasses do when they are imported,
        # Python ends by the signal itself. A shell calls either 130.
        assert child.returncode in (130, -signal.SIGINT)


def test_only_the_commands_that_draw_import_what_draws():
    code = (
        "import sys; from aigc_market.cli import main\n"
        "main(['solve', '--json']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "matplotlib", "marimo", "altair", "pygame", "pandas", "scipy", "PIL"}
    assert not heavy & set(done.stderr.split())
