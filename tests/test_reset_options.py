"""Options of `reset` are physical in every view, and one that is refused changes nothing."""

import numpy as np
import pytest

import aigc_market

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
