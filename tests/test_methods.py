"""Pricing methods that nobody has to train."""

import itertools
import json

import numpy as np
import pytest

from aigc_market import LogUniform, Market, Scenario, Uniform, solve
from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.moves import Drift, Move, Shift, Traffic
from baselines import methods
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.experiments.leaderboard import tune
from baselines.methods import History, PublicParameters
from baselines.methods.bayes import leader
from baselines.methods.bayes.interface import Round
from baselines.methods.bayes.law import law
from baselines.methods.bayes.lines import LineFilter, LineGrid
from baselines.methods.bayes.particles import ParticleFilter, resample
from baselines.methods.bayes.purchases import likelihood
from baselines.methods.bayes.rationing import RationedFilter
from baselines.methods.bayes.regimes import RegimeFilter
from baselines.methods.kalman import Lines

SIGMA = 0.3
PRESETS = ("paper", "hidden", "drift", "shift", "crowd", "capacity")
PRICES = np.linspace(1, 20, 20).astype("f4")


def record(method, scenario="hidden", lanes=4, rounds=30, seed=0, **overrides):
    """Prices (T, N) of an episode."""
    return play(method, Task(scenario, {"max_cycles": rounds, **overrides}), lanes, seed).price


def share(method, scenario, lanes, rounds, seed=0, **overrides):
    played = play(method, Task(scenario, {"max_cycles": rounds, **overrides}), lanes, seed)
    return 1 - played.regret.sum() / played.equilibrium_utility.sum()


def made(name, scenario="hidden", lanes=4, seed=0, parameters=None, **overrides):
    market = Task(scenario, overrides).public()
    return methods.make(name, scenario, market, lanes, seed, **(parameters or {}))


# What all methods have in common.


@pytest.mark.parametrize("name", methods.METHODS)
@pytest.mark.parametrize(
    ("scenario", "overrides"),
    [*((preset, {}) for preset in PRESETS), ("hidden", {"K": 1}), ("crowd", {"K": 40})],
)
def test_prices_are_within_the_limits_everywhere(name, scenario, overrides):
    prices = record(made(name, scenario, 3, **overrides), scenario, 3, 8, **overrides)
    assert np.isfinite(prices).all()
    assert prices.min() >= 1.0
    assert prices.max() <= 20.0


@pytest.mark.parametrize("name", methods.METHODS)
def test_seeds_and_new_episodes_repeat_what_was_played(name):
    for scenario in ("drift", "crowd"):
        one = record(made(name, scenario, seed=3), scenario, rounds=8)
        two = record(made(name, scenario, seed=3), scenario, rounds=8)
        np.testing.assert_array_equal(one, two)
    if name in ("random", "greedy", "epsilon_greedy", "thompson", "bayes_thompson"):
        assert not np.array_equal(one, record(made(name, scenario, seed=4), scenario, rounds=8))
    if name in ("constant", "cils", "cils_discounted", "controlled_variance", "bayes"):
        method = made(name, "crowd")
        first = record(method, "crowd", rounds=8)
        np.testing.assert_array_equal(first, record(method, "crowd", rounds=8))  # nothing is left


def answers(method, prices, steps, active):
    """What a method posts where these rounds are what it sees, whatever it posts. (T, N)."""
    lanes, K = active.shape[1:]
    posted = [method.act(History(np.empty((lanes, 0)), np.empty((lanes, 0, K)), active[0]))]
    for t in range(len(prices) - 1):
        seen = History(prices[t][:, None], steps[t][:, None], active[t + 1])
        posted.append(method.act(seen))
    return np.stack(posted)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("cils", {}),
        ("cils_discounted", {}),
        ("controlled_variance", {}),
        ("kalman_total", {"spread": 0.0}),
        ("kalman", {"spread": 0.0}),
        ("bayes", {}),
    ],
)
def test_lanes_and_slots_may_be_renamed(name, parameters):
    rng = np.random.default_rng(0)
    T, N, K = 6, 5, 10
    prices, active = rng.uniform(4, 16, (T, N)), rng.random((T, N, K)) < 0.5
    steps = (240 - 10 * prices[..., None]) * rng.uniform(0.5, 1.5, (T, N, K)) * active
    posted = answers(made(name, "crowd", N, parameters=parameters), prices, steps, active)
    lane, slot = rng.permutation(N), rng.permutation(K)
    renamed = answers(
        made(name, "crowd", N, parameters=parameters),
        prices[:, lane],
        steps[:, lane][:, :, slot],
        active[:, lane][:, :, slot],
    )
    np.testing.assert_allclose(renamed, posted[:, lane], atol=1e-9)
    assert np.ptp(posted[-1]) > 0


