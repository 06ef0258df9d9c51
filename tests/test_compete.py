"""Sellers that learn beside each other: training, a method at each seat, measures, the command."""

import dataclasses
import itertools
import re

import numpy as np
import pandas as pd
import pytest
import torch

from aigc_market import competition
from baselines.arena.competition import CompetitionEnv, play
from baselines.arena.registry import REGISTRY, RIVALS, resolve
from baselines.arena.task import Task
from baselines.arena.training import Training
from baselines.experiments.compete import contest_figures, measures
from baselines.experiments.compete.compete import compete, contender, contest, meetings
from baselines.experiments.compete.meeting import Meeting, Participant
from baselines.methods.sellers import seller_trainer, sellers
from baselines.methods.sellers.recipe import SellerRecipe
from baselines.runs import policy_files

TINY = SellerRecipe(
    rounds=160, num_envs=4, table_envs=2, n_steps=8, batch_size=32, n_epochs=2, max_cycles=20
)
LEARNED = [name for name, entry in (REGISTRY | RIVALS).items() if entry.sellers is not None]
PHYSICAL = {"normalize": False, "scale_rewards": False}


def task(scenario="calvano", seat=0, **arguments):
    return Task(scenario, arguments, "competition", seat)


def learn(method, folder, scenario="calvano", seed=0, recipe=TINY):
    """Sellers that were trained and kept, and what their file says of them."""
    training = Training(resolve(method), task(scenario), seed, recipe)
    training.execute(folder)
    return seller_trainer.load(training.file(folder))


def at(name, seat=0, scenario="calvano", **parameters):
    """A method of the registry at a seat, by the number of games."""
    own = task(scenario, seat)
    return lambda games: resolve(name).make(own, games, 0, **parameters)


def met(row, column, scenario="calvano"):
    known = measures.benchmark(task(scenario))
    others = [at(column, seat, scenario) for seat in range(1, known.market.M)]
    return measures.measure(known.play([at(row, 0, scenario), *others]), known)


# Training


@pytest.mark.parametrize("method", LEARNED)
def test_every_method_learns_beside_its_rivals(method, tmp_path):
    kept, config = learn(method, tmp_path, "duopoly")
    assert len(kept.learners) == (1 if method == "ppo_shared" else 2)
    assert (config["method"], config["rounds"], config["seed"]) == (method, TINY.rounds, 0)
    assert config["curve"][-1]["rounds"] == TINY.rounds
    file = Training(resolve(method), task("duopoly"), 0, TINY).file(tmp_path)
    again = resolve(method).get_trainer("competition").load(file, 1)(3)
    env = CompetitionEnv(task("duopoly"), 3, max_cycles=3)
    rounds = play([kept.player(0)(3), kept.player(1)(3)], env, 5)
    env.reset(5)
    for prices in rounds.prices:
        low, high = config["prices"]
        assert np.float32(low) <= prices.min() <= prices.max() <= np.float32(high)
        assert prices[:, 1] == pytest.approx(again.act(env.seen_by(1)), rel=1e-6)
        env.step(prices)


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        ({"recipe": {}}, {}),
        ({"prices": [1]}, {}),
        ({"design": {"learner": "ppo", "size": 3}}, {}),
        ({}, {"0.values": torch.ones(2)}),
        ({"recipe": 5}, {}),
    ],
)
def test_a_file_of_other_sellers_is_named(tmp_path, config, weights):
    path, design = tmp_path / "kept.safetensors", {"learner": "ppo"}
    whole = {"task": task().as_json(), "method": "ppo", "design": design, "seed": 0}
    whole |= {"recipe": dataclasses.asdict(TINY), "prices": [1.0, 2.0]}
    policy_files.write(path, weights, {**whole, **config})
    with pytest.raises(ValueError, match=r"path must be of sellers .*kept\.safetensors'"):
        seller_trainer.load(path)


@pytest.mark.parametrize("method", ["q_learning", "dqn", "ppo"])
def test_training_follows_its_seed(method, tmp_path):
    recipe = dataclasses.replace(TINY, rounds=64)
    first, again, other = (
        learn(method, tmp_path / str(i), seed=seed, recipe=recipe)[1]["curve"]
        for i, seed in enumerate((1, 1, 2))
    )
    assert first == again
    assert first != other


def test_discount_zero_values_prices_by_a_round(tmp_path):
    # No exploring left to chance: the mean reward is what is held.
    values = learn("q_learning_myopic", tmp_path)[0].module.state_dict()["0.values"].numpy()
    assert values.min() >= 0.0
    assert values.max() < 3.0  # of one round, in multiples of what Nash prices earn


