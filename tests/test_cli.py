"""The console command `aigc-market`: each command, and each of its errors."""

import importlib.util
import json
import re
import signal
import socket
import subprocess
import sys
from functools import partial

import gymnasium
import numpy as np
import pytest
from command_line import misread, refused, run, type_words
from rounds import record

import aigc_market
from aigc_market import cli, replay, scenarios
from aigc_market.ssim import PAPER_SSIM, TabulatedSSIM


def process(*words, **options):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "aigc_market.cli", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    # Whoever runs tests in the background may have made them, and their children, deaf to Ctrl-C.
    return subprocess.Popen(command, preexec_fn=_heed_ctrl_c, **pipes)


def _heed_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def typed(monkeypatch):
    """Lets a test type words into the terminal, one a line."""
    return partial(type_words, monkeypatch)


@pytest.fixture
def table(tmp_path):
    """SSIM as `calibrate` writes it."""
    steps = np.arange(0, 251, 10)
    path = tmp_path / "ssim.csv"
    rows = [f"{s},{-1e-5 * s**2 + 3.4e-3 * s + 0.4},0,10\n" for s in steps]
    path.write_text("steps,mean,std,samples\n" + "".join(rows))
    return path


# -- solve -----------------------------------------------------------------------------------------


def test_solve_prints_the_papers_equilibrium(capsys):
    out = run(capsys, "solve")
    for said in ("p*", "8", "1,408.05", "100.575", "352.01", "nothing", "8: it applies"):
        assert said in out
    assert "utility" not in out.split("VMUs", 1)[1]  # of VMUs the surplus alone, without γ
    assert "978" not in out


def test_solve_tells_all_as_json(capsys):
    flags = ["--satisfaction", 50, 400, "--json"]
    found = json.loads(run(capsys, "solve", *flags))
    market = aigc_market.Market(satisfaction=[50, 400])
    equilibrium = aigc_market.solve(market)
    assert found["price"] == equilibrium.price == pytest.approx(15.5)
    assert found["asp_utility"] == equilibrium.asp_utility
    for name in ("steps", "vmu_utility", "vmu_surplus"):
        assert found[name] == getattr(equilibrium, name).tolist()
    for name in ("min_steps", "max_steps", "min_price", "max_price", "capacity"):
        assert found["binding"][name] == np.asarray(getattr(equilibrium.binding, name)).tolist()
    assert found["closed_form"] is False
    assert found["theorem_2_price"] == pytest.approx(3.8333, abs=1e-4)
    assert found["market"]["satisfaction"] == [50, 400]
    assert found["market"]["capacity"] is None


@pytest.mark.parametrize(
    ("flags", "parameters"),
    [
        (["--K", 3], {"K": 3}),
        (["--cost", 2], {"cost": 2}),
        (["--max-price", 7], {"max_price": 7}),
        (["--max_price", 7], {"max_price": 7}),
        (["--satisfaction", 100], {"satisfaction": 100}),
        (["--satisfaction", 120, 200, 350], {"K": 3, "satisfaction": [120, 200, 350]}),
        (["--K", 3, "--satisfaction", 120, 200, 350], {"K": 3, "satisfaction": [120, 200, 350]}),
        (["--K=4", "--satisfaction=150"], {"K": 4, "satisfaction": 150}),
        (["--active", 1, 0, 1], {"K": 3, "active": [True, False, True]}),
        (["--min-steps", 120, "--max-steps", 160], {"min_steps": 120, "max_steps": 160}),
        (["--capacity", 150], {"capacity": 150}),
        (["--active", 1, 0], {"active": [True, False]}),
        (["--ssim", "quadratic"], {"ssim": "quadratic"}),
        (["--alpha", "-2e-4"], {"ssim": aigc_market.ssim.QuadraticSSIM(-2e-4, 0.075)}),
        (["--beta", 0.1], {"ssim": aigc_market.ssim.QuadraticSSIM(-0.000174, 0.1)}),
    ],
)
def test_each_flag_reaches_the_market(capsys, flags, parameters):
    found = json.loads(run(capsys, "solve", *flags, "--json"))
    equilibrium = aigc_market.solve(aigc_market.Market(**parameters))
    assert found["price"] == equilibrium.price
    assert found["asp_utility"] == equilibrium.asp_utility


