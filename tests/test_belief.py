"""The learned filter of demand: exact where its model is, and fitted to what is bought."""

import numpy as np
import pytest
import torch

from aigc_market.envs.vector import PricingVectorEnv
from baselines.arena.protocol import PublicParameters
from baselines.methods.bayes.purchases import likelihood
from baselines.methods.filter import fit
from baselines.methods.filter.demand_filter import DemandBelief

SIGMA = 0.3


def make(hazard=0.0, common=1.0, **given) -> DemandBelief:
    """A filter in double precision, of markets in which q stands still."""
    torch.manual_seed(0)
    belief = DemandBelief(PublicParameters(), **({"intercepts": 5, "chokes": 6} | given)).double()
    with torch.no_grad():
        belief.log_prior += torch.randn_like(belief.log_prior)
        belief.log_sigma.fill_(np.log(SIGMA))
        belief.log_wander.fill_(-9.0)
        belief.logit_hazard.copy_(torch.tensor(hazard).logit(eps=1e-300))
        belief.logit_common.copy_(torch.tensor(common).logit(eps=1e-15))
        belief.logit_rationed.fill_(-99.0)
    return belief


def tables(belief, price, steps):
    """The prior (A, Q) and, by the Bayes methods' code, how likely each purchase is (…, A, Q)."""
    low, high = belief.public.min_steps, belief.public.max_steps
    a, slope = belief._a.numpy(), belief._slope.numpy()
    price = np.asarray(price)[..., None, None]
    demand = np.clip(a - slope * price, low, high)
    prior = belief.log_prior.detach().flatten().softmax(0).reshape(a.shape).numpy()
    rows = np.asarray(steps)
    flat = [
        likelihood(np.array([s]), d[None], belief.public, SIGMA)[0]
        for s, d in zip(rows.ravel(), demand.reshape(-1, *a.shape), strict=True)
    ]
    return prior, np.reshape(flat, (*rows.shape, *a.shape))


@torch.no_grad()
def observe(belief, prices, steps, active=None):
    """The state after rounds; steps (T, K), active (T + 1, K)."""
    steps = torch.as_tensor(steps, dtype=torch.float64)
    active = torch.ones(len(steps) + 1, steps.shape[1]) if active is None else active
    active = torch.as_tensor(active, dtype=torch.float64)
    state, evidence = belief.begin(active[:1]), []
    for t, price in enumerate(prices):
        price = torch.tensor([price], dtype=torch.float64)
        state, of_round = belief.observe(
            state, price, steps[t : t + 1], active[t : t + 1], active[t + 1 : t + 2]
        )
        evidence.append(of_round.item())
    return state, evidence


def test_one_vmu_by_bayes_rule():
    belief, prices = make(), [3.0, 9.0, 15.0, 6.0]
    steps = [[150.0], [60.0], [10.0], [250.0]]  # the bounds are among them
    state, evidence = observe(belief, prices, steps)
    prior, likely = tables(belief, prices, np.ravel(steps))
    joint = prior * likely.prod(0)
    np.testing.assert_allclose(state.weight[0, 0], joint / joint.sum(), rtol=1e-5, atol=1e-9)
    # Densities leave out constants, so evidence is compared between two purchases.
    _, other = observe(belief, prices, [*steps[:3], [200.0]])
    _, others = tables(belief, prices, [150.0, 60.0, 10.0, 200.0])
    _, third = observe(belief, prices, [*steps[:3], [120.0]])
    _, thirds = tables(belief, prices, [150.0, 60.0, 10.0, 120.0])
    true = np.log((prior * others.prod(0)).sum() / (prior * thirds.prod(0)).sum())
    assert other[-1] - third[-1] == pytest.approx(true, rel=1e-5)
    assert evidence[:3] == other[:3]


def test_two_vmus_share_their_intercept():
    belief, prices = make(), [4.0, 12.0]
    steps = np.array([[140.0, 90.0], [70.0, 20.0]])
    state, _ = observe(belief, prices, steps)
    prior, likely = tables(belief, np.repeat(prices, 2).reshape(2, 2), steps)
    of_a = prior.sum(1)
    given = prior / of_a[:, None]
    told = [(given * likely[:, k].prod(0)).sum(1) for k in (0, 1)]
    reading = belief.read(state, torch.ones(1, 2, dtype=torch.float64))
    for k in (0, 1):
        joint = of_a[:, None] * given * likely[:, k].prod(0) * told[1 - k][:, None]
        joint /= joint.sum()
        a = np.log(belief._a.numpy() / (0.7 * 250))
        assert reading.own[0, k, 0].item() == pytest.approx((joint * a).sum(), abs=1e-5)


