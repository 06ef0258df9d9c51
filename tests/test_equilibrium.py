"""The solver against the paper's numbers, Theorem 2, and its own edge cases."""

import numpy as np
import pytest
import torch

import aigc_market
from aigc_market.ssim import QuadraticSSIM, TabulatedSSIM

ALPHA, BETA = -0.000174, 0.075


@pytest.mark.parametrize(
    ("cost", "price", "steps", "utility"),
    [
        (1, 8.0, 100.575, 1408.05),
        (2, 8.5, 93.391, 1214.08),
        (3, 9.0, 86.207, 1034.48),
        (4, 9.5, 79.023, 869.25),
        (5, 10.0, 71.839, 718.39),
    ],
)
def test_the_papers_market(cost, price, steps, utility):
    equilibrium = aigc_market.solve(aigc_market.Market(cost=cost))
    assert equilibrium.price == pytest.approx(price, abs=1e-9)
    np.testing.assert_allclose(equilibrium.steps, steps, atol=5e-4)
    assert equilibrium.asp_utility == pytest.approx(utility, abs=5e-3)
    assert equilibrium.closed_form
    assert not any(np.any(bound) for bound in equilibrium.binding)


@pytest.mark.parametrize("satisfaction", [[200.0], [180.0, 230.0], [150.0, 200.0, 250.0]])
@pytest.mark.parametrize("cost", [0.5, 3.0])
def test_theorem_2_where_nothing_binds(satisfaction, cost):
    market = aigc_market.Market(K=len(satisfaction), satisfaction=satisfaction, cost=cost)
    equilibrium = aigc_market.solve(market)
    by_hand = cost / 2 + BETA * market.K / (2 * sum(1 / delta for delta in satisfaction))
    assert equilibrium.price == pytest.approx(by_hand, rel=1e-12)
    assert equilibrium.closed_form


@pytest.mark.parametrize("cost", [1, 2, 3, 4, 5])
def test_captive_demand_pays_the_highest_price(cost):
    market = aigc_market.Market(cost=cost, min_steps=120, max_steps=160)
    equilibrium = aigc_market.solve(market)
    assert equilibrium.price == 20.0
    assert equilibrium.asp_utility == pytest.approx((20 - cost) * 240)  # 4560 at c = 1
    assert not equilibrium.closed_form
    assert equilibrium.binding.max_price
    assert np.all(equilibrium.binding.min_steps)
    assert not np.any(equilibrium.binding.max_steps)


@pytest.mark.parametrize(("cost", "threshold"), [(1, 37.05), (5, 23.95)])
def test_captive_demand_wins_above_a_threshold(cost, threshold):
    def price(min_steps):
        return aigc_market.solve(aigc_market.Market(cost=cost, min_steps=min_steps)).price

    assert price(threshold - 0.02) == pytest.approx(7.5 + cost / 2)
    assert price(threshold + 0.02) == 20.0


def test_theorem_2_is_not_global():
    market = aigc_market.Market(satisfaction=[50, 400], min_steps=0)
    equilibrium = aigc_market.solve(market)
    assert equilibrium.price == pytest.approx(15.5)
    assert equilibrium.asp_utility == pytest.approx(1510.4, abs=0.05)
    assert not equilibrium.closed_form
    np.testing.assert_array_equal(equilibrium.binding.min_steps, [True, False])
    formula = 0.5 + BETA * 2 / (2 * (1 / 50 + 1 / 400))
    assert formula == pytest.approx(3.83, abs=0.005)


def test_the_price_clears_a_scarce_market():
    equilibrium = aigc_market.solve(aigc_market.Market(min_steps=0, capacity=150))
    assert equilibrium.price == pytest.approx(9.78)
    assert equilibrium.asp_utility == pytest.approx(1317.0)
    assert equilibrium.steps.sum() == pytest.approx(150)
    assert equilibrium.binding.capacity
    assert not equilibrium.closed_form


def test_capacity_just_met_is_not_taken_for_slack():
    free = aigc_market.solve(aigc_market.Market())
    tight = aigc_market.Market(capacity=float(free.steps.sum()))
    assert aigc_market.solve(tight).price == pytest.approx(free.price)
    assert aigc_market.solve(tight).binding.capacity


def test_utilities_are_those_of_eq_4():
    equilibrium = aigc_market.solve(aigc_market.Market(satisfaction=[180.0, 230.0]))
    S, p, delta = equilibrium.steps, equilibrium.price, np.array([180.0, 230.0])
    gain = ALPHA * S**2 + BETA * S
    np.testing.assert_allclose(equilibrium.vmu_surplus, delta * gain - p * S, rtol=1e-12)
    np.testing.assert_allclose(equilibrium.vmu_utility, delta * (gain + 4891.89) - p * S)