def test_gamma_is_in_the_vmus_utility_alone(capsys):
    found = json.loads(run(capsys, "solve", "--gamma", 0, "--json"))
    assert found["vmu_utility"] == pytest.approx(found["vmu_surplus"])
    usual = json.loads(run(capsys, "solve", "--json"))
    assert found["vmu_surplus"] == usual["vmu_surplus"]
    assert usual["vmu_utility"][0] - usual["vmu_surplus"][0] == pytest.approx(
        200 * PAPER_SSIM.gamma
    )


@pytest.mark.parametrize("column", ["mean", "ssim"])
def test_a_measured_table_is_solved(capsys, table, column):
    table.write_text(table.read_text().replace("mean", column))
    flags = ["--ssim", table, "--satisfaction", 4000, "--json"]
    found = json.loads(run(capsys, "solve", *flags))
    model = TabulatedSSIM.from_csv(table, values=column)
    equilibrium = aigc_market.solve(aigc_market.Market(satisfaction=4000, ssim=model))
    assert found["price"] == equilibrium.price
    assert found["theorem_2_price"] is None
    assert "SSIM is no parabola" in run(capsys, "solve", *flags[:-1])


def test_a_table_that_begins_above_0(capsys, tmp_path):
    path = tmp_path / "ssim.csv"
    path.write_text("steps,ssim\n100,.6\n250,.8\n")
    assert "--at-zero" in refused(capsys, "solve", "--ssim", path)
    flags = ["--ssim", path, "--at-zero", 0.1, "--satisfaction", 4000, "--json"]
    found = json.loads(run(capsys, "solve", *flags))
    model = TabulatedSSIM([0, 100, 250], [0.1, 0.6, 0.8])
    expected = aigc_market.solve(aigc_market.Market(satisfaction=4000, ssim=model))
    assert found["price"] == expected.price


def test_a_large_market_is_cut_in_the_table_alone(capsys):
    out = run(capsys, "solve", "--K", 500)
    assert "488 more between these: see --json" in out
    assert len(out.splitlines()) < 40
    assert len(json.loads(run(capsys, "solve", "--K", 500, "--json"))["steps"]) == 500


def test_what_binds_is_said(capsys):
    assert "the highest price 20" in run(capsys, "solve", "--min-steps", 120, "--max-steps", 160)
    assert "the capacity 150" in run(capsys, "solve", "--capacity", 150)
    out = run(capsys, "solve", "--satisfaction", 50, 400)
    assert "S_min = 0 for 1 of 2 VMUs" in out
    assert "3.83333: it does not apply" in out
    assert "none: nobody buys at any price" in run(capsys, "solve", "--satisfaction", 10)
    cut = run(capsys, "solve", "--capacity", 50, "--max-price", 5)
    assert "50.000, cut from 287.356 asked for" in cut
    assert "not there" in run(capsys, "solve", "--active", 1, 0)


def test_who_is_there_may_be_said_of_any_scenario(capsys):
    flags = ["--scenario", "hidden", "--seed", 5, "--json"]
    both = json.loads(run(capsys, "solve", *flags))
    one = json.loads(run(capsys, "solve", *flags, "--active", 0, 1))
    assert one["market"]["satisfaction"] == both["market"]["satisfaction"]
    assert one["steps"][0] == 0
    assert 0 < one["asp_utility"] < both["asp_utility"]


