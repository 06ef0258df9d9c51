"""Entering the leaderboard: a method of one's own, `verify`, kept weights, changed markets."""

import importlib
import re
import sys

import fake_training
import numpy as np
import pandas as pd
import pytest
from fake_training import kept

from aigc_market import followers
from aigc_market.moves import Drift
from baselines import __main__ as command_line
from baselines.arena import policies, seeds
from baselines.arena.registry import REGISTRY
from baselines.arena.rollout import PHYSICAL
from baselines.arena.task import Task
from baselines.arena.training import Training
from baselines.experiments.leaderboard import command, evaluation, tables
from baselines.experiments.leaderboard.changes import HOMES, UNCHANGED, changes
from baselines.experiments.leaderboard.keep import keep
from baselines.experiments.leaderboard.verify import verify
from baselines.runs import digest
from baselines.runs.digest import described

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
        digest.code_digest.cache_clear()

    write(7.0)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    yield write
    sys.dont_write_bytecode = before
    sys.modules.pop("my_method", None)


@pytest.fixture
def counted(monkeypatch):
    return fake_training.install(monkeypatch)


@pytest.fixture
def asked(monkeypatch):
    """Seeds of the episodes that are played."""
    seen, play = [], evaluation.play_in

    def watched(env, method, seed):
        seen.append(seed)
        return play(env, method, seed)

    monkeypatch.setattr(evaluation, "play_in", watched)
    return seen


def run(out, **given):
    given = {"scenarios": ("hidden",), "episodes": 3, "looked_at_before": True, **given}
    command.leaderboard(**given, seeds=2, out=out, workers=1)


def whole(out):
    """The rows of leaderboard.csv over all rounds."""
    return pd.read_csv(out / "leaderboard.csv").query("window == 'all'").set_index("method")


def spoiled(out, of, /, **values):
    """The same table, with a method's rows changed."""
    table = pd.read_csv(out / "leaderboard.csv", dtype=str)
    for name, value in values.items():
        table.loc[table["method"] == of, name] = value
    table.to_csv(out / "leaderboard.csv", index=False)


# --- a method of one's own


def test_ones_own_method_is_played_alone_and_under_each_seed(tmp_path, counted, own):
    run(tmp_path, method="my_method:Own", track="form", quick=True)
    table = whole(tmp_path)
    assert list(table.index) == ["my_method:Own"]
    row = table.loc["my_method:Own"]
    assert (row["knows"], row["seeds"], row["seeds_asked"]) == ("form", "0 1", 2)
    assert counted == {"train": 0, "make": 0}
    text = (tmp_path / "leaderboard.md").read_text()
    assert "| form | my_method:Own |" in text


def test_ones_own_method_is_played_beside_others(tmp_path, counted, own):
    mine = {"method": "my_method:Own", "methods": ("random",)}
    run(tmp_path, **mine, track="form")
    table = whole(tmp_path)
    assert table["knows"].to_dict() == {"random": "nothing", "my_method:Own": "form"}
    first = table.loc["my_method:Own"]
    assert table.loc["random", "share"] != first["share"]
    own(8.0)  # its code is another now: what was played is not taken up again
    run(tmp_path, **mine)
    again = whole(tmp_path).loc["my_method:Own"]
    assert again["share"] != first["share"]
    assert again["digest"] != first["digest"]
    assert again["knows"] == "nothing"


# --- verify


def test_rows_hold_where_they_were_made(tmp_path, counted, own, capsys):
    run(tmp_path, method="my_method:Own", methods=("random", "fake"))
    capsys.readouterr()
    verify(tmp_path / "leaderboard.csv", workers=1)
    assert capsys.readouterr().out.splitlines() == [
        "hidden/random, 1 seed: holds",
        "hidden/fake, 2 seeds: holds",
        "hidden/my_method:Own, 2 seeds: holds",
    ]
    verify(tmp_path / "seeds.csv", workers=1)
    assert capsys.readouterr().out == "hidden/fake, 1 seed: holds\n" * 2


def test_rows_of_demonstration_episodes_are_verified_on_these(tmp_path, counted, monkeypatch):
    run(tmp_path, methods=("random",), quick=True)
    assert set(whole(tmp_path)["first_seed"]) == {seeds.demonstration_seed(0)}
    words = ["verify", f"{tmp_path / 'leaderboard.csv'}", "--workers", "1"]
    monkeypatch.setattr("sys.argv", ["baselines", *words])
    command_line.main()
    spoiled(tmp_path, "random", low="0.1")
    with pytest.raises(SystemExit, match="1 of 1 do not hold"):
        command_line.main()


