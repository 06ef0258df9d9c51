"""Batches of games on arrays, on tensors and in C++, ours and others'."""

import time
from itertools import cycle

import numpy as np
from measure import repeat

ROUNDS = 100
"""Of an episode, where all games end together."""


def clock(threads):
    """Seconds of the processor, but of the wall where two threads work."""
    return time.perf_counter if threads > 1 else time.process_time


def vector(threads, name, batch):
    """Rounds of a native vector environment of Gymnasium's."""
    import games

    return games.rounds(batch, name)


def tensors(threads, batch):
    """Rounds of our games on tensors."""
    import tensors

    return tensors.steps_alone(batch, clock=clock(threads))


def envpool_cartpole(threads, batch):
    """Rounds of CartPole in EnvPool, all games in each step."""
    import envpool

    options = {"env_type": "gymnasium", "num_envs": batch, "num_threads": threads, "seed": 1}
    envs = envpool.make("CartPole-v1", **options)
    envs.reset()
    drawn = np.random.default_rng(1).integers(0, 2, (16, batch), dtype=np.int32)
    actions = cycle(drawn)
    return repeat(lambda: envs.step(next(actions)), batch, clock(threads))


def vmas(threads, scenario, batch):
    """Rounds of a scenario of VMAS, whose games all begin anew together."""
    import vmas

    env = vmas.make_env(scenario, batch, device="cpu", continuous_actions=True, seed=1)
    actions = [[env.get_random_action(agent) for agent in env.agents] for _ in range(16)]
    rounds = cycle(range(ROUNDS))

    def play():
        played = next(rounds)
        if played == 0:
            env.reset()
        env.step(actions[played % len(actions)])

    return repeat(play, batch, clock(threads))
