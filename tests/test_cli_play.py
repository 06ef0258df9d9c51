"""`aigc-market play`, alone or as one of several providers, and `replay`."""

import io
import json
import re
import sys

import gymnasium
import numpy as np
import pytest
from command_line import CYCLE, refused, run

from aigc_market import cli, replay

CALVANO = "--scenario calvano"


@pytest.fixture
def typed(monkeypatch):
    """Types words into the terminal, one a line."""

    def type_words(*lines):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return type_words


GAMES = {
    "--rounds 2 < 9 8": (
        "  round 1, price 9: steps sold 86.2 86.2 = 172.4\n",
        "  earned 1,379.31; against rational VMUs: regret 28.74, share so far 98.0 %",
        "  earned 1,408.05; against rational VMUs: regret 0, share so far 99.0 %",
        "2 rounds: you earned 2,787.36; equilibrium prices earn 2,816.09 from",
        "Against rational VMUs: regret 28.74 in all, share 99.0 %.",
        "The equilibrium price was 8; you asked 8 to 9.",
    ),
    "--rounds 1 < nine 50 nan -1 9": (
        "a price must be a number from 1 to 20, got 'nine'",
        "a price must be a number from 1 to 20, got '50'",
        "a price must be a number from 1 to 20, got 'nan'",
        "a price must be a number from 1 to 20, got '-1'",
        "1 round: you earned 1,379.31",
    ),
    "< 9 q": ("1 round: you earned",),
    "< 9 QUIT": ("1 round: you earned",),
    "< 9": ("1 round: you earned",),
    "<": ("No round was played.",),
    "--rounds 1 --show-equilibrium --cost 2 < 9": (
        "\nround 1/1 (equilibrium 8.5 earns 1,214.08), price from 2 to 20",
    ),
    "--cost 2 <": (
        "You are the provider (the ASP).\nEach round providers post the price",
        "Here: 2 VMUs, a step costs 2, price up to 20, up to 250 steps a request.",
        "You see what is sold and earned, but not what an image is worth",
    ),
    "--min-steps 5 --max-steps 9 <": ("5 to 9 steps a request",),
    "--scenario crowd <": ("VMUs come and go.",),
    "--rounds 1 --capacity 150 < 7": (
        "capacity 150.",
        "  earned 900.00;",  # 6 · 150
    ),
    "--rounds 1 --followers myopic_discount < 8": ("steps sold 77.6 77.6", "regret 0"),  # at 1.2·8
    "--M 2 --rivals 4 < x 99 5 q": (
        "You are asp_0.\n",
        "a price must be a number from 1 to 20, got 'x'",
        "a price must be a number from 1 to 20, got '99'",
        "  round 1, price 5 4: steps sold",
        "1 round, on average:",
    ),
    f"{CYCLE} --rivals cartel --show-equilibrium --rounds 1 < 2": (
        "round 1/1 (no Nash equilibrium was found), price from",
    ),
    f"{CALVANO} --show-equilibrium --rounds 1 < 2": (
        "round 1/1 (equilibrium 1.4729 earns 0.2229), price from 1 to 3",
    ),
    f"{CALVANO} --policy cartel --rivals best_reply --rounds 3 <": (
        "Here: 2 providers, 1 VMU, a step costs 1, price up to 3, 1 step a request.",
        "  round 2, price 1.925 1.6617: steps sold 0.84;",  # as in the reference table
        "0.4117",
        "3 rounds, on average:",
        "asp_0   1.925  1.4729   1.925",
    ),
    "--M 3 --policy nash --rivals tit_for_tat 4 --rounds 2 <": (
        "  round 1, price 1.4469 8 4:",
        "  round 2, price 1.4469 1.4469 4:",
    ),
    f"{CYCLE} --policy best_reply --rivals best_reply --rounds 2 <": (
        "no Nash equilibrium was found in 2 rounds",
    ),
}
"""Flags, the words that are typed, and what is told."""


@pytest.mark.parametrize("words", GAMES)
def test_a_game_is_told(capsys, typed, words):
    flags, lines = words.split("<")
    typed(*lines.split())
    out = run(capsys, "play", flags)
    for said in GAMES[words]:
        assert said in out


