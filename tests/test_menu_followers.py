"""VMUs that learn to choose contracts: what they see and are worth, training, the measures."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from aigc_market import followers, menus
from baselines.arena.menu_rollout import play_menus
from baselines.arena.task import Task
from baselines.followers import choosers
from baselines.followers.choosers import (
    BOTH,
    Choosing,
    best_offer,
    choosers_report,
    forgone,
    measure,
    run,
    train,
)
from baselines.followers.gradients import PPO
from baselines.followers.menu_followers import ChoiceNetwork, Choosers, MenuGames
from baselines.followers.policy import sees
from baselines.runs.files import read_frame
from baselines.runs.runner import Runner

HIDDEN = Task("hidden", {"contracts": 3, "max_cycles": 4}, "menus")
UNLIKE = Task("paper", {"contracts": 2, "max_cycles": 4, "satisfaction": ["150", "250"]}, "menus")
SMALL = {"lanes": 8, "n_steps": 3}


def begun(task=HIDDEN, num_envs=16):
    torch.manual_seed(0)
    games = MenuGames(task.keywords(), num_envs, 1)
    games.begin(0)
    return games


def untrained(task=HIDDEN):
    torch.manual_seed(0)
    settings = task.settings()
    return Choosers(ChoiceNetwork(sees(settings), settings.contracts), settings)


def of_numpy(market):
    return market.map(lambda _, value: value.numpy() if torch.is_tensor(value) else value)


# The network


def test_what_it_finds_of_a_contract_does_not_depend_on_its_place():
    network, seen = untrained().network, begun().seen
    swapped = torch.cat([seen[..., :-6], seen[..., -2:], seen[..., -6:-2]], dim=-1)
    with torch.no_grad():
        logits, other = network.logits(seen), network.logits(swapped)
    assert logits.shape == (16, 2, 4)
    assert (logits[..., 0] == 0).all()
    assert other[..., [0, 2, 3, 1]] == pytest.approx(logits, abs=1e-5)


def test_it_tries_everything_now_and_then():
    network, seen = untrained().network, begun().seen
    with torch.no_grad():
        network.worth[-1].bias.fill_(30.0)  # never none, if it were not for the trembling
        tried = network.tried(seen, 0.2).probs
    assert tried.sum(dim=-1) == pytest.approx(1.0)
    assert tried[..., 0] == pytest.approx(0.05, abs=1e-5)


# The games


def test_followers_see_the_same_on_arrays_and_on_tensors():
    games, taking = begun(), untrained()
    menu = games._contracts(games.price).numpy()
    market = of_numpy(games.env.market)
    taken = taking(market, menu, np.random.default_rng(0))
    logits = taking.network.logits(games.seen)
    top = logits.topk(2, dim=-1).values
    clear = ((top[..., 0] - top[..., 1]) > 1e-3).numpy()  # rounding parts no others
    assert clear.mean() > 0.9
    assert (taken == logits.argmax(dim=-1).numpy())[clear].all()
    assert len(set(taken.ravel())) > 1
    assert games.seen_at(games.price) == pytest.approx(games.seen, abs=1e-6)


def test_a_leader_sees_the_same_on_arrays_and_on_tensors():
    task = Task("paper", {"contracts": 2, "satisfaction": ["150", "250"]}, "menus")
    games, offer = begun(task, 1), best_offer(task, 0.05, 1, 0)(None)
    env = task.environment(1, normalize=True, history=1)
    env.reset(seed=0)
    for _ in range(2):
        posted = torch.from_numpy(offer.astype(np.float32))
        games.play(posted, games.rational(games.price))
    seen = env.step(offer.astype(np.float32))[0]
    assert (seen[0, -2:] > 0).all()  # somebody takes something
    assert games.observed == pytest.approx(torch.from_numpy(seen), abs=1e-6)


def test_surplus_is_what_the_game_pays():
    games = begun()
    bought = torch.randint(4, (16, 2))
    market = games.env.market
    expected = games.surplus(games.price[None], bought[None])[0]
    terms = menus.MenuTerms(market)
    most = terms.most.mT
    actions = {"asp": {"action": torch.zeros(16, 1, 6)}, "vmu": {"action": bought}}
    paid = games.env.step(TensorDict(actions, (16,)))["next", "vmu", "reward"][..., 0]
    assert expected * most.mean() == pytest.approx(paid * most, rel=1e-4, abs=1e-2)


def test_surplus_of_several_choices_is_that_of_each():
    games = begun()
    prices, bought = games.prices(2), torch.randint(4, (5, 3, 16, 2))
    together = games.surplus(prices, bought)
    for tried, one in zip(bought, together, strict=True):
        assert games.surplus(prices, tried) == pytest.approx(one)
    assert (games.surplus(prices, 0 * bought) == 0).all()


def test_rational_choices_are_best():
    games = begun()
    prices = games.prices(5)
    every = torch.arange(4)[:, None, None, None].expand(4, 6, 16, 2)
    best = games.surplus(prices, every).max(dim=0).values
    assert games.surplus(prices, games.rational(prices)) == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize(("discount", "share"), [(0.0, 1.0), (0.1, 0.9)])
def test_the_best_menu_is_offered(discount, share):
    games = begun(UNLIKE)
    earned = []
    for _ in range(3):
        earned.append(games.play(games.best(discount), games.rational(games.price))[0])
    market = UNLIKE.settings().market
    best = menus.solve_menu(market, 2)
    paid = share * best.fees.sum() - market.cost * best.steps.sum()
    assert earned[1].numpy() == pytest.approx(paid / best.asp_utility, rel=1e-3)
    played = play_menus(best_offer(UNLIKE, discount, 3, 5), UNLIKE, 3, 5)
    assert played.earned == pytest.approx(paid / best.asp_utility, rel=1e-3)


def test_menus_are_drawn_within_their_bounds():
    prices = begun().prices(200)[1:]
    assert prices.shape == (200, 16, 6)
    assert prices.min() >= -1
    assert prices.max() == 1  # the bounds themselves, now and then
    steps, fees = (0.5 + 0.5 * prices[..., part::2].median() for part in (0, 1))
    assert steps == pytest.approx(0.55, abs=0.02)
    assert fees == pytest.approx(0.55**3, abs=0.02)  # most are low


# Training


def test_followers_learn_to_choose():
    torch.manual_seed(0)
    games, taking = begun(UNLIKE, 32), untrained(UNLIKE)
    optimizer = torch.optim.Adam(taking.network.parameters(), 0.01)

    def lost():
        torch.manual_seed(1)
        prices = games.prices(50)
        taken = taking.network(games.seen_at(prices))
        best = games.surplus(prices, games.rational(prices))
        return float((best - games.surplus(prices, taken)).mean())

    before = lost()
    sides: Any = PPO(games, None, taking.network, optimizer, 3, SimpleNamespace(n_steps=3))
    for _ in range(60):
        sides._follow(taking.network, 0.2)
    assert lost() < before / 10


def test_a_leader_of_rational_vmus_learns():
    recipe = dataclasses.replace(choosers.STANDING, rounds=12_000, lanes=32)

    def share(recipe):
        policy, network = train(UNLIKE, "leader", 0.0, recipe, BOTH, 0)
        assert network is None
        return play_menus(choosers.offered(policy), UNLIKE, 1, 0).share

    assert share(recipe) > share(dataclasses.replace(recipe, rounds=96)) + 0.1


def test_a_leader_begins_with_low_fees_and_ends_near_one_menu():
    recipe = dataclasses.replace(choosers.DRAWN, rounds=96, **SMALL)
    policy, _ = train(HIDDEN, "leader", 0.0, recipe, BOTH, 0)
    assert policy.action_net.bias.data[1::2] == pytest.approx(choosers.LOW, abs=0.05)
    assert policy.action_net.bias.data[::2] == pytest.approx(0.0, abs=0.05)
    least = choosers.LEAST_LOG_STD  # of four updates the last is made three quarters of the way
    assert policy.log_std == pytest.approx(recipe.log_std_init / 4 + 3 * least / 4)


@pytest.mark.parametrize("learns", ["leader", "followers", "both"])
def test_the_same_seed_learns_the_same(learns):
    recipe = dataclasses.replace(choosers.DRAWN, rounds=96, **SMALL)
    both = dataclasses.replace(BOTH, head_start=1)

    def trained(seed, rounds=96):
        given = dataclasses.replace(recipe, rounds=rounds)
        sides = train(HIDDEN, learns, 0.0, given, both, seed)
        assert [side is None for side in sides] == [learns == "followers", learns == "leader"]
        return [p.detach().clone() for side in sides if side for p in side.parameters()]

    first, again, other = trained(0), trained(0), trained(1)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not all(torch.equal(*pair) for pair in zip(first, other, strict=True))


# The measures


def test_rational_followers_forgo_nothing():
    offer = best_offer(HIDDEN, 0.01, 8, 3)
    found = measure(offer, followers.rational_choice, HIDDEN, 8, 3, 1)
    assert found["share"] == pytest.approx(found["earned"])
    assert 0.98 < found["share"] < 0.99  # of what is paid, not of what is earned, 1 % is missing
    assert found["forgone"] < 1e-6
    assert found["best_choices"] == found["best_choices_drawn"] == 1


def test_followers_that_take_nothing_forgo_what_is_left_to_them():
    def nothing(market, menu, rng):
        return np.zeros((*menu.shape[:-2], market.K), np.int64)

    found = measure(best_offer(UNLIKE, 0.0, 1, 0), nothing, UNLIKE, 1, 0, 1)
    market = UNLIKE.settings().market
    best = menus.solve_menu(market, 2)
    most = menus.first_best(market.replace(cost=1e-9)).fees
    assert found["forgone"] == pytest.approx((best.vmu_surplus / most).mean(), rel=1e-3)
    assert found["best_choices"] == 0.5  # the lower type is left nothing
    steps, fees = np.random.default_rng(0).random((2, 20_000, 2)) * [[[250]], [[1]]]
    fees = fees**3 * UNLIKE.settings().fee_bound
    worth = np.max(market.satisfaction[:, None, None] * market.ssim.gain(steps) - fees, axis=-1)
    assert found["best_choices_drawn"] == pytest.approx((worth <= 0).mean(), abs=0.02)
    worth = np.maximum(worth, 0) / most[:, None]
    assert found["forgone_drawn"] == pytest.approx(worth.mean(), rel=0.05)
    assert found["earned"] == 0
    assert found["share"] == pytest.approx(1.0, rel=1e-4)


def test_forgone_surplus_by_hand():
    market = UNLIKE.settings().market
    menu = np.array([[100.0, 500.0], [100.0, 400.0]])
    most = menus.first_best(market.replace(cost=1e-9)).fees
    lost = forgone(market, menu, np.array([1, 2]))
    assert lost == pytest.approx([100 / most[0], 0], abs=1e-9)


# The units


def test_units_keep_a_row_and_are_not_done_again(tmp_path, monkeypatch):
    markets = {"mine": UNLIKE, "hidden": HIDDEN}
    monkeypatch.setattr(choosers, "MARKETS", markets)
    monkeypatch.setattr(choosers, "GAMES", 4)
    monkeypatch.setattr(choosers, "MENUS", 64)
    runner = Runner(tmp_path, 1)
    path = tmp_path / "choosers.csv"
    assert run(tmp_path, runner, 2, tuple(markets), 400)
    frame = read_frame(path)
    assert {"share", "forgone_drawn", "cpu_seconds"} <= set(frame.columns)
    assert len(frame) == 2 * len(markets) * len(choosers.SIDES)
    leaders = frame[frame["learns"] == "leader"]
    assert leaders["share"].to_numpy() == pytest.approx(leaders["earned"].to_numpy())
    _, shown, _, paired = map(str.splitlines, choosers_report(path))
    assert len(shown) == 2 + len(markets) * len(choosers.SIDES)
    assert "followers, best menu at 2% less" in shown[4]
    mine = frame[(frame["market"] == "mine") & (frame["discount"] == 0)]
    earned = mine.pivot(index="seed", columns="learns", values="earned")
    difference = (earned["both"] - earned["leader"]).mean()
    (row,) = [row for row in paired if row.startswith("| mine | both | leader ")]
    assert float(row.split("|")[4].split("[")[0]) == pytest.approx(difference, abs=6e-4)
    monkeypatch.setattr(choosers, "train", None)  # nothing is trained again
    assert run(tmp_path, runner, 2, tuple(markets), 400)


def test_names_of_files_depend_on_all_that_is_given(tmp_path):
    one = Choosing("δ", UNLIKE, "both")
    others = [
        dataclasses.replace(one, **change)
        for change in ({"seed": 1}, {"learns": "leader"}, {"discount": 0.1}, {"rounds": 5})
    ]
    others.append(dataclasses.replace(one, task=HIDDEN))
    assert len({unit.file(tmp_path) for unit in (one, *others)}) == 6
    name = "paper-contracts2-max_cycles4-satisfaction150-250"
    assert str(others[2]) == f"both of contracts on {name} at 10% less, seed 0"