def test_a_row_that_says_more_than_was_played_does_not_hold(tmp_path, counted, capsys):
    run(tmp_path, methods=("constant", "random"))
    share = whole(tmp_path).loc["random", "share"]
    spoiled(tmp_path, "random", share=f"{share + 2e-6:.8f}")
    with pytest.raises(SystemExit) as ended:
        verify(tmp_path / "leaderboard.csv", workers=1)
    assert ended.value.code == "error: 1 of 2 do not hold: hidden/random, 1 seed"
    told = capsys.readouterr().out
    assert "hidden/constant, 1 seed: holds" in told
    assert f"share in rounds all is {share + 2e-6:.6f}, played again {share:.6f}" in told
    verify(tmp_path / "leaderboard.csv", rows=("hidden/constant",), workers=1)
    with pytest.raises(SystemExit):
        verify(tmp_path / "leaderboard.csv", rows=("hidden/random",), workers=1)
    verify(tmp_path / "leaderboard.csv", tolerance=1e-5, workers=1)  # of another machine


def test_other_code_is_told_from_the_rows_own(tmp_path, counted, own, capsys):
    run(tmp_path, method="my_method:Own")
    own("7.0 + 0.0")  # the same prices
    verify(tmp_path / "leaderboard.csv", workers=1)
    assert "holds (its digest is of other code" in capsys.readouterr().out
    own(8.0)
    with pytest.raises(SystemExit, match="1 of 1 do not hold"):
        verify(tmp_path / "leaderboard.csv", workers=1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"method": "nobody"}, "method must be one of"),
        ({"scenario": "nowhere"}, "scenario must be one of"),
        ({"first_seed": "7"}, "first_seed must be one of"),
        ({"knows": "law"}, "random knows nothing, got law"),
        ({"window": "12-13"}, "window must be one of ['1-10', '11-100', 'all'], got '12-13'"),
    ],
)
def test_what_cannot_be_played_does_not_hold(tmp_path, counted, capsys, change, why):
    run(tmp_path, methods=("random",))
    spoiled(tmp_path, "random", **change)
    with pytest.raises(SystemExit, match="1 of 1 do not hold"):
        verify(tmp_path / "leaderboard.csv", workers=1)
    assert f"does not hold: not played: {why}" in capsys.readouterr().out


def test_policies_are_looked_for_among_those_that_come_along(
    tmp_path, counted, monkeypatch, capsys
):
    monkeypatch.setattr(policies, "WEIGHTS", tmp_path / "weights")
    run(tmp_path, methods=("fake",))
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("leaderboard.csv", "seeds.csv"):
        (tmp_path / name).rename(folder / name)
    with pytest.raises(SystemExit):
        verify(folder / "leaderboard.csv", workers=1)
    assert "policies of seeds 0 1 are neither in" in capsys.readouterr().out
    verify(folder / "leaderboard.csv", trained=tmp_path, workers=1)
    policies.keep(Training(REGISTRY["fake"], Task("hidden"), 1).file(tmp_path), {"best": True})
    with pytest.raises(SystemExit, match="1 of 2 do not hold"):
        verify(folder / "seeds.csv", workers=1)
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "hidden/fake, 1 seed: holds"


def test_policies_that_are_not_shipped_are_trained_again(tmp_path, counted, monkeypatch, capsys):
    monkeypatch.setattr(policies, "WEIGHTS", tmp_path / "weights")
    run(tmp_path, methods=("fake",))
    for path in (tmp_path / "trained").iterdir():
        path.unlink()
    with pytest.raises(SystemExit):
        verify(tmp_path / "leaderboard.csv", workers=1)
    assert "--retrain trains them, in unknown time" in capsys.readouterr().out
    verify(tmp_path / "leaderboard.csv", retrain=True, workers=1)
    assert counted["train"] == 4
    told = capsys.readouterr().out
    assert "| trainings | 2 |" in told
    assert "hidden/fake, 2 seeds: holds" in told


