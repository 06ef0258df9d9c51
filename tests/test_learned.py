"""Leaders trained by Stable-Baselines3: units, what they see when they play, how they are kept."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from aigc_market import LogUniform, Scenario
from aigc_market.envs.actions import LEVELS
from baselines.arena.protocol import History
from baselines.arena.registry import resolve
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.methods.sb3 import trainer
from baselines.methods.sb3.features import SeenRows
from baselines.methods.sb3.players import WindowMethod, normalized, units
from baselines.methods.sb3.recipes import (
    GridRecipe,
    NoisyRecipe,
    PpoRecipe,
    ReplayRecipe,
    RolloutRecipe,
    recipe,
)
from baselines.methods.sb3.running_statistics import BANDS, Statistics
from baselines.methods.sb3.trainer import NAMES
from baselines.runs.policy_files import read, write

SHORT = {"rounds": 800, "lanes": 4, "width": 8, "learning_rate": 1e-3, "least_rate": 0.0}
ROLLOUT = {**SHORT, "log_std_init": -1.5}
REPLAY = {**SHORT, "rounds": 500, "history": 2, "batch_size": 16, "buffer_size": 400}
REPLAY |= {"learning_starts": 400, "statistics": True}
PASSES = {"batch_size": 100, "n_epochs": 1}
RECIPES = {
    "tppo": PpoRecipe(**ROLLOUT, **PASSES, n_steps=50, history=3),
    "ppo": PpoRecipe(**ROLLOUT, **PASSES, n_steps=50, history=3),
    "recurrent_ppo": PpoRecipe(**ROLLOUT, **PASSES, n_steps=100, history=1, statistics=True),
    "a2c": RolloutRecipe(**ROLLOUT, n_steps=50, history=3),
    "sac": ReplayRecipe(**REPLAY),
    "td3": NoisyRecipe(**REPLAY, exploration=0.2),
    "diffusion_td3": NoisyRecipe(**REPLAY, exploration=0.2),
    "dqn": GridRecipe(**REPLAY),
}
CROWD = Task("crowd")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """All policies, trained for a moment on `crowd`, whose rows have masks."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "VALIDATION_EPISODES", 8)
        patch.setattr(trainer, "CURVE_EPISODES", 4)
        for name, how in RECIPES.items():
            trainer.Sb3Trainer(name).train(CROWD, 3, folder / f"{name}.safetensors", how)
    return folder


def loaded(folder, name):
    return resolve(name).get_trainer().load(folder / f"{name}.safetensors")


def environment(task, num_envs, history, statistics=False):
    """As policies learn in it."""
    given = {**units(), "history": history, "judged": False}
    env = task.environment(num_envs, **given)
    return trainer.with_statistics(env) if statistics else env


def seen_rows(task, history, observations, statistics=0):
    """What the network reads of observations."""
    space = Box(-np.inf, np.inf, (observations.shape[1],), np.float32)
    extractor = SeenRows(space, normalized(task, history), statistics)
    seen = extractor(torch.as_tensor(observations, dtype=torch.float32)).numpy()
    assert seen.shape[1] == extractor.features_dim
    return seen


def test_prices_are_scaled_from_the_cost_and_steps_to_about_one():
    task = Task("paper", {"max_price": 21.0})
    begins = History(np.empty((1, 0)), np.empty((1, 0, 2)), np.ones((1, 2), bool))
    prices = []
    for action in (-3.0, -1.0, 0.0, 1.0):
        policy = SimpleNamespace(_predict=lambda *_, at=action, **how: torch.tensor([[at]]))
        prices.append(WindowMethod(policy, normalized(task, 2), 1).act(begins).item())
    np.testing.assert_allclose(prices, [1, 1, 11, 21])
    rows = np.array([[1 / 21, 0.0, 0.0, 1.0, 0.4, 1.0]])
    seen = seen_rows(task, 2, rows).reshape(2, 5)
    np.testing.assert_allclose(seen, [[0, 0, 0, 0, 0.5], [1, 1, 2.5, 1, 0.5]], atol=1e-6)
    masked = np.hstack([[1.0], np.full(10, 0.2), np.arange(10) % 2])[None]
    seen = seen_rows(CROWD, 1, np.vstack([masked, 0 * masked]))[0]  # whatever others see
    expected = np.hstack([[1.0], np.full(10, 0.5), np.arange(10) % 2, [1, 0.5]])
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_rows_before_the_first_round_are_flagged():
    low = 1.0 / 20.0
    rows = np.array([[low, 0.0, 0.0], [low, 0.0, 0.0], [low, 0.4, 0.0], [0.525 + 9.5 / 40, 0, 0]])
    seen = seen_rows(Task(), 4, rows.reshape(1, -1)).reshape(4, 5)
    third = 1 / 3  # two rounds were played
    expected = [[0, 0, 0, 0, third]] * 2 + [[-1, 1, 0, 1, third], [0.5, 0, 0, 1, third]]
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_a_capacity_stands_in_each_row_that_was_played():
    env = environment(Task("capacity"), 3, 2)
    env.reset(seed=0)
    observations, *_ = env.step(np.zeros((3, 1), np.float32))
    K, settings = env.settings.market.K, env.settings
    seen = seen_rows(Task("capacity"), 2, observations).reshape(3, 2, -1)
    R = observations[:, 0] * settings.capacity_bounds[1]
    np.testing.assert_allclose(seen[:, 1, K + 1], 2.5 * R / (K * 250), rtol=1e-5)
    np.testing.assert_array_equal(seen[:, 0, :-1], 0.0)


