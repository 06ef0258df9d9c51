"""The Bayes methods: the law that they know, what they earn by it, and their filters."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from aigc_market import Distribution, LogUniform, Market, Scenario, Uniform, solve
from aigc_market.distributions import DemandShare
from aigc_market.moves import Drift, Move, Shift, Traffic
from aigc_market.scenarios import SCENARIOS
from aigc_market.ssim import SaturatingSSIM, TabulatedSSIM
from baselines.arena.protocol import History, PublicParameters
from baselines.arena.registry import REGISTRY
from baselines.arena.rollout import play
from baselines.arena.seeds import training_seed
from baselines.arena.task import Task
from baselines.methods.bayes import flat, pricing
from baselines.methods.bayes.families import Quadratic, Saturating
from baselines.methods.bayes.known_capacity import RationedBelief, ShareLaw
from baselines.methods.bayes.law import MarketLaw, quantiles
from baselines.methods.bayes.lines import LineFilter, LineGrid
from baselines.methods.bayes.particles import ParticleFilter, resample
from baselines.methods.bayes.purchases import Observation, likelihood
from baselines.methods.bayes.regimes import RegimeFilter


def made(name, task, envs=4, **parameters):
    return REGISTRY[name].make(task, envs, 0, **parameters)


def share(name, task, envs):
    return play(made(name, task, envs), task, envs, 0).share


def test_bayes_beats_every_other_method_where_its_model_is_right():
    task = Task("hidden", {"max_cycles": 30})
    names = [name for name, entry in REGISTRY.items() if entry.factory and name != "equilibrium"]
    shares = {name: share(name, task, 40) for name in names}
    best = max(shares, key=lambda name: shares[name])
    assert best == "bayes_information", shares
    rivals = [value for name, value in shares.items() if not name.startswith("bayes")]
    assert shares[best] > max(rivals) + 0.01
    assert shares["bayes_thompson"] > shares["thompson"]
    assert shares["bayes"] > shares["constant"] + 0.05


@pytest.mark.parametrize(
    ("scenario", "rival"),
    [("crowd", "kalman"), ("drift", "kalman"), ("capacity", "cils"), ("saturating", "log_cils")],
)
def test_bayes_beats_the_best_classical_method_where_things_move(scenario, rival):
    task = Task(scenario, {"max_cycles": 20})
    assert share("bayes", task, 16) > share(rival, task, 16) + 0.01


CURVE = SaturatingSSIM(3.2, 39.0)


def test_bayes_knows_what_is_not_hidden():
    for task, price in (
        (Task("paper"), 8.0),
        (Task("paper", {"cost": 3.0}), 9.0),
        (
            Task(Scenario("mine", arguments={"K": 1, "satisfaction": 300.0})),
            solve(Market(1, satisfaction=300)).price,
        ),
        (
            Task(Scenario("mine", arguments={"ssim": CURVE, "satisfaction": 180.0})),
            solve(Market(2, satisfaction=180, ssim=CURVE)).price,
        ),
    ):
        prices = play(made("bayes", task, 2), task, 2, 0).price
        np.testing.assert_allclose(prices, price, rtol=1e-6)


def test_the_law_is_of_the_arguments_too():
    given = {"satisfaction": ["uniform", "100", "300"], "K": 3}
    for scenario, sign in (("hidden", -1), ("saturating", 1)):
        law = MarketLaw.of(Task(scenario, given))
        assert law.level(np.array([0.1, 0.9])).tolist() == [1.0, 1.0]
        own = np.exp(sign * law.own(np.random.default_rng(0).standard_normal(10_000)))
        assert own.min() > 100
        assert own.max() < 300
        assert own.mean() == pytest.approx(200, rel=0.02)
    assert MarketLaw.of(Task("hidden", {"followers": "best_response"})).sigma == pytest.approx(0.03)
    assert MarketLaw.of(Task("hidden")).sigma == 0.3


class Strange(Move):
    def advance(self, state, rng):
        return None


TABLE = TabulatedSSIM([0, 20, 60, 100, 250], [0.0, 0.1, 0.5, 0.6, 0.62])
SCARCE = {"satisfaction": Uniform(100, 200), "capacity": DemandShare(Uniform(0.4, 1.0))}


@pytest.mark.parametrize(
    ("followers", "arguments", "moves", "message"),
    [
        ("random", {"satisfaction": Uniform(100, 200)}, [], "followers must be rational"),
        ("noisy", {}, [Strange()], "moves must be Drift, Shift or Traffic"),
        ("noisy", {}, [Drift(), Shift()], "moves must be Drift alone"),
        ("noisy", SCARCE, [Drift()], "none where a capacity is drawn"),
        ("noisy", {"satisfaction": [1.0, 2.0]}, [Shift()], "must be a number or a Distribution"),
        ("noisy", {"ssim": TABLE, "satisfaction": Uniform(3000, 5000)}, [], "must be a quadratic"),
    ],
)
def test_bayes_refuses_laws_that_it_does_not_know(followers, arguments, moves, message):
    with pytest.raises(ValueError, match=message):
        made("bayes", Task(Scenario("x", followers, arguments, moves)))


class Peaked(Distribution):
    """A law of one's own."""

    def draw(self, rng, shape):
        return rng.triangular(self.low, 250, self.high, shape)


