"""Importing the package is light, registers its environments, and may be repeated."""

import subprocess
import sys

import pytest

import aigc_market

HEAVY = {"torch", "scipy", "numba", "pandas", "matplotlib", "pygame", "PIL", "skimage", "rich"}
HEAVY |= {"stable_baselines3", "supersuit", "diffusers", "safetensors", "huggingface_hub"}


def run(code, *flags):
    """What a fresh interpreter prints."""
    command = [sys.executable, *flags, "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout.split()


def test_importing_is_light():
    loaded = run("import sys, aigc_market; print(*sys.modules)")
    assert "aigc_market.market" in loaded
    assert not HEAVY & set(loaded)
    for with_first_use in ("aigc_market.competition", "aigc_market.envs.menus"):
        assert with_first_use not in loaded


def test_several_providers_come_with_their_first_use():
    for use in ("Competition", "competition.nash", "competition_v0.env"):
        code = f"import sys, aigc_market; aigc_market.{use}; print(*sys.modules)"
        loaded = run(code)
        assert "aigc_market.competition.nash_equilibrium" in loaded
        assert not HEAVY & set(loaded)
    with pytest.raises(AttributeError, match="has no attribute 'cartel'"):
        _ = aigc_market.cartel


def test_playing_stays_light():
    code = (
        "import sys, aigc_market as m, gymnasium\n"
        "env = m.env(); env.reset(seed=0); env.step(env.action_space('asp_0').sample())\n"
        "gymnasium.make('aigc_market/Pricing-v0').reset(seed=0)\n"
        "gymnasium.make_vec('aigc_market/Pricing-v0', num_envs=2).reset(seed=0)\n"
        "env = gymnasium.make('aigc_market/Menu-v0'); env.reset(seed=0)\n"
        "env.step(env.action_space.sample())\n"
        "m.regret(m.Market(), 8.0, [100.0, 100.0])\n"
        "m.env(ssim='quadratic').reset(seed=0)\n"
        "print(*sys.modules)"
    )
    assert not HEAVY & set(run(code))


def test_importing_again_registers_without_warnings():
    code = (
        "import importlib, aigc_market\n"
        "importlib.reload(aigc_market)\n"
        "import gymnasium\n"
        "print(gymnasium.make('aigc_market/Pricing-v0').unwrapped.market.K)"
    )
    assert run(code, "-W", "error") == ["2"]


def test_the_rules_can_be_imported_alone():
    """Imports run one way (DESIGN.md §7): whichever module comes first, no cycle."""
    for module in ("rules", "ssim", "envs.batch"):
        assert run(f"import aigc_market.{module}; print('done')") == ["done"]


def test_gymnasium_makes_it_by_its_module():
    code = "import gymnasium; print(gymnasium.make('aigc_market:aigc_market/Pricing-v0').spec.id)"
    assert run(code) == ["aigc_market/Pricing-v0"]


def test_every_public_name_is_there_and_described():
    assert [name for name in aigc_market.__all__ if not getattr(aigc_market, name).__doc__] == []


def test_the_version():
    major, minor, patch = aigc_market.__version__.split(".")
    assert (major + minor + patch).isdigit()


def test_frames_can_be_asked_for_without_pygame_and_are_refused_when_drawn():
    """SB3's `make_vec_env` asks for them wherever an environment has them."""
    code = (
        "import sys\n"
        "sys.modules['pygame'] = None\n"
        "import gymnasium\n"
        "import aigc_market\n"
        "env = gymnasium.make('aigc_market/Pricing-v0', render_mode='rgb_array')\n"
        "env.reset()\n"
        "env.step(env.action_space.sample())\n"
        "try:\n"
        "    env.render()\n"
        "except ImportError as error:\n"
        "    print(str(error).split(': ')[1].split(' (')[0])\n"
    )
    assert " ".join(run(code)) == "pip install 'aigc-market[render]'"