def test_the_first_market_of_a_scenario_is_solved(capsys):
    flags = ["solve", "--scenario", "hidden", "--seed", 5, "--json"]
    found = json.loads(run(capsys, *flags))
    env = gymnasium.make("aigc_market/Pricing-v0", scenario="hidden").unwrapped
    env.reset(seed=5)
    assert found["price"] == env.equilibrium.price
    assert found["market"]["satisfaction"] == env.market.satisfaction.tolist()
    dearer = json.loads(run(capsys, *flags, "--cost", 4))
    assert dearer["market"]["satisfaction"] == found["market"]["satisfaction"]
    assert dearer["price"] > found["price"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--M", 0], "--M must be a whole number of at least 1, got 0"),
        (["--K", 0], "--K must be a whole number of at least 1, got 0"),
        (["--cost", -1], "--cost must be finite numbers above 0, got -1.0"),
        (["--cost", "nan"], "--cost must be finite numbers above 0, got nan"),
        (["--cost", 30], "--max-price must be at least cost = 30.0, got 20.0"),
        (["--cost", 5, "--max-price", 3], "--max-price must be at least cost = 5.0, got 3.0"),
        (["--max-price", 0.5], "--max-price must be at least cost = 1.0, got 0.5"),
        (["--satisfaction"], "--satisfaction must be followed by a value or several, got nothing"),
        (["--satisfaction", -1], "--satisfaction must be finite numbers above 0, got -1.0"),
        (
            ["--K", 2, "--satisfaction", 120, 200, 350],
            "--satisfaction must be one number or hold K = 2 along its last axis, got (120.0, 200",
        ),
        (["--M", 1, "--cost", 1, 2], "--cost must be of one market"),
        (["--min-steps", -1], "--min-steps must be finite numbers at least 0, got -1.0"),
        (["--min-steps", 300], "--max-steps must be at least min_steps = 300.0, got 250.0"),
        (["--min-steps", 9, "--max-steps", 5], "--max-steps must be at least min_steps = 9.0, got"),
        (["--min-steps", 10, "--capacity", 15], "--capacity must be at least K · min_steps = 20.0"),
        (
            ["--ssim", "nowhere.csv"],
            "--ssim must be `quadratic`, `repaint` or a CSV file: [Errno 2]",
        ),
        (["--alpha", 1], "--alpha must be finite numbers below 0, got 1.0"),
        (["--beta", -1], "--beta must be finite numbers above 0, got -1.0"),
        (["--gamma", "inf"], "--gamma must be finite numbers, got inf"),
        (["--at-zero", 0.1], "--at-zero must be left out"),
        (["--ssim", "repaint", "--beta", 1], "--ssim must be left out or `quadratic`"),
        (["--active"], "--active must be followed by a value or several, got nothing"),
        (["--K", 2, "--active", 1], "--active must hold 2 truth values"),
        (
            ["--prices", 5],
            "--prices must be left out where there is one provider (--M 1, or unset)",
        ),
        (["--temperature", 9], "--temperature must be left out where there is one provider"),
        (["--scenario", "hiden"], "--scenario must be one of ['paper', 'hidden'"),
        (["--scenario", "road", "--M", 1], "--scenario must be one of ['paper', 'hidden'"),
        (["--scenario", "paper", "--seed", -1], "--seed must be a whole number of at least 0"),
        (["--seed", 3], "--seed must be left out where nothing is drawn from it"),
        (["--scenario", "paper", "--seed", 3], "--seed must be left out where nothing is drawn"),
    ],
)
def test_bad_flags_of_solve(capsys, flags, said):
    assert said in refused(capsys, "solve", *flags)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--K", "x"], "--K: invalid literal for int() with base 10: 'x'"),
        (["--K"], "Missing value for argument"),
        (["--min-steps", "few"], "--min-steps: could not convert string to float: 'few'"),
        (
            ["--satisfaction", 1, "b"],
            "--satisfaction: Could not find valid parse for arguments: ['1",
        ),
        (["--active", 1, 2], "invalid choice '2' for argument '--active'. Expected one of ('0'"),
        (["--seed", "x"], "--seed: invalid literal for int() with base 10: 'x'"),
        (["--capcity", 3], "Unrecognized options: --capcity, 3"),
        (["--capcity", 3], "Perhaps you meant: --capacity"),
        (["--speed", 3], "Perhaps you meant: --seed"),
        (["--xyz", 3], "Unrecognized options: --xyz, 3"),
        (["extra"], "Unrecognized options: extra"),
    ],
)
def test_words_that_solve_cannot_read(capsys, flags, said):
    assert said in misread(capsys, "solve", *flags)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps,quality\n0,1\n", "line 1: the header must name a column 'ssim'"),
        ("steps,ssim\n0,.1\n100,many\n", "line 3"),
        ("steps,ssim\n0,.1\n100,.5\n90,.6\n", "line 4: steps must be strictly increasing"),
        ("steps,ssim\n", "at least one row"),
        ("", "line 1: the header must name a column 'steps'"),
        ("steps,ssim\n0,.1\n100,.5\n", "--max-steps must be at most 100"),
    ],
)
def test_bad_tables_are_named(capsys, tmp_path, text, said):
    path = tmp_path / "ssim.csv"
    path.write_text(text)
    line = refused(capsys, "solve", "--ssim", path)
    assert said in line
    assert "--ssim must be" in line or "--max-steps" in line


