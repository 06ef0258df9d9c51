"""Sellers that learn by Q-learning: the learner, what it learned, and the experiment's files."""

import csv
import itertools
from dataclasses import replace

import numpy as np
import pytest

from aigc_market import competition
from baselines.arena.statistics import mean_interval
from baselines.experiments.calvano import replicate, sessions
from baselines.experiments.calvano.sessions import Chunk, Design, chunks
from baselines.methods.q_learning.oligopoly import best_of_a_round, levels_of, oligopoly
from baselines.methods.q_learning.session import PERIODS, measure
from baselines.methods.q_learning.strategies import Strategies
from baselines.methods.q_learning.tabular import QRecipe, first_values, learn
from baselines.runs.files import write_json

QUICK = QRecipe(beta=2e-3, stable=200, max_periods=20_000)


def random_game(M, levels, seed=0):
    return np.random.default_rng(seed).random((levels**M, M))


def random_strategies(M, levels, discount=0.9, seed=0):
    prices = np.random.default_rng([seed, 1]).integers(levels, size=(levels**M, M))
    return Strategies(random_game(M, levels, seed), prices, discount)


# The game of one round


@pytest.mark.parametrize("sellers", [2, 3])
def test_payoffs_are_those_of_the_rules(sellers):
    game = oligopoly(sellers)
    rng = np.random.default_rng(0)
    for _ in range(20):
        chosen = rng.integers(15, size=sellers)
        profile = np.ravel_multi_index(chosen, (15,) * sellers)
        prices = game.grid[np.arange(sellers), chosen]
        np.testing.assert_array_equal(game.prices[profile], prices)
        answer = competition.respond(game.market, prices)
        settled = competition.settle(game.market, prices, answer.shares, answer.steps)
        np.testing.assert_allclose(game.payoffs[profile], settled.asp_utility, rtol=1e-12)
        odds = np.exp((2.0 - prices) / 0.25)  # the paper's demand, as it is printed
        np.testing.assert_allclose(
            game.payoffs[profile], (prices - 1.0) * odds / (1.0 + odds.sum()), rtol=1e-9
        )


def test_the_grid_and_its_equilibria():
    """What COMPETITION.md says: on the grid stationary play at Δ ≤ .117 may be no collusion."""
    game = oligopoly(2)
    found = game.prices[game.round_equilibria]
    np.testing.assert_allclose(found, [[1.4665] * 2, [1.5052] * 2], atol=5e-5)
    gains = game.gain(game.payoffs[game.round_equilibria])
    np.testing.assert_allclose(gains, [-0.024, 0.117], atol=5e-4)


@pytest.mark.parametrize(("M", "levels"), [(2, 4), (3, 3)])
def test_the_best_of_a_round_is_found_by_trying_all(M, levels):
    payoffs = random_game(M, levels)
    best = best_of_a_round(payoffs)
    for cell in itertools.product(range(levels), repeat=M):
        number = np.ravel_multi_index(cell, (levels,) * M)
        most = []
        for i in range(M):
            others = [(*cell[:i], price, *cell[i + 1 :]) for price in range(levels)]
            pays = [payoffs[np.ravel_multi_index(c, (levels,) * M), i] for c in others]
            most.append(max(pays))
        np.testing.assert_array_equal(best[number], most)


# The learner


def plain_learner(payoffs, recipe, seed):
    """The algorithm as one would write it down, with a new argmax whenever one is needed."""
    M, levels = payoffs.shape[1], levels_of(payoffs)
    rng = np.random.default_rng(seed)
    tables = [
        np.tile(row, (len(payoffs) if recipe.memory else 1, 1))
        for row in first_values(payoffs, recipe.discount)
    ]
    profile = int(rng.random() * len(payoffs))
    period = last_change = 0
    while period - last_change < recipe.stable and period < recipe.max_periods:
        state = profile if recipe.memory else 0
        prices = []
        for table in tables:
            if rng.random() < np.exp(-recipe.beta * period):
                prices.append(int(rng.random() * levels))
            else:
                prices.append(int(table[state].argmax()))
        profile = int(np.ravel_multi_index(prices, (levels,) * M))
        following = profile if recipe.memory else 0
        before = [table.argmax(axis=1) for table in tables]
        for i, table in enumerate(tables):
            target = payoffs[profile, i] + recipe.discount * table[following].max()
            old = table[state, prices[i]]
            table[state, prices[i]] = (1 - recipe.alpha) * old + recipe.alpha * target
        period += 1
        if any((a != t.argmax(axis=1)).any() for a, t in zip(before, tables, strict=True)):
            last_change = period
    greedy = np.stack([table.argmax(axis=1) for table in tables], axis=-1)
    return tables, greedy, profile, period, period - last_change >= recipe.stable


