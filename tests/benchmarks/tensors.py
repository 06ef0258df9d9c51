"""Games on tensors: beside NumPy's vector environment and TorchRL's wrapper."""

import time
import warnings

from games import batch
from measure import Row, repeat
from torchrl.envs import PettingZooWrapper

import aigc_market
from aigc_market.torchrl import MarketEnv


def rounds_of(games):
    """How many rounds a call plays: some tenths of a second."""
    return 100 if games < 10_000 else 20


def random_play(env):
    """Rounds with actions that TorchRL draws."""
    games = env.batch_size.numel()
    rounds = rounds_of(games)

    def play():
        tensors = env.reset()
        for _ in range(rounds):
            tensors = env.rand_step(tensors)

    return repeat(play, rounds * games)


def random_prices(games):
    """Rounds of the vector environment, with actions that Gymnasium draws."""
    envs, _ = batch(games, judged=False)
    rounds = rounds_of(games)

    def play():
        envs.reset(seed=0)
        for _ in range(rounds):
            envs.step(envs.action_space.sample())

    return repeat(play, rounds * games)


def one_by_one():
    """Rounds of one parallel game in TorchRL's wrapper."""
    with warnings.catch_warnings():  # it is tried on an older PettingZoo
        warnings.filterwarnings("ignore", "PettingZoo in TorchRL is tested")
        return random_play(PettingZooWrapper(aigc_market.parallel_env()))


def steps_alone(games, clock=time.process_time):
    """Rounds with actions that are there already."""
    env = MarketEnv(games)
    tensors, rounds = env.rand_action(env.reset()), rounds_of(games)

    def play():
        env.reset()
        for _ in range(rounds):
            env.step(tensors)

    return repeat(play, rounds * games, clock)


ROWS = [
    Row(
        "tensors-65536",
        "≥ 0.3",
        "random play of 65,536 games, K = 2, against the vector environment",
        lambda: (random_play(MarketEnv(65_536)), random_prices(65_536)),
    ),
    Row(
        "tensors-4096",
        "≥ 0.1",
        "random play of 4,096 games, K = 2, against the vector environment",
        lambda: (random_play(MarketEnv(4096)), random_prices(4096)),
    ),
    Row(
        "tensors-wrapper",
        "≥ 1000",
        "random play of 4,096 games, K = 2, against TorchRL's wrapper of one parallel game",
        lambda: (random_play(MarketEnv(4096)), one_by_one()),
    ),
]
