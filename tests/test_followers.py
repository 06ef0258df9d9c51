"""Both sides learn: the followers' environment, what is measured, training, exploiting."""

import dataclasses
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from gymnasium.vector import AutoresetMode

import aigc_market
from aigc_market import followers, rules
from baselines import __main__ as command_line
from baselines.arena.protocol import History
from baselines.arena.task import Task
from baselines.followers import both_learning, both_table, commands, exploit, gaps, gradients
from baselines.followers.both_learning import BothRecipe, leader_recipe, train_both
from baselines.followers.both_table import Pair
from baselines.followers.commands import show_exploit
from baselines.followers.exploit import FollowerEnv, best_deviations
from baselines.followers.games import LearningGames
from baselines.followers.gaps import best_price, measure
from baselines.followers.gradients import PPO, Pathwise
from baselines.followers.policy import (
    FollowerNetwork,
    Followers,
    observe,
    sees,
    to_actions,
    to_steps,
)
from baselines.methods.fixed import Constant
from baselines.methods.sb3.players import WindowMethod, normalized
from baselines.methods.sb3.recipes import recipe
from baselines.methods.sb3.trainer import make_policy
from baselines.runs import policy_files

SMALL = Task("paper", {"satisfaction": ["150", "300"], "max_cycles": 20})
ALIKE = Task("paper", {"max_cycles": 20})
"""Two VMUs of the same δ."""
UNLIKE = Task("paper", {"satisfaction": ["200", "300"], "max_cycles": 20})
"""Here U_p has one maximum; in `SMALL` it has two, and PPO takes longer to the higher one."""


def constant(price, task=SMALL):
    return lambda num_envs: Constant(task, num_envs, 0, price)


def untrained(settings, shared, seed=0):
    torch.manual_seed(seed)
    return Followers(FollowerNetwork(settings.market.K, sees(settings), shared), settings)


# The game of one follower


@pytest.mark.parametrize("capacity", [None, 150.0])
def test_rewards_are_those_of_the_aec_game(capacity):
    task = Task("paper", {**SMALL.arguments, "capacity": capacity})
    rng = np.random.default_rng(0)
    env = FollowerEnv(task, constant(11.45), followers.best_response, np.tile([0, 1], 3))
    env.reset(seed=5)
    aec = aigc_market.raw_env(**task.keywords(), scale_rewards=True)
    for _ in range(4):
        actions = rng.uniform(-1, 1, (6, 1)).astype(np.float32)
        asked = env.usual.copy()
        asked[env.mine] = to_steps(aec.market, actions[:, 0])
        _, rewards, *_ = env.step(actions)
        for i in range(6):
            aec.reset(seed=0)
            aec.step(np.array([11.45], np.float32))
            for k in range(2):
                aec.step(asked[i, [k]].astype(np.float32))
            assert rewards[i] == pytest.approx(aec.rewards[f"vmu_{i % 2}"], rel=1e-5, abs=1e-6)


def test_only_the_played_vmu_moves():
    env = FollowerEnv(SMALL, constant(10.5), followers.best_response, np.array([0, 1]))
    seen, _ = env.reset(seed=1)
    settings = SMALL.settings()
    rational = aigc_market.best_response(settings.market, 10.5)
    assert env.usual == pytest.approx(np.stack([rational, rational]))
    everybody = observe(settings, settings.market, np.full(2, 10.5))
    assert seen == pytest.approx(np.stack([everybody[0, 0], everybody[1, 1]]))
    env.step(np.full((2, 1), -1.0))
    asked = [[0, rational[1]], [rational[0], 0]]
    assert env.settled.asked == pytest.approx(np.array(asked), rel=1e-6)


def test_an_episode_ends_with_what_was_seen_in_its_own_market():
    task = Task("paper", {"max_cycles": 2, "satisfaction": ["uniform", "100", "300"]})
    env = FollowerEnv(task, constant(10.5), followers.best_response, np.tile([0, 1], 3))
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    first, _ = env.reset(seed=1)
    for t in range(2):
        seen, rewards, terminated, truncated, infos = env.step(np.zeros((6, 1), np.float32))
        assert not terminated.any()
        assert (truncated == (t == 1)).all()
    assert (infos["final_obs"] == first).all()
    assert (seen[:, 0] != first[:, 0]).all()  # the next episode has other VMUs
    assert seen.shape == env.observation_space.shape
    assert env.observation_space.contains(seen)
    assert rewards.shape == (6,)


