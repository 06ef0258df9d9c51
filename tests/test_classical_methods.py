"""Bandits, least squares and Kalman filters."""

import numpy as np
import pytest
from test_methods import answers

from aigc_market.ssim.model import Lines as OfPrice
from aigc_market.ssim.saturating import Logarithms
from baselines.arena.protocol import History, PublicParameters
from baselines.arena.registry import REGISTRY
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.methods.demand import best_on_lines, sold
from baselines.methods.fixed import Random
from baselines.methods.greedy import Greedy
from baselines.methods.kalman import Lines

SIGMA = 0.3
START = History(np.empty((1, 0)), np.empty((1, 0, 2)), np.ones((1, 2), bool))


def made(name, task, lanes=1, **parameters):
    return REGISTRY[name].make(task, lanes, 0, **parameters)


def seen(price, sold):
    """A round of one market in which each of two followers was delivered so much."""
    return History(
        np.reshape(price, (1, 1)), np.full((1, 1, 2), float(sold)), np.ones((1, 2), bool)
    )


def test_random_is_uniform_within_the_price_limits():
    prices = Random(Task("paper", {"cost": 3.0}), 4000, seed=0).act(START)
    assert prices.min() >= 3.0
    assert prices.max() <= 20.0
    quartiles = np.quantile(prices, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quartiles, [7.25, 11.5, 15.75], atol=0.5)


# Greedy.


def another(method, price, pays):
    """What it posts when it explores next, told all the while what this price pays."""
    while True:
        posted = method.act(seen(price, pays))
        if posted != price:
            return posted


def usual(method, price, pays, rounds=60):
    """What it posts most of the time, told what this price pays."""
    posted = [method.act(seen(price, pays)).item() for _ in range(rounds)]
    return max(set(posted), key=posted.count)


def test_greedy_replays_the_best_price_until_it_pays_less():
    method = Greedy(Task(), 1, seed=0, epsilon=0.2)
    first = method.act(START)
    second = another(method, first, 10.0)
    assert usual(method, second, 1000.0) == second != first
    assert usual(method, second, 0.0) == first  # overwritten by what it pays now


@pytest.mark.parametrize("forgets", [True, False])
def test_greedy_forgets_earlier_episodes_or_remembers_them(forgets):
    method = Greedy(Task(), 1, seed=0, epsilon=0.0, forgets=forgets)
    first = method.act(START)
    method.act(seen(first, 10.0))
    assert (method.act(START) == first) != forgets


def test_greedy_explores_a_tenth_of_the_rounds_and_each_lane_remembers_its_own():
    task = Task("paper", {"max_cycles": 3000})
    method = Greedy(task, 2, seed=0)
    active, best, explored, known = np.ones((2, 2), bool), np.array([5.0, 15.0]), 0, set()
    late = []
    price = method.act(History(np.empty((2, 0)), np.empty((2, 0, 2)), active))
    for _ in range(3000):
        explored += price[0] not in known
        known.add(price[0])
        sold = np.maximum(100 - (price - best) ** 2, 0) / (price - 1) / 2
        bought = np.repeat(sold[:, None], 2, axis=1)
        price = method.act(History(price[:, None], bought[:, None], active))
        late.append(price)
    assert explored == pytest.approx(300, rel=0.2)
    np.testing.assert_allclose(np.median(late[-200:], axis=0), best, atol=0.3)


def test_epsilon_greedy_settles_on_the_best_of_its_grid():
    task = Task("paper", {"max_cycles": 400})
    parameters = {"arms": 19, "epsilon": 0.3, "step": 0.0, "start": 3.0}
    prices = play(made("epsilon_greedy", task, 20, **parameters), task, 20, 0).price
    assert prices[0, 0] == 3.0
    assert np.mean(prices[-50:] == 8.0) > 0.6


