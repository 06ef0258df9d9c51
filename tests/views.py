"""Every view of all games by public means, and each of them played in the same way.

A view is made, reset, and moved: a move is one turn of the turn-based games and one step of all
others. What it answers is all that is handed out, as nested dicts of numbers.
"""

import contextlib
import copy

import gymnasium
import numpy as np
import torch

import aigc_market
from aigc_market import competition_v0, menus_v0
from aigc_market.ssim import TabulatedSSIM
from aigc_market.ssim.model import Result
from aigc_market.torchrl import MarketEnv

PHYSICAL = {"normalize": False, "scale_rewards": False}
"""The ids are in a learner's units; tests count in the market's unless they say otherwise."""


def pricing(**arguments):
    """The leader's view, single."""
    return _made("aigc_market/Pricing-v0", arguments)


def rival(**arguments):
    """One provider's view among scripted rivals, single."""
    return _made("aigc_market/Rival-v0", arguments)


def menu(**arguments):
    """The view of a leader that offers contracts, single."""
    return _made("aigc_market/Menu-v0", arguments)


def pricing_lanes(num_envs, **arguments):
    """The leader's view, vectorised."""
    return _made_vector("aigc_market/Pricing-v0", num_envs, arguments)


def rival_lanes(num_envs, **arguments):
    """One provider's view among scripted rivals, vectorised."""
    return _made_vector("aigc_market/Rival-v0", num_envs, arguments)


def menu_lanes(num_envs, **arguments):
    """The view of a leader that offers contracts, vectorised."""
    return _made_vector("aigc_market/Menu-v0", num_envs, arguments)


def _made(name, arguments):
    arguments = {**PHYSICAL, **arguments}
    return gymnasium.make(name, disable_env_checker=True, **arguments).unwrapped


def _made_vector(name, num_envs, arguments):
    return gymnasium.make_vec(name, num_envs=num_envs, **{**PHYSICAL, **arguments}).unwrapped


def box_action(space, rng):
    """Of a space, by a generator: each number anywhere in its range."""
    if isinstance(space, gymnasium.spaces.Box):
        share = rng.uniform(size=space.shape)
        return (space.low + share * (space.high - space.low)).astype(space.dtype)
    most = space.n if isinstance(space, gymnasium.spaces.Discrete) else space.nvec
    return rng.integers(most)


def act(env, *actions):
    """Turns of a turn-based game, by numbers or rows of them, or by indices."""
    for action in actions:
        numbers = isinstance(env.action_space(env.agent_selection), gymnasium.spaces.Box)
        env.step(np.atleast_1d(np.float32(action)) if numbers else action)


class Service(TabulatedSSIM):
    """A live model that serves what its table says; no image is made."""

    keep_images = False

    def serve_round(self, steps, rng):
        assert all(s == int(s) for s in steps)
        return [Result(np.zeros((2, 2, 3)), float(self(s))) for s in steps]


class Turns:
    """The AEC games."""

    def __init__(self, make):
        self.make = make

    def reset(self, env, **how):
        env.reset(**how)
        return self._told(env)

    def move(self, env, number):
        """One turn, by an action that depends on nothing but its number."""
        agent, rng = env.agent_selection, np.random.default_rng(number)
        env.step(None if env.truncations[agent] else box_action(env.action_space(agent), rng))
        if not env.agents:
            env.reset()
        return self._told(env)

    def spaces(self, env):
        return {"seen": dict(env.observation_spaces), "state": env.state_space}

    def bad_move(self, env):
        env.step(np.full(2, np.nan))

    def _told(self, env):
        # Infos and rewards are kept from turn to turn, as PettingZoo's wrappers expect: a copy.
        kept = copy.deepcopy((env.rewards, env.truncations, env.infos))
        rewards, over, infos = kept
        seen = {agent: env.observe(agent) for agent in env.agents}
        again = env.observe(env.agent_selection)
        state = env.state()
        told = {"seen": seen, "state": state, "rewards": rewards, "over": over, "infos": infos}
        return {**told, "again": again, "last": env.last()[0]}