@pytest.mark.parametrize(
    ("arguments", "moves"),
    [
        ({"satisfaction": Peaked(100, 300)}, []),
        ({"satisfaction": LogUniform(80, 400), "min_steps": 10}, []),
        ({"satisfaction": LogUniform(80, 400), "K": 3}, [Traffic(0.5, 0.1, 0.1)]),
        ({"satisfaction": LogUniform(80, 400), "ssim": CURVE}, []),
        (SCENARIOS["saturating"].arguments, [Drift(0.98, 0.1)]),
        (SCENARIOS["saturating"].arguments, [Shift(0.03)]),
        ({**SCENARIOS["saturating"].arguments, "capacity": DemandShare(Uniform(0.4, 1.0))}, []),
    ],
)
def test_bayes_plays_custom_scenarios(arguments, moves):
    task = Task(Scenario("mine", "noisy", arguments, moves), {"max_cycles": 30})
    assert share("bayes", task, 32) > 0.95


def markets_drawn(scenario, envs):
    """What followers share (N,) and have of their own (N, K) in the environment's markets."""
    env = Task(scenario).environment(envs)
    env.reset(seed=0)
    first, second, _ = env.market.ssim.parameters
    if scenario == "saturating":
        return second[:, 0], first * env.market.satisfaction / second
    return (-second / (2 * first))[:, 0], -1 / (2 * first * env.market.satisfaction)


@pytest.mark.parametrize("scenario", ["hidden", "saturating"])
def test_grid_has_the_moments_of_the_law(scenario):
    law = MarketLaw.of(Task(scenario))
    grid = LineGrid.of(law, pricing.SHARED, pricing.OWN)
    rng = np.random.default_rng(5)
    shared, c = law.market(rng.standard_normal((200_000, 3)))
    own = c + law.own(rng.standard_normal(200_000))
    chance = grid.prior @ grid.kernel.T
    assert chance.sum() == pytest.approx(1, abs=1e-5)
    if scenario == "saturating":
        log_a, log_b = np.log(grid.slope[:, 0]), (grid.intercept / grid.slope)[0]
    else:
        log_a, log_b = np.log(grid.intercept[:, 0]), np.log(grid.slope[0])
    assert chance.sum(axis=1) @ log_a == pytest.approx(np.log(shared).mean(), abs=0.01)
    assert chance.sum(axis=0) @ log_b == pytest.approx(own.mean(), abs=0.01)
    mean = chance.sum(axis=0) @ log_b
    assert chance.sum(axis=0) @ (log_b - mean) ** 2 == pytest.approx(own.var(), rel=0.03)
    together = log_a @ chance @ log_b - (chance.sum(axis=1) @ log_a) * mean
    assert together == pytest.approx(np.cov(np.log(shared), own)[0, 1], abs=0.01)
    # And it is the law of the environment's markets.
    a, b = markets_drawn(scenario, 20_000)
    assert np.log(a).mean() == pytest.approx(np.log(shared).mean(), abs=0.02)
    assert np.log(b).mean() == pytest.approx(own.mean(), abs=0.02)
    assert np.log(b).std() == pytest.approx(own.std(), rel=0.03)