def test_bayes_beats_every_other_method_where_its_model_is_right():
    shares = {name: share(made(name, lanes=150), "hidden", 150, 30) for name in methods.METHODS}
    best = max(shares, key=lambda name: shares[name])
    assert best == "bayes_information", shares
    rivals = [value for name, value in shares.items() if not name.startswith("bayes")]
    assert shares[best] > max(rivals) + 0.01
    assert shares["bayes_thompson"] > max(rivals)
    assert shares["bayes"] > shares["constant"] + 0.05


@pytest.mark.parametrize(
    ("scenario", "rival"), [("crowd", "kalman"), ("drift", "kalman"), ("capacity", "cils")]
)
def test_bayes_beats_the_best_classical_method_where_things_move(scenario, rival):
    bayes, classical = (
        share(made(name, scenario, 40), scenario, 40, 25) for name in ("bayes", rival)
    )
    assert bayes > classical + 0.01


def test_bayes_knows_what_is_not_hidden():
    prices = record(made("bayes", "paper"), "paper")
    np.testing.assert_allclose(prices, 8.0, rtol=1e-6)
    custom = Scenario("mine", arguments={"K": 1, "satisfaction": 300.0})
    method = methods.make("bayes", custom, Task(custom).public(), 2, 0)
    np.testing.assert_allclose(record(method, custom, 2), solve(Market(1, satisfaction=300)).price)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("nobody", {}, "name must be one of"),
        ("constant", {"price": 30.0}, "price must be at most 20, got 30"),
        ("cils", {"first": (5.0, 5.0)}, "first must be two different prices"),
        ("cils", {"discount": 1.5}, "discount must be at most 1, got 1.5"),
        ("controlled_variance", {"kappa": -1.0}, "kappa must be .* at least 0"),
        ("kalman", {"persistence": 2.0}, "persistence must be at most 1, got 2"),
        ("kalman", {"prior": {"mean": [1.0], "cov": [[1.0]]}}, "mean and cov must be"),
        ("epsilon_greedy", {"arms": 0}, "arms must be a whole number"),
        ("bayes_information", {"horizon": -1.0}, "horizon must be .* at least 0"),
    ],
)
def test_bad_parameters_are_refused(name, parameters, message):
    with pytest.raises(ValueError, match=message):
        made(name, parameters=parameters)


class Strange(Move):
    def advance(self, state, rng):
        return None


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (Scenario("x", "random", {"satisfaction": Uniform(100, 200)}), "vmus must be rational"),
        (Scenario("x", "noisy", moves=[Strange()]), "moves must be Drift, Shift or Traffic"),
        (Scenario("x", "noisy", moves=[Drift(), Shift()]), "moves must be Drift alone"),
        (
            Scenario("x", "noisy", {"satisfaction": [1.0, 2.0]}, moves=[Shift()]),
            "satisfaction must be a number or a Distribution",
        ),
        (
            Scenario("x", "noisy", {"satisfaction": Uniform(100, 200), "capacity": 90.0}),
            "capacity must be a DemandShare",
        ),
    ],
)
def test_bayes_refuses_laws_that_it_does_not_know(scenario, message):
    with pytest.raises(ValueError, match=message):
        methods.make("bayes", scenario, PublicParameters(), 2, 0)


def test_scenarios_that_are_not_tuned_for_need_their_parameters():
    custom = Scenario("mine", "noisy", {"satisfaction": LogUniform(80, 400)})
    with pytest.raises(TypeError, match="price"):
        methods.make("constant", custom, PublicParameters(), 2, 0)
    assert methods.make("constant", custom, PublicParameters(), 2, 0, price=7.0) is not None
    bayes = share(methods.make("bayes", custom, PublicParameters(), 64, 0), custom, 64, 40)
    assert bayes > 0.97