def test_prices_are_valued_against_rivals_that_draw_theirs():
    market, prices = measures.benchmark(task()).market, sellers.price_range(task(), TINY)
    grid = sellers.price_at(sellers.GRID, prices)
    by_hand = []
    for price in grid:
        answers = (competition.respond(market, [price, other]) for other in grid)
        by_hand.append(np.mean([(price - 1.0) * answer.shares[0, 0] for answer in answers]))
    for values in sellers.value_of_prices(market, prices):
        assert values == pytest.approx(by_hand, rel=1e-6)


def test_learners_choose_from_the_grids_range_or_from_all_prices():
    grid = competition.price_grid(measures.benchmark(task()).market)[0]
    prices = sellers.price_range(task(), TINY)
    assert sellers.price_at(sellers.GRID, prices) == pytest.approx(grid, abs=1e-6)
    every = dataclasses.replace(TINY, prices="all")
    assert sellers.price_range(task(max_price=2.4), every) == (1.0, 2.4)


@pytest.mark.parametrize(("scenario", "prices"), [("calvano", "grid"), ("road", "all")])
def test_a_learned_seller_sees_and_posts_what_its_environment_says(scenario, prices, tmp_path):
    made, _ = learn("ppo", tmp_path, scenario, recipe=dataclasses.replace(TINY, prices=prices))
    env, physical = made.environment(3, 4), CompetitionEnv(made.task, 3, max_cycles=4, **PHYSICAL)
    observations, methods = env.reset(1), [made.player(seat)(3) for seat in range(2)]
    physical.reset(1)
    for _ in range(4):
        pairs = zip(made.learners, observations, strict=True)
        positions = np.column_stack([learner.act(seen)[:, 0] for learner, seen in pairs])
        posted = [method.act(physical.seen_by(seat)) for seat, method in enumerate(methods)]
        observations, rewards = env.step(made.actions(positions))
        _, utility = physical.step(np.column_stack(posted))
        assert env.settled.prices == pytest.approx(np.array(posted), rel=1e-5)
        assert rewards == pytest.approx(utility * env.reward_scales, rel=1e-3)


def test_vmus_learn_beside_sellers(tmp_path):
    made, _ = learn("ppo_vmus", tmp_path, "duopoly")
    known = measures.benchmark(task("duopoly"))
    prices = np.full((3, 2), 4.0)
    shares, steps = made.vmus(known.market, prices, np.random.default_rng(0))
    assert shares.shape == steps.shape == (3, 2, 2)
    assert shares.sum(axis=1) == pytest.approx(np.ones((3, 2)))
    assert 0 <= steps.min() <= steps.max() <= 250
    played = known.play([made.player(0), made.player(1)], made.vmus)
    assert played.vmu_regret.min() > -1e-9
    assert measures.measure(played, known)["vmu_regret"] > 0


# A method at each seat


class Recorder:
    """Posts what it is told to, and keeps what it saw."""

    def __init__(self, prices):
        self.prices, self.seen = iter(prices), []

    def act(self, history):
        self.seen.append(history)
        return np.full(len(history.prices), next(self.prices))


def test_each_seat_sees_its_own_demand_and_its_rivals_prices():
    methods = [Recorder(prices) for prices in ([2.0, 3.0], [4.0, 5.0])]
    env = CompetitionEnv(task("road"), 3, max_cycles=2)
    play(methods, env, 0)
    for seat, (method, own, rival) in enumerate(zip(methods, (2.0, 4.0), (4.0, 2.0), strict=True)):
        before, after = method.seen
        assert before.prices.shape == (3, 0)
        assert before.rivals.shape == (3, 0, 1)
        assert before.steps.shape == (3, 0, 4)
        assert after.prices.tolist() == [[own]] * 3
        assert after.rivals.tolist() == [[[rival]]] * 3
        env.reset(0)
        env.step(np.tile([2.0, 4.0], (3, 1)))
        assert after.steps[:, 0] == pytest.approx(env.settled.demand[seat].T)


@pytest.mark.parametrize("name", ["greedy", "epsilon_greedy", "kalman", "random", "constant"])
def test_methods_for_one_provider_play_beside_rivals(name):
    parameters = {"price": 1.6} if name == "constant" else {}
    methods = [at(name, 0, **parameters)(2), at("best_reply", 1)(2)]
    env = CompetitionEnv(task(), 2, max_cycles=15)
    rounds = play(methods, env, 0)
    low, high = np.float32(1.0), np.float32(3.0)
    assert low <= rounds.prices.min() <= rounds.prices.max() <= high
    assert rounds.vmu_regret == pytest.approx(0.0, abs=1e-9)