def test_bayes_expects_what_the_markets_that_may_be_ask_for_on_average():
    """Where SSIM saturates: markets drawn as the environment draws them, weighed by hand."""
    task, draws, rounds = Task("saturating"), 400_000, 4
    rng, envs = np.random.default_rng(0), np.arange(3)
    settings, everybody = task.settings(), np.ones((3, 2), bool)
    ssim = settings.ssim.draw(rng, (draws,))
    delta = settings.satisfaction.draw(rng, (draws, 2))
    filters = pricing.make_filter(task, 3, seed=0)
    belief, log_weight = filters.observe(envs, None, everybody), np.zeros((3, draws))
    true = np.array([[60.0, 35.0], [30.0, 45.0], [-5.0, 25.0]])  # at a price of 6; T is 40
    for _ in range(rounds):
        price = rng.uniform(5.5, 8, 3)
        rational = np.clip(true - 40 * np.log(price / 6)[:, None], 0, HIGH)
        steps = noisy(rational, 0.0, rng)
        belief = filters.observe(envs, Observation(price, steps, everybody), everybody)
        for n in envs:
            asked = ssim.demand(price[n] / delta, 0.0, HIGH)
            bought = asked > 0
            width = SIGMA * np.where(bought, asked, 1.0)
            log = np.where(bought, -0.5 * ((steps[n] - asked) / width) ** 2 - np.log(width), -1e9)
            log = np.where(steps[n] == 0, np.where(bought, -1e9, 0.0), log)
            log_weight[n] += log.sum(axis=1)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    assert (1 / (weight**2).sum(axis=1)).min() > 1000  # markets, in effect
    for price in (3.0, 5.0, 8.0, 12.0):
        asked = ssim.demand(price / delta, 0.0, HIGH).sum(axis=1)
        mean = weight @ asked
        spread = np.sqrt(weight @ asked**2 - mean**2)
        found = belief.mean(np.array([price], "f4"))[:, 0]
        np.testing.assert_array_less(np.abs(found - mean), 0.2 * spread + 0.1, err_msg=str(price))
    drawn = belief.draw(rng, np.array([5.0], "f4"), np.repeat(envs, 4000)).reshape(3, -1)
    asked = ssim.demand(5.0 / delta, 0.0, HIGH).sum(axis=1)
    mean = weight @ asked
    spread = np.sqrt(weight @ asked**2 - mean**2)
    np.testing.assert_array_less(np.abs(drawn.mean(axis=1) - mean), 0.2 * spread)
    np.testing.assert_allclose(drawn.std(axis=1), spread, rtol=0.1)


def test_information_is_worth_more_the_longer_it_is_used():
    task = Task("hidden", {"max_cycles": 8})
    short, long = (
        play(made("bayes_information", task, 20, horizon=h), task, 20, 0).price for h in (0.0, 50.0)
    )
    greedy = play(made("bayes", task, 20), task, 20, 0).price
    np.testing.assert_array_equal(short, greedy)
    assert long.std(axis=0).mean() > 1.2 * greedy.std(axis=0).mean()


# The filters: likelihoods, and posteriors against enumeration.


SIGMA, HIGH = 0.3, 250.0
FLOORS = (0.0, 10.0)
PRICES = np.linspace(1, 20, 20).astype("f4")
CONSTANT = SIGMA * np.sqrt(2 * np.pi)
"""What `likelihood` leaves out."""


def noisy(demand, low, rng):
    """What followers of this rational demand buy."""
    factor = np.maximum(1 + SIGMA * rng.standard_normal(np.shape(demand)), 0.05)
    return np.clip(demand * factor, low, HIGH)


def chance(steps, demand, low):
    """Probability (at a bound) or density of a purchase, by the definition of the noise."""
    if demand == 0:
        return float(steps == 0)
    if steps == low:
        return norm.cdf(low / demand - 1, scale=SIGMA) if low >= 0.05 * demand else 0.0
    if steps == HIGH:
        return norm.sf(HIGH / demand - 1, scale=SIGMA)
    return norm.pdf(steps, demand, SIGMA * demand)


