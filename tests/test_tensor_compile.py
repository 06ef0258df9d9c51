"""A step of games on tensors compiles as a whole, once for all rounds."""

import copy
import warnings

import pytest
import torch
from tensor_games import CASES, NAMES, agree, random_actions

from aigc_market.torchrl import MarketEnv

# The others take longer than all else that is tested of them.
QUICK = ("stackelberg hidden", "competition calvano", "menus hidden")
ALL = [
    pytest.param(*case, id=name, marks=[] if name in QUICK else pytest.mark.slow)
    for case, name in zip(CASES, NAMES, strict=True)
]


@pytest.fixture(autouse=True)
def forgetful():
    """What compilers remember is of one test."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


class Compiled:
    """A function compiled as a whole, that knows how often it was."""

    def __init__(self, function):
        self.graphs = 0
        self._run = torch.compile(function, fullgraph=True, backend=self._count)

    def _count(self, graph, _):
        self.graphs += 1
        return graph.forward

    def __call__(self, now):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return self._run(now)


def steps(env, step, now, number):
    """What is told after each of so many steps."""
    told = []
    for i in range(number):
        after = step(now.update(random_actions(env, i)))["next"]
        told.append(after.clone())
        now = after.select(*env.observation_spec.keys(), *env.done_spec.keys())
    return told


def moves(scenario):
    return getattr(scenario, "moves", scenario in ("drift", "shift", "crowd", "road"))


def numbers(told):
    return told.flatten_keys(".").to_dict()


@pytest.mark.skipif(
    torch.__version__ < "2.13", reason="torch 2.13 compiles TorchRL's step, and 2.9 does not"
)
@pytest.mark.parametrize(("game", "arguments"), ALL)
def test_a_step_compiles_once(game, arguments):
    arguments = copy.deepcopy(arguments)  # a table of its own, as tables keep tensors
    env = MarketEnv(2, game, infos=True, max_cycles=5, **arguments)
    step = Compiled(env.step)
    now = env.reset()
    eager = copy.deepcopy(env)
    expected = steps(eager, eager.step, now.clone(), 3)
    told = steps(env, step, now.clone(), 3)
    if not moves(arguments.get("scenario")):  # compiled code draws from another stream
        for actual, wanted in zip(told, expected, strict=True):
            agree(numbers(actual), numbers(wanted), 1e-4, 1e-4)
    graphs = step.graphs
    assert 1 <= graphs <= 3
    last = steps(env, step, env.reset(), 5)[-1]  # of another episode too
    assert step.graphs <= graphs + 1
    assert last["done"].all()


@pytest.mark.slow
def test_what_is_drawn_in_compiled_code_follows_torchs_seed():
    env = MarketEnv(64, scenario="drift", seed=0)
    step = Compiled(env.step)
    seen = []
    for seed in (0, 0, 1):
        now = env.reset(options={"satisfaction": 200.0})
        actions = random_actions(env)
        torch.manual_seed(seed)
        seen.append(step(now.update(actions))["next", "vmu", "observation"][..., 0].clone())
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # torch's own
@pytest.mark.parametrize("game", ["stackelberg", "competition", "menus"])
def test_the_real_compiler(game):
    env = MarketEnv(16, game, **({} if game == "menus" else {"capacity": 90.0}))
    now = env.reset()
    eager = copy.deepcopy(env)
    step = torch.compile(env.step, fullgraph=True, dynamic=False)
    expected = steps(eager, eager.step, now.clone(), 4)
    for actual, wanted in zip(steps(env, step, now.clone(), 4), expected, strict=True):
        agree(numbers(actual), numbers(wanted), 1e-4, 1e-2)