def test_a_table_that_is_no_text_is_named(capsys, tmp_path):
    path = tmp_path / "ssim.csv"
    path.write_bytes(b"\xff\xfe\x00")
    said = f"{path}: must be text in UTF-8"
    assert f"--ssim must be `quadratic`, `repaint` or a CSV file: {said}" in refused(
        capsys, "solve", "--ssim", path
    )
    assert f"CSV must hold measurements that can be fitted: {said}" in refused(capsys, "fit", path)


def test_a_cell_that_is_too_long_is_named(capsys, tmp_path):
    path = tmp_path / "ssim.csv"
    path.write_text(f"steps,ssim\n0,{'1' * 140_000}\n")
    for words in (("solve", "--ssim", path), ("fit", path)):
        assert f"{path}, line 2: must be a row of a CSV table" in refused(capsys, *words)


# -- fit -------------------------------------------------------------------------------------------


def test_fit_finds_the_parabola(capsys, table):
    found = json.loads(run(capsys, "fit", table, "--json"))
    assert (found["alpha"], found["beta"], found["gamma"]) == pytest.approx((-1e-5, 3.4e-3, 0.4))
    assert found["r_squared"] == pytest.approx(1)
    assert found["measurements"] == 26
    assert set(found["standard_errors"]) == {"alpha", "beta", "gamma"}
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
    rows = [f"{s},{scale * (-1e-5 * s**2 + 4e-3 * s + 0.4)}\n" for s in range(0, 201, 20)]
    path.write_text("steps,ssim\n" + "".join(rows))
    out = run(capsys, "fit", path)
    command = next(line for line in out.splitlines() if "aigc-market solve" in line)
    found = json.loads(run(capsys, *command.split("aigc-market ")[1].split(), "--json"))
    assert found["price"] == pytest.approx(8, rel=1e-3)
    assert min(found["vmu_surplus"]) > 0
    assert found["asp_utility"] > 0
    satisfaction = json.loads(run(capsys, "fit", path, "--json"))["satisfaction"]
    assert found["market"]["satisfaction"] == [satisfaction] * 2


def test_fit_on_part_of_the_range(capsys, table):
    flags = ["--min-steps", 120, "--max-steps", 160, "--json"]
    assert json.loads(run(capsys, "fit", table, *flags))["measurements"] == 5


def test_fit_takes_a_step_that_was_measured_more_than_once(capsys, tmp_path):
    path = tmp_path / "samples.csv"
    path.write_text("ssim,steps\n.4,0\n.5,50\n.52,50\n.6,100\n.58,100\n.62,200\n")
    found = json.loads(run(capsys, "fit", path, "--json"))
    steps, values = [0, 50, 50, 100, 100, 200], [0.4, 0.5, 0.52, 0.6, 0.58, 0.62]
    expected = aigc_market.ssim.fit_quadratic(steps, values)
    assert found["alpha"] == expected.ssim.alpha
    assert found["r_squared"] == expected.r_squared < 1


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_fit_draws(capsys, table, tmp_path, ending, begins):
    path = tmp_path / f"fit.{ending}"
    run(capsys, "fit", table, "--plot", path)
    assert path.read_bytes().startswith(begins)