# Classical methods.


def test_greedy_replays_what_has_paid_best_in_the_episode():
    method = made("greedy", lanes=1)
    method.epsilon = 0.0
    everybody = np.ones((1, 2), bool)

    def see(price, sold):
        return method.act(History(price[:, None], np.full((1, 1, 2), sold), everybody))

    first = method.act(History(np.empty((1, 0)), np.empty((1, 0, 2)), everybody))
    method.epsilon = 1.0
    second = see(first, 50.0)
    method.epsilon = 0.0
    assert see(second, 1000.0) == second != first
    assert see(second, 10.0) == (first if first > 3 else second)  # overwritten by what it pays now


def test_epsilon_greedy_settles_on_the_best_of_its_grid():
    parameters = {"arms": 19, "epsilon": 0.3, "step": 0.0, "start": 3.0}
    method = made("epsilon_greedy", "paper", 20, parameters=parameters)
    prices = record(method, "paper", 20, 400)
    assert prices[0, 0] == 3.0
    assert np.mean(prices[-50:] == 8.0) > 0.6


@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_cils_keeps_prices_apart(discount):
    kappa = 0.8
    parameters = {"kappa": kappa, "first": (6.0, 10.0), "discount": discount}
    prices = record(made("cils", lanes=50, parameters=parameters), lanes=50, rounds=40)
    np.testing.assert_array_equal(prices[:2], np.repeat([[6.0], [10.0]], 50, axis=1))
    for t in range(2, 40):
        weights = discount ** np.arange(t)[::-1]
        mean = weights @ prices[:t] / weights.sum()
        apart = np.abs(prices[t] - mean)
        assert apart.min() >= kappa * weights.sum() ** -0.25 - 1e-4
    assert (apart < 2 * kappa).mean() > 0.3  # and yet it settles


def test_controlled_variance_lets_the_variance_grow():
    kappa = 1.5
    parameters = {"kappa": kappa, "first": (6.0, 10.0)}
    prices = record(made("controlled_variance", lanes=50, parameters=parameters), lanes=50)
    for t in range(3, 31):
        assert (t * prices[:t].var(axis=0)).min() >= kappa**2 * np.sqrt(t) - 1e-3


@pytest.mark.parametrize("name", ["cils", "controlled_variance"])
def test_least_squares_finds_the_price_of_a_line(name):
    parameters = {"kappa": 0.05, "first": (6.0, 10.0)}
    prices = record(made(name, "paper", parameters=parameters), "paper", rounds=30)
    np.testing.assert_allclose(prices[-1], 8.0, atol=0.1)


def test_kalman_is_the_textbook_recursion_on_lines():
    rng = np.random.default_rng(0)
    mean, cov, keep = np.array([150.0, 8.0]), np.array([[900.0, 30.0], [30.0, 4.0]]), 0.9
    lines = Lines((1,), mean.tolist(), cov.tolist(), keep, SIGMA)
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
    np.testing.assert_allclose(lines.mean[0], m)
    np.testing.assert_allclose(lines.cov[0], P, atol=1e-9)
    draws = Lines((40_000,), mean.tolist(), cov.tolist(), 1.0, SIGMA).sample(rng, 1.0)
    np.testing.assert_allclose(np.cov(draws.T), cov, rtol=0.05)


def test_kalman_forgets_a_slot_that_is_left_and_minds_the_bounds():
    method = made("kalman", "crowd", 1, parameters={"spread": 0.0})
    T, K = 3, 10
    prices, steps = np.full((T, 1), 10.0), np.zeros((T, 1, K))
    steps[:, :, 0] = 240.0
    active = np.zeros((T + 1, 1, K), bool)
    active[:, :, 0] = True
    stays = answers(method, prices, steps, active)
    active[2] = False  # after two rounds the slot is left
    left = answers(method, prices, steps, active)
    active[2, 0, 1] = True  # and another one is taken
    steps[2] = 0.0
    fresh = answers(method, prices, steps, active)
    assert stays[2, 0] != stays[0, 0]
    assert fresh[2, 0] == stays[0, 0]
    assert left[2, 0] == 1.0  # nobody is there: any price will do
    # Where demand falls so fast that all at the floor pays best, so that no line says so.
    method = made("kalman", "crowd", 1, parameters={"spread": 0.0, "persistence": 1.0})
    prices = np.tile(np.linspace(3, 8, 10), 20)[:, None]
    steps = np.clip(60 - 6 * prices, 10, 250)[..., None].repeat(K, axis=2)
    posted = answers(method, prices, steps, np.ones((200, 1, K), bool))
    assert posted[-1, 0] == 20.0