def told(filters, rounds, envs=1, K=2):
    """What is believed after rounds, (prices (N,), steps (N, K)), in which everybody answers."""
    places, everybody = np.arange(envs), np.ones((envs, K), bool)
    belief = filters.observe(places, None, everybody)
    for price, steps in rounds:
        belief = filters.observe(places, Observation(price, steps, everybody), everybody)
    return belief


# One purchase.


@pytest.mark.parametrize("low", FLOORS)
@pytest.mark.parametrize("demand", [10.0, 30.0, 120.0, 190.0, 250.0])
def test_likelihood_is_a_law_with_chances_at_the_bounds(low, demand):
    public = PublicParameters(min_steps=low)
    steps = np.linspace(low, HIGH, 200_001)[1:-1]
    inside = likelihood(steps, np.full(len(steps), demand), public, SIGMA).mean() * (HIGH - low)
    bounds = likelihood(np.array([low, HIGH]), np.full(2, demand), public, SIGMA)
    # One purchase of 1,300 is at the factor .05, where the density stops: it is not told apart.
    assert (inside + bounds.sum()) / CONSTANT == pytest.approx(1, abs=2e-3)
    bought = noisy(np.full(10**5, demand), low, np.random.default_rng(0))
    chances = np.mean(bought == low), np.mean(bought == HIGH)
    np.testing.assert_allclose(bounds / CONSTANT, chances, atol=6e-3)
    assert (bounds[0] > 0) == (chances[0] > 0)


@pytest.mark.parametrize("low", FLOORS)
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_likelihood_is_the_definition(low, kind):
    """Nothing is bought if and only if nothing is rational, where there is no floor."""
    steps = np.array([low, low + 3, 40.0, 180.0, HIGH], kind)
    demand = np.array([low, low + 1, 55.0, 240.0, HIGH], kind)
    table = likelihood(steps, np.tile(demand, (5, 1)), PublicParameters(min_steps=low), SIGMA)
    assert table.dtype == kind
    expected = [[chance(s, d, low) for d in demand] for s in steps]
    close = {"rtol": 1e-9, "atol": 1e-300} if kind == "f8" else {"rtol": 1e-4, "atol": 1e-30}
    np.testing.assert_allclose(table / CONSTANT, expected, **close)


# Lines.


def toy(family=Quadratic):
    """A law of three shared numbers, three of followers' own, and two values of c."""
    rng = np.random.default_rng(0)
    prior, kernel = rng.random((3, 2)), rng.random((3, 2))
    if family is Quadratic:
        line = family.line(np.array([[100], [180], [300]]), np.array([[6, 11, 18]]))
    else:
        line = family.line(np.array([[40], [90], [200]]), np.array([[30, 16.4, 10]]))
    tables = *line, prior / prior.sum(), kernel / kernel.sum(axis=0)
    return LineGrid(*(np.array(table, "f4") for table in tables), sigma=SIGMA, form=family.form)


def markets_of(grid, followers):
    """All markets of a grid: s's and c's places, those of each o_k, and the probabilities."""
    numbers = (range(3), range(2), *[range(3)] * followers)
    a, c, *own = np.array(list(itertools.product(*numbers))).T
    return a, own, grid.prior[a, c] * np.prod(grid.kernel[own, c], axis=0, dtype=float)


def demand_of(grid, a, own, price, low):
    intercept, slope = (np.broadcast_to(t, (3, 3))[a, own] for t in (grid.intercept, grid.slope))
    x = price if grid.form is Quadratic.form else np.log(price)
    return np.clip(intercept - slope * x, low, HIGH).astype(float)


def chances_of(grid, a, slopes, seen, low):
    """Of a round's purchases in markets (m,), whose followers have slopes (K, m)."""
    of = np.ones(len(a))
    for k, slope in enumerate(slopes):
        if seen.answered[0, k]:
            demand = demand_of(grid, a, slope, seen.price[0], low)
            of *= [chance(seen.steps[0, k], d, low) for d in demand]
    return of


