"""The games by the registries of PettingZoo and Gymnasium, and what these do around them."""

import subprocess
import sys

import allowed
import gymnasium
import numpy as np
import pettingzoo
import pytest
from pettingzoo.test import max_cycles_test, render_test
from views import pricing, pricing_lanes, rival, rival_lanes

from aigc_market import competition_v0, stackelberg_v0

pytestmark = [*allowed.different_agents, allowed.unknown_option]

GAMES = {"stackelberg_v0": stackelberg_v0, "competition_v0": competition_v0}
ID = "aigc_market/Pricing-v0"


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("kind", ["aec", "parallel"])
def test_pettingzoos_registry(name, kind):
    env = pettingzoo.make(kind, f"aigc_market/{name}", K=3, max_cycles=4)
    raw = GAMES[name].raw_env if kind == "aec" else GAMES[name].parallel_env
    assert type(env.unwrapped) is raw
    leaders = ["asp_0"] if name == "stackelberg_v0" else ["asp_0", "asp_1"]
    assert env.possible_agents == [*leaders, "vmu_0", "vmu_1", "vmu_2"]
    assert env.unwrapped.max_cycles == 4
    assert env.metadata["name"] == name
    assert env.metadata["is_parallelizable"] is False


@pytest.mark.parametrize("name", GAMES)
def test_pettingzoo_without_a_registry_is_enough(name):
    """PettingZoo 1.26 has no `register`; AgileRL asks for that version."""
    code = (
        "import pettingzoo\n"
        "vars(pettingzoo).pop('register', None)\n"
        f"from aigc_market import {name}\n"
        f"env = {name}.env()\n"
        "env.reset(seed=0)\n"
        "print(env.agent_selection)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "asp_0\n"


@pytest.mark.parametrize("name", GAMES)
def test_pettingzoos_check_of_max_cycles(name):
    max_cycles_test(GAMES[name])


@pytest.mark.parametrize(
    ("name", "arguments"), [("stackelberg_v0", {"capacity": 100}), ("competition_v0", {})]
)
def test_pettingzoos_check_of_rendering(name, arguments):
    render_test(
        lambda render_mode: GAMES[name].env(render_mode=render_mode, max_cycles=4, **arguments),
        custom_tests={
            "ansi": lambda frame: "price" in frame,
            "rgb_array": lambda frame: frame.shape == (640, 960, 3),
        },
    )


@pytest.mark.parametrize("name", ["Pricing-v0", "Rival-v0"])
def test_gymnasiums_registry(name):
    """Its own checker around it: `make` turns it on."""
    one, many = (pricing, pricing_lanes) if name == "Pricing-v0" else (rival, rival_lanes)
    env = gymnasium.make(f"aigc_market/{name}", max_cycles=3)
    assert type(env.unwrapped) is type(one())
    env.reset(seed=3)
    for number in range(3):
        _, reward, _, truncated, _ = env.step(env.action_space.sample())
        assert isinstance(reward, float)
        assert truncated == (number == 2)
    for how in ({}, {"vectorization_mode": "vector_entry_point"}):
        envs = gymnasium.make_vec(f"aigc_market/{name}", num_envs=5, max_cycles=3, **how)
        assert type(envs.unwrapped) is type(many(5))
        assert envs.reset(seed=3)[0].shape == (5, *envs.single_observation_space.shape)
    sync = gymnasium.make_vec(f"aigc_market/{name}", num_envs=3, vectorization_mode="sync", K=2)
    assert sync.reset(seed=0)[0].shape == (3, 15 if name == "Pricing-v0" else 20)
    sync.close()


def test_gymnasiums_recorders_of_statistics_take_both():
    single = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make(ID, max_cycles=2))
    single.reset(seed=0)
    rewards = [single.step(np.array([p], "f4"))[1] for p in (-0.3, 0.2)]
    assert single.return_queue[-1] == pytest.approx(sum(rewards))

    batch = gymnasium.make_vec(ID, num_envs=2, max_cycles=2)
    batch = gymnasium.wrappers.vector.RecordEpisodeStatistics(batch)
    batch.reset(seed=0)
    batch.step(np.full((2, 1), -0.3, "f4"))
    infos = batch.step(np.full((2, 1), 0.2, "f4"))[-1]
    np.testing.assert_allclose(infos["episode"]["r"], sum(rewards))


@pytest.mark.parametrize("make", [pricing, rival, lambda: pricing_lanes(2), lambda: rival_lanes(2)])
def test_stepping_or_drawing_out_of_turn_asks_for_a_reset(make):
    env = make()
    with pytest.raises(gymnasium.error.ResetNeeded, match="before step"):
        env.step(env.action_space.sample())
    with pytest.raises(gymnasium.error.ResetNeeded, match="before render"):
        pricing(render_mode="ansi").render()


@pytest.mark.parametrize("make", [pricing, rival])
def test_a_single_environment_does_not_go_on_after_its_end(make):
    env = make(max_cycles=1)
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[3]
    with pytest.raises(gymnasium.error.ResetNeeded, match="before step"):
        env.step(env.action_space.sample())
