"""Both sides learn: the followers' environment, what is measured, training, exploiting."""

import dataclasses
import sys
from pathlib import Path
from types import SimpleNamespace

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
from baselines.followers import both_by_ppo, both_table, exploitability, gaps, two_time_scales
from baselines.followers.both_pathwise import Pathwise
from baselines.followers.both_sides import show_exploit
from baselines.followers.both_table import Case
from baselines.followers.expectation import in_expectation
from baselines.followers.exploitability import best_deviations, exploit
from baselines.followers.follower_env import FollowerEnv
from baselines.followers.follower_policy import (
    FollowerNetwork,
    Followers,
    observe,
    sees,
    to_actions,
    to_steps,
)
from baselines.followers.gaps import best_price, measure
from baselines.followers.learning_games import LearningGames
from baselines.followers.two_time_scales import BothRecipe, leader_recipe, train_both
from baselines.methods.fixed import Constant
from baselines.methods.sb3.players import WindowMethod
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
    return Followers(FollowerNetwork(settings.market.K, sees(settings), shared, 16), settings)


def short(method, task, rounds):
    return dataclasses.replace(recipe(method, task), rounds=rounds)


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


@pytest.mark.parametrize(
    ("shared", "task", "match"),
    [
        (False, Task("paper", {"K": 3}), r"K must be 2.*got 3"),
        (True, Task("hidden"), "market must be one like that of"),
    ],
)
def test_followers_of_another_market_are_refused(tmp_path, shared, task, match):
    untrained(SMALL.settings(), shared).save(tmp_path / "followers.safetensors")
    with pytest.raises(ValueError, match=match):
        Followers.load(tmp_path / "followers.safetensors", task.settings())


def test_other_policies_are_no_followers(tmp_path):
    policy_files.write(tmp_path / "x.safetensors", {"w": torch.zeros(1)}, {"method": "ppo"})
    with pytest.raises(ValueError, match=r"path must be a file of followers.*x\.safetensors"):
        Followers.load(tmp_path / "x.safetensors", SMALL.settings())


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
    torch.manual_seed(0)
    network = FollowerNetwork(1, space, True, 16)
    low = torch.from_numpy(space.low)[None]
    least, double, half, all_of_it = (
        network(seen)[0] for seen in (low, 2 * low, 0.5 + 0 * low, 1 + 0 * low)
    )
    assert abs(double - least) > 0.1 * abs(all_of_it - half) > 1e-3
    crowd = FollowerNetwork(1, sees(Task("crowd").settings()), True, 16)
    assert crowd(torch.zeros(1, 5))[0].isfinite().all()


# The games in which both learn


@pytest.mark.parametrize("task", [SMALL, Task("hidden"), Task("crowd"), Task("capacity")])
def test_followers_are_shown_what_they_see_when_they_play(task):
    games = LearningGames(task, 4, 1, 0.0)
    games.begin(seed=1)
    settings, market = task.settings(), games.env.market
    of_numpy = settings.market.replace(
        satisfaction=np.asarray(market.satisfaction, float),
        active=None if market.active is None else np.asarray(market.active),
    )
    if settings.ssim is not None:
        ssim = market.ssim.map(lambda value: np.asarray(value, float))
        of_numpy = of_numpy.replace(ssim=ssim)
    price = np.asarray(games.seen[:, 0, -1], float) * market.max_price
    expected = observe(settings, of_numpy, price)
    assert games.seen.numpy() == pytest.approx(
        np.broadcast_to(expected, games.seen.shape), abs=1e-5
    )
    assert sees(settings).shape == games.seen.shape[-1:]


