"""The network on the filter: learnt on tensors and played on arrays, at any number of VMUs."""

import numpy as np
import pytest
import torch

from baselines.arena.protocol import History, PublicParameters
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.methods.filter.information import Information, Tracker
from baselines.methods.filter.leader import Leader, load
from baselines.methods.filter.network import PricingNetwork, Shape, in_numpy, initial
from baselines.runs.policy_files import write

TINY = Shape(width=8, feedforward=8, intercepts=6, chokes=8)
EQUAL = {"rtol": 1e-9, "atol": 1e-9}
"""In double precision, of numbers about 1."""


def weights_of(shape=TINY):
    """Random weights in double precision, far from their careful beginning."""
    torch.manual_seed(0)
    weights = initial(shape).double()
    with torch.no_grad():
        for weight in weights.values():
            weight += 0.1 * torch.randn_like(weight)
    return weights


def make(dtype=np.float64, min_steps=0.0, shape=TINY, **public) -> PricingNetwork:
    """A network that plays."""
    weights = {name: weight.astype(dtype) for name, weight in in_numpy(weights_of(shape)).items()}
    return PricingNetwork(PublicParameters(min_steps=min_steps, **public), weights)


def some_rounds(B=5, T=9, K=3):
    """Prices, purchases, who is there and R (both one row more); with comings, goings and zeros.

    Purchases reach both bounds.
    """
    rng = np.random.default_rng(0)
    active = (rng.random((T + 1, B, K)) < 0.6).astype(float)
    steps = np.clip(400 * rng.random((T, B, K)) - 50, 0, 250) * active[:T]
    return 1 + 19 * rng.random((T, B)), steps, active, K * 250 * rng.random((T + 1, B))


def step_by_step(network, price, steps, active, capacity=None):
    """What was known before each of T + 1 decisions, and these, (T + 1, B)."""
    limits = [None] * len(active) if capacity is None else capacity
    tracker = Tracker(network.demand_filter, active[0], limits[0])
    known = [tracker.known]
    for t in range(len(price)):
        tracker.observe(price[t], steps[t], active[t + 1], limits[t + 1])
        known.append(tracker.known)
    return known, [network.action(of_round) for of_round in known]


@pytest.mark.parametrize(
    ("K", "min_steps", "limited"),
    [(2, 0.0, False), (2, 0.0, True), (2, 10.0, True), (1, 0.0, True), (10, 10.0, True)],
)
@torch.no_grad()
def test_arrays_and_tensors_are_played_alike(K, min_steps, limited):
    # The batch is larger than NumPy takes at once. In single precision rare purchases are told
    # apart less exactly, and the best price may jump between trials that are all but equal.
    rounds = some_rounds(B=130, K=K)[: 4 if limited else 3]
    known, actions = step_by_step(make(min_steps=min_steps), *rounds)
    on_tensors = PricingNetwork(PublicParameters(min_steps=min_steps), weights_of())
    as_tensors = (torch.from_numpy(part) for part in rounds)
    for mine, action, theirs, of_tensors in zip(
        known, actions, *step_by_step(on_tensors, *as_tensors), strict=True
    ):
        np.testing.assert_allclose(action, of_tensors, **EQUAL)
        for part, of_tensor in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(part, of_tensor, **EQUAL)
    assert np.std(actions) > 0.01
    singly, _ = step_by_step(
        make(np.float32, min_steps), *(part.astype(np.float32) for part in rounds)
    )
    for mine, single in zip(known, singly, strict=True):
        assert all(part.dtype == np.float32 for part in single)
        assert np.isclose(single.own, mine.own, rtol=1e-4, atol=1e-4).mean() > 0.99
        np.testing.assert_allclose(single.own, mine.own, atol=1e-2)
        assert (np.abs(single.best_logit - mine.best_logit) > 1e-2).mean() < 0.02


def test_an_episode_is_played_alike_alone_and_among_others():
    # Alone there are rounds in which everybody stays, after somebody has left.
    network, rounds = make(), some_rounds(B=40, K=1)
    _, together = step_by_step(network, *rounds)
    for i in range(40):
        _, alone = step_by_step(network, *(part[:, i : i + 1] for part in rounds))
        np.testing.assert_allclose(alone, np.array(together)[:, i : i + 1], **EQUAL)


def test_the_order_of_vmus_does_not_matter():
    network = make()
    price, steps, active, capacity = some_rounds(K=6)
    order = [3, 0, 5, 1, 4, 2]
    _, actions = step_by_step(network, price, steps, active, capacity)
    _, permuted = step_by_step(network, price, steps[..., order], active[..., order], capacity)
    np.testing.assert_allclose(permuted, actions, **EQUAL)


