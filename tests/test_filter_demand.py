"""The filter of demand: exact where its model is, and fitted to what is bought."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from baselines.arena.protocol import PublicParameters
from baselines.arena.task import Task
from baselines.methods.filter import demand_filter as filters
from baselines.methods.filter.demand_filter import UNFITTED, DemandFilter
from baselines.methods.filter.fit import FitRecipe, explore, fit, log_likelihood
from baselines.methods.filter.network import Shape, initial

SIGMA = 0.3
PRECISION = {"rtol": 1e-5, "atol": 1e-6}
"""Of probabilities: the grid is made in single precision."""


def make(hazard=0.0, step=0.0, min_steps=0.0, intercepts=5, chokes=6, trials=33) -> DemandFilter:
    """A filter on tensors in double precision, of VMUs that do not change by themselves."""
    torch.manual_seed(0)
    given = UNFITTED | {
        "log_sigma": np.log(SIGMA),
        "log_step": np.log(step) if step else -np.inf,
        "logit_hazard": np.log(hazard / (1 - hazard)) if hazard else -690.0,
        "log_wander": -9.0,
        "logit_forgetting": -99.0,
    }
    weights = {name: torch.tensor(value, dtype=torch.float64) for name, value in given.items()}
    weights["log_prior"] = torch.randn(intercepts, chokes // 2, dtype=torch.float64)
    for weight in weights.values():
        weight.requires_grad_()
    return DemandFilter(PublicParameters(min_steps=min_steps), weights, trials)


def lines_of(demand_filter) -> tuple[np.ndarray, np.ndarray, float]:
    """The grid as its docstring has it: A, (A, 1), q, (Q,), and the width of a cell of ln q."""
    public, (A, C) = demand_filter.public, demand_filter.weights["log_prior"].shape
    a = np.geomspace(0.2 * public.max_steps, 2.5 * public.max_steps, A)
    least = public.cost + 0.01 * (public.max_price - public.cost)
    q = np.geomspace(least, 5 * public.max_price, 2 * C)
    return a[:, None], q, np.log(q[1] / q[0])


def law_of(demand_filter) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of (A, c), and of q given c, (C, Q)."""
    log_prior = demand_filter.weights["log_prior"].detach()
    prior = log_prior.flatten().softmax(0).reshape(log_prior.shape).numpy()
    _, q, cell = lines_of(demand_filter)
    width = np.hypot(cell, demand_filter.weights["log_spread"].exp().item())
    given = norm.pdf(np.log(q), np.log(q)[::2, None], width)
    return prior, given / given.sum(1, keepdims=True)


def prior_of(demand_filter) -> np.ndarray:
    """Of a VMU's (A, q)."""
    prior, given = law_of(demand_filter)
    return prior @ given


def beliefs(demand_filter, likely) -> np.ndarray:
    """(K, A, Q) by how likely each VMU's purchases are by its lines, (K, A, Q)."""
    prior, given = law_of(demand_filter)
    told = likely @ given.T  # (K, A, C)
    others = np.stack([np.delete(told, k, 0).prod(0) * prior for k in range(len(told))])
    joint = likely * (others @ given)
    return joint / joint.sum((1, 2), keepdims=True)


def brute_force(demand_filter, price, steps, points=200):
    """How likely a purchase is by the lines of the grid (A, Q).

    Without a floor a line stands for its cell: points within it, side by side, are averaged.
    """
    low, high = demand_filter.public.min_steps, demand_filter.public.max_steps
    a, q, cell = lines_of(demand_filter)
    if low == 0:
        within = (np.arange(points) + 0.5) / points - 0.5
        q = q * np.exp(cell * within[:, None, None])
    demand = np.clip(a * (1 - price / q), low, high)
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
    [(0.0, 48, {"rtol": 0.0, "atol": 0.04}), (10.0, 6, PRECISION)],
)


