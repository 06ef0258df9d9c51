"""Options of `reset` are physical in every view, and one that is refused changes nothing."""

import gymnasium
import numpy as np
import pytest

import aigc_market
from aigc_market import competition_v0
from aigc_market.envs.competition.single import RivalEnv
from aigc_market.envs.competition.vector import RivalVectorEnv
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv

UNITS = [{}, {"normalize": True}, {"continuous_actions": False}]


@pytest.mark.parametrize("units", UNITS, ids=str)
@pytest.mark.parametrize("price", [8.0, 8, np.float32(8), [8.0], np.array([8.0], "f4")])
def test_the_first_price_is_money_whatever_the_units_of_actions(units, price):
    env = aigc_market.parallel_env(**units)
    env.reset(seed=0, options={"price": price})
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}
    infos = env.step(actions)[-1]
    assert infos["asp_0"]["price"] == 8.0


@pytest.mark.parametrize("units", UNITS, ids=str)
@pytest.mark.parametrize("price", [0.99, 20.01, -1.0, 1e30])
def test_a_first_price_outside_is_refused(units, price):
    env = aigc_market.parallel_env(**units)
    with pytest.raises(ValueError, match=r"reset option price must be one number within \[1, 20\]"):
        env.reset(seed=0, options={"price": price})
    with pytest.raises(ValueError, match=r"within \[2, 9\]"):
        env.reset(options={"price": 10.0, "cost": 2.0, "max_price": 9.0})


@pytest.mark.parametrize(
    "options",
    [{"price": "8"}, {"price": 0.5}, {"cost": -1.0}, {"cost": 3.0, "price": 2.0}, {"price": None}],
    ids=str,
)
@pytest.mark.parametrize("seed", [None, 7])
def test_a_reset_that_is_refused_leaves_the_episode_as_it_was(options, seed):
    disturbed, quiet = (
        aigc_market.parallel_env(satisfaction=aigc_market.Uniform(100, 300)) for _ in range(2)
    )
    for env in (disturbed, quiet):
        env.reset(seed=3)
    with pytest.raises((TypeError, ValueError)):
        disturbed.reset(seed=seed, options=options)
    for t in range(2):
        rng = np.random.default_rng(t)
        actions = {agent: rng.uniform(1, 20, 1).astype("f4") for agent in quiet.agents}
        ours, theirs = disturbed.step(actions), quiet.step(actions)
        for agent in quiet.possible_agents:
            np.testing.assert_array_equal(ours[0][agent], theirs[0][agent])
            assert ours[1][agent] == theirs[1][agent]
    for env in (disturbed, quiet):  # its stream of random numbers too
        env.reset()
    np.testing.assert_array_equal(disturbed.market.satisfaction, quiet.market.satisfaction)


def singles_and_batches(**arguments):
    return {
        "PricingEnv": lambda: PricingEnv(**arguments),
        "PricingVectorEnv": lambda: PricingVectorEnv(3, **arguments),
        "RivalEnv": lambda: RivalEnv(**arguments),
        "RivalVectorEnv": lambda: RivalVectorEnv(3, **arguments),
    }


DRAWN = singles_and_batches(satisfaction=aigc_market.Uniform(100, 300))
every_view = pytest.mark.parametrize("view", DRAWN)
refused = pytest.mark.parametrize(
    "options", [{"cost": -1.0}, {"cost": "8"}, {"cost": 30.0}], ids=str
)


@every_view
@refused
@pytest.mark.parametrize("seed", [None, 7])
def test_a_gymnasium_reset_that_is_refused_changes_nothing(view, options, seed):
    disturbed, quiet = DRAWN[view](), DRAWN[view]()
    action = np.full(quiet.action_space.shape, 5.0, "f4")
    for env in (disturbed, quiet):
        env.reset(seed=3)
        env.step(action)
    with pytest.raises((TypeError, ValueError)):
        disturbed.reset(seed=seed, options=options)
    for one, two in zip(disturbed.step(action)[:2], quiet.step(action)[:2], strict=True):
        np.testing.assert_array_equal(one, two)
    assert disturbed.np_random_seed == quiet.np_random_seed == 3
    for env in (disturbed, quiet):  # its stream of random numbers too
        env.reset()
    np.testing.assert_array_equal(disturbed.market.satisfaction, quiet.market.satisfaction)


@every_view
@refused
def test_a_first_reset_that_is_refused_begins_nothing(view, options):
    env = DRAWN[view]()
    with pytest.raises((TypeError, ValueError)):
        env.reset(seed=3, options=options)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(env.action_space.sample())
    fresh = DRAWN[view]()
    np.testing.assert_array_equal(env.reset(seed=3)[0], fresh.reset(seed=3)[0])


def fussy(market, seat, last_prices, oracle, rng):
    """A rival's price, which the game refuses where providers' costs are high."""
    return rng.uniform(2, 9) if market.cost.max() < 3 else -1.0


@pytest.mark.parametrize("view", [RivalEnv, lambda **kw: RivalVectorEnv(2, **kw)])
def test_so_it_is_where_a_rival_makes_the_reset_impossible(view):
    disturbed, quiet = (view(rivals=fussy) for _ in range(2))
    first = view(rivals=fussy)
    with pytest.raises(ValueError, match="rivals must"):
        first.reset(seed=0, options={"cost": 4.0})
    action = np.full(quiet.action_space.shape, 5.0, "f4")
    with pytest.raises(gymnasium.error.ResetNeeded):  # it read what nobody had written
        first.step(action)
    for env in (disturbed, quiet):
        env.reset(seed=3)
    with pytest.raises(ValueError, match="rivals must"):
        disturbed.reset(seed=9, options={"cost": 4.0})
    assert disturbed.market.cost.max() == 1.0
    for _ in range(2):
        for one, two in zip(disturbed.step(action)[:2], quiet.step(action)[:2], strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("view", [aigc_market.env, competition_v0.env, competition_v0.parallel_env])
def test_a_function_that_draws_badly_leaves_the_episode_and_its_stream(view):
    draws = iter([200.0, -1.0, 150.0, 160.0])

    def law(rng):
        rng.random()
        return next(draws)

    env = view(satisfaction=aigc_market.Drawn(100, 300, law))
    env.reset(seed=0)
    market = env.unwrapped.market
    with pytest.raises(ValueError, match="satisfaction"):
        env.reset(seed=1)
    assert env.unwrapped.market is market
    env.reset()
    assert env.unwrapped.market.satisfaction[0] == 150.0