@pytest.mark.parametrize(
    ("M", "levels", "recipe"),
    [
        (2, 4, QUICK),
        (2, 4, replace(QUICK, memory=0)),
        (2, 5, replace(QUICK, discount=0.0, alpha=1.0)),  # many cells are equal
        (3, 3, QUICK),
        (1, 5, QUICK),
        (2, 4, replace(QUICK, max_periods=150)),
    ],
    ids=["two", "no memory", "ties", "three", "alone", "cut"],
)
def test_the_compiled_learner_is_the_plain_one(M, levels, recipe):
    payoffs = random_game(M, levels).round(1)
    learned = learn(payoffs, recipe, (7, 1))
    tables, greedy, last, periods, converged = plain_learner(payoffs, recipe, (7, 1))
    assert (learned.last, learned.periods, learned.converged) == (last, periods, converged)
    assert converged == (recipe.max_periods > 150)
    np.testing.assert_allclose(learned.tables, np.stack(tables, axis=1), rtol=1e-9)
    np.testing.assert_array_equal(learned.strategies, np.broadcast_to(greedy, payoffs.shape))


def test_sessions_of_a_seed_stay_the_same():
    """Of the first session in docs/learning-sellers/, which is of these very random numbers."""
    learned = learn(oligopoly(2).payoffs, QRecipe(), (0, 2, 0))
    assert (learned.periods, learned.last) == (1_556_751, 177)
    assert learned.strategies.sum() == 1529


# What was learned


@pytest.mark.parametrize(("M", "levels"), [(2, 4), (3, 3)])
def test_play_ends_in_its_cycle(M, levels):
    strategies = random_strategies(M, levels)
    for start in range(levels**M):
        after = [start]
        for _ in range(levels**M):
            cell = tuple(strategies.prices[after[-1]])
            after.append(int(np.ravel_multi_index(cell, (levels,) * M)))
        cycle = strategies.cycle(start)
        np.testing.assert_array_equal(strategies.path(np.array(start), 5), after[:5])
        np.testing.assert_array_equal(strategies.following[cycle], np.roll(cycle, -1))
        assert set(cycle) <= set(after)
        assert after[-1] in cycle


@pytest.mark.parametrize("seat", [0, 1])
@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_the_best_reply_is_the_best_of_all_policies(seat, discount):
    """Two sellers with three prices: nine states, 3⁹ policies of one of them."""
    strategies = replace(random_strategies(2, 3), discount=discount)
    best, action_values = strategies.best_reply(seat)
    policies = np.array(list(itertools.product(range(3), repeat=9)))
    rival = strategies.prices[:, 1 - seat]
    following = 3 * policies + rival if seat == 0 else 3 * rival + policies
    moves = np.zeros((len(policies), 9, 9))
    np.put_along_axis(moves, following[..., None], 1.0, axis=-1)
    rewards = strategies.payoffs[following, seat]
    values = np.linalg.solve(np.eye(9) - discount * moves, rewards[..., None])[..., 0]
    np.testing.assert_allclose(best, values.max(axis=0), rtol=1e-9)
    # Q*: one price, then the best
    after = strategies.alternatives(seat)
    expected = strategies.payoffs[after, seat] + discount * values.max(axis=0)[after]
    np.testing.assert_allclose(action_values, expected, rtol=1e-9)
    assert (best >= strategies.values[:, seat] - 1e-9).all()


def test_deviations_of_one_round_are_played_out():
    strategies = random_strategies(3, 3)
    for seat, after in itertools.product(range(3), [0, 13, 26]):
        for price in range(3):
            cell = list(strategies.prices[after])
            cell[seat] = price
            first = np.ravel_multi_index(cell, (3, 3, 3))
            path = strategies.path(np.array(first), 400)
            worth = (0.9 ** np.arange(400)) @ strategies.payoffs[path, seat]
            value = strategies.action_values(seat, np.array(after))[price]
            assert value == pytest.approx(worth)


HIGH, LOW = 12, 1


def punishers(forgiving=True):
    """High prices; after anything else one round of low ones (for ever, if not forgiving)."""
    game = oligopoly(2)
    prices = np.full((225, 2), LOW)
    prices[15 * HIGH + HIGH] = HIGH
    if forgiving:
        prices[15 * LOW + LOW] = HIGH
    return game, Strategies(game.payoffs, prices, 0.95)


