"""The adapter from Gymnasium's vector environment to SB3's VecEnv, against SB3's DummyVecEnv."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import FlattenObservation, FrameStackObservation
from gymnasium.wrappers.vector import NormalizeReward
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor
from views import menu_lanes, pricing_lanes

from aigc_market.sb3 import GymnasiumVecEnv, TransformerPolicy

ARGUMENTS = {"K": 3, "max_cycles": 4, "history": 2, "normalize": False, "scale_rewards": False}
SB3_READS = ("terminal_observation", "TimeLimit.truncated")


@pytest.mark.parametrize(
    ("name", "many", "lanes", "drawn"),
    [
        ("Pricing-v0", pricing_lanes, 3, {}),
        ("Pricing-v0", pricing_lanes, 1, {"satisfaction": lambda rng: rng.uniform(80, 400, 3)}),
        ("Menu-v0", menu_lanes, 3, {"satisfaction": [80.0, 150.0, 300.0]}),
    ],
    ids=["told", "drawn", "contracts"],
)
def test_it_gives_what_dummy_vec_env_gives(name, many, lanes, drawn):
    arguments = {**ARGUMENTS, **drawn}
    ours = GymnasiumVecEnv(many(lanes, **arguments))
    sb3 = DummyVecEnv([lambda: gymnasium.make(f"aigc_market/{name}", **arguments)] * lanes)
    ours.seed(5)
    sb3.seed(5)
    np.testing.assert_array_equal(ours.reset(), sb3.reset())
    rng = np.random.default_rng(0)
    for _ in range(10):  # over two autoresets
        actions = rng.uniform(1, 20, (lanes, *ours.action_space.shape)).astype(np.float32)
        for a, b in zip(ours.step(actions), sb3.step(actions), strict=True):
            if isinstance(a, list):
                for mine, theirs in zip(a, b, strict=True):
                    assert mine.keys() | {"TimeLimit.truncated"} == theirs.keys()
                    assert mine.get("TimeLimit.truncated", False) == theirs["TimeLimit.truncated"]
                    for name in mine:
                        np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-6)
            else:
                np.testing.assert_allclose(a, b, rtol=1e-6)


def test_terminations_are_not_called_truncations():
    env = GymnasiumVecEnv(
        SyncVectorEnv(
            [lambda: gymnasium.make("CartPole-v1")] * 2, autoreset_mode=AutoresetMode.SAME_STEP
        )
    )
    env.seed(0)
    env.reset()
    ended = 0
    for _ in range(60):
        observations, _, dones, infos = env.step(np.zeros(2, int))
        for lane in np.flatnonzero(dones):
            ended += 1
            assert infos[lane]["TimeLimit.truncated"] is False
            assert np.abs(infos[lane]["terminal_observation"][2]) > 0.2  # the pole has fallen
            assert np.abs(observations[lane]).max() <= 0.05  # and stands again
        for lane in np.flatnonzero(~dones):
            assert "terminal_observation" not in infos[lane]
    assert ended > 4


def test_a_lane_may_do_without_infos():
    plain, bare = (
        GymnasiumVecEnv(pricing_lanes(2, **ARGUMENTS), infos=wanted) for wanted in (True, False)
    )
    for env in (plain, bare):
        env.seed(5)
    np.testing.assert_array_equal(plain.reset(), bare.reset())
    assert bare.reset_infos == [{}, {}]
    for t in range(1, 9):
        actions = np.array([[t], [2 * t]], np.float32)
        (*theirs, full), (*mine, infos) = plain.step(actions), bare.step(actions)
        for a, b in zip(theirs, mine, strict=True):
            np.testing.assert_array_equal(a, b)
        for lane in range(2):
            own = {name: full[lane][name] for name in SB3_READS if name in full[lane]}
            assert infos[lane].keys() == own.keys() == (set(SB3_READS) if t % 4 == 0 else set())
            for name, value in own.items():
                np.testing.assert_array_equal(infos[lane][name], value)


def test_options_reach_the_next_reset_only():
    env = GymnasiumVecEnv(pricing_lanes(2, **ARGUMENTS))
    env.set_options({"cost": 3.0})
    env.reset()
    assert env.get_attr("market")[0].cost == 3.0
    env.reset()
    assert env.get_attr("market")[0].cost == 1.0


def test_attributes_are_shared_by_all_lanes():
    env = GymnasiumVecEnv(pricing_lanes(2, **ARGUMENTS))
    env.set_attr("max_cycles", 7)
    assert env.get_attr("max_cycles") == [7, 7]
    assert env.get_attr("max_cycles", indices=[1]) == [7]
    with pytest.raises(ValueError, match="indices must name all lanes"):
        env.set_attr("max_cycles", 8, indices=0)
    assert env.env_is_wrapped(gymnasium.Wrapper) == [False, False]
    env.close()


def test_other_autoresets_are_refused():
    lanes = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")])
    wrapped = NormalizeReward(pricing_lanes(2))  # it has seen the mode, which may not change
    for env in (lanes, wrapped):
        with pytest.raises(ValueError, match=r"AutoresetMode\.SAME_STEP, .* got AutoresetMode\."):
            GymnasiumVecEnv(env)


def test_it_asks_for_the_mode_that_it_needs():
    lanes = gymnasium.make_vec("aigc_market/Pricing-v0", num_envs=2)
    assert lanes.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    GymnasiumVecEnv(lanes)
    assert lanes.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_the_policy_trains_on_gymnasiums_own_lanes():
    def make():
        return FlattenObservation(FrameStackObservation(gymnasium.make("CartPole-v1"), 3))

    lanes = SyncVectorEnv([make] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    env = VecMonitor(GymnasiumVecEnv(lanes, infos=False))
    kwargs = {"history": 3, "query_size": 4, "width": 8, "feedforward": 16}
    settings = {"n_steps": 64, "batch_size": 64, "seed": 0, "device": "cpu"}
    model = PPO(TransformerPolicy, env, policy_kwargs=kwargs, **settings)
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.learn(256)
    unmoved = [n for n, value in model.policy.state_dict().items() if value.equal(before[n])]
    assert unmoved == []
    assert len(model.ep_info_buffer) > 2
    assert all(episode["r"] == episode["l"] for episode in model.ep_info_buffer)


def test_without_sb3_it_says_what_to_install():
    code = (
        "import sys\n"
        "sys.modules['stable_baselines3'] = None\n"
        "try:\n"
        "    import aigc_market.sb3\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'aigc-market[sb3]'" in done.stdout
