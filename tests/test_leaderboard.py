"""The leaderboard: the same episodes for everybody, kept results, and its arithmetic."""

import csv
import dataclasses
import importlib
import json
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from safetensors.numpy import load_file, save_file

from aigc_market import LogUniform, SharedLevel, vmus
from aigc_market.scenarios import SCENARIOS
from baselines import __main__ as command_line
from baselines.arena import policies, registry, seeds, statistics
from baselines.arena.registry import REGISTRY, Entry
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.experiments.leaderboard import command, evaluation, tables
from baselines.experiments.leaderboard import plots as figures
from baselines.experiments.leaderboard.evaluation import Evaluation
from baselines.experiments.leaderboard.training_run import TrainingRun
from baselines.runs import digest


class Always:
    """One price, for ever."""

    def __init__(self, price, num_envs):
        self.prices = np.full(num_envs, price)

    def act(self, history):
        return self.prices


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


# --- what was played, and tables

LOST = {"constant": (40.0, 360.0), "middling": (40.0, 180.0), "bayes": (20.0, 80.0)}
"""Regret of each episode in rounds 1–10 and 11–100; U* is 100 and 900."""


def made_up(out, method, task="hidden", lost=None, seed=0, policy=None, episodes=4):
    """An evaluation with a file made by hand."""
    task = task if isinstance(task, Task) else Task(task)
    made = Evaluation(REGISTRY[method], task, seed, episodes, policy)
    path = made.file(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    regret = np.repeat(np.array(lost or LOST[method])[:, None], episodes, axis=1)
    best = np.repeat(np.array([[100.0], [900.0]]), episodes, axis=1)
    rounds = np.repeat(regret.sum(axis=1) / [10, 90], [10, 90])
    moving = 8 + np.arange(100)[:, None] % 50 / 10 * np.ones(evaluation.TRACES)
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
    task = {"scenario": "hidden", "arguments": {}}
    config = {"method": "fake", "task": task, "rounds": rounds, "seconds": 60.0, **config}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"price": np.array([price])}, path, metadata={"config": json.dumps(config)})


