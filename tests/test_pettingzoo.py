"""PettingZoo's own test tools, and its registry."""

import subprocess
import sys

import allowed
import pettingzoo
import pytest
from pettingzoo.test import (
    api_test,
    max_cycles_test,
    parallel_api_test,
    parallel_seed_test,
    render_test,
    seed_test,
)
from pettingzoo.test.state_test import state_test

import aigc_market
from aigc_market import stackelberg_v0

CYCLES = 8
variants = [
    pytest.param({"K": K, "continuous_actions": continuous, "normalize": normalize}, id=name)
    for K in (1, 2, 7)
    for continuous in (True, False)
    for normalize in (False, True)
    for name in [
        f"K={K}-{'box' if continuous else 'discrete'}-{'normal' if normalize else 'physical'}"
    ]
]
every_variant = pytest.mark.parametrize("arguments", variants)
pytestmark = [*allowed.different_agents, allowed.unknown_option]


def drawn():
    return aigc_market.LogUniform(50.0, 800.0)


@every_variant
def test_api(arguments, capsys):
    api_test(aigc_market.env(max_cycles=CYCLES, **arguments), num_cycles=3 * CYCLES)
    assert "Passed API test" in capsys.readouterr().out


@every_variant
def test_api_bare(arguments, capsys):
    api_test(aigc_market.raw_env(max_cycles=CYCLES, **arguments), num_cycles=3 * CYCLES)
    assert "Passed API test" in capsys.readouterr().out


@every_variant
def test_parallel_api(arguments, capsys):
    parallel_api_test(aigc_market.parallel_env(**arguments), num_cycles=CYCLES)
    assert "Passed Parallel API test" in capsys.readouterr().out


@every_variant
def test_seeds(arguments):
    seed_test(
        lambda: aigc_market.env(max_cycles=CYCLES, satisfaction=drawn(), **arguments),
        num_cycles=CYCLES,
    )


@every_variant
def test_parallel_seeds(arguments):
    parallel_seed_test(
        lambda: aigc_market.parallel_env(max_cycles=CYCLES, satisfaction=drawn(), **arguments),
        num_cycles=CYCLES,
    )


@every_variant
def test_state(arguments):
    env = aigc_market.env(max_cycles=CYCLES, **arguments)
    state_test(env, aigc_market.parallel_env(max_cycles=CYCLES, **arguments), CYCLES)


def test_max_cycles():
    max_cycles_test(stackelberg_v0)


@pytest.mark.parametrize("capacity", [None, 100])
def test_render(capacity):
    render_test(
        lambda render_mode: aigc_market.env(render_mode=render_mode, capacity=capacity),
        custom_tests={
            "ansi": lambda frame: "price" in frame,
            "rgb_array": lambda frame: frame.shape == (640, 960, 3),
        },
    )


@pytest.mark.parametrize("kind", ["aec", "parallel"])
def test_registry(kind):
    env = pettingzoo.make(kind, "aigc_market/stackelberg_v0", K=3, max_cycles=4)
    assert (
        type(env.unwrapped)
        is {
            "aec": aigc_market.raw_env,
            "parallel": aigc_market.parallel_env,
        }[kind]
    )
    assert len(env.possible_agents) == 4
    assert env.unwrapped.max_cycles == 4


def test_pettingzoo_without_a_registry_is_enough():
    """PettingZoo 1.26 has no `register`; AgileRL asks for that version."""
    code = (
        "import pettingzoo\n"
        "vars(pettingzoo).pop('register', None)\n"
        "import aigc_market\n"
        "env = aigc_market.env()\n"
        "env.reset(seed=0)\n"
        "print(env.agent_selection)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "asp_0\n"