def test_the_same_seed_gives_the_same_games():
    def played(seed):
        env = FollowerEnv(SMALL, constant(9.0), followers.Noisy(), np.array([0, 1]))
        env.reset(seed=seed)
        env.step(np.zeros((2, 1), np.float32))
        return env.usual

    assert (played(3) == played(3)).all()
    assert (played(3) != played(4)).any()


def test_steps_and_actions_mean_each_other():
    market = SMALL.settings().market
    actions = np.linspace(-1, 1, 9)
    assert to_actions(market, to_steps(market, actions)) == pytest.approx(actions)
    assert (to_steps(market, np.array([-3.0, 3.0])) == [0, 250]).all()


# Policies


@pytest.mark.parametrize("shared", [True, False])
def test_followers_are_kept(tmp_path, shared):
    settings = SMALL.settings()
    followers = untrained(settings, shared)
    followers.save(tmp_path / "followers.safetensors")
    again = Followers.load(tmp_path / "followers.safetensors", settings)
    price, rng = np.array([2.0, 9.0, 15.0]), np.random.default_rng(0)
    steps = followers(settings.market, price, rng)
    assert steps.shape == (3, 2)
    assert (steps == again(settings.market, price, rng)).all()
    grid = np.stack([price, price + 1])  # prices of any shape
    assert followers(settings.market, grid, rng)[0] == pytest.approx(steps, rel=1e-5)


def test_followers_of_another_market_and_other_policies_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    untrained(SMALL.settings(), False).save(path)
    with pytest.raises(ValueError, match=r"K must be 2.*got 3"):
        Followers.load(path, Task("paper", {"K": 3}).settings())
    untrained(SMALL.settings(), True).save(path)
    with pytest.raises(ValueError, match="market must be one like that of"):
        Followers.load(path, Task("hidden").settings())
    for config in ({"method": "ppo"}, {"followers": 2}):
        policy_files.write(path, {"w": torch.zeros(1)}, config)
        with pytest.raises(ValueError, match=r"path must be a file of followers.*x\.safetensors"):
            Followers.load(path, SMALL.settings())


def test_absent_vmus_buy_nothing_and_gain_nothing():
    settings = Task("crowd").settings()
    market = settings.market.replace(active=np.arange(10) < 4)
    steps = untrained(settings, True)(market, np.full(5, 6.0), np.random.default_rng(0))
    assert (steps[:, :4] > 0).all()
    assert (steps[:, 4:] == 0).all()
    market = aigc_market.Market(K=2, active=np.array([True, False]), capacity=100.0)
    played = rules.settle(market, np.array(8.0), np.array([250.0, 250.0]))
    assert best_deviations(played)[1] == 0


def test_a_network_tells_factors_apart_wherever_they_stand():
    """A δ that drifts may be a three-thousandth of its upper bound, and an absent VMU's is 0."""
    space = sees(Task("drift").settings())
    low = torch.from_numpy(space.low)[None]
    far, near = [], []
    for seed in range(10):
        torch.manual_seed(seed)
        network = FollowerNetwork(1, space, True)
        far.append(abs(network(2 * low) - network(low)).item())
        near.append(abs(network(1 + 0 * low) - network(0.5 + 0 * low)).item())
    assert sum(far) > 0.1 * sum(near) > 1e-2
    crowd = FollowerNetwork(1, sees(Task("crowd").settings()), True)
    assert crowd(torch.zeros(1, 5)).isfinite().all()


# The games in which both learn


@pytest.mark.parametrize("task", [SMALL, Task("hidden"), Task("crowd"), Task("capacity")])
def test_followers_are_shown_what_they_see_when_they_play(task):
    games = LearningGames(task, 4, 1)
    games.begin(seed=1)
    settings = task.settings()
    of_numpy = games.env.market.map(lambda _, value: np.asarray(value))
    prices = torch.cat([games.price[None], torch.tensor([[-1.0, 0.0, 0.5, 1.0]])])
    in_money = 1 + 19 * (prices.double().numpy() + 1) / 2
    shown = games.seen_at(prices).numpy()
    for row, price in zip(shown, in_money, strict=True):
        assert row == pytest.approx(observe(settings, of_numpy, price), abs=1e-5)
    assert shown[0] == pytest.approx(games.seen.numpy(), abs=1e-6)
    assert sees(settings).shape == games.seen.shape[-1:]


