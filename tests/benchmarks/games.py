"""The games in NumPy: turns, steps and batches of them, beside those of other libraries."""

import warnings
from itertools import cycle, islice

import gymnasium
import numpy as np
from measure import Row, repeat
from peers import checked_loop, empty_game

import aigc_market
from aigc_market import competition_v0

with warnings.catch_warnings():
    # PettingZoo 1.27 deprecates importing its own games by their modules.
    warnings.filterwarnings("ignore", "The old environment creation API has been deprecated")
    from pettingzoo.classic import rps_v2


def turns(env):
    """Turns of whole episodes, by agent_iter, last and step, with actions drawn beforehand."""
    env.reset(seed=1)
    actions = {agent: env.action_space(agent).sample() for agent in env.possible_agents}

    def episode():
        env.reset(seed=1)
        count = 0
        for agent in env.agent_iter():
            _, _, terminated, truncated, _ = env.last()
            env.step(None if terminated or truncated else actions[agent])
            count += 1
        return count

    return repeat(episode, episode())


def steps(name, **options):
    """Steps of a single environment, resets included, with actions drawn beforehand.

    To draw one, `Box.sample`, takes longer than a step.
    """
    env = gymnasium.make(name, **options)
    env.reset(seed=1)
    env.action_space.seed(1)
    actions = cycle([env.action_space.sample() for _ in range(64)])

    def step():
        _, _, terminated, truncated, _ = env.step(next(actions))
        if terminated or truncated:
            env.reset()

    return repeat(step)


def batch(num_envs, name="aigc_market/Pricing-v0", **options):
    """A batch of games, and actions for its rounds, over and over."""
    native = {"vectorization_mode": "vector_entry_point"}
    envs = gymnasium.make_vec(name, num_envs=num_envs, **native, **options)
    envs.reset(seed=1)
    envs.action_space.seed(1)
    return envs, cycle([envs.action_space.sample() for _ in range(16)])


def rounds(num_envs, name="aigc_market/Pricing-v0", **options):
    """Rounds of a batch: seconds are those of one game's."""
    envs, actions = batch(num_envs, name, **options)
    return repeat(lambda: envs.step(next(actions)), num_envs)


def against_a_loop(num_envs, K, **units):
    """Rounds of a batch, and of a compiled loop that plays the same game in physical units."""
    market = {"K": K, "satisfaction": list(np.linspace(100, 300, K))}
    physical = {"normalize": False, "scale_rewards": False}
    envs, prices = batch(num_envs, **market, **physical)
    prices = list(islice(prices, 16))
    loop, prices = checked_loop(envs, aigc_market.Market(**market), prices), cycle(prices)
    return (
        rounds(num_envs, **market, **(units or physical)),
        repeat(lambda: loop.step(next(prices)), num_envs),
    )


def cartpole():
    """The peer of single environments."""
    return steps("CartPole-v1")


def beside_an_empty_game(env):
    """Turns of a game, and of an empty one of the same agents."""
    return turns(env), turns(empty_game(env.action_spaces))


def rival(num_envs, M, K):
    """Rounds of a batch with a rival, and of one provider's with as many purchases."""
    return (
        rounds(num_envs, "aigc_market/Rival-v0", M=M, K=K),
        rounds(num_envs, K=M * K),
    )


def hidden(scenario):
    """Rounds of a scenario, and of the paper's market with as noisy followers."""
    K = 10 if scenario == "crowd" else 2
    return (
        rounds(4096, scenario=scenario, judged=False),
        rounds(4096, K=K, followers="noisy", judged=False),
    )


REGISTERED = {"normalize": True, "scale_rewards": True}
SCENARIOS = ("hidden", "drift", "shift", "crowd", "capacity", "saturating")