def cells(text, method):
    [row] = [line for line in text.splitlines() if line.startswith(f"| {method} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_tables_arithmetic_by_hand(tmp_path, monkeypatch):
    fake = Entry("middling", "gradient", trainer=f"{__name__}:Fake")
    monkeypatch.setitem(REGISTRY, "middling", fake)
    policy = tmp_path / "policy.safetensors"
    kept(policy, 6.0, method="middling")
    played = [made_up(tmp_path, name) for name in ("constant", "bayes")]
    played += [
        made_up(tmp_path, "middling", lost=(40.0, rest), seed=seed, policy=policy)
        for seed, rest in enumerate((140.0, 180.0, 220.0))
    ]
    text = tables.write(tmp_path, played, {"test episodes": 4}).read_text()
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
    played = [made_up(tmp_path, name) for name in ("constant", "bayes")]
    tables.write(tmp_path, played, {})
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
    played = [
        made_up(tmp_path, name, task)
        for task in ("hidden", "shift", "drift", "crowd", Task("crowd", {"K": 40}))
        for name in ("constant", "bayes")
    ]
    tables.write(tmp_path, played, {})
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


def constant(task, num_envs, seed, price=None):
    Fake.counts["make"] += 1
    return Always(5.0, num_envs)


def random(task, num_envs, seed):
    Fake.counts["make"] += 1
    return Always(9.0, num_envs)


@pytest.fixture
def counted(monkeypatch):
    """A learner that is trained in no time, two untrained methods, and how often each was used."""
    counts = {"train": 0, "make": 0}
    monkeypatch.setattr(Fake, "counts", counts, raising=False)
    monkeypatch.setitem(REGISTRY, "fake", Entry("fake", trainer=f"{__name__}:Fake"))
    for name in ("constant", "random"):
        monkeypatch.setitem(REGISTRY, name, Entry(name, factory=f"{__name__}:{name}"))
    # Whether they can be made is asked too, which does not count.
    monkeypatch.setattr(Entry, "obstacle", lambda self, task: None)
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
    entry = REGISTRY["fake"]
    policy = TrainingRun(entry, Task("hidden"), 0).file(tmp_path)
    kept(policy, 6.0)
    played = Evaluation(entry, Task("hidden"), 0, 3, policy)
    played.execute(tmp_path)
    before = played.file(tmp_path)
    kept(policy, 8.0)
    assert played.file(tmp_path) != before
    played.execute(tmp_path)
    with np.load(before) as one, np.load(played.file(tmp_path)) as other:
        assert (one["price"] == 6).all()
        assert (other["price"] == 8).all()
        np.testing.assert_array_equal(one["equilibrium_price"], other["equilibrium_price"])


def test_other_parameters_are_other_results(tmp_path, monkeypatch):
    played = Evaluation(REGISTRY["cils"], Task("hidden"), 0, 3)
    before = played.file(tmp_path)
    tuned = json.loads(registry.TUNED.read_text())
    tuned["hidden"]["cils"]["kappa"] += 1.0
    (tmp_path / "tuned.json").write_text(json.dumps(tuned))
    monkeypatch.setattr(registry, "TUNED", tmp_path / "tuned.json")
    assert played.file(tmp_path) != before


def changed_law(monkeypatch):
    spread = SharedLevel(LogUniform(80, 400), spread=0.4)
    law = {**SCENARIOS["hidden"].arguments, "satisfaction": spread}
    monkeypatch.setitem(
        SCENARIOS, "hidden", dataclasses.replace(SCENARIOS["hidden"], arguments=law)
    )


CHANGES = {
    "recipe": lambda patch: patch.setattr(Fake, "recipe", lambda task: FakeRecipe(7.0)),
    "law": changed_law,
    "followers": lambda patch: patch.setitem(vmus.SCRIPTED, "noisy", vmus.Noisy(0.4)),
    "rules": lambda patch: patch.setattr("baselines.arena.task.code_digest", lambda: "others"),
    "method": lambda patch: patch.setattr(
        "baselines.arena.registry.module_digest", lambda m: "new"
    ),
    "version": lambda patch: patch.setattr("aigc_market.__version__", "99"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_result_depends_on_is_in_its_name(change, tmp_path, counted, monkeypatch):
    """Changed, it makes kept results others', and the work is done anew."""
    run(tmp_path, episodes=3)
    assert counted == {"train": 2, "make": 4}
    CHANGES[change](monkeypatch)
    run(tmp_path, episodes=3)
    assert counted == {"train": 4, "make": 4 if change == "recipe" else 8}


OWN = """
import numpy as np


class Own:
    def __init__(self, task, num_envs, seed):
        self.prices = np.full(num_envs, {price})

    def act(self, history):
        return self.prices
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A user's own module, whose code is written by a call with a price."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def write(price):
        (folder / "my_method.py").write_text(OWN.format(price=price))
        sys.modules.pop("my_method", None)
        importlib.invalidate_caches()
        digest.module_digest.cache_clear()

    write(7.0)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    yield write
    sys.dont_write_bytecode = before
    sys.modules.pop("my_method", None)


def test_a_users_own_method_is_played_beside_the_others(tmp_path, counted, own):
    mine = {"method": "my_method:Own", "methods": ("random",), "episodes": 3}
    run(tmp_path, **mine, track="form")
    table = pd.read_csv(tmp_path / "leaderboard.csv").query("window == 'all'").set_index("method")
    assert table["knows"].to_dict() == {"random": "nothing", "my_method:Own": "form"}
    first = table.loc["my_method:Own", "share"]
    assert table.loc["random", "share"] != first
    own(8.0)  # its code is another now: what was played is not taken up again
    run(tmp_path, **mine)
    table = pd.read_csv(tmp_path / "leaderboard.csv").query("window == 'all'").set_index("method")
    assert table.loc["my_method:Own", "share"] != first
    assert table.loc["my_method:Own", "knows"] == "nothing"


def breaks(task, num_envs, seed):
    if task.name == "drift":
        raise RuntimeError("it does not know what drifts")
    return Always(5.0, num_envs)


def test_one_failure_does_not_end_the_others(tmp_path, counted, monkeypatch):
    monkeypatch.setitem(REGISTRY, "breaks", Entry("breaks", factory=f"{__name__}:breaks"))
    both = {"scenarios": ("drift", "hidden"), "methods": ("breaks", "random"), "episodes": 2}
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, **both)
    assert "1 failed, the others are kept: breaks on drift, seed 0" in str(ended.value)
    errors = (tmp_path / "errors.txt").read_text()
    assert "RuntimeError: it does not know what drifts" in errors
    assert "line" in errors
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert set(zip(table["scenario"], table["method"], strict=True)) == {
        ("drift", "random"),
        ("hidden", "random"),
        ("hidden", "breaks"),
    }
    monkeypatch.setattr(sys.modules[__name__], "breaks", random)
    run(tmp_path, **both)  # mended: all is well, and the old errors are gone
    assert not (tmp_path / "errors.txt").exists()


def test_a_failed_training_does_not_end_the_others(tmp_path, counted, monkeypatch):
    def train(task, seed, out):
        if seed == 0:
            raise ValueError("diverged")
        kept(out, 6.0)

    monkeypatch.setattr(Fake, "train", train)
    with pytest.raises(SystemExit, match="training of fake on hidden, seed 0"):
        run(tmp_path, episodes=2)
    table = pd.read_csv(tmp_path / "leaderboard.csv").query("method == 'fake'")
    assert set(table["seed"]) == {1}


def test_quick_plays_what_is_shipped_and_trains_nothing(tmp_path, counted, monkeypatch, capsys):
    monkeypatch.setattr(policies, "WEIGHTS", tmp_path / "weights")
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
    told = capsys.readouterr().out
    assert "fake is left out of drift: no policy, none comes along" in told


def test_what_is_not_trained_can_be_left_out(tmp_path, counted):
    kept(TrainingRun(REGISTRY["fake"], Task("hidden"), 1).file(tmp_path), 6.0)
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
        path = TrainingRun(REGISTRY["fake"], Task("crowd"), seed).file(tmp_path)
        kept(path, 6.0, any_K=True)
    run(tmp_path, **sizes)
    table = pd.read_csv(tmp_path / "leaderboard.csv").query("scenario == 'crowd-K4'")
    assert set(table["method"]) == {"constant", "random", "fake"}


def test_blocks_of_episodes_are_joined(tmp_path, counted, monkeypatch):
    monkeypatch.setattr(evaluation, "BLOCK", 4)
    played = Evaluation(REGISTRY["constant"], Task("hidden"), 0, 6)
    played.execute(tmp_path)
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
        (["--method", "nobody"], "--method must be module:factory, got 'nobody'"),
        (["--method", "no_module:Thing"], "no_module"),
    ],
)
def test_bad_options_are_named(monkeypatch, tmp_path, words, message):
    monkeypatch.setattr("sys.argv", ["baselines", "leaderboard", *words, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert message in str(ended.value)


def test_learners_say_where_they_can_be_trained():
    """One of them is trained through the rules themselves, which a table does not allow."""
    trainers = {
        name: entry.get_trainer() for name, entry in REGISTRY.items() if entry.trainer is not None
    }
    refused = {n: trainer.can_train(Task("live")) for n, trainer in trainers.items()}
    assert {name for name, why in refused.items() if why is not None} == {"filter_pathwise"}
    assert all(trainer.can_train(Task("hidden")) is None for trainer in trainers.values())