# Bayes methods.


@pytest.mark.parametrize("demand", [10.0, 30.0, 120.0, 190.0, 249.0])
def test_likelihood_is_a_law_with_chances_at_the_bounds(demand):
    steps = np.linspace(10, 250, 200_001)[1:-1]
    inside = likelihood(steps, np.full(len(steps), demand), PublicParameters(), SIGMA).sum() * (
        240 / 200_000
    )
    bounds = likelihood(np.array([10.0, 250.0]), np.full(2, demand), PublicParameters(), SIGMA)
    constant = SIGMA * np.sqrt(2 * np.pi)
    assert (inside + bounds.sum()) / constant == pytest.approx(1, abs=1e-3)
    bought = np.clip(
        demand * (1 + SIGMA * np.random.default_rng(0).standard_normal(10**5)), 10, 250
    )
    chances = np.mean(bought == 10.0), np.mean(bought == 250.0)
    np.testing.assert_allclose(bounds / constant, chances, atol=6e-3)


def toy():
    """A law of three intercepts, three slopes and two values of c."""
    rng = np.random.default_rng(0)
    prior, kernel = rng.random((3, 2)), rng.random((3, 2))
    tables = [100, 180, 300], [6, 11, 18], prior / prior.sum(), kernel / kernel.sum(axis=0)
    return LineGrid(*(np.array(table, "f4") for table in tables), sigma=SIGMA)


def chance_of(grid, a, slopes, seen):
    """Probability of a round's purchases in markets (m,), whose followers have slopes (K, m)."""
    chance = np.ones(len(a))
    for k, slope in enumerate(slopes):
        if seen.answered[0, k]:
            demand = np.clip(grid.intercept[a] - grid.slope[slope] * seen.price[0], 10, 250)
            chance *= likelihood(seen.steps[:, k], demand[None], PublicParameters(), SIGMA)[0]
    return chance


def rounds(number, K, rng):
    price, steps = rng.uniform(3, 15, (number, 1)), rng.uniform(5, 260, (number, 1, K))
    return price, np.clip(steps, 10, 250)


def test_filter_of_lines_is_bayes_rule_on_a_discrete_prior():
    grid, K = toy(), 3
    filters = LineFilter(grid, PublicParameters(K), 2)
    rng = np.random.default_rng(1)
    price, steps = rounds(5, K, rng)
    # Slot 1 is left after the third round and taken by another one after the fourth.
    here = np.ones((6, 1, K), bool)
    here[3, 0, 1] = False
    lanes = np.array([1])
    posterior = filters.observe(lanes, None, here[0])
    seen = [Round(price[t], steps[t] * here[t], here[t]) for t in range(5)]
    for t in range(5):
        posterior = filters.observe(lanes, seen[t], here[t + 1])
    # The market, and four followers: those of slots 0, 1 and 2, and the newcomer.
    states = np.array(list(itertools.product(range(3), range(2), *[range(3)] * 4)))
    a, c, *own = states.T
    weight = grid.prior[a, c] * np.prod(grid.kernel[own, c], axis=0, dtype=float)
    for t in range(5):
        weight *= chance_of(grid, a, [own[0], own[1] if t < 3 else own[3], own[2]], seen[t])
    lines = np.zeros((3, 3))
    for follower in (0, 2, 3):
        np.add.at(lines, (a, own[follower]), weight / weight.sum())
    np.testing.assert_allclose(posterior.lines()[0], lines, atol=1e-5)
    assert posterior.evidence()[0] == pytest.approx(np.log(weight.sum()), abs=1e-3)
    demand = PublicParameters(K).demand(grid.intercept[:, None], grid.slope, PRICES[:, None, None])
    np.testing.assert_allclose(posterior.mean(PRICES)[0], (demand * lines).sum((1, 2)), rtol=1e-4)
    draws = posterior.draw(rng, PRICES, np.zeros(20_000, int))
    np.testing.assert_allclose(draws.mean(axis=0), posterior.mean(PRICES)[0], rtol=0.02)
    totals = sum(demand[:, a, own[follower]] for follower in (0, 2, 3))
    mean = totals @ weight / weight.sum()
    spread = (totals - mean[:, None]) ** 2 @ weight / weight.sum()
    np.testing.assert_allclose(draws.var(axis=0), spread, rtol=0.1)