def test_among_equally_good_prices_the_lowest():
    # One VMU, slopes 3 and 2: (3 − 1)·100 = (2 − 1)·200.
    table = TabulatedSSIM([0, 100, 200], [0, 300, 500])
    market = aigc_market.Market(
        K=1, satisfaction=1.0, min_steps=0, max_steps=200, ssim=table, max_price=20
    )
    equilibrium = aigc_market.solve(market)
    assert (equilibrium.price, equilibrium.asp_utility) == (2.0, 200.0)


def test_ties_between_purchases_go_to_the_leader():
    table = TabulatedSSIM([0, 100], [0, 5])
    market = aigc_market.Market(
        satisfaction=[60.0, 70.0], min_steps=0, max_steps=100, ssim=table, max_price=20
    )
    equilibrium = aigc_market.solve(market)  # at p = 60·.05 the first VMU is indifferent
    assert equilibrium.price == pytest.approx(3.0)
    np.testing.assert_array_equal(equilibrium.steps, [100.0, 100.0])


BATCHED = {
    "cost": (0.5, 3.0),
    "max_price": (6.0, 25.0),
    "min_steps": (0.0, 40.0),
    "max_steps": (60.0, 300.0),
    "capacity": (150.0, 900.0),
}


@pytest.mark.parametrize("batch", [(12,), (2, 3)])
def test_a_batch_is_solved_like_its_markets_one_by_one(batch):
    rng = np.random.default_rng(5)
    arguments = {name: rng.uniform(*limits, batch) for name, limits in BATCHED.items()}
    delta = 10 ** rng.uniform(1, 3, (*batch, 3))
    alpha, beta = rng.uniform(-3e-4, -1e-4, (*batch, 3)), rng.uniform(0.05, 0.09, (*batch, 1))
    market = aigc_market.Market(
        K=3, satisfaction=delta, ssim=QuadraticSSIM(alpha, beta), **arguments
    )
    together = aigc_market.solve(market)
    assert together.price.shape == together.closed_form.shape == batch
    gaps = aigc_market.regret(market, together.price, aigc_market.best_response(market, 5.0))
    for lane in np.ndindex(batch):
        one = aigc_market.Market(
            K=3,
            satisfaction=delta[lane],
            ssim=QuadraticSSIM(alpha[lane], beta[lane]),
            **{name: values[lane] for name, values in arguments.items()},
        )
        alone = aigc_market.solve(one)
        for name in ("price", "steps", "asp_utility", "vmu_utility", "vmu_surplus", "closed_form"):
            np.testing.assert_allclose(getattr(together, name)[lane], getattr(alone, name))
        for bounds, bound in zip(together.binding, alone.binding, strict=True):
            np.testing.assert_array_equal(bounds[lane], bound)
        gap = aigc_market.regret(one, alone.price, aigc_market.best_response(one, 5.0))
        np.testing.assert_allclose(gaps.leader[lane], gap.leader, atol=1e-9)
        np.testing.assert_allclose(gaps.followers[lane], gap.followers, atol=1e-9)


@pytest.mark.parametrize("B", [2, 3])  # 2 is the number of VMUs too
def test_coefficients_of_each_market(B):
    cost, alpha = np.linspace(1, 3, B), np.linspace(-1e-4, -3e-4, B)
    beta, gamma = np.linspace(0.06, 0.09, B), np.linspace(0, 1, B)
    together = aigc_market.Market(cost=cost, ssim=QuadraticSSIM(alpha, beta, gamma))
    solved = aigc_market.solve(together)
    for lane in range(B):
        ssim = QuadraticSSIM(alpha[lane], beta[lane], gamma[lane])
        alone = aigc_market.solve(aigc_market.Market(cost=cost[lane], ssim=ssim))
        assert solved.price[lane] == pytest.approx(alone.price)
        np.testing.assert_allclose(solved.vmu_utility[lane], alone.vmu_utility)


def test_one_satisfaction_for_all_may_be_a_tensor():
    delta = torch.tensor(200.0, dtype=torch.float64, requires_grad=True)
    equilibrium = aigc_market.solve(aigc_market.Market(K=3, satisfaction=delta))
    np.testing.assert_allclose(equilibrium.steps.detach(), 100.575, atol=5e-4)
    equilibrium.asp_utility.backward()
    assert delta.grad.item() > 0


def test_a_batch_of_markets_for_one_table():
    table = TabulatedSSIM([0, 50, 120, 250], [0.0, 3.0, 5.0, 6.0])
    costs = np.array([1.0, 2.0, 4.0])
    together = aigc_market.solve(aigc_market.Market(cost=costs, ssim=table))
    alone = [aigc_market.solve(aigc_market.Market(cost=cost, ssim=table)) for cost in costs]
    np.testing.assert_array_equal(together.price, [one.price for one in alone])
    np.testing.assert_array_equal(together.steps, [one.steps for one in alone])


