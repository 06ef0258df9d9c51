"""The rules: best responses, utilities, rationing, in every array library and on floats."""

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import aigc_market
from aigc_market import Market, rules, scalar
from aigc_market.market import Competition
from aigc_market.rules import Settlement, Terms
from aigc_market.ssim import QuadraticSSIM, SaturatingSSIM, TabulatedSSIM

ALPHA, BETA, GAMMA = -0.000174, 0.075, 4891.89
PAPER = QuadraticSSIM(ALPHA, BETA, GAMMA)
TABLE = TabulatedSSIM([0, 20, 60, 120, 160, 250], [0, 0.9, 2.5, 3.1, 4.6, 4.9])


@pytest.mark.parametrize("price", [2.0, 5.0, 8.0, 11.0])
@pytest.mark.parametrize("satisfaction", [[200.0, 200.0], [150.0, 260.0, 410.0]])
def test_slope_of_leader_utility_is_eq_13(price, satisfaction):
    cost = 1.0
    market = aigc_market.Market(
        K=len(satisfaction), cost=cost, satisfaction=satisfaction, min_steps=0, max_steps=1000
    )
    posted = torch.tensor(price, dtype=torch.float64, requires_grad=True)
    rules.leader_utility(market, posted).backward()
    # U_p = Σ (p − c)·(p/(2δα) − β/(2α)), so dU_p/dp = Σ (2p − c)/(2δα) − β/(2α).
    by_hand = sum((2 * price - cost) / (2 * d * ALPHA) - BETA / (2 * ALPHA) for d in satisfaction)
    assert posted.grad.item() == pytest.approx(by_hand, rel=1e-12)


def test_demand_does_not_move_with_the_price_where_a_bound_binds():
    market = aigc_market.Market(min_steps=120, max_steps=160)
    price = torch.tensor([12.0, 19.0], dtype=torch.float64, requires_grad=True)
    rules.leader_utility(market, price).sum().backward()
    np.testing.assert_allclose(price.grad.numpy(), 2 * 120.0)


@pytest.mark.parametrize("ssim", [PAPER, TABLE], ids=["quadratic", "table"])
@pytest.mark.parametrize("capacity", [None, 150.0])
def test_single_precision_stays_single_and_agrees_with_double(ssim, capacity):
    market = aigc_market.Market(
        K=3, satisfaction=[90.0, 200.0, 470.0], capacity=capacity, ssim=ssim
    )
    prices = np.linspace(1.1, 19.3, 23)
    single = torch.asarray(prices, dtype=torch.float32)
    bought = aigc_market.best_response(market, single)
    utility = rules.leader_utility(market, single)
    assert bought.dtype == utility.dtype == torch.float32
    np.testing.assert_allclose(bought, aigc_market.best_response(market, prices), rtol=2e-5)
    np.testing.assert_allclose(utility, rules.leader_utility(market, prices), rtol=2e-5)
    surplus = rules.vmu_surplus(single[:, None], market.like(single).satisfaction, ssim, bought)
    assert surplus.dtype == torch.float32


@pytest.mark.parametrize("device", ["CPU_DEVICE", "device1"])
@pytest.mark.parametrize("ssim", [PAPER, TABLE], ids=["quadratic", "table"])
@pytest.mark.parametrize("capacity", [None, 150.0])
def test_rules_use_nothing_beyond_the_array_api_standard(device, ssim, capacity):
    delta = np.array([90.0, 470.0])
    strict = array_api_strict.asarray(delta, device=array_api_strict.Device(device))
    arguments = {"capacity": capacity, "ssim": ssim}
    expected = aigc_market.Market(satisfaction=delta, **arguments)
    market = aigc_market.Market(satisfaction=strict, **arguments)

    def same(theirs, ours):
        theirs = array_api_strict.asarray(theirs, device=array_api_strict.Device("CPU_DEVICE"))
        np.testing.assert_allclose(np.asarray(theirs), ours, rtol=1e-12)

    prices = array_api_strict.asarray([3.0, 9.0], device=array_api_strict.Device(device))
    bought = aigc_market.best_response(market, prices)
    assert isinstance(bought, type(strict))
    same(bought, aigc_market.best_response(expected, np.array([3.0, 9.0])))
    solved, equilibrium = aigc_market.solve(market), aigc_market.solve(expected)
    same(solved.price, equilibrium.price)
    same(solved.steps, equilibrium.steps)
    same(solved.vmu_surplus, equilibrium.vmu_surplus)
    gap = aigc_market.regret(market, 7.0, np.array([40.0, 60.0]))
    verdict = aigc_market.regret(expected, 7.0, np.array([40.0, 60.0]))
    same(gap.leader, verdict.leader)
    same(gap.followers, verdict.followers)


