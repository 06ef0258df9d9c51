"""SSIM that saturates: its digits, its markets solved, and its law."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import wrightomega

import aigc_market
from aigc_market.curves import breakpoints, curves, theorem_2
from aigc_market.distributions import (
    Drawn,
    DrawnQuadratic,
    DrawnSaturating,
    LogUniform,
    Uniform,
    function_in,
)
from aigc_market.ssim import SaturatingSSIM
from aigc_market.ssim.saturating import log_lambert_w

GAIN, SCALE = 3.0975, 41.3
MODEL = SaturatingSSIM(GAIN, SCALE, 0.4)


# -- the model --------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, np.zeros(3), torch.zeros(3), 1e-300])
def test_all_that_is_for_sale_is_bought_for_nothing(rate):
    np.testing.assert_array_equal(MODEL.demand(rate, 0.0, 250.0), 250.0)


@given(
    st.lists(st.floats(1e-6, 10), min_size=1, max_size=40),
    st.floats(0.1, 50),
    st.floats(0.5, 500),
)
def test_numbers_one_by_one_are_those_of_an_array(rates, gain, scale):
    """To the last digit: views that play one by one and in batches must agree."""
    model, rates = SaturatingSSIM(gain, scale, 0.1), np.array(rates)
    bought = model.demand(rates, 0.0, 250.0)
    assert [model.demand(rate, 0.0, 250.0) for rate in rates.tolist()] == bought.tolist()
    assert [model.gain(steps) for steps in bought.tolist()] == model.gain(bought).tolist()
    assert [model(steps) for steps in bought.tolist()] == model(bought).tolist()
    assert all(type(model.demand(rate, 0.0, 250.0)) is float for rate in rates.tolist())


def test_lamberts_w_is_scipys():
    z = np.concatenate(
        [np.linspace(-700, 700, 20_001), np.linspace(-3, 3, 2001), 10.0 ** np.arange(3, 300, 7)]
    )
    np.testing.assert_allclose(np.exp(log_lambert_w(z)), wrightomega(z), rtol=1e-12)


# -- its markets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("satisfaction", "price", "utility"),
    [(200.0, 6.444468, 379.9302), ([100.0, 300.0], 5.696033, 319.7936)],
)
def test_the_market_of_reference(satisfaction, price, utility):
    market = aigc_market.Market(satisfaction=satisfaction, ssim=SaturatingSSIM(GAIN, SCALE))
    equilibrium = aigc_market.solve(market)
    assert equilibrium.price == pytest.approx(price, abs=5e-7)
    assert equilibrium.asp_utility == pytest.approx(utility, abs=5e-5)
    assert equilibrium.closed_form


def test_gradients_flow_through_the_equilibrium():
    def price(cost, delta, gain, scale):
        ssim = SaturatingSSIM(gain, scale)
        market = aigc_market.Market(K=3, cost=cost, satisfaction=delta, ssim=ssim)
        return aigc_market.solve(market).price

    def clearing(delta, gain, scale):
        ssim = SaturatingSSIM(gain, scale)
        market = aigc_market.Market(K=3, satisfaction=delta, ssim=ssim, capacity=60.0)
        return aigc_market.solve(market).price

    given = [
        torch.tensor(numbers, dtype=torch.float64, requires_grad=True)
        for numbers in (1.5, [150.0, 200.0, 330.0], [2.0, 3.0, 4.0], [30.0, 40.0, 50.0])
    ]
    assert torch.autograd.gradcheck(price, given)
    assert torch.autograd.gradcheck(clearing, given[1:])


def test_single_precision_is_enough_for_a_price():
    market = aigc_market.Market(ssim=MODEL, max_price=1e9)
    single = aigc_market.solve(market.like(torch.ones(1, dtype=torch.float32)))
    assert single.price.item() == pytest.approx(aigc_market.solve(market).price, rel=1e-5)


def test_a_market_as_curves():
    market = aigc_market.Market(satisfaction=[80, 400], max_steps=60, capacity=80, ssim=MODEL)
    at_most, clearing = 0.075 * np.exp(-60 / SCALE), 80 * 0.075 * np.exp(-20 / SCALE)
    found = breakpoints(market)  # 400 · .075 is above p_max
    np.testing.assert_allclose(found, [80 * at_most, clearing, 80 * 0.075, 400 * at_most])
    assert theorem_2(market) is None
    drawn, equilibrium = curves(market, points=4001), aigc_market.solve(market)
    assert drawn.asp_utility.max() <= equilibrium.asp_utility * (1 + 1e-9)
    assert drawn.asp_utility.max() == pytest.approx(equilibrium.asp_utility, rel=1e-5)
    assert np.all(drawn.steps.sum(axis=1) <= 80 * (1 + 1e-9))
    # On a piece demand is a line of ln p, or all that there is.
    for low, high in pairwise([1.0, *found, 20.0]):
        prices = np.geomspace(low * 1.0001, high * 0.9999, 7)
        sold = np.minimum(aigc_market.best_response(market, prices).sum(axis=-1), 80)
        np.testing.assert_allclose(np.diff(sold, n=2), 0, atol=1e-9)


# -- the law ----------------------------------------------------------------------------------

LAW = DrawnSaturating(gain=LogUniform(2, 5), scale=Uniform(25, 60), start=0.3)


QUADRATIC = DrawnQuadratic(alpha=LogUniform(1e-4, 4e-4), beta=Uniform(0.05, 0.12), gamma=0.3)


@pytest.mark.parametrize(
    ("law", "bounds"),
    [
        (LAW, {"gain": (2, 5), "scale": (25, 60)}),
        (QUADRATIC, {"alpha": (-4e-4, -1e-4), "beta": (0.05, 0.12)}),
    ],
)
def test_coefficients_are_drawn_for_each_market(law, bounds):
    assert law.coefficients == bounds
    model = law.draw(np.random.default_rng(0), (500,))
    for values, (low, high) in zip(law.values_of(model), bounds.values(), strict=True):
        assert values.shape == (500, 1)
        span = high - low
        assert low <= values.min() < low + 0.1 * span
        assert high - 0.1 * span < values.max() <= high
    assert model(0.0) == pytest.approx(0.3)
    one = law.stand_in()
    assert law.values_of(one) == one.parameters[:2]
    for value, ends in zip(law.values_of(one), bounds.values(), strict=True):
        assert value in ends
    market = aigc_market.Market(satisfaction=np.full((500, 2), 200.0), ssim=model)
    assert np.all(aigc_market.solve(market).asp_utility > 0)


def test_what_of_a_law_is_a_function_is_found():
    """Games on tensors cannot draw by it, and say so."""
    drawn = Drawn(2.0, 5.0, lambda rng: 3.0)
    assert function_in(DrawnSaturating(gain=LAW.gain, scale=drawn)) is drawn
    assert function_in(LAW) is None