def test_a_new_market_is_noticed():
    hazard, prices = 0.1, [5.0, 5.0]
    belief, steps = make(hazard), [[180.0], [40.0]]
    state, _ = observe(belief, prices, steps)
    prior, likely = tables(belief, prices, np.ravel(steps))
    before = prior * likely[0] / (prior * likely[0]).sum()
    stay, new = (before * likely[1]).sum(), (prior * likely[1]).sum()
    change = hazard * new / (hazard * new + (1 - hazard) * stay)
    assert change > 0.3
    assert state.change.item() == pytest.approx(change, rel=1e-5)
    mixed = (1 - change) * before * likely[1] / stay + change * prior * likely[1] / new
    np.testing.assert_allclose(state.weight[0, 0], mixed, rtol=1e-4, atol=1e-12)


def test_those_who_left_have_told_of_the_intercept():
    belief = make()
    steps, active = [[120.0, 0.0], [0.0, 0.0]], [[1, 0], [0, 0], [0, 1]]
    state, _ = observe(belief, [6.0, 6.0], steps, active)
    prior, likely = tables(belief, [6.0], [120.0])
    np.testing.assert_allclose(state.weight[0], np.stack([prior, prior]), rtol=1e-6)
    told = np.log((prior * likely[0]).sum(1) / prior.sum(1))
    left = state.left[0].numpy()
    np.testing.assert_allclose(left - left[0], told - told[0], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("steps", "known"),
    [
        ([[60.0, 90.0], [70.0, 80.0]], True),  # the same total, shared otherwise
        ([[60.0, 90.0], [70.0, 80.1]], False),
        ([[10.0, 10.0], [10.0, 10.0]], False),  # all on the floor: no sign of a limit
        ([[10.0, 140.0], [70.0, 80.0]], True),
    ],
)
def test_a_total_that_comes_again_is_all_that_can_be_run(steps, known):
    belief = make()
    state, _ = observe(belief, [3.0, 4.0], steps)
    assert bool(state.sold_out) is known


@torch.no_grad()
def test_what_cannot_be_run_is_not_asked_for():
    belief = make(intercepts=9, chokes=12)
    state, _ = observe(belief, [3.0, 9.0], [[160.0, 140.0], [11.0, 12.0]])
    there = torch.ones(1, 2, dtype=torch.float64)
    free, logits = belief.read(state, there).logit, []
    for most in (50.0, 100.0, 500.0):
        of_limit = {"most": torch.full_like(state.most, most), "sold_out": torch.ones_like(free)}
        logits.append(belief.read(state._replace(**of_limit), there).logit)
    assert logits[0] > logits[1] > free
    assert logits[2] == free


def test_the_guess_is_the_best_price_in_expectation():
    belief = make(intercepts=9, chokes=12, trials=65)
    steps = np.array([[150.0, 60.0], [90.0, 30.0], [170.0, 80.0]])
    state, _ = observe(belief, [3.0, 8.0, 2.0], steps)
    with torch.no_grad():
        reading = belief.read(state, torch.ones(1, 2, dtype=torch.float64))
        weight = state.weight[0] * belief._others(state)[0, ..., None]
    weight = (weight / weight.sum((1, 2), keepdim=True)).numpy()
    prices = np.linspace(1, 20, 2001)
    a, slope = belief._a.numpy(), belief._slope.numpy()
    demand = np.clip(a - slope * prices[:, None, None], 10, 250)
    sold = np.einsum("paq,kaq->p", demand, weight)
    best = prices[((prices - 1) * sold)[:-100].argmax()]
    guess = 1 + 19 * reading.logit.sigmoid().item()
    assert guess == pytest.approx(best, rel=0.03)
    ratio = np.log(19 * sold[-1] / ((prices - 1) * sold)[:-100].max())
    assert reading.ratio.item() == pytest.approx(ratio, abs=0.03)


def test_the_law_is_learned_from_purchases():
    belief, again = DemandBelief(PublicParameters()), DemandBelief(PublicParameters())
    env = PricingVectorEnv(32, scenario="shift", history=1)
    rounds = fit.explore(env, np.random.default_rng(99))
    with torch.no_grad():
        before = fit.evidence(belief, *rounds)
    recipe = fit.Recipe(updates=8, lanes=32)
    trace = fit.fit(belief, env, recipe, seed=0)
    with torch.no_grad():
        assert fit.evidence(belief, *rounds) > before + 0.03
    assert belief.log_sigma.exp().item() == pytest.approx(SIGMA, abs=0.05)
    assert fit.fit(again, env, recipe, seed=0) == trace