def test_a_price_is_paid_in_the_next_round_and_the_leader_sees_what_it_will_when_it_plays():
    task = Task("paper", {"satisfaction": ["150", "300"], "max_cycles": 4})
    games, N = LearningGames(task, 3, 2, 0.0), 3
    games.begin(seed=0)
    shown = []
    watching = SimpleNamespace(_predict=lambda seen, deterministic: shown.append(seen) or seen)
    player = WindowMethod(watching, games.units, 2, N)
    market = task.settings().market
    rng = np.random.default_rng(0)
    price, prices, steps = (
        games.seen[:, 0, -1].numpy() * 20.0,
        np.zeros((N, 0)),
        np.zeros((N, 0, 2)),
    )
    for t in range(4):
        player.act(History(prices, steps, np.ones((N, 2), bool)))
        assert games.features.numpy() == pytest.approx(shown.pop().numpy(), abs=1e-5)
        action = rng.uniform(-1, 1, (N, 1)).astype(np.float32)
        bought = rng.uniform(-1, 1, (N, 2, 1)).astype(np.float32)
        told = games.play(torch.from_numpy(action), torch.from_numpy(bought))
        settled = rules.settle(market, price.astype(float), to_steps(market, bought[..., 0]))
        earned = settled.asp_utility * games.units.reward
        assert told.leader[:, 0].numpy() == pytest.approx(earned, rel=1e-4)
        free = rules.best_surplus(market.satisfaction, market.ssim, 0.0, 250.0)
        assert told.followers[..., 0].numpy() == pytest.approx(
            settled.surplus() / free.mean(), rel=1e-3, abs=1e-4
        )
        assert told.over == (t == 3)
        prices, steps = price[:, None], settled.delivered[:, None]
        price = games.units.price(action[:, 0])


def test_prices_tremble_in_some_games_alone():
    games = LearningGames(SMALL, 400, 1, 0.25)
    posted = games.post(torch.full((400, 1), 0.5))
    assert games.trembling == 100
    assert (posted[100:] == 0.5).all()
    drawn = posted[:100]
    assert (drawn.abs() <= 1).all()
    assert len(drawn.unique()) > 70
    for bound in (-1, 1):  # now and then they are at the cost and at p_max themselves
        assert 1 <= (drawn == bound).sum() <= 20


@pytest.mark.parametrize("scenario", ["paper", "hidden", "crowd", "capacity"])
def test_rational_followers_in_the_games_are_the_rules_own(scenario):
    task = Task(scenario, {"K": 3})
    games = LearningGames(task, 5, 1, 0.0)
    games.begin(seed=2)
    market = games.env.market
    price = games.seen[:, 0, -1] * market.max_price
    best = aigc_market.best_response(market, price)
    assert best.std() > 0 or scenario == "paper"
    found = to_steps(task.settings().market, games.rational()[..., 0].numpy())
    assert found == pytest.approx(best.numpy(), rel=1e-3, abs=0.05)


# The pathwise gradient


def sides_of(task, tremble=0.0):
    games = LearningGames(task, 6, 1, tremble, differentiable=True)
    games.begin(seed=0)
    torch.manual_seed(0)
    small = dataclasses.replace(recipe("ppo", task), history=1, width=4)
    policy = make_policy("ppo", small, games.units)
    network = untrained(task.settings(), shared=True).network
    network.mean = torch.nn.Linear(2, 1)  # who buys less at a higher price
    with torch.no_grad():
        network.mean.weight[:], network.mean.bias[:] = torch.tensor([0.0, -1.2]), 0.4
    return games, policy, network


class Recorded(torch.optim.SGD):
    """Keeps gradients, and moves nothing."""

    def step(self, closure=None):
        self.seen = [
            None if p.grad is None else p.grad.clone() for p in self.param_groups[0]["params"]
        ]


def recorded(task):
    games, policy, network = sides_of(task)
    policy.optimizer = Recorded(policy.parameters(), 0.0)
    optimizer = Recorded(network.mean.parameters(), 0.0)
    Pathwise(games, policy, network, optimizer, 1).iterate(leads=True)
    return games, policy, network, optimizer


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
    _, policy, network, _ = recorded(SMALL)
    games, *_ = sides_of(SMALL)
    features, first = games.features.clone(), games.seen.clone()

    def earned(answer=None):
        games.begin(seed=0)
        mean = policy.get_distribution(features).distribution.mean
        games.play(mean, network.mean(first).detach())
        bought = network.mean(games.seen) if answer is None else answer
        return games.play(mean, bought).leader.mean()

    names = [name for name, _ in policy.named_parameters()]
    grads = dict(zip(names, policy.optimizer.seen, strict=True))
    bias = policy.action_net.bias
    with torch.no_grad():
        earned()
        held = network.mean(games.seen).clone()
    through = slope(earned, bias)
    assert -grads["action_net.bias"].item() == pytest.approx(through, rel=2e-2)
    assert slope(lambda: earned(held), bias) > 1.5 * through  # without their answer
    assert all(grads[name] is None for name in names if "value" in name)