def test_best_response_is_eq_11_inside_the_bounds():
    market = aigc_market.Market(satisfaction=[150.0, 300.0], min_steps=0, max_steps=400)
    for price in (3.0, 8.0):
        by_hand = [price / (2 * d * ALPHA) - BETA / (2 * ALPHA) for d in (150.0, 300.0)]
        np.testing.assert_allclose(aigc_market.best_response(market, price), by_hand, rtol=1e-12)


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("cost", [1.0, 2.0, 3.0]),
        ("max_price", [9.0, 12.0, 20.0]),
        ("min_steps", [0.0, 20.0, 110.0]),
        ("max_steps", [50.0, 90.0, 250.0]),
        ("capacity", [60.0, 150.0, 900.0]),
        ("satisfaction", [[200.0, 90.0], [50.0, 400.0], [100.0, 100.0]]),
        ("alpha", [[-1e-4], [-2e-4], [-3e-4]]),
        ("beta", [[0.07], [0.08], [0.06]]),
        ("beta", [[0.07, 0.08], [0.06, 0.07], [0.05, 0.09]]),
    ],
)
@pytest.mark.parametrize("price", [8.0, [7.0, 8.0, 9.0], [[7.0], [8.0]]])
def test_a_batch_answers_like_its_markets_one_by_one(parameter, values, price):
    def market(value):
        if parameter in ("alpha", "beta"):
            coefficients = {"alpha": ALPHA, "beta": BETA, parameter: value}
            return aigc_market.Market(ssim=QuadraticSSIM(**coefficients))
        return aigc_market.Market(**{parameter: value})

    batch, price = market(np.array(values)), np.asarray(price)
    each_price = np.broadcast_to(price, np.broadcast_shapes(price.shape, (3,)))
    bought, utility = aigc_market.best_response(batch, price), rules.leader_utility(batch, price)
    assert bought.shape == (*each_price.shape, 2)
    for lane, value in enumerate(values):
        one = market(np.array(value))
        prices = each_price[..., lane]
        np.testing.assert_allclose(bought[..., lane, :], aigc_market.best_response(one, prices))
        np.testing.assert_allclose(utility[..., lane], rules.leader_utility(one, prices))


def test_rationing_is_in_proportion():
    market = aigc_market.Market(K=3, capacity=50.0)
    settled = rules.settle(market, 3.0, np.array([30.0, 60.0, 10.0]))
    np.testing.assert_allclose(settled.delivered, [15.0, 30.0, 5.0])
    assert settled.sold == pytest.approx(50.0)
    assert settled.asp_utility == pytest.approx(100.0)


@pytest.mark.parametrize("capacity", [None, [90.0, 50.0]])
def test_enough_capacity_rations_nobody(capacity):
    steps = np.array([[30.0, 60.0], [20.0, 30.0]])
    settled = rules.settle(aigc_market.Market(capacity=capacity), 3.0, steps)
    np.testing.assert_array_equal(settled.delivered, steps)
    np.testing.assert_array_equal(settled.sold, [90.0, 50.0])


LAID_OUT = {
    "paper": aigc_market.Market(K=3, satisfaction=[90.0, 200.0, 400.0]),
    "scarce": aigc_market.Market(K=3, satisfaction=[90.0, 200.0, 400.0], capacity=120.0),
    "some are away": aigc_market.Market(K=3, active=[True, False, True], capacity=120.0),
    "a model each": aigc_market.Market(K=3, ssim=QuadraticSSIM(ALPHA, np.array([0.05, 0.07, 0.1]))),
    "table": aigc_market.Market(K=3, ssim=TabulatedSSIM([0, 90, 250], [0, 4.0, 6.0])),
}


