"""A market as curves: breakpoints, U_p(p), and Theorem 2's price."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aigc_market
from aigc_market.curves import breakpoints, curves, theorem_2
from aigc_market.ssim import QuadraticSSIM, TabulatedSSIM

STAIRS = TabulatedSSIM([0, 20, 50, 90, 120, 250], [0.1, 0.4, 0.6, 0.75, 0.8, 0.81])


@pytest.mark.parametrize(("cost", "price"), [(1, 8), (2, 8.5), (3, 9), (4, 9.5), (5, 10)])
def test_theorem_2_of_the_papers_markets(cost, price):
    assert theorem_2(aigc_market.Market(cost=cost)) == pytest.approx(price)


@pytest.mark.parametrize(
    ("arguments", "formula", "price"),
    [
        ({"satisfaction": [50, 400], "min_steps": 0}, 3.8333, 15.5),
        ({"satisfaction": [200, 400], "max_steps": 120}, 10.5, 12.176),
    ],
)
def test_theorem_2_looks_at_no_bound(arguments, formula, price):
    market = aigc_market.Market(**arguments)
    equilibrium = aigc_market.solve(market)
    assert theorem_2(market) == pytest.approx(formula, abs=1e-4)
    assert equilibrium.price == pytest.approx(price)
    assert not equilibrium.closed_form


@given(
    satisfaction=st.lists(st.floats(20, 600), min_size=1, max_size=5),
    cost=st.floats(0.5, 6),
    alpha=st.floats(-4e-4, -5e-5),
    beta=st.floats(0.02, 0.15),
)
def test_theorem_2_is_the_equilibrium_where_nothing_binds(satisfaction, cost, alpha, beta):
    K = len(satisfaction)
    model = QuadraticSSIM(np.full(K, alpha), beta * (1 + 0.1 * np.arange(K)))
    market = aigc_market.Market(K=K, satisfaction=satisfaction, cost=cost, ssim=model)
    equilibrium = aigc_market.solve(market)
    if equilibrium.closed_form:
        assert theorem_2(market) == pytest.approx(equilibrium.price, rel=1e-9)


def test_theorem_2_counts_those_who_are_there():
    both = aigc_market.Market(satisfaction=[100, 300], active=[True, False])
    assert theorem_2(both) == pytest.approx(theorem_2(aigc_market.Market(K=1, satisfaction=100)))
    assert theorem_2(aigc_market.Market(active=[False, False])) is None
    assert theorem_2(aigc_market.Market(ssim=STAIRS)) is None


class Line:
    """A quadratic whose coefficients nobody else knows."""

    def __init__(self, alpha, beta):
        self._inside = QuadraticSSIM(alpha, beta)

    def __getattr__(self, name):
        if name in ("alpha", "beta", "gamma", "_inside"):
            raise AttributeError(name)
        return getattr(self._inside, name)

    def __call__(self, steps):
        return self._inside(steps)


def test_theorem_2_asks_for_linear_demand_alone():
    known, unknown = QuadraticSSIM(-2e-4, 0.09), Line(-2e-4, 0.09)
    markets = [aigc_market.Market(satisfaction=[150, 250], ssim=ssim) for ssim in (known, unknown)]
    assert theorem_2(markets[1]) == pytest.approx(theorem_2(markets[0]), rel=1e-12)
    assert theorem_2(markets[1]) == pytest.approx(aigc_market.solve(markets[1]).price, rel=1e-9)


def test_breakpoints_are_where_a_vmu_meets_a_bound():
    market = aigc_market.Market(satisfaction=[50, 400], min_steps=0, max_steps=100)
    # δ·(β + 2α·S) at S = 0 and S = 100: the others lie above p_max = 20.
    assert breakpoints(market) == pytest.approx([50 * 0.0402, 50 * 0.075, 400 * 0.0402])


def test_the_market_clearing_price_is_a_breakpoint():
    market = aigc_market.Market(min_steps=0, capacity=150)
    assert breakpoints(market) == pytest.approx([9.78, 15])
    jump = aigc_market.Market(K=1, ssim=STAIRS, satisfaction=1000, min_steps=0, capacity=60)
    # 90 steps are asked for up to 1000·(.75 − .6)/40 = 3.75, and 50 behind it.
    assert breakpoints(jump) == pytest.approx([5 / 3, 3.75, 20 / 3, 15])
    assert breakpoints(aigc_market.Market(capacity=1e4)) == pytest.approx([15.0])
    tight = aigc_market.Market(min_steps=10, capacity=20, max_price=12)  # binds at every price
    assert len(breakpoints(tight)) == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"satisfaction": [50, 400], "min_steps": 0},
        {"min_steps": 120, "max_steps": 160},
        {"min_steps": 0, "capacity": 150},
        {"K": 3, "satisfaction": [900, 2000, 4000], "ssim": STAIRS, "min_steps": 0},
        {"K": 3, "satisfaction": [900, 2000, 4000], "ssim": STAIRS, "capacity": 100},
        {"K": 3, "satisfaction": [60, 200, 300], "active": [True, False, True]},
    ],
)
def test_the_curve_peaks_at_the_equilibrium_and_is_smooth_between_breakpoints(parameters):
    market = aigc_market.Market(**parameters)
    equilibrium, drawn = aigc_market.solve(market), curves(market, points=4001)
    assert drawn.price[0] == market.cost
    assert drawn.price[-1] == market.max_price
    assert np.all(np.diff(drawn.price) > 0)
    best = equilibrium.asp_utility
    assert drawn.asp_utility.max() <= best * (1 + 1e-9)
    assert drawn.asp_utility.max() == pytest.approx(best, rel=1e-5)
    assert drawn.steps.shape == (len(drawn.price), market.K)
    if market.capacity is not None:
        assert np.all(drawn.steps.sum(axis=1) <= market.capacity * (1 + 1e-9))
    # U_p is a parabola on each piece: three differences of a fine grid vanish there.
    edges = [market.cost, *breakpoints(market), market.max_price]
    for low, high in pairwise(edges):
        width = high - low
        prices = np.linspace(low + 0.01 * width, high - 0.01 * width, 9)
        sold = aigc_market.best_response(market, prices).sum(axis=-1)
        sold = sold if market.capacity is None else np.minimum(sold, market.capacity)
        utility = (prices - market.cost) * sold
        assert np.abs(np.diff(utility, n=3)).max() <= 1e-9 * max(1.0, best)


@pytest.mark.parametrize("function", [breakpoints, curves, theorem_2])
def test_a_batch_is_refused(function):
    with pytest.raises(ValueError, match="market must be one market"):
        function(aigc_market.Market(cost=[1.0, 2.0]))
    with pytest.raises(TypeError, match="market must be a Market"):
        function(None)