def test_epsilon_greedy_does_not_stay_where_nobody_buys():
    method = made("epsilon_greedy", Task(), epsilon=0.0, start=20.0)
    price, tried = method.act(START), set()
    for _ in range(40):
        tried.add(price.item())
        price = method.act(seen(price, 50.0 if price < 5 else 0.0))
    assert len(tried) > 1
    assert price < 5


# Least squares.


@pytest.mark.parametrize("discount", [1.0, 0.9])
@pytest.mark.parametrize(
    ("name", "scenario", "kappa", "coordinate"),
    [("cils", "hidden", 0.8, np.asarray), ("log_cils", "saturating", 0.1, np.log)],
)
def test_cils_keeps_prices_apart(name, scenario, kappa, coordinate, discount):
    task = Task(scenario, {"max_cycles": 40, "min_steps": 10})
    method = made(name, task, 50, kappa=kappa, first=(6.0, 10.0), discount=discount)
    prices = play(method, task, 50, 0).price
    np.testing.assert_array_equal(prices[:2], np.repeat([[6.0], [10.0]], 50, axis=1))
    x = coordinate(prices)
    for t in range(2, 40):
        weights = discount ** np.arange(t)[::-1]
        mean = weights @ x[:t] / weights.sum()
        apart = np.abs(x[t] - mean)
        assert apart.min() >= kappa * weights.sum() ** -0.25 - 1e-4
    assert (apart < 2 * kappa).mean() > 0.3  # and yet it settles


@pytest.mark.parametrize("name", ["cils", "cils_discounted", "log_cils"])
@pytest.mark.parametrize("choke", [3.0, 5.0, 9.0])
def test_least_squares_comes_down_to_where_somebody_buys(name, choke):
    """The first prices sell nothing: a fit to them would stay where nothing is sold."""
    method = made(name, Task(), kappa=0.1, first=(10.0, 14.0))
    price = method.act(START)
    assert price == 10.0
    earned = []
    for _ in range(60):
        sold = max(choke - price.item(), 0.0)
        earned.append((price.item() - 1) * sold)
        price = method.act(seen(price, 30 * sold))
    assert np.mean(earned[30:]) > 0.25 * ((choke - 1) / 2) ** 2  # of what is best


def priced(method, capacity, asked, rounds):
    """The price after some rounds in which each of two followers asks for so much at a price."""
    known = None if capacity is None else np.array([capacity])
    everybody = np.ones((1, 2), bool)
    history = History(np.empty((1, 0)), np.empty((1, 0, 2)), everybody, known)
    for _ in range(rounds):
        price = method.act(history)
        history = History(price[:, None], np.full((1, 1, 2), asked(price.item())), everybody, known)
    return method.act(history).item()


@pytest.mark.parametrize("capacity", [None, 30.0])
def test_least_squares_of_demand_on_the_logarithm_of_the_price(capacity):
    """Demand is 40·ln(15/p) without noise: three rounds tell all of it."""
    method = made("log_cils", Task(), kappa=0.01, first=(3.0, 12.0))
    prices = np.linspace(1, 15, 14_001)[1:]
    asked = 2 * 40 * np.log(15 / prices)
    best = prices[((prices - 1) * np.minimum(asked, capacity or np.inf)).argmax()]
    posted = priced(method, capacity, lambda price: 40 * np.log(15 / price), rounds=3)
    assert posted == pytest.approx(best, rel=0.012)


# Kalman filters.


