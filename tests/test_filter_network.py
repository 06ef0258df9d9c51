"""The transformer on the filter: two ways to run it that agree, at any number of VMUs."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.arena.protocol import History, PublicParameters
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.methods.filter import policy
from baselines.methods.filter.information import over_rounds
from baselines.methods.filter.leader import Leader
from baselines.methods.filter.network import PricingNetwork, Shape

TINY = Shape(width=8, feedforward=8, band=4, intercepts=6, chokes=8)
SHAPES = {
    "whole": TINY,
    "no attention over time": replace(TINY, over_time=False),
    "no attention over VMUs": replace(TINY, over_vmus=False),
    "no attention": replace(TINY, over_time=False, over_vmus=False),
    "no filter": replace(TINY, filter=False),
}
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
EQUAL = {"rtol": 1e-9, "atol": 1e-9}
"""In double precision, of numbers about 1."""


def make(shape=TINY, min_steps=0.0, **public) -> PricingNetwork:
    """A network in double precision with random weights, far from its careful beginning."""
    torch.manual_seed(0)
    network = PricingNetwork(PublicParameters(min_steps=min_steps, **public), shape).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network.eval()


def some_rounds(B=5, T=9, K=3):
    """Prices, purchases, who is there and R (both one row more); with comings, goings and zeros."""
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    active = (uniform(B, T + 1, K) < 0.6).double()
    steps = (300 * uniform(B, T, K) - 50).clamp(min=0) * active[:, :T]
    return 1 + 19 * uniform(B, T), steps, active, K * 250 * uniform(B, T + 1)


def step_by_step(network, price, steps, active, capacity=None):
    """Actions (B, T + 1) of the decisions, and what was known before each."""
    limits = [None] * active.shape[1] if capacity is None else capacity.unbind(1)
    cache, action = network.start(active[:, 0], limits[0])
    known, actions = [cache.tracker.state], [action]
    for t in range(price.shape[1]):
        coming = active[:, t + 1], limits[t + 1]
        actions.append(network.step(cache, price[:, t], steps[:, t], *coming))
        known.append(cache.tracker.state)
    return torch.stack(actions, 1), over_rounds(known)


@each_shape
@pytest.mark.parametrize("min_steps", [0.0, 10.0])
@torch.no_grad()
def test_a_step_and_an_episode_decide_alike(shape, min_steps):
    network = make(shape, min_steps=min_steps)
    price, steps, active, capacity = some_rounds()
    for limit in (None, capacity):
        actions, known = step_by_step(network, price, steps, active, limit)
        torch.testing.assert_close(network.episode(known).action, actions, **EQUAL)
        assert actions.std() > 0.01


def moved_by(network, changes):
    """Which decisions (T + 1,) move when what was known before the fourth is changed."""
    _, known = step_by_step(network, *some_rounds())
    before = network.episode(known).action
    changed = known.map(torch.clone)
    for name in changes:
        getattr(changed, name)[:, 3] += 0.3
    return (network.episode(changed).action - before).abs().amax(0) > 1e-9


@each_shape
@torch.no_grad()
def test_only_attention_over_time_looks_back_and_no_decision_sees_its_future(shape):
    network = make(shape)
    moved = moved_by(network, ("steps", "price"))
    assert moved[3]
    assert not moved[:3].any()
    assert moved[4:7].any() == shape.over_time
    assert not moved[7:].any()  # a band of 4 rounds


@each_shape
def test_only_attention_over_vmus_weighs_them(shape):
    network, encodings = make(shape), []
    with torch.no_grad():
        _, known = step_by_step(network, *some_rounds(K=4))

    def replaced(norm, given, encoded):
        encodings.append(torch.randn_like(encoded).requires_grad_())
        return encodings[0]

    network.norms[2].register_forward_hook(replaced)  # behind which VMUs are encoded
    network.episode(known).action.sum().backward()
    slopes = encodings[0].grad
    if shape.over_time:  # there VMUs come before rounds
        slopes = slopes.transpose(1, 2)
    nobody = known.active.sum(-1) == 0
    assert (slopes[(known.active == 0) & ~nobody[..., None]] == 0).all()
    apart = []
    for slope, active in zip(slopes.flatten(0, 1), known.active.flatten(0, 1).bool(), strict=True):
        if active.sum() > 1:
            of_those = slope[active]
            apart.append((of_those - of_those.mean(0)).abs().max().item())
    assert len(apart) > 5
    assert (max(apart) > 1e-6) == shape.over_vmus


@each_shape
@torch.no_grad()
def test_the_order_of_vmus_does_not_matter(shape):
    network = make(shape)
    price, steps, active, capacity = some_rounds(K=6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    actions, _ = step_by_step(network, price, steps, active, capacity)
    permuted, _ = step_by_step(network, price, steps[..., order], active[..., order], capacity)
    torch.testing.assert_close(permuted, actions, **EQUAL)


@torch.no_grad()
def test_without_a_filter_there_is_none():
    network = make(SHAPES["no filter"])
    assert network.demand_filter is None
    assert not [name for name in network.state_dict() if "demand_filter" in name]
    _, known = step_by_step(network, *some_rounds())
    assert known.own.shape[-1] == known.market.shape[-1] == 0
    assert (known.best_logit == 0).all()


@pytest.mark.parametrize("shape", [SHAPES["no filter"], SHAPES["no attention"]])
@torch.no_grad()
def test_a_capacity_moves_prices(shape):
    network = make(shape)
    price, steps, active, capacity = some_rounds()
    plenty, _ = step_by_step(network, price, steps, active, capacity + torch.inf)
    without, _ = step_by_step(network, price, steps, active)
    scarce, _ = step_by_step(network, price, steps, active, capacity / 9)
    torch.testing.assert_close(plenty, without, **EQUAL)
    assert (scarce - without).abs().max() > 1e-3


@each_shape
@torch.no_grad()
def test_a_policy_plays_any_number_of_vmus(shape):
    network = make(shape)
    for K in (1, 4, 40):
        actions, _ = step_by_step(network, *some_rounds(K=K))
        assert actions.isfinite().all()
        assert (actions.abs() <= 1).all()
    task = Task("crowd", {"K": 40, "max_cycles": 5})
    played = play(Leader(network.float(), 8), task, 8, seed=0)
    assert ((played.price >= 1) & (played.price <= 20)).all()


@pytest.mark.parametrize("empty", [True, False])
@torch.no_grad()
def test_a_market_in_which_nobody_buys_is_priced(empty):
    # Nobody is there, or all decline at every price.
    network, there = make(), torch.full((1, 3), float(not empty), dtype=torch.float64)
    cache, action = network.start(there)
    for _ in range(30):
        price = network.price(action)
        assert 1 <= price.item() <= 20
        action = network.step(cache, price, torch.zeros_like(there), there)


@torch.no_grad()
def test_prices_take_turns_and_move_less_and_less():
    # Before training, and followers on a line: above and below by turns, or its slope is not known.
    network = PricingNetwork(PublicParameters(min_steps=0.0)).double()
    network.demand_filter.log_step.fill_(-9.0)
    network.demand_filter.log_wander.fill_(-9.0)
    network.demand_filter.logit_forgetting.fill_(-99.0)
    network.demand_filter.logit_hazard.fill_(-99.0)
    there = torch.ones(1, 2, dtype=torch.float64)
    cache, action = network.start(there)
    prices = []
    for _ in range(40):
        price = network.price(action)
        prices.append(price.item())
        steps = (200 - 10 * price).clamp(min=0)[:, None].expand(1, 2)
        action = network.step(cache, price, steps, there)
    moves = np.diff(prices)
    assert (moves[20::2] > 0).all() != (moves[21::2] > 0).all()
    assert np.abs(moves[-5:]).max() < np.abs(moves[:5]).max() / 2
    assert np.mean(prices[-10:]) == pytest.approx(10.5, abs=1.2)  # (200/10 + 1)/2


@each_shape
def test_a_file_holds_all_that_is_needed(shape, tmp_path):
    path = tmp_path / "leader.safetensors"
    network = make(shape, max_price=15.0).float()
    policy.save(path, network, {"method": "filter"})
    kept = policy.load(path)
    assert kept.public.max_price == 15.0
    assert kept.shape == shape
    rounds = [part.float() for part in some_rounds()]
    with torch.no_grad():
        prices = [step_by_step(leader, *rounds)[0] for leader in (network, kept)]
    assert torch.equal(*prices)


@torch.no_grad()
def test_a_leader_plays_with_the_noise_that_its_policy_has():
    network = make(SHAPES["no filter"]).float()  # it begins in the middle of the prices
    there = np.ones((50, 3), bool)
    nothing = History(np.empty((50, 0)), np.empty((50, 0, 3)), there)

    def prices(log_std, seed=0):
        network.log_std.fill_(log_std)
        return Leader(network, 50, seed).act(nothing)

    assert np.ptp(prices(-np.inf)) < 1e-4  # nothing is known of any
    assert np.array_equal(prices(-2.0), prices(-2.0))
    assert not np.array_equal(prices(-2.0), prices(-2.0, seed=1))
    action = 2 * (prices(-2.0) - 1) / 19 - 1
    assert action.std() == pytest.approx(np.exp(-2), rel=0.4)


def test_bad_files_and_names_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be a file"):
        policy.load(tmp_path / "none.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(json.dumps({}).encode())
    with pytest.raises(ValueError, match="path must be a leader's file"):
        policy.load(bad)
    with pytest.raises(ValueError, match="heads must divide width = 30"):
        PricingNetwork(PublicParameters(), Shape(width=30, heads=4))
    leader = Leader(PricingNetwork(PublicParameters(), TINY), 1)
    with pytest.raises(ValueError, match="history must begin"):
        leader.act(History(np.ones((1, 1)), np.ones((1, 1, 2)), np.ones((1, 2), bool)))
