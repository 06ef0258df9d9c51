"""`env()` keeps the promises of PettingZoo's OrderEnforcing and ClipOutOfBounds wrappers.

It does so without the wrappers, so each promise is compared with what the wrappers do around a
game written as PettingZoo's documentation says, of the same agents and two rounds, with no rules.
"""

import numpy as np
import pytest
from benchmarks.peers import empty_game
from pettingzoo.utils.env_logger import EnvLogger
from views import pricing_lanes

import aigc_market


def wrapped():
    return empty_game(aigc_market.raw_env().action_spaces, rounds=2)


def ours():
    return aigc_market.env(max_cycles=2)


def outcome(make, scenario):
    """What a scenario returns or raises, and what it logs."""
    EnvLogger.flush()
    env = make()
    try:
        result = ("returned", scenario(env))
    except Exception as error:
        result = (type(error), str(error))
    return result, list(EnvLogger.mqueue)


def same(scenario):
    """Both games answer alike; returns the answer."""
    theirs = outcome(wrapped, scenario)
    assert outcome(ours, scenario) == theirs
    return theirs


def after_reset(*actions):
    """Takes its turns, and tells whose is the next."""

    def scenario(env):
        env.reset(seed=0)
        for action in actions:
            env.step(action)
        return env.agent_selection

    return scenario


def one(value):
    """A single-precision action."""
    return np.array([value], "f4")


# -- order -----------------------------------------------------------------------------------------

ATTRIBUTES = ("rewards", "terminations", "truncations", "infos", "agent_selection", "num_agents")
CALLS = [("step", one(8.0)), ("step", None), ("observe", "asp_0")]
CALLS += [(name,) for name in ("render", "state", "agent_iter", "last")]


@pytest.mark.parametrize("name", [*ATTRIBUTES, "agents"])
def test_attributes_before_reset(name):
    result, _ = same(lambda env: getattr(env, name))
    assert result == (AttributeError, f"{name} cannot be accessed before reset")


@pytest.mark.parametrize(("name", "given"), [(name, given) for name, *given in CALLS])
def test_calls_before_reset(name, given):
    (error, message), _ = same(lambda env: getattr(env, name)(*given))
    assert error in (AssertionError, AttributeError)
    assert "reset" in message


def test_what_needs_no_reset():
    for name in ("possible_agents", "max_num_agents", "metadata"):
        assert getattr(ours(), name)
    assert ours().close() is None
    with pytest.raises(AttributeError, match="no attribute 'price'"):
        ours().price  # noqa: B018
    assert str(ours()) == "stackelberg_v0"  # as the wrappers show the game's name
    assert str(wrapped()) == "empty_v0"


def to_the_end(env):
    env.reset(seed=0)
    while env.agents:
        over = env.truncations[env.agent_selection]
        env.step(None if over else env.action_space(env.agent_selection).low)


def test_step_after_the_end_warns():
    def scenario(env):
        to_the_end(env)
        env.step(None)
        env.step(one(8.0))

    _, logged = same(scenario)
    assert "step() called after all agents are terminated or truncated" in logged[0]


def nobody_after_the_end(env):
    to_the_end(env)
    return list(env.agent_iter())


def without_a_step(env):
    env.reset(seed=0)
    return list(env.agent_iter())


def twice_without_a_step_between(env):
    env.reset(seed=0)
    return next(iter(env.agent_iter())), next(iter(env.agent_iter()))


def with_resets(env):
    env.reset(seed=0)
    return [(agent, env.reset(seed=0)) for agent in env.agent_iter(5)]


@pytest.mark.parametrize(
    ("loop", "answer"),
    [
        (nobody_after_the_end, []),
        (with_resets, [("asp_0", None)] * 5),
        (without_a_step, "need to call step() or reset() in a loop"),
        (twice_without_a_step_between, "need to call step() or reset() in a loop"),
    ],
)
def test_loops_over_agents(loop, answer):
    (kind, found), logged = same(loop)
    assert logged == []
    if isinstance(answer, str):
        assert kind is AssertionError
        assert answer in found
    else:
        assert (kind, found) == ("returned", answer)


@pytest.mark.parametrize("turns", [0, 1, 4, 6, 8, 100])
def test_agents_come_in_the_same_order(turns):
    def scenario(env):
        env.reset(seed=0)
        seen = []
        for agent in env.agent_iter(turns):
            *_, terminated, truncated, _ = env.last(observe=False)
            seen.append((agent, terminated, truncated))
            env.step(None if truncated else env.action_space(agent).low)
        return seen, env.agents

    (_, (seen, _)), _ = same(scenario)
    assert len(seen) == min(turns, 9)


