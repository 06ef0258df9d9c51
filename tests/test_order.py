"""`env()` keeps the promises of PettingZoo's OrderEnforcing and ClipOutOfBounds wrappers.

It does so without the wrappers, so each promise is compared with what the wrappers do around a
small game written as PettingZoo's documentation says.
"""

import numpy as np
import pytest
from gymnasium.spaces import Box
from pettingzoo import AECEnv
from pettingzoo.utils import ClipOutOfBoundsWrapper, OrderEnforcingWrapper
from pettingzoo.utils.env_logger import EnvLogger
from views import pricing_lanes

import aigc_market


class SmallGame(AECEnv):
    """The agents, spaces and end of the market with K = 2 and two rounds, and nothing else."""

    metadata = {"name": "small_v0", "render_modes": ["ansi"]}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        market = aigc_market.raw_env()
        self.possible_agents = market.possible_agents
        self.action_spaces = market.action_spaces
        self.observation_spaces = dict.fromkeys(self.possible_agents, Box(0, 1, (1,), np.float32))
        self.played = []

    def observation_space(self, agent):
        return self.observation_spaces[agent]

    def action_space(self, agent):
        return self.action_spaces[agent]

    def reset(self, seed=None, options=None):
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {} for agent in self.agents}
        self.agent_selection = self.agents[0]
        self.turns = 0

    def step(self, action):
        if self.truncations[self.agent_selection]:
            self._was_dead_step(action)
            return
        self.played.append(action)
        self.turns += 1
        self.agent_selection = self.agents[self.turns % 3]
        if self.turns == 6:
            self.truncations = dict.fromkeys(self.agents, True)

    def observe(self, agent):
        return np.zeros(1, "f4")

    def state(self):
        return np.zeros(1, "f4")

    def render(self):
        return ""


def wrapped():
    return OrderEnforcingWrapper(ClipOutOfBoundsWrapper(SmallGame()))


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


@pytest.mark.parametrize(
    "name",
    ["rewards", "terminations", "truncations", "infos", "agent_selection", "num_agents", "agents"],
)
def test_attributes_before_reset(name):
    (error, message), _ = same(lambda env: getattr(env, name))
    assert (error, message) == (AttributeError, f"{name} cannot be accessed before reset")


@pytest.mark.parametrize(
    "call",
    [
        lambda env: env.step(np.array([8.0], "f4")),
        lambda env: env.step(None),
        lambda env: env.observe("asp_0"),
        lambda env: env.render(),
        lambda env: env.state(),
        lambda env: env.agent_iter(),
        lambda env: env.last(),
    ],
    ids=["step", "step None", "observe", "render", "state", "agent_iter", "last"],
)
def test_calls_before_reset(call):
    (error, message), _ = same(call)
    assert error in (AssertionError, AttributeError)
    assert "reset" in message


def test_what_needs_no_reset():
    for name in ("possible_agents", "max_num_agents", "metadata"):
        assert getattr(ours(), name)
    assert ours().close() is None
    with pytest.raises(AttributeError, match="no attribute 'price'"):
        ours().price  # noqa: B018
    assert str(ours()) == "stackelberg_v0"  # as the wrappers show the game's name
    assert str(wrapped()) == "small_v0"


def play_to_the_end(env):
    env.reset(seed=0)
    while env.agents:
        over = env.truncations[env.agent_selection]
        env.step(None if over else env.action_space(env.agent_selection).low)


def test_step_after_the_end_warns():
    def scenario(env):
        play_to_the_end(env)
        env.step(None)
        env.step(np.array([8.0], "f4"))

    _, logged = same(scenario)
    assert "step() called after all agents are terminated or truncated" in logged[0]


def test_nobody_is_iterated_over_after_the_end():
    def scenario(env):
        play_to_the_end(env)
        return list(env.agent_iter())

    assert same(scenario) == (("returned", []), [])


def test_a_loop_without_a_step_is_stopped():
    def scenario(env):
        env.reset(seed=0)
        return list(env.agent_iter())

    (error, message), _ = same(scenario)
    assert error is AssertionError
    assert "need to call step() or reset() in a loop" in message


def test_a_second_loop_without_a_step_between_is_stopped():
    def scenario(env):
        env.reset(seed=0)
        first = next(iter(env.agent_iter()))
        return first, next(iter(env.agent_iter()))

    assert same(scenario)[0][0] is AssertionError


def test_reset_in_a_loop_is_allowed():
    def scenario(env):
        env.reset(seed=0)
        seen = []
        for agent in env.agent_iter(5):
            seen.append(agent)
            env.reset(seed=0)
        return seen

    assert same(scenario) == (("returned", ["asp_0"] * 5), [])


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


