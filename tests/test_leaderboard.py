"""The leaderboard: the same episodes for everybody, kept results, and its arithmetic."""

import csv
import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from safetensors.numpy import load_file, save_file

from baselines import __main__ as command_line
from baselines import methods
from baselines.arena import registry, seeds, statistics
from baselines.arena.registry import REGISTRY, Entry
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.experiments.leaderboard import command, tables, trial
from baselines.experiments.leaderboard import plots as figures
from baselines.experiments.leaderboard.trial import Training, Trial


class Always:
    """One price, for ever."""

    def __init__(self, price, num_envs):
        self.prices = np.full(num_envs, price)
        self.seen = []

    def act(self, history):
        self.seen.append(history)
        return self.prices


# --- play


@pytest.mark.parametrize("scenario", ["hidden", "shift", "crowd", "capacity"])
def test_prices_do_not_shift_markets_or_noise(scenario):
    low, high = Always(4.0, 6), Always(12.0, 6)
    one, other = (play(method, Task(scenario), 6, seed=3) for method in (low, high))
    np.testing.assert_array_equal(one.equilibrium_price, other.equilibrium_price)
    np.testing.assert_array_equal(one.equilibrium_utility, other.equilibrium_utility)
    for a, b in zip(low.seen, high.seen, strict=True):
        np.testing.assert_array_equal(a.active, b.active)
    again = play(Always(4.0, 6), Task(scenario), 6, seed=3)
    np.testing.assert_array_equal(one.utility, again.utility)
    assert (play(Always(4.0, 6), Task(scenario), 6, seed=4).utility != one.utility).any()


def test_methods_see_the_last_round_as_it_was_delivered():
    method = Always(3.0, 4)
    played = play(method, Task("capacity"), 4, seed=0)
    assert method.seen[0].prices.shape == (4, 0)
    assert method.seen[0].steps.shape == (4, 0, 2)
    for t, history in enumerate(method.seen[1:]):
        np.testing.assert_allclose(history.prices[:, 0], 3.0)
        assert history.steps.shape == (4, 1, 2)
        paid = 2.0 * history.steps[:, 0].sum(axis=1)  # price 3, cost 1
        np.testing.assert_allclose(paid, played.utility[t], rtol=1e-5)
    assert len(method.seen) == 100
    assert played.seconds_per_decision > 0


def test_regret_is_of_followers_without_noise():
    played = play(Always(7.0, 50), Task("hidden"), 50, seed=0)
    assert (played.regret >= 0).all()
    noiseless = played.equilibrium_utility - played.regret
    assert np.ptp(noiseless, axis=0).max() < 1e-6 * noiseless.max()  # nothing moves
    trades = noiseless[0] > 0
    assert 0 < trades.sum() < len(trades)  # some markets are priced out
    assert np.ptp(played.utility, axis=0)[trades].min() > 0  # noise does move


def test_overrides_reach_the_market():
    assert Task("crowd", {"K": 4}).public().K == 4
    assert Task("hidden").public() == methods.PublicParameters()
    small = Task("crowd", {"K": 4, "max_cycles": 5})
    assert play(Always(7.0, 2), small, 2, seed=0).price.shape == (5, 2)
    with pytest.raises(ValueError, match="scenario must be one of"):
        play(Always(7.0, 2), Task("nowhere"), 2, seed=0)


# --- statistics


def test_shares_and_interquartile_means_by_hand():
    best = np.array([100.0, 300.0])
    lost = np.array([[10.0, 30.0], [0.0, 100.0]])
    np.testing.assert_allclose(statistics.shares(lost, best), [0.9, 0.75])
    assert statistics.iqm(np.array([0.0, 2.0, 3.0, 4.0, 100.0])) == pytest.approx(3.0)
    assert statistics.iqm(np.array([1.0, 2.0, 6.0])) == pytest.approx(3.0)


def test_intervals_are_of_seeds_and_of_episodes():
    rng = np.random.default_rng(0)
    best = np.full(400, 100.0)
    episodes = rng.normal(10.0, 5.0, 400)
    spread = statistics.resampled(episodes[None], best).std()
    assert spread == pytest.approx(0.05 / np.sqrt(400), rel=0.1)  # one seed: episodes alone
    seeds = np.array([8.0, 9.0, 10.0])[:, None] + np.zeros(400)
    spread = statistics.resampled(seeds, best).std()
    assert spread == pytest.approx(np.std([0.08, 0.09, 0.10]) / np.sqrt(3), rel=0.1)
    estimate = statistics.interval(0.9, np.linspace(0.0, 1.0, 2001))
    np.testing.assert_allclose(estimate, (0.9, 0.025, 0.975))