@pytest.mark.parametrize("market", LAID_OUT.values(), ids=LAID_OUT)
def test_a_round_is_settled_alike_along_any_axis(market):
    price, asked = 6.5, [30.0, 77.0, 120.0]
    plain = rules.settle(market, price, asked)
    batch, rows = np.array([price, 9.0]), np.array([asked, [1.0, 2.0, 3.0]])
    settled = {
        "first axis": Settlement(Terms(market, front=True), batch, rows.T),
        "last axis": rules.settle(market, batch, rows),
        "tensors": rules.settle(market, torch.tensor(batch), torch.tensor(rows)),
    }
    for name, one in settled.items():
        for both in ((plain, one), (plain.rational(), one.rational())):
            theirs, ours = both
            for field in ("asked", "delivered", "sold", "asp_utility", "surplus", "utility"):
                a, b = (getattr(part, field) for part in (theirs, ours))
                a, b = (part() if callable(part) else part for part in (a, b))
                b = np.asarray(b)[..., 0] if name == "first axis" else np.asarray(b)[0]
                np.testing.assert_allclose(b, a, rtol=1e-12, err_msg=name)


def test_who_is_not_there_buys_and_is_paid_nothing():
    settled = rules.settle(LAID_OUT["some are away"], 6.5, [30.0, 77.0, 120.0])
    assert settled.asked.tolist() == [30.0, 0.0, 120.0]
    assert settled.surplus()[1] == settled.utility()[1] == settled.delivered[1] == 0.0
    assert settled.sold == pytest.approx(120.0)


