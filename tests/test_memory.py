"""Whatever is handed out is the caller's own: nothing that is written to it comes back."""

import numpy as np
import pytest

import aigc_market
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.scenarios import SCENARIOS

ROUNDS = 12
PRESETS = ["paper", "hidden", "drift", "shift", "crowd", "capacity"]


def scribble(thing):
    """Spoil every array in it."""
    if isinstance(thing, dict):
        for value in thing.values():
            scribble(value)
    elif isinstance(thing, (tuple, list)):
        for value in thing:
            scribble(value)
    elif isinstance(thing, np.ndarray) and thing.dtype == bool:
        thing[...] = ~thing
    elif isinstance(thing, np.ndarray):
        thing -= thing.dtype.type(1000)


def numbers(thing):
    """Copies of all numbers in it, flat."""
    if isinstance(thing, dict):
        return [n for key in sorted(thing) for n in numbers(thing[key])]
    if isinstance(thing, (tuple, list)):
        return [n for value in thing for n in numbers(value)]
    return [np.array(thing, float).ravel().copy()]


def vector(scenario, spoil, judged=True, **arguments):
    env = PricingVectorEnv(3, scenario=scenario, max_cycles=5, judged=judged, **arguments)
    env.action_space.seed(0)
    seen = []
    for answer in [env.reset(seed=0), *(None,) * ROUNDS]:
        answer = answer or env.step(env.action_space.sample())
        seen += numbers(answer)
        spoil(answer)
        if len(answer) == 5:
            told = env.judgement()
            seen += numbers(told)
            spoil(told)
    return seen


def single(scenario, spoil, **arguments):
    env = PricingEnv(scenario=scenario, max_cycles=5, **arguments)
    env.action_space.seed(0)
    seen = []
    for t in range(ROUNDS):
        if t % 5 == 0:
            answer = env.reset(seed=t)
            seen += numbers(answer)
            spoil(answer)
        answer = env.step(env.action_space.sample())
        seen += numbers(answer)
        spoil(answer)
    return seen


def parallel(scenario, spoil, **arguments):
    env = aigc_market.parallel_env(scenario=scenario, max_cycles=ROUNDS, **arguments)
    for i, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(i)
    answer, seen = env.reset(seed=0), []
    while True:
        seen += numbers([answer, env.state()])
        spoil([answer, env.state()])
        if not env.agents:
            return seen
        answer = env.step({agent: env.action_space(agent).sample() for agent in env.agents})


def aec(scenario, spoil, **arguments):
    env = aigc_market.env(scenario=scenario, max_cycles=ROUNDS, **arguments)
    for i, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(i)
    env.reset(seed=0)
    seen = []
    for agent in env.agent_iter():
        observation, reward, _, over, _ = env.last()
        told = [observation, env.observe("vmu_0"), env.observe("vmu_0"), env.state()]
        arrays = [value for value in env.infos[agent].values() if isinstance(value, np.ndarray)]
        seen += numbers([told, arrays, reward])
        spoil(told)
        env.step(None if over else env.action_space(agent).sample())
    return seen


@pytest.mark.parametrize("view", [vector, single, parallel, aec])
@pytest.mark.parametrize("scenario", PRESETS)
@pytest.mark.parametrize("more", [{}, {"normalize": True, "scale_rewards": True}], ids=["", "norm"])
def test_what_is_written_to_what_was_handed_out_never_comes_back(view, scenario, more):
    untouched = view(scenario, lambda thing: None, **more)
    spoilt = view(scenario, scribble, **more)
    assert len(untouched) == len(spoilt) > ROUNDS
    for a, b in zip(untouched, spoilt, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rewards_do_not_share_memory_with_what_is_judged_later():
    env = PricingVectorEnv(3, judged=False)
    env.reset(seed=0)
    prices = np.full((3, 1), 9.0, "f4")
    _, rewards, _, _, infos = env.step(prices)
    before = env.judgement()["regret"].copy()
    rewards *= 0
    infos["utility"] *= 0
    infos["demand"] *= 0
    np.testing.assert_array_equal(env.judgement()["regret"], before)
    assert before[0] == pytest.approx(28.7, abs=0.1)


def test_the_oracle_cannot_be_overwritten_through_the_infos():
    env = PricingVectorEnv(3)
    env.reset(seed=0)
    prices = np.full((3, 1), 9.0, "f4")
    first = env.step(prices)[-1]
    expected = {name: first[name].copy() for name in ("equilibrium_utility", "regret")}
    first["equilibrium_utility"] -= 1000
    second = env.step(prices)[-1]
    for name, value in expected.items():
        np.testing.assert_array_equal(second[name], value)


@pytest.mark.parametrize("scenario", ["paper", "crowd"])
def test_observing_twice_gives_equal_numbers_in_memory_of_their_own(scenario):
    assert scenario in SCENARIOS
    env = aigc_market.env(scenario=scenario)
    env.reset(seed=0)
    env.step(np.array([8.0], "f4"))
    for agent in env.agents:
        one, two, three = (env.observe(agent) for _ in range(3))
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(two, three)
        assert not any(np.shares_memory(a, b) for a, b in ((one, two), (two, three), (one, three)))