def test_a_rival_needs_rivals():
    with pytest.raises(ValueError, match="nash plays beside rivals, and 'paper' has one provider"):
        resolve("nash").make(Task(), 2, 0)
    assert resolve("q_learning").obstacle(Task()) is not None
    assert resolve("dqn").obstacle(task()) is None


# Measures


@pytest.mark.parametrize("scenario", ["duopoly", "calvano", "road"])
def test_nash_prices_measure_nothing_and_cartel_prices_one(scenario):
    nash, cartel = (met(price, price, scenario) for price in ("nash", "cartel"))
    for found, expected in ((nash, 0.0), (cartel, 1.0)):
        for name in ("profit_gain", "users_loss"):
            assert found[name] == pytest.approx(expected, abs=1e-3), name
    assert nash["profit"] == pytest.approx(1.0, abs=1e-3)
    assert nash["vmu_regret"] == pytest.approx(0.0, abs=1e-3)
    assert 0 <= nash["nash_conv"] < 1e-4 < 0.1 < cartel["nash_conv"]
    assert nash["period"] == (None if scenario == "road" else 1)
    assert met("tit_for_tat", "tit_for_tat", scenario)["profit_gain"] == pytest.approx(1, abs=1e-3)


def test_best_reply_to_the_cartel_is_the_papers():
    found = met("cartel", "best_reply")
    assert found["price"] == pytest.approx([1.924981, 1.6617], rel=2e-3)
    assert found["utility"][1] == pytest.approx(0.41169, abs=1e-4)
    nash, cartel = 0.222927, 0.337490
    assert found["seat_gain"][1] == pytest.approx((0.41169 - nash) / (cartel - nash), abs=1e-3)
    # Who is at its best reply gains nothing by deviating; the other does.
    assert found["deviation_gain"][1] == pytest.approx(0.0, abs=1e-4)
    assert found["deviation_gain"][0] > 0.01


def test_prices_that_come_again():
    known = measures.benchmark(task())

    def swing(games):
        return Recorder(itertools.cycle([1.8, 1.6]))

    assert measures.measure(known.play([swing, swing]), known)["period"] == 2


def test_tit_for_tat_answers_a_deviation():
    known = measures.benchmark(task())
    nash, cartel = (solved["prices"][0, 0] for solved in (known.nash, known.cartel))
    found = measures.deviations([at("tit_for_tat", seat) for seat in range(2)], known)
    found = pd.DataFrame(found["deviations"]).query("deviator == 1").set_index("round")
    best = 1.6617
    way = (best - nash[0]) / (cartel[0] - nash[0])
    answered = nash[0] + way * (cartel[0] - nash[0])
    paths = found[["price", "others_price"]]
    assert paths.loc[:-1].to_numpy() == pytest.approx(np.tile(cartel, (3, 1)), abs=1e-4)
    for after, expected in enumerate([[best, cartel[0]], [cartel[0], answered]]):
        assert paths.loc[after].tolist() == pytest.approx(expected, rel=2e-3)
    assert paths.loc[2].tolist() == pytest.approx([answered, cartel[0]], rel=2e-3)
    usual = found[["undisturbed", "others_undisturbed"]].to_numpy()
    assert usual == pytest.approx(np.tile(cartel, (len(found), 1)), abs=1e-4)


# The command


def test_who_meets_whom():
    contenders = [contender(name, 2) for name in ("ppo", "ppo_vmus", "nash")]
    names = [str(met) for met in meetings([contest("calvano", 2, 160)], contenders)]
    assert len(names) == len(set(names))
    assert "ppo-seed0 against ppo-seed1 on calvano" in names
    assert "nash against ppo-seed1 on calvano" in names
    assert "ppo_vmus-seed1 against ppo_vmus-seed1 on calvano" in names
    assert not any("ppo_vmus" in name and "nash" in name for name in names)
    alone = meetings([contest("calvano=1", 2, 160)], contenders[:1])
    assert [met.own for met in alone] == [True]


def test_words_of_the_command():
    task, recipe, seeds = contest("calvano:2.4=3", 12, 500)
    assert (task.name, seeds) == ("calvano-max_price2.4", 3)
    assert (recipe.prices, recipe.rounds) == ("all", 500)
    one, seeds = contender("constant=2 price=1.6", 12)
    assert (one.entry.name, one.parameters, seeds) == ("constant", (("price", 1.6),), 2)


