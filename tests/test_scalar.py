"""A round on floats is the round on arrays: `scalar` beside `rules`."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_market import Market, rules, scalar
from aigc_market.market import Competition
from aigc_market.ssim import QuadraticSSIM, SaturatingSSIM, TabulatedSSIM

TABLE = TabulatedSSIM([0, 20, 60, 120, 160, 250], [0, 0.9, 2.5, 3.1, 4.6, 4.9])
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