def test_bad_words_of_fit(capsys, table, tmp_path, monkeypatch):
    line = misread(capsys, "fit")
    assert "Missing from aigc-market fit: CSV A file with a column `steps`" in line
    assert "No such file or directory: 'nowhere.csv'" in refused(capsys, "fit", "nowhere.csv")
    assert "at least 4 measurements" in refused(capsys, "fit", table, "--min-steps", 240)
    line = misread(capsys, "fit", table, "--min-steps", "few")
    assert "--min-steps: could not convert string to float: 'few'" in line
    assert "--plot" in refused(capsys, "fit", table, "--plot", tmp_path / "fit.docx")
    assert "--plot" in refused(capsys, "fit", table, "--plot", tmp_path / "no" / "fit.png")
    rising = tmp_path / "rising.csv"
    rising.write_text("steps,ssim\n0,0\n10,.1\n20,.4\n30,.9\n")
    line = refused(capsys, "fit", rising)
    assert "CSV must hold measurements that can be fitted: values must have" in line
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    line = refused(capsys, "fit", table, "--plot", tmp_path / "fit.png")
    assert "--plot needs matplotlib: pip install 'aigc-market[plot]'" in line


# -- play and replay -------------------------------------------------------------------------------


def test_a_game_is_played_and_summed_up(capsys, typed):
    typed(9, 8)
    out = run(capsys, "play", "--rounds", 2)
    against = "against rational VMUs: regret"
    assert f"  earned 1,379.31; {against} 28.74, share so far 98.0 %" in out
    assert f"  earned 1,408.05; {against} 0, share so far 99.0 %" in out
    assert "  round 1, price 9: steps sold 86.2 86.2 = 172.4\n" in out
    assert "2 rounds: you earned 2,787.36; equilibrium prices earn 2,816.09 from" in out
    assert "Against rational VMUs: regret 28.74 in all, share 99.0 %." in out
    assert "The equilibrium price was 8; you asked 8 to 9." in out
    assert out.index("equilibrium price") > out.rindex("share so far")  # not before the end


def test_bad_prices_are_asked_for_again(capsys, typed):
    typed("nine", "", 50, "nan", -1, " 9 ")
    out = run(capsys, "play", "--rounds", 1)
    assert "a price must be a number from 1 to 20, got 'nine'" in out
    assert "a price must be a number from 1 to 20, got ''" in out
    for price in (50, "nan", -1):
        assert f"a price must be a number from 1 to 20, got '{price}'" in out
    assert "1 round: you earned 1,379.31" in out


@pytest.mark.parametrize("end", [["q"], ["Q"], ["quit"], []])
def test_a_game_ends_early(capsys, typed, end):
    typed(9, *end)
    assert "1 round: you earned" in run(capsys, "play", "--rounds", 5)
    typed(*end)
    assert "No round was played." in run(capsys, "play")


def test_the_equilibrium_is_shown_on_demand(capsys, typed):
    typed(9)
    out = run(capsys, "play", "--rounds", 1, "--show-equilibrium", "--cost", 2)
    assert "\nround 1/1 (equilibrium 8.5 earns 1,214.08), price from 2 to 20" in out


def test_a_player_is_told_who_he_is(capsys, typed):
    typed()
    out = run(capsys, "play", "--cost", 2)
    assert out.startswith("You are the provider (the ASP).\nEach round providers post the price")
    assert "Here: 2 VMUs, a step costs 2, price up to 20, up to 250 steps a request." in out
    assert "You see what is sold and earned, but not what an image is worth" in out
    typed()
    assert "5 to 9 steps a request" in run(capsys, "play", "--min-steps", 5, "--max-steps", 9)
    typed()
    assert "capacity 150." in run(capsys, "play", "--capacity", 150)
    typed()
    assert "VMUs come and go." in run(capsys, "play", "--scenario", "crowd")


def test_what_a_capacity_cuts_is_said(capsys, typed):
    typed(7)
    out = run(capsys, "play", "--rounds", 1, "--capacity", 150)
    assert "steps sold 75.0 75.0 = 150.0, cut by the capacity of 150 from 114.9 114.9" in out
    assert "  earned 900.00;" in out  # 6 · 150


def test_a_price_at_which_nobody_buys(capsys, typed):
    typed(16)
    out = run(capsys, "play", "--rounds", 1)
    assert "price 16: steps sold 0: nobody buys" in out
    assert "share 0.0 %" in out
    typed(8)
    out = run(capsys, "play", "--rounds", 1, "--satisfaction", 10)
    assert "share so far none: nobody buys at any price" in out


