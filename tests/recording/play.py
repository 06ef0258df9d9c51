"""Play one case: fixed seeds, fixed actions, all that a view says."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import aigc_market

ROUNDS, SEED = 30, 7
_GAMES: dict[str, Any] = {
    "competition": aigc_market.competition_v0,
    "menus": aigc_market.menus_v0,
}


def play(view: str, arguments: dict[str, Any], options: Any = None, rounds: int = ROUNDS) -> Any:
    """All numbers that a view hands out in an episode and the beginning of the next, by name."""
    said: dict[str, list[Any]] = defaultdict(list)
    _VIEWS[view.partition("-")[0]](said, view, dict(arguments), options, rounds)
    return said


def _act(space: Any, rng: np.random.Generator) -> Any:
    if isinstance(space, Box):
        return (space.low + rng.random(space.shape) * (space.high - space.low)).astype(np.float32)
    if isinstance(space, Discrete):
        return int(rng.integers(space.n))
    assert isinstance(space, MultiDiscrete)
    return rng.integers(space.nvec)


def _say(said: dict[str, list[Any]], name: str, value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _say(said, f"{name}.{key}", inner)
    elif hasattr(value, "detach"):
        said[name].append(value.detach().double().numpy().copy())
    else:
        said[name].append(np.array(value, np.float64))


def _aec(said: Any, view: str, arguments: Any, options: Any, rounds: int) -> None:
    module = _GAMES.get(view.partition("-")[2], aigc_market)
    env, rng = module.env(max_cycles=rounds, **arguments), np.random.default_rng(SEED)
    for episode, seed in enumerate((SEED, None)):
        env.reset(seed=seed, options=None if episode else options)
        most = len(env.possible_agents) * (3 if episode else rounds + 1)
        for turns, agent in enumerate(env.agent_iter(most), 1):
            observation, reward, termination, truncation, _ = env.last()
            _say(said, f"{agent} observation", observation)
            _say(said, f"{agent} reward", reward)
            over = termination or truncation
            env.step(None if over else _act(env.action_space(agent), rng))
            if not over and turns % len(env.possible_agents) == 0:
                _say(said, "state", env.state())
                _say(said, "info", env.infos)


def _parallel(said: Any, view: str, arguments: Any, options: Any, rounds: int) -> None:
    module = _GAMES.get(view.partition("-")[2], aigc_market)
    env, rng = module.parallel_env(max_cycles=rounds, **arguments), np.random.default_rng(SEED)
    for episode, seed in enumerate((SEED, None)):
        observations, _ = env.reset(seed=seed, options=None if episode else options)
        _say(said, "observation", observations)
        for _ in range(3 if episode else rounds):
            actions = {agent: _act(env.action_space(agent), rng) for agent in env.agents}
            observations, rewards, _, _, infos = env.step(actions)
            _say(said, "observation", observations)
            _say(said, "reward", rewards)
            _say(said, "info", infos)
            _say(said, "state", env.state())


def _single(said: Any, view: str, arguments: Any, options: Any, rounds: int) -> None:
    env = gymnasium.make(f"aigc_market/{view.partition('-')[2]}", max_cycles=rounds, **arguments)
    rng = np.random.default_rng(SEED)
    for episode, seed in enumerate((SEED, None)):
        _say(said, "observation", env.reset(seed=seed, options=None if episode else options)[0])
        for _ in range(3 if episode else rounds):
            observation, reward, _, _, infos = env.step(_act(env.action_space, rng))
            _say(said, "observation", observation)
            _say(said, "reward", reward)
            _say(said, "info", infos)


def _vector(said: Any, view: str, arguments: Any, options: Any, rounds: int) -> None:
    env: Any = gymnasium.make_vec(
        f"aigc_market/{view.partition('-')[2]}",
        num_envs=3,
        vectorization_mode="vector_entry_point",
        max_cycles=rounds,
        **arguments,
    )
    rng = np.random.default_rng(SEED)
    _say(said, "observation", env.reset(seed=SEED, options=options)[0])
    for _ in range(rounds + 4):
        actions = np.array([_act(env.single_action_space, rng) for _ in range(3)])
        observation, reward, _, over, infos = env.step(actions)
        infos = {name: value for name, value in infos.items() if name[0] != "_"}
        _say(said, "observation", observation)
        _say(said, "reward", reward)
        if infos:
            _say(said, "info", infos)
        _say(said, "truncated", over)


def _tensors(said: Any, view: str, arguments: Any, options: Any, rounds: int) -> None:
    import torch

    from aigc_market.torchrl import MarketEnv

    env = MarketEnv(
        3,
        view.partition("-")[2],
        dtype=torch.float64,
        infos=True,
        seed=SEED,
        max_cycles=rounds,
        **arguments,
    )
    rng = np.random.default_rng(SEED)
    for episode in range(2):
        data = env.reset(options=None if episode else options)
        for _ in range(3 if episode else rounds):
            for group, spec in env.action_spec.items():
                space = spec["action"].space
                shape = spec["action"].shape
                if hasattr(space, "low"):
                    low, high = (bound.numpy() for bound in (space.low, space.high))
                    drawn = low + rng.random(shape) * (high - low)
                elif hasattr(space, "n"):
                    drawn = rng.integers(space.n, size=shape)
                else:
                    drawn = rng.integers(spec["action"].nvec.numpy(), size=shape)
                data[group, "action"] = torch.as_tensor(drawn)
            data = env.step(data)["next"]
            _say(said, "tensors", data.to_dict())


_VIEWS = {
    "aec": _aec,
    "parallel": _parallel,
    "single": _single,
    "vector": _vector,
    "tensors": _tensors,
}