def played(grid, prices, slopes, low, rng):
    """Purchases (T, 1, K) of a market with the grid's second s."""
    demand = np.array([[demand_of(grid, 1, slope, p, low) for slope in slopes] for p in prices])
    return noisy(demand, low, rng)[:, None]


@pytest.mark.parametrize("low", FLOORS)
@pytest.mark.parametrize("family", [Quadratic, Saturating])
def test_filter_of_lines_is_bayes_rule_on_a_discrete_prior(low, family):
    grid, K, public = toy(family), 3, PublicParameters(3, min_steps=low)
    filters = LineFilter(grid, public, 2)
    rng = np.random.default_rng(1)
    # The followers' choke prices are 16.4, 10 and 30; all three, then two of them are priced out.
    price = np.array([4.0, 12.0, 17.5, 9.0, 15.0])[:, None]
    steps = played(grid, price[:, 0], [1, 2, 0], low, rng)
    assert (steps == low).any()
    # Slot 1 is left after the third round and taken by another one after the fourth.
    here = np.ones((6, 1, K), bool)
    here[3, 0, 1] = False
    envs = np.array([1])
    posterior = filters.observe(envs, None, here[0])
    seen = [Observation(price[t], steps[t] * here[t], here[t]) for t in range(5)]
    for t in range(5):
        posterior = filters.observe(envs, seen[t], here[t + 1])
    # The market, and four followers: those of slots 0, 1 and 2, and the newcomer.
    a, own, weight = markets_of(grid, 4)
    for t in range(5):
        slopes = [own[0], own[1] if t < 3 else own[3], own[2]]
        weight *= chances_of(grid, a, slopes, seen[t], low)
    densities = sum(((s.steps > low) & (s.steps < HIGH) & s.answered).sum() for s in seen)
    answers = sum(s.answered.sum() for s in seen)
    lines = np.zeros((3, 3))
    for follower in (0, 2, 3):
        np.add.at(lines, (a, own[follower]), weight / weight.sum())
    np.testing.assert_allclose(posterior.lines()[0], lines, rtol=1e-3, atol=1e-5)
    evidence = np.log(weight.sum()) + answers * np.log(CONSTANT)
    assert densities < answers
    assert posterior.evidence()[0] == pytest.approx(evidence, abs=1e-3)
    every = np.indices((3, 3))
    demand = np.stack([demand_of(grid, *every, p, low) for p in PRICES])
    mean = (demand * lines).sum((1, 2))
    np.testing.assert_allclose(posterior.mean(PRICES)[0], mean, rtol=1e-3, atol=1e-3)
    draws = posterior.draw(rng, PRICES, np.zeros(20_000, int))
    totals = sum(demand[:, a, own[follower]] for follower in (0, 2, 3))
    mean = totals @ weight / weight.sum()
    spread = (totals - mean[:, None]) ** 2 @ weight / weight.sum()
    np.testing.assert_allclose(draws.mean(axis=0), mean, rtol=0.02, atol=0.2)
    np.testing.assert_allclose(draws.var(axis=0), spread, rtol=0.1, atol=0.5)


def test_lines_that_cannot_be_are_forgotten_for_what_is_seen_now():
    """The grid has no line that buys nothing at 3 and 90 steps at 6: the newest counts."""
    rounds = [(np.array([price]), np.full((1, 1), s)) for price, s in ((3.0, 0.0), (6.0, 90.0))]
    after, fresh = (
        told(LineFilter(toy(), PublicParameters(1), 1), seen, K=1) for seen in (rounds, rounds[1:])
    )
    np.testing.assert_allclose(after.lines(), fresh.lines(), rtol=1e-4, atol=1e-6)
    draws = after.draw(np.random.default_rng(0), PRICES, np.zeros(100, int))
    assert np.isfinite(draws).all()


