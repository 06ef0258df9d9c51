"""How leaders on the filter are trained: fit, PPO on episodes, and through the rules."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aigc_market import followers, rules, solve
from aigc_market.scenarios import SCENARIOS
from baselines import load_policy
from baselines.arena import policies
from baselines.arena.registry import REGISTRY
from baselines.arena.rollout import play as play_in_arena
from baselines.arena.seeds import validation_seed
from baselines.arena.task import Task
from baselines.methods.filter import fit, pathwise, policy, training
from baselines.methods.filter.fit import FitRecipe
from baselines.methods.filter.leader import Leader
from baselines.methods.filter.network import PricingNetwork, Shape
from baselines.methods.filter.pathwise import PathwiseRecipe
from baselines.methods.filter.ppo import PpoRecipe
from baselines.methods.filter.simulator import Episodes, buy, draw, play
from baselines.methods.filter.training import FILTER, FILTER_PATHWISE, FILTER_PPO, FilterRecipe
from baselines.runs.checkpoint import Checkpoint

SHAPE = Shape(width=8, feedforward=8, band=4, intercepts=6, chokes=8)
SHORT = Task("hidden", {"max_cycles": 8})
FIT = FitRecipe(updates=2, lanes=4)
PPO = PpoRecipe(updates=3, lanes=4, epochs=1, minibatches=2)
PATHWISE = PathwiseRecipe(updates=3, lanes=4)
TRAINERS = {
    entry.name: entry.get_trainer()
    for entry in REGISTRY.values()
    if entry.trainer is not None and ".filter." in entry.trainer
}


def recipe_of(method: str) -> FilterRecipe:
    """The recipe in use, shrunk."""
    recipe = TRAINERS[method].recipe(SHORT)
    of = {PpoRecipe: PPO, PathwiseRecipe: PATHWISE, type(None): None}
    small = {"width": 8, "feedforward": 8, "band": 4, "intercepts": 6, "chokes": 8}
    return FilterRecipe(
        of[type(recipe.improvement)], recipe.fit and FIT, replace(recipe.shape, **small)
    )


def assert_same_weights(one, other):
    first, second = (policy.load(path).state_dict() for path in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("scenario", ["hidden", "drift", "crowd", "capacity"])
def test_the_simulator_plays_by_the_rules(scenario):
    settings = Task(scenario, {"max_cycles": 6}).settings()
    episodes = draw(settings, followers.Noisy(0.3), 16, np.random.default_rng(0))
    price = torch.linspace(2, 18, 16)
    for market, factors in zip(*episodes, strict=True):
        asked, utility = buy(market, factors, price)
        torch.testing.assert_close(utility, rules.leader_utility(market, price))
        assert (utility <= solve(market).asp_utility * (1 + 1e-5)).all()
        rational, _ = buy(market, torch.ones_like(factors), price)
        sold = rational.sum(-1)
        if market.capacity is not None:
            sold = torch.minimum(sold, market.capacity)
        torch.testing.assert_close(utility, rules.asp_utility(price, 1.0, sold))
        # Noise makes nobody buy who declines, and nobody decline who buys.
        assert torch.equal(asked > 0, rational > 0)
        assert not torch.equal(asked, rational)
    if scenario == "capacity":
        assert (asked.sum(-1) > market.capacity).any()  # more is asked for than is delivered


def test_gradients_go_through_the_history_and_through_purchases_of_0():
    # Before training the price is the filter's: all that later rounds know comes by it.
    settings = Task("hidden", {"max_cycles": 6}).settings()
    drawn = draw(settings, followers.Noisy(0.3), 64, np.random.default_rng(1))
    double = torch.empty(0, dtype=torch.float64)
    episodes = Episodes([market.like(double) for market in drawn.markets], drawn.factors.double())
    torch.manual_seed(0)
    network = PricingNetwork(SHORT.public(), SHAPE).double()
    with torch.no_grad():
        network.demand_filter.log_step.fill_(-9.0)  # through common moves gradients do not go on
        prices = play(network, episodes)[0]
        asked = [buy(*of_round)[0] for of_round in zip(*episodes, prices, strict=True)]
    assert (torch.stack(asked) == 0).float().mean() > 0.05

    def slope(parameter, into_history):
        network.zero_grad()
        play(network, episodes, into_history)[1].mean().backward()
        return parameter.grad.flatten()[0].item()

    for parameter in (network.dispersion, network.demand_filter.log_sigma):
        values = []
        for sign in (1e-6, -2e-6):
            with torch.no_grad():
                parameter.view(-1)[0] += sign
                values.append(play(network, episodes)[1].mean().item())
        with torch.no_grad():
            parameter.view(-1)[0] += 1e-6
        true = (values[0] - values[1]) / 2e-6
        assert slope(parameter, lambda fact: fact) == pytest.approx(true, rel=1e-4)
        assert slope(parameter, lambda fact: fact.detach()) != pytest.approx(true, rel=0.01)
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("method", TRAINERS)
def test_training_is_reproducible_and_ends_in_a_file(method, tmp_path):
    trainer, reports = TRAINERS[method], []
    paths = [tmp_path / folder / "leader.safetensors" for folder in "ab"]
    for path in paths:
        trainer.train(SHORT, 5, path, recipe_of(method), lambda *now: reports.append(now))
    assert_same_weights(*paths)
    recipe = recipe_of(method)
    torch.manual_seed(5)
    fresh = PricingNetwork(SHORT.public(), recipe.shape).state_dict()
    weights = policy.load(paths[0]).state_dict()
    if "demand_filter.log_sigma" in fresh:
        same = torch.equal(weights["demand_filter.log_sigma"], fresh["demand_filter.log_sigma"])
        assert same == (recipe.fit is None)
    assert torch.equal(weights["head.weight"], fresh["head.weight"]) == (recipe.improvement is None)
    if recipe.improvement != PPO:
        assert weights["log_std"] == -np.inf  # it plays without noise
    record = load_policy(paths[0]).config
    assert (record["method"], record["task"], record["seed"]) == (method, SHORT.as_json(), 5)
    rounds = [2 if recipe.fit else 0, 3 if recipe.improvement else 0]
    assert record["rounds"] == 8 * 4 * sum(rounds)
    assert record["seconds"] > 0
    assert reports == ([(n, 3, {}) for n in (1, 2, 3)] * 2 if recipe.improvement else [])
    leader, *fits = sorted(paths[0].parent.iterdir(), key=lambda path: "-fit-" in path.name)
    assert leader == paths[0]
    assert len(fits) == (recipe.fit is not None)
    assert all(path.name.startswith("hidden-max_cycles8-fit-seed5-") for path in fits)
    played = play_in_arena(trainer.load(paths[0])(3), SHORT, 3, seed=0)
    assert played.share > 0


def test_an_ablation_differs_in_one_part_from_what_it_is_of():
    task = Task("crowd")
    whole = FILTER_PATHWISE.recipe(task)
    found = {
        entry.name: TRAINERS[entry.name].recipe(task)
        for entry in REGISTRY.values()
        if entry.ablation_of == "filter_pathwise" or entry.name == "pathwise_mlp"
    }
    parts = {
        "pathwise_no_time_attention": replace(whole, shape=replace(Shape(), over_time=False)),
        "pathwise_no_vmu_attention": replace(whole, shape=replace(Shape(), over_vmus=False)),
        "pathwise_mlp": replace(whole, shape=replace(Shape(), over_time=False, over_vmus=False)),
        "pathwise_no_filter": replace(whole, shape=replace(Shape(), filter=False), fit=None),
        "pathwise_flat_prior": replace(whole, fit=None),
        "filter_ppo_equal_rounds": replace(
            whole, improvement=found["filter_ppo_equal_rounds"].improvement
        ),
    }
    assert found == parts
    by_ppo, by_gradient = (
        recipe.improvement.updates * recipe.improvement.lanes
        for recipe in (found["filter_ppo_equal_rounds"], whole)
    )
    assert by_ppo == pytest.approx(by_gradient, rel=0.05)


@pytest.mark.parametrize("pays", [True, False])
def test_noise_stays_where_it_pays(pays, monkeypatch, tmp_path):
    # PPO has learnt with noise: whether it plays with it is decided by what it earns.
    shares = iter((0.5, 0.6 if pays else 0.4))
    monkeypatch.setattr(training, "play", lambda *_: SimpleNamespace(share=next(shares)))
    FILTER_PPO.train(SHORT, 0, tmp_path / "leader.safetensors", recipe_of("filter_ppo"))
    kept = policy.load(tmp_path / "leader.safetensors")
    assert (kept.log_std.item() > -np.inf) == pays


def test_a_fit_is_kept_for_the_trainings_that_share_it(tmp_path, monkeypatch):
    fits = []
    monkeypatch.setattr(fit, "fit", lambda *given: fits.append(given[3]))
    recipe = recipe_of("filter")
    for seed, of_fit in ((1, FIT), (1, FIT), (2, FIT), (1, replace(FIT, updates=3))):
        FILTER.train(SHORT, seed, tmp_path / "leader.safetensors", replace(recipe, fit=of_fit))
    FILTER.train(Task("hidden", {"max_cycles": 9}), 1, tmp_path / "leader.safetensors", recipe)
    assert fits == [1, 2, 1, 1]


class KilledError(Exception):
    pass


@pytest.mark.parametrize("method", ["filter_ppo", "filter_pathwise"])
def test_a_training_that_was_killed_goes_on_and_no_other_does(method, tmp_path):
    trainer, recipe = replace(TRAINERS[method], every=1), recipe_of(method)
    other = replace(recipe, improvement=replace(recipe.improvement, learning_rate=1e-2))
    whole, path = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    trainer.train(SHORT, 1, whole, recipe)

    def kill(updates, *_):
        if updates == 2:
            raise KilledError

    with pytest.raises(KilledError):
        trainer.train(SHORT, 1, path, recipe, kill)
    assert not path.exists()
    [checkpoint] = tmp_path.glob("*.checkpoint")
    kept, warned = checkpoint.read_bytes(), pytest.warns(UserWarning, match="of another training")
    for given, left, told in ((other, [1, 2, 3], warned), (recipe, [3], nullcontext())):
        checkpoint.write_bytes(kept)
        done = []
        with told:
            trainer.train(SHORT, 1, path, given, lambda updates, *_, to=done: to.append(updates))
        assert done == left
    assert_same_weights(whole, path)
    assert not list(tmp_path.glob("*.checkpoint"))


def test_pathwise_training_finds_a_better_leader():
    task = Task("hidden", {"max_cycles": 25})
    torch.manual_seed(0)
    shape = replace(SHAPE, intercepts=12, chokes=24)
    network = PricingNetwork(task.public(), shape)
    env = task.environment(32, history=1, judged=False)
    fit.fit(network.demand_filter, env, FitRecipe(updates=8, lanes=32), seed=0)
    with torch.no_grad():  # far more than is worth learning from
        network.dispersion.copy_(torch.tensor([0.5, 0.0, 0.0]))

    def share():
        return play_in_arena(Leader(network, 200), task, 200, validation_seed(0)).share

    before = share()
    recipe = PathwiseRecipe(updates=8, lanes=32, learning_rate=4e-3, warmup=2)
    pathwise.train(network, task, recipe, 0, Checkpoint(), lambda _: None)
    assert share() > before + 0.01


def test_episodes_of_a_measured_table_can_be_learned(tmp_path):
    task = Task("live", {"max_cycles": 8})
    FILTER_PPO.train(task, 0, tmp_path / "live.safetensors", recipe_of("filter_ppo"))
    played = play_in_arena(FILTER_PPO.load(tmp_path / "live.safetensors")(4), task, 4, seed=0)
    assert np.isfinite(played.utility).all()


def test_trainers_say_what_they_cannot_train(tmp_path):
    random = Task(replace(SCENARIOS["hidden"], followers="random"))
    for task, reason in ((Task("live"), "ssim must be"), (random, "followers must be")):
        assert reason in FILTER_PATHWISE.can_train(task)
        assert FILTER.can_train(task) is FILTER_PPO.can_train(task) is None
        with pytest.raises(ValueError, match=reason):
            FILTER_PATHWISE.train(task, 0, tmp_path / "leader.safetensors")
    for name in ("paper", "hidden", "crowd"):
        assert FILTER_PATHWISE.can_train(Task(name)) is None


def test_batches_shrink_where_markets_are_large():
    small, large = (FILTER_PATHWISE.recipe(Task("crowd", {"K": K})) for K in (2, 1000))
    assert (small.improvement.lanes, small.fit.lanes) == (128, 32)
    assert large.improvement.lanes == large.fit.lanes == 1


SHIPPED = sorted(policies.WEIGHTS.glob("*-filter*.safetensors"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_leaders_that_come_along_play_well(path):
    kept = load_policy(path)
    task = Task(kept.task.scenario, {"max_cycles": 50})
    share = play_in_arena(kept.method(8), task, 8, validation_seed(0)).share
    assert share > 0.93  # a constant price earns .89 at most, .79 on `hidden`