def test_the_share_is_of_rational_vmus(capsys, typed):
    """Random ones buy for three times what the equilibrium earns."""
    typed(20, 20)
    flags = ["--followers", "random", "--seed", 1, "--rounds", 2]
    out = run(capsys, "play", *flags)
    earned = float(out.split("2 rounds: you earned ")[1].split(";")[0].replace(",", ""))
    assert earned > 2 * 1408.05
    assert "regret 2,816.09 in all, share 0.0 %." in out


def test_a_seed_is_a_game(capsys, typed):
    outs = []
    for seed in (1, 1, 2):
        typed(10, 11, 12)
        outs.append(run(capsys, "play", "--scenario", "drift", "--rounds", 3, "--seed", seed))
    assert outs[0] == outs[1] != outs[2]
    assert "(it moved)" in outs[0]


def test_followers_are_chosen(capsys, typed):
    typed(8)
    rational = run(capsys, "play", "--rounds", 1)
    typed(8)
    holding_back = run(capsys, "play", "--rounds", 1, "--followers", "myopic_discount")
    assert "steps sold 100.6 100.6" in rational
    assert "steps sold 77.6 77.6" in holding_back  # at 1.2 · 8
    assert "regret 0" in holding_back


def test_many_vmus_are_cut(capsys, typed):
    typed(8)
    assert "100.6 and 12 more = 2,011.5" in run(capsys, "play", "--rounds", 1, "--K", 20)


def test_a_game_is_recorded_and_replayed(capsys, typed, tmp_path):
    path = tmp_path / "run.jsonl"
    typed(9, 8)
    out = run(capsys, "play", "--rounds", 2, "--record", path)
    assert f"aigc-market replay {path}" in out
    rounds = replay.read(path)
    assert [each.price for each in rounds] == [9, 8]
    assert rounds[0].regret == pytest.approx(28.74, abs=0.01)
    told = run(capsys, "replay", path, "--text")
    assert "round 1 of 2" in told
    assert re.search(r"asp_0 +9 +8 +172 +1,379.31 +1,408.05 +28.74", told)
    assert "round 2 of 2" in told


@pytest.fixture
def kept(capsys, typed, tmp_path):
    """A run of two rounds."""
    path = tmp_path / "run.jsonl"
    typed(9, 8)
    run(capsys, "play", "--rounds", 2, "--record", path)
    return path


@pytest.mark.parametrize(("ending", "kind"), [("gif", b"GIF89a"), ("mp4", b"ftyp")])
def test_a_run_becomes_a_video(capsys, kept, ending, kind):
    video = kept.with_suffix(f".{ending}")
    assert f"2 rounds in {video}" in run(capsys, "replay", kept, "--video", video, "--fps", 2)
    assert kind in video.read_bytes()[:16]


def test_a_run_of_one_round_is_one(capsys, typed, tmp_path):
    path = tmp_path / "run.jsonl"
    typed(9)
    run(capsys, "play", "--rounds", 1, "--record", path)
    assert "1 round in " in run(capsys, "replay", path, "--video", path.with_suffix(".gif"))


def test_a_run_is_shown_in_a_window(capsys, kept, monkeypatch):
    import pygame

    shown = []

    def flip():
        shown.append(pygame.surfarray.array3d(pygame.display.get_surface()))

    monkeypatch.setattr(pygame.display, "flip", flip)
    assert run(capsys, "replay", kept, "--fps", 100) == ""
    assert len(shown) == 2
    assert not np.array_equal(*shown)
    assert not pygame.display.get_init()  # it is closed


def test_without_the_extra_a_run_is_told_as_text(capsys, kept, monkeypatch):
    from aigc_market.cli.replay import importlib

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "round 2 of 2" in run(capsys, "replay", kept)


def test_without_a_display_it_says_how_to_read_the_run(capsys, kept, monkeypatch):
    import pygame

    def init():
        raise pygame.error("No available video device")

    monkeypatch.setattr(pygame.display, "init", init)
    line = refused(capsys, "replay", kept)
    assert "--text must be given where no window opens (No available video device)" in line