@pytest.mark.parametrize("low", FLOORS)
def test_filter_of_regimes_is_bayes_rule_on_a_discrete_prior(low):
    grid, K, hazard = toy(), 2, 0.2
    public = PublicParameters(K, min_steps=low)
    rng = np.random.default_rng(2)
    price = np.array([5.0, 12.0, 8.0, 17.0, 10.5, 6.0])[:, None]
    T = len(price)
    # A shift after the third round: choke prices 16.4 and 10, then 30 and 16.4.
    steps = np.concatenate(
        [played(grid, price[:3, 0], [1, 2], low, rng), played(grid, price[3:, 0], [0, 1], low, rng)]
    )
    assert (steps == low).any()
    filters = RegimeFilter(grid, public, 1, hazard, hypotheses=T + 1)
    posterior = told(filters, zip(price, steps, strict=True))
    a, own, prior = markets_of(grid, K)
    weight = prior
    for t in range(T):
        seen = Observation(price[t], steps[t], np.ones((1, K), bool))
        weight = weight * chances_of(grid, a, own, seen, low)
        weight = (1 - hazard) * weight / weight.sum() + hazard * prior
    demand = public.demand(grid.intercept, grid.slope, PRICES[:, None, None])
    mean = (demand[:, a, own[0]] + demand[:, a, own[1]]) @ weight
    np.testing.assert_allclose(posterior.mean(PRICES)[0], mean, rtol=1e-3)
    draws = posterior.draw(rng, PRICES, np.zeros(20_000, int))
    np.testing.assert_allclose(draws.mean(axis=0), mean, rtol=0.03)


def test_regimes_beyond_what_is_kept_cost_little():
    public = PublicParameters(2)
    rng = np.random.default_rng(3)
    rounds = [
        (np.full(20, price), noisy(np.full((20, 2), 180 - 11 * price), 0.0, rng))
        for price in np.linspace(4, 12, 30)
    ]
    one, two = (
        told(RegimeFilter(toy(), public, 20, 0.05, hypotheses=count), rounds, 20)
        for count in (8, 40)
    )
    np.testing.assert_allclose(one.mean(PRICES), two.mean(PRICES), rtol=0.02, atol=0.5)


# Particles.


@pytest.mark.parametrize("low", FLOORS)
@pytest.mark.parametrize("scenario", ["hidden", "saturating"])
def test_particles_agree_with_the_grid_where_nothing_drifts(low, scenario):
    hidden = MarketLaw.of(Task(scenario, {"min_steps": low}))
    public = PublicParameters(2, min_steps=low)
    exact = LineFilter(LineGrid.of(hidden, 48, 72), public, 6)
    particles = ParticleFilter(hidden, public, 6, 8192, seed=0)
    rng, rounds = np.random.default_rng(0), []
    lines = [(250.0, 18.0), (150.0, 9.0)], np.asarray
    if scenario == "saturating":
        lines = [(40 * np.log(choke), 40.0) for choke in (20, 14)], np.log
    for _ in range(20):
        price = rng.uniform(5, 12, 6)
        rational = [np.clip(a - b * lines[1](price), low, HIGH) for a, b in lines[0]]
        rounds.append((price, noisy(np.stack(rational, axis=1), low, rng)))
    one, two = (told(filters, rounds, 6) for filters in (exact, particles))
    draws = one.draw(rng, PRICES, np.repeat(np.arange(6), 500)).reshape(6, 500, -1)
    error = (two.mean(PRICES) - one.mean(PRICES)) / np.maximum(draws.std(axis=1), 1)
    assert np.abs(error.mean()) < 0.15
    assert np.sqrt((error**2).mean()) < 0.4


def test_what_contradicts_all_particles_is_believed():
    """Who bought much at 16 and declines at 3: where markets drift, somebody may buy again."""
    rounds = [
        (np.full(2, price), np.array([[first] * 2, [240.0] * 2]))
        for price, first in ((16.0, 230.0), (3.0, 0.0))
    ]
    belief = told(pricing.make_filter(Task("drift"), 2, seed=0), rounds, 2)
    at = np.array([3.0], "f4")
    assert 0 <= belief.mean(at)[0] < 50.0 < 300.0 < belief.mean(at)[1]


