"""Out of the law: the changed markets, and what the tables say of them."""

import dataclasses

import fake_training
import numpy as np
import pandas as pd
import pytest

from aigc_market import followers
from aigc_market.moves import Drift
from baselines.arena import seeds
from baselines.arena.rollout import PHYSICAL
from baselines.experiments.leaderboard import command, evaluation
from baselines.experiments.leaderboard.worlds import HOMES, UNCHANGED, worlds
from baselines.runs.digest import described

CHANGES = {"noise doubled", "δ above", "δ below", "quantal", "myopic discount"}


def by_change(home):
    return {world.change: world for world in worlds(home)}


def test_worlds_differ_from_their_preset_in_one_thing():
    assert set(by_change("hidden")) == {UNCHANGED, *CHANGES}
    assert set(by_change("drift")) == {UNCHANGED, *CHANGES, "drift doubled"}
    for home in HOMES:
        all_of = by_change(home)
        same = all_of[UNCHANGED]
        assert described(same.task.settings()) == described(same.home.settings())
        assert same.followers == followers.Noisy(0.3)
        for change, world in all_of.items():
            others = world.task != same.task, world.followers != same.followers
            assert sum(others) == (change != UNCHANGED)
            assert world.home == same.home
        assert all_of["noise doubled"].followers == followers.Noisy(0.6)
        digests = [str(world.digest_parts()) for world in all_of.values()]
        assert len(set(digests)) == len(digests)


def test_levels_of_delta_lie_beside_all_that_was_trained_on():
    all_of = by_change("hidden")

    def level(change):
        return all_of[change].task.settings().satisfaction.level

    assert (level(UNCHANGED).low, level(UNCHANGED).high) == (80, 400)
    assert (level("δ above").low, level("δ above").high) == (400, 800)
    assert (level("δ below").low, level("δ below").high) == (40, 80)


def test_a_doubled_drift_is_two_steps_in_one():
    [move] = by_change("drift")["drift doubled"].task.settings().scenario.moves
    slow = Drift(0.98, 0.1)
    assert move.persistence == pytest.approx(0.98**2)
    assert move.step == pytest.approx(0.1 * np.sqrt(1 + 0.98**2))
    assert move.reach == pytest.approx(slow.reach)  # it spreads as far in the end


def test_changed_followers_buy_in_the_world():
    world = by_change("hidden")["myopic discount"]
    arguments = {"history": 1, **PHYSICAL, **world.environment_arguments()}
    env = world.task.environment(2, **arguments)
    env.reset(seed=0)
    _, _, _, _, infos = env.step(np.full((2, 1), 4.0, np.float32))
    held_back = followers.MyopicDiscount()(env.market, np.full(2, 4.0), None)
    np.testing.assert_allclose(infos["demand"], held_back, rtol=1e-5)


def test_who_breaks_is_written_down(tmp_path, monkeypatch):
    fake_training.install(monkeypatch)
    asked = []
    play = evaluation.play_in

    def watched(env, method, seed):
        asked.append(seed)
        return play(env, method, seed)

    monkeypatch.setattr(evaluation, "play_in", watched)
    given = {"methods": ("random", "fake"), "episodes": 2, "seeds": 2, "workers": 1}
    command.leaderboard(("hidden", "shift"), **given, outside=True, out=tmp_path)
    outside = [seed for seed in asked if seed in seeds.OUTSIDE]
    assert len(outside) == 2 * 3 * len(worlds("hidden"))  # together, then one alone
    assert sum(seed in seeds.TEST for seed in asked) == len(asked) - len(outside)
    table = pd.read_csv(tmp_path / "outside.csv").set_index(["method", "change"])
    assert set(table["scenario"]) == {"hidden"}
    assert set(table.loc["fake"].index) == {UNCHANGED, *CHANGES}
    assert table.loc[("fake", UNCHANGED), "lost"] == 0
    lost = table.loc[("fake", UNCHANGED), "share"] - table.loc[("fake", "δ below"), "share"]
    assert table.loc[("fake", "δ below"), "lost"] == pytest.approx(lost, abs=2e-8)
    assert table.loc[("fake", "quantal"), "seeds"] == "0 1"
    text = (tmp_path / "outside.md").read_text()
    share, lost = table.loc[("fake", "δ below"), ["share", "lost"]]
    assert f"{share:.4f} ({lost:.4f})" in text
    assert "Earned:" in text
    assert "unchanged" not in (tmp_path / "leaderboard.md").read_text()
    # Rational followers judge: the price is the same whoever buys.
    for change in ("noise doubled", "quantal", "myopic discount"):
        assert table.loc[("fake", change), "share"] == pytest.approx(
            table.loc[("fake", UNCHANGED), "share"]
        )


def test_an_evaluation_is_named_by_its_world():
    entry = fake_training.Entry("random", factory="fake_training:random")
    names = {
        evaluation.Evaluation(entry, world.home, 0, 2, None, "outside", world).digest
        for world in worlds("drift")
    }
    assert len(names) == len(worlds("drift"))
    world = by_change("drift")["noise doubled"]
    noisier = dataclasses.replace(world, followers=followers.Noisy(0.7))
    played = evaluation.Evaluation(entry, world.home, 0, 2, None, "outside", noisier)
    assert played.digest not in names