ROWS = [
    Row(
        "aec-rps",
        "≥ 3.5",
        "turns of the AEC game, K = 2, against PettingZoo's rock-paper-scissors",
        lambda: (turns(aigc_market.env(K=2)), turns(rps_v2.env(max_cycles=100))),
    ),
    Row(
        "aec-empty",
        "≥ 4",
        "turns of the AEC game, K = 2, against an empty game in PettingZoo's wrappers",
        lambda: beside_an_empty_game(aigc_market.env(K=2)),
    ),
    Row(
        "aec-1000",
        "≥ 2",
        "turns of the AEC game, K = 1,000, against K = 2",
        lambda: (turns(aigc_market.env(K=1000, max_cycles=5)), turns(aigc_market.env(K=2))),
    ),
    Row(
        "competition-2",
        "≥ 3",
        "turns of the AEC game, M = 2, K = 2, against an empty game of four",
        lambda: beside_an_empty_game(competition_v0.env(M=2, K=2)),
    ),
    Row(
        "competition-2-unjudged",
        "≥ 3",
        "the same with `judged=False`",
        lambda: beside_an_empty_game(competition_v0.env(M=2, K=2, judged=False)),
    ),
    Row(
        "competition-100",
        "≥ 3",
        "turns of the AEC game, M = 2, K = 100, against an empty game of 102",
        lambda: beside_an_empty_game(competition_v0.env(M=2, K=100)),
    ),
    Row(
        "single",
        "≥ 1.4",
        "steps of `Pricing-v0` against `CartPole-v1`",
        lambda: (steps("aigc_market/Pricing-v0"), cartpole()),
    ),
    Row(
        "single-hidden",
        "≥ 0.7",
        "steps of `Pricing-v0`, scenario `hidden`, against `CartPole-v1`",
        lambda: (steps("aigc_market/Pricing-v0", scenario="hidden"), cartpole()),
    ),
    Row(
        "single-rival",
        "≥ 0.5",
        "steps of `Rival-v0` against `CartPole-v1`",
        lambda: (steps("aigc_market/Rival-v0"), cartpole()),
    ),
    Row(
        "vector-2",
        "≥ 0.25",
        "rounds of 4,096 games, K = 2, physical units, against a compiled loop",
        lambda: against_a_loop(4096, 2),
    ),
    Row(
        "vector-100",
        "≥ 0.45",
        "rounds of 1,024 games, K = 100, physical units, against a compiled loop",
        lambda: against_a_loop(1024, 100),
    ),
    Row(
        "vector-2-registered",
        "≥ 0.18",
        "rounds of 4,096 games, K = 2, as `Pricing-v0` is registered, against a compiled loop",
        lambda: against_a_loop(4096, 2, **REGISTERED),
    ),
    Row(
        "vector-100-registered",
        "≥ 0.4",
        "rounds of 1,024 games, K = 100, as `Pricing-v0` is registered, against a compiled loop",
        lambda: against_a_loop(1024, 100, **REGISTERED),
    ),
    Row(
        "vector-cartpole",
        "≥ 2.5",
        "rounds of 4,096 games of `Pricing-v0` against Gymnasium's own batch of `CartPole-v1`",
        lambda: (rounds(4096), rounds(4096, "CartPole-v1")),
    ),
    Row(
        "rival-2",
        "≥ 0.33",
        "rounds of 4,096 games of `Rival-v0`, M = 2, K = 2, against `Pricing-v0`, K = 4",
        lambda: rival(4096, 2, 2),
    ),
    Row(
        "rival-50",
        "≥ 0.33",
        "rounds of 1,024 games of `Rival-v0`, M = 2, K = 50, against `Pricing-v0`, K = 100",
        lambda: rival(1024, 2, 50),
    ),
    *(
        Row(
            f"vector-{scenario}",
            "≥ 0.5",
            f"rounds of 4,096 games of `{scenario}` against `paper` with noisy followers",
            lambda scenario=scenario: hidden(scenario),
        )
        for scenario in SCENARIOS
    ),
]
