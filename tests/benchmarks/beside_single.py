"""One game at a time: in turns, all agents at once, or one agent, ours and others'."""

from itertools import cycle

import games
import gymnasium
import numpy as np
from gymnasium.utils.performance import benchmark_step as gymnasium_benchmark_step
from measure import repeat

import aigc_market

PLANS = 16
"""Episodes whose actions are drawn beforehand."""


def turns(threads, name):
    """Turns by agent_iter, last and step; those of agents that are done are no turns."""
    env, plans = GAMES_IN_TURNS[name]()

    def play():
        count = 0
        for plan in plans:
            env.reset()
            moves = iter(plan)
            for _ in env.agent_iter():
                _, _, terminated, truncated, _ = env.last()
                if terminated or truncated:
                    env.step(None)
                else:
                    env.step(next(moves))
                    count += 1
        return count

    return repeat(play, play())


def _sampled(env, cycles=100):
    """A game of so many rounds, and what its agents do in each turn."""
    agents = env.possible_agents
    for agent in agents:
        env.action_space(agent).seed(1)
    plan = [[env.action_space(agent).sample() for _ in range(cycles) for agent in agents]]
    return env, plan * PLANS


def _board(env, moves):
    """A game in which each of these moves is legal, in any order, until it ends."""
    rng = np.random.default_rng(1)
    return env, [rng.permutation(moves).tolist() for _ in range(PLANS)]


def _rps():
    return _sampled(games.rps_v2.env(max_cycles=100))


def _tictactoe():
    from pettingzoo.classic import tictactoe_v3

    return _board(tictactoe_v3.env(), range(9))


def _connect_four():
    from pettingzoo.classic import connect_four_v3

    return _board(connect_four_v3.env(), np.repeat(range(7), 6))


GAMES_IN_TURNS = {
    "stackelberg": lambda: _sampled(aigc_market.env(K=2)),
    "rps": _rps,
    "tictactoe": _tictactoe,
    "connect_four": _connect_four,
}


def rounds(threads, name):
    """Steps of a parallel game, resets included."""
    if name == "simple_spread":
        from mpe2 import simple_spread_v3

        env = simple_spread_v3.parallel_env(max_cycles=100)
    else:
        env = aigc_market.parallel_env(K=2)
    env.reset(seed=1)
    for agent in env.possible_agents:
        env.action_space(agent).seed(1)
    actions = cycle(
        [{agent: env.action_space(agent).sample() for agent in env.agents} for _ in range(64)]
    )

    def step():
        env.step(next(actions))
        if not env.agents:
            env.reset()

    return repeat(step)


def steps(threads, name):
    """Steps of a Gymnasium environment, resets included."""
    return games.steps(name)


def benchmark_step(threads, name):
    """The same by Gymnasium's own meter, which draws an action in each step."""
    env = gymnasium.make(name)
    return lambda seconds: 1 / gymnasium_benchmark_step(env, seconds, seed=1)


def torchrl_parallel(threads):
    """Our parallel game as TorchRL plays those of PettingZoo."""
    from torchrl.envs import PettingZooWrapper

    return _in_torchrl(PettingZooWrapper(aigc_market.parallel_env(K=2)))


def torchrl_cartpole(threads):
    """CartPole as TorchRL plays Gymnasium's environments."""
    from torchrl.envs import GymEnv

    return _in_torchrl(GymEnv("CartPole-v1"))


def _in_torchrl(env):
    env.set_seed(1)
    actions = cycle([env.full_action_spec.rand() for _ in range(64)])
    now = env.reset()

    def step():
        nonlocal now
        _, now = env.step_and_maybe_reset(now.update(next(actions)))

    return repeat(step)