def test_a_deviation_is_punished_and_forgiven():
    game, strategies = punishers()
    found = measure(game, strategies, last=15 * HIGH + HIGH)
    assert (found["cycle"], found["equal_prices"], found["deviations"]) == (1, True, 2)
    assert found["price"] == pytest.approx(game.grid[0, HIGH])
    assert found["profit_gain"] == pytest.approx(0.993, abs=1e-3)
    assert found["punished"] == found["returned"] == 1
    assert found["return_period"] == 3
    own, rivals = found["response"]
    assert len(own) == len(rivals) == 1 + PERIODS
    high, low = game.grid[0, [HIGH, LOW]]
    best = game.prices[game.payoffs.reshape(15, 15, 2)[:, HIGH, 0].argmax() * 15, 0]
    np.testing.assert_allclose(own, [high, best, low, *[high] * 13])
    np.testing.assert_allclose(rivals, [high, high, low, *[high] * 13])
    # One low round costs what it does, discounted; the deviation pays once.
    pays = game.payoffs[strategies.cycle(0)[0], 0]
    dip = game.payoffs[15 * LOW + LOW, 0]
    gained = game.payoffs.reshape(15, 15, 2)[:, HIGH, 0].max() - pays + 0.95 * (dip - pays)
    assert found["deviation_gain"] == pytest.approx(gained / (20 * pays))
    assert found["unprofitable"] == (gained < 0)


def test_grim_punishment_is_an_equilibrium_and_never_returns():
    game, strategies = punishers(forgiving=False)
    found = measure(game, strategies, last=15 * HIGH + HIGH)
    assert found["one_shot_nash"] == found["reply_nash"] == 1
    assert found["perfect"]  # the low price is an equilibrium of one round on the grid
    assert found["reply_gain"] == found["one_shot_loss"] == found["reply_loss_off"] == 0
    assert found["unprofitable"] == found["punished"] == 1
    assert found["returned"] == 0
    assert np.isnan(found["return_period"])


def test_a_best_reply_can_gain_where_no_one_shot_deviation_does():
    """The first seller hurts itself after its own deviations: the second forgives them all."""
    game, grim = punishers(forgiving=False)
    prices = grim.prices.copy()
    own = 15 * np.delete(np.arange(15), HIGH) + HIGH  # the first deviated, or goes on to
    prices[own] = [14, HIGH]
    found = measure(game, replace(grim, prices=prices), last=15 * HIGH + HIGH)
    assert found["one_shot_nash"] == 1
    assert found["one_shot_loss"] == 0
    assert found["unprofitable"] == 1
    assert found["reply_nash"] == found["perfect"] == 0
    assert found["reply_loss"] > 1e-3
    assert found["reply_gain"] > 0.01


@pytest.mark.parametrize("seed", [0, 1])
def test_one_shot_deviations_are_tried_one_by_one(seed):
    game = oligopoly(2)
    prices = np.random.default_rng(seed).integers(15, size=(225, 2))
    strategies = Strategies(game.payoffs, prices, 0.95)
    path = strategies.path(np.arange(225), 700)
    worth = np.einsum("t,tsi->si", 0.95 ** np.arange(700), game.payoffs[path])
    losses = np.empty((2, 225))
    for seat, after in itertools.product(range(2), range(225)):
        cells = np.tile(prices[after], (15, 1))
        cells[:, seat] = np.arange(15)
        tried = worth[15 * cells[:, 0] + cells[:, 1], seat]
        losses[seat, after] = 1.0 - tried[prices[after, seat]] / tried.max()
    cycle, found = strategies.cycle(0), measure(game, strategies, last=0)
    off = np.delete(losses, cycle, axis=1)
    assert found["one_shot_nash"] == (losses[:, cycle].max() < 1e-9)
    assert found["one_shot_loss"] == pytest.approx(losses[:, cycle].mean(), abs=1e-9)
    assert found["one_shot_loss_off"] == pytest.approx(off.mean(), abs=1e-9)
    assert found["one_shot_best_off"] == pytest.approx((off < 1e-9).mean())


def test_who_cannot_see_a_deviation_does_not_answer_it():
    game = oligopoly(2)
    always = Strategies(game.payoffs, np.full((225, 2), HIGH), 0.95)
    found = measure(game, always, last=0)
    assert found["one_shot_nash"] == found["reply_nash"] == 0
    assert found["punished"] == found["unprofitable"] == 0
    assert found["reply_gain"] == pytest.approx(found["round_gain"])
    assert found["round_gain"] > 0.1
    low = Strategies(game.payoffs, np.full((225, 2), LOW), 0.95)
    found = measure(game, low, last=0)
    assert found["one_shot_nash"] == found["reply_nash"] == 1
    assert found["perfect"]
    assert found["round_equilibrium"]
    assert (found["deviations"], found["response"]) == (0, [])
    assert np.isnan(found["punished"])


