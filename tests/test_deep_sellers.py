"""Sellers that learn by deep RL on continuous prices, many sessions as one batch of networks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from aigc_market import competition
from baselines.arena.competition import CompetitionEnv, play
from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.methods.sellers import deep_policies, deep_sessions
from baselines.methods.sellers.deep_actors import Chain
from baselines.methods.sellers.deep_memory import Batch, Draws, Memory
from baselines.methods.sellers.deep_networks import Networks, clipped, drawn
from baselines.methods.sellers.deep_policies import new_learner
from baselines.methods.sellers.deep_recipe import DeepRecipe
from baselines.methods.sellers.deep_sessions import Sessions, reward_scale
from baselines.runs import policy_files

CALVANO = Task("calvano", game="competition")
LEARNERS = ("sac", "td3", "diffusion_td3", "ppo")
SMALL = DeepRecipe(
    periods=48,
    warm_up=8,
    batch_size=8,
    buffer_size=32,
    actor_width=8,
    critic_width=8,
    n_steps=16,
    n_epochs=2,
    clip=0.5,
)


def small(**given):
    return dataclasses.replace(SMALL, **given)


def trained(recipe=SMALL, task=CALVANO, sessions=2, seed=3, **given):
    made = Sessions(task, recipe, sessions, seed, **given)
    made.run()
    return made


@pytest.fixture(scope="module")
def policies():
    return trained().policies()


# What one batch computes.


@pytest.mark.parametrize(
    ("learner", "objective"),
    [*((learner, "average") for learner in LEARNERS), ("sac", "discounted"), ("ppo", "discounted")],
)
def test_sessions_side_by_side_are_as_each_alone(learner, objective):
    recipe = small(learner=learner, objective=objective)
    both = trained(recipe)
    last = np.random.default_rng(0).uniform(*both.prices, (2, 5, 2))
    for i in range(2):
        alone = trained(recipe, sessions=1, seed=3 + i)
        np.testing.assert_allclose(
            both.curve().prices[:, i], alone.curve().prices[:, 0], rtol=0, atol=1e-5
        )
        for seat in range(2):
            there = both.policies().mean(seat, last)[i]
            here = alone.policies().mean(seat, last[i : i + 1])[0]
            np.testing.assert_allclose(there, here, rtol=0, atol=1e-5)


def test_sessions_of_other_seeds_differ():
    prices = trained().curve().prices
    assert np.abs(prices[:, 0] - prices[:, 1]).max() > 0.01


@pytest.mark.parametrize("objective", ["average", "discounted"])
def test_learning_moves_what_every_learner_has_learned(objective):
    for learner in LEARNERS:
        made = Sessions(CALVANO, small(learner=learner, objective=objective), 1, 0)
        before = {name: value.clone() for name, value in made.learner.state_dict().items()}
        made.run()
        for name, value in made.learner.state_dict().items():
            moves = name != "rho" or objective == "average"
            assert torch.equal(value, before[name]) != moves, (learner, name)


def test_a_gradient_is_clipped_by_seller():
    torch.manual_seed(0)
    gradients = [torch.randn(6, 3, 4), torch.randn(6, 1, 4)]  # two networks of three sellers each
    gradients[0][1] *= 100.0
    gradients[0][2], gradients[1][2], gradients[0][5], gradients[1][5] = (torch.zeros(()),) * 4
    gradients[1][2] = 0.01
    ours = clipped(gradients, 3, 2.0)
    for seller in range(3):
        parts = [torch.zeros(2, *gradient.shape[1:]) for gradient in gradients]
        for part, gradient in zip(parts, gradients, strict=True):
            part.requires_grad_()
            part.grad = gradient[[seller, seller + 3]].clone()
        torch.nn.utils.clip_grad_norm_(parts, 2.0)
        for our, part in zip(ours, parts, strict=True):
            torch.testing.assert_close(our[[seller, seller + 3]], part.grad, rtol=1e-5, atol=1e-6)


def test_networks_begin_orthogonal_with_an_even_last_layer():
    rngs = [np.random.default_rng(i) for i in range(2)]
    networks = drawn(rngs, 3, [2, 16, 16, 1], last=0.1, bias=2.0)
    wide, square, last = networks.weights
    eye = torch.eye(16).expand(6, 16, 16)
    torch.testing.assert_close(square @ square.mT, eye, rtol=0, atol=1e-5)
    torch.testing.assert_close(wide @ wide.mT, eye[:, :2, :2], rtol=0, atol=1e-5)
    assert 0.05 < last.abs().max() <= 0.1
    assert [bias.unique().tolist() for bias in networks.biases] == [[0.0], [0.0], [2.0]]


# Targets, by hand.


def by_hand(networks: Networks, g: int, rows: np.ndarray) -> np.ndarray:
    x = rows
    for i in range(3):
        x = x @ networks.weights[i][g].detach().numpy().astype(float)
        x = x + networks.biases[i][g, 0].detach().numpy()
        x = np.where(x > 0, x, 0.2 * x) if i < 2 else x
    return x[:, 0]


def batch_of(G: int, n: int) -> Batch:
    rng = np.random.default_rng(7)
    shapes = (G, n, 2), (G, n, 1), (G, n, 1), (G, n, 2)
    return Batch(*(torch.as_tensor(rng.uniform(-1, 1, s), dtype=torch.float32) for s in shapes))


@pytest.mark.parametrize("critic_value", ["mean", "min"])
@pytest.mark.parametrize("objective", ["average", "discounted"])
def test_the_targets_of_sac(objective, critic_value):
    recipe = small(objective=objective, critic_value=critic_value, gamma=0.9)
    sac = new_learner(recipe, [5], 2, 2)
    sac.rho[:] = torch.tensor([0.3, -0.2])
    with torch.no_grad():
        sac.log_alpha[:] = torch.tensor([-1.0, -2.0])
        for weight in sac.target_critics.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.manual_seed(1)))
    batch, noise = batch_of(2, 4), torch.randn(2, 4, 1, generator=torch.manual_seed(2))
    target, change = sac.targets(batch, noise)
    value = np.mean if critic_value == "mean" else np.min
    for g in range(2):
        numbers = Batch(*(part[g].numpy().astype(float) for part in batch))
        heads = sac.actor.networks(batch.after)[g].detach().numpy().astype(float)
        mean, std = heads[:, 0], np.exp(heads[:, 1])
        raw = mean + std * noise[g, :, 0].numpy()
        density = np.exp(-(((raw - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))
        log_prob = np.log(density / (1 - np.tanh(raw) ** 2))

        def q(states, positions, g=g):
            rows = np.column_stack([states, positions])
            return value([by_hand(sac.target_critics, g + 2 * c, rows) for c in range(2)], axis=0)

        following = q(numbers.after, np.tanh(raw))
        rewards, alpha = numbers.rewards[:, 0], np.exp([-1.0, -2.0][g])
        if objective == "average":
            baseline = q(np.zeros((1, 2)), np.zeros((1, 1)))
            wanted = rewards - [0.3, -0.2][g] + following - baseline - alpha * log_prob
        else:
            wanted = rewards + 0.9 * (following - alpha * log_prob)
        np.testing.assert_allclose(target[g, :, 0], wanted, atol=2e-5)
        now = q(numbers.states, numbers.positions)
        np.testing.assert_allclose(change[g, :, 0], following - now, atol=2e-5)


def test_the_average_reward_moves_a_hundredth_of_the_way():
    sac = new_learner(small(objective="average"), [5], 2, 2)
    sac.rho[:] = torch.tensor([0.3, -0.2])
    batch = batch_of(2, 8)
    noise = {name: torch.zeros(2, 8, 1) for name in ("next", "own")}
    _, change = sac.targets(batch, noise["next"])
    log_prob = sac.actor.with_log_prob(batch.states, noise["own"])[1].detach()
    sac.step(batch, noise, 0)
    alpha = sac.log_alpha.detach().exp()[:, None, None]  # after its step, as published
    seen = (batch.rewards - alpha * log_prob + change).mean(dim=(1, 2))
    wanted = 0.99 * torch.tensor([0.3, -0.2]) + 0.01 * seen
    torch.testing.assert_close(sac.rho, wanted, rtol=0, atol=1e-6)


def test_td3_smooths_its_targets_and_moves_its_actor_every_other_time():
    td3 = new_learner(small(learner="td3"), [5], 2, 2)
    batch = batch_of(2, 8)
    noise = torch.full((2, 8, 1), 9.0)
    positions, bonus = td3.following(batch.after, noise)
    torch.testing.assert_close(positions, (td3.target_actor(batch.after) + 0.5).clamp(-1, 1))
    assert bonus == 0
    before = [weight.clone() for weight in td3.actor.parameters()]
    td3.improve(batch, noise, update=1)
    assert all(map(torch.equal, before, td3.actor.parameters()))
    td3.improve(batch, noise, update=2)
    assert not any(map(torch.equal, before, td3.actor.parameters()))


def test_the_chain_is_the_posterior_of_ho_et_al():
    T, rng = 5, np.random.default_rng(0)
    networks = drawn([rng], 2, [1 + 2 + T, 8, 8, 1], last=1.0)
    states = torch.as_tensor(rng.uniform(-1, 1, (2, 3, 2)), dtype=torch.float32)
    noise = torch.as_tensor(rng.standard_normal((2, 3, T)), dtype=torch.float32)
    ours = Chain(networks, T)(states, noise).detach().numpy()
    t = np.arange(1, T + 1)
    beta = 1 - np.exp(-0.1 / T - 9.9 * (2 * t - 1) / (2 * T**2))
    bar = np.concatenate([[1.0], np.cumprod(1 - beta)])
    for g in range(2):
        x = noise[g, :, 0].numpy().astype(float)
        for step in range(T, 0, -1):
            one = np.tile(np.eye(T)[step - 1], (3, 1))
            epsilon = by_hand(networks, g, np.column_stack([x, states[g].numpy(), one]))
            b, now, before = beta[step - 1], bar[step], bar[step - 1]
            start = np.clip((x - np.sqrt(1 - now) * epsilon) / np.sqrt(now), -1, 1)
            x = (np.sqrt(before) * b * start + np.sqrt(1 - b) * (1 - before) * x) / (1 - now)
            if step > 1:
                std = np.sqrt((1 - before) / (1 - now) * b)
                x = x + std * noise[g, :, T - step + 1].numpy()
        np.testing.assert_allclose(ours[g, :, 0], np.clip(x, -1, 1), atol=2e-5)


@pytest.mark.parametrize("objective", ["average", "discounted"])
def test_the_advantages_of_ppo(objective):
    ppo = new_learner(small(learner="ppo", objective=objective, gamma=0.9), [5], 2, 2)
    ppo.rho[:] = torch.tensor([0.3, -0.2])
    rng = np.random.default_rng(1)
    rewards, values = rng.standard_normal((2, 6)), rng.standard_normal((2, 7))
    tensors = (torch.as_tensor(part, dtype=torch.float32)[..., None] for part in (rewards, values))
    ours = ppo.advantages(*tensors)[..., 0]
    gamma, rho = (1.0, [0.3, -0.2]) if objective == "average" else (0.9, [0.0, 0.0])
    for g in range(2):
        after = 0.0
        for t in reversed(range(6)):
            error = rewards[g, t] - rho[g] + gamma * values[g, t + 1] - values[g, t]
            after = error + gamma * 0.95 * after
            assert float(ours[g, t]) == pytest.approx(after, abs=1e-5)


# What sellers see and remember.


def test_a_seller_sees_its_own_price_first_and_the_round_before_the_first_as_zeros():
    memory = Memory(3, 2, 3, (0, 2), blind=False)
    played = torch.arange(30.0).view(5, 2, 3)
    assert memory.last(0).tolist() == [[0.0] * 3] * 2
    for t in range(5):
        memory.keep(t, played[t], -played[t])
    seen = memory.seen(torch.full((4, 1), 5))[:, 0]
    assert seen.tolist() == [[24, 25, 26], [26, 24, 25], [27, 28, 29], [29, 27, 28]]
    batch = memory.batch(torch.tensor([[3, 4]] * 4))
    assert batch.states[1].tolist() == [[14, 12, 13], [20, 18, 19]]
    assert batch.after[1].tolist() == [[20, 18, 19], [26, 24, 25]]
    assert batch.positions[1].tolist() == [[20], [26]]
    assert batch.rewards[1].tolist() == [[-20], [-26]]


def test_only_known_periods_are_drawn():
    memory = Memory(4, 1, 2, (0, 1), blind=False)
    for t in range(11):
        memory.keep(t, torch.full((1, 2), float(t)), torch.zeros(1, 2))
    uniform = torch.linspace(0, 1, 1001)[:-1].expand(2, -1)
    batch = memory.drawn(10, 0, uniform)
    assert batch.positions.unique().tolist() == [7, 8, 9, 10]
    assert torch.equal(batch.states[..., :1], batch.positions - 1)
    assert memory.drawn(10, 9, uniform).positions.unique().tolist() == [9, 10]


def test_without_memory_sellers_post_one_price():
    last = np.random.default_rng(0).uniform(1.45, 1.95, (2, 50, 2))
    for memory, spread in ((False, 0.0), (True, 1e-4)):
        found = trained(small(memory=memory)).policies().mean(0, last)
        assert (np.ptp(found, axis=1) > spread).all() == memory


def test_numbers_drawn_depend_on_session_and_period_alone():
    shapes = {"act": (1, 5)}, {"periods": (3,)}
    both, second = Draws([4, 5], 2, *shapes), Draws([5], 2, *shapes)
    assert both.at(70)["act"].shape == (4, 1, 5)
    for name in ("act", "periods"):
        for t in (70, 3, 64):
            assert torch.equal(both.at(t)[name][2:], second.at(t)[name])
        assert not torch.equal(both.at(1)[name], both.at(2)[name])


def test_the_random_periods_are_learned_from_or_not():
    recipe = small(periods=20, warm_up=16, batch_size=8)
    untouched = Sessions(CALVANO, recipe, 1, 0).learner.critics.weights[0].clone()
    learned, not_yet = (
        trained(dataclasses.replace(recipe, remember_warm_up=kept), sessions=1, seed=0)
        for kept in (True, False)
    )
    assert not torch.equal(learned.learner.critics.weights[0], untouched)
    assert torch.equal(not_yet.learner.critics.weights[0], untouched)


def test_rewards_are_minus_one_at_nash_and_one_at_the_cartel():
    low, gain = reward_scale(CALVANO)
    np.testing.assert_allclose(low, 0.222927, atol=1e-6)
    assert gain == pytest.approx(0.337490 - 0.222927, abs=2e-6)
    made = Sessions(CALVANO, SMALL, 2, 0)
    made.run(until=1)
    prices, utility = made.sums.numpy()[:, 0]
    answer = competition.respond(made._env.market, prices)
    paid = competition.settle(made._env.market, prices, answer.shares, answer.steps).asp_utility
    np.testing.assert_allclose(utility, paid, rtol=1e-6)
    wanted = 2 * (paid - low) / gain - 1
    np.testing.assert_allclose(made.memory.rewards[0], wanted, atol=1e-5)
    positions = 2 * (prices - made.prices[0]) / (made.prices[1] - made.prices[0]) - 1
    np.testing.assert_allclose(made.memory.positions[0], positions, atol=1e-6)


# Going on, and files.


class KilledError(Exception):
    pass


@pytest.mark.parametrize(
    ("learner", "scenario"), [(name, "calvano") for name in LEARNERS] + [("sac", "road")]
)
def test_a_killed_training_goes_on_to_the_same_result(learner, scenario, tmp_path, monkeypatch):
    monkeypatch.setattr(deep_sessions, "EPISODE", 10)
    monkeypatch.setattr(deep_sessions, "EVERY", 20)
    task, recipe = Task(scenario, game="competition"), small(learner=learner)
    whole = trained(recipe, task)
    kept = tmp_path / "checkpoint.safetensors"

    def killing(done, total, row):
        assert (done, total, list(row)) == (20, 48, ["utility"])
        raise KilledError

    with pytest.raises(KilledError):
        Sessions(task, recipe, 2, 3).run(kept, killing)
    again = Sessions(task, recipe, 2, 3)
    done = []
    again.run(kept, lambda *row: done.append(row[0]))
    assert done == [40]  # it did not begin anew
    assert not kept.exists()
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=1e-6, msg=name)


def test_the_checkpoint_of_another_training_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(deep_sessions, "EPISODE", 10)
    monkeypatch.setattr(deep_sessions, "EVERY", 20)
    kept = tmp_path / "checkpoint.safetensors"
    Sessions(CALVANO, SMALL, 2, 3).run(kept, until=20)
    with pytest.warns(UserWarning, match="another training"):
        Sessions(CALVANO, SMALL, 2, 4).run(kept, until=1)


def test_kept_sellers_post_the_same_prices(policies, tmp_path):
    path = tmp_path / "sellers.safetensors"
    last = np.random.default_rng(0).uniform(*policies.prices, (2, 5, 2))
    for learner in LEARNERS:
        found = policies if learner == "sac" else trained(small(learner=learner)).policies()
        found.save(path)
        back = deep_policies.load(path)
        assert (back.task, back.recipe, back.prices) == (found.task, found.recipe, found.prices)
        assert back.digest() == found.digest()
        for seat in range(2):
            assert np.array_equal(back.mean(seat, last), found.mean(seat, last))
            drawn_prices = [
                one.sample(seat, last, np.random.default_rng(1)) for one in (found, back)
            ]
            assert np.array_equal(*drawn_prices)
            assert not np.array_equal(drawn_prices[0], found.mean(seat, last))
            assert (drawn_prices[0] >= found.prices[0]).all()
            assert (drawn_prices[0] <= found.prices[1]).all()


def test_a_file_of_another_kind_is_refused(policies, tmp_path):
    path = tmp_path / "other.safetensors"
    policies.save(path)
    config, weights = policy_files.read(path)
    for name, value in (("recipe", {"learner": "dqn"}), ("sessions", 3), ("seats", [0])):
        policy_files.write(path, weights, {**config, name: value})
        with pytest.raises(ValueError, match="must be of sellers that have learned"):
            deep_policies.load(path)


def test_some_of_the_sellers(policies):
    last = np.random.default_rng(0).uniform(*policies.prices, (2, 5, 2))
    some = policies.some([1, 0, 1], [1])
    found = some.mean(1, last[[1, 0, 1]])
    np.testing.assert_allclose(found, policies.mean(1, last)[[1, 0, 1]], atol=1e-6)
    with pytest.raises(ValueError, match=r"seat must be one of \[1\], got 0"):
        some.mean(0, last)
    with pytest.raises(ValueError, match=r"seat must be one of \[0, 1\], got 2"):
        policies.some(seats=[2])


def test_a_seller_plays_in_the_arena(policies):
    env = CompetitionEnv(CALVANO, 3, max_cycles=4)
    methods = [policies.player(1, seat)(3) for seat in range(2)]
    rounds = play(methods, env, demonstration_seed(0))
    last = np.full((2, 1, 2), sum(policies.prices) / 2)
    for t in range(4):
        last = np.stack([policies.mean(seat, last) for seat in range(2)], axis=-1)
        np.testing.assert_allclose(rounds.prices[t], np.tile(last[1], (3, 1)), atol=1e-5)


# Rivals who are frozen, and sellers who learn on.


def constant(price: float, sessions: int):
    """Sellers who post one price whatever they see."""
    recipe = DeepRecipe(learner="td3", periods=1, actor_width=1, critic_width=1)
    found = Sessions(CALVANO, recipe, sessions, 0).policies()
    low, high = found.prices
    with torch.no_grad():
        for weight in found.learner.actor.parameters():
            weight.zero_()
        found.learner.actor.networks.biases[-1].fill_(
            np.arctanh(2 * (price - low) / (high - low) - 1)
        )
    return found


@pytest.mark.parametrize(
    ("learner", "objective", "periods", "rate"),
    [
        ("sac", "average", 220, 3e-3),
        ("sac", "discounted", 220, 3e-3),
        ("td3", "discounted", 350, 3e-3),
        ("diffusion_td3", "discounted", 400, 2e-3),
        ("ppo", "discounted", 700, 3e-3),
    ],
)
def test_beside_one_price_the_best_reply_is_found(learner, objective, periods, rate):
    recipe = DeepRecipe(
        learner=learner,
        objective=objective,
        gamma=0.0,
        periods=periods,
        warm_up=100,
        actor_rate=rate,
        critic_rate=3e-3,
        batch_size=32,
        actor_width=16,
        critic_width=16,
        denoising_steps=2,
        n_steps=50,
    )
    made = trained(recipe, seed=0, frozen={1: constant(1.9, 2)})
    np.testing.assert_allclose(made.curve().prices[..., 1], 1.9, atol=1e-5)
    market, found = CALVANO.settings().market, made.policies()
    assert found.seats == (0,)
    own = found.mean(0, np.full((2, 1, 2), 1.9))[:, 0]
    prices = np.column_stack([own, np.full(2, 1.9)])
    answer = competition.respond(market, prices)
    earned = competition.settle(market, prices, answer.shares, answer.steps).asp_utility[:, 0]
    best = competition.best_deviation(market, 0, np.array([1.9, 1.9]))
    assert (earned > 0.97 * best.utility).all()


def test_learning_goes_on_from_what_was_learned(policies):
    recipe = small(warm_up=0)
    made = Sessions(CALVANO, recipe, 2, 9, frozen={1: policies}, learned=policies)
    last = np.random.default_rng(0).uniform(*policies.prices, (2, 5, 2))
    np.testing.assert_allclose(made.policies().mean(0, last), policies.mean(0, last), atol=1e-6)
    critics = made.learner.critics.weights[1].detach()
    assert torch.equal(critics, policies.learner.critics.weights[1].detach()[::2])
    anew = Sessions(CALVANO, recipe, 2, 9, frozen={1: policies})
    assert made.of != anew.of
    with pytest.raises(ValueError, match="actor_width must be 8 as learned, got 16"):
        Sessions(CALVANO, small(actor_width=16), 2, 9, learned=policies)


# Bad input.


def test_a_task_or_policies_that_do_not_fit_are_named(policies):
    three = Task("calvano", {"M": 3}, game="competition")
    cheap = Task("calvano", {"max_price": 1.9}, game="competition")
    with pytest.raises(ValueError, match="task must be of several providers, got 'paper'"):
        Sessions(Task("paper"), SMALL, 2, 0)
    with pytest.raises(ValueError, match="M is 2 there, got 3 in 'calvano-M3'"):
        Sessions(three, SMALL, 2, 0, frozen={1: policies})
    with pytest.raises(ValueError, match=r"prices are from 1\.42772 to 1\.97019 there"):
        policies.check(cheap)
    with pytest.raises(ValueError, match="policies must be of 3 sessions, got those of 2"):
        Sessions(CALVANO, SMALL, 3, 0, frozen={1: policies})
    with pytest.raises(ValueError, match="sessions must be a whole number of at least 1, got 0"):
        Sessions(CALVANO, SMALL, 0, 0)