@pytest.mark.parametrize("task", [SMALL, Task("hidden"), Task("crowd"), Task("capacity")])
def test_a_price_is_paid_in_the_next_round_and_the_leader_sees_what_it_will_when_it_plays(task):
    task = Task(task.scenario, {**task.arguments, "max_cycles": 4})
    games, N = LearningGames(task, 3, 2), 3
    games.begin(seed=0)
    K, seen = games.K, []
    watching = SimpleNamespace(
        _predict=lambda shown, deterministic: seen.append(shown) or shown[:, :1]
    )
    player = WindowMethod(watching, normalized(task, 2), N)
    rng = np.random.default_rng(0)
    prices, steps = np.zeros((N, 0)), np.zeros((N, 0, K))
    for t in range(4):
        market = games.env.market
        active = np.ones((N, K), bool) if market.active is None else market.active.numpy()
        capacity = None if market.capacity is None else market.capacity.numpy()
        player.act(History(prices, steps, active, capacity=capacity))
        assert games.observed.numpy() == pytest.approx(seen.pop().numpy(), abs=1e-5)
        posted = torch.from_numpy(rng.uniform(-1, 1, (N, 1)).astype(np.float32))
        bought = torch.from_numpy(rng.uniform(-1, 1, (N, K)).astype(np.float32))
        settled = games.settle(games.price, bought)
        prices, steps = settled.price[:, None].numpy(), settled.asked[:, None].numpy()
        reward, over = games.play(posted, bought)
        assert over == (t == 3)
        ratio = (settled.asp_utility / reward).numpy()
        assert ratio == pytest.approx(ratio[0], rel=1e-3)  # one unit for all games
        if not over:
            assert games.price.numpy() == pytest.approx(posted[:, 0].numpy(), abs=1e-6)


def test_what_vmus_could_have_bought_is_valued_by_the_rules():
    games = LearningGames(SMALL, 3, 1)
    games.begin(seed=0)
    market = SMALL.settings().market
    rng = np.random.default_rng(0)
    prices = rng.uniform(-1, 1, (5, 3)).astype(np.float32)
    bought = rng.uniform(-1, 1, (2, 5, 3, 2)).astype(np.float32)
    found = games.surplus(torch.from_numpy(prices), torch.from_numpy(bought)).numpy()
    free = rules.best_surplus(market.satisfaction, market.ssim, 0.0, 250.0).mean()
    in_money = 1 + 19 * (prices.astype(float) + 1) / 2
    best = aigc_market.best_response(market, in_money)
    rational = games.rational(torch.from_numpy(prices)).numpy()
    assert to_steps(market, rational) == pytest.approx(best, rel=1e-3, abs=0.05)
    for tried, row in zip(bought, found, strict=True):
        settled = rules.settle(market, in_money, to_steps(market, tried))
        assert row == pytest.approx(settled.surplus() / free, rel=1e-3, abs=1e-4)


def test_prices_are_explored_up_to_the_bounds():
    games = LearningGames(SMALL, 400, 1)
    games.begin(seed=0)
    prices = games.prices(2)
    assert prices.shape == (3, 400)
    assert (prices[0] == games.price).all()
    assert (prices[1:].abs() <= 1).all()
    assert len(prices[1:].unique()) > 500
    for bound in (-1, 1):  # now and then they are the cost and p_max themselves
        assert 10 <= (prices[1:] == bound).sum() <= 80


# The pathwise gradient


class Recorded(torch.optim.SGD):
    """Keeps gradients, and moves nothing."""

    def step(self, closure=None):
        parameters = self.param_groups[0]["params"]
        self.seen = [None if p.grad is None else p.grad.clone() for p in parameters]


def sides_of(task):
    games = LearningGames(task, 6, 1)
    games.begin(seed=0)
    torch.manual_seed(0)
    small = dataclasses.replace(recipe("ppo", task), history=1, width=4)
    policy = make_policy("ppo", small, normalized(task, 1))
    policy.optimizer = Recorded(policy.parameters(), 0.0)
    network = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Flatten(-2))
    with torch.no_grad():  # who buys less at a higher price
        network[0].weight[:], network[0].bias[:] = torch.tensor([0.0, -1.2]), 0.4
    optimizer = Recorded(network.parameters(), 0.0)
    return games, policy, network, optimizer, Pathwise(games, policy, network, optimizer, 0, small)