# The experiment


def test_intervals_are_students_over_sessions():
    gains = np.random.default_rng(0).normal(0.85, 0.1, size=50)
    mean, low, high = mean_interval(gains)
    assert mean == pytest.approx(gains.mean())
    assert (high - low) / 2 == pytest.approx(2.0096 * gains.std(ddof=1) / 50**0.5, rel=1e-4)
    assert mean_interval(np.full(3, 0.5)) == (0.5, 0.5, 0.5)
    assert np.isnan(mean_interval(np.array([0.5]))[1:]).all()


@pytest.fixture
def small(monkeypatch):
    """Sessions of some thousand periods, two a chunk."""
    monkeypatch.setattr(replicate, "QUICK", {"stable": 200})
    monkeypatch.setattr(replicate, "QUICKER", 1000)
    monkeypatch.setattr(replicate, "QUICK_SESSIONS", 3)
    monkeypatch.setattr(sessions, "CHUNK", {2: 2, 3: 2, 4: 2})


def run(out, **given):
    replicate.calvano(**({"sellers": (2,), "quick": True, "out": out, "workers": 1} | given))


def without_seconds(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in rows]


def test_a_killed_run_goes_on_and_ends_with_the_same_files(small, tmp_path, monkeypatch):
    run(tmp_path / "whole", heat=1)
    original, left = sessions.session, [4]

    def dies(*given):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return original(*given)

    monkeypatch.setattr(sessions, "session", dies)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", heat=1)
    kept = list((tmp_path / "killed").rglob("*.json"))
    assert len(kept) == 2
    times = {path: path.stat().st_mtime_ns for path in kept}
    monkeypatch.setattr(sessions, "session", original)
    run(tmp_path / "killed", heat=1)
    assert {path: path.stat().st_mtime_ns for path in kept} == times
    for name in ("response", "cycles"):
        one, other = (tmp_path / folder / f"{name}.csv" for folder in ("whole", "killed"))
        assert one.read_bytes() == other.read_bytes()
    for name in ("sessions", "summary"):
        one, other = (tmp_path / folder / f"{name}.csv" for folder in ("whole", "killed"))
        assert without_seconds(one) == without_seconds(other)
    report = (tmp_path / "whole" / "report.md").read_text()
    for figure in ("response", "heatmap"):
        assert (tmp_path / "whole" / f"{figure}.png").stat().st_size > 5000
        assert f"({figure}.png)" in report
    rows = without_seconds(tmp_path / "whole" / "sessions.csv")
    assert [row["part"] for row in rows].count("sellers") == 3
    assert len(rows) == 3 + 4 * 3 + 4 * 1


def test_a_session_does_not_depend_on_its_chunk(tmp_path):
    design = Design(2, QUICK)
    records = []
    for chunk in (Chunk(design, 0, 3), Chunk(design, 2, 1)):
        chunk.execute(tmp_path)
        records.append(chunk.records(tmp_path))
    assert [record["session"] for record in records[0]] == [0, 1, 2]
    del records[0][2]["seconds"], records[1][0]["seconds"]
    assert repr(records[0][2]) == repr(records[1][0])


def test_a_kept_chunk_without_its_sessions_is_named(tmp_path):
    chunk = Chunk(Design(2, QUICK), 0, 3)
    write_json(chunk.file(tmp_path), [])
    with pytest.raises(ValueError, match=r"00000-3\.json: must hold 3 sessions, got 0 \(without"):
        chunk.records(tmp_path)


def test_full_chunks_are_shared_by_runs_of_other_lengths(tmp_path):
    design = Design(2, QUICK)
    short, long = chunks(design, 120), chunks(design, 1000)
    assert sum(chunk.sessions for chunk in short) == 120
    assert len(set(short) & set(long)) == 2


def test_other_designs_and_other_rules_are_other_files(tmp_path, monkeypatch):
    usual = Chunk(Design(2, QRecipe()), 0, 2)
    recipes = QRecipe(memory=0), QRecipe(alpha=0.1), QRecipe(stable=10**6)
    others = [Design(3, QRecipe()), Design(2, QRecipe(), seed=1), *(Design(2, r) for r in recipes)]
    files = {chunk.file(tmp_path) for chunk in (usual, *(replace(usual, design=d) for d in others))}
    assert len(files) == 6
    monkeypatch.setattr(sessions, "code_digest", lambda *modules: "others")
    assert usual.file(tmp_path) not in files


def test_bad_payoffs_are_named():
    with pytest.raises(ValueError, match="payoffs must have"):
        levels_of(np.ones((5, 2)))
