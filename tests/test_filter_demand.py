"""The filter of demand: exact where its model is, and fitted to what is bought."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from baselines.arena.protocol import PublicParameters
from baselines.arena.task import Task
from baselines.methods.filter.demand_filter import DemandFilter
from baselines.methods.filter.fit import FitRecipe, explore, fit, log_likelihood

SIGMA = 0.3
PRECISION = {"rtol": 1e-5, "atol": 1e-6}
"""Of probabilities: the grid is made in single precision."""


def make(hazard=0.0, common=1.0, min_steps=0.0, **given) -> DemandFilter:
    """A filter in double precision, of markets in which q stands still."""
    torch.manual_seed(0)
    public = PublicParameters(min_steps=min_steps)
    demand_filter = DemandFilter(public, **({"intercepts": 5, "chokes": 6} | given)).double()
    with torch.no_grad():
        demand_filter.log_prior += torch.randn_like(demand_filter.log_prior)
        demand_filter.log_sigma.fill_(np.log(SIGMA))
        demand_filter.log_wander.fill_(-9.0)
        demand_filter.logit_hazard.copy_(torch.tensor(hazard).logit(eps=1e-300))
        demand_filter.logit_common.copy_(torch.tensor(common).logit(eps=1e-15))
        demand_filter.logit_rationed.fill_(-99.0)
    return demand_filter


def prior_of(demand_filter) -> np.ndarray:
    log_prior = demand_filter.log_prior.detach()
    return log_prior.flatten().softmax(0).reshape(log_prior.shape).numpy()


def brute_force(demand_filter, price, steps, points=200):
    """How likely a purchase is by the lines of the grid (A, Q).

    Without a floor a line stands for its cell: points within it, side by side, are averaged.
    """
    low, high = demand_filter.public.min_steps, demand_filter.public.max_steps
    q = demand_filter._q.numpy()
    if low == 0:
        within = (np.arange(points) + 0.5) / points - 0.5
        q = q * np.exp(demand_filter._cell * within[:, None, None])
    demand = np.clip(demand_filter._a.numpy() * (1 - price / q), low, high)
    buys = np.where(demand > 0, demand, 1.0)
    if steps <= low:
        likely = norm.cdf((low - buys) / (SIGMA * buys)) if low > 0 else 0.0
    elif steps >= high:
        likely = norm.sf((high - buys) / (SIGMA * buys))
    else:
        likely = norm.pdf(steps, buys, SIGMA * buys)
    likely = np.where(demand > 0, likely, steps == 0)
    return likely.mean(0) if low == 0 else likely


def tables(demand_filter, prices, steps):
    """`brute_force` of rounds: prices (T,) and steps (T, …) to (T, …, A, Q)."""
    steps = np.asarray(steps)
    beside = np.broadcast_to(np.reshape(prices, (-1,) + (1,) * (steps.ndim - 1)), steps.shape)
    flat = [brute_force(demand_filter, p, s) for p, s in zip(beside.flat, steps.flat, strict=True)]
    return np.reshape(flat, (*steps.shape, *flat[0].shape))


@torch.no_grad()
def observe(demand_filter, prices, steps, active=None):
    """The state after rounds; steps (T, K), active (T + 1, K)."""
    steps = torch.as_tensor(np.asarray(steps), dtype=torch.float64)
    active = torch.ones(len(steps) + 1, steps.shape[1]) if active is None else active
    active = torch.as_tensor(active, dtype=torch.float64)
    state, evidence = demand_filter.begin(active[:1]), []
    for t, price in enumerate(prices):
        price = torch.tensor([price], dtype=torch.float64)
        state, of_round = demand_filter.observe(
            state, price, steps[t : t + 1], active[t : t + 1], active[t + 1 : t + 2]
        )
        evidence.append(of_round.item())
    return state, evidence


# With a floor a cell is a line, and the filter exact. Without, a normal density stands for the
# mixture of those of the cell's lines. Bounds are among the purchases.
GRIDS = pytest.mark.parametrize(
    ("min_steps", "chokes", "precision"),
    [(0.0, 48, {"rtol": 0.0, "atol": 0.02}), (10.0, 6, PRECISION)],
)


@GRIDS
def test_one_vmu_by_bayes_rule(min_steps, chokes, precision):
    demand_filter, prices = make(min_steps=min_steps, chokes=chokes), [3.0, 9.0, 15.0, 4.0]
    steps = [150.0, 60.0, min_steps, 250.0]
    state, evidence = observe(demand_filter, prices, np.reshape(steps, (4, 1)))
    prior, likely = prior_of(demand_filter), tables(demand_filter, prices, steps)
    joint = prior * likely.prod(0)
    np.testing.assert_allclose(state.weight[0, 0], joint / joint.sum(), **precision)
    # Densities leave out constants, so evidence is compared between two purchases.
    found = []
    for last in (200.0, 120.0):
        other = [*steps[:3], last]
        _, of_rounds = observe(demand_filter, prices, np.reshape(other, (4, 1)))
        joint = prior * tables(demand_filter, prices, other).prod(0)
        found.append((of_rounds[-1], np.log(joint.sum())))
        assert evidence[:3] == of_rounds[:3]
    (a, true_a), (b, true_b) = found
    assert a - b == pytest.approx(true_a - true_b, rel=precision["rtol"], abs=precision["atol"])


@GRIDS
def test_two_vmus_share_their_intercept(min_steps, chokes, precision):
    demand_filter, prices = make(min_steps=min_steps, chokes=chokes), [4.0, 12.0]
    steps = np.array([[140.0, 90.0], [70.0, min_steps]])
    state, _ = observe(demand_filter, prices, steps)
    prior, likely = prior_of(demand_filter), tables(demand_filter, prices, steps)
    of_a = prior.sum(1)
    given = prior / of_a[:, None]
    of_other = [(given * likely[:, k].prod(0)).sum(1) for k in (1, 0)]
    summary = demand_filter.summary(state, torch.ones(1, 2, dtype=torch.float64))
    log_a = np.log(demand_filter._a.numpy()[:, 0] / (0.7 * 250))
    for k in (0, 1):
        joint = (prior * likely[:, k].prod(0)).sum(1) * of_other[k]
        expected = (joint * log_a).sum() / joint.sum()
        assert summary.own[0, k, 0].item() == pytest.approx(expected, abs=precision["atol"])


def test_a_cell_that_a_price_divides_is_bought_in_part():
    # What follows from a purchase of 0 is exact: q lies below the price.
    demand_filter = make()
    q, cell = demand_filter._q.numpy(), demand_filter._cell
    for price in (q[1], 1.2 * q[2], 0.9 * q[4]):
        state, _ = observe(demand_filter, [price], [[0.0]])
        joint = prior_of(demand_filter) * brute_force(demand_filter, price, 0.0, points=10_000)
        np.testing.assert_allclose(state.weight[0, 0], joint / joint.sum(), rtol=0, atol=1e-4)
        state, _ = observe(demand_filter, [price], [[1.0]])
        assert state.weight[0, 0][:, q * np.exp(cell / 2) < price].sum() < 1e-9


def test_the_likelihood_of_purchases_has_finite_gradients_at_every_price():
    demand_filter = make(hazard=0.1)
    with torch.no_grad():
        demand_filter.logit_rationed.fill_(0.0)
    q = demand_filter._q[2]
    for factor in (0.5, 1 - 1e-12, 1.0, 1 + 1e-12, 2.0):
        price = (q * factor).reshape(1).requires_grad_()
        for bought in (0.0, 1e-9, 40.0, 250.0):
            there = torch.ones(1, 2, dtype=torch.float64)
            steps = torch.tensor([[bought, 80.0]], dtype=torch.float64, requires_grad=True)
            state, found = demand_filter.observe(
                demand_filter.begin(there), price, steps, there, there
            )
            logit = demand_filter.summary(state, there).best_logit
            gradients = torch.autograd.grad(
                (found + logit).sum(), [price, steps, *demand_filter.parameters()]
            )
            assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("K", [2, 10])
@pytest.mark.parametrize("case", ["declined, then bought", "one declines, one buys, by turns"])
def test_what_contradicts_all_that_was_known_has_a_finite_gradient(K, case):
    # In single precision, where probabilities of what is ruled out underflow.
    demand_filter = DemandFilter(PublicParameters(min_steps=0.0))
    with torch.no_grad():
        demand_filter.logit_hazard.fill_(-8.0)
        demand_filter.log_wander.fill_(-3.0)
    rounds = 24
    price = torch.from_numpy(np.random.default_rng(0).uniform(1, 20, (3, rounds)).astype("f4"))
    steps = torch.zeros(3, rounds, K)
    if case == "declined, then bought":
        steps[:, rounds // 2 :] = 200.0
    else:
        steps[:, ::2, 0] = 250.0
        steps[:, 1::2, -1] = 0.01
    found = log_likelihood(demand_filter, price, steps, torch.ones(3, rounds + 1, K))
    found.backward()
    assert found.isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in demand_filter.parameters())


def test_a_new_market_is_noticed():
    hazard, prices = 0.1, [5.0, 5.0]
    demand_filter, steps = make(hazard, min_steps=10.0), [180.0, 40.0]
    state, _ = observe(demand_filter, prices, np.reshape(steps, (2, 1)))
    prior, likely = prior_of(demand_filter), tables(demand_filter, prices, steps)
    before = prior * likely[0] / (prior * likely[0]).sum()
    stay, new = (before * likely[1]).sum(), (prior * likely[1]).sum()
    change = hazard * new / (hazard * new + (1 - hazard) * stay)
    assert change > 0.3
    assert state.change.item() == pytest.approx(change, rel=1e-5)
    mixed = (1 - change) * before * likely[1] / stay + change * prior * likely[1] / new
    np.testing.assert_allclose(state.weight[0, 0], mixed, **PRECISION)


def test_those_who_left_have_told_of_the_intercept():
    demand_filter = make(min_steps=10.0)
    steps, active = [[120.0, 0.0], [0.0, 0.0]], [[1, 0], [0, 0], [0, 1]]
    state, _ = observe(demand_filter, [6.0, 6.0], steps, active)
    prior, likely = prior_of(demand_filter), tables(demand_filter, [6.0], [120.0])
    np.testing.assert_allclose(state.weight[0], np.stack([prior, prior]), **PRECISION)
    log = np.log((prior * likely[0]).sum(1) / prior.sum(1))
    left = state.left[0].numpy()
    np.testing.assert_allclose(left - left[0], log - log[0], **PRECISION)


@pytest.mark.parametrize(
    ("steps", "known"),
    [
        ([[60.0, 90.0], [70.0, 80.0]], True),  # the same total, shared otherwise
        ([[60.0, 90.0], [70.0, 80.1]], False),
        ([[0.0, 250.0], [250.0, 0.0]], False),  # all at a bound: no sign of a limit
        ([[0.0, 0.0], [0.0, 0.0]], False),
        ([[0.0, 150.0], [70.0, 80.0]], True),
    ],
)
def test_a_total_that_comes_again_is_all_that_can_be_run(steps, known):
    state, _ = observe(make(), [3.0, 4.0], steps)
    assert bool(state.sold_out) is known


def test_who_was_rationed_asked_for_no_less():
    # The same total twice: 150 is the capacity. A third round says that more was asked for.
    demand_filter = make(min_steps=10.0)
    prices, steps = [3.0, 4.0, 3.5], [[60.0, 90.0], [70.0, 80.0], [65.0, 85.0]]
    before, _ = observe(demand_filter, prices[:2], steps[:2])
    after, _ = observe(demand_filter, prices, steps)
    line = demand_filter._a.numpy() * (1 - 3.5 / demand_filter._q.numpy())
    demand = np.clip(line, 10, 250)
    joint = before.weight[0, 0].numpy() * norm.sf((65 - demand) / (SIGMA * demand))
    np.testing.assert_allclose(after.weight[0, 0], joint / joint.sum(), **PRECISION)


@torch.no_grad()
def test_what_cannot_be_run_is_not_asked_for():
    demand_filter = make(intercepts=9, chokes=12)
    state, _ = observe(demand_filter, [3.0, 9.0], [[160.0, 140.0], [11.0, 12.0]])
    there = torch.ones(1, 2, dtype=torch.float64)
    free, logits = demand_filter.summary(state, there).best_logit, []
    for most in (50.0, 100.0, 500.0):
        of_limit = {"most": torch.full_like(state.most, most), "sold_out": torch.ones_like(free)}
        logits.append(demand_filter.summary(state._replace(**of_limit), there).best_logit)
    assert logits[0] > logits[1] > free
    assert logits[2] == free


@pytest.mark.parametrize("min_steps", [0.0, 10.0])
@pytest.mark.parametrize("rich", [False, True])
@torch.no_grad()
def test_the_best_price_is_that_of_the_highest_expected_utility(min_steps, rich):
    demand_filter = make(min_steps=min_steps, intercepts=9, chokes=12, trials=65)
    steps = [[150.0, 60.0], [90.0, 30.0], [170.0, 80.0]]
    if rich:  # they buy at any price: the best is max_price
        steps = [[150.0, 160.0], [140.0, 150.0], [150.0, 170.0]]
    state, _ = observe(demand_filter, [3.0, 8.0, 2.0 + 16 * rich], steps)
    summary = demand_filter.summary(state, torch.ones(1, 2, dtype=torch.float64))
    weight = state.weight[0] * demand_filter._others(state)[0, ..., None]
    weight = (weight / weight.sum((1, 2), keepdim=True)).numpy()
    prices = np.linspace(1, 20, 2001)
    line = demand_filter._a.numpy() * (1 - prices[:, None, None] / demand_filter._q.numpy())
    demand = np.clip(line, min_steps, 250)
    utility = (prices - 1) * np.einsum("paq,kaq->p", demand, weight)
    best = 1 + 19 * summary.best_logit.sigmoid().item()
    assert best == pytest.approx(prices[utility.argmax()], rel=0.03)
    assert (best > 19) == rich


@pytest.mark.parametrize("min_steps", [0.0, 10.0])
def test_parameters_are_learned_from_purchases(min_steps):
    task = Task("shift", {"min_steps": min_steps, "max_cycles": 20})
    make_filter = lambda: DemandFilter(task.public(), intercepts=12, chokes=24)  # noqa: E731
    demand_filter, again = make_filter(), make_filter()
    env = task.environment(24, history=1, judged=False)
    rounds = explore(env, np.random.default_rng(99))
    assert (rounds[1] <= min_steps).any()
    with torch.no_grad():
        before = log_likelihood(demand_filter, *rounds)
    recipe = FitRecipe(updates=10, lanes=24)
    trace = fit(demand_filter, env, recipe, seed=0)
    with torch.no_grad():
        assert log_likelihood(demand_filter, *rounds) > before + 0.01
    assert demand_filter.log_sigma.exp().item() == pytest.approx(SIGMA, abs=0.1)
    assert fit(again, env, FitRecipe(updates=2, lanes=24), seed=0)[0] == trace[0]