def slope(objective, parameter, step=1e-3):
    """Of an objective by the first number of a parameter."""
    values = []
    with torch.no_grad():
        for sign in (1, -1):
            parameter.view(-1)[0] += sign * step
            values.append(objective().double().item())
            parameter.view(-1)[0] -= sign * step
    return (values[0] - values[1]) / (2 * step)


def test_the_leaders_gradient_goes_through_the_followers_answer():
    games, policy, network, _, both = sides_of(SMALL)
    both.iterate(leads=True, deviation=1.0)
    grads = dict(zip(dict(policy.named_parameters()), policy.optimizer.seen, strict=True))
    games, policy, network, *_ = sides_of(SMALL)
    observed = games.observed.clone()

    def mean():
        return policy.get_distribution(observed).distribution.mean[:, 0]

    def earned(answer=None):
        prices = mean()
        bought = network(games.seen_at(prices)) if answer is None else answer
        return games.settle(prices, bought).asp_utility.mean()

    with torch.no_grad():
        held = network(games.seen_at(mean()))
    bias = policy.action_net.bias
    through = slope(earned, bias)
    assert -grads["action_net.bias"].item() == pytest.approx(through, rel=2e-2)
    assert slope(lambda: earned(held), bias) > 1.5 * through  # without their answer
    assert all(grads[name] is None for name in grads if "value" in name)


@pytest.mark.parametrize("bias", [1.5, -1.5])
def test_a_leader_moves_nobody_who_is_held_at_a_bound(bias):
    """Who buys nothing would not begin to at a price a little lower; nor stop, who buys most."""
    _, policy, network, _, both = sides_of(SMALL)
    with torch.no_grad():
        network[0].weight[:], network[0].bias[:] = torch.tensor([0.0, -0.1]), bias
    both._lead(both._mean())
    named = zip(dict(policy.named_parameters()), policy.optimizer.seen, strict=True)
    found = -dict(named)["action_net.bias"].item()
    most = 2 * 250 * 19 / 2  # steps, times what an action is worth in prices
    assert found == pytest.approx(most if bias > 0 else 0.0, rel=1e-4)


@pytest.mark.parametrize("capacity", [None, 100.0])
def test_followers_climb_their_own_surplus(capacity):
    """Where there is a capacity what one buys is taken from the other, whose loss is not its."""
    task = Task("paper", {**SMALL.arguments, "capacity": capacity})
    games, _, network, optimizer, both = sides_of(task)
    prices, seen = games.price.clone(), games.seen.clone()
    both._play(both._mean())
    market = task.settings().market
    with torch.no_grad():
        others = to_steps(market, network(seen).numpy())
    price = 1 + 19 * (prices.double().numpy() + 1) / 2
    scale = 1 / rules.best_surplus(np.array([150.0, 300.0]), market.ssim, 0.0, 250.0).mean()

    def surplus():
        own, total = to_steps(market, network(seen).detach().numpy()), 0.0
        for k in range(2):
            asked = others.copy()
            asked[:, k] = own[:, k]
            total += scale * rules.settle(market, price, asked).surplus()[:, k].sum()
        return torch.tensor(total / 12)

    found = -optimizer.seen[-1].item()
    assert found == pytest.approx(slope(surplus, network[0].bias, 1e-2), rel=2e-2)


@pytest.mark.parametrize(("bias", "moves"), [(1.5, True), (-1.5, False)])
def test_actions_at_a_bound_move_only_back(bias, moves):
    """At p_max nobody should buy: who buys most comes back, who buys nothing stays."""
    *_, network, optimizer, both = sides_of(ALIKE)
    with torch.no_grad():
        network[0].weight[:], network[0].bias[:] = 0.0, bias
    both._play(torch.ones(6, 1))
    both._play(torch.ones(6, 1))
    assert (optimizer.seen[-1].item() != 0) == moves


# What is measured