@pytest.mark.parametrize("capacity", [None, 100.0])
def test_followers_climb_their_own_surplus(capacity):
    """Where there is a capacity what one buys is taken from the other, whose loss is not its."""
    task = Task("paper", {**SMALL.arguments, "capacity": capacity})
    *_, optimizer = recorded(task)
    games, policy, network = sides_of(task)
    with torch.no_grad():
        mean = policy.get_distribution(games.features).distribution.mean
        games.play(mean, network.mean(games.seen))
        mean = policy.get_distribution(games.features).distribution.mean
        market, seen = games.env.market, games.seen.clone()
        price = seen[:, 0, -1] * market.max_price
        others = to_steps(task.settings().market, network.mean(seen)[..., 0].numpy())
    scale = 1 / rules.best_surplus(np.array([150.0, 300.0]), market.ssim, 0.0, 250.0).mean()

    def surplus():
        own = to_steps(task.settings().market, network.mean(seen)[..., 0].detach().numpy())
        total, plain = 0.0, task.settings().market
        for i in range(6):
            for k in range(2) if capacity is None else [i % 2]:
                asked = others[i].copy()
                asked[k] = own[i, k]
                settled = rules.settle(plain, np.array(float(price[i])), asked)
                total += settled.surplus()[k] * scale
        return torch.tensor(total / 12)

    last_bias = list(network.mean.parameters())[-1]
    found = -optimizer.seen[-1].item()
    assert found == pytest.approx(slope(surplus, last_bias, 1e-2), rel=2e-2)


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


@pytest.mark.parametrize(
    "policy", [followers.Noisy(), followers.Noisy(1.0), followers.Quantal(0.1)]
)
@pytest.mark.parametrize("floor", [0.0, 20.0])
def test_purchases_in_expectation_are_the_mean_of_many(policy, floor):
    market = aigc_market.Market(K=3, satisfaction=[80, 200, 400], min_steps=floor)
    known = in_expectation(policy, market)
    for price in (2.0, 8.0, 18.0):
        drawn = policy(market, np.full(10_000, price), np.random.default_rng(0))
        error = 4 * drawn.std(axis=0) / 100 + 1e-3
        assert (abs(known(market, price, None) - drawn.mean(axis=0)) < error).all()


def test_expectations_stand_in_for_draws_only_where_nothing_else_counts():
    class Mine(followers.Noisy):
        pass

    market = aigc_market.Market()
    assert in_expectation(followers.Noisy(), market) != followers.Noisy()
    for policy, other in [
        (Mine(), market),  # may buy otherwise
        (followers.random, market),
        (followers.Noisy(), aigc_market.Market(capacity=100.0)),  # rationing is not linear
    ]:
        assert in_expectation(policy, other) is policy


@pytest.mark.parametrize("price", [6.0, 10.0])
def test_the_exact_gain_against_noisy_followers_is_the_real_one(price):
    """The greatest of 200 noisy utilities made it 1.43 times U_p* on `hidden`."""
    task = Task("hidden", {"max_cycles": 10})
    measured = measure(constant(price, task), followers.Noisy(), task, seed=0)
    assert measured.error == 0
    # Noise moves mean purchases at the bounds alone.
    assert measured.share_learned == pytest.approx(measured.share, abs=0.03)


def test_at_the_best_price_nothing_is_gained_whatever_the_noise():
    task = Task("hidden", {"satisfaction": ["200"], "ssim": "quadratic", "max_cycles": 5})
    measured = measure(constant(8.0, task), followers.Noisy(), task, seed=0)
    assert 0 <= 1 - measured.share_learned < 1e-4
    assert measured.best < 1.001 * 1408.05


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


def trained(task, gradient, followers, rounds=20_000):
    rows = []
    both = train_both(
        "ppo",
        followers,
        task,
        dataclasses.replace(leader_recipe("ppo", task), rounds=rounds),
        BothRecipe(gradient=gradient, every=30),
        0,
        rows.append,
    )
    assert rows == both.rows
    return both


@pytest.mark.parametrize(
    ("gradient", "followers"),
    [("ppo", "shared-ppo"), ("pathwise", "shared-ppo"), ("pathwise", "independent-ppo")],
)
def test_both_sides_come_near_the_equilibrium(gradient, followers):
    """VMUs of different satisfaction learn each its own demand."""
    both = trained(UNLIKE, gradient, followers)
    first, last = both.rows[0], both.rows[-1]
    assert first["gap"] > 0.1
    assert last["gap"] < 0.01
    assert last["worst_gap"] < 0.05
    assert last["share"] > 0.99 > first["share"]
    assert last["share_learned"] > 0.98
    assert 20_000 <= last["rounds"] == both.leader.rounds < 21_000


