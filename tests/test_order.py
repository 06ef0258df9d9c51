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


def to_the_end(env):
    env.reset(seed=0)
    while env.agents:
        over = env.truncations[env.agent_selection]
        env.step(None if over else env.action_space(env.agent_selection).low)


def steps_after_the_end(env):
    to_the_end(env)
    env.step(None)
    env.step(one(8.0))


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


def turns(most):
    def scenario(env):
        env.reset(seed=0)
        seen = []
        for agent in env.agent_iter(most):
            *_, terminated, truncated, _ = env.last(observe=False)
            seen.append((agent, terminated, truncated))
            env.step(None if truncated else env.action_space(agent).low)
        return seen, env.agents

    return scenario


PLAYED = [one(8.0), *[one(100.0)] * 2] * 2
"""The actions of both rounds."""


def leave(env):
    """What is kept of whom while dead agents leave."""
    after_reset(*PLAYED)(env)
    left = []
    while env.agents:
        env.step(None)
        dicts = env.rewards, env.terminations, env.truncations, env.infos
        left.append([list(each) for each in dicts] + [list(env.agents)])
    return left


def attribute(name):
    return lambda env: getattr(env, name)


def call(name, *given):
    return lambda env: getattr(env, name)(*given)


ATTRIBUTES = ("rewards", "terminations", "truncations", "infos", "agent_selection", "num_agents")
DEAD = "when an agent is dead, the only valid action is None"
NO_STEP = "need to call step() or reset() in a loop"
OUTSIDE = [(price, 9.0) for price in (-1e30, 0.0, 0.999, 20.01, 1e30)]
OUTSIDE += [(8.0, steps) for steps in (-5.0, -0.01, 250.5)]
# A scenario, and what is in its answer or, where it only warns, in its log.
SCENARIOS = {
    **{
        f"{name} before reset": (attribute(name), f"{name} cannot be accessed before reset")
        for name in (*ATTRIBUTES, "agents")
    },
    **{
        f"{name} {given} before reset": (call(name, *given), "reset")
        for name, *given in (
            *(("step", one(8.0)), ("step", None), ("observe", "asp_0")),
            *(("render",), ("state",), ("agent_iter",), ("last",)),
        )
    },
    "steps after the end": (steps_after_the_end, "called after all agents are terminated or"),
    "a loop after the end": (nobody_after_the_end, "('returned', [])"),
    "a loop with resets": (with_resets, str([("asp_0", None)] * 5)),
    "a loop without a step": (without_a_step, NO_STEP),
    "loops without a step between": (twice_without_a_step_between, NO_STEP),
    **{f"{most} turns": (turns(most), "('returned'") for most in (0, 1, 4, 6, 8, 100)},
    **{
        f"dead after {left}": (after_reset(*PLAYED, *[None] * left, one(8.0)), DEAD)
        for left in range(3)
    },
    "dead agents leave": (leave, str([["vmu_0", "vmu_1"]] * 5)),
    "actions within": (after_reset(one(1.0), one(10.0), one(250.0), one(20.0)), "'vmu_0'), []"),
    **{
        f"{price}, {steps}": (after_reset(one(price), one(steps), one(steps)), "outside action")
        for price, steps in OUTSIDE
    },
}


@pytest.mark.parametrize("label", SCENARIOS)
def test_what_is_done_is_what_the_wrappers_do(label):
    scenario, said = SCENARIOS[label]
    theirs = outcome(wrapped, scenario)
    assert outcome(ours, scenario) == theirs
    assert said in str(theirs)


def test_what_needs_no_reset():
    for name in ("possible_agents", "max_num_agents", "metadata"):
        assert getattr(ours(), name)
    assert ours().close() is None
    with pytest.raises(AttributeError, match="no attribute 'price'"):
        ours().price  # noqa: B018
    assert str(ours()) == "stackelberg_v0"  # as the wrappers show the game's name
    assert str(wrapped()) == "empty_v0"


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


def test_what_is_clipped_is_held_at_the_bounds():
    for price, steps in (*OUTSIDE, (1e300, -1e300)):  # the last beyond single precision
        env = ours()
        EnvLogger.flush()
        after_reset(price, np.array([steps]), 1e300)(env)
        assert env.infos["asp_0"]["price"] == min(max(price, 1.0), 20.0)
        assert env.infos["asp_0"]["demand"].tolist() == [min(max(steps, 0.0), 250.0), 250.0]
        assert len(EnvLogger.mqueue) == 2 + (price > 1e200)


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinities_raise_though_the_wrappers_clip_them(infinity):
    with pytest.raises(ValueError, match="one finite number in"):
        after_reset(one(infinity))(ours())
