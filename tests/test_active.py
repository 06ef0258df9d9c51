"""Markets in which some VMUs are not there."""

import array_api_strict
import brute_force
import numpy as np
import pytest
import torch

import aigc_market
from aigc_market import rules
from aigc_market.ssim import QuadraticSSIM, TabulatedSSIM

TABLE = ([0, 20, 60, 120, 160, 250], [0, 0.9, 2.5, 3.1, 4.6, 4.9])
DELTA = np.array([90.0, 200.0, 470.0, 130.0])


def markets(count, seed=0):
    """Random markets: their arguments, a mask, and the same with only those who are there."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        K = int(rng.integers(1, 7))
        active = rng.random(K) < 0.6
        shared = {"cost": 1.0, "max_price": 20.0, "min_steps": [0.0, 10.0][i % 2]}
        delta = rng.uniform(50, 500, K)
        alpha, beta = -rng.uniform(1e-4, 4e-4, K), rng.uniform(0.05, 0.12, K)
        capacity = rng.uniform(K * 10 + 1, 120 * K) if i % 3 == 0 else None
        if i % 4 == 3:
            ssim, those = TabulatedSSIM(*TABLE), {"table": TABLE}
        else:
            ssim, those = (
                QuadraticSSIM(alpha, beta),
                {"alpha": alpha[active], "beta": beta[active]},
            )
        market = aigc_market.Market(
            K=K, satisfaction=delta, capacity=capacity, ssim=ssim, active=active, **shared
        )
        those |= {**shared, "satisfaction": delta[active], "capacity": capacity, "max_steps": 250.0}
        yield market, those


def test_the_solver_finds_the_optimum_of_those_who_are_there():
    solved = 0
    for market, those in markets(80):
        equilibrium = aigc_market.solve(market)
        if not market.active.any():
            assert equilibrium.asp_utility == 0.0
            continue
        solved += 1
        assert equilibrium.asp_utility == pytest.approx(brute_force.optimum(those), rel=1e-9)
        bought = brute_force.purchases(those, equilibrium.price)
        share = 1.0 if market.capacity is None else min(1.0, market.capacity / bought.sum())
        np.testing.assert_allclose(equilibrium.steps[market.active], bought * share, rtol=1e-6)
        assert np.all(equilibrium.steps[~market.active] == 0)
    assert solved > 50


def test_the_verifier_agrees_with_the_solver():
    rng = np.random.default_rng(1)
    for market, _ in markets(40, seed=1):
        equilibrium = aigc_market.solve(market)
        gap = aigc_market.regret(market, equilibrium.price, equilibrium.steps)
        assert gap.leader == pytest.approx(0, abs=1e-7 * max(1, equilibrium.asp_utility))
        price = rng.uniform(1, 20)
        gap = aigc_market.regret(market, price, aigc_market.best_response(market, price))
        best = float(equilibrium.asp_utility)
        expected = best - rules.leader_utility(market, price)
        assert gap.leader == pytest.approx(expected, rel=1e-6, abs=1e-6)
        np.testing.assert_allclose(gap.followers, 0, atol=1e-9)


def test_those_who_are_not_there_bind_nothing_and_gain_nothing():
    market = aigc_market.Market(K=4, satisfaction=DELTA, active=[True, False, True, False])
    equilibrium = aigc_market.solve(market)
    for which in (equilibrium.binding.min_steps, equilibrium.binding.max_steps):
        assert not which[[1, 3]].any()
    np.testing.assert_array_equal(equilibrium.steps[[1, 3]], 0.0)
    np.testing.assert_array_equal(equilibrium.vmu_surplus[[1, 3]], 0.0)
    only = aigc_market.solve(aigc_market.Market(satisfaction=DELTA[[0, 2]]))
    assert equilibrium.price == pytest.approx(only.price)
    assert equilibrium.closed_form == only.closed_form


@pytest.mark.parametrize("capacity", [None, 60.0])
@pytest.mark.parametrize("ssim", [None, TabulatedSSIM(*TABLE)], ids=["quadratic", "table"])
def test_where_nobody_is_there_nothing_is_earned_and_nothing_forgone(capacity, ssim):
    market = aigc_market.Market(capacity=capacity, ssim=ssim, active=[False, False])
    equilibrium = aigc_market.solve(market)
    assert (equilibrium.price, equilibrium.asp_utility) == (market.cost, 0.0)
    assert not equilibrium.closed_form
    assert not equilibrium.binding.capacity
    for price in (1.0, 7.0, 20.0):
        gap = aigc_market.regret(market, price, [0.0, 0.0])
        assert (gap.leader, gap.leader_relative) == (0.0, 0.0)
        np.testing.assert_array_equal(gap.followers, 0.0)


def test_the_verifier_refuses_purchases_of_those_who_are_not_there():
    market = aigc_market.Market(min_steps=10, active=[True, False])
    assert np.isfinite(aigc_market.regret(market, 8.0, [100.0, 0.0]).leader)
    for steps in ([100.0, 20.0], [0.0, 0.0]):
        with pytest.raises(ValueError, match="steps must lie between"):
            aigc_market.regret(market, 8.0, steps)


@pytest.mark.parametrize("capacity", [None, 150.0])
def test_a_batch_of_masks_answers_like_its_markets(capacity):
    masks = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]], bool)
    arguments = {"K": 4, "satisfaction": DELTA, "capacity": capacity}
    batch = aigc_market.Market(active=masks, **arguments)
    assert batch.batch_shape == (4,)
    solved, bought = aigc_market.solve(batch), aigc_market.best_response(batch, 6.0)
    for lane, mask in enumerate(masks):
        one = aigc_market.Market(active=mask, **arguments)
        np.testing.assert_allclose(solved.price[lane], aigc_market.solve(one).price)
        np.testing.assert_allclose(solved.steps[lane], aigc_market.solve(one).steps)
        np.testing.assert_array_equal(bought[lane], aigc_market.best_response(one, 6.0))


MASK = [True, False, True, True]
LIBRARIES = {
    "torch": lambda array: torch.as_tensor(array),
    "strict": lambda array: array_api_strict.asarray(np.asarray(array)),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("foreign", ["mask", "satisfaction", "both"])
def test_other_libraries(library, foreign):
    convert = LIBRARIES[library]
    mask = convert(np.array(MASK)) if foreign != "satisfaction" else MASK
    delta = convert(DELTA) if foreign != "mask" else DELTA
    market = aigc_market.Market(K=4, satisfaction=delta, active=mask, capacity=200.0)
    expected = aigc_market.Market(K=4, satisfaction=DELTA, active=MASK, capacity=200.0)
    assert type(market.active) is type(market.satisfaction) is type(convert(DELTA))
    solved, wanted = aigc_market.solve(market), aigc_market.solve(expected)
    np.testing.assert_allclose(np.asarray(solved.steps), wanted.steps)
    gap = aigc_market.regret(market, 7.0, aigc_market.best_response(market, 7.0))
    verdict = aigc_market.regret(expected, 7.0, aigc_market.best_response(expected, 7.0))
    np.testing.assert_allclose(np.asarray(gap.leader), verdict.leader)


def test_gradients_flow_through_those_who_are_there_alone():
    delta = torch.tensor(DELTA, requires_grad=True)
    market = aigc_market.Market(K=4, satisfaction=delta, active=MASK)
    rules.leader_utility(market, torch.tensor(8.0, dtype=torch.float64)).backward()
    assert delta.grad[1] == 0
    assert (delta.grad[[2, 3]] > 0).all()


def test_lanes_of_a_batch():
    delta = np.arange(1.0, 7.0).reshape(3, 2) * 60
    market = aigc_market.Market(
        satisfaction=delta,
        cost=[1.0, 2.0, 3.0],
        ssim=QuadraticSSIM([[-1e-4], [-2e-4], [-3e-4]], 0.08),
        active=[[True, False], [True, True], [False, True]],
    )
    where = np.array([True, False, True])
    some = aigc_market.solve(market.lanes(where))
    np.testing.assert_array_equal(some.price, aigc_market.solve(market).price[where])


@pytest.mark.parametrize("batch", [(), (3,)])
def test_a_market_keeps_a_mask_of_its_own(batch):
    mask = np.broadcast_to(MASK, (*batch, 4)).copy()
    market = aigc_market.Market(K=4, satisfaction=DELTA, active=mask)
    mask[...] = False
    np.testing.assert_array_equal(market.active, np.broadcast_to(MASK, (*batch, 4)))