@pytest.mark.parametrize("gradient", ["ppo", "pathwise"])
def test_the_control_is_the_same_leader_against_rational_followers(gradient):
    both = trained(UNLIKE, gradient, None)
    first, last = both.rows[0], both.rows[-1]
    assert both.followers is followers.best_response
    assert last["gap"] == last["worst_gap"] == 0
    assert last["share"] == pytest.approx(last["share_learned"], rel=1e-4)
    assert last["share"] > 0.99 > first["share"]


def test_followers_learn_several_times_while_a_leader_plays_and_explore_less_and_less(monkeypatch):
    learned = []
    original = both_by_ppo.Clipped.learn

    def counting(self, data, *more):
        learned.append(tuple(data.batch_size))
        original(self, data, *more)

    monkeypatch.setattr(both_by_ppo.Clipped, "learn", counting)
    small = dataclasses.replace(
        leader_recipe("ppo", SMALL), lanes=40, n_steps=7, rounds=560, batch_size=100
    )
    both = train_both(
        "ppo", "shared-ppo", SMALL, small, BothRecipe(head_start=1, log_std_end=-4.0), 0
    )
    of_followers, of_leader = [(160, 2), (120, 2)], [(6 * 30,)]
    assert learned == of_followers + of_followers + of_leader
    assert both.followers.network.deviation == pytest.approx(np.exp(-2.5))  # half of the way


@pytest.mark.parametrize("gradient", ["ppo", "pathwise"])
@pytest.mark.parametrize("scenario", ["hidden", "drift", "crowd", "capacity"])
def test_both_sides_learn_from_one_episode_to_the_next_in_markets_that_differ(
    monkeypatch, scenario, gradient
):
    task = Task(scenario, {"max_cycles": 3})
    first = []

    def remembered(*arguments):
        policy = make_policy(*arguments)
        first.append({name: value.clone() for name, value in policy.state_dict().items()})
        return policy

    monkeypatch.setattr(two_time_scales, "make_policy", remembered)
    monkeypatch.setattr(two_time_scales, "measure", lambda *_: measured_nothing())
    small = dataclasses.replace(
        leader_recipe("ppo", task), lanes=40, n_steps=4, rounds=2000, batch_size=100
    )
    both = train_both(
        "ppo", "shared-ppo", task, small, BothRecipe(gradient=gradient, head_start=1), 0
    )
    after, followers = weights(both)
    assert all(value.isfinite().all() for value in (*after.values(), *followers.values()))
    moved = "mlp_extractor.policy_net.0.weight"
    assert not torch.equal(first[0][moved], after[moved])


def measured_nothing():
    names = [field.name for field in dataclasses.fields(gaps.Measured)]
    return gaps.Measured(**dict.fromkeys(names, 0.0))


class KilledError(Exception):
    pass


def weights(both):
    return both.leader.policy.state_dict(), both.followers.network.state_dict()


@pytest.mark.parametrize("gradient", ["ppo", "pathwise"])
def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path, gradient):
    def training(report, checkpoint=None, seed=3):
        both = BothRecipe(gradient=gradient, every=1, head_start=1)
        of_leader = dataclasses.replace(
            recipe("ppo", SMALL), lanes=100, n_steps=2, rounds=600, n_epochs=2
        )
        arguments = "ppo", "independent-ppo", SMALL, of_leader, both, seed
        return train_both(*arguments, report, checkpoint)

    def numbers(rows):
        return [{**row, "seconds": 0} for row in rows]

    def killed_at(rounds):
        def report(row):
            if row["rounds"] == rounds:
                raise KilledError

        return report

    path = tmp_path / "both.checkpoint"
    with pytest.raises(KilledError):
        training(killed_at(400), path)
    kept = path.read_bytes()
    with (
        pytest.warns(UserWarning, match="checkpoint of another training"),
        pytest.raises(KilledError),
    ):
        training(killed_at(0), path, seed=4)
    path.write_bytes(kept)
    done = []
    sides = both_by_ppo.PPO if gradient == "ppo" else Pathwise
    original = sides.iterate

    def counting(self, leads):
        done.append(self)
        original(self, leads)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sides, "iterate", counting)
        resumed = training(lambda _: None, path)
    assert len(done) == 1  # one update was left to do
    whole = training(lambda _: None)
    assert numbers(resumed.rows) == numbers(whole.rows)
    assert [row["rounds"] for row in whole.rows] == [0, 200, 400, 600]
    for mine, its in zip(weights(resumed), weights(whole), strict=True):
        assert all((mine[name] == its[name]).all() for name in its)
    other = training(lambda _: None, seed=5)
    assert numbers(other.rows) != numbers(whole.rows)


