"""Seeds, copies and pickles: an environment is determined by what it is, wherever it is."""

import copy
import pickle

import cloudpickle
import numpy as np
import pytest

import aigc_market
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv

ROUNDS = 6


def noisy(market, price, rng):
    """Followers that need the generator in every round."""
    bought = aigc_market.best_response(market, price)
    return bought + rng.normal(0, 5, np.shape(bought))


def own_draw(rng):
    return rng.uniform(100, 300, 3)


VIEWS = {
    "aec": aigc_market.env,
    "parallel": aigc_market.parallel_env,
    "single": PricingEnv,
    "vector": lambda **arguments: PricingVectorEnv(num_envs=4, **arguments),
}
DRAWN = {
    "uniform": aigc_market.Uniform(100, 300),
    "log-uniform": aigc_market.LogUniform(50, 800),
    "drawn": aigc_market.Drawn(100, 300, own_draw),
    "function": own_draw,
}
COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "cloudpickle": lambda env: cloudpickle.loads(cloudpickle.dumps(env)),
}
every_view = pytest.mark.parametrize("view", VIEWS)
every_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
every_drawn = pytest.mark.parametrize("satisfaction", DRAWN.values(), ids=DRAWN)


def make(view, **arguments):
    arguments = {"K": 3, "max_cycles": ROUNDS, "satisfaction": DRAWN["uniform"], **arguments}
    if view in ("single", "vector"):
        arguments["vmus"] = noisy
    return VIEWS[view](**arguments)


def flat(*answers):
    """Bytes of nested dicts and arrays, in order."""
    parts = []
    for answer in answers:
        if isinstance(answer, dict):
            for key, value in answer.items():
                parts += [key.encode(), flat(value)]
        elif isinstance(answer, tuple):
            parts.append(flat(*answer))
        else:
            parts.append(np.asarray(answer).tobytes())
    return b"|".join(parts)


def act(env, rng, agent=None):
    space = env.action_space(agent) if agent else env.action_space
    share = rng.uniform(size=space.shape)
    return (space.low + share * (space.high - space.low)).astype("f4")


def advance(view, env, moves, rng):
    """Play some moves (turns of the AEC game, steps of the others) and record all that is seen.

    Episodes that end are begun again, without a seed.
    """
    record = []
    for _ in range(moves):
        if view == "aec":
            agent = env.agent_selection
            over = env.truncations[agent]
            env.step(None if over else act(env, rng, agent))
            if not env.agents:
                env.reset()
            agent = env.agent_selection
            record.append(flat(env.last(), env.rewards, env.infos, env.state()))
        elif view == "parallel":
            record.append(flat(env.step({agent: act(env, rng, agent) for agent in env.agents})))
            if not env.agents:
                record.append(flat(env.reset()))
        else:
            observation, reward, terminated, truncated, info = env.step(act(env, rng))
            record.append(flat(observation, reward, terminated, truncated, info))
            if view == "single" and truncated:
                record.append(flat(env.reset()))
        record.append(flat(env.market.satisfaction, env.equilibrium.price))
    return record


@every_view
@every_copy
@pytest.mark.parametrize("moves_before", [0, 2, 4, 9])
def test_a_copy_goes_on_alike_and_on_its_own(view, copied, moves_before):
    original = make(view)
    original.reset(seed=3)
    advance(view, original, moves_before, np.random.default_rng(0))

    twin = copied(original)
    branch = copied(original)
    advance(view, branch, 7, np.random.default_rng(99))  # must leave the others alone
    expected = advance(view, twin, 20, np.random.default_rng(1))
    assert advance(view, original, 20, np.random.default_rng(1)) == expected


@every_view
@every_copy
def test_a_copy_of_what_was_never_reset(view, copied):
    original = make(view)
    twin = copied(original)
    for env in (original, twin):
        env.reset(seed=3)
    expected = advance(view, twin, 10, np.random.default_rng(1))
    assert advance(view, original, 10, np.random.default_rng(1)) == expected


def test_a_bare_function_is_pickled_with_the_environment():
    env = make("aec", satisfaction=lambda rng: rng.uniform(100, 300, 3))
    env.reset(seed=0)
    twin = cloudpickle.loads(cloudpickle.dumps(env))
    for each in (env, twin):
        each.reset()
    np.testing.assert_array_equal(env.market.satisfaction, twin.market.satisfaction)


@every_view
@every_drawn
def test_equal_seeds_give_equal_bytes(view, satisfaction):
    records = []
    for _ in range(2):
        env = make(view, satisfaction=satisfaction)
        start = env.reset(seed=11)
        moves = advance(view, env, 3 * ROUNDS * 4, np.random.default_rng(2))
        records.append([flat(start), *moves])
    assert records[0] == records[1]


@every_view
@every_drawn
def test_other_seeds_give_other_markets(view, satisfaction):
    env = make(view, satisfaction=satisfaction)
    drawn = set()
    for seed in range(5):
        env.reset(seed=seed)
        drawn.add(env.market.satisfaction.tobytes())
    assert len(drawn) == 5


