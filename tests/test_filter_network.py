"""The transformer on the filter: two ways to run it that agree, at any number of VMUs."""

import json

import numpy as np
import pytest
import torch

from baselines.arena.protocol import History, PublicParameters
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.methods.filter import policy
from baselines.methods.filter.information import InformationState, over_rounds
from baselines.methods.filter.leader import Leader
from baselines.methods.filter.network import MarketTransformer, Shape

TINY = Shape(width=8, feedforward=8, band=4, intercepts=6, chokes=8)
EQUAL = {"rtol": 1e-9, "atol": 1e-9}
"""In double precision, of numbers about 1."""


def make(min_steps=0.0, **public) -> MarketTransformer:
    """A network in double precision with random weights, far from its careful beginning."""
    torch.manual_seed(0)
    network = MarketTransformer(PublicParameters(min_steps=min_steps, **public), TINY).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network.eval()


def some_rounds(B=5, T=9, K=3):
    """Prices, purchases and who is there (one row more), with comings, goings and zeros."""
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    active = (uniform(B, T + 1, K) < 0.6).double()
    steps = (300 * uniform(B, T, K) - 50).clamp(min=0) * active[:, :T]
    return 1 + 19 * uniform(B, T), steps, active


def step_by_step(network, price, steps, active):
    """Actions and values (B, T + 1) of the decisions, and what was known before each."""
    cache, output = network.start(active[:, 0])
    known, outputs = [cache.tracker.state], [output]
    for t in range(price.shape[1]):
        outputs.append(network.step(cache, price[:, t], steps[:, t], active[:, t + 1]))
        known.append(cache.tracker.state)
    actions, values = (torch.stack(parts, 1) for parts in zip(*outputs, strict=True))
    return actions, values, over_rounds(known)


@pytest.mark.parametrize("min_steps", [0.0, 10.0])
@torch.no_grad()
def test_a_step_and_an_episode_decide_alike(min_steps):
    network = make(min_steps=min_steps)
    actions, values, known = step_by_step(network, *some_rounds())
    episode = network.episode(known)
    torch.testing.assert_close(episode.action, actions, **EQUAL)
    torch.testing.assert_close(episode.value, values, **EQUAL)
    assert actions.std() > 0.01


@torch.no_grad()
def test_no_decision_sees_its_future():
    network = make()
    *_, known = step_by_step(network, *some_rounds())
    before = network.episode(known).action
    changed = InformationState(*(part.clone() for part in known))
    for part in changed:
        part[:, 6:] += 0.3
    after = network.episode(changed).action
    torch.testing.assert_close(after[:, :6], before[:, :6], **EQUAL)
    assert (after[:, 6:] != before[:, 6:]).any()


@torch.no_grad()
def test_the_order_of_vmus_does_not_matter():
    network = make()
    price, steps, active = some_rounds(K=6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    actions, *_ = step_by_step(network, price, steps, active)
    permuted, *_ = step_by_step(network, price, steps[..., order], active[..., order])
    torch.testing.assert_close(permuted, actions, **EQUAL)


@torch.no_grad()
def test_a_policy_plays_any_number_of_vmus():
    network = make()
    for K in (1, 4, 40):
        actions, *_ = step_by_step(network, *some_rounds(K=K))
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
    cache, output = network.start(there)
    for _ in range(30):
        price = network.price(output.action)
        assert 1 <= price.item() <= 20
        output = network.step(cache, price, torch.zeros_like(there), there)


@torch.no_grad()
def test_prices_take_turns_and_move_less_and_less():
    # Before training, and followers on a line: above and below by turns, or its slope is not known.
    network = MarketTransformer(PublicParameters(min_steps=0.0)).double()
    network.demand_filter.log_step.fill_(-9.0)
    network.demand_filter.log_wander.fill_(-9.0)
    network.demand_filter.logit_forgetting.fill_(-99.0)
    network.demand_filter.logit_hazard.fill_(-99.0)
    there = torch.ones(1, 2, dtype=torch.float64)
    cache, output = network.start(there)
    prices = []
    for _ in range(40):
        price = network.price(output.action)
        prices.append(price.item())
        steps = (200 - 10 * price).clamp(min=0)[:, None].expand(1, 2)
        output = network.step(cache, price, steps, there)
    moves = np.diff(prices)
    assert (moves[20::2] > 0).all() != (moves[21::2] > 0).all()
    assert np.abs(moves[-5:]).max() < np.abs(moves[:5]).max() / 2
    assert np.mean(prices[-10:]) == pytest.approx(10.5, abs=0.7)  # (200/10 + 1)/2


def test_a_file_holds_all_that_is_needed(tmp_path):
    path = tmp_path / "leader.safetensors"
    network = make(max_price=15.0).float()
    policy.save(path, network, {"method": "filter"})
    kept = policy.load(path)
    assert kept.public.max_price == 15.0
    assert kept.shape == TINY
    rounds = [part.float() for part in some_rounds()]
    with torch.no_grad():
        prices = [step_by_step(leader, *rounds)[0] for leader in (network, kept)]
    assert torch.equal(*prices)


def test_bad_files_and_names_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be a file"):
        policy.load(tmp_path / "none.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(json.dumps({}).encode())
    with pytest.raises(ValueError, match="path must be a leader's file"):
        policy.load(bad)
    with pytest.raises(ValueError, match="heads must divide width = 30"):
        MarketTransformer(PublicParameters(), Shape(width=30, heads=4))
    leader = Leader(MarketTransformer(PublicParameters(), TINY), 1)
    with pytest.raises(ValueError, match="history must begin"):
        leader.act(History(np.ones((1, 1)), np.ones((1, 1, 2)), np.ones((1, 2), bool)))