class Watched:
    """A policy that keeps what it is shown, and posts prices at random."""

    def __init__(self):
        self.shown = []
        self.rng = np.random.default_rng(0)

    def _predict(self, features, deterministic):
        self.shown.append(features.clone())
        return torch.from_numpy(self.rng.uniform(-1, 1, (len(features), 1)))


@pytest.mark.parametrize("statistics", [False, True])
@pytest.mark.parametrize("scenario", ["hidden", "crowd", "capacity"])
def test_played_policies_see_what_they_see_in_training(scenario, statistics):
    task = Task(scenario)
    env = environment(task, 5, 3, statistics)
    watched = Watched()
    method = WindowMethod(watched, normalized(task, 3), 5, statistics)
    play(method, task, 5, seed=1)
    play(method, task, 5, seed=2)  # a second episode remembers nothing of the first
    rng = np.random.default_rng(0)
    for seed in (1, 2):
        observations, _ = env.reset(seed=seed)
        assert env.single_observation_space.contains(observations[0])
        for _ in range(100):
            np.testing.assert_allclose(watched.shown.pop(0), observations, rtol=1e-5, atol=1e-5)
            observations, *_ = env.step(rng.uniform(-1, 1, (5, 1)).astype(np.float32))
    assert not watched.shown


def test_statistics_begin_anew_with_the_next_episode():
    """Also where SB3's lanes begin it by themselves, and the last one is kept for the critic."""
    env = environment(CROWD, 2, 1, statistics=True)
    first, _ = env.reset(seed=0)
    for _ in range(100):
        observations, *_, infos = env.step(np.zeros((2, 1), np.float32))
    behind = slice(-Statistics.size(10), None)
    np.testing.assert_array_equal(observations[:, behind], first[:, behind])
    assert (infos["final_obs"][:, behind] > 0).any(axis=1).all()


PAIR = normalized(Task("crowd", {"K": 2, "max_price": 19.0}), 1)


def books(rounds, settings=PAIR, capacity=None):
    """The statistics after rounds (price, steps of each VMU, who answers next…) of one episode."""
    statistics, K = Statistics(settings, 1), settings.market.K
    for i, (price, *others) in enumerate(rounds):
        steps, active = np.array(others[:K]) / 250.0, others[K:]
        front = [] if capacity is None else [capacity / settings.capacity_bounds[1]]
        observation = np.hstack([front, [price / settings.market.max_price], steps, active])
        behind = statistics.beside(observation[None], begins=i == 0)[0, len(observation) :]
    assert len(behind) == Statistics.size(K)
    return behind[:-2].reshape(2, K + 4, BANDS), behind[-2:]


def test_statistics_are_averages_about_each_price():
    # On the grid 1, 3, 5, … 19 the price 5 is a point, and 6 lies between two.
    of_price, clock = books([(1, 0, 0, 1, 1), (5, 100, 50, 1, 1), (5, 200, 50, 1, 1)])
    plain = of_price[0]  # VMU 1, VMU 2, both, what it rests on, the money, what it rests on
    np.testing.assert_allclose(plain[0, 2], 3.0 / 2.1, atol=1e-5)  # 100 and 200 steps are 1 and 2
    np.testing.assert_allclose(plain[1, 2], 1.0 / 2.1, atol=1e-5)
    np.testing.assert_allclose(plain[5], np.where(np.arange(BANDS) == 2, 2 / 3, 0.0), atol=1e-5)
    earned = (5 - 1) * (150 + 250) * MONEY
    np.testing.assert_allclose(plain[4, 2], earned / 2.1, atol=1e-5)
    late = of_price[1]  # the round before counts .9
    np.testing.assert_allclose(late[0, 2], (0.9 + 2.0) / (1.9 + 0.1), atol=1e-5)
    np.testing.assert_allclose(clock, [1 / 3, np.log(3) / 4], atol=1e-5)
    between, _ = books([(1, 0, 0, 1, 1), (6, 100, 50, 1, 1)])
    np.testing.assert_allclose(between[0, 0, 1:5], [0, 0.5 / 0.6, 0.5 / 0.6, 0], atol=1e-5)