def test_filter_of_regimes_is_bayes_rule_on_a_discrete_prior():
    grid, K, hazard, T = toy(), 2, 0.2, 6
    filters = RegimeFilter(grid, PublicParameters(K), 1, hazard, hypotheses=T + 1)
    rng = np.random.default_rng(2)
    price, steps = rounds(T, K, rng)
    everybody, lanes = np.ones((1, K), bool), np.array([0])
    posterior = filters.observe(lanes, None, everybody)
    a, c, *own = np.array(list(itertools.product(range(3), range(2), range(3), range(3)))).T
    prior = grid.prior[a, c] * np.prod(grid.kernel[own, c], axis=0, dtype=float)
    weight = prior
    for t in range(T):
        seen = Round(price[t], steps[t], everybody)
        posterior = filters.observe(lanes, seen, everybody)
        weight = weight * chance_of(grid, a, own, seen)
        weight = (1 - hazard) * weight / weight.sum() + hazard * prior
    demand = PublicParameters(K).demand(grid.intercept[:, None], grid.slope, PRICES[:, None, None])
    mean = (demand[:, a, own[0]] + demand[:, a, own[1]]) @ weight
    np.testing.assert_allclose(posterior.mean(PRICES)[0], mean, rtol=1e-4)
    draws = posterior.draw(rng, PRICES, np.zeros(20_000, int))
    np.testing.assert_allclose(draws.mean(axis=0), mean, rtol=0.02)


def test_regimes_beyond_what_is_kept_cost_little():
    few, many = (
        RegimeFilter(toy(), PublicParameters(2), 20, 0.05, hypotheses=count) for count in (8, 40)
    )
    rng = np.random.default_rng(3)
    everybody, lanes = np.ones((20, 2), bool), np.arange(20)
    demand = np.clip(180 - 11 * np.linspace(4, 12, 30), 10, 250)
    for filters in (few, many):
        filters.observe(lanes, None, everybody)
    for price, rational in zip(np.linspace(4, 12, 30), demand, strict=True):
        steps = np.clip(rational * (1 + SIGMA * rng.standard_normal((20, 2))), 10, 250)
        seen = Round(np.full(20, price), steps, everybody)
        one, two = (filters.observe(lanes, seen, everybody) for filters in (few, many))
    np.testing.assert_allclose(one.mean(PRICES), two.mean(PRICES), rtol=0.02)


def test_grid_has_the_moments_of_the_law():
    hidden = law("hidden")
    grid = LineGrid.of(hidden, leader.INTERCEPTS, leader.SLOPES)
    rng = np.random.default_rng(5)
    intercept, c = hidden.market(rng.standard_normal((200_000, 3)))
    slope = c + hidden.own(rng.standard_normal(200_000))
    chance = grid.prior @ grid.kernel.T
    assert chance.sum() == pytest.approx(1, abs=1e-5)
    log_a, log_b = np.log(grid.intercept), np.log(grid.slope)
    assert chance.sum(axis=1) @ log_a == pytest.approx(np.log(intercept).mean(), abs=0.01)
    assert chance.sum(axis=0) @ log_b == pytest.approx(slope.mean(), abs=0.01)
    mean = chance.sum(axis=0) @ log_b
    assert chance.sum(axis=0) @ (log_b - mean) ** 2 == pytest.approx(slope.var(), rel=0.03)
    together = log_a @ chance @ log_b - (chance.sum(axis=1) @ log_a) * mean
    assert together == pytest.approx(np.cov(np.log(intercept), slope)[0, 1], abs=0.01)
    # And it is the law of the environment's markets.
    market = solve_free("hidden", 20_000)
    assert np.log(market[0]).mean() == pytest.approx(np.log(intercept).mean(), abs=0.02)
    assert np.log(market[1]).std() == pytest.approx(slope.std(), rel=0.03)