def test_kalman_is_the_textbook_recursion_on_lines():
    rng = np.random.default_rng(0)
    mean, cov, keep = np.array([150.0, 8.0]), np.array([[900.0, 30.0], [30.0, 4.0]]), 0.9
    lines = Lines((1,), mean, cov, keep, SIGMA)
    m, P = mean, cov
    for _ in range(20):
        price, steps = rng.uniform(4, 12), rng.uniform(60, 120)
        h = np.array([1.0, -price])
        noise = SIGMA**2 * ((h @ m) ** 2 + h @ P @ h) / 2
        gain = P @ h / (h @ P @ h + noise)
        m, P = m + gain * (steps - h @ m), P - np.outer(gain, h @ P)
        m, P = mean + keep * (m - mean), cov + keep**2 * (P - cov)
        lines.learn(np.array([True]), np.array([price]), np.array([steps]), 2, PublicParameters())
        lines.forget()
    np.testing.assert_allclose(lines.mean[0], m, rtol=1e-9)
    np.testing.assert_allclose(lines.cov[0], P, rtol=1e-7, atol=1e-9)
    draws = Lines((40_000,), mean, cov, 1.0, SIGMA).sample(rng, 1.0)
    np.testing.assert_allclose(np.cov(draws.T), cov, rtol=0.05)


@pytest.mark.parametrize("floor", [0.0, 10.0])
def test_a_purchase_at_the_floor_is_censored(floor):
    public = PublicParameters(min_steps=floor)
    lines = Lines((3,), np.array([100.0, 10.0]), np.diag([400.0, 4.0]), 1.0, SIGMA)
    prior = lines.mean.copy()
    everywhere = np.ones(3, bool)
    # Expected: 20 below the floor, just that, and 60 steps.
    price = np.array([12.0 - floor / 10, 10.0 - floor / 10, 4.0])
    lines.learn(everywhere, price, np.full(3, floor), 1, public)
    np.testing.assert_array_equal(lines.mean[0], prior[0])  # as was expected: it says nothing
    np.testing.assert_allclose(lines.mean[1], prior[1])
    expected = lines.mean[2] @ [1.0, -4.0]
    assert expected < 40.0  # less than was expected: the line comes down
    assert lines.mean[2, 0] / lines.mean[2, 1] < 10.0  # and with it the choke price


def test_kalman_forgets_a_slot_that_is_left():
    task, T, K = Task("crowd"), 3, 10
    prices, steps = np.full((T, 1), 10.0), np.zeros((T, 1, K))
    steps[:, :, 0] = 240.0
    active = np.zeros((T, 1, K), bool)
    active[:, :, 0] = True

    def last():
        posted = answers(made("kalman", task, spread=0.0), prices, steps, active)
        return posted[0].item(), posted[-1].item()

    first, stays = last()
    active[2] = False  # after two rounds the slot is left
    left = last()[1]
    active[2, 0, 1] = True  # and another one is taken
    fresh = last()[1]
    assert stays != first
    assert fresh == first
    assert left == 1.0  # nobody is there: any price will do


def test_kalman_minds_a_floor_above_zero():
    """Where demand falls so fast that all at the floor pays best, which no line says."""
    floor, K = 10.0, 10
    method = made("kalman", Task("crowd", {"min_steps": floor}), spread=0.0, persistence=1.0)
    here = np.ones((1, K), bool)
    posted = method.act(History(np.empty((1, 0)), np.empty((1, 0, K)), here))
    for price in np.tile(np.linspace(3, 8, 10), 20):
        steps = np.full((1, 1, K), np.clip(60 - 6 * price, floor, 250))
        posted = method.act(History(np.full((1, 1), price), steps, here))
    assert posted == 20.0


def prices_of(method, rounds=5):
    """The first prices, where the same is bought at each."""
    posted = [method.act(START).item()]
    for _ in range(rounds):
        posted.append(method.act(seen(np.array(posted[-1:]), 300.0)).item())
    return posted


@pytest.mark.parametrize("name", ["thompson", "kalman_total", "kalman"])
def test_priors_do_not_depend_on_how_markets_are_drawn(name):
    """The same public parameters, other laws: the same prior, and the same first price."""
    tasks = [
        Task("hidden"),
        Task("hidden", {"satisfaction": ["300"]}),
        Task("drift"),
        Task("paper"),
    ]
    parameters = {"sigma": 0.3, "persistence": 1.0}
    if name != "thompson":
        parameters["spread"] = 0.5
    methods = [made(name, task, **parameters) for task in tasks]
    prices = {tuple(prices_of(method)) for method in methods}
    assert len(prices) == 1
    wide = made(name, Task("paper", {"max_price": 40.0}), **parameters)
    assert tuple(prices_of(wide)) not in prices


