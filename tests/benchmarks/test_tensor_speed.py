"""Games on tensors beside their peers: one game at a time, and NumPy's batch of leaders.

Random play is each library's own: `rand_step` of TorchRL, which draws for the leader and all VMUs,
and `action_space.sample` of Gymnasium, which draws for the leader only, for there the VMUs are
scripted. Rows "step alone" leave the drawing out. Nothing is asserted about time.

Run with `pytest tests/benchmarks --override-ini addopts=`, on a quiet machine.
"""

import time

import numpy as np
import pytest
import torch
from torchrl.envs import PettingZooWrapper

import aigc_market
from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.torchrl import MarketEnv

pytestmark = [
    # TorchRL is tried on an older PettingZoo; what torch's compiler imports is deprecated by torch.
    pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method"),
]

SCENARIOS = ["hidden", "drift", "shift", "crowd", "capacity"]


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def side_by_side(request, compare):
    """`compare` on so many threads of torch.

    On one thread it counts CPU seconds of the process, so that other work on the machine counts
    little; on two it has to count those of the clock.
    """
    threads, before = request.param, torch.get_num_threads()
    clock = time.process_time if threads == 1 else time.perf_counter

    def seconds_a_unit(function):
        began = clock()
        units = function()
        return (clock() - began) / units

    def run(what, target, ours, peer, **options):
        what = f"{what}, {threads} thread{'s' * (threads > 1)}"
        compare(what, target, ours, peer, measure=seconds_a_unit, **options)

    torch.set_num_threads(threads)
    yield run
    torch.set_num_threads(before)


def rounds_of(games):
    """How many rounds a run takes: some tenths of a second."""
    return 100 if games < 10_000 else 20


def random_play(env):
    """Rounds of every game, with actions drawn by TorchRL; how many they are."""
    games = env.batch_size.numel()
    rounds = rounds_of(games)

    def play():
        tensors = env.reset()
        for _ in range(rounds):
            tensors = env.rand_step(tensors)
        return rounds * games

    return play


def steps_alone(env, step=None):
    """The same, with actions that are there already."""
    play = env.step if step is None else step
    tensors, rounds = env.rand_action(env.reset()), rounds_of(env.num_envs)

    def run():
        env.reset()
        for _ in range(rounds):
            play(tensors)
        if env.device.type == "cuda":
            torch.cuda.synchronize()
        return rounds * env.num_envs

    return run


def compiled_step(env):
    """The step, compiled as it is called first."""
    return torch.compile(env.step, fullgraph=True, dynamic=False)


def lane_rounds(envs, action=None):
    """Rounds of every lane, with actions drawn by Gymnasium or with one that is there already."""
    rounds = rounds_of(envs.num_envs)

    def play():
        envs.reset(seed=0)
        for _ in range(rounds):
            envs.step(envs.action_space.sample() if action is None else action)
        return rounds * envs.num_envs

    return play


def lanes(count):
    return PricingVectorEnv(num_envs=count, judged=False)


def test_k_random_play_against_torchrls_wrapper_of_one_game(side_by_side):
    one_by_one = PettingZooWrapper(aigc_market.parallel_env())
    side_by_side(
        "k  rounds/s, 4096 games, K = 2, against PettingZooWrapper",
        "≥ 1000",
        random_play(MarketEnv(4096)),
        random_play(one_by_one),
        repeats=5,
    )


@pytest.mark.parametrize(("games", "target"), [(4096, "≥ 0.1"), (65_536, "≥ 0.3")])
def test_l_random_play_against_a_batch_of_leaders(side_by_side, games, target):
    side_by_side(
        f"l  rounds/s, {games} games, K = 2, against the vector env",
        target,
        random_play(MarketEnv(games)),
        lane_rounds(lanes(games)),
    )


@pytest.mark.parametrize("games", [4096, 65_536])
def test_m_steps_alone_against_a_batch_of_leaders(side_by_side, games):
    action = np.random.default_rng(0).uniform(1, 20, (games, 1)).astype("f4")
    side_by_side(
        f"m  step alone, {games} games, K = 2, against the vector env",
        "none",
        steps_alone(MarketEnv(games)),
        lane_rounds(lanes(games), action),
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_n_hidden_markets_against_the_papers(side_by_side, scenario):
    env = MarketEnv(4096, scenario=scenario)
    side_by_side(
        f"n  step alone, 4096 games, {scenario} against paper",
        "none",
        steps_alone(env),
        steps_alone(MarketEnv(4096, K=env.settings.market.K)),
    )


@pytest.mark.parametrize("games", [4096, 65_536])
def test_o_several_providers_against_one(side_by_side, games):
    side_by_side(
        f"o  step alone, {games} games, 2 providers × 2 VMUs, against one × 4",
        "none",
        steps_alone(MarketEnv(games, game="competition", M=2, K=2)),
        steps_alone(MarketEnv(games, K=4)),
        repeats=5,
    )


@pytest.mark.parametrize("game", ["stackelberg", "competition"])
@pytest.mark.parametrize("games", [4096, 65_536])
def test_p_compiled_against_not(side_by_side, games, game):
    env = MarketEnv(games, game=game, K=2)
    side_by_side(
        f"p  step alone, {games} games, {game}, K = 2, compiled against not",
        "none",
        steps_alone(env, compiled_step(env)),
        steps_alone(MarketEnv(games, game=game, K=2)),
        repeats=5,
    )


@pytest.mark.parametrize("compiled", [False, True], ids=["as it is", "compiled"])
@pytest.mark.parametrize("games", [10**5, 10**6])
def test_q_a_gpu_against_the_cpu(compare, games, compiled):
    if not torch.cuda.is_available():
        pytest.skip("no GPU here: not measured")
    env = MarketEnv(games, device="cuda")
    # Not by CUDA graphs: these overwrite what a step leaves for the next one.
    step = compiled_step(env) if compiled else env.step
    how = "compiled on a GPU" if compiled else "on a GPU"
    compare(
        f"q  step alone, {games} games, K = 2, {how}, against the CPU",
        "none",
        steps_alone(env, step),
        steps_alone(MarketEnv(games)),
        repeats=3,
    )