def solve_free(scenario, lanes):
    """A (N,) and B (N, K) of the environment's markets."""
    env = PricingVectorEnv(lanes, scenario=scenario)
    env.reset(seed=0)
    alpha, beta, _ = env.market.ssim.parameters
    return (-beta / (2 * alpha))[:, 0], -1 / (2 * alpha * env.market.satisfaction)


def test_particles_agree_with_the_grid_where_nothing_drifts():
    hidden, market, lanes = law("hidden"), PublicParameters(2), np.arange(6)
    exact = LineFilter(LineGrid.of(hidden, 48, 72), market, 6)
    particles = ParticleFilter(hidden, market, 6, 8192, seed=0)
    rng = np.random.default_rng(0)
    everybody = np.ones((6, 2), bool)
    true = np.array([250.0, 18.0]), np.array([150.0, 9.0])
    for filters in (exact, particles):
        filters.observe(lanes, None, everybody)
    for _ in range(25):
        price = rng.uniform(5, 12, 6)
        rational = np.stack([np.clip(a - b * price, 10, 250) for a, b in true], axis=1)
        steps = np.clip(rational * (1 + SIGMA * rng.standard_normal((6, 2))), 10, 250)
        seen = Round(price, steps, everybody)
        one, two = (f.observe(lanes, seen, everybody) for f in (exact, particles))
    draws = one.draw(rng, PRICES, np.repeat(lanes, 500)).reshape(6, 500, -1)
    error = (two.mean(PRICES) - one.mean(PRICES)) / np.maximum(draws.std(axis=1), 1)
    assert np.abs(error.mean()) < 0.15
    assert np.sqrt((error**2).mean()) < 0.4


def test_particles_drift_as_the_law_says():
    drift = law("drift")
    filters = ParticleFilter(drift, PublicParameters(2), 4, 2048, seed=0)
    lanes = np.arange(4)
    for _ in range(50):
        filters._move(lanes)
    deviation = 0.1 * np.sqrt((1 - 0.98**100) / (1 - 0.98**2))
    assert filters._drift.std() == pytest.approx(deviation, rel=0.05)
    assert filters._drift.mean() == pytest.approx(0, abs=0.02)


def test_resampling_keeps_proportions():
    weight = np.array([[0.5, 0.25, 0.25, 0.0], [0.0, 0.0, 0.0, 1.0]])
    kept = resample(weight, 8, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(kept[0], minlength=4), [4, 2, 2, 0])
    assert (kept[1] == 3).all()


def test_likelihood_of_cut_deliveries_is_their_density():
    filters = RationedFilter(law("capacity"), PublicParameters(2), 1, 1, seed=0)
    filters._intercept[:], filters._slope[:] = 150.0, [[[5.0, 12.0]]]
    price, capacity = 8.0, 120.0
    rng = np.random.default_rng(0)
    demand = np.array([110.0, 54.0])
    asked = np.clip(demand * np.maximum(1 + SIGMA * rng.standard_normal((10**6, 2)), 0.05), 10, 250)
    total = asked.sum(axis=1)
    first = (asked[:, 0] / total * capacity)[total > capacity]
    edges = np.linspace(40, 110, 15)
    measured = np.histogram(first, edges)[0] / len(asked) / np.diff(edges)
    middle = (edges[1:] + edges[:-1]) / 2
    constant = (SIGMA * np.sqrt(2 * np.pi)) ** 2
    computed = [
        np.exp(
            filters._log_rationed(np.array([0]), np.array([price]), np.array([[x, capacity - x]]))
        )[0, 0]
        for x in middle
    ]
    np.testing.assert_allclose(np.array(computed) / constant, measured, rtol=0.12, atol=2e-4)