MONEY = 4.0 * 2.5 / (2 * 250 * (19 - 1))
"""The unit of money in statistics, over one of the market's."""


def test_statistics_count_nobody_who_is_not_there():
    alone, _ = books([(1, 0, 0, 1, 0), (5, 100, 0, 1, 0)])
    np.testing.assert_array_equal(alone[:, 1], 0.0)
    both, _ = books([(1, 0, 0, 1, 1), (5, 100, 100, 1, 1)])
    np.testing.assert_allclose(alone[:, 3], both[:, 3])  # each knows one round of those who stay
    left, _ = books([(1, 0, 0, 1, 1), (5, 100, 200, 1, 0)])
    np.testing.assert_allclose(left[:, :4], alone[:, :4])
    # Whoever takes the slot next is somebody else.
    taken, _ = books([(1, 0, 0, 1, 1), (5, 100, 200, 1, 0), (9, 100, 0, 1, 1)])
    np.testing.assert_array_equal(taken[:, 1], 0.0)
    assert (taken[:, 0, [2, 4]] > 0).all()


def test_what_is_earned_is_what_can_be_run():
    rationed = normalized(Task("capacity", {"K": 2, "max_price": 19.0}), 1)
    of_price, _ = books([(1.0, 0, 0), (5.0, 100, 50)], rationed, capacity=90.0)
    np.testing.assert_allclose(of_price[0, 0, 2], 1.0 / 1.1, atol=1e-5)  # what was asked for
    np.testing.assert_allclose(of_price[0, 4, 2], (5 - 1) * 90 * MONEY / 1.1, atol=1e-5)


def test_the_oracle_is_left_alone_in_training(monkeypatch):
    judged, environment = [], Task.environment

    def made(self, *given, **how):
        judged.append(how.get("judged", True))
        return environment(self, *given, **how)

    monkeypatch.setattr(Task, "environment", made)
    trainer.Sb3Trainer("ppo").learn(Task("hidden"), 0, RECIPES["ppo"])
    assert judged == [False]


@pytest.mark.parametrize("name", ["tppo", "ppo", "recurrent_ppo", "a2c", "sac", "td3", "dqn"])
def test_progress_is_told_with_the_learning_curve(name):
    task, told = Task("paper", {"max_cycles": 25}), []
    if hasattr(RECIPES[name], "n_steps"):  # what was begun is finished
        rounds, played, how = 390, 400, {"n_steps": 25}
    else:
        rounds, played, how = 402, 404, {"learning_starts": 100}
    recipe = dataclasses.replace(RECIPES[name], rounds=rounds, **how)
    trained = trainer.Sb3Trainer(name).learn(task, 0, recipe, report=lambda *row: told.append(row))
    assert trained.rounds == played
    assert told[-1][:2] == (rounds, rounds)
    ends = [(done, total) for done, total, row in told if row]
    assert ends == [(min(done, rounds), rounds) for done in (100, 200, 300, 400)]
    means = np.reshape(trained.episodes, (4, 4)).mean(axis=1)
    np.testing.assert_allclose([row["reward"] for *_, row in told if row], means)
    assert 0.2 < min(trained.episodes) <= max(trained.episodes) < 1  # shares of U_p*


def test_a_training_is_watched_on_the_way(trained):
    """At shares of its rounds, by its mean alone, and without changing what it learns."""
    curve = read(trained / "sac.safetensors")[0]["curve"]
    rounds = [row["rounds"] for row in curve]
    assert rounds == [8, 16, 32, 64, 128, 252, 376, 500]
    assert all(0 < row["share"] <= 1 for row in curve)
    assert np.all(np.diff([row["seconds"] for row in curve]) >= 0)
    learned = trainer.Sb3Trainer("sac").learn(CROWD, 3, RECIPES["sac"])
    assert learned.curve == ()
    player = loaded(trained, "sac")(4)
    prices = (play(method, CROWD, 4, seed=1).price for method in (learned.player(4), player))
    np.testing.assert_array_equal(*prices)


def test_dqn_posts_prices_of_its_grid(trained):
    prices = play(loaded(trained, "dqn")(4), CROWD, 4, seed=1).price
    assert np.isin(prices, np.linspace(1, 20, LEVELS).astype("f4")).all()


def test_what_learns_from_a_buffer_keeps_what_plays_alone(trained):
    for name in ("sac", "td3", "diffusion_td3", "dqn"):
        _, weights = read(trained / f"{name}.safetensors")
        assert not [key for key in weights if "critic" in key or "target" in key]


def test_a_transformer_refuses_statistics():
    how = dataclasses.replace(RECIPES["tppo"], statistics=True)
    with pytest.raises(ValueError, match=r"statistics must be False for tppo, .*, got True"):
        trainer.Sb3Trainer("tppo").learn(CROWD, 0, how)


