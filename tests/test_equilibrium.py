"""The solver against the paper's numbers, Theorem 2, and its own edge cases."""

import numpy as np
import pytest
import torch

import aigc_market
from aigc_market import rules
from aigc_market.ssim import QuadraticSSIM, SaturatingSSIM, TabulatedSSIM

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
    "min_steps": (0.0, 20.0),
    "max_steps": (30.0, 300.0),
    "capacity": (70.0, 600.0),
}


def model(kind, rng, batch, K):
    """With coefficients of each market and VMU; but for a table, which has none."""
    if kind == "quadratic":
        alpha, beta = rng.uniform(-3e-4, -1e-4, (*batch, K)), rng.uniform(0.05, 0.09, (*batch, 1))
        return QuadraticSSIM(alpha, beta)
    if kind == "saturating":
        return SaturatingSSIM(rng.uniform(2, 5, (*batch, 1)), rng.uniform(20, 60, (*batch, K)))
    return TabulatedSSIM([0, 50, 120, 250], [0.0, 3.0, 5.0, 6.0])


@pytest.mark.parametrize("kind", ["quadratic", "saturating", "table"])
@pytest.mark.parametrize(("batch", "K"), [((12,), 3), ((2, 3), 3), ((2, 3), 2)])
def test_a_batch_is_solved_like_its_markets_one_by_one(batch, K, kind):
    rng = np.random.default_rng(5)
    arguments = {name: rng.uniform(*limits, batch) for name, limits in BATCHED.items()}
    if kind == "table":  # it has no bounds of each market
        arguments |= {"min_steps": 10.0, "max_steps": 250.0}
    arguments["satisfaction"] = 10 ** rng.uniform(1, 3, (*batch, K))
    arguments["active"] = rng.random((*batch, K)) < 0.7
    ssim = model(kind, rng, batch, K)
    market = aigc_market.Market(K=K, ssim=ssim, **arguments)
    together = aigc_market.solve(market)
    assert together.price.shape == together.closed_form.shape == batch
    tensors = aigc_market.solve(market.like(torch.ones(1, dtype=torch.float64)))
    gaps = aigc_market.regret(market, together.price, aigc_market.best_response(market, 5.0))
    for lane in np.ndindex(batch):

        def own(value, lane=lane):
            return value[lane] if np.ndim(value) else value

        given = {name: own(value) for name, value in arguments.items()}
        one = aigc_market.Market(K=K, ssim=ssim.map(own), **given)
        alone = aigc_market.solve(one)
        for name in ("price", "steps", "asp_utility", "vmu_utility", "vmu_surplus", "closed_form"):
            np.testing.assert_allclose(getattr(together, name)[lane], getattr(alone, name))
            found = np.asarray(getattr(tensors, name)[lane])
            np.testing.assert_allclose(found, getattr(alone, name), rtol=1e-10, atol=1e-9)
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


@pytest.mark.parametrize("ssim", [None, SaturatingSSIM(3.0975, 41.3)])
def test_gradient_of_the_optimum_follows_the_envelope_theorem(ssim):
    cost = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    equilibrium = aigc_market.solve(aigc_market.Market(cost=cost, ssim=ssim))
    equilibrium.asp_utility.backward()
    assert cost.grad.item() == pytest.approx(-equilibrium.steps.sum().item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("flat", 10.0 ** np.arange(-24, -7, 2))
@pytest.mark.parametrize("saturating", [False, True])
def test_curves_that_are_all_but_lines(saturating, flat, dtype):
    """All is bought below p = β·δ and nothing above: what falls in between is lost in rounding."""
    ssim = SaturatingSSIM(BETA / flat, 1 / flat) if saturating else QuadraticSSIM(-flat, BETA)
    satisfaction = torch.tensor([200.0, 150.0], dtype=dtype)
    equilibrium = aigc_market.solve(aigc_market.Market(satisfaction=satisfaction, ssim=ssim))
    assert equilibrium.price.item() == pytest.approx(150 * BETA, rel=1e-3)
    assert equilibrium.asp_utility.item() == pytest.approx((150 * BETA - 1) * 500, rel=1e-3)


def test_regret_of_many_rounds_at_once():
    market = aigc_market.Market()
    prices, steps = np.linspace(1, 20, 7), np.linspace(10, 250, 14).reshape(7, 2)
    together = aigc_market.regret(market, prices, steps)
    for t in range(7):
        alone = aigc_market.regret(market, prices[t], steps[t])
        assert together.leader[t] == pytest.approx(alone.leader)
        np.testing.assert_allclose(together.followers[t], alone.followers)


@pytest.mark.parametrize("capacity", [None, 8.0])
def test_one_purchase_is_settled_in_every_market_and_at_every_price(capacity):
    for cost in (1.0, [1.0, 2.0, 3.0]):
        market = aigc_market.Market(cost=cost, capacity=capacity)
        settled = rules.settle(market, np.full((4, 3), 5.0), [5.0, 6.0])
        for values in (settled.asked, settled.delivered, settled.surplus()):
            assert values.shape == (4, 3, 2)
        assert settled.asp_utility.shape == (4, 3)


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