@GRIDS
@pytest.mark.parametrize(
    ("prices", "steps"),
    [
        ([3.0, 9.0, 15.0, 4.0], [[150.0], [60.0], [0.0], [250.0]]),
        ([4.0, 12.0], [[140.0, 90.0], [70.0, 0.0]]),  # who share their intercept and level
    ],
    ids=["one", "two"],
)
def test_beliefs_and_evidence_follow_bayes_rule(prices, steps, min_steps, chokes, precision):
    demand_filter = make(min_steps=min_steps, chokes=chokes)
    steps = np.maximum(steps, min_steps)
    state, evidence = observe(demand_filter, prices, steps)
    likely = tables(demand_filter, prices, steps).prod(0)
    np.testing.assert_allclose(state.belief[0], beliefs(demand_filter, likely), **precision)
    # Whichever VMU is asked first.
    swapped, of_swapped = observe(demand_filter, prices, steps[:, ::-1].copy())
    np.testing.assert_allclose(swapped.belief[0].flip(0), state.belief[0], rtol=1e-6)
    assert sum(evidence) == pytest.approx(sum(of_swapped))
    # Densities leave out constants, so evidence is compared between two purchases.
    prior, given = law_of(demand_filter)
    found = []
    for last in (200.0, 120.0):
        steps[-1] = last
        evidence = observe(demand_filter, prices, steps)[1]
        told = tables(demand_filter, prices, steps).prod(0) @ given.T
        found.append((sum(evidence), np.log((told.prod(0) * prior).sum())))
    (a, true_a), (b, true_b) = found
    assert a - b == pytest.approx(true_a - true_b, rel=precision["rtol"], abs=precision["atol"])


def test_a_cell_that_a_price_divides_is_bought_in_part():
    # What follows from a purchase of 0 is exact: q lies below the price.
    demand_filter = make()
    _, q, cell = lines_of(demand_filter)
    for price in (q[1], 1.2 * q[2], 0.9 * q[4]):
        state, _ = observe(demand_filter, [price], [[0.0]])
        joint = prior_of(demand_filter) * brute_force(demand_filter, price, 0.0, points=10_000)
        np.testing.assert_allclose(state.belief[0, 0], joint / joint.sum(), rtol=0, atol=1e-4)
        state, _ = observe(demand_filter, [price], [[1.0]])
        assert state.belief[0, 0][:, q * np.exp(cell / 2) < price].sum() < 1e-9


def test_the_likelihood_of_purchases_has_finite_gradients_at_every_price():
    demand_filter = make(hazard=0.1, step=0.1)
    with torch.no_grad():
        demand_filter.weights["log_wander"].fill_(-1.0)
    q = lines_of(demand_filter)[1][3]
    for factor in (0.5, 1 - 1e-12, 1.0, 1 + 1e-12, 2.0):
        price = torch.tensor([q * factor], requires_grad=True)
        for bought in (0.0, 1e-9, 40.0, 250.0):
            there = torch.ones(1, 2, dtype=torch.float64)
            steps = torch.tensor([[bought, 80.0]], dtype=torch.float64, requires_grad=True)
            state, found = demand_filter.observe(
                demand_filter.begin(there), price, steps, there, there
            )
            logit = demand_filter.summary(state, there).best_logit
            gradients = torch.autograd.grad(
                (found + logit).sum(), [price, steps, *demand_filter.weights.values()]
            )
            assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("K", [2, 10])
@pytest.mark.parametrize("case", ["declined, then bought", "one declines, one buys, by turns"])
def test_what_contradicts_all_that_was_known_has_a_finite_gradient(K, case):
    # In single precision, where probabilities of what is ruled out underflow.
    demand_filter = DemandFilter(PublicParameters(), initial())
    with torch.no_grad():
        demand_filter.weights["logit_hazard"].fill_(-8.0)
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
    assert all(parameter.grad.isfinite().all() for parameter in demand_filter.weights.values())


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
    np.testing.assert_allclose(state.belief[0, 0], mixed, **PRECISION)