def test_it_learns_against_the_followers_that_are_given():
    def nobody(market, price, rng):
        return np.zeros((len(price), market.K))

    trained = trainer.Sb3Trainer("ppo").learn(Task(), 0, RECIPES["ppo"], followers=nobody)
    assert trained.episodes == [0.0] * 8


def test_noise_is_of_the_seed_that_is_kept(trained, tmp_path):
    learned = trainer.Sb3Trainer("ppo").learn(CROWD, 3, RECIPES["ppo"])
    quiet, *noisy = (
        play(dataclasses.replace(learned, noise=noise).player(4), CROWD, 4, seed=1).price
        for noise in (None, 5, 5, 6)
    )
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert (noisy[0] != noisy[2]).mean() > 0.9
    spread = 9.5 * float(learned.policy.log_std.detach().exp())
    assert np.std(noisy[0][0] - quiet[0]) < 4 * spread  # of the first round, where nothing is seen
    kept = dataclasses.replace(learned, noise=5)
    kept.keep(tmp_path / "kept.safetensors", CROWD, 3)
    again = trainer.PPO_MLP.load(tmp_path / "kept.safetensors")(4)
    np.testing.assert_array_equal(play(again, CROWD, 4, seed=1).price, noisy[0])


@pytest.mark.parametrize("better", [False, True])
def test_a_policy_is_kept_with_its_noise_where_that_earns_more(monkeypatch, tmp_path, better):
    earned = iter((0.0, 1.0) if better else (1.0, 0.0))  # without noise, and with it
    played = lambda *_: SimpleNamespace(utility=np.array(next(earned)))  # noqa: E731
    monkeypatch.setattr(trainer, "play_in", played)
    trainer.PPO_MLP.train(CROWD, 3, tmp_path / "kept.safetensors", RECIPES["ppo"])
    config, _ = read(tmp_path / "kept.safetensors")
    assert (config["noise"] is not None) == better


def test_an_lstm_remembers_an_episode_and_forgets_it_with_the_next(trained):
    method = loaded(trained, "recurrent_ppo")(1)
    everybody, steps = np.ones((1, 10), bool), np.full((1, 1, 10), 100.0)

    def last_price(first):
        method.act(History(np.empty((1, 0)), np.empty((1, 0, 10)), everybody))
        for price in (first, 5.0):
            answer = method.act(History(np.array([[price]]), steps, everybody))
        return answer[0]

    assert last_price(3.0) != last_price(18.0)
    assert last_price(3.0) == last_price(3.0)


@pytest.mark.parametrize("name", NAMES)
def test_policies_are_kept_without_pickles_and_play_as_before(trained, name, tmp_path):
    config, _ = read(trained / f"{name}.safetensors")
    assert config["method"] == name
    assert config["task"] == CROWD.as_json()
    assert config["rounds"] == RECIPES[name].rounds
    assert config["seconds"] > 0
    assert config["recipe"] == dataclasses.asdict(RECIPES[name])
    prices = play(loaded(trained, name)(4), CROWD, 4, seed=1).price
    assert np.isfinite(prices).all()
    assert prices.min() >= 1
    assert prices.max() <= 20
    again = trainer.Sb3Trainer(name).learn(CROWD, 3, RECIPES[name])
    again = dataclasses.replace(again, noise=config["noise"])
    played = play(again.player(4), CROWD, 4, seed=1).price
    np.testing.assert_array_equal(prices, played)  # the seed decides everything


def test_other_files_are_refused(trained, tmp_path):
    config, weights = read(trained / "ppo.safetensors")
    path = tmp_path / "other.safetensors"
    wider = {**config, "recipe": {**config["recipe"], "width": 9}}
    for bad in ({**config, "method": "filter"}, {"method": "ppo"}, wider):
        write(path, weights, bad)
        with pytest.raises(ValueError, match="path must be a policy of tppo, ppo, recurrent_ppo"):
            trainer.PPO_MLP.load(path)


def test_recipes_are_of_the_market():
    standing = recipe("ppo", Task())
    assert standing.rounds == 20_000
    assert recipe("ppo", Task("paper", {"K": 5, "cost": 3.0})) == standing
    hidden = recipe("ppo", Task("hidden"))
    assert hidden.rounds > 1_000_000
    assert recipe("ppo", Task("paper", {"satisfaction": ["uniform", "80", "400"]})) == hidden
    assert recipe("ppo", Task("drift")) == hidden
    assert recipe("dqn", Task("shift")) == recipe("dqn", Task("hidden"))
    own = Scenario("mine", arguments={"satisfaction": LogUniform(80, 400)})
    assert recipe("ppo", Task(own)) == hidden
    assert recipe("tppo", Task("crowd")).history == 16