# A known capacity.


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("cils", {"kappa": 0.05, "first": (6.0, 10.0)}),
        ("cils_discounted", {"kappa": 0.05, "discount": 0.95, "first": (6.0, 10.0)}),
        ("kalman_total", {"sigma": 0.1, "persistence": 1.0, "spread": 0.0}),
        ("kalman", {"sigma": 0.1, "persistence": 1.0, "spread": 0.0}),
        ("likelihood_grid", {"sway": 0.1, "fade": 1.0, "discount": 1.0, "sigma": 0.1}),
    ],
)
def test_methods_with_a_model_of_demand_price_what_can_be_run(name, parameters):
    """The vertex is (18 + 1)/2 = 9.5, where 170 are asked for; 90 are at a price of 13.5."""
    free, bound, loose = (
        priced(made(name, Task(), **parameters), R, lambda p: max(180.0 - 10.0 * p, 0.0), 60)
        for R in (None, 90.0, 400.0)
    )
    off = 0.6 if name == "likelihood_grid" else 0.3  # its lines are an eighth apart
    assert free == pytest.approx(9.5, abs=off)
    assert loose == pytest.approx(9.5, abs=off)
    assert bound == pytest.approx(13.5, abs=off + 0.1)


@pytest.mark.parametrize("name", ["greedy", "epsilon_greedy"])
def test_methods_without_a_model_value_a_price_by_what_it_sold(name):
    """200 were asked for at the lower price and 90 at the higher one; 90 can be sold."""
    method = made(name, Task(), epsilon=0.2, **({"arms": 2, "start": 10.5} if "_" in name else {}))
    here, known = np.ones((1, 2), bool), np.array([90.0])
    low = method.act(History(np.empty((1, 0)), np.empty((1, 0, 2)), here, known)).item()
    high, asked = low, np.full((1, 1, 2), 100.0)
    while high <= low:  # until it tries a higher one
        high = method.act(History(np.full((1, 1), low), asked, here, known)).item()
    asked = np.full((1, 1, 2), 45.0)
    posted = [
        method.act(History(np.full((1, 1), high), asked, here, known)).item() for _ in range(60)
    ]
    assert max(set(posted), key=posted.count) == high


@pytest.mark.parametrize("form", [OfPrice(), Logarithms()])
@pytest.mark.parametrize("cost", [1.0, 0.3])
def test_the_best_price_on_lines_is_that_of_a_fine_grid(form, cost):
    """Where no more is bought than for sale, and no more sold than there is."""
    public, rng = PublicParameters(3, cost), np.random.default_rng(0)
    level, slope = rng.uniform(100, 700, 50), rng.uniform(8, 30, 50)
    if isinstance(form, Logarithms):
        slope = 10 * slope
        level = slope * np.log(rng.uniform(2, 40, 50))
    count, capacity = rng.integers(1, 4, 50), rng.uniform(20, 500, 50)
    prices = np.geomspace(cost, 120, 60_001)
    each = np.clip(level[:, None] - slope[:, None] * form.coordinate(prices), 0, 250)
    held = 0
    for known in (None, capacity):
        best = best_on_lines(level, slope, count, known, public, form)
        grid = prices[((prices - cost) * sold(count[:, None] * each, known)).argmax(axis=1)]
        np.testing.assert_allclose(best, grid, rtol=1e-3)
        held += (level - slope * form.coordinate(best) > 249.9).sum()
    assert held > 0
    assert (best_on_lines(level, slope, count, capacity, public, form) > cost).all()
    assert best_on_lines(level[:1], -slope[:1], count[:1], capacity[:1], public, form) == 20.0