def test_the_equilibrium_is_told_at_the_end(capsys, typed):
    typed("", " 9 ", 8)
    out = run(capsys, "play --rounds 2")
    assert "a price must be a number from 1 to 20, got ''" in out
    assert out.index("equilibrium price") > out.rindex("share so far")


def test_the_share_is_of_rational_vmus(capsys, typed):
    """Random ones buy for three times what the equilibrium earns."""
    typed(20, 20)
    out = run(capsys, "play --followers random --seed 1 --rounds 2")
    earned = float(out.split("2 rounds: you earned ")[1].split(";")[0].replace(",", ""))
    assert earned > 2 * 1408.05
    assert "regret 2,816.09 in all, share 0.0 %." in out


def test_a_seed_is_a_game(capsys, typed):
    outs = []
    for seed in (1, 1, 2):
        typed(10, 11, 12)
        outs.append(run(capsys, "play --scenario drift --rounds 3 --seed", seed))
    assert outs[0] == outs[1] != outs[2]
    assert "(it moved)" in outs[0]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--rounds 0", "--rounds must be a whole number of at least 1, got 0"),
        ("--seed 3 --followers myopic_discount", "--seed must be left out where nothing is drawn"),
        ("--seed -1", "--seed must be a whole number of at least 0, got -1"),
        ("--followers greedy", "--followers must be one of ['best_response'"),
        ("--rivals nash", "--rivals must be left out where there is one provider"),
        ("--policy 3", "--policy must be left out where there is one provider"),
        ("--record .", "--record must be a file in a folder that is there, got '.'"),
        ("--record no/where/run.jsonl", "--record must be a file in a folder that is there"),
        ("--M 2 --rivals nasty", "'tit_for_tat'] or a price, got 'nasty'"),
        ("--M 2 --rivals 99 --policy 2", "--rivals must post finite prices"),
        (
            "--M 2 --rivals nash 4 nash",
            "--rivals must be one policy or a sequence of M − 1 = 1, got 3",
        ),
        (f"{CYCLE} --rivals nash", '--rivals must not be "nash" or "tit_for_tat" in a market'),
        (
            f"{CYCLE} --rivals cartel --policy nash",
            '--policy must not be "nash" or "tit_for_tat" in a market',
        ),
        ("--M 2 --policy greedy", "--policy must be one of ['nash'"),
        ("--M 2 --policy .5", "--policy must post finite prices of shape () from the cost"),
        ("--M 2 --followers quantal", "--followers must be one of ['best_response', 'noisy'"),
    ],
)
def test_bad_flags_of_play(capsys, flags, said):
    assert said in refused(capsys, "play", flags)


# -- record and replay -----------------------------------------------------------------------------


@pytest.fixture
def kept(capsys, typed, tmp_path):
    """A run of two rounds."""
    path = tmp_path / "run.jsonl"
    typed(9, 8)
    assert f"aigc-market replay {path}" in run(capsys, "play --rounds 2 --record", path)
    return path


def test_a_game_is_recorded_and_replayed(capsys, kept):
    rounds = replay.read(kept)
    assert [each.price for each in rounds] == [9, 8]
    assert rounds[0].regret == pytest.approx(28.74, abs=0.01)
    told = run(capsys, "replay --text", kept)
    assert "round 1 of 2" in told
    assert re.search(r"asp_0 +9 +8 +172 +1,379.31 +1,408.05 +28.74", told)
    assert "round 2 of 2" in told


def test_a_game_of_several_is_recorded_and_replayed(capsys, tmp_path):
    path = tmp_path / "run.jsonl"
    words = "play --scenario road --seed 1 --rounds 3 --policy 3 --rivals cartel"
    out = run(capsys, words, "--record", path)
    rounds = replay.read(path)
    assert [type(each) for each in rounds] == [replay.CompetitionRound] * 3
    assert [each.prices[0] for each in rounds] == [3, 3, 3]
    assert rounds[0].places != rounds[1].places
    assert "round 3 of 3" in run(capsys, "replay --text", path)
    film = tmp_path / "run.gif"
    assert "3 rounds in" in run(capsys, "replay", path, "--video", film)
    assert film.read_bytes().startswith(b"GIF89a")
    assert run(capsys, words) == out.split("Kept in")[0]  # a seed is a game