class AtOnce(Turns):
    """The parallel games."""

    def reset(self, env, **how):
        seen, infos = env.reset(**how)
        return {"seen": seen, "state": env.state(), "infos": infos}

    def move(self, env, number):
        """One step."""
        rng = np.random.default_rng(number)
        seen, rewards, _, over, infos = env.step(
            {agent: box_action(env.action_space(agent), rng) for agent in env.agents}
        )
        told = {"seen": seen, "state": env.state(), "rewards": rewards, "over": over}
        return {**told, "infos": infos, "next": {} if env.agents else self.reset(env)}

    def bad_move(self, env):
        bad = np.full(2, np.nan)
        env.step(dict.fromkeys(env.agents, bad))


class Single:
    """The Gymnasium games, single and vectorised."""

    def __init__(self, make):
        self.make = make

    def reset(self, env, **how):
        seen, infos = env.reset(**how)
        return {"seen": seen, "infos": infos}

    def move(self, env, number):
        """One step; who does not begin again by itself is reset."""
        action = box_action(env.action_space, np.random.default_rng(number))
        seen, reward, _, over, infos = env.step(action)
        told = {"seen": seen, "rewards": reward, "over": over, "infos": infos}
        return {**told, "next": self.reset(env) if over is True else {}}

    def spaces(self, env):
        return {"seen": env.observation_space}

    def bad_move(self, env):
        env.step(np.full(env.action_space.shape or 2, np.nan))


class Judged(Single):
    """Vectorised games, and what is told of them on request."""

    def move(self, env, number):
        """One step, and by what the one before was judged."""
        judged = {}
        with contextlib.suppress(gymnasium.error.ResetNeeded):  # none was played
            judged = env.judgement()
        return {**super().move(env, number), "judged": judged}


class Tensors:
    """The games on tensors."""

    def __init__(self, game):
        self._game = game

    def make(self, num_envs=3, **arguments):
        return MarketEnv(num_envs, self._game, **{"infos": True, **arguments})

    def reset(self, env, seed=None, options=None):
        if seed is not None:
            env.set_seed(seed)
        return self._told(env.reset(options=options))

    def move(self, env, number):
        """One step."""
        with torch.random.fork_rng():
            torch.manual_seed(number)
            actions = env.full_action_spec.rand()
        told = self._told(env.step(actions)["next"])
        over = told["truncated"].all()
        return {**told, "over": over, "next": self.reset(env) if over else {}}

    def spaces(self, env):
        return {"specs": env.observation_spec}

    def bad_move(self, env):
        actions = env.full_action_spec.rand()
        env.step(actions.exclude(("asp", "action")))

    def _told(self, told):
        plain = told.exclude("action", ("asp", "action"), ("vmu", "action")).to_dict()
        return _as_numpy(plain)


def _as_numpy(thing):
    """The same memory."""
    if isinstance(thing, dict):
        return {name: _as_numpy(value) for name, value in thing.items()}
    return thing.numpy()


PRICING = {
    "aec": Turns(aigc_market.env),
    "parallel": AtOnce(aigc_market.parallel_env),
    "single": Single(pricing),
    "vector": Judged(lambda **arguments: pricing_lanes(3, **arguments)),
    "tensors": Tensors("stackelberg"),
}
COMPETITION = {
    "aec of several": Turns(competition_v0.env),
    "parallel of several": AtOnce(competition_v0.parallel_env),
    "rival": Single(rival),
    "vector of rivals": Single(lambda **arguments: rival_lanes(3, **arguments)),
    "tensors of several": Tensors("competition"),
}
MENUS = {
    "aec of menus": Turns(menus_v0.env),
    "parallel of menus": AtOnce(menus_v0.parallel_env),
    "menu": Single(menu),
    "vector of menus": Judged(lambda **arguments: menu_lanes(3, **arguments)),
    "tensors of menus": Tensors("menus"),
}
VIEWS = PRICING | COMPETITION | MENUS


def numbers(thing):
    """All arrays and numbers in it, in order, as they are."""
    if isinstance(thing, dict):
        return [n for name in sorted(thing) for n in numbers(thing[name])]
    if isinstance(thing, (tuple, list)):
        return [n for value in thing for n in numbers(value)]
    return [thing]


def copied(told):
    """The numbers as they are now."""
    return [np.array(n) for n in numbers(told)]


def same(one, other):
    """That both told the same, bit by bit."""
    one, other = numbers(one), numbers(other)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