@pytest.mark.parametrize("policy", [followers.best_response, followers.MyopicDiscount(0.5)])
def test_gaps_are_those_of_the_verifier(policy):
    market = SMALL.settings().market
    measured = measure(constant(6.0), policy, SMALL, seed=0)

    def lost_and_best(price):
        steps = policy(market, price, np.random.default_rng(0))
        best = aigc_market.best_response(market, price)
        surplus = rules.vmu_surplus(price, market.satisfaction, market.ssim, best)
        return aigc_market.regret(market, price, steps).followers, surplus

    on_grid = [lost_and_best(price) for price in np.linspace(1, 20, gaps.GRID)]
    lost, best = (np.stack(part) for part in zip(*on_grid, strict=True))
    assert measured.surplus == pytest.approx(best.mean(), rel=1e-6)
    assert measured.gap == pytest.approx(lost.mean() / best.mean(), rel=1e-6)
    assert measured.worst_gap == pytest.approx(lost.max() / best.mean(), rel=1e-6)
    played = lost_and_best(6.0)[0].mean() / best.mean()
    assert measured.gap_played == pytest.approx(played, rel=1e-6)
    assert measured.error == 0
    if policy is followers.best_response:  # then both shares of the leader are the same
        earned = rules.leader_utility(market, 6.0)
        share = earned / aigc_market.solve(market).asp_utility
        assert (measured.share, measured.share_learned) == pytest.approx((share,) * 2, rel=1e-6)
        assert measured.utility == pytest.approx(earned, rel=1e-6)


def test_gaps_are_finite_where_nobody_should_buy():
    """At p_max a best response earns nothing, or with a floor less than nothing."""
    for floor in (0.0, 10.0):
        task = Task("paper", {"min_steps": floor, "max_cycles": 2})
        measured = measure(constant(20.0, task), followers.random, task, seed=0)
        assert 0 < measured.gap_played < np.inf


@pytest.mark.parametrize("price", [6.0, 10.0])
def test_the_gain_against_noisy_followers_is_the_real_one(price):
    """The greatest of 200 noisy utilities made it 1.43 times U_p* on `hidden`."""
    task = Task("hidden", {"max_cycles": 10})
    measured = measure(constant(price, task), followers.Noisy(), task, seed=0)
    assert 0 < measured.error < 0.005
    # Noise moves mean purchases at the bounds alone.
    assert measured.share_learned == pytest.approx(measured.share, abs=0.03)


def test_with_rationing_the_best_price_is_chosen_without_the_draws_that_judge_it():
    task = Task("paper", {"capacity": 150.0, "followers": "noisy", "max_cycles": 5})
    market = task.settings().market

    def earned(price):
        """The same noise at every price, so that the best of them is not the luckiest."""
        posted = np.full(20_000, price)
        asked = followers.Noisy()(market, posted, np.random.default_rng(1))
        return rules.settle(market, posted, asked.astype(float)).asp_utility.mean()

    true = 1 - earned(10.0) / max(earned(price) for price in np.linspace(8, 12, 81))
    measured = measure(constant(10.0, task), followers.Noisy(), task, seed=0)
    assert 0 < measured.error < 0.005
    assert 1 - measured.share_learned == pytest.approx(true, abs=4 * measured.error + 1e-3)


