"""The learned rivals: their units, what they see when they play, how they are kept."""

import dataclasses

import numpy as np
import pytest
import torch

from baselines.arena.protocol import History, PublicParameters
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.methods.sb3 import rivals as learned
from baselines.runs.policy_files import read

pytestmark = pytest.mark.usefixtures("one_thread")

SHORT = {"rounds": 800, "lanes": 4, "batch_size": 100, "width": 8}
SHORT_RECIPES = {
    "ppo": learned.Recipe(**SHORT, n_steps=50, history=3),
    "recurrent_ppo": learned.Recipe(**SHORT, n_steps=100, history=1),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, one_thread):
    """Both policies, trained for a moment on `crowd`, whose rows have masks."""
    folder = tmp_path_factory.mktemp("trained")
    for name, recipe in SHORT_RECIPES.items():
        learned.train(name, Task("crowd"), 3, folder / f"{name}.safetensors", recipe)
    return folder


def test_units_are_the_markets():
    units = learned.Units(PublicParameters(K=2, cost=1.0, max_price=21.0), masked=False)
    np.testing.assert_allclose(units.price(np.array([-3.0, -1.0, 0.0, 1.0])), [1, 1, 11, 21])
    rows = np.array([[[1.0, 0.0, 0.0], [21.0, 100.0, 250.0]]])
    np.testing.assert_allclose(units.features(rows), [[-1, 0, 0, 1, 1, 2.5]])
    masked = learned.Units(PublicParameters(K=2), masked=True)
    assert masked.row == 5
    np.testing.assert_allclose(
        masked.features(np.array([[20.0, 50.0, 0.0, 1.0, 0.0]])), [1, 0.5, 0, 1, 0]
    )


class Watched:
    """A policy that keeps what it is shown, and posts prices at random."""

    lstm_hidden_state_shape = (1, 1, 2)

    def __init__(self):
        self.shown = []
        self.rng = np.random.default_rng(0)

    def _predict(self, features, deterministic):
        self.shown.append(features.clone())
        return torch.from_numpy(self.rng.uniform(-1, 1, (len(features), 1)))


@pytest.mark.parametrize("scenario", ["hidden", "crowd", "capacity"])
def test_played_policies_see_what_they_see_in_training(scenario):
    lanes = learned.Lanes(5, Task(scenario), history=3)
    watched = Watched()
    method = learned.WindowMethod(watched, lanes.units, 3, 5)
    play(method, Task(scenario), 5, seed=1)
    play(method, Task(scenario), 5, seed=2)  # a second episode remembers nothing of the first
    rng = np.random.default_rng(0)
    for seed in (1, 2):
        observations, _ = lanes.reset(seed=seed)
        for _ in range(100):
            np.testing.assert_allclose(watched.shown.pop(0), observations, rtol=1e-6, atol=1e-6)
            observations, *_ = lanes.step(rng.uniform(-1, 1, (5, 1)))
    assert not watched.shown


def test_training_lanes_end_as_sb3_wants():
    lanes = learned.Lanes(2, Task("hidden"), history=1)
    lanes.reset(seed=0)
    for t in range(100):
        observations, rewards, _, truncated, infos = lanes.step(np.zeros((2, 1)))
        assert truncated.all() == (t == 99)
        assert np.abs(rewards).max() < 10
    np.testing.assert_allclose(observations, [[-1, 0, 0]] * 2)  # of the next episode
    assert infos["final_obs"][0, 0] == pytest.approx(0.0)
    assert infos["final_info"] == {}


def test_an_lstm_forgets_at_an_episodes_start(trained):
    method = learned.load(trained / "recurrent_ppo.safetensors")(3)
    first, again = (play(method, Task("crowd"), 3, seed=1).price for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.ptp(first) > 0


def test_an_lstm_remembers_within_one(trained):
    method = learned.load(trained / "recurrent_ppo.safetensors")(1)
    K = 10
    everybody = np.ones((1, K), bool)

    def last_price(first):
        method.act(History(np.empty((1, 0)), np.empty((1, 0, K)), everybody))
        for price in (first, 5.0):
            steps = np.full((1, 1, K), 100.0)
            answer = method.act(History(np.array([[price]]), steps, everybody))
        return answer[0]

    assert last_price(3.0) != last_price(18.0)


@pytest.mark.parametrize("name", learned.NAMES)
def test_policies_are_kept_without_pickles_and_play_as_before(trained, name, tmp_path):
    path = trained / f"{name}.safetensors"
    record = read(path)[0]
    assert record["rounds"] == 800
    assert record["seconds"] > 0
    assert record["recipe"] == dataclasses.asdict(SHORT_RECIPES[name])
    prices = play(learned.load(path)(4), Task("crowd"), 4, seed=1).price
    assert np.isfinite(prices).all()
    assert prices.min() >= 1
    assert prices.max() <= 20
    learned.train(name, Task("crowd"), 3, tmp_path / "again.safetensors", SHORT_RECIPES[name])
    again = play(learned.load(tmp_path / "again.safetensors")(4), Task("crowd"), 4, seed=1).price
    np.testing.assert_array_equal(prices, again)  # the seed decides everything
    assert [file.name for file in tmp_path.iterdir()] == ["again.safetensors"]


def test_lanes_do_not_see_each_other(trained):
    three = play(learned.load(trained / "ppo.safetensors")(3), Task("crowd"), 3, seed=1)
    method = learned.load(trained / "ppo.safetensors")(1)
    alone = method.act(History(np.empty((1, 0)), np.empty((1, 0, 10)), np.ones((1, 10), bool)))
    assert alone.shape == (1,)
    assert three.price.shape == (100, 3)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be a file of trained weights"):
        learned.load(tmp_path / "none.safetensors")
    (tmp_path / "other.safetensors").write_bytes(b"something else")
    with pytest.raises(ValueError, match="path must be a policy of ppo, recurrent_ppo"):
        learned.load(tmp_path / "other.safetensors")