def test_differences_are_paired_by_episode():
    rng = np.random.default_rng(0)
    best = np.full(400, 100.0)
    hard = rng.normal(10.0, 5.0, 400)
    one, other = (statistics.resampled((hard + off)[None], best) for off in (0.0, 1.0))
    np.testing.assert_allclose(one - other, 0.01)


# --- trials and tables

LOST = {"constant": (40.0, 360.0), "middling": (40.0, 180.0), "bayes": (20.0, 80.0)}
"""Regret of each episode in rounds 1–10 and 11–100; U* is 100 and 900."""


def made_up(out, method, task="hidden", lost=None, seed=0, policy=None, episodes=4):
    """A trial with a file made by hand."""
    made = Trial(task if isinstance(task, Task) else Task(task), method, seed, episodes, policy)
    path = made.file(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    regret = np.repeat(np.array(lost or LOST[method])[:, None], episodes, axis=1)
    best = np.repeat(np.array([[100.0], [900.0]]), episodes, axis=1)
    rounds = np.repeat(regret.sum(axis=1) / [10, 90], [10, 90])
    moving = 8 + np.arange(100)[:, None] % 50 / 10 * np.ones(trial.TRACES)
    np.savez(
        path,
        regret=regret,
        equilibrium_utility=best,
        utility=best - 2 * regret,
        round_regret=rounds,
        round_equilibrium_utility=np.full(100, 10.0 * episodes),
        price=moving + 0.5,
        equilibrium_price=moving,
        decision_microseconds=np.array(12.0),
    )
    return made


def kept(path, price, rounds=5000, **config):
    """A policy's file made by hand."""
    config |= {"rounds": rounds, "seconds": 60.0}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"price": np.array([price])}, path, metadata={"config": json.dumps(config)})