def test_ctrl_c_keeps_what_was_played(capsys, monkeypatch, tmp_path):
    words = iter(["9"])

    def read(prompt):
        for word in words:
            return word
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", read)
    path = tmp_path / "run.jsonl"
    with pytest.raises(SystemExit) as end:
        cli.main(["play", "--record", str(path)])
    assert end.value.code == 130
    assert capsys.readouterr().err == "aigc-market: interrupted\n"
    assert len(replay.read(path)) == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--rounds", 0], "--rounds must be a whole number of at least 1, got 0"),
        (["--seed", 3], "--seed must be left out where nothing is drawn from it"),
        (
            ["--seed", 3, "--followers", "myopic_discount"],
            "--seed must be left out where nothing is",
        ),
        (["--seed", -1], "--seed must be a whole number of at least 0, got -1"),
        (["--followers", "greedy"], "--followers must be one of ['best_response'"),
        (["--scenario", "noon"], "--scenario must be one of ['paper'"),
        (["--cost", 30], "--max-price must be at least cost = 30.0, got 20.0"),
        (["--rivals", "nash"], "--rivals must be left out where there is one provider"),
        (["--policy", 3], "--policy must be left out where there is one provider"),
        (["--record", "no/where/run.jsonl"], "--record must be in a folder that is there"),
    ],
)
def test_bad_flags_of_play(capsys, flags, said):
    assert said in refused(capsys, "play", *flags)


def test_words_that_play_cannot_read(capsys):
    assert "--rounds: invalid literal for int()" in misread(capsys, "play", "--rounds", "ten")
    assert "Unrecognized options: --vmus, noisy" in misread(capsys, "play", "--vmus", "noisy")


def test_bad_words_of_replay(capsys, tmp_path, kept, monkeypatch):
    assert "Missing from aigc-market replay: RUN.jsonl What" in misread(capsys, "replay")
    assert "No such file or directory" in refused(capsys, "replay", tmp_path / "no.jsonl")
    path = tmp_path / "other.jsonl"
    path.write_text("{}\n")
    assert f"{path}, line 1: the header must hold" in refused(capsys, "replay", path)
    path.write_text("[" * 100_000)
    line = refused(capsys, "replay", path)
    assert f"{path}, line 1: must be a JSON object (maximum recursion depth" in line
    header, *rounds = map(json.loads, kept.read_text().splitlines())
    rounds[0]["utility"] = 1e308
    path.write_text("".join(f"{json.dumps(values)}\n" for values in (header, *rounds)))
    for flags in (("--text",), ("--video", tmp_path / "run.gif")):
        line = refused(capsys, "replay", path, *flags)
        assert f"{path}, line 2: utility must be finite numbers at least -1e+100" in line
    line = refused(capsys, "replay", kept, "--video", tmp_path / "run.avi")
    assert "path must end in .gif or .mp4" in line
    line = refused(capsys, "replay", kept, "--video", tmp_path / "no" / "run.gif")
    assert "--video must be in a folder that is there" in line
    line = refused(capsys, "replay", kept, "--video", tmp_path / "run.gif", "--text")
    assert "--text must be left out beside --video" in line
    line = refused(capsys, "replay", kept, "--video", tmp_path / "run.gif", "--fps", 0)
    assert "--fps must be finite numbers above 0, got 0.0" in line
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    line = refused(capsys, "replay", kept, "--video", tmp_path / "run.gif")
    assert "pip install 'aigc-market[render]'" in line


# -- info ------------------------------------------------------------------------------------------


def test_info_tells_what_is_there(capsys):
    found = json.loads(run(capsys, "info", "--json"))
    assert found["aigc-market"] == aigc_market.__version__
    assert found["dependencies"]["numpy"] == np.__version__
    assert set(found["dependencies"]) == {"numpy", "gymnasium", "pettingzoo", "array-api-compat"}
    assert found["extras"]["cli"] == []
    assert found["environments"]["Gymnasium"] == ["aigc_market/Pricing-v0", "aigc_market/Rival-v0"]
    has_torch = importlib.util.find_spec("torch") is not None
    assert found["devices"][:1] == (["cpu"] if has_torch else [])
    out = run(capsys, "info")
    assert f"{np.__version__}" in out
    assert "aigc_market/Pricing-v0" in out
    assert "extras cli" in out


