"""The leaderboard: the same episodes for everybody, kept results, and its arithmetic."""

import dataclasses
import datetime
import itertools
import json
import shutil

import fake_training
import numpy as np
import pandas as pd
import pytest
from fake_training import Always, Fake, FakeRecipe, kept
from matplotlib import image
from matplotlib.text import Text

from aigc_market import LogUniform, SharedLevel, followers
from aigc_market.scenarios import SCENARIOS
from baselines.arena import policies, registry, seeds
from baselines.arena.registry import REGISTRY, Entry
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.arena.training import Training
from baselines.experiments.leaderboard import command, costs, draw, evaluation, tables
from baselines.experiments.leaderboard import plots as figures
from baselines.experiments.leaderboard.evaluation import Evaluation
from baselines.experiments.leaderboard.result import Result, is_classical, merit_of
from baselines.runs.files import write_json

# --- what was played, and tables

LOST = {"constant": (40.0, 360.0), "middling": (40.0, 180.0), "bayes": (20.0, 80.0)}
"""Regret of each episode in rounds 1–10 and 11–100; U* is 100 and 900."""
FIRST = seeds.demonstration_seed(0)


def made_up(out, method, task="hidden", lost=None, seed=0, policy=None, episodes=4):
    """An evaluation with a file made by hand."""
    task = task if isinstance(task, Task) else Task(task)
    made = Evaluation(REGISTRY[method], task, seed, episodes, FIRST, policy)
    path = made.file(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    regret = np.repeat(np.array(lost or LOST[method])[:, None], episodes, axis=1)
    best = np.repeat(np.array([[100.0], [900.0]]), episodes, axis=1)
    rounds = np.repeat(regret.sum(axis=1) / [10, 90], [10, 90])
    np.savez(
        path,
        regret=regret,
        equilibrium_utility=best,
        utility=best - 2 * regret,
        round_regret=rounds,
        round_equilibrium_utility=np.full(100, 10.0 * episodes),
        seconds=np.array(2.0),
        decision_microseconds=np.array(12.0),
    )
    return made


def result(out, *evaluations, asked=1):
    return Result.read(evaluations, out, asked)


def shown(out, method, *task, **given):
    """A result with one file made by hand."""
    return result(out, made_up(out, method, *task, **given))


@pytest.fixture
def middling(tmp_path, monkeypatch):
    """A learned method with three of five trainings."""
    fake = Entry("middling", "gradient", trainer="fake_training:Fake")
    monkeypatch.setitem(REGISTRY, "middling", fake)
    policy = tmp_path / "policy.safetensors"
    kept(policy, 6.0, method="middling")
    price = dataclasses.replace(REGISTRY["constant"], knows="nothing")
    monkeypatch.setitem(REGISTRY, "constant", price)
    made = [
        made_up(tmp_path, "middling", lost=(40.0, rest), seed=seed, policy=policy)
        for seed, rest in enumerate((140.0, 180.0, 220.0))
    ]
    return result(tmp_path, *made, asked=5)


def listed(text, heading):
    """The tables under a heading, as dictionaries, one a row."""
    text = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    header, rows = None, []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = None
        elif header is None:
            header = cells
        elif not line.startswith("|---"):
            rows.append(dict(zip(header, cells, strict=True)))
    return rows


def test_the_tables_by_hand(tmp_path, middling):
    played = [shown(tmp_path, "constant"), shown(tmp_path, "bayes"), middling]
    played.append(shown(tmp_path, "constant", "drift"))
    text = tables.write_leaderboard(tmp_path, played, {"episodes": 4}).read_text()
    named = {row["method"]: row for row in listed(text, "hidden")}
    assert list(named) == ["constant", "middling", "bayes"]  # by track
    assert (
        text.index("| gradient | middling") < text.rindex("Told the law") < text.rindex("| bayes |")
    )
    assert named["bayes"]["share"] == "0.9000 [0.9000, 0.9000]"
    assert named["constant"]["rounds 1–10"] == "0.6000 [0.6000, 0.6000]"
    assert named["constant"]["rounds 11–100"] == "0.6000 [0.6000, 0.6000]"
    assert named["constant"]["seeds"] == named["constant"]["training rounds"] == "–"
    row = named["middling"]
    # The mean of .82, .78, .74, give or take 4.303 standard errors of three: .04 / √3.
    mean, low, high = middling.share()
    assert (mean, low, high) == pytest.approx((0.78, 0.6806, 0.8794), abs=2e-3)
    assert row["share"] == f"{mean:.4f} [{low:.4f}, {high:.4f}]"
    assert row["rounds 11–100"].startswith("0.8000 [")
    assert (row["earned"], row["seeds"], row["knows"]) == ("0.5600", "3 of 5", "gradient")
    assert (row["training rounds"], row["training s"], row["µs"]) == ("5,000", "60", "12")
    # All presets in one table.
    rows = {row["method"]: row for row in listed(text, "All presets")}
    assert rows["middling"]["hidden"] == "**0.7800** (3 of 5 seeds)"  # alone in its track
    assert rows["middling"]["drift"] == "–"
    assert rows["constant"]["drift"] == "**0.6000**"
    assert rows["bayes"]["knows"] == "law"
    assert text.count("Told the law") == 2
    # And the CSV files.
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert tuple(table.columns) == tables.COLUMNS
    assert len(table) == 4 * 3
    assert not table.isna().any().any()
    table = table[table["scenario"] == "hidden"].set_index(["method", "window"])
    for window, regret in (("1-10", 4.0), ("11-100", 4.0), ("all", 4.0)):
        row = table.loc["constant", window]
        assert (row["share"], row["low"], row["high"], row["regret"]) == (0.6, 0.6, 0.6, regret)
    assert table.loc["bayes", "11-100"]["regret"] == pytest.approx(80 / 90, abs=1e-4)
    row = table.loc["middling", "all"]
    assert (row["seeds"], row["seeds_asked"]) == ("0 1 2", 5)
    assert table.groupby("method")["digest"].nunique().eq(1).all()
    assert table["digest"].nunique() == 3
    assert set(pd.read_csv(tmp_path / "rounds.csv")["round"]) == set(range(1, 101))
    alone = pd.read_csv(tmp_path / "seeds.csv").query("window == 'all'")
    assert alone["share"].tolist() == pytest.approx([0.82, 0.78, 0.74])
    assert alone["seeds"].tolist() == [0, 1, 2]


def test_shares_by_market_count_all_markets_alike(tmp_path):
    """A poor market of which all is lost, beside a rich one of which nothing is."""
    made = made_up(tmp_path, "constant")
    path = made.file(tmp_path)
    arrays = dict(np.load(path))
    arrays["equilibrium_utility"] *= [[9.0, 1.0, 9.0, 1.0]]
    arrays["regret"] = arrays["equilibrium_utility"] * [0.0, 1.0, 0.0, 1.0]
    np.savez(path, **arrays)
    found = result(tmp_path, made)
    assert found.share().mean == pytest.approx(0.9)
    assert found.market_share().mean == pytest.approx(0.5)
    [*_, whole] = tables.rows(found)
    assert (whole["share"], whole["market_share"]) == ("0.90000000", "0.50000000")
    arrays["equilibrium_utility"][:, 0] = arrays["regret"][:, 0] = 0.0  # nobody was there
    np.savez(path, **arrays)
    assert result(tmp_path, made).market_share().mean == pytest.approx(1 / 3)


def test_differences_are_paired_by_seed_and_episode(tmp_path, middling, monkeypatch):
    other = Entry("other", "gradient", trainer="fake_training:Fake")
    monkeypatch.setitem(REGISTRY, "other", other)
    policy = tmp_path / "policy.safetensors"
    made = [
        made_up(tmp_path, "other", lost=(30.0, rest), seed=seed, policy=policy)
        for seed, rest in ((2, 250.0), (1, 200.0))
    ]
    by_money, by_market, shared = middling.above(result(tmp_path, *made, asked=5))
    # Seeds 1 and 2, which both have: .78 and .74 against .77 and .72; in rounds 1-10 −.1 twice.
    assert (by_money.mean, by_market.mean) == pytest.approx((0.015, 0.015))
    assert by_money.low < 0.01 < 0.02 < by_money.high
    assert shared == 2
    first, *_ = middling.above(result(tmp_path, *made), "1-10")
    assert first == pytest.approx((-0.1, -0.1, -0.1))
    # What nobody trains is the same under each seed.
    found, _, shared = middling.above(shown(tmp_path, "constant"))
    assert (found.mean, shared) == (pytest.approx(0.18), 3)
    lone = shown(tmp_path, "other", lost=(1.0, 1.0), seed=7, policy=policy)
    assert middling.above(lone) is None


def test_each_is_compared_with_the_best_of_others_and_learners_with_some_one_by_one(
    tmp_path, middling
):
    lost = {"bayes": 80.0, "bayes_thompson": 90.0, "cils": 150.0, "kalman": 120.0}
    lost |= {"random": 400.0, "ppo": 150.0, "tppo": 120.0}
    learned = {name: {"policy": tmp_path / "policy.safetensors"} for name in ("ppo", "tppo")}
    played = [
        shown(tmp_path, name, lost=(40.0, rest), **learned.get(name, {}))
        for name, rest in lost.items()
    ]
    tables.write_leaderboard(tmp_path, [*played, middling], {})
    table = pd.read_csv(tmp_path / "differences.csv").query("window == 'all'")
    found = table.set_index(["of", "method"])["difference"].to_dict()
    assert found["best classical", "cils"] == pytest.approx(-0.03)  # to kalman
    assert found["best classical", "bayes"] == pytest.approx(0.04)
    assert found["best told the law", "kalman"] == pytest.approx(-0.04)  # to bayes
    assert found["best learner", "ppo"] == pytest.approx(-0.03)  # to tppo
    assert found["best learner", "bayes"] == pytest.approx(0.04)
    assert found["ppo", "tppo"] == pytest.approx(0.03)
    # Others are not compared one by one: they are compared with the best.
    assert {method for of, method in found if of == "ppo"} == {"tppo"}
    assert not {of for of, _ in found} & {"sac", "td3"}  # which nobody played
    best = table[table["of"].str.startswith("best")]
    assert set(best["reference"]) == {"kalman", "bayes", "tppo"}
    assert {name for name, entry in REGISTRY.items() if is_classical(entry)} == {
        *("cils", "cils_discounted", "log_cils", "likelihood_grid", "log_grid"),
        *("thompson", "kalman_total", "kalman"),
    }


def test_curves_are_those_of_trainings_on_the_task_itself(tmp_path):
    points = [
        {"rounds": 10.0, "seconds": 1.5, "share": 0.5, "earned": 0.4},
        {"rounds": 20.0, "seconds": 3.25, "share": 0.75, "earned": 0.7},
    ]
    policies_of = [tmp_path / f"{seed}.safetensors" for seed in range(2)]
    for policy in policies_of:
        kept(policy, 6.0, method="ppo", curve=points, task=Task("crowd").as_json())
    played = [shown(tmp_path, "constant", "crowd")]
    for task in ("crowd", Task("crowd", {"K": 40})):
        of_seeds = (
            made_up(tmp_path, "ppo", task, (40.0, 100.0), seed, policy)
            for seed, policy in enumerate(policies_of)
        )
        played.append(result(tmp_path, *of_seeds))
    tables.write_leaderboard(tmp_path, played, {})
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert lines == [
        "scenario,method,seed,rounds,seconds,share",
        *(
            f"crowd,ppo,{seed},{point}"
            for seed in (0, 1)
            for point in ("10,1.50,0.500000", "20,3.25,0.750000")
        ),
    ]


def test_one_rule_of_choice():
    for track, merit in (("nothing", 0.7), ("form", 0.7), ("gradient", 0.9), ("law", 0.9)):
        assert merit_of(track, earned=0.7, share=0.9) == merit


def test_the_figure_is_drawn_from_the_csvs_alone(tmp_path):
    played = [
        shown(tmp_path, name, task)
        for task in ("hidden", "crowd", Task("crowd", {"K": 40}))
        for name in ("constant", "bayes")
    ]
    tables.write_leaderboard(tmp_path, played, {})
    shutil.rmtree(tmp_path / "played")
    path = figures.draw(tmp_path)
    assert path == tmp_path / "regret.png"
    pixels = image.imread(path)[..., :3]
    assert 0.005 < (pixels.min(axis=-1) < 0.5).mean() < 0.3  # lines on white


def test_regret_without_noise_is_not_drawn(tmp_path):
    tables.write_leaderboard(tmp_path, [shown(tmp_path, "constant", "paper")], {})
    assert figures.draw(tmp_path) is None


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws the figure of tables, and gives it."""

    def draw(**tables_of):
        for name, table in tables_of.items():
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        monkeypatch.setattr(figures, "save", lambda figure, path: figure)
        return figures.draw(tmp_path)

    return draw


def ends_in(figure):
    """What each panel says at the ends of its lines, without numbers; no two texts meet."""
    said = {}
    for axes in figure.axes:
        boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the lines to them
        for one, other in itertools.combinations(boxes, 2):
            assert min(one.y1, other.y1) <= max(one.y0, other.y0)
        assert all(box.x1 <= figure.bbox.x1 for box in boxes)
        if boxes:
            said[axes.get_title()] = {text.get_text().split(" ")[0] for text in axes.texts}
    return said


def test_the_figure_shows_the_best_of_each_track_the_best_classical_rule_and_the_floor(drawn):
    lost = {
        "constant": 0.25,
        "ppo": 0.1,
        "tppo": 0.09,
        "kalman_total": 0.095,
        "likelihood_grid": 0.08,
        "filter_unfitted": 0.06,
        "filter": 0.05,
        "filter_pathwise": 0.049,
        "bayes": 0.048,
    }
    scenarios = "shift", "crowd", "crowd-K40"
    played = [(s, m, REGISTRY[m].knows, x) for s in scenarios for m, x in lost.items()]
    columns = ["scenario", "method", "knows", "window", "share", "episodes", "first_seed"]
    table = [(s, m, knows, "all", 1 - x, 500, 7) for s, m, knows, x in played]
    rounds = [(s, m, t, 10 * x, 10.0) for s, m, _, x in played for t in range(1, 101)]
    figure = drawn(
        leaderboard=pd.DataFrame(table, columns=columns),
        rounds=pd.DataFrame(
            rounds, columns=["scenario", "method", "round", "regret", "equilibrium_utility"]
        ),
    )
    best = {"constant", "tppo", "likelihood_grid", "filter", "filter_pathwise", "bayes"}
    assert ends_in(figure) == {"shift": best, "crowd": best}


def test_the_last_point_of_a_regret_line_is_the_leaderboards_number(tmp_path, drawn):
    tables.write_leaderboard(tmp_path, [shown(tmp_path, "constant")], {})
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    share = table[table["window"] == "all"]["share"].item()
    [line] = drawn().axes[0].lines
    assert line.get_ydata()[-1] == pytest.approx(1 - share, abs=1e-4)


# --- the command


@pytest.fixture
def counted(monkeypatch):
    """A learner that is trained in no time, two untrained methods, and how often each was used."""
    return fake_training.install(monkeypatch)


def run(out, **given):
    standard = {"scenarios": ("hidden",), "methods": ("constant", "random", "fake")}
    command.leaderboard(
        **{**standard, "looked_at_before": True, **given},
        seeds=2,
        out=out,
        workers=1,
    )


def test_nothing_is_done_twice(tmp_path, counted):
    run(tmp_path, episodes=3)
    once = dict(counted)
    assert once == {"train": 2, "make": 4}  # each plays side by side, then alone
    table = (tmp_path / "leaderboard.csv").read_bytes()
    assert len(table.splitlines()) == 1 + 3 * 3
    assert Fake.drawn == [tmp_path]
    run(tmp_path, episodes=3)
    assert counted == once
    assert (tmp_path / "leaderboard.csv").read_bytes() == table
    lost = next((tmp_path / "played").rglob("random-*"))
    lost.unlink()
    run(tmp_path, episodes=3)
    assert counted == {"train": 2, "make": 6}
    run(tmp_path, episodes=4)  # other episodes are other results
    assert counted == {"train": 2, "make": 10}


def test_tables_of_an_earlier_run_go_with_it(tmp_path, counted):
    (tmp_path / "outside.csv").touch()
    run(tmp_path, methods=("random",), episodes=2)
    assert not (tmp_path / "outside.csv").exists()


def test_nothing_is_written_of_nothing(tmp_path, counted, monkeypatch):
    with pytest.raises(ValueError, match="--scenarios and --methods must leave something"):
        run(tmp_path, methods=("fake",), train=False)
    monkeypatch.setattr(Evaluation, "play", lambda _: 1 / 0)
    with pytest.raises(SystemExit, match="error: 1 failed"):
        run(tmp_path, methods=("random",))
    assert not (tmp_path / "leaderboard.csv").exists()


def test_trainings_go_seed_by_seed(tmp_path, counted, monkeypatch):
    """And method by method: those beside each other share no work."""
    monkeypatch.setitem(REGISTRY, "less", Entry("less", trainer="fake_training:Fake"))
    run(tmp_path, scenarios=("drift", "hidden"), methods=("fake", "less"), train_only=True)
    names = "drift", "hidden"
    assert Fake.trained == [(name, seed) for seed in (0, 1) for _ in "fl" for name in names]


def test_training_alone_plays_nothing_and_what_is_not_trained_can_be_left_out(tmp_path, counted):
    run(tmp_path, train_only=True)
    assert counted == {"train": 2, "make": 0}
    assert {path.name for path in tmp_path.iterdir()} == {"trained"}
    run(tmp_path, scenarios=("hidden", "drift"), train=False, episodes=3)
    assert counted["train"] == 2
    learned = pd.read_csv(tmp_path / "leaderboard.csv").query("method == 'fake'")
    assert set(zip(learned["scenario"], learned["seeds"], strict=True)) == {("hidden", "0 1")}
    assert "| 2 |" in (tmp_path / "leaderboard.md").read_text()


def test_the_oracle_and_sellers_are_not_played_by_default():
    defaults = set(command.DEFAULT_METHODS)
    assert "equilibrium" not in defaults
    assert {"constant", "kalman", "ppo", "filter_pathwise", "bayes"} <= defaults
    assert all(REGISTRY[name].factory or REGISTRY[name].trainer for name in defaults)


def test_the_plan_says_what_is_left_and_what_it_takes(tmp_path, counted, monkeypatch, capsys):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "seeds.csv").write_text(
        "scenario,method,train_seconds\nhidden,fake,100\nhidden,fake,200\n"
    )
    (docs / "leaderboard.csv").write_text(
        "scenario,method,seconds,episodes\nhidden,random,30,10\nhidden,constant,,10\n"
    )
    monkeypatch.setattr(costs, "DOCS", docs)
    costs._took.cache_clear()
    given = {"scenarios": ("hidden", "drift"), "episodes": 20}
    run(tmp_path, **given, plan=True)
    assert counted == {"train": 0, "make": 0}
    [*_, trainings, evaluations] = capsys.readouterr().out.splitlines()
    # Two seeds in both; what fake takes on drift is taken for what it took on hidden.
    assert trainings == "| trainings | 4 | – | 600 | 600 |"
    # 20 episodes of random, in both, at 3 s each; nobody knows of the others.
    assert evaluations == "| evaluations | 8 | 6 | 120 | 120 |"
    run(tmp_path, **given, train_only=True)
    capsys.readouterr()
    run(tmp_path, **given, plan=True)
    assert "| trainings | 0 | – | 0 | 0 |" in capsys.readouterr().out
    costs._took.cache_clear()


def test_test_episodes_are_looked_at_once(tmp_path, counted, monkeypatch):
    """Again only by the same methods, parameters and policies."""
    path = tmp_path / "test_seeds.json"
    before = {"drawn": "2026-11-26", "first_seed": seeds.TEST[0], "looked_at": "2026-11-26"}
    write_json(path, {"draws": [{**before, "methods": "others"}]})
    monkeypatch.setattr(draw, "DRAWS", path)
    given = {"methods": ("random",), "episodes": 2, "looked_at_before": False}
    with pytest.raises(ValueError, match=r"must be drawn anew: .*draw-test-seeds"):
        run(tmp_path, **given)
    assert not (tmp_path / "played").exists()
    draw.draw_test_seeds()
    *_, newest = draw.draws()
    assert set(newest) == {"drawn", "first_seed"}
    assert newest["first_seed"] in seeds.TEST
    assert newest["first_seed"] != draw.looked_at()
    run(tmp_path, **given, plan=True)  # which looks at nothing
    assert draw.draws()[-1] == newest
    run(tmp_path, **given)
    assert set(pd.read_csv(tmp_path / "leaderboard.csv")["first_seed"]) == {newest["first_seed"]}
    seen = draw.draws()[-1]
    assert seen["looked_at"] == datetime.date.today().isoformat()
    run(tmp_path, **given)
    assert draw.draws()[-1] == seen
    monkeypatch.setitem(REGISTRY, "more", Entry("more", factory="fake_training:random"))
    with pytest.raises(ValueError, match="must be drawn anew"):
        run(tmp_path, **given)
    run(tmp_path, **{**given, "looked_at_before": True})
    run(tmp_path, **given, quick=True)
    monkeypatch.delitem(REGISTRY, "more")
    other = tmp_path / "tuned.json"
    other.write_text("{}")
    monkeypatch.setattr(registry, "TUNED", other)
    with pytest.raises(ValueError, match="must be drawn anew"):
        run(tmp_path, **given)
    draw.draw_test_seeds()
    assert len({each["first_seed"] for each in draw.draws()}) == 3


def test_new_weights_are_played_anew_in_blocks_of_episodes(tmp_path, counted, monkeypatch):
    monkeypatch.setattr(evaluation, "BLOCK", 2)
    policy = Training(REGISTRY["fake"], Task("hidden"), 0).file(tmp_path)
    played, best = Evaluation(REGISTRY["fake"], Task("hidden"), 0, 3, FIRST, policy), []
    for price in (6.0, 8.0):
        kept(policy, price)
        played.execute(tmp_path)
        by_hand = np.hstack(
            [
                play(Always(price, size), Task("hidden"), size, FIRST + i).regret
                for i, size in enumerate((2, 1))
            ]
        )
        with np.load(played.file(tmp_path)) as file:
            np.testing.assert_allclose(file["regret"], [by_hand[:10].sum(0), by_hand[10:].sum(0)])
            np.testing.assert_allclose(file["round_regret"], by_hand.sum(axis=1))
            best.append(file["equilibrium_utility"])
    np.testing.assert_array_equal(*best)


def test_other_parameters_are_other_results(tmp_path, monkeypatch):
    played = Evaluation(REGISTRY["cils"], Task("hidden"), 0, 3, FIRST)
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
    "followers": lambda patch: patch.setitem(followers.SCRIPTED, "noisy", followers.Noisy(0.4)),
    "rules": lambda patch: patch.setattr(
        "baselines.arena.task.code_digest", lambda *modules: "others"
    ),
    "method": lambda patch: patch.setattr(
        "baselines.arena.registry.code_digest", lambda *modules: "new"
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


def breaks(task, num_envs, seed):
    if task.name == "drift":
        raise RuntimeError("it does not know what drifts")
    return Always(5.0, num_envs)


def test_what_fails_is_left_out_of_the_tables(tmp_path, counted, monkeypatch):
    """A method in one of two scenarios, and a training with one of two seeds."""

    def train(task, seed, out, recipe=None):
        if (task.name, seed) == ("hidden", 0):
            raise ValueError("diverged")
        kept(out, 6.0, seed=seed, task=task.as_json())

    monkeypatch.setattr(Fake, "train", train)
    monkeypatch.setitem(REGISTRY, "breaks", Entry("breaks", factory=f"{__name__}:breaks"))
    both = {"scenarios": ("drift", "hidden"), "methods": ("breaks", "fake"), "episodes": 2}
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, **both)
    for failed in ("2 failed", "training of fake on hidden, seed 0", "breaks on drift, seed 0"):
        assert failed in str(ended.value)
    table = pd.read_csv(tmp_path / "leaderboard.csv").query("window == 'all'")
    assert set(zip(table["scenario"], table["method"], table["seeds"], strict=True)) == {
        ("drift", "fake", "0 1"),
        ("hidden", "fake", "1"),
        ("hidden", "breaks", "0"),
    }
    assert "1 of 2" in (tmp_path / "leaderboard.md").read_text()


def test_quick_plays_what_is_shipped_and_trains_nothing(tmp_path, counted, monkeypatch, capsys):
    monkeypatch.setattr(policies, "WEIGHTS", tmp_path / "weights")
    kept(tmp_path / "fake.safetensors", 11.0, rounds=7)
    policies.keep(tmp_path / "fake.safetensors", {"best": True})
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
    assert set(table["first_seed"]) == {seeds.demonstration_seed(0)}  # not the test's
    told = capsys.readouterr().out
    assert "fake is left out of drift: there is no policy of it" in told


def test_crowds_of_other_sizes_are_for_those_that_play_any(tmp_path, counted):
    sizes = {"scenarios": ("crowd",), "sizes": (4, 10), "episodes": 2}
    run(tmp_path, **sizes)
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert table.groupby("scenario")["method"].agg(set).to_dict() == {
        "crowd": {"constant", "random", "fake"},  # which has 10 slots
        "crowd-K4": {"constant", "random"},
    }
    for seed in range(2):
        path = Training(REGISTRY["fake"], Task("crowd"), seed).file(tmp_path)
        kept(path, 6.0, any_K=True)
    run(tmp_path, **sizes)
    table = pd.read_csv(tmp_path / "leaderboard.csv").query("scenario == 'crowd-K4'")
    assert set(table["method"]) == {"constant", "random", "fake"}