def test_a_new_market_is_new_for_everybody():
    # Both VMUs buy less from the second round on. Hypotheses of the round in which the market was
    # drawn are compared by what both bought in all rounds since.
    hazard, prices = 0.01, [5.0, 5.0, 7.0]
    demand_filter, steps = (
        make(hazard, min_steps=10.0),
        [[180.0, 150.0], [60.0, 40.0], [50.0, 30.0]],
    )
    state, _ = observe(demand_filter, prices, steps)
    prior, given = law_of(demand_filter)
    likely = tables(demand_filter, prices, steps)  # (T, K, A, Q)

    def since(first, last):
        """Joint density of the rounds, and each VMU's beliefs (K, A, Q)."""
        seen = likely[first:last].prod(0)
        return ((seen @ given.T).prod(0) * prior).sum(), beliefs(demand_filter, seen)

    starts = [0, 1, 2]
    weight = np.array([since(0, start)[0] * since(start, 3)[0] for start in starts])
    weight *= [(1 - hazard) ** 2, hazard * (1 - hazard), hazard * (1 - hazard)]
    weight /= weight.sum()
    assert weight[1] > 0.5
    belief = sum(w * since(start, 3)[1] for w, start in zip(weight, starts, strict=True))
    np.testing.assert_allclose(state.belief[0], belief, rtol=0, atol=0.02)


def test_a_move_of_everybody_is_seen_in_all_purchases():
    # Three values of x stand for its law: the beliefs are those by Bayes' rule over the three.
    demand_filter = make(step=0.2, min_steps=10.0, chokes=48)
    there = torch.ones(1, 2, dtype=torch.float64)
    state, _ = observe(
        demand_filter, [4.0, 9.0, 6.0], [[140.0, 110.0], [90.0, 50.0], [130.0, 80.0]]
    )
    before, variance, x = state.belief[0].numpy(), state.variance.item(), state.x.item()
    price, steps = 8.0, [60.0, 20.0]
    shift = 2 * lines_of(demand_filter)[2] * np.array([-1, 0, 1])
    outer = variance / (2 * shift[2] ** 2)
    chance = np.array([outer, 1 - 2 * outer, outer])
    moved = [price * np.exp(-x - d) for d in shift]
    likely = np.array([[brute_force(demand_filter, p, s) for p in moved] for s in steps])
    each = (before[:, None] * likely).sum((2, 3))  # (K, 3)
    after = chance * each.prod(0)
    after /= after.sum()
    state, _ = demand_filter.observe(
        state, torch.tensor([price]), torch.tensor([steps], dtype=torch.float64), there, there
    )
    stays = demand_filter.weights["logit_persistence"].sigmoid().item()
    assert state.x.item() == pytest.approx(stays * (x + after @ shift), rel=1e-4)
    assert state.x.item() < -0.1


def test_those_who_left_have_told_of_intercept_and_level():
    demand_filter = make(min_steps=10.0)
    steps, active = [[120.0, 0.0], [0.0, 0.0]], [[1, 0], [0, 0], [0, 1]]
    state, _ = observe(demand_filter, [6.0, 6.0], steps, active)
    likely = tables(demand_filter, [6.0], [120.0])[0]
    expected = beliefs(demand_filter, np.stack([likely, np.ones_like(likely)]))
    np.testing.assert_allclose(state.belief[0, 1], expected[1], **PRECISION)


@torch.no_grad()
def test_no_more_than_the_capacity_is_sold():
    demand_filter = make(intercepts=9, chokes=12)
    state, _ = observe(demand_filter, [3.0, 9.0], [[160.0, 140.0], [11.0, 12.0]])
    there = torch.ones(1, 2, dtype=torch.float64)
    free, logits = demand_filter.summary(state, there).best_logit, []
    for most in (50.0, 100.0, 500.0):
        capacity = torch.full_like(free, most)
        logits.append(demand_filter.summary(state, there, capacity).best_logit)
    assert logits[0] > logits[1] > free
    assert logits[2] == free