def test_capacity_is_found_when_the_largest_total_comes_again():
    filters = RationedFilter(law("capacity"), PublicParameters(2), 3, 256, seed=0)
    lanes, everybody = np.arange(3), np.ones((3, 2), bool)
    filters.observe(lanes, None, everybody)
    price = np.full(3, 8.0)
    for first in (60.0, 70.0):  # lane 0: 130 both times; lane 1: 90, 100; lane 2: at the floor
        steps = np.array([[first, 130 - first], [first, 30.0], [10.0, 10.0]])
        belief = filters.observe(lanes, Round(price, steps, everybody), everybody)
    assert filters._known.tolist() == [True, False, False]
    assert filters._open.tolist() == [False, True, False]
    np.testing.assert_allclose(belief.capacity[0], 130.0)
    assert belief.capacity[1].min() >= 100.0 - 1e-4
    assert belief.mean(PRICES)[0].max() <= 130.0 + 1e-3
    # Less than all at the floor can only be a capacity of K·min_steps.
    steps = np.array([[50.0, 80.0], [40.0, 30.0], [7.0, 13.0]])
    belief = filters.observe(lanes, Round(price, steps, everybody), everybody)
    assert filters._known.tolist() == [True, False, True]
    np.testing.assert_allclose(belief.capacity[2], 20.0)


def test_information_is_worth_more_the_longer_it_is_used():
    spreads = [
        record(made("bayes_information", lanes=20, parameters={"horizon": h}), lanes=20, rounds=8)
        for h in (0.0, 50.0)
    ]
    greedy = record(made("bayes", lanes=20), lanes=20, rounds=8)
    np.testing.assert_array_equal(spreads[0], greedy)
    assert spreads[1].std(axis=0).mean() > 1.3 * greedy.std(axis=0).mean()


# Tuning.


def test_tuned_parameters_are_there_for_all_presets():
    tuned = json.loads(methods.TUNED.read_text())
    for preset in PRESETS:
        assert {*tune.GRIDS, "constant"} == set(tuned[preset])
    assert all(len(tune._grid(name)) <= 16 for name in tune.GRIDS)


def test_tuning_keeps_the_best_and_writes_down_all(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tune, "EPISODES", 8)
    monkeypatch.setitem(tune.GRIDS, "cils", {"kappa": [0.1, 8.0], "first": [(6.0, 10.0)]})
    out, log = tmp_path / "tuned.json", tmp_path / "docs" / "tuning.csv"
    out.write_text(json.dumps({"shift": {"constant": {"price": 3.0}}}))
    for _ in range(2):  # the second time replaces the rows of the first
        tune.tune(("paper",), ("cils",), out, log)
    tuned = json.loads(out.read_text())
    assert tuned["paper"]["cils"] == {"kappa": 0.1, "first": [6.0, 10.0]}
    assert tuned["paper"]["constant"]["price"] == pytest.approx(8.0)
    assert tuned["shift"] == {"constant": {"price": 3.0}}
    rows = log.read_text().splitlines()
    assert rows[0] == "scenario,method,configuration,seed,episodes,share,seconds"
    assert len(rows) == 3
    assert "training seed 1000000" in capsys.readouterr().out


def test_what_is_learnt_from_training_markets(monkeypatch):
    monkeypatch.setattr(tune, "EPISODES", 64)
    known = tune.learn_from_markets("paper")
    assert known["price"] == pytest.approx(8.0)
    np.testing.assert_allclose(known["slot"]["mean"], [0.075 / 3.48e-4, 1 / (3.48e-4 * 200)])
    constant = {
        price: share(made("constant", "crowd", 64, parameters={"price": price}), "crowd", 64, 100)
        for price in (tune.learn_from_markets("crowd")["price"], 6.0, 16.0)
    }
    assert max(constant, key=lambda price: constant[price]) == next(iter(constant))


def test_traffic_of_custom_scenarios_is_known():
    custom = Scenario(
        "mine", "noisy", {"K": 3, "satisfaction": LogUniform(80, 400)}, [Traffic(0.5, 0.1, 0.1)]
    )
    assert share(methods.make("bayes", custom, Task(custom).public(), 64, 0), custom, 64, 40) > 0.96