def test_crowds_of_other_sizes_are_verified_too(tmp_path, counted, capsys):
    run(tmp_path, scenarios=("crowd",), methods=("random",), sizes=(4,), episodes=2)
    capsys.readouterr()
    verify(tmp_path / "leaderboard.csv", workers=1)
    assert capsys.readouterr().out.splitlines() == [
        "crowd/random, 1 seed: holds",
        "crowd-K4/random, 1 seed: holds",
    ]


def test_tables_of_another_kind_are_refused(tmp_path, counted):
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "none.csv")
    run(tmp_path, methods=("random",))
    table = tmp_path / "leaderboard.csv"
    with pytest.raises(ValueError, match=r"--rows must be one of .'hidden/random'., got"):
        verify(table, rows=("hidden/x",))
    whole = table.read_bytes()
    bad = ("share", "much"), ("seeds", ""), ("seeds", "-1"), ("seeds_asked", ""), ("episodes", "0")
    for change in (*({name: value} for name, value in bad), {"first_seed": "1e9"}):
        spoiled(tmp_path, "random", **change)
        with pytest.raises(ValueError, match=r"table must be a leaderboard\.csv, got .*rd\.csv'"):
            verify(table)
        table.write_bytes(whole)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n", "table must have the columns scenario, .*, got a, b in '{}'"),
        (",".join(tables.COLUMNS).encode(), "table must have rows, got none in '{}'"),
        (b"a,\xe4\n", "{}: must be text in UTF-8"),
        (b"a,b\n1,%s\n" % (b"2" * 140_000), "{}, line 2: must be a row of a CSV table"),
        (",".join(tables.COLUMNS).encode() + b"\nhidden\n", "table must be a leaderb.*, got '{}'"),
    ],
)
def test_a_table_that_is_none_is_told_in_a_line(tmp_path, monkeypatch, capsys, content, said):
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    monkeypatch.setattr("sys.argv", ["baselines", "verify", str(path)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.match("error: " + said.format(re.escape(str(path))), line)


def test_a_result_that_is_broken_is_named(tmp_path, counted):
    run(tmp_path, methods=("random",))
    [path] = (tmp_path / "played").rglob("*.npz")
    for spoil in (
        lambda: path.write_bytes(path.read_bytes()[:200]),
        lambda: np.savez(path, regret=np.ones(2)),
    ):
        spoil()
        with pytest.raises(
            ValueError, match=r"must be arrays that|must hold decision_mic"
        ) as error:
            run(tmp_path, methods=("random",))
        assert str(error.value).startswith(str(path))


# --- the weights that are kept


def test_the_best_by_validation_is_kept_with_its_digest(tmp_path, counted, monkeypatch, asked):
    monkeypatch.setattr(policies, "WEIGHTS", tmp_path / "weights")
    run(tmp_path, methods=("fake",), train_only=True)
    keep(("hidden", "drift"), ("fake",), seeds=3, episodes=4, out=tmp_path, workers=1)
    assert all(seed in seeds.VALIDATION for seed in asked)
    [(stem, record)] = policies.index().items()
    assert stem == f"hidden-fake-seed{record['seed']}"
    assert record["best"]
    assert (record["of_seeds"], record["validation_episodes"]) == ([0, 1], 4)
    [kept_file] = policies.shipped("fake", "hidden").values()
    trained = {
        seed: Training(REGISTRY["fake"], Task("hidden"), seed).file(tmp_path) for seed in (0, 1)
    }
    assert kept_file.read_bytes() == trained[record["seed"]].read_bytes()
    assert policies.load(kept_file).config["seed"] == record["seed"]
    assert policies.load_policy("hidden-fake").path == kept_file
    played = len(asked)
    keep(("hidden",), ("fake",), seeds=2, episodes=4, out=tmp_path, workers=1)
    assert len(asked) == played  # it is known which is best
    for seed in (1 - record["seed"], record["seed"]):  # all seeds come along, and one is the best
        policies.keep(trained[seed], {"best": True})
        assert list(policies.shipped("fake", "hidden", best=True)) == [seed]
    assert set(policies.shipped("fake", "hidden")) == {0, 1}


def test_a_file_that_is_not_the_one_that_was_kept_is_refused(tmp_path, counted, monkeypatch):
    monkeypatch.setattr(policies, "WEIGHTS", tmp_path / "weights")
    kept(tmp_path / "policy.safetensors", 6.0)
    path = policies.keep(tmp_path / "policy.safetensors", {"best": True})
    assert policies.shipped("fake", "hidden") == {0: path}
    assert policies.shipped("fake", "drift") == {}
    kept(path, 7.0)
    for look, words in (
        (policies.shipped, ("fake", "hidden")),
        (policies.load_policy, (path.stem,)),
    ):
        with pytest.raises(ValueError, match=r"must be the file that index\.json beside it names"):
            look(*words)


# --- out of the law: the changed markets, and what the tables say of them


CHANGES = {"noise doubled", "δ above", "δ below", "quantal", "myopic discount"}


def test_changes_differ_from_their_preset_in_one_thing():
    assert set(changes("hidden")) == {UNCHANGED, *CHANGES}
    assert set(changes("drift")) == {UNCHANGED, *CHANGES, "drift doubled"}
    for home in HOMES:
        all_of = changes(home)
        task, policy = all_of[UNCHANGED]
        assert described(task.settings()) == described(Task(home).settings())
        assert policy == followers.Noisy(0.3)
        for change, changed in all_of.items():
            others = changed.task != task, changed.followers != policy
            assert sum(others) == (change != UNCHANGED)
        assert all_of["noise doubled"].followers == followers.Noisy(0.6)
        digests = {str(changed.digest_parts()) for changed in all_of.values()}
        assert len(digests) == len(all_of)


def test_levels_of_delta_lie_beside_all_that_was_trained_on():
    all_of = changes("hidden")

    def level(change):
        return all_of[change].task.settings().satisfaction.level

    assert (level(UNCHANGED).low, level(UNCHANGED).high) == (80, 400)
    assert (level("δ above").low, level("δ above").high) == (400, 800)
    assert (level("δ below").low, level("δ below").high) == (40, 80)


def test_a_doubled_drift_is_two_steps_in_one():
    [move] = changes("drift")["drift doubled"].task.settings().scenario.moves
    slow = Drift(0.98, 0.1)
    assert move.persistence == pytest.approx(0.98**2)
    assert move.step == pytest.approx(0.1 * np.sqrt(1 + 0.98**2))
    assert move.factor_bounds == pytest.approx(slow.factor_bounds)  # it spreads as far in the end


def test_changed_followers_buy():
    task, policy = changes("hidden")["myopic discount"]
    env = task.environment(2, history=1, **PHYSICAL, followers=policy)
    env.reset(seed=0)
    _, _, _, _, infos = env.step(np.full((2, 1), 4.0, np.float32))
    held_back = followers.MyopicDiscount()(env.market, np.full(2, 4.0), None)
    np.testing.assert_allclose(infos["demand"], held_back, rtol=1e-5)


def test_who_breaks_is_written_down(tmp_path, counted, asked):
    given = {"scenarios": ("hidden", "shift"), "methods": ("random", "fake"), "episodes": 2}
    run(tmp_path, **given, outside=True)
    outside = [seed for seed in asked if seed in seeds.OUTSIDE]
    assert len(outside) == 2 * 3 * len(changes("hidden"))  # together, then one alone
    assert sum(seed in seeds.TEST for seed in asked) == len(asked) - len(outside)
    table = pd.read_csv(tmp_path / "outside.csv").set_index(["method", "change"])
    assert set(table["scenario"]) == {"hidden"}
    assert set(table.loc["fake"].index) == {UNCHANGED, *CHANGES}
    assert table.loc[("fake", UNCHANGED), "lost"] == 0
    lost = table.loc[("fake", UNCHANGED), "share"] - table.loc[("fake", "δ below"), "share"]
    assert table.loc[("fake", "δ below"), "lost"] == pytest.approx(lost, abs=2e-8)
    assert table.loc[("fake", "quantal"), "seeds"] == "0 1"
    assert "unchanged" not in (tmp_path / "leaderboard.md").read_text()
    # Rational followers judge: the price is the same whoever buys.
    for change in ("noise doubled", "quantal", "myopic discount"):
        assert table.loc[("fake", change), "share"] == pytest.approx(
            table.loc[("fake", UNCHANGED), "share"]
        )


def test_an_evaluation_is_named_by_its_change():
    random = REGISTRY["random"]
    names = {
        evaluation.Evaluation(random, Task("drift"), 0, 2, 7, None, change).digest
        for change in ("", *changes("drift"))
    }
    assert len(names) == 1 + len(changes("drift"))