def test_what_was_kept_is_taken_up(tmp_path):
    arguments = {
        "scenario": ("calvano",),
        "methods": ("q_learning", "nash"),
        "seeds": 2,
        "rounds": 200,
        "out": tmp_path,
        "workers": 1,
    }
    compete(**arguments)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {"sellers.csv", "crossplay.csv", "curves.csv", "deviations.csv", "compete.md"} <= {
        path.name for path in files
    }
    assert {"learning.png", "gains.png"} <= {path.name for path in files}
    shown = re.findall(r"!\[.*?\]\((.*?)\)", (tmp_path / "compete.md").read_text("utf-8"))
    assert shown == ["learning.png", "gains.png"]
    tables = {path.name: path.read_text("utf-8") for path in files if path.suffix == ".csv"}
    kept = {p: p.stat().st_mtime_ns for p in files if p.parent.name in ("trained", "met")}
    lost = next(p for p in kept if "nash-q_learning-seed1" in p.name)
    lost.unlink()
    compete(**arguments)
    assert {p for p in kept if p.stat().st_mtime_ns != kept[p]} == {lost}
    again = {name: (tmp_path / name).read_text("utf-8") for name in tables}
    assert again == tables
    rows = pd.read_csv(tmp_path / "crossplay.csv")
    assert set(rows["row"]) == {"q_learning", "nash"}
    nash = rows[(rows["row"] == "nash") & (rows["column"] == "nash")]
    assert nash["profit_gain"].to_numpy() == pytest.approx(0.0, abs=1e-3)
    sellers = pd.read_csv(tmp_path / "sellers.csv")
    assert sellers.groupby(["method", "seed"], dropna=False).size().tolist() == [2, 2, 2]


def test_methods_of_ones_own_meet_each_other(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "class Undercut:\n"
        "    def __init__(self, task, num_envs, seed):\n"
        "        self.n = num_envs\n"
        "    def act(self, history):\n"
        "        last = history.rivals[:, -1:, 0].sum(axis=1)\n"
        "        return np.maximum(np.where(last == 0, 1.9, last - 0.01), 1.5)\n"
        "def fixed(task, num_envs, seed):\n"
        "    return type('Fixed', (), {'act': lambda self, _: np.full(num_envs, 1.7)})()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = ("mine:Undercut", "mine:fixed")
    arguments = {"scenario": ("calvano",), "methods": ("nash",), "seeds": 1, "workers": 1}
    compete(**arguments, method=own, out=tmp_path / "out")
    rows = pd.read_csv(tmp_path / "out" / "crossplay.csv").set_index(["row", "column"])
    assert rows.loc[own, ["row_price", "column_price"]].tolist() == pytest.approx([1.69, 1.7])
    assert rows.loc[own[::-1], ["row_price", "column_price"]].tolist() == pytest.approx([1.7, 1.69])


def test_figures_are_drawn_from_the_tables_alone(tmp_path):
    for name in ("sellers", "crossplay", "curves", "deviations"):
        (tmp_path / f"{name}.csv").write_text("scenario,met_in_training\n", "utf-8")
    assert contest_figures.draw(tmp_path) == []
    told = "scenario,method,seed,knows,profit_gain\nduopoly,nash,,law,0\n"
    (tmp_path / "sellers.csv").write_text(told, "utf-8")
    assert contest_figures.draw(tmp_path) == []  # nobody learns


def test_a_report_shows_the_figures_that_were_drawn_and_no_others(tmp_path):
    for name in ("learning.png", "gains.png"):  # of an earlier run
        (tmp_path / name).touch()
    compete(scenario=("calvano",), methods=("nash",), seeds=1, workers=1, out=tmp_path)
    assert not list(tmp_path.glob("*.png"))
    assert "![" not in (tmp_path / "compete.md").read_text("utf-8")


def test_a_training_names_what_it_depends_on(tmp_path):
    one = Training(resolve("ppo"), task(), 0, TINY)
    longer = dataclasses.replace(one, recipe=dataclasses.replace(TINY, rounds=512))
    other = dataclasses.replace(one, task=task("duopoly"))
    assert len({training.file(tmp_path) for training in (one, longer, other)}) == 3
    sides = [Participant(one.entry, (), 0, training) for training in (one, longer)]
    files = {Meeting(task(), side, sides[0]).file(tmp_path) for side in sides}
    assert len(files) == 2


def test_markets_of_a_road_are_all_there():
    market = measures.benchmark(task("road")).market
    count = (measures.WARM_UP + measures.ROUNDS) * measures.GAMES
    assert market.batch_shape == (count,)
    assert np.shape(market.access_cost) == (count, market.M, market.K)
    assert len(np.unique(np.asarray(market.access_cost)[:, 0, 0])) == count
