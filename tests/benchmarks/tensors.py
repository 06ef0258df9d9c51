"""Games on tensors: beside NumPy's vector environment and TorchRL's wrapper, compiled, on a GPU."""

import time
import warnings

import torch
from games import SCENARIOS, batch
from measure import NotMeasuredError, Row, repeat
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


def steps_alone(games, compiled=False, device="cpu", clock=time.process_time, **options):
    """Rounds with actions that are there already."""
    if device == "cuda" and not torch.cuda.is_available():
        raise NotMeasuredError("there is no GPU")
    env = MarketEnv(games, device=device, **options)
    # Not by CUDA graphs: these overwrite what a step leaves for the next one.
    step = torch.compile(env.step, fullgraph=True, dynamic=False) if compiled else env.step
    tensors, rounds = env.rand_action(env.reset()), rounds_of(games)

    def play():
        env.reset()
        for _ in range(rounds):
            step(tensors)
        if device == "cuda":
            torch.cuda.synchronize()

    return repeat(play, rounds * games, clock)


def on_a_gpu(games, compiled):
    """The same on a GPU and on the CPU, by the clock."""
    clock = time.perf_counter
    return steps_alone(games, compiled, "cuda", clock), steps_alone(games, clock=clock)


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
    Row(
        "tensors-competition",
        "",
        "steps of 65,536 games of two providers × two VMUs against one × four",
        lambda: (
            steps_alone(65_536, game="competition", M=2, K=2),
            steps_alone(65_536, K=4),
        ),
    ),
    *(
        Row(
            f"tensors-{scenario}",
            "",
            f"steps of 4,096 games of `{scenario}` against `paper` with as many VMUs",
            lambda scenario=scenario: (
                steps_alone(4096, scenario=scenario),
                steps_alone(4096, K=10 if scenario == "crowd" else 2),
            ),
        )
        for scenario in SCENARIOS
    ),
    *(
        Row(
            f"tensors-compiled-{games}",
            "",
            f"steps of {games:,} games, K = 2, compiled by `torch.compile` against not",
            lambda games=games: (steps_alone(games, compiled=True), steps_alone(games)),
        )
        for games in (4096, 65_536)
    ),
    *(
        Row(
            f"tensors-gpu{'-compiled' if compiled else ''}",
            "",
            f"steps of 10⁶ games, K = 2, {'compiled ' if compiled else ''}on a GPU against a CPU",
            lambda compiled=compiled: on_a_gpu(10**6, compiled),
        )
        for compiled in (False, True)
    ),
]