@pytest.mark.parametrize("leaves_first", [0, 1, 2])
def test_a_dead_agent_must_not_act(leaves_first):
    def scenario(env):
        env.reset(seed=0)
        for _ in range(6):
            env.step(env.action_space(env.agent_selection).low)
        for _ in range(leaves_first):
            env.step(None)
        env.step(env.action_space(env.agent_selection).low)

    (error, message), _ = same(scenario)
    assert (error, message) == (
        ValueError,
        "when an agent is dead, the only valid action is None",
    )


def test_dead_agents_leave_every_dict():
    def scenario(env):
        env.reset(seed=0)
        for _ in range(6):
            env.step(env.action_space(env.agent_selection).low)
        left = []
        while env.agents:
            env.step(None)
            dicts = env.rewards, env.terminations, env.truncations, env.infos
            left.append([list(each) for each in dicts] + [list(env.agents)])
        return left

    assert same(scenario)[0][1][0] == [["vmu_0", "vmu_1"]] * 5


@pytest.mark.parametrize("price", [-1e30, 0.0, 0.999, 20.01, 1e30])
def test_prices_outside_are_clipped_with_a_warning(price):
    action = np.array([price], "f4")

    def scenario(env):
        env.reset(seed=0)
        env.step(action)
        return env.agent_selection

    _, logged = same(scenario)
    assert "outside action space" in logged[0]

    reference, env = wrapped(), ours()
    for each in (reference, env):
        each.reset(seed=0)
        each.step(action)
    for _ in range(2):
        env.step(np.array([100.0], "f4"))
    assert env.infos["asp_0"]["price"] == reference.unwrapped.played[0].item()


@pytest.mark.parametrize("steps", [-5.0, -0.01, 250.5])
def test_purchases_outside_are_clipped_with_a_warning(steps):
    action = np.array([steps], "f4")

    def scenario(env):
        env.reset(seed=0)
        for each in (np.array([8.0], "f4"), action, action):
            env.step(each)

    _, logged = same(scenario)
    assert sum("outside action space" in message for message in set(logged)) == 1

    env = ours()
    env.reset(seed=0)
    for each in (np.array([8.0], "f4"), action, action):
        env.step(each)
    assert env.infos["vmu_0"]["steps"] == min(max(steps, 0.0), 250.0)


def test_actions_within_are_not_warned_about():
    def scenario(env):
        env.reset(seed=0)
        for action in ([1.0], [10.0], [250.0], [20.0]):
            env.step(np.array(action, "f4"))

    assert same(scenario)[1] == []


@pytest.mark.parametrize(
    "action", [np.array([np.nan], "f4"), np.ones(2, "f4"), np.ones((1, 2), "f4")]
)
def test_what_cannot_be_clipped_is_an_assertion_as_in_the_wrappers(action):
    """The text is the package's own: it names the agent, the value and what is allowed."""

    def scenario(env):
        env.reset(seed=0)
        env.step(action)

    (theirs, _), _ = outcome(wrapped, scenario)
    (error, message), _ = outcome(ours, scenario)
    assert issubclass(error, theirs)
    assert "the action of asp_0 must be one finite number" in message


@pytest.mark.parametrize(("price", "held"), [(-3.0, 1.0), (1.5, 20.0), (-1e30, 1.0)])
def test_normalised_actions_outside_are_clipped_with_a_warning(price, held):
    env = aigc_market.env(normalize=True)
    env.reset(seed=0)
    EnvLogger.flush()
    env.step(np.array([price], "f4"))
    assert "outside action space Box(-1.0, 1.0" in EnvLogger.mqueue[0]
    for _ in range(2):
        env.step(np.zeros(1, "f4"))
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
        alone.reset(seed=0)
        alone.step(action)
        for _ in range(2):
            alone.step(np.zeros(1, "f4"))
        assert alone.infos["asp_0"]["price"] == price


def test_numbers_beyond_single_precision_are_clipped_too():
    env = ours()
    env.reset(seed=0)
    EnvLogger.flush()
    for action in (1e300, np.array([-1e300]), 1e300):
        env.step(action)
    assert env.infos["asp_0"]["price"] == 20.0
    np.testing.assert_array_equal(env.infos["asp_0"]["demand"], [0.0, 250.0])
    assert len(EnvLogger.mqueue) == 3


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinities_raise_though_the_wrappers_clip_them(infinity):
    env = ours()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="one finite number in"):
        env.step(np.array([infinity], "f4"))
