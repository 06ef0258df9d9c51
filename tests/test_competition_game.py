"""Rational shares and the settlement of several providers, against formulas and today's game."""

import competition_by_hand as by_hand
import numpy as np
import pytest
import torch

from aigc_market import competition, rules
from aigc_market.competition import Competition
from aigc_market.rules import PairSettlement, PairTerms
from aigc_market.ssim import PAPER_SSIM, QuadraticSSIM, SaturatingSSIM, TabulatedSSIM

TABLE = TabulatedSSIM([0, 50, 100, 250], [0, 3.0, 5.0, 7.0])
MODELS = {
    "one": None,
    "kinds": [None, TABLE, QuadraticSSIM(-2e-4, 0.08)],
    "quadratics": [QuadraticSSIM(-1e-4, 0.06), PAPER_SSIM, QuadraticSSIM(-2e-4, 0.08)],
    "tables": [TABLE] * 3,
    "each VMU's": QuadraticSSIM(-np.array([1e-4, 2e-4, 3e-4, 1e-4]), 0.07),
    "saturating": [SaturatingSSIM(9.0, 90.0), SaturatingSSIM([2.0, 3.0, 4.0, 5.0], 60.0), TABLE],
}


def three(rng, **arguments):
    """Three providers, four VMUs, a capacity that binds."""
    return Competition(
        M=3,
        K=4,
        satisfaction=rng.uniform(100, 300, 4),
        access_cost=rng.uniform(0, 50, (3, 4)),
        cost=[1, 2, 1.5],
        capacity=[50, 60, 300.0],
        **arguments,
    )