def test_particles_that_are_all_the_same_are_no_reason_to_stop():
    """Of a market that is known but for its drift: rounded, their covariance may be none."""
    known = Task("drift", {"satisfaction": ["200"], "ssim": "quadratic"})
    filters = ParticleFilter(MarketLaw.of(known), PublicParameters(2), 50, 2048, seed=0)
    rng = np.random.default_rng(0)
    rounds = ((np.full(50, 5.0), rng.uniform(1, 250, (50, 2))) for _ in range(10))
    assert np.isfinite(told(filters, rounds, 50).mean(PRICES)).all()


def test_resampling_keeps_proportions():
    weight = np.array([[0.5, 0.25, 0.25, 0.0], [0.0, 0.0, 0.0, 1.0]])
    kept = resample(weight, 8, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(kept[0], minlength=4), [4, 2, 2, 0])
    assert (kept[1] == 3).all()


# A known capacity.


def test_the_posterior_of_a_market_with_a_known_capacity_is_bayes_rule():
    """By enumeration of the markets of a discrete prior, R's own likelihood included."""
    grid, K, public = toy(), 2, PublicParameters(2)
    rng, envs, everybody = np.random.default_rng(6), np.array([0]), np.ones((1, K), bool)
    gain = PRICES - 1
    capacity, (low, high) = 130.0, (0.4, 1.0)
    law = ShareLaw(quantiles("share", Uniform(low, high)), least=0.0)
    filters = LineFilter(grid, public, 1)
    belief = filters.observe(envs, None, everybody)
    a, own, weight = markets_of(grid, K)
    demand = public.demand(grid.intercept, grid.slope, PRICES[:, None, None])
    asked = demand[:, a, own[0]] + demand[:, a, own[1]]
    free = np.take_along_axis(asked, (gain[:, None] * asked).argmax(axis=0)[None], axis=0)[0]
    likely = ((capacity / free >= low) & (capacity / free <= high)) / ((high - low) * free)
    assert 0 < np.count_nonzero(likely) < len(likely)  # R excludes some markets, and not all
    for t, price in enumerate((None, 9.0, 6.0)):
        if price is not None:
            steps = played(grid, [price], [1, 1], 0.0, rng)[0]
            seen = Observation(np.array([price]), steps, everybody)
            belief = filters.observe(envs, seen, everybody)
            weight = weight * chances_of(grid, a, own, seen, 0.0)
        for of_r, chance in ((law, weight * likely), (None, weight)):
            known = RationedBelief(
                belief, PRICES, gain, np.array([capacity], "f4"), of_r, rng, draws=40_000
            )
            expected = np.minimum(asked, capacity) @ chance / chance.sum()
            np.testing.assert_allclose(known.mean(PRICES)[0], expected, rtol=0.02, atol=0.3)
            drawn = known.draw(rng, PRICES, np.zeros(20_000, int)).mean(axis=0)
            np.testing.assert_allclose(
                drawn, asked @ chance / chance.sum(), rtol=0.03, atol=0.5, err_msg=str(t)
            )


def test_the_likelihood_of_a_capacity_is_a_law():
    """With a floor of 30, R is 30 as often as the share is below that, else it has a density."""
    share, free = Uniform(0.4, 1.0), np.array([40.0, 60.0, 200.0])
    law = ShareLaw(quantiles("share", share), least=30.0)
    edges = np.linspace(30.0, 220.0, 4001)
    middle = (edges[1:] + edges[:-1]) / 2
    density = law.likelihood(middle[:, None], free).sum(axis=0) * (edges[1] - edges[0])
    at_least = law.likelihood(np.array([30.0]), free)
    np.testing.assert_allclose(at_least, [(0.75 - 0.4) / 0.6, (0.5 - 0.4) / 0.6, 0.0], atol=1e-3)
    np.testing.assert_allclose(density + at_least, 1.0, atol=2e-3)
    drawn = np.maximum(share.draw(np.random.default_rng(0), (10**5, 1)) * free, 30.0)
    np.testing.assert_allclose((drawn == 30.0).mean(axis=0), at_least, atol=5e-3)