@every_view
def test_an_unseeded_reset_goes_on_with_the_stream(view):
    def markets(*seeds):
        env = make(view)
        for seed in seeds:
            env.reset(seed=seed)
            yield env.market.satisfaction.tobytes()

    once, again = list(markets(4, None, None)), list(markets(4, None, None))
    assert once == again
    assert len(set(once)) == 3
    assert list(markets(4, None, 4)) == [once[0], once[1], once[0]]


@every_view
def test_without_any_seed_environments_differ(view):
    a, b = make(view), make(view)
    for env in (a, b):
        env.reset()
    assert not np.array_equal(a.market.satisfaction, b.market.satisfaction)


@every_view
def test_a_fixed_market_is_the_same_whatever_the_seed(view):
    env = make(view, satisfaction=200.0)
    env.reset(seed=1)
    market, equilibrium = env.market, env.equilibrium
    env.reset(seed=2)
    assert env.market is market
    assert env.equilibrium is equilibrium  # solved once


@every_view
def test_options_hold_for_one_episode(view):
    env = make(view, satisfaction=200.0)
    env.reset(seed=1, options={"satisfaction": 150.0, "cost": 2.0})
    assert (env.market.cost, env.market.satisfaction[0]) == (2.0, 150.0)
    assert np.all(env.equilibrium.price != 8.0)
    env.reset()
    assert (env.market.cost, env.market.satisfaction[0]) == (1.0, 200.0)


@every_view
def test_an_option_may_fix_what_is_drawn_otherwise(view):
    env = make(view)
    env.reset(seed=1, options={"satisfaction": [150.0, 200.0, 250.0]})
    np.testing.assert_array_equal(env.market.satisfaction, [150.0, 200.0, 250.0])


def test_a_refused_reset_leaves_the_episode_as_it_was():
    env = make("single", satisfaction=200.0)
    env.reset(seed=0)
    env.step(np.array([8.0], "f4"))
    with pytest.raises(ValueError, match="cost"):
        env.reset(options={"cost": -1.0})
    assert env.step(np.array([8.0], "f4"))[-1]["round"] == 2


def rngs():
    return np.random.default_rng(0)


def test_uniform_draws():
    draws = aigc_market.Uniform(100, 300).draw(rngs(), (4000, 2))
    assert draws.shape == (4000, 2)
    assert draws.min() >= 100
    assert draws.max() <= 300
    np.testing.assert_allclose(np.quantile(draws, [0.25, 0.5, 0.75]), [150, 200, 250], rtol=0.02)
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.05  # independent from VMU to VMU


def test_log_uniform_draws():
    draws = aigc_market.LogUniform(25, 400).draw(rngs(), (4000, 2))
    assert draws.min() >= 25
    assert draws.max() <= 400
    np.testing.assert_allclose(np.quantile(draws, [0.25, 0.5, 0.75]), [50, 100, 200], rtol=0.03)


def test_a_distribution_of_ones_own_draws_as_it_likes():
    class Coin(aigc_market.Distribution):
        def draw(self, rng, shape):
            return np.where(rng.random(shape) < 0.5, self.low, self.high)

    env = aigc_market.env(K=40, satisfaction=Coin(100.0, 300.0))
    env.reset(seed=0)
    assert set(env.market.satisfaction) == {100.0, 300.0}
    with pytest.raises(NotImplementedError):
        aigc_market.Distribution(100.0, 300.0).draw(rngs(), (2,))


def test_one_value_is_a_distribution_too():
    for kind in (aigc_market.Uniform, aigc_market.LogUniform):
        np.testing.assert_array_equal(kind(200, 200).draw(rngs(), (3,)), 200.0)


def test_a_function_is_called_once_for_each_market():
    calls = []

    def function(rng):
        calls.append(rng)
        return rng.uniform(100, 300, 2)

    distribution = aigc_market.Drawn(100, 300, function)
    generator = rngs()
    assert distribution.draw(generator, (2,)).shape == (2,)
    assert distribution.draw(generator, (5, 2)).shape == (5, 2)
    assert calls == [generator] * 6


def test_a_function_may_draw_one_number_for_all():
    draws = aigc_market.Drawn(100, 300, lambda rng: rng.uniform(100, 300)).draw(rngs(), (4, 3))
    assert np.all(draws == draws[:, :1])
    assert len(np.unique(draws)) == 4


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (99.0, "satisfaction must be drawn within \\[100, 300\\], got"),
        ([200.0, 301.0], "satisfaction must be drawn within"),
        ([200.0] * 3, "satisfaction must be drawn as one number or K = 2 numbers"),
        (-1.0, "satisfaction must be finite numbers above 0"),
        (np.nan, "satisfaction must be finite numbers"),
        ("high", "satisfaction must be finite numbers"),
        (None, "satisfaction must be finite numbers"),
    ],
)
@every_view
def test_a_function_that_draws_badly_is_refused(view, value, complaint):
    env = VIEWS[view](satisfaction=aigc_market.Drawn(100, 300, lambda rng: value))
    with pytest.raises((TypeError, ValueError), match=complaint):
        env.reset(seed=0)


@pytest.mark.parametrize("view", ["aec", "parallel"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("name", ["uniform", "log-uniform", "drawn"])
def test_draws_stay_within_the_observation_space(view, normalize, name):
    env = make(view, satisfaction=DRAWN[name], normalize=normalize)
    for seed in range(10):
        env.reset(seed=seed)
        assert env.state_space.contains(env.state())