def test_info_names_what_is_missing(capsys, monkeypatch):
    from aigc_market.cli import info

    before = info._version

    def version(name):
        return None if name in ("tyro", "rich") else before(name)

    monkeypatch.setattr(info, "_version", version)
    monkeypatch.setattr(info.importlib.util, "find_spec", lambda name: None)
    found = json.loads(run(capsys, "info", "--json"))
    assert found["extras"]["cli"] == ["rich", "tyro"]
    assert set(found["extras"]["app"]) >= {"rich", "tyro"}  # it names the other
    assert found["devices"] == []
    assert re.search(r"devices +│ none", run(capsys, "info"))


# -- explore, and the command as a whole -----------------------------------------------------------


def test_explore_serves_until_ctrl_c():
    with process("explore", "--no-browser", "--port", "0") as server:
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
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(capsys, "explore", "--no-browser", "--port", port)
    assert f"--port must be free and host an address of this machine, got {port}" in line
    line = refused(capsys, "explore", "--no-browser", "--port", 70000)
    assert "--port must be finite numbers at least 0 and at most 65535, got 70000" in line
    assert "--port: invalid literal for int()" in misread(capsys, "explore", "--port", "x")
    assert "'no.such.host'" in refused(capsys, "explore", "--no-browser", "--host", "no.such.host")
    monkeypatch.setitem(sys.modules, "marimo", None)
    line = refused(capsys, "explore", "--no-browser")
    assert "explore needs marimo and altair: pip install 'aigc-market[app]'" in line


@pytest.mark.parametrize("missing", ["tyro", "rich"])
def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    assert "pip install 'aigc-market[cli]'" in refused(capsys, "solve")


def test_no_command_or_another_one(capsys):
    commands = "solve, fit, play, explore, replay, info"
    assert f"Expected one of {{{commands}}}" in misread(capsys)
    for word in ("slove", "compete"):
        line = misread(capsys, word)
        assert f"Unrecognized options: {word}" in line
        assert f"Available subcommands: {commands}" in line


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


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "info"])
def test_a_bad_value_of_any_flag_names_it(capsys, command, table, tmp_path):
    run_file = tmp_path / "run.jsonl"
    replay.write(run_file, [record(number=1)])
    needed = {"fit": [table], "replay": [run_file], "explore": ["--no-browser"]}.get(command, [])
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    flags = set(re.findall(r"(?m)^\W*(--[a-zA-Z](?:-?\w)*)", capsys.readouterr().out))
    truths = {"--help", "--json", "--no-json", "--show-equilibrium", "--no-show-equilibrium"}
    truths |= {"--text", "--no-text", "--browser", "--no-browser"}
    assert len(flags - truths) >= 2
    for flag in flags - truths:
        bad = tmp_path / "no" / "where.txt" if flag in ("--plot", "--record", "--video") else "§"
        line = misread(capsys, command, *needed, flag, bad)
        assert flag in line or (flag, line[13:19]) == ("--host", "--port"), line
        assert str(bad) in line, line


def test_errors_in_a_process_of_its_own():
    with process("solve", "--cost", "-1") as child:
        out, err = child.communicate(timeout=120)
    assert (child.returncode, out) == (2, "")
    assert err == "aigc-market: --cost must be finite numbers above 0, got -1.0\n"


def test_a_reader_that_has_had_enough():
    with process("solve", "--K", "20000", "--json") as child:
        child.stdout.readline()
        child.stdout.close()
        assert child.wait(timeout=120) == 141
        assert child.stderr.read() == ""


def test_ctrl_c_in_a_process_of_its_own(tmp_path):
    """While it plays: a signal to a process that waits for a word may come before it waits."""
    path = tmp_path / "prices"
    path.write_text("9\n" * 100_000)
    with open(path) as prices, process("play", "--rounds", "100000", stdin=prices) as child:
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