PLAYED = [one(8.0), *[one(100.0)] * 2] * 2
"""The actions of both rounds."""


@pytest.mark.parametrize("leaves_first", [0, 1, 2])
def test_a_dead_agent_must_not_act(leaves_first):
    result, _ = same(after_reset(*PLAYED, *[None] * leaves_first, one(8.0)))
    assert result == (ValueError, "when an agent is dead, the only valid action is None")


def test_dead_agents_leave_every_dict():
    def scenario(env):
        after_reset(*PLAYED)(env)
        left = []
        while env.agents:
            env.step(None)
            dicts = env.rewards, env.terminations, env.truncations, env.infos
            left.append([list(each) for each in dicts] + [list(env.agents)])
        return left

    assert same(scenario)[0][1][0] == [["vmu_0", "vmu_1"]] * 5


# -- clipping --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "steps"),
    [
        *((price, 9.0) for price in (-1e30, 0.0, 0.999, 20.01, 1e30)),
        *((8.0, steps) for steps in (-5.0, -0.01, 250.5)),
    ],
)
def test_actions_outside_are_clipped_with_a_warning(price, steps):
    actions = one(price), one(steps), one(steps)
    _, logged = same(after_reset(*actions))
    assert sum("outside action space" in message for message in set(logged)) == 1
    env = ours()
    after_reset(*actions)(env)
    assert env.infos["asp_0"]["price"] == min(max(price, 1.0), 20.0)
    assert env.infos["vmu_0"]["steps"] == min(max(steps, 0.0), 250.0)


def test_actions_within_are_not_warned_about():
    _, logged = same(after_reset(one(1.0), one(10.0), one(250.0), one(20.0)))
    assert logged == []


@pytest.mark.parametrize(
    "action", [np.array([np.nan], "f4"), np.ones(2, "f4"), np.ones((1, 2), "f4")]
)
def test_what_cannot_be_clipped_is_an_assertion_as_in_the_wrappers(action):
    """The text is the package's own: it names the agent, the value and what is allowed."""
    (theirs, _), _ = outcome(wrapped, after_reset(action))
    (error, message), _ = outcome(ours, after_reset(action))
    assert issubclass(error, theirs)
    assert "the action of asp_0 must be one finite number" in message


@pytest.mark.parametrize(("price", "held"), [(-3.0, 1.0), (1.5, 20.0), (-1e30, 1.0)])
def test_normalised_actions_outside_are_clipped_with_a_warning(price, held):
    env = aigc_market.env(normalize=True)
    EnvLogger.flush()
    after_reset(one(price), one(0.0), one(0.0))(env)
    assert "outside action space Box(-1.0, 1.0" in EnvLogger.mqueue[0]
    assert env.infos["asp_0"]["price"] == held


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    "actions",
    [
        np.array([[-50.0], [0.5], [50.0]], "f4"),
        np.array([[-1e300], [2.0], [1e300]]),
        np.array([[-1e300], [2.0], [1e300]], np.longdouble),
        np.array([[-1e39], [2.0], [np.finfo("f4").max * (1 + 1e-9)]]),
        np.array([[-(2**60)], [2], [2**60]]),
    ],
    ids=["single", "double", "long double", "just beyond", "whole"],
)
def test_a_batch_is_clipped_as_single_actions_are(actions, normalize):
    env = pricing_lanes(3, normalize=normalize)
    env.reset(seed=0)
    EnvLogger.flush()
    prices = env.step(actions)[-1]["price"]
    assert len(EnvLogger.mqueue) == 1
    assert "clipping to space" in EnvLogger.mqueue[0]
    for action, price in zip(actions, prices, strict=True):
        alone = aigc_market.env(normalize=normalize)
        after_reset(action, one(0.0), one(0.0))(alone)
        assert alone.infos["asp_0"]["price"] == price


def test_numbers_beyond_single_precision_are_clipped_too():
    env = ours()
    EnvLogger.flush()
    after_reset(1e300, np.array([-1e300]), 1e300)(env)
    assert env.infos["asp_0"]["price"] == 20.0
    np.testing.assert_array_equal(env.infos["asp_0"]["demand"], [0.0, 250.0])
    assert len(EnvLogger.mqueue) == 3


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinities_raise_though_the_wrappers_clip_them(infinity):
    with pytest.raises(ValueError, match="one finite number in"):
        after_reset(one(infinity))(ours())