def cells(text, method):
    [row] = [line for line in text.splitlines() if line.startswith(f"| {method} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_tables_arithmetic_by_hand(tmp_path, monkeypatch):
    fake = dataclasses.replace(REGISTRY["ppo"], knows="gradient")
    monkeypatch.setitem(REGISTRY, "middling", fake)
    policy = tmp_path / "policy.safetensors"
    kept(policy, 6.0)
    trials = [made_up(tmp_path, name) for name in ("constant", "bayes")]
    trials += [
        made_up(tmp_path, "middling", lost=(40.0, rest), seed=seed, policy=policy)
        for seed, rest in enumerate((140.0, 180.0, 220.0))
    ]
    text = tables.write(tmp_path, trials, {"test episodes": 4}).read_text()
    header = cells(text, "method")
    rows = {
        name: dict(zip(header, cells(text, name), strict=True))
        for name in ("constant", "middling", "bayes")
    }
    order = [line.split(" | ")[0][2:] for line in text.splitlines() if line.startswith("| ")]
    assert order == ["method", "bayes", "middling", "constant"]
    assert rows["bayes"]["share"] == "0.9000 [0.9000, 0.9000]"
    assert rows["bayes"]["behind"] == "–"
    assert rows["bayes"]["knows"] == "law"
    assert rows["constant"]["rounds 1–10"].startswith("0.6000")
    assert rows["constant"]["rounds 11–100"].startswith("0.6000")
    assert rows["constant"]["learnt"] == "0.000"
    assert rows["constant"]["seeds"] == "–"
    middling = rows["middling"]
    assert middling["share"].startswith("0.7800 [0.7")  # mean of .82, .78, .74
    assert middling["rounds 11–100"].startswith("0.8000")
    assert middling["behind"].startswith("0.1200 [0.0")
    assert middling["relative regret"] == "22.00%"
    assert middling["learnt"] == "0.600"  # (.78 − .6) / (.9 − .6)
    assert middling["earned"] == "0.5600"
    assert (middling["seeds"], middling["training rounds"], middling["training s"]) == (
        "3",
        "5,000",
        "60",
    )
    assert middling["µs"] == "12"
    assert middling["knows"] == "gradient"


def test_the_csv_is_tidy(tmp_path):
    trials = [made_up(tmp_path, name) for name in ("constant", "bayes")]
    tables.write(tmp_path, trials, {})
    with open(tmp_path / "leaderboard.csv", newline="") as file:
        header, *_ = csv.reader(file)
    assert header == [
        "scenario",
        "method",
        "knows",
        "seed",
        "window",
        "share",
        "regret",
        "train_rounds",
        "train_seconds",
        "decision_microseconds",
    ]
    table = pd.read_csv(tmp_path / "leaderboard.csv").set_index(["method", "window"])
    assert len(table) == 6
    assert not table.isna().any().any()
    row = table.loc["constant", "1-10"]
    assert (row["share"], row["regret"]) == (0.6, 4.0)
    row = table.loc["constant", "all"]
    assert (row["share"], row["regret"]) == (0.6, 4.0)
    assert table.loc["bayes", "11-100"]["regret"] == pytest.approx(80 / 90, abs=1e-4)


def test_figures_are_drawn_from_the_csvs_alone(tmp_path):
    trials = [
        made_up(tmp_path, name, task)
        for task in ("hidden", "shift", "drift", "crowd", Task("crowd", {"K": 40}))
        for name in ("constant", "bayes")
    ]
    tables.write(tmp_path, trials, {})
    for path in (tmp_path / "played").iterdir():
        path.unlink()
    paths = figures.draw(tmp_path)
    assert [path.name for path in paths] == ["regret.png", "prices.png", "sizes.png"]
    for path in paths:
        pixels = image.imread(path)[..., :3]
        assert 0.005 < (pixels.min(axis=-1) < 0.5).mean() < 0.3  # lines on white


def test_figures_without_data_are_left_out(tmp_path):
    tables.write(tmp_path, [made_up(tmp_path, "constant")], {})
    assert [path.name for path in figures.draw(tmp_path)] == ["regret.png"]


# --- the command


@dataclasses.dataclass
class FakeRecipe:
    """What is to be posted."""

    price: float = 6.0


class Fake:
    """A trainer that needs no time."""

    @staticmethod
    def recipe(task):
        return FakeRecipe()

    @staticmethod
    def can_train(task):
        return None

    @classmethod
    def train(cls, task, seed, out):
        cls.counts["train"] += 1
        kept(out, 6.0 + seed)

    @staticmethod
    def load(path):
        return lambda num_envs: Always(load_file(path)["price"].item(), num_envs)


@pytest.fixture
def counted(monkeypatch):
    """A learner that is trained in no time, two untrained methods, and how often each was used."""
    counts = {"train": 0, "make": 0}

    def make(name, scenario, market, num_envs, seed, **parameters):
        counts["make"] += 1
        return Always({"constant": 5.0, "random": 9.0}[name], num_envs)

    monkeypatch.setattr(Fake, "counts", counts, raising=False)
    monkeypatch.setitem(REGISTRY, "fake", Entry("fake", trainer=f"{__name__}:Fake"))
    monkeypatch.setattr(methods, "make", make)
    return counts


def run(out, **given):
    command.leaderboard(
        **{"scenarios": ("hidden",), "methods": ("constant", "random", "fake"), **given},
        seeds=2,
        out=out,
        workers=1,
    )


def test_nothing_is_done_twice(tmp_path, counted):
    run(tmp_path, episodes=3)
    once = dict(counted)
    assert once == {"train": 2, "make": 4}  # each plays side by side, then alone
    table = (tmp_path / "leaderboard.csv").read_bytes()
    assert len(table.splitlines()) == 1 + 3 * 4
    run(tmp_path, episodes=3)
    assert counted == once
    assert (tmp_path / "leaderboard.csv").read_bytes() == table
    lost = next((tmp_path / "played").glob("random-*"))
    lost.unlink()
    run(tmp_path, episodes=3)
    assert counted == {"train": 2, "make": 6}
    run(tmp_path, episodes=4)  # other episodes are other results
    assert counted == {"train": 2, "make": 10}


def test_new_weights_are_played_anew(tmp_path, counted):
    policy = Training("fake", Task("hidden"), 0).file(tmp_path)
    kept(policy, 6.0)
    played = Trial(Task("hidden"), "fake", 0, 3, policy)
    before = trial.execute(played, tmp_path).file(tmp_path)
    kept(policy, 8.0)
    assert played.file(tmp_path) != before
    trial.execute(played, tmp_path)
    with np.load(before) as one, np.load(played.file(tmp_path)) as other:
        assert (one["price"] == 6).all()
        assert (other["price"] == 8).all()
        np.testing.assert_array_equal(one["equilibrium_price"], other["equilibrium_price"])


def test_other_parameters_are_other_results(tmp_path, monkeypatch):
    played = Trial(Task("hidden"), "cils", 0, 3)
    before = played.file(tmp_path)
    tuned = json.loads(registry.TUNED.read_text())
    tuned["hidden"]["cils"]["kappa"] += 1.0
    (tmp_path / "tuned.json").write_text(json.dumps(tuned))
    monkeypatch.setattr(registry, "TUNED", tmp_path / "tuned.json")
    assert played.file(tmp_path) != before


def test_quick_plays_what_is_shipped_and_trains_nothing(tmp_path, counted, monkeypatch):
    monkeypatch.setattr(trial, "WEIGHTS", tmp_path / "weights")
    kept(tmp_path / "weights" / "hidden-fake.safetensors", 11.0, rounds=7)
    run(tmp_path, scenarios=("hidden", "drift"), quick=True, episodes=3)
    assert counted["train"] == 0
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert set(zip(table["scenario"], table["method"], table["train_rounds"], strict=True)) == {
        ("hidden", "constant", 0),
        ("hidden", "random", 0),
        ("hidden", "fake", 7),
        ("drift", "constant", 0),
        ("drift", "random", 0),
    }


def test_what_is_not_trained_can_be_left_out(tmp_path, counted):
    kept(Training("fake", Task("hidden"), 1).file(tmp_path), 6.0)
    run(tmp_path, scenarios=("hidden", "drift"), train=False, episodes=3)
    assert counted["train"] == 0
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    learned = table[table["method"] == "fake"]
    assert set(zip(learned["scenario"], learned["seed"], strict=True)) == {("hidden", 1)}


def test_crowds_of_other_sizes_are_for_those_that_play_any(tmp_path, counted):
    sizes = {"scenarios": ("crowd",), "sizes": (4, 10), "episodes": 2}
    run(tmp_path, **sizes)
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert table.groupby("scenario")["method"].agg(set).to_dict() == {
        "crowd": {"constant", "random", "fake"},  # which has 10 slots
        "crowd-K4": {"constant", "random"},
    }
    for seed in range(2):
        path = Training("fake", Task("crowd"), seed).file(tmp_path)
        kept(path, 6.0, any_K=True)
    run(tmp_path, **sizes)
    table = pd.read_csv(tmp_path / "leaderboard.csv").query("scenario == 'crowd-K4'")
    assert set(table["method"]) == {"constant", "random", "fake"}


def test_blocks_of_episodes_are_joined(tmp_path, counted, monkeypatch):
    monkeypatch.setattr(trial, "BLOCK", 4)
    played = trial.execute(Trial(Task("hidden"), "constant", 0, 6), tmp_path)
    with np.load(played.file(tmp_path)) as file:
        assert file["regret"].shape == (2, 6)
        first, second = (
            play(Always(5.0, size), Task("hidden"), size, seeds.test_seed(i))
            for i, size in enumerate((4, 2))
        )
        by_hand = np.hstack([first.regret, second.regret])
        np.testing.assert_allclose(file["regret"], [by_hand[:10].sum(0), by_hand[10:].sum(0)])
        np.testing.assert_allclose(file["round_regret"], by_hand.sum(axis=1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scenarios", "nowhere"], "--scenarios must be one of"),
        (["--methods", "nobody"], "--methods must be one of"),
        (["--seeds", "0"], "--seeds must be a whole number of at least 1, got 0"),
        (["--episodes", "-2"], "--episodes must be a whole number of at least 1, got -2"),
        (["--sizes", "0"], "--sizes must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_options_are_named(monkeypatch, tmp_path, words, message):
    monkeypatch.setattr("sys.argv", ["baselines", "leaderboard", *words, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert message in str(ended.value)


def test_learners_say_where_they_can_be_trained():
    """One goes through the rules by their gradient, which a table does not have."""
    trainers = {
        name: entry.get_trainer() for name, entry in REGISTRY.items() if entry.trainer is not None
    }
    refused = {n: trainer.can_train(Task("live")) for n, trainer in trainers.items()}
    assert {name for name, why in refused.items() if why is not None} == {"filter_pathwise"}
    assert all(trainer.can_train(Task("hidden")) is None for trainer in trainers.values())
