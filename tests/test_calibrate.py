"""The calibration from the command line, live rounds, and the training of the bundled model."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import aigc_market
from aigc_market.ssim import RePaintSSIM, TabulatedSSIM
from aigc_market.ssim.repaint import Curve
from baselines import __main__ as command_line
from baselines.arena.protocol import History
from baselines.arena.task import Task
from baselines.experiments.paper import calibrate
from baselines.experiments.paper.live import play_live

CALLS = 30
SERVICE: Any = SimpleNamespace(checkpoint="none", schedule=[], mask="box", mode="", device="cpu")
"""Of which a curve is described that nobody painted."""


def test_a_calibration_is_written_drawn_and_told(tiny, tmp_path, monkeypatch, capsys):
    words = ["calibrate", "--checkpoint", str(tiny), "--samples", "2", "--mask", "box"]
    options = ["--schedule-calls", str(CALLS), "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["baselines", *words, *options])
    command_line.main()
    table = pd.read_csv(tmp_path / "ssim.csv")
    assert list(table.columns) == ["steps", "mean", "std", "samples"]
    assert table["steps"].tolist() == list(range(CALLS + 1))
    assert table["mean"].between(-1, 1).all()
    assert set(table["samples"]) == {2}
    with Image.open(tmp_path / "fig1.png") as figure, Image.open(tmp_path / "strip.png") as strip:
        assert figure.size == (960, 720)
        assert strip.width > 4 * 128
    text = (tmp_path / "calibration.md").read_text()
    assert f"2 chains of {CALLS} calls, mask box" in text
    assert f"unknown region grey, SSIM {table['mean'][0]:.4f}" in text
    assert text in capsys.readouterr().out


def test_the_game_on_a_parabola_is_that_of_its_fit():
    steps = np.arange(251)
    values = -1e-5 * steps**2 + 3.4e-3 * steps + 0.4
    curve = Curve(values[None, None])
    (*whole, fit), (*paper_range, paper) = calibrate.fits(steps, curve.mean)
    assert whole == [1, 250]
    assert paper_range == [120, 160]
    for found in (fit, paper):
        assert found.coefficients == pytest.approx((-1e-5, 3.4e-3, 0.4))
        assert found.r_squared == pytest.approx(1.0)
    text = calibrate.describe(SERVICE, curve)
    delta = 15 / 3.39e-3  # the first step gains most
    market = aigc_market.Market(
        satisfaction=delta, ssim=TabulatedSSIM(steps, values), min_steps=0, max_steps=250
    )
    best = aigc_market.solve(market)
    row = (
        f"| the measured table | {best.price:.3f} | {best.steps[0]:.1f} | {best.asp_utility:.1f} |"
    )
    assert row in text
    assert f"δ = {delta:.0f}" in text


def test_there_is_no_game_where_painting_only_harms():
    values = 0.5 - 1e-5 * (np.arange(31) - 40.0) ** 2
    values[0] = 0.9
    text = calibrate.describe(SERVICE, Curve(values[None, None]))
    assert "No picture is better than the one of which nothing is painted: no game on it." in text


class Haggler:
    """A leader that keeps what it sees, and asks for more each round."""

    def __init__(self):
        self.seen: list[History] = []

    def act(self, history):
        self.seen.append(history)
        return np.array([4.0 + 0.1 * len(self.seen)])


@pytest.mark.parametrize("normalize", [False, True])
def test_a_leader_plays_live_rounds(tiny, tmp_path, normalize):
    service = RePaintSSIM(str(tiny), schedule_calls=CALLS, samples=2, cache_dir=tmp_path)
    given = {"satisfaction": 4000.0, "min_steps": 0.0, "max_steps": CALLS}
    scenario = aigc_market.Scenario("own", arguments={"ssim": service, **given})
    task = Task(scenario, {"normalize": normalize, "followers": "noisy"})
    done, leader = [], Haggler()
    records = play_live(leader, task, rounds=2, seed=0, progress=done.append)
    assert done == [1, 2]
    assert [(r["round"], r["vmu"]) for r in records] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    market = aigc_market.Market(ssim=service, **given)
    for record in records:
        assert record["price"] == pytest.approx(4.0 + 0.1 * record["round"])
        bought = aigc_market.best_response(market, record["price"])[0]
        assert record["steps"] == bought == int(bought)
        assert record["table"] == pytest.approx(float(service(record["steps"])))
        assert record["luck"] == pytest.approx(4000 * (record["ssim"] - record["table"]))
    first, second = leader.seen
    assert first.prices.shape == (1, 0)
    assert second.prices == [[records[0]["price"]]]
    assert second.steps.tolist() == [[[records[0]["steps"], records[1]["steps"]]]]
    again = play_live(Haggler(), task, rounds=2, seed=0)
    assert again == records
