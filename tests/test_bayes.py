"""The Bayes methods: the law that they know, and what they earn by it."""

import numpy as np
import pytest

from aigc_market import Distribution, LogUniform, Market, Scenario, Uniform, solve
from aigc_market.distributions import DemandShare
from aigc_market.moves import Drift, Move, Shift, Traffic
from aigc_market.ssim import TabulatedSSIM
from baselines.arena.registry import REGISTRY
from baselines.arena.rollout import play
from baselines.arena.task import Task
from baselines.methods.bayes import pricing
from baselines.methods.bayes.law import MarketLaw
from baselines.methods.bayes.lines import LineGrid


def made(name, task, lanes=4, **parameters):
    return REGISTRY[name].make(task, lanes, 0, **parameters)


def share(name, task, lanes):
    return play(made(name, task, lanes), task, lanes, 0).share


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
    ("scenario", "rival"), [("crowd", "kalman"), ("drift", "kalman"), ("capacity", "cils")]
)
def test_bayes_beats_the_best_classical_method_where_things_move(scenario, rival):
    task = Task(scenario, {"max_cycles": 20})
    assert share("bayes", task, 16) > share(rival, task, 16) + 0.01


def test_bayes_knows_what_is_not_hidden():
    for task, price in (
        (Task("paper"), 8.0),
        (Task("paper", {"cost": 3.0}), 9.0),
        (
            Task(Scenario("mine", arguments={"K": 1, "satisfaction": 300.0})),
            solve(Market(1, satisfaction=300)).price,
        ),
    ):
        prices = play(made("bayes", task, 2), task, 2, 0).price
        np.testing.assert_allclose(prices, price, rtol=1e-6)


def test_the_law_is_of_the_arguments_too():
    law = MarketLaw.of(Task("hidden", {"satisfaction": ["uniform", "100", "300"], "K": 3}))
    assert law.level(np.array([0.1, 0.9])).tolist() == [1.0, 1.0]
    own = np.exp(-law.own(np.random.default_rng(0).standard_normal(10_000)))
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
    ("scenario", "message"),
    [
        (
            Scenario("x", "random", {"satisfaction": Uniform(100, 200)}),
            "followers must be rational",
        ),
        (Scenario("x", "noisy", moves=[Strange()]), "moves must be Drift, Shift or Traffic"),
        (Scenario("x", "noisy", moves=[Drift(), Shift()]), "moves must be Drift alone"),
        (Scenario("x", "noisy", SCARCE, [Drift()]), "none where a capacity is drawn"),
        (
            Scenario("x", "noisy", {"satisfaction": [1.0, 2.0]}, moves=[Shift()]),
            "satisfaction must be a number or a Distribution",
        ),
        (
            Scenario("x", "noisy", {"ssim": TABLE, "satisfaction": Uniform(3000, 5000)}),
            "ssim must be a quadratic",
        ),
    ],
)
def test_bayes_refuses_laws_that_it_does_not_know(scenario, message):
    with pytest.raises(ValueError, match=message):
        made("bayes", Task(scenario))


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
    ],
)
def test_bayes_plays_custom_scenarios(arguments, moves):
    task = Task(Scenario("mine", "noisy", arguments, moves), {"max_cycles": 30})
    assert share("bayes", task, 32) > 0.95


def lines_of(task, lanes):
    """A (N,) and B (N, K) of the environment's markets."""
    env = task.environment(lanes)
    env.reset(seed=0)
    alpha, beta, _ = env.market.ssim.parameters
    return (-beta / (2 * alpha))[:, 0], -1 / (2 * alpha * env.market.satisfaction)


def test_grid_has_the_moments_of_the_law():
    hidden = MarketLaw.of(Task("hidden"))
    grid = LineGrid.of(hidden, pricing.INTERCEPTS, pricing.SLOPES)
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
    a, b = lines_of(Task("hidden"), 20_000)
    assert np.log(a).mean() == pytest.approx(np.log(intercept).mean(), abs=0.02)
    assert np.log(b).std() == pytest.approx(slope.std(), rel=0.03)


def test_information_is_worth_more_the_longer_it_is_used():
    task = Task("hidden", {"max_cycles": 8})
    short, long = (
        play(made("bayes_information", task, 20, horizon=h), task, 20, 0).price for h in (0.0, 50.0)
    )
    greedy = play(made("bayes", task, 20), task, 20, 0).price
    np.testing.assert_array_equal(short, greedy)
    assert long.std(axis=0).mean() > 1.2 * greedy.std(axis=0).mean()