@pytest.mark.parametrize("kinds", [by_hand.OLD, by_hand.NEW])
@pytest.mark.parametrize("seed", range(12))
def test_random_markets_by_hand(seed, kinds):
    rng = np.random.default_rng(seed)
    plain = by_hand.draw(rng, kinds=kinds)
    market, prices = made(plain), rng.uniform(1, 12, plain["M"])
    answer = competition.respond(market, prices)
    paid = competition.settle(market, prices, answer.shares, answer.steps).asp_utility
    np.testing.assert_allclose(paid, by_hand.utilities(plain, prices), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(paid.sum(), by_hand.total(plain, prices), rtol=1e-9, atol=1e-12)


def made(plain):
    """A market of plain numbers as the package has it."""

    def model(given):
        if "table" in given:
            return TabulatedSSIM(*given["table"])
        return (SaturatingSSIM if "scale" in given else QuadraticSSIM)(**given)

    return Competition(**{**plain, "ssim": [model(given) for given in plain["ssim"]]})


@pytest.mark.parametrize("outside", [None, 3.0])
@pytest.mark.parametrize("models", MODELS)
def test_axes_in_front_and_behind_agree(models, outside):
    rng = np.random.default_rng(1)
    market = three(rng, ssim=MODELS[models], outside=outside)
    prices = np.array([5.0, 6.0, 7.0])
    both = (PairTerms(market), prices), (PairTerms(market, front=True), prices[:, None])
    behind, front = (PairSettlement(terms, p, *rules.rational(terms, p)) for terms, p in both)
    for name in ("shares", "asked", "delivered", "demand", "sold", "asp_utility"):
        here, there = (np.ravel(getattr(settled, name)) for settled in (behind, front))
        np.testing.assert_allclose(here, there, rtol=1e-12)
    np.testing.assert_allclose(behind.vmu_utility(), np.ravel(front.vmu_utility()))
    assert behind.sold[0] == pytest.approx(50)  # rationed


@pytest.mark.parametrize("models", MODELS)
def test_tensors_equal_arrays_and_carry_gradients(models):
    rng = np.random.default_rng(2)
    market = three(rng, ssim=MODELS[models], outside=3.0)
    prices = np.array([5.0, 6.0, 7.0])
    tensor = torch.tensor(prices, requires_grad=True)
    here, there = competition.respond(market, prices), competition.respond(market, tensor)
    for name in ("shares", "steps", "vmu_utility"):
        expected = getattr(here, name)
        np.testing.assert_allclose(getattr(there, name).detach(), expected, rtol=1e-12)
    there.vmu_utility.sum().backward()
    # The envelope theorem: ∂U_k/∂p_m = −q·S.
    expected = -(here.shares * here.steps).sum(axis=-1)
    np.testing.assert_allclose(tensor.grad, expected, rtol=1e-9)


def test_gradients_of_the_providers_are_those_of_finite_differences():
    rng = np.random.default_rng(3)
    market = three(rng, outside=None)
    start = np.array([5.0, 6.0, 7.0])

    def paid(prices):
        answer = competition.respond(market, prices)
        return competition.settle(market, prices, answer.shares, answer.steps).asp_utility

    found = torch.autograd.functional.jacobian(paid, torch.tensor(start))
    for m in range(3):
        step = np.zeros(3)
        step[m] = 1e-6
        expected = (paid(start + step) - paid(start - step)) / 2e-6
        np.testing.assert_allclose(found[:, m], expected, rtol=1e-5, atol=1e-5)


def test_a_batch_answers_like_its_markets_one_by_one():
    rng = np.random.default_rng(4)
    market = Competition(
        M=2,
        K=3,
        satisfaction=rng.uniform(100, 300, (7, 3)),
        temperature=rng.uniform(5, 60, 7),
        cost=rng.uniform(1, 2, (7, 2)),
        ssim=QuadraticSSIM(-rng.uniform(1e-4, 3e-4, 7), 0.075),
        min_steps=rng.uniform(0, 3, 7),
        outside=rng.uniform(0, 3, 7),
    )
    prices = rng.uniform(2, 8, (5, 7, 2))
    together = competition.respond(market, prices)
    assert together.shares.shape == (5, 7, 2, 3)
    for i in range(7):
        alone = competition.respond(market.lanes(i), prices[:, i])
        np.testing.assert_allclose(alone.shares, together.shares[:, i], rtol=1e-12)
        np.testing.assert_allclose(alone.vmu_utility, together.vmu_utility[:, i], rtol=1e-12)
    front = PairTerms(market, front=True)
    columns = np.moveaxis(prices[0], 0, -1)
    settled = PairSettlement(front, columns, *rules.rational(front, columns))
    np.testing.assert_allclose(np.moveaxis(settled.shares, -1, 0), together.shares[0])


def test_no_other_shares_and_steps_are_better_for_a_vmu():
    rng = np.random.default_rng(5)
    market = Competition(M=3, K=2, satisfaction=[150.0, 260.0], outside=10.0, temperature=30.0)
    prices = np.array([5.0, 6.0, 7.0])
    best = competition.respond(market, prices).vmu_utility
    for _ in range(200):
        shares = rng.dirichlet(np.ones(4), 2).T[:3]
        steps = rng.uniform(0, 250, (3, 2))
        assert np.all(competition.settle(market, prices, shares, steps).vmu_utility() <= best)


def test_a_provider_short_of_capacity_gives_all_the_same_part():
    market = Competition(M=2, K=2, capacity=[50.0, 500.0], outside=7.0)
    shares, steps = np.full((2, 2), 0.5), np.array([[100.0, 60.0], [100.0, 60.0]])
    settled = competition.settle(market, [5.0, 5.0], shares, steps)
    np.testing.assert_allclose(settled.delivered, [[62.5, 37.5], [100, 60]])
    np.testing.assert_allclose(settled.sold, [50, 80])
    np.testing.assert_allclose(settled.asp_utility, [200, 320])
    # An outside option has the rest of the shares.
    settled = competition.settle(market, [5.0, 5.0], np.zeros((2, 2)), np.zeros((2, 2)))
    np.testing.assert_allclose(settled.vmu_utility(), 7.0)