def test_a_capacity_that_no_drawn_market_allows_is_sold_at_most_all_the_same():
    belief = told(LineFilter(toy(), PublicParameters(2), 1), [])
    law = ShareLaw(quantiles("share", Uniform(0.4, 1.0)), least=0.0)
    known = RationedBelief(
        belief, PRICES, PRICES - 1, np.array([2.0], "f4"), law, np.random.default_rng(0)
    )
    assert known.mean(PRICES).max() == pytest.approx(2.0)
    np.testing.assert_allclose(known.weight, 1 / known.weight.shape[1])


@pytest.mark.parametrize("discount", [1.0, 0.7])
def test_the_likelihood_grid_is_the_product_of_likelihoods_over_all_lines(discount):
    """By brute force, for two followers that share A; one is there from the second round on."""
    public, rng = Task("hidden").public(), np.random.default_rng(0)
    grid = flat.flat_grid(public, 0.3, Quadratic)
    filters = flat.FlatFilter(grid, public, 3, discount)
    envs, rounds = np.arange(3), 4
    prices = rng.uniform(2, 12, (rounds, 3))
    steps = rng.uniform(20, 150, (rounds, 3, 2))
    there = np.ones((rounds + 1, 3, 2), bool)
    there[0, :, 1] = False
    belief = filters.observe(envs, None, there[0])
    for t in range(rounds):
        seen = Observation(prices[t], steps[t] * there[t], there[t])
        belief = filters.observe(envs, seen, there[t + 1])
    tables = np.zeros((3, 2, *grid.slope.shape))
    for t in range(rounds):
        demand = public.demand(grid.intercept, grid.slope, prices[t][:, None, None])
        for k in range(2):
            chance = likelihood(steps[t, :, k], demand, public, 0.3)
            weight = discount ** (rounds - 1 - t) * there[t, 0, k]
            tables[:, k] += weight * np.log(np.maximum(chance, 1e-300))
    of_slots = np.log(np.exp(tables - tables.max((2, 3), keepdims=True)).sum(3))
    of_slots += tables.max((2, 3))[..., None]
    of_a = np.exp(of_slots.sum(1) - of_slots.sum(1).max(1, keepdims=True))
    of_a /= of_a.sum(1, keepdims=True)
    lines = np.exp(tables - tables.max(3, keepdims=True))
    lines /= lines.sum(3, keepdims=True)
    at = np.array([3.0, 8.0, 15.0])
    demand = public.demand(grid.intercept, grid.slope, at[:, None, None])
    expected = np.einsum("na,nkab,pab->np", of_a, lines, demand)
    np.testing.assert_allclose(belief.mean(at), expected, rtol=2e-3, atol=0.05)
    filters.begin()
    fresh = filters.observe(envs, None, there[-1]).mean(at)
    np.testing.assert_allclose(fresh, 2 * demand.mean((1, 2))[None].repeat(3, 0), rtol=1e-4)


def test_the_likelihood_grid_sways_by_turns_about_the_best_price():
    task, everybody = Task("hidden"), np.ones((4, 2), bool)
    method = made("likelihood_grid", task, sway=0.1, fade=0.5)
    calm = made("likelihood_grid", task, sway=0.0)
    rows = np.empty((4, 0)), np.empty((4, 0, 2))
    for t in range(1, 5):
        history = History(*rows, everybody)
        price, best = method.act(history), calm.act(history)
        swayed = np.clip(best * (1 + (-1) ** t * 0.1 * t**-0.5), 1.0, 20.0)
        np.testing.assert_allclose(price, swayed, rtol=1e-6)
        rows = price[:, None], np.full((4, 1, 2), 60.0 + t)


def test_the_likelihood_grid_is_ahead_of_all_that_knows_no_more():
    task = Task("hidden", {"max_cycles": 60})
    # What takes demand for a line of ln p is told another form, and may be ahead by chance.
    names = [n for n, e in REGISTRY.items() if e.factory and e.knows in ("nothing", "form")]
    names = [n for n in names if not n.startswith("log_")]
    shares = {
        name: play(made(name, task, 120), task, 120, training_seed(1)).share for name in names
    }
    assert max(shares, key=lambda name: shares[name]) == "likelihood_grid", shares
    assert shares["likelihood_grid"] > 0.95