def test_every_draw_flows_from_the_seed():
    task = Task("capacity", {"max_cycles": 3})
    first, again, other = (
        measure(constant(8.0, task), followers.Noisy(), task, seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.gap != other.gap


@pytest.mark.parametrize("ssim", ["quadratic", "steps"])
def test_the_grid_misses_no_more_than_it_says(ssim):
    model = None
    if ssim == "steps":  # demand falls in steps
        model = aigc_market.ssim.TabulatedSSIM([0, 60, 90, 250], [0.0, 5.0, 6.5, 9.0])
    market = aigc_market.Market(K=2, satisfaction=[120, 310], ssim=model)
    price = best_price(market, followers.best_response, 1, 0)
    eq = aigc_market.solve(market)
    missed = 1 - rules.leader_utility(market, price[0]) / eq.asp_utility
    spacing = 19 / (gaps.COARSE - 1)
    relative = spacing / (eq.price - 1)
    assert 0 <= missed <= (relative if ssim == "steps" else (relative / 20) ** 2) + 1e-12
    assert (price == price[0]).all()


def test_a_market_without_trade_has_no_gaps():
    task = Task("paper", {"satisfaction": ["10"], "max_cycles": 3})  # β·δ is below the cost
    measured = measure(constant(8.0, task), followers.best_response, task, seed=0)
    shares = measured.share, measured.share_learned
    assert shares == (1, 1)
    assert measured.gap == measured.worst_gap == measured.gap_played == measured.utility == 0
    assert measure(constant(8.0, task), followers.random, task, seed=0).gap == np.inf


# Training


def leading(task, **changed):
    return dataclasses.replace(leader_recipe("ppo", task), **changed)


@pytest.mark.parametrize("gradient", ["ppo", "pathwise"])
@pytest.mark.parametrize("networks", ["shared-ppo", "independent-ppo", None])
def test_both_sides_come_near_the_equilibrium(gradient, networks):
    """VMUs of different satisfaction learn each its own demand; or they are rational."""
    rows, both = [], BothRecipe(gradient=gradient, every=30)
    recipe = leading(UNLIKE, rounds=20_000)
    leader, answering = train_both("ppo", networks, UNLIKE, recipe, both, 0, rows.append)
    first, last = rows[0], rows[-1]
    assert last["share"] > 0.99 > first["share"]
    assert 20_000 <= last["rounds"] == leader.rounds < 21_000
    if networks is None:
        assert answering is followers.best_response
        assert last["gap"] == last["worst_gap"] == 0
        assert last["share"] == pytest.approx(last["share_learned"], rel=1e-4)
    else:
        assert first["gap"] > 0.1
        assert last["gap"] < 0.01
        assert last["worst_gap"] < 0.05
        assert last["share_learned"] > 0.98


def test_followers_learn_several_times_while_a_leader_plays_and_explore_less_and_less(monkeypatch):
    learned = []
    follow, lead = PPO._follow, PPO._lead

    def followed(self, network, deviation):
        learned.append(deviation)
        follow(self, network, deviation)

    def led(self, *columns):
        learned.append([tuple(column.shape) for column in columns[1:4]])
        lead(self, *columns)

    monkeypatch.setattr(PPO, "_follow", followed)
    monkeypatch.setattr(PPO, "_lead", led)
    small = leading(SMALL, lanes=40, n_steps=7, rounds=560, batch_size=100)
    train_both("ppo", "shared-ppo", SMALL, small, BothRecipe(head_start=1), 0)
    first, half = np.exp(-1), np.exp(-2)
    of_leader = [(7, 40, 1), (7, 40), (7, 40)]
    assert learned[:2] == pytest.approx([first, first])
    assert learned[2:4] == pytest.approx([half, half])
    assert learned[4:] == [of_leader]


@pytest.mark.parametrize("gamma", [0.0, 0.9])
def test_a_leader_learns_from_prices_that_were_paid_and_from_what_follows_them(monkeypatch, gamma):
    """A price is paid a round later, the last of an episode never."""
    losses, N = [], 2
    policy = SimpleNamespace(
        predict_values=lambda seen: torch.zeros(len(seen), 1),
        evaluate_actions=lambda seen, prices: (torch.zeros(len(seen), 1), torch.zeros(()), None),
        optimizer=None,
    )
    monkeypatch.setattr(gradients, "_descend", lambda _, loss: losses.append(loss.item()))
    small = dataclasses.replace(recipe("ppo", ALIKE), n_steps=4, gamma=gamma, n_epochs=1)
    sides = PPO(None, policy, None, None, 0, small)
    earned = torch.tensor([5.0, 0.0, 1.0, 7.0])[:, None].expand(4, N)
    ends = torch.tensor([False, False, True, False])
    sides._lead(torch.zeros(4, N, 3), torch.zeros(4, N, 1), torch.zeros(4, N), earned, ends)
    targets = np.array([gamma * gradients.LAMBDA * 1.0, 1.0])
    assert losses == [pytest.approx(0.5 * (targets**2).mean(), abs=1e-6)]


@pytest.mark.parametrize("gradient", ["ppo", "pathwise"])
@pytest.mark.parametrize("scenario", ["hidden", "drift", "crowd", "capacity"])
def test_both_sides_learn_from_one_episode_to_the_next_in_markets_that_differ(
    monkeypatch, scenario, gradient
):
    task, seen = Task(scenario, {"max_cycles": 3}), []

    def nothing_measured(player, *_):
        policy = player.__self__.policy
        seen.append(policy.mlp_extractor.policy_net[0].weight.detach().clone())
        return gaps.Measured(*np.zeros(len(dataclasses.fields(gaps.Measured))))

    monkeypatch.setattr(both_learning, "measure", nothing_measured)
    small = leading(task, lanes=40, n_steps=4, rounds=2000, batch_size=100)
    both = BothRecipe(gradient=gradient, head_start=1)
    after, followers = weights(*train_both("ppo", "shared-ppo", task, small, both, 0))
    assert all(value.isfinite().all() for value in (*after.values(), *followers.values()))
    assert not torch.equal(seen[0], seen[-1])


class KilledError(Exception):
    pass


def weights(leader, followers):
    return leader.policy.state_dict(), followers.network.state_dict()


@pytest.mark.parametrize("gradient", ["ppo", "pathwise"])
def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path, gradient):
    def training(report, checkpoint=None, seed=3):
        both = BothRecipe(gradient=gradient, every=1, head_start=1)
        small = dataclasses.replace(
            recipe("ppo", SMALL), lanes=100, n_steps=2, rounds=600, n_epochs=2
        )
        return train_both("ppo", "independent-ppo", SMALL, small, both, seed, report, checkpoint)

    def measured(checkpoint=None, seed=3):
        rows = []
        trained = training(rows.append, checkpoint, seed)
        return weights(*trained), [{**row, "seconds": 0} for row in rows]

    def killed_at(rounds):
        def report(row):
            if row["rounds"] == rounds:
                raise KilledError

        return report

    path = tmp_path / "both.checkpoint"
    with pytest.raises(KilledError):
        training(killed_at(400), path)
    kept = path.read_bytes()
    another = pytest.warns(UserWarning, match="checkpoint of another training")
    with another, pytest.raises(KilledError):
        training(killed_at(0), path, seed=4)
    path.write_bytes(kept)
    sides = PPO if gradient == "ppo" else Pathwise
    with mock.patch.object(sides, "iterate", autospec=True, side_effect=sides.iterate) as iterate:
        resumed, rows = measured(path)
    iterate.assert_called_once()  # one update was left to do
    whole, whole_rows = measured()
    assert rows == whole_rows
    assert [row["rounds"] for row in rows] == [0, 200, 400, 600]
    for mine, its in zip(resumed, whole, strict=True):
        assert all((mine[name] == its[name]).all() for name in its)
    _, other_rows = measured(seed=5)
    assert other_rows != rows


@pytest.mark.parametrize(
    ("arguments", "recipes", "changed", "match"),
    [
        ({"continuous_actions": False}, {}, {}, "continuous_actions must be True"),
        ({"followers": "noisy"}, {}, {}, "followers must be left out.*noisy"),
        ({}, {"n_steps": 1}, {}, "n_steps.*1"),
        ({}, {"gamma": 0.9}, {"gradient": "pathwise"}, "gamma must be 0.*0.9"),
    ],
)
def test_what_cannot_be_trained_is_said(arguments, recipes, changed, match):
    task = Task("paper", arguments)
    with pytest.raises(ValueError, match=match):
        train_both("ppo", "shared-ppo", task, leading(task, **recipes), BothRecipe(**changed), 0)


# Exploiting


def test_best_responders_find_what_the_rules_say(monkeypatch):
    """The frozen leader is far too dear, the frozen policy hold back."""
    monkeypatch.setattr(exploit, "FRESH", dataclasses.replace(exploit.FRESH, rounds=25_600))
    policy = followers.MyopicDiscount(0.5)
    fresh = dataclasses.replace(recipe("ppo", ALIKE), rounds=3000)
    monkeypatch.setattr(exploit.PPO_MLP.__class__, "recipe", lambda self, task: fresh)
    leader, follower = exploit.exploit(constant(8.0), policy, ALIKE, seed=0)
    assert leader.by_rules > 0.15
    assert 0.9 * leader.by_rules < leader.trained <= leader.by_rules
    assert follower.by_rules > 0.15
    assert 0.8 * follower.by_rules < follower.trained
    assert follower.trained <= follower.by_rules * (1 + 1e-6)  # prices stand still
    assert leader.error == follower.error == 0


@pytest.mark.parametrize("capacity", [None, 120.0, 300.0])
@pytest.mark.parametrize("floor", [0.0, 30.0])
def test_the_best_deviation_is_the_best_of_all_purchases(capacity, floor):
    market = aigc_market.Market(
        K=3, satisfaction=[80, 200, 400], capacity=capacity, min_steps=floor
    )
    rng = np.random.default_rng(0)
    for price in (2.0, 7.0, 15.0):
        asked = rng.uniform(floor, 250, 3)
        played = rules.settle(market, np.array(price), asked)
        best = best_deviations(played)
        for k in range(3):
            deviating = np.tile(asked, (5001, 1))
            deviating[:, k] = np.linspace(floor, 250, 5001)
            settled = rules.settle(market, np.full(5001, price), deviating)
            surplus = settled.surplus()[:, k].max()
            assert best[k] == pytest.approx(surplus, rel=1e-5, abs=1e-3)
            assert best[k] >= surplus - 1e-9


# Commands


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["baselines", *words])
    command_line.main()