@pytest.mark.parametrize(
    ("arguments", "recipes", "changed", "match"),
    [
        ({"continuous_actions": False}, {}, {}, "continuous_actions must be True"),
        ({"followers": "noisy"}, {}, {}, "followers must be left out.*noisy"),
        ({}, {"n_steps": 1}, {}, "n_steps.*1"),
        ({}, {"gamma": 0.9}, {"gradient": "pathwise"}, "gamma must be 0.*0.9"),
        ({}, {}, {"follower_updates": 4}, r"updates must be at most .* n_steps = 3, got 4"),
    ],
)
def test_what_cannot_be_trained_is_said(arguments, recipes, changed, match):
    task = Task("paper", arguments)
    leader = dataclasses.replace(leader_recipe("ppo", task), **recipes)
    with pytest.raises(ValueError, match=match):
        train_both("ppo", "shared-ppo", task, leader, BothRecipe(**changed), 0)


# Exploiting


def test_best_responders_find_what_the_rules_say(monkeypatch):
    """The frozen leader is far too dear, the frozen policy hold back."""
    monkeypatch.setattr(exploitability, "FRESH_ROUNDS", 25_600)
    policy = followers.MyopicDiscount(0.5)
    fresh = short("ppo", ALIKE, 3000)
    leader, follower = exploit(constant(8.0), policy, ALIKE, seed=0, recipe=fresh)
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
    out = tmp_path / "run"
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
    measured = (out / "curve.csv").read_text().splitlines()
    last = dict(zip(measured[0].split(","), measured[-1].split(","), strict=True))
    assert f"{float(last['share']):.2%}" in share
    with pytest.raises(SystemExit, match=r"K is 2 there, got 3"):
        run(monkeypatch, "evaluate", str(out), "--K", "3")


def test_errors_are_one_line(monkeypatch):
    with pytest.raises(SystemExit, match="--leader and --networks are for"):
        run(monkeypatch, "train", "ppo", "--leader", "ppo")
    with pytest.raises(SystemExit, match="followers must be left out"):
        run(monkeypatch, "train", "both", "--followers", "noisy")


def test_what_best_responders_gain_is_shown(monkeypatch, capsys):
    monkeypatch.setattr(exploitability, "FRESH_ROUNDS", 6_400)
    task = Task("paper", {"followers": "noisy", "capacity": 150.0, "max_cycles": 5})
    fresh = short("ppo", task, 200)
    monkeypatch.setattr(exploitability.PPO_MLP.__class__, "recipe", lambda self, task: fresh)
    show_exploit(constant(8.0, task), followers.Noisy(), task, seed=0)
    printed = capsys.readouterr().out
    assert "gain of a best responder" in printed
    [leader] = [line for line in printed.splitlines() if "leader" in line]
    [follower] = [line for line in printed.splitlines() if "a follower" in line]
    assert "±" in leader
    assert "±" in follower


# The table


DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_rows_kept_in_the_docs_are_of_these_cases():
    rows = pd.read_csv(DOCS / "both-sides" / "both.csv")
    assert set(rows["market"]) <= {case.name for case in both_table.CASES}


def test_what_was_trained_is_not_trained_again(monkeypatch, tmp_path):
    task = Task("paper", {"satisfaction": ["200", "300"], "max_cycles": 10})
    monkeypatch.setattr(both_table, "CASES", (Case("here", task),))
    monkeypatch.setattr(both_table, "GAMES", 4)
    monkeypatch.setattr(
        both_table,
        "leader_recipe",
        lambda *words: dataclasses.replace(leader_recipe(*words), rounds=3000),
    )
    out = tmp_path / "both.csv"
    both_table.both_table(out, seeds=1)
    rows = pd.read_csv(out)
    assert list(rows["gradient"]) == ["ppo", "pathwise"]
    assert ((rows["share"] > 0) & (rows["share"] <= 1)).all()
    assert ((rows["control"] > 0) & (rows["control"] <= 1)).all()
    assert (rows["gap"] > 0).all()
    assert (rows["worst_gap"] > rows["gap"]).all()
    monkeypatch.setattr(both_table, "train", lambda *_: pytest.fail("trained again"))
    both_table.both_table(out, seeds=1)
    assert len(pd.read_csv(out)) == 2