MARKETS = {
    "paper": {},
    "captive": {"min_steps": 120, "max_steps": 160},
    "priced out": {"satisfaction": [50.0, 400.0], "min_steps": 0},
    "scarce": {"min_steps": 0, "capacity": 150},
    "table": {"ssim": TabulatedSSIM([0, 50, 120, 250], [0.0, 3.0, 5.0, 6.0])},
    "batch": {"cost": [1.0, 2.0], "satisfaction": [[90.0, 300.0], [200.0, 210.0]]},
}


@pytest.mark.parametrize("arguments", MARKETS.values(), ids=MARKETS)
def test_torch_agrees_with_numpy(arguments):
    market = aigc_market.Market(**arguments)
    tensors = market.like(torch.ones(1, dtype=torch.float64))
    expected, solved = aigc_market.solve(market), aigc_market.solve(tensors)
    for name in ("price", "steps", "asp_utility", "vmu_utility", "vmu_surplus", "closed_form"):
        answer = getattr(solved, name)
        assert isinstance(answer, torch.Tensor)
        np.testing.assert_allclose(answer, getattr(expected, name), rtol=1e-12)
    price, steps = np.asarray(expected.price) * 0.9, np.full(2, 122.0)
    gap, verdict = (aigc_market.regret(each, price, steps) for each in (tensors, market))
    np.testing.assert_allclose(gap.leader, verdict.leader, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gap.followers, verdict.followers, rtol=1e-9, atol=1e-9)


def test_gradient_of_the_optimum_follows_the_envelope_theorem():
    cost = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    equilibrium = aigc_market.solve(aigc_market.Market(cost=cost))
    equilibrium.asp_utility.backward()
    assert cost.grad.item() == pytest.approx(-equilibrium.steps.sum().item())


def test_a_hundred_thousand_vmus():
    rng = np.random.default_rng(0)
    K = 100_000
    delta = 10 ** rng.uniform(1, 3, K)
    market = aigc_market.Market(K=K, satisfaction=delta, min_steps=0, capacity=40.0 * K)
    equilibrium = aigc_market.solve(market)

    def utility(price):
        bought = np.clip((price / delta - BETA) / (2 * ALPHA), 0, 250)
        return (price - 1) * min(bought.sum(), 40.0 * K)

    assert equilibrium.asp_utility == pytest.approx(utility(equilibrium.price), rel=1e-9)
    best_tried = max(utility(price) for price in np.linspace(1, 20, 400))
    assert best_tried <= equilibrium.asp_utility * (1 + 1e-9)


def test_regret_of_the_papers_market_by_hand():
    market = aigc_market.Market()
    steps = np.array([100.0, 120.0])
    gap = aigc_market.regret(market, 9.0, steps)
    rational = (9 / 200 - BETA) / (2 * ALPHA)
    assert gap.leader == pytest.approx(1408.0459770 - 8 * 2 * rational)
    assert gap.leader_relative == pytest.approx(gap.leader / 1408.0459770)
    # A quadratic loses |α|·δ·(S − S*)² away from its peak.
    np.testing.assert_allclose(gap.followers, -ALPHA * 200 * (steps - rational) ** 2)


def test_regret_of_many_rounds_at_once():
    market = aigc_market.Market()
    prices, steps = np.linspace(1, 20, 7), np.linspace(10, 250, 14).reshape(7, 2)
    together = aigc_market.regret(market, prices, steps)
    for t in range(7):
        alone = aigc_market.regret(market, prices[t], steps[t])
        assert together.leader[t] == pytest.approx(alone.leader)
        np.testing.assert_allclose(together.followers[t], alone.followers)


def test_where_nothing_can_be_earned_nothing_is_forgone():
    gap = aigc_market.regret(aigc_market.Market(cost=20.0), 20.0, np.array([10.0, 10.0]))
    assert (gap.leader, gap.leader_relative) == (0.0, 0.0)


def test_rationed_purchases_can_be_verified():
    market = aigc_market.Market(
        satisfaction=[100.0, 400.0], min_steps=60, max_steps=250, max_price=5.0, capacity=130.0
    )
    equilibrium = aigc_market.solve(market)
    assert equilibrium.price == 5.0
    assert equilibrium.steps.min() < 60 < equilibrium.steps.max()
    gap = aigc_market.regret(market, equilibrium.price, equilibrium.steps)
    assert gap.leader == pytest.approx(0.0, abs=1e-9)
    assert (gap.followers >= 0).all()