def test_train_both_and_evaluate(monkeypatch, capsys, tmp_path):
    out, draw = tmp_path / "run", commands.draw
    ends = (out / "both.checkpoint").unlink  # as another run in this folder may
    monkeypatch.setattr(commands, "draw", lambda *paths: ends() or draw(*paths))
    words = ["--leader", "ppo", "--recipe", "rounds=200", "--max-cycles", "20", "--out", str(out)]
    run(monkeypatch, "train", "both", *words, "--networks", "independent-ppo")
    files = {path.name for path in out.iterdir()}
    assert files == {"policy.safetensors", "followers.safetensors", "curve.csv", "both.png"}
    printed = capsys.readouterr().out
    assert "share_learned" in printed
    assert "100.00%" not in printed.splitlines()[-2]  # ten episodes do not solve it
    run(monkeypatch, "evaluate", str(out))
    printed = capsys.readouterr().out
    assert "against the followers that it was trained with" in printed
    [share] = [line for line in printed.splitlines() if "leader's share of U_p*" in line]
    assert f"{pd.read_csv(out / 'curve.csv')['share'].iloc[-1]:.2%}" in share
    with pytest.raises(SystemExit):
        run(monkeypatch, "evaluate", str(out), "--K", "3")
    assert "K is 2 there, got 3" in capsys.readouterr().err