def test_those_who_will_not_answer_play_no_part():
    network = make()
    known, actions = step_by_step(network, *some_rounds(K=4))
    for of_round, action in zip(known, actions, strict=True):
        there = of_round.active[..., None]
        changed = of_round._replace(own=of_round.own + (1 - there))
        np.testing.assert_array_equal(network.action(changed), action)
        moved = of_round._replace(own=of_round.own + there)
        anybody = of_round.active.any(-1)
        assert (np.abs(network.action(moved) - action) > 1e-9)[anybody].all()


def test_a_capacity_moves_prices():
    network = make()
    price, steps, active, capacity = some_rounds()
    _, plenty = step_by_step(network, price, steps, active, capacity + np.inf)
    _, without = step_by_step(network, price, steps, active)
    _, scarce = step_by_step(network, price, steps, active, capacity / 9)
    np.testing.assert_allclose(plenty, without, **EQUAL)
    assert np.abs(np.subtract(scarce, without)).max() > 1e-3


def test_a_policy_plays_any_number_of_vmus():
    for K in (1, 4, 40):
        _, actions = step_by_step(make(), *some_rounds(K=K))
        assert (np.abs(actions) <= 1).all()
    task = Task("crowd", {"K": 40, "max_cycles": 5})
    played = play(Leader(make(np.float32), 0.0, 8), task, 8, seed=0)
    assert ((played.price >= 1) & (played.price <= 20)).all()


@pytest.mark.parametrize("empty", [True, False])
def test_a_market_in_which_nobody_buys_is_priced(empty):
    # Nobody is there, or all decline at every price.
    network, there = make(), np.full((1, 3), float(not empty))
    tracker = Tracker(network.demand_filter, there)
    for _ in range(30):
        price = network.price(network.action(tracker.known))
        assert 1 <= price.item() <= 20
        tracker.observe(price, np.zeros_like(there), there)


def test_prices_take_turns_and_move_less_and_less():
    # Before training, and followers on a line: above and below by turns, or its slope is not known.
    still = {"log_step": -9.0, "log_wander": -9.0, "logit_forgetting": -99.0, "logit_hazard": -99.0}
    weights = in_numpy(initial().double()) | {name: np.array(v) for name, v in still.items()}
    network = PricingNetwork(PublicParameters(), weights)
    there = np.ones((1, 2))
    tracker, prices = Tracker(network.demand_filter, there), []
    for _ in range(40):
        price = network.price(network.action(tracker.known))
        prices.append(price.item())
        tracker.observe(price, np.clip(200 - 10 * price, 0, None)[:, None] * there, there)
    moves = np.diff(prices)
    assert (moves[20::2] > 0).all() != (moves[21::2] > 0).all()
    assert np.abs(moves[-5:]).max() < np.abs(moves[:5]).max() / 2
    assert np.mean(prices[-10:]) == pytest.approx(10.5, abs=1.2)  # (200/10 + 1)/2


def test_what_is_known_can_be_laid_out_in_a_row():
    known, _ = step_by_step(make(), *some_rounds())
    for of_round in known:
        again = Information.of_flat(of_round.flat())
        for part, other in zip(of_round, again, strict=True):
            np.testing.assert_array_equal(part, other)


def test_a_file_holds_all_that_is_needed(tmp_path):
    path, shape = tmp_path / "leader.safetensors", Shape(16, 8, 6, 8)
    weights, public = weights_of(shape).float(), {"K": 2, "max_price": 15.0}
    write(path, weights.state_dict(), {"public": public})
    network, std = load(path)
    assert network.public.max_price == 15.0
    assert std == pytest.approx(weights["log_std"].exp().item())
    rounds = [part.astype(np.float32) for part in some_rounds()]
    own = PricingNetwork(PublicParameters(max_price=15.0), in_numpy(weights))
    prices = [step_by_step(leader, *rounds)[1] for leader in (network, own)]
    np.testing.assert_array_equal(*prices)


def test_a_leader_plays_with_the_noise_that_its_policy_has():
    network = make(np.float32)
    nothing = History(np.empty((50, 0)), np.empty((50, 0, 3)), np.ones((50, 3), bool))

    def prices(std, seed=0):
        return Leader(network, std, 50, seed).act(nothing)

    assert np.ptp(prices(0.0)) < 1e-4  # nothing is known of any
    assert np.array_equal(prices(0.1), prices(0.1))
    assert not np.array_equal(prices(0.1), prices(0.1, seed=1))
    action = 2 * (prices(0.1) - 1) / 19 - 1
    assert action.std() == pytest.approx(0.1, rel=0.4)


def test_bad_files_are_refused(tmp_path):
    bad = tmp_path / "bad.safetensors"
    write(bad, {"embed_bias": torch.zeros(3)}, {"public": {}})
    with pytest.raises(ValueError, match="path must be a leader's file"):
        load(bad)
    with pytest.raises(ValueError, match="history must begin"):
        Leader(make(), 0.0, 1).act(
            History(np.ones((1, 1)), np.ones((1, 1, 2)), np.ones((1, 2), bool))
        )
