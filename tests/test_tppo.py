"""TPPO for hidden markets: one network, three ways to run it, three ways to train it."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from aigc_market import game
from aigc_market.envs.settings import Settings
from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.scenarios import SCENARIOS
from baselines.arena.protocol import History, PublicParameters
from baselines.arena.rollout import play as play_in_env
from baselines.arena.task import Task
from baselines.methods.filter import files, fit, pathwise, training, windows
from baselines.methods.filter import ppo as causal
from baselines.methods.filter.leader import Leader
from baselines.methods.filter.memory import Seen
from baselines.methods.filter.network import MarketTransformer, Shape
from baselines.methods.filter.simulator import Rules, draw, play
from baselines.methods.sb3.rivals import Lanes
from baselines.runs.checkpoint import Checkpoint

VMU = Shape(band=4)
ROUND = Shape(tokens="round", slots=3, band=4)
PLAIN = Shape(belief=False, band=4)


def make(shape: Shape, seed: int = 0, **given) -> MarketTransformer:
    """A network with random weights, far from its careful beginning."""
    torch.manual_seed(seed)
    network = MarketTransformer(PublicParameters(**given), shape)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network.eval()


def some_rounds(B=5, T=9, K=3, seed=0):
    """Prices, purchases and who is there (one row more), with comings and goings."""
    torch.manual_seed(seed)
    active = (torch.rand(B, T + 1, K) < 0.6).float()
    steps = (10 + 240 * torch.rand(B, T, K)) * active[:, :T]
    return 1 + 19 * torch.rand(B, T), steps, active


def step_by_step(network, price, steps, active):
    cache, output = network.start(active[:, 0])
    seen, outputs = [cache.memory.seen], [output]
    for t in range(price.shape[1]):
        outputs.append(network.step(cache, price[:, t], steps[:, t], active[:, t + 1]))
        seen.append(cache.memory.seen)
    stacked = Seen(*(torch.stack(parts, 1) for parts in zip(*seen, strict=True)))
    return torch.stack([o.action for o in outputs], 1), [o.value for o in outputs], stacked


def padded(price, steps, active, rows):
    """The same rounds behind rows of padding, as observations have them."""
    pad = (rows, 0)
    first = active[:, :1].expand(-1, rows, -1)
    return (
        torch.nn.functional.pad(price, pad, value=1.0),
        torch.nn.functional.pad(steps, (0, 0, *pad)),
        torch.cat([first, active[:, 1:]], dim=1),
    )


@pytest.mark.parametrize("shape", [VMU, ROUND, PLAIN], ids=["vmu", "round", "no filter"])
@torch.no_grad()
def test_a_step_an_episode_and_a_window_decide_alike(shape):
    network, rounds = make(shape), some_rounds()
    actions, values, seen = step_by_step(network, *rounds)
    episode = network.episode(seen)
    torch.testing.assert_close(episode.action, actions, atol=1e-5, rtol=0)
    torch.testing.assert_close(episode.value, torch.stack(values, 1), atol=1e-5, rtol=1e-5)
    assert actions.std() > 0.01
    for rows in (0, 3):
        window = network.window(*padded(*rounds, rows))
        torch.testing.assert_close(window.action, actions[:, -1], atol=1e-5, rtol=0)
        torch.testing.assert_close(window.value, values[-1], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_window_trainer_and_the_causal_trainer_decide_alike():
    # The same weights and the same history: through SB3's policy, in the units that it observes.
    network = make(Shape(), K=10)
    lanes = Lanes(4, Task("crowd"), history=12)
    policy = windows.make_policy(network, lanes, windows.Recipe(history=12))
    observation, _ = lanes.reset(seed=3)
    rows = observation.reshape(4, 12, -1)
    cache, output = network.start(torch.from_numpy(rows[:, -1, 11:]))
    for _ in range(10):
        action = policy.predict(observation, deterministic=True)[0]
        np.testing.assert_allclose(action[:, 0], output.action, atol=1e-5)
        value = policy.predict_values(torch.from_numpy(observation))[:, 0]
        np.testing.assert_allclose(value, output.value, atol=1e-5)
        observation = lanes.step(action)[0]
        last = torch.from_numpy(observation.reshape(4, 12, -1)[:, -1])
        price, steps = network.price(last[:, 0]), last[:, 1:11] * network.steps_unit
        output = network.step(cache, price, steps, last[:, 11:])


@torch.no_grad()
def test_a_leader_that_was_trained_on_windows_plays_on_windows(tmp_path):
    # Beyond its window too: as SB3's policy does in the environment that it was trained in.
    network, recipe = make(Shape(), K=10), windows.Recipe(history=4)
    path = tmp_path / "leader.safetensors"
    files.save(path, network, {"method": "tppo", "recipe": dataclasses.asdict(recipe)})
    leader = files.load(path).method(3)
    lanes = Lanes(3, Task("crowd"), history=4)
    policy = windows.make_policy(network, lanes, recipe)
    observation, _ = lanes.reset(seed=3)
    prices, steps = np.empty((3, 0)), np.empty((3, 0, 10))
    for _ in range(9):
        active = observation.reshape(3, 4, -1)[:, -1, 11:] > 0.5
        price = leader.act(History(prices, steps, active))
        action = policy.predict(observation, deterministic=True)[0]
        np.testing.assert_allclose(price, lanes.units.price(action[:, 0]), rtol=1e-4)
        observation = lanes.step(action)[0]
        row = observation.reshape(3, 4, -1)[:, -1]
        prices, steps = price[:, None], (row[:, 1:11] * network.steps_unit)[:, None]


@pytest.mark.parametrize("shape", [VMU, ROUND], ids=["vmu", "round"])
@torch.no_grad()
def test_no_decision_sees_its_future(shape):
    network = make(shape)
    price, steps, active = some_rounds()
    *_, seen = step_by_step(network, price, steps, active)
    before = network.episode(seen).action
    changed = Seen(*(part.clone() for part in seen))
    for part in changed:
        part[:, 6:] += 0.3
    after = network.episode(changed).action
    torch.testing.assert_close(after[:, :6], before[:, :6], atol=1e-6, rtol=0)
    assert (after[:, 6:] != before[:, 6:]).any()


@torch.no_grad()
def test_the_order_of_vmus_does_not_matter():
    network = make(VMU)
    price, steps, active = some_rounds(K=6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    actions, *_ = step_by_step(network, price, steps, active)
    permuted, *_ = step_by_step(network, price, steps[..., order], active[..., order])
    torch.testing.assert_close(permuted, actions, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_policy_plays_any_number_of_vmus():
    # Slots that stay empty say nothing but how full the market is.
    network = make(VMU)
    for K in (1, 4, 40):
        actions, *_ = step_by_step(network, *some_rounds(K=K))
        assert actions.isfinite().all()
        assert (actions.abs() <= 1).all()
    played = play_in_env(Leader(network, 8), Task("crowd", {"K": 40, "max_cycles": 5}), 8, seed=0)
    assert ((played.price >= 1) & (played.price <= 20)).all()


@torch.no_grad()
def test_prices_take_turns_and_move_less_and_less():
    # Before training, and followers on a line: above and below by turns, or its slope is not told.
    network = MarketTransformer(PublicParameters())
    network.jump[1] = network.belief.log_wander[...] = -9.0
    network.belief.logit_hazard.fill_(-99.0)
    cache, output = network.start(torch.ones(1, 2))
    prices = []
    for _ in range(40):
        price = network.price(output.action)
        prices.append(price.item())
        steps = (200 - 10 * price)[:, None].expand(1, 2)
        output = network.step(cache, price, steps, torch.ones(1, 2))
    moves = np.diff(prices)
    assert (moves[20::2] > 0).all() != (moves[21::2] > 0).all()
    assert np.abs(moves[-5:]).max() < np.abs(moves[:5]).max() / 2
    assert np.mean(prices[-10:]) == pytest.approx(10.5, abs=0.3)  # (200/10 + 1)/2


@pytest.mark.parametrize("scenario", ["hidden", "drift", "crowd", "capacity"])
def test_the_simulator_plays_by_the_rules(scenario):
    settings = Settings.make(scenario, max_cycles=6)
    paths = draw(settings, 16, np.random.default_rng(0), solved=True)
    exact = paths._replace(noise=torch.ones_like(paths.noise))
    rules, price = Rules(exact, Task(scenario).public()), torch.linspace(2, 18, 16)
    for t in range(6):
        delivered, utility = rules.buy(t, price)
        market = dataclasses.replace(
            settings.market,
            satisfaction=paths.satisfaction[t],
            ssim=dataclasses.replace(
                settings.market.ssim, alpha=paths.alpha[t], beta=paths.beta[t]
            ),
            capacity=None if paths.capacity is None else paths.capacity[t],
            active=paths.active[t] > 0.5,
        )
        torch.testing.assert_close(utility, game.leader_utility(market, price))
        torch.testing.assert_close(utility, game.asp_utility(price, 1.0, delivered.sum(-1)))
        assert (utility <= paths.best[t] * (1 + 1e-5)).all()


def test_the_gradient_goes_through_the_history():
    # Before training the price is the guess: all that later rounds know comes by the filter.
    settings = Settings.make("hidden", max_cycles=6)
    paths = draw(settings, 64, np.random.default_rng(1))
    paths = type(paths)(*(None if part is None else part.double() for part in paths))
    torch.manual_seed(0)
    network = MarketTransformer(Task("hidden").public()).double()
    with torch.no_grad():
        network.jump[1] = -9.0

    def slope(parameter, into_history):
        network.zero_grad()
        play(network, paths, into_history)[1].mean().backward()
        return parameter.grad.flatten()[0].item()

    for parameter in (network.dispersion, network.belief.log_sigma):
        values = []
        for sign in (1e-5, -2e-5):
            with torch.no_grad():
                parameter.view(-1)[0] += sign
                values.append(play(network, paths)[1].mean().item())
        with torch.no_grad():
            parameter.view(-1)[0] += 1e-5
        true = (values[0] - values[1]) / 2e-5
        assert slope(parameter, lambda fact: fact) == pytest.approx(true, rel=0.02)
        assert slope(parameter, lambda fact: fact.detach()) != pytest.approx(true, rel=0.1)


def share(network, scenario, lanes=100):
    played = play_in_env(Leader(network, lanes), Task(scenario), lanes, seed=10**6)
    return 1 - played.regret.sum() / played.equilibrium_utility.sum()


FEW = fit.Recipe(updates=2, lanes=8)
TINY = {
    "tppo": windows.Recipe(history=3, rounds=400, lanes=8, batch_size=100, n_epochs=1),
    "filter_ppo": causal.Recipe(updates=3, lanes=8, epochs=1, minibatches=2),
    "filter_pathwise": pathwise.Recipe(updates=3, lanes=4, trial=4),
}


def test_episodes_of_a_measured_table_can_be_learned(tmp_path):
    path = tmp_path / "live.safetensors"
    network = training.train(
        "filter_ppo", Task("live"), 0, path, recipe=TINY["filter_ppo"], fitting=FEW
    )
    assert files.load(path).record["task"]["scenario"] == "live"
    assert 0 < share(network, "live", lanes=4) <= 1


@pytest.mark.parametrize("kind", training.KINDS)
def test_training_is_reproducible_and_ends_in_a_file(kind, tmp_path):
    policies = []
    for name in "ab":
        path = tmp_path / f"{name}.safetensors"
        training.train(kind, Task("hidden"), 5, path, recipe=TINY.get(kind), fitting=FEW)
        policies.append(files.load(path))
    first, second = (policy.network.state_dict() for policy in policies)
    fresh = MarketTransformer(Task("hidden").public()).state_dict()
    for name in first:
        torch.testing.assert_close(first[name], second[name], atol=0, rtol=0)
    filtered, trained = kind != "tppo", kind != "filter"
    for name in ["belief.log_sigma"] * filtered + ["head.weight"] * trained:
        assert (first[name] != fresh[name]).any()
    record = policies[0].record
    assert (record["method"], record["task"]["scenario"], record["seed"]) == (kind, "hidden", 5)
    assert record["rounds"] > 0
    assert record["seconds"] > 0
    kept = {path.name for path in tmp_path.iterdir()}
    of_filter = {"hidden-fit-seed5.safetensors"} if filtered else set()
    assert kept == {"a.safetensors", "b.safetensors", *of_filter}


def test_pathwise_training_finds_a_better_leader():
    torch.manual_seed(0)
    network = MarketTransformer(Task("hidden").public())
    env = PricingVectorEnv(32, scenario="hidden", history=1)
    fit.fit(network.belief, env, fit.Recipe(updates=8, lanes=32), seed=0)
    with torch.no_grad():  # far more than is worth learning from
        network.dispersion.copy_(torch.tensor([0.5, 0.0]))
    before = share(network, "hidden")
    settings = Settings.make("hidden")
    recipe = pathwise.Recipe(updates=8, lanes=32, trial=32, learning_rate=4e-3, warmup=2)
    pathwise.train(network, settings, recipe, 0, Checkpoint(), lambda _: None)
    assert share(network, "hidden") > before + 0.01


@pytest.mark.parametrize("kind", ["filter_ppo", "filter_pathwise"])
def test_a_training_that_was_killed_goes_on(kind, tmp_path):
    recipe = TINY[kind]
    whole, path = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    training.train(kind, Task("hidden"), 1, whole, recipe=recipe, fitting=FEW, every=1)

    class KilledError(Exception):
        pass

    def kill(updates):
        if updates == 2:
            raise KilledError

    with pytest.raises(KilledError):
        training.train(
            kind, Task("hidden"), 1, path, recipe=recipe, fitting=FEW, every=1, report=kill
        )
    assert not path.exists()
    done = []
    training.train(
        kind, Task("hidden"), 1, path, recipe=recipe, fitting=FEW, every=1, report=done.append
    )
    assert done == [3]
    a, b = (files.load(p).network.state_dict() for p in (whole, path))
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=0, rtol=0)


def test_a_file_holds_all_that_is_needed(tmp_path):
    path = tmp_path / "leader.safetensors"
    network = make(ROUND, K=3, max_price=15.0)
    files.save(path, network, {"method": "tppo"})
    policy = files.load_policy(path)
    assert policy.record["method"] == "tppo"
    assert policy.network.public.max_price == 15.0
    rounds = some_rounds()
    prices = [step_by_step(leader, *rounds)[0] for leader in (network, policy.network)]
    torch.testing.assert_close(prices[0], prices[1], atol=0, rtol=0)


@pytest.mark.parametrize("scenario", ["hidden", "drift", "shift", "capacity"])
def test_the_leaders_that_come_along_play_well(scenario):
    # A constant price earns .80, .76, .80 and .70.
    assert share(files.load_policy(scenario).network, scenario, lanes=64) > 0.93


def test_bad_files_and_names_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be a file"):
        files.load(tmp_path / "none.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(json.dumps({}).encode())
    with pytest.raises(ValueError, match="path must be a leader's file"):
        files.load(bad)
    with pytest.raises(ValueError, match="name must be a path or one of"):
        files.load_policy("nobody")
    with pytest.raises(ValueError, match="heads must divide width = 30"):
        MarketTransformer(PublicParameters(), Shape(width=30, heads=4))
    with pytest.raises(ValueError, match="slots must be K"):
        MarketTransformer(PublicParameters(), Shape(tokens="round"))
    settings = Settings.make(dataclasses.replace(SCENARIOS["hidden"], vmus="random"))
    with pytest.raises(ValueError, match="vmus must be rational or noisy"):
        draw(settings, 2, np.random.default_rng(0))
    leader = Leader(MarketTransformer(PublicParameters()), 1)
    with pytest.raises(ValueError, match="history must begin"):
        leader.act(History(np.ones((1, 1)), np.ones((1, 1, 2)), np.ones((1, 2), bool)))