def test_what_best_responders_gain_is_shown(monkeypatch, capsys):
    monkeypatch.setattr(exploit, "FRESH", dataclasses.replace(exploit.FRESH, rounds=6_400))
    task = Task("paper", {"followers": "noisy", "capacity": 150.0, "max_cycles": 5})
    fresh = dataclasses.replace(recipe("ppo", task), rounds=200)
    monkeypatch.setattr(exploit.PPO_MLP.__class__, "recipe", lambda self, task: fresh)
    show_exploit(constant(8.0, task), followers.Noisy(), task, seed=0)
    printed = capsys.readouterr().out
    assert "gain of a best responder" in printed
    for name in ("leader", "a follower"):
        [row] = [line for line in printed.splitlines() if name in line]
        assert "±" in row


# The table


def test_the_rows_kept_in_the_docs_are_of_these_cases():
    rows = pd.read_csv(Path(__file__).parents[1] / "docs" / "both-sides" / "both.csv")
    assert set(rows["market"]) <= {case.market for case in both_table.CASES}


def test_what_was_trained_is_not_trained_again(monkeypatch, tmp_path):
    task = Task("paper", {"satisfaction": ["200", "300"], "max_cycles": 10})
    monkeypatch.setattr(both_table, "CASES", (Pair("here", task),))
    monkeypatch.setattr(both_table, "leader_recipe", lambda _, task: leading(task, rounds=3000))
    monkeypatch.setattr(both_table, "GAMES", 4)
    both_table.both_table(tmp_path, seeds=1, workers=1)
    rows = pd.read_csv(tmp_path / "both.csv")
    assert list(rows["gradient"]) == ["ppo", "pathwise"]
    assert ((rows["share"] > 0) & (rows["share"] <= 1)).all()
    assert ((rows["control"] > 0) & (rows["control"] <= 1)).all()
    assert (rows["gap"] > 0).all()
    assert (rows["worst_gap"] > rows["gap"]).all()
    monkeypatch.setattr(Pair, "execute", lambda *_: pytest.fail("trained again"))
    both_table.both_table(tmp_path, seeds=1, workers=1)
    assert len(pd.read_csv(tmp_path / "both.csv")) == 2
