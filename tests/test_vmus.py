"""Scripted followers, and scenarios, of the single-agent views."""

import numpy as np
import pytest
from views import pricing, pricing_lanes

import aigc_market
from aigc_market import followers, scenarios


def careful(market, price, rng):
    """Buys a tenth less than is rational."""
    return 0.9 * aigc_market.best_response(market, price)


def noisy(market, price, rng):
    bought = aigc_market.best_response(market, price)
    return bought + rng.normal(0, 30, bought.shape)


def play(policy, price=9.0, view=pricing, **arguments):
    env = view(followers=policy, **arguments)
    env.reset(seed=3)
    shape = env.action_space.shape
    return env, env.step(np.full(shape, price, "f4"))


def test_rational_followers_are_the_default():
    _, (_, default, *_) = play(None)
    _, (_, named, *_) = play("best_response")
    _, (_, function, *_) = play(followers.best_response)
    assert default == named == function


def test_policies_can_build_on_the_rational_one():
    def policy(market, price, rng):
        return followers.best_response(market, price, rng)

    assert play(policy)[1][1] == play(None)[1][1]


def test_a_function_decides_what_is_bought():
    env, (_, reward, _, _, info) = play(careful)
    rational = aigc_market.best_response(env.market, 9.0)
    np.testing.assert_allclose(info["demand"], 0.9 * rational, rtol=1e-6)
    assert reward == pytest.approx(8.0 * info["demand"].sum())


def test_regret_does_not_depend_on_what_followers_do():
    regrets = [play(policy)[1][-1]["regret"] for policy in (None, careful, noisy)]
    assert regrets[0] == regrets[1] == regrets[2] > 0


def test_purchases_are_held_within_the_bounds():
    for bought, held in ((1e6, 250.0), (-5.0, 0.0)):
        _, (*_, info) = play(lambda market, price, rng, bought=bought: np.full(2, bought))
        np.testing.assert_array_equal(info["demand"], held)


def test_purchases_are_rationed():
    _, (_, reward, *_, info) = play(careful, capacity=60.0)
    assert info["demand"].sum() > 60
    assert reward == pytest.approx(8.0 * 60)


def test_noise_comes_from_the_seed():
    demands = [play(noisy)[1][-1]["demand"] for _ in range(2)]
    np.testing.assert_array_equal(demands[0], demands[1])
    env = pricing(followers=noisy)
    env.reset(seed=4)
    assert not np.array_equal(env.step(np.array([9.0], "f4"))[-1]["demand"], demands[0])


@pytest.mark.parametrize("satisfaction", [200.0, aigc_market.LogUniform(100, 300)])
def test_a_batch_gives_the_policy_markets_and_prices_of_every_lane(satisfaction):
    shapes = []

    def policy(market, price, rng):
        shapes.append((price.shape, market.batch_shape))
        return careful(market, price, rng)

    def lanes(**arguments):
        return pricing_lanes(5, satisfaction=satisfaction, **arguments)

    env, (_, rewards, *_, infos) = play(policy, view=lanes)
    batch = () if satisfaction == 200.0 else (5,)
    assert shapes == [((5,), batch)]
    rational = aigc_market.best_response(env.market, np.full(5, 9.0))
    np.testing.assert_allclose(infos["demand"], 0.9 * rational, rtol=1e-6)
    np.testing.assert_allclose(rewards, 8.0 * infos["demand"].sum(axis=1), rtol=1e-6)


def test_lanes_are_played_like_single_environments():
    _, (seen, rewards, *_) = play(careful, view=lambda **kw: pricing_lanes(2, **kw))
    _, (alone, reward, *_) = play(careful)
    np.testing.assert_array_equal(seen, [alone, alone])
    assert rewards.tolist() == [reward, reward]


def test_paper_is_the_default_scenario():
    assert scenarios.resolve(None) is scenarios.resolve("paper") is scenarios.SCENARIOS["paper"]
    paper, default = aigc_market.env(scenario="paper"), aigc_market.env()
    assert paper.market.K == default.market.K == 2
    assert paper.equilibrium.price == default.equilibrium.price == pytest.approx(8.0)


@pytest.mark.parametrize("view", [aigc_market.env, aigc_market.parallel_env, pricing])
def test_arguments_override_the_scenarios(view):
    crowd = aigc_market.Scenario("crowd", arguments={"K": 10, "cost": 2.0, "history": 3})
    env = view(scenario=crowd, cost=3.0)
    assert (env.market.K, env.market.cost) == (10, 3.0)
    env = view(scenario=crowd)
    assert (env.market.K, env.market.cost) == (10, 2.0)


def test_a_scenario_brings_its_followers(monkeypatch):
    monkeypatch.setitem(followers.SCRIPTED, "careful", careful)
    scenario = aigc_market.Scenario("mine", followers="careful")
    for given, expected in ((None, careful), ("best_response", None)):
        env = pricing(scenario=scenario, followers=given)
        env.reset(seed=3)
        reward = env.step(np.array([9.0], "f4"))[1]
        assert reward == play(expected)[1][1]


@pytest.mark.parametrize("lanes", [None, 3])
def test_a_subclass_of_noisy_buys_as_it_says(lanes):
    class Shy(followers.Noisy):
        def __call__(self, market, price, rng):
            return 0.0 * super().__call__(market, price, rng)

    class Calm(followers.Noisy):
        def factors(self, shape, rng):
            return np.full(shape, 0.5, "f4")

    view = pricing if lanes is None else lambda **kw: pricing_lanes(lanes, **kw)
    _, (*_, info) = play(Shy(), view=view)
    np.testing.assert_array_equal(info["demand"], 0.0)
    env, (*_, info) = play(Calm(), view=view)
    rational = aigc_market.best_response(env.market, 9.0)
    np.testing.assert_allclose(
        info["demand"], np.broadcast_to(rational / 2, info["demand"].shape), rtol=1e-6
    )
