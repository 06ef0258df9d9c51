"""Runs among several providers on disk: written, read back, refused, and drawn as films."""

import json

import numpy as np
import pytest
from imageio_ffmpeg import count_frames_and_secs
from PIL import Image
from rounds import competition_record as record
from rounds import record as one_leaders

from aigc_market import replay
from aigc_market.rendering.frames import draw

NO_NASH = {"nash_prices": None, "nash_utility": None, "profit_gain": None}
NO_NASH["mean_profit_gain"] = None
FULL = {"capacity": [200.0, 300.0, 1e4], "places": [0.0, 0.25, 0.5, 0.999]}
RUNS = {
    "usual": [record(number=n, prices=[6 + n / 3, 5.0]) for n in (1, 2, 3)],
    "full": [record(3, 4, number=n, **FULL) for n in (1, 2)],
    "gaps": [record(number=1), record(number=2, **NO_NASH), record(number=3)],
    "unjudged": [record(number=1, cartel_prices=None, cartel_utility=None, **NO_NASH)],
    "monopoly": [record(1, 1, number=1, profit_gain=[None], mean_profit_gain=None)],
}


@pytest.mark.parametrize("run", RUNS)
def test_what_is_written_is_read_back(run, tmp_path):
    replay.write(tmp_path / "run.jsonl", RUNS[run])
    assert replay.read(tmp_path / "run.jsonl") == RUNS[run]
    assert [path.name for path in tmp_path.iterdir()] == ["run.jsonl"]


def test_a_file_says_which_kind_of_rounds_it_holds(tmp_path):
    path = tmp_path / "run.jsonl"
    replay.write(path, RUNS["usual"])
    header = json.loads(path.read_text().splitlines()[0])
    assert (header["format"], header["version"]) == ("aigc_market competition rounds", 1)
    assert header["cost"] == [1.0, 1.0]
    replay.write(path, [one_leaders()])
    assert type(replay.read(path)[0]) is replay.Round


@pytest.mark.parametrize(
    ("line", "change", "complaint"),
    [
        (1, {"format": "other"}, "line 1: the header must hold .*aigc_market competition rounds"),
        (1, {"version": 2}, "line 1: the header must hold .*'version': 1"),
        (1, {"cost": 1.0}, "line 1: cost must be a list of numbers, got 1.0"),
        (1, {"cost": []}, r"line 1: cost must be a list of numbers, got \[\]"),
        (1, {"cost": [1.0]}, "line 2: max_price must hold 1 values, one a provider.*got 2"),
        (1, {"max_steps": 0}, "line 1: max_steps must be finite numbers above 0, got 0"),
        (2, {"prices": [6.0, "x"]}, r"line 2: prices\[1\] must be finite numbers.*, got 'x'"),
        (2, {"prices": [6.0, -1]}, r"line 2: prices\[1\] must be finite numbers at least 0, got"),
        (2, {"prices": None}, "line 2: prices must be a list of numbers, got None"),
        (2, {"prices": [6.0]}, "line 2: prices must hold 2 values, one a provider.*got 1"),
        (2, {"nash_prices": [5.0]}, "line 2: nash_prices must hold 2 values, one a provider"),
        (2, {"nash_prices": None}, "line 2: nash_utility must be null where nash_prices is"),
        (2, {"cartel_prices": None}, "line 2: cartel_utility must be null where cartel_prices"),
        (
            2,
            {"nash_prices": None, "nash_utility": None},
            "line 2: profit_gain must be null where nash_prices is",
        ),
        (3, {"profit_gain": [0.1, "x"]}, r"line 3: profit_gain\[1\] must be finite numbers"),
        (3, {"profit_gain": 0.1}, "line 3: profit_gain must be a list of numbers and null, got"),
        (3, {"mean_profit_gain": [0.1]}, "line 3: mean_profit_gain must be one number"),
        (3, {"capacity": [0, 1]}, r"line 3: capacity\[0\] must be finite numbers above 0, got 0"),
        (3, {"shares": [0.5, 0.5]}, r"line 3: shares\[0\] must be a list of numbers, got 0.5"),
        (3, {"shares": [[0.5] * 2]}, "line 3: shares must hold 2 values, one a provider"),
        (3, {"shares": [[0.5] * 2, [0.5]]}, r"line 3: shares\[1\] must hold 2 values, one a VMU"),
        (3, {"shares": [[0.9] * 2] * 2}, "line 3: shares must add up to 1 at most.*1.8 of VMU 0"),
        (3, {"shares": [[1.5, 0]] * 2}, r"line 3: shares\[0\]\[0\] must be .* at most 1.*got 1.5"),
        (3, {"demand": [[1.0, -1]] * 2}, r"line 3: demand\[0\]\[1\] must be finite numbers at"),
        (3, {"vmu_utility": [1.0]}, r"line 3: shares\[0\] must hold 1 values, one a VMU.*got 2"),
        (3, {"places": [0.5, 1.0]}, r"line 3: places\[1\] must be finite numbers.*below 1, got 1"),
        (3, {"places": [0.5]}, "line 3: places must hold 2 values, one a VMU"),
        (3, {"number": 5}, "line 3: number must be 2, after 1, got 5"),
        (4, '{"number": 3}', "line 4: prices is missing"),
    ],
)
def test_a_bad_file_is_refused_by_line_and_field(line, change, complaint, tmp_path):
    path = tmp_path / "run.jsonl"
    replay.write(path, RUNS["usual"])
    lines = path.read_text().splitlines()
    values = json.loads(lines[line - 1])
    lines[line - 1] = change if isinstance(change, str) else json.dumps({**values, **change})
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=complaint) as caught:
        replay.read(path)
    assert str(caught.value).startswith(str(path))


def test_what_is_no_episode_is_not_written(tmp_path):
    first, path = record(number=1), tmp_path / "run.jsonl"
    for second, complaint in (
        (record(number=3), r"rounds\[1\]: number must be 2, after 1, got 3"),
        (record(number=2, cost=[1.0, 2.0]), r"rounds\[1\] must be of the same episode"),
        (record(3, number=2), r"rounds\[1\] must be of the same episode"),
        (record(K=3, number=2), r"rounds\[1\] must be of the same episode"),
        (one_leaders(number=2), r"rounds\[1\] must be of the same episode"),
    ):
        with pytest.raises(ValueError, match=complaint):
            replay.write(path, [first, second])
        assert not path.exists()
    with pytest.raises(ValueError, match=r"rounds\[1\] must be of the same episode"):
        replay.write(path, [one_leaders(number=1), record(number=2)])
    with pytest.raises(TypeError, match="rounds must be records, Round or CompetitionRound, got 5"):
        replay.write(path, [5])


def test_films(tmp_path):
    rounds = RUNS["full"]
    replay.write_video(rounds, tmp_path / "run.gif")
    with Image.open(tmp_path / "run.gif") as film:
        assert (film.n_frames, film.size) == (2, (960, 640))
        for i in range(2):
            film.seek(i)
            shown = np.asarray(film.convert("RGB")).astype(int)
            assert np.abs(shown - draw(rounds[: i + 1])).mean() < 4
    replay.write_video(rounds, tmp_path / "run.mp4", fps=2)
    assert count_frames_and_secs(tmp_path / "run.mp4") == (2, 1.0)