def test_a_settlement_is_differentiable():
    market = aigc_market.Market(capacity=120.0)
    price = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    asked = torch.tensor([90.0, 60.0], dtype=torch.float64, requires_grad=True)

    def paid(price, asked):
        settled = rules.settle(market, price, asked)
        return settled.asp_utility, settled.surplus()

    assert torch.autograd.gradcheck(paid, (price, asked))
    free = torch.tensor([30.0, 60.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(paid, (price, free))


@pytest.mark.parametrize(
    ("price", "asked", "complaint"),
    [
        (0.0, [1.0, 2.0], "price must be finite numbers above 0, got 0"),
        (8.0, [1.0], "asked must hold K = 2 along its last axis"),
        (8.0, [1.0, float("nan")], "asked must be finite numbers"),
    ],
)
def test_a_settlement_of_bad_numbers_is_refused(price, asked, complaint):
    with pytest.raises(ValueError, match=complaint):
        rules.settle(aigc_market.Market(), price, asked)


def test_below_the_clearing_price_utility_rises_with_the_price():
    """Why rationing keeps the constrained equilibrium (DESIGN.md, capacity)."""
    market = aigc_market.Market(min_steps=0, capacity=150.0)
    prices = np.linspace(1.0, 9.78, 50)
    np.testing.assert_allclose(rules.leader_utility(market, prices), (prices - 1.0) * 150.0)


def test_utilities_as_printed():
    assert rules.asp_utility(8.0, 1.0, 201.15) == pytest.approx(1408.05)
    utility = rules.vmu_utility(8.0, 200.0, PAPER, 100.0)
    assert utility == pytest.approx(200 * (ALPHA * 100**2 + BETA * 100 + GAMMA) - 8 * 100)
    constant = rules.vmu_utility(8.0, 200.0, PAPER, 0.0)
    assert rules.vmu_surplus(8.0, 200.0, PAPER, 100.0) == pytest.approx(utility - constant)


def test_free_images_are_worth_the_best_surplus():
    worth = rules.best_surplus(np.array([100.0, 200.0]), PAPER, 10.0, 300.0)
    vertex = -BETA / (2 * ALPHA)
    np.testing.assert_allclose(worth, np.array([100.0, 200.0]) * (PAPER(vertex) - PAPER(0.0)))


# A round on floats is the round on arrays: scalar beside rules


amounts = st.floats(50.0, 400.0)
models = st.one_of(
    st.builds(QuadraticSSIM, st.floats(-4e-4, -1e-4), st.floats(0.05, 0.12), st.floats(0, 5)),
    st.builds(SaturatingSSIM, st.floats(2, 5), st.floats(25, 60), st.floats(0, 5)),
    st.just(TABLE),
)


@st.composite
def of_one(draw):
    """A market, two prices and what is asked for at each."""
    K = draw(st.integers(1, 9))
    each = st.lists(amounts, min_size=K, max_size=K)
    low = draw(st.sampled_from([0.0, 10.0]))
    market = Market(
        K=K,
        cost=draw(st.floats(0.5, 3.0)),
        satisfaction=draw(each),
        min_steps=low,
        capacity=draw(st.none() | st.floats(low * K + 1.0, 100.0 * K)),
        ssim=draw(models),
        active=draw(st.none() | st.lists(st.booleans(), min_size=K, max_size=K)),
    )
    prices = draw(st.lists(st.floats(1.0, 20.0, width=32), min_size=2, max_size=2))
    asked = np.float32([draw(st.lists(st.floats(low, 250.0), min_size=K, max_size=K))] * 2)
    return market, prices, asked


@given(of_one())
@settings(max_examples=150, deadline=None)
def test_a_round_of_one_provider(case):
    market, prices, asked = case
    # Two games side by side: NumPy sums a lone one in another order.
    terms, floats = rules.Terms(market, front=True, single=True), scalar.Terms(market)
    batch = rules.Settlement(terms, np.array(prices), asked.T.astype(float))
    best = batch.rational()
    for lane, price in enumerate(prices):
        given = asked[lane].tolist()
        wanted, delivered, sold, utility = floats.settle(price, given)
        assert wanted == batch.asked[:, lane].tolist()
        assert delivered == batch.delivered[:, lane].tolist()
        assert (sold, utility) == (batch.sold[lane], batch.asp_utility[lane])
        gains = floats.gains(delivered)
        assert gains == batch.gain()[:, lane].tolist()
        assert floats.surpluses(price, delivered, gains) == batch.surplus()[:, lane].tolist()
        quality = [gain + zero for gain, zero in zip(gains, floats.at_zero, strict=True)]
        paid = floats.utilities(price, delivered, quality)
        np.testing.assert_allclose(paid, batch.utility()[:, lane], rtol=1e-12, atol=1e-9)
        rational = floats.settle(price, scalar.in_single(floats.demand(price)))
        assert rational[0] == best.asked[:, lane].tolist()
        assert rational[3] == best.asp_utility[lane]


@st.composite
def of_several(draw):
    """A market of several providers, and prices."""
    M, K = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    each, of_each = (st.lists(amounts, min_size=n, max_size=n) for n in (K, M))
    market = Competition(
        M=M,
        K=K,
        cost=draw(st.lists(st.floats(0.5, 3.0), min_size=M, max_size=M)),
        satisfaction=draw(each),
        capacity=draw(st.none() | of_each),
        ssim=draw(st.lists(models, min_size=M, max_size=M)),
        access_cost=draw(st.floats(0.0, 50.0)),
        temperature=draw(st.floats(5.0, 80.0)),
        outside=draw(st.none() | st.floats(-20.0, 200.0)),
    )
    return market, draw(st.lists(st.floats(1.0, 20.0, width=32), min_size=M, max_size=M))


@given(of_several())
@settings(max_examples=100, deadline=None)
def test_a_round_of_several_providers(case):
    market, prices = case
    terms, floats = rules.PairTerms(market, front=True), scalar.PairTerms(market)
    columns = np.array(prices)[:, None]
    answer = rules.rational(terms, columns)
    batch = rules.PairSettlement(terms, columns, *answer)

    def same(found, expected):
        # Exponentials of `math` and NumPy may differ in a last digit.
        np.testing.assert_allclose(found, np.ravel(expected), rtol=1e-10, atol=1e-9)

    shares, steps = floats.rational(prices)
    same(shares, answer.shares)
    same(steps, answer.steps)
    same(floats.best_utility(prices), rules.best_utility(terms, columns))
    demand, delivered, sold, utility = floats.settle(prices, shares, steps)
    same(demand, batch.demand)
    same(delivered, batch.delivered)
    same(sold, batch.sold)
    same(utility, batch.asp_utility)
    same(floats.vmu_utility(prices, shares, delivered), batch.vmu_utility())
    same(floats.vmu_utility(prices, shares, steps), batch.wished_utility())
