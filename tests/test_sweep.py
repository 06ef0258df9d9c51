"""The runs of Fig. 2: done once, written whole, never mixed up with runs of other settings."""

import dataclasses

import numpy as np
import pytest

from baselines.arena.registry import resolve
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.experiments.paper.runs import Run, longest_first
from baselines.methods.sb3.recipes import recipe

PAPER = Task("paper", {"K": 2, "cost": 1.0})
TINY = dataclasses.replace(
    recipe("ppo", PAPER), rounds=400, lanes=2, n_steps=10, batch_size=10, n_epochs=1
)
RUN = Run("greedy", PAPER, (0,), TINY)


def results(run, out):
    run.execute(out)
    return run.results(out)


def test_a_run_records_what_came_of_each_seed(tmp_path):
    both = dataclasses.replace(RUN, seeds=(0, 1))
    first, second = results(both, tmp_path)
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["episodes"] != second["episodes"]
    for found in (first, second):
        assert found["rounds"] == 400
        assert len(found["episodes"]) == 4
        assert found["equilibrium_price"] == pytest.approx(8.0)
        assert found["equilibrium_utility"] == pytest.approx(1408.046, abs=1e-3)
        assert 0 < found["utility"] < found["exploiting"] <= found["equilibrium_utility"]
        assert found["seconds"] > 0


def test_greedy_remembers_what_it_tried_in_all_its_rounds(tmp_path):
    recipe = dataclasses.replace(TINY, rounds=3000)
    [found] = results(dataclasses.replace(RUN, recipe=recipe), tmp_path)
    assert len(found["episodes"]) == 30
    after = np.mean(found["episodes"][20:])
    assert after > np.mean(found["episodes"][:3])
    forgetful = play(resolve("greedy").make(PAPER, 30, 0), PAPER, 30, seed=0)
    assert after > forgetful.utility.mean()


def test_a_learner_repeats_itself_under_its_seed_and_its_curve_is_in_money(tmp_path):
    """Training pays shares of U_p*; the best of a run of noisy episodes is near what is earned."""
    run = Run("ppo", PAPER, (3,), TINY)
    (first,), (second,) = (results(run, tmp_path / name) for name in "ab")
    assert first["episodes"] == second["episodes"]
    assert first["price"] == second["price"]
    [other] = results(dataclasses.replace(run, seeds=(4,)), tmp_path)
    assert other["episodes"] != first["episodes"]
    assert len(first["episodes"]) == 4
    assert 100 < min(first["episodes"]) <= max(first["episodes"]) < first["equilibrium_utility"]


def test_other_settings_are_another_run(tmp_path):
    changes = (
        {},
        {"method": "random"},
        {"task": Task("paper", {"K": 3, "cost": 1.0})},
        {"task": Task("hidden", {"K": 2, "cost": 1.0})},
        {"seeds": (1,)},
        {"seeds": (0, 1)},
        {"recipe": dataclasses.replace(TINY, learning_rate=1e-4)},
        {"recipe": dataclasses.replace(TINY, rounds=500)},
        {"live_rounds": 1},
    )
    files = {dataclasses.replace(RUN, **change).file(tmp_path) for change in changes}
    assert len(files) == len(changes)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("aigc_market.__version__", "99"),
        ("baselines.arena.task.code_digest", lambda: "other rules"),
        ("baselines.arena.registry.code_digest", lambda *modules: "another greedy"),
        ("baselines.experiments.paper.runs.described", lambda value: "another run"),
    ],
    ids=["version", "rules", "method", "run"],
)
def test_other_code_is_another_run(monkeypatch, tmp_path, name, other):
    before = RUN.file(tmp_path)
    monkeypatch.setattr(name, other)
    assert RUN.file(tmp_path) != before


def test_learners_come_first_and_larger_markets_before_smaller():
    markets = [Task("paper", {"K": K}) for K in (2, 5)]
    runs = [Run(m, task, (0,), TINY) for m in ("random", "ppo", "tppo") for task in markets]
    order = [(run.method, run.num_vmus) for run in longest_first(runs)]
    assert order[:3] == [("tppo", 5), ("tppo", 2), ("ppo", 5)]