def test_rounds_in_which_contracts_are_sold_are_replayed(capsys, tmp_path):
    path, rounds = tmp_path / "run.jsonl", []
    market = {"satisfaction": [150, 250], "contracts": 2, "max_cycles": 2}
    env = gymnasium.make("aigc_market/Menu-v0", normalize=False, **market)
    env.reset()
    for menu in ([100, 800, 200, 1400], [158, 1125, 204, 1263]):
        env.step(np.float32(menu))
        replay.collect(env, rounds)
    replay.write(path, rounds)
    first, second = run(capsys, "replay --text", path).split("round 2 of 2")
    assert re.search(r"(?m)^1 +100 +800.00 +71 % +0–1$", first)
    assert re.search(r"(?m)^2 +200 +1,400.00 +99 % +–$", first)
    assert re.search(r"(?m)^best 2 +204 +1,264.01 +1$", first)
    assert "utility 1,400.00, of the best menu 2,028.02, regret 628.02" in first
    assert "utility 2,026.00, of the best menu 2,028.02, regret 2.017" in second
    assert "δ 150 to 250" in second
    film = tmp_path / "run.gif"
    assert "2 rounds in" in run(capsys, "replay", path, "--video", film)
    assert film.read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize(("ending", "kind"), [("gif", b"GIF89a"), ("mp4", b"ftyp")])
def test_a_run_becomes_a_video(capsys, kept, ending, kind):
    video = kept.with_suffix(f".{ending}")
    assert f"2 rounds in {video}" in run(capsys, "replay --fps 2", kept, "--video", video)
    assert kind in video.read_bytes()[:16]


def test_a_run_is_shown_in_a_window(capsys, kept, monkeypatch):
    import pygame

    shown = []

    def flip():
        shown.append(pygame.surfarray.array3d(pygame.display.get_surface()))

    monkeypatch.setattr(pygame.display, "flip", flip)
    assert run(capsys, "replay --fps 100", kept) == ""
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
    assert "take render_mode='ansi' or 'rgb_array' (of `aigc-market replay` --text or" in line
    assert line.endswith("(No available video device)\n")
    monkeypatch.undo()
    for variable in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert "$WAYLAND_DISPLAY are unset" in refused(capsys, "replay", kept)


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
        ("--video run.avi", "path must end in .gif or .mp4"),
        ("--video no/run.gif", "--video must be a file in a folder that is there"),
        ("--video run.gif --text", "--text must be left out beside --video"),
        ("--video run.gif --fps 0", "--fps must be finite numbers above 0, got 0.0"),
    ],
)
def test_bad_flags_of_replay(capsys, kept, monkeypatch, flags, said):
    monkeypatch.chdir(kept.parent)
    assert said in refused(capsys, "replay", kept, flags)


def test_bad_runs(capsys, tmp_path, kept, monkeypatch):
    line = refused(capsys, "replay", tmp_path / "no.jsonl")
    assert "no.jsonl: must be rounds kept by `aigc-market play --record` or" in line
    path = tmp_path / "other.jsonl"
    path.write_text("{}\n")
    assert f"{path}, line 1: the header must hold" in refused(capsys, "replay", path)
    path.write_text("[" * 100_000)
    line = refused(capsys, "replay", path)
    assert f"{path}, line 1: must be a JSON object (maximum recursion depth" in line
    header, *rounds = map(json.loads, kept.read_text().splitlines())
    rounds[0]["utility"] = 1e308
    path.write_text("".join(f"{json.dumps(values)}\n" for values in (header, *rounds)))
    video = f"--video {tmp_path / 'run.gif'}"
    for flag in ("--text", video):
        line = refused(capsys, "replay", path, flag)
        assert f"{path}, line 2: utility must be finite numbers at least -1e+100" in line
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    line = refused(capsys, "replay", kept, video)
    assert "pip install 'aigc-market[render]'" in line