@pytest.mark.parametrize("min_steps", [0.0, 10.0])
@pytest.mark.parametrize("rich", [False, True])
@torch.no_grad()
def test_the_best_price_is_that_of_the_highest_expected_utility(monkeypatch, min_steps, rich):
    monkeypatch.setattr(filters, "HORIZON", 0.0)
    demand_filter = make(min_steps=min_steps, intercepts=9, chokes=48, trials=65)
    steps = [[150.0, 60.0], [90.0, 30.0], [170.0, 80.0]]
    if rich:  # they buy at any price: the best is max_price
        steps = [[150.0, 160.0], [140.0, 150.0], [150.0, 170.0]]
    state, _ = observe(demand_filter, [3.0, 8.0, 2.0 + 16 * rich], steps)
    summary = demand_filter.summary(state, torch.ones(1, 2, dtype=torch.float64))
    prices = np.linspace(1, 20, 2001)
    a, q, _ = lines_of(demand_filter)
    demand = np.clip(a * (1 - prices[:, None, None] / q), min_steps, 250)
    utility = (prices - 1) * np.einsum("paq,kaq->p", demand, state.belief[0].numpy())
    best = 1 + 19 * summary.best_logit.sigmoid().item()
    assert best == pytest.approx(prices[utility.argmax()], rel=0.03)
    assert (best > 19) == rich


@torch.no_grad()
def test_what_a_price_teaches_is_worth_something(monkeypatch):
    # One VMU. Lines are drawn from the beliefs, and the rule is applied to the draws.
    monkeypatch.setattr(filters, "HORIZON", 20.0)
    demand_filter = make(min_steps=10.0, intercepts=9, chokes=48, trials=65)
    state, _ = observe(demand_filter, [6.0], [[80.0]])
    best = 1 + 19 * demand_filter.summary(state, torch.ones(1, 1)).best_logit.sigmoid().item()
    belief, prices = state.belief[0, 0].numpy(), np.linspace(1.2, 19.8, 373)
    a, q, _ = lines_of(demand_filter)
    own_best = np.clip(np.maximum((1 + q) / 2, q * (1 - 250 / a)), None, 20)
    demand = np.clip(a * (1 - prices[:, None, None] / q), 10, 250)

    def mean(values):
        return (belief * values).sum((-2, -1))

    spread = mean(demand**2) * (1 + SIGMA**2) - mean(demand) ** 2
    explained = (mean(own_best * demand) - mean(own_best) * mean(demand)) ** 2 / spread
    utility = (prices - 1) * mean(demand)
    with_worth = utility + 20.0 * explained * mean(a / q)
    assert np.interp(best, prices, with_worth) > 0.99 * with_worth.max()
    assert with_worth[utility.argmax()] < 0.985 * with_worth.max()


@pytest.mark.parametrize("min_steps", [0.0, 10.0])
def test_parameters_are_learned_from_purchases(min_steps):
    task = Task("shift", {"min_steps": min_steps, "max_cycles": 20})
    shape = Shape(intercepts=12, chokes=24)
    demand_filter, again = (DemandFilter(task.public(), initial(shape)) for _ in range(2))
    env = task.environment(24, history=1, judged=False)
    rounds = explore(env, np.random.default_rng(99))
    assert (rounds[1] <= min_steps).any()
    with torch.no_grad():
        before = log_likelihood(demand_filter, *rounds)
    recipe = FitRecipe(updates=10, lanes=24)
    trace = fit(demand_filter, env, recipe, seed=0)
    with torch.no_grad():
        assert log_likelihood(demand_filter, *rounds) > before + 0.01
    assert demand_filter.weights["log_sigma"].exp().item() == pytest.approx(SIGMA, abs=0.1)
    assert fit(again, env, FitRecipe(updates=2, lanes=24), seed=0)[0] == trace[0]
