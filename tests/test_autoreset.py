"""The three autoreset modes of the vector environments are Gymnasium's, and its wrappers run."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as wrappers
from views import menu, menu_lanes, pricing, pricing_lanes, rival, rival_lanes

N, ROUNDS = 3, 3
GAMES = {
    "paper": (pricing, pricing_lanes, {}),
    "normalised": (pricing, pricing_lanes, {"normalize": True, "scale_rewards": True}),
    "discrete": (pricing, pricing_lanes, {"continuous_actions": False}),
    "scarce": (pricing, pricing_lanes, {"K": 7, "capacity": 300.0}),
    "rivals": (rival, rival_lanes, {"rivals": "tit_for_tat"}),
    "contracts": (menu, menu_lanes, {"satisfaction": [150.0, 300.0]}),
}
every_game = pytest.mark.parametrize("game", GAMES)
every_mode = pytest.mark.parametrize("mode", AutoresetMode, ids=lambda mode: mode.value)


def same_infos(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if isinstance(value, dict):
            same_infos(value, theirs[name])
        else:
            expected = theirs[name]
            if expected.dtype == object:  # rows
                expected = np.stack(expected)
            np.testing.assert_allclose(value, expected, rtol=1e-6)


@every_mode
@every_game
def test_every_mode_is_gymnasiums(game, mode):
    """Also where what is told is lent until the next step, not copied."""
    single, vector, arguments = GAMES[game]
    arguments = {"max_cycles": ROUNDS, **arguments}
    ours = vector(N, autoreset_mode=mode, **arguments)
    lent = vector(N, autoreset_mode=mode, copy=False, **arguments)
    theirs = SyncVectorEnv([lambda: single(**arguments)] * N, autoreset_mode=mode)
    assert ours.metadata["autoreset_mode"] is ours.autoreset_mode is mode
    assert ours.action_space == theirs.action_space
    assert ours.observation_space == theirs.observation_space
    first = ours.reset(seed=1)[0]
    for env in (theirs, lent):
        np.testing.assert_array_equal(first, env.reset(seed=1)[0])
    theirs.action_space.seed(0)
    ends = 0
    for _ in range(3 * ROUNDS):
        actions = theirs.action_space.sample()
        one, two, three = (env.step(actions) for env in (ours, theirs, lent))
        for answer, expected, same in zip(one[:4], two[:4], three[:4], strict=True):
            np.testing.assert_allclose(answer, expected, rtol=1e-6)
            assert answer.dtype == expected.dtype
            np.testing.assert_array_equal(answer, same)
        same_infos(one[4], two[4])
        same_infos(one[4], three[4])
        ends += one[3].all()
        if one[3].all() and mode is AutoresetMode.DISABLED:
            with pytest.raises(gymnasium.error.ResetNeeded, match="the episode is over"):
                ours.step(actions)
            options = ({"reset_mask": np.ones(N, bool)} for _ in range(3))  # Gymnasium takes it out
            again = [env.reset(options=next(options))[0] for env in (ours, theirs, lent)]
            np.testing.assert_array_equal(again[1:], [again[0]] * 2)
    assert ends == (2 if mode is AutoresetMode.NEXT_STEP else 3)
    theirs.close()


@every_mode
def test_ids_take_the_mode(mode):
    for name in ("Pricing-v0", "Rival-v0", "Menu-v0"):
        name = f"aigc_market/{name}"
        envs = gymnasium.make_vec(name, num_envs=2, autoreset_mode=mode.value)
        assert envs.metadata["autoreset_mode"] is mode
        again = gymnasium.make_vec(name, num_envs=2)
        assert again.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


@every_mode
def test_a_mask_that_is_not_all_true_is_refused_and_nothing_reset(mode):
    disturbed, quiet = (pricing_lanes(2, scenario="hidden", autoreset_mode=mode) for _ in range(2))
    action = np.full((2, 1), 5.0, "f4")
    for env in (disturbed, quiet):
        env.reset(seed=1)
        env.step(action)
    masks = [np.array([True, False]), np.zeros(2, bool), np.ones(3, bool), np.ones(2)]
    for mask in (*masks, [True, True], None):
        with pytest.raises(ValueError, match=r"reset_mask must be .* all True .*, got "):
            disturbed.reset(seed=9, options={"reset_mask": mask})
    np.testing.assert_array_equal(disturbed.step(action)[1], quiet.step(action)[1])


def test_options_are_the_callers_own():
    options = {"reset_mask": np.ones(2, bool), "cost": 2.0}
    env = pricing_lanes(2)
    env.reset(options=options)
    assert env.market.cost == 2.0
    assert options.keys() == {"reset_mask", "cost"}


def image(observation):
    """Of a flat observation in [0, 1], for the wrappers of images."""
    return np.repeat(np.round(255 * observation[:, None, None]), 3, axis=2).astype(np.uint8)


ZERO, ONE = np.float32(0), np.float32(1)
BOX = gymnasium.spaces.Box(0, 255, (15, 1, 3), np.uint8)
IMAGES = {
    "func": image,
    "observation_space": BOX,
    "wrapper": gymnasium.wrappers.TransformObservation,
}
ARGUMENTS = {
    "VectorizeTransformObservation": IMAGES,
    "VectorizeTransformAction": {
        "wrapper": gymnasium.wrappers.RescaleAction,
        "min_action": ZERO,
        "max_action": ONE,
    },
    "VectorizeTransformReward": {
        "wrapper": gymnasium.wrappers.ClipReward,
        "min_reward": 0.0,
        "max_reward": 0.5,
    },
    "TransformObservation": {"func": lambda seen: 2 * seen},
    "ReshapeObservation": {"shape": (5, 3)},
    "RescaleObservation": {"min_obs": ZERO, "max_obs": ONE},
    "DtypeObservation": {"dtype": np.float32},
    "TransformAction": {"func": lambda action: action / 2},
    "RescaleAction": {"min_action": ZERO, "max_action": ONE},
    "TransformReward": {"func": lambda reward: 2 * reward},
    "ClipReward": {"min_reward": 0.0, "max_reward": 0.5},
}
"""Of the wrappers that need some."""
ELSEWHERE = {
    "FilterObservation": "observations are no dict",
    "RecordVideo": "tests/test_frames.py",
    "HumanRendering": "opens a window",
    "ResizeObservation": "needs OpenCV",
    "ArrayConversion": "needs two more array libraries",
    "JaxToNumpy": "needs JAX",
    "JaxToTorch": "needs JAX",
}


@pytest.mark.parametrize("name", sorted({*wrappers.__all__} - ELSEWHERE.keys()))
def test_gymnasiums_vector_wrappers_run_over_the_ends_of_episodes(name):
    """As around Gymnasium's own vector environment of the same games."""

    def wrapped(**how):
        envs = gymnasium.make_vec("aigc_market/Pricing-v0", num_envs=N, max_cycles=ROUNDS, **how)
        if name == "GrayscaleObservation":  # takes images alone
            envs = wrappers.VectorizeTransformObservation(envs, **IMAGES)
        return getattr(wrappers, name)(envs, **ARGUMENTS.get(name, {}))

    ours, theirs = wrapped(), wrapped(vectorization_mode="sync")
    seen = [np.asarray(env.reset(seed=1)[0]) for env in (ours, theirs)]
    np.testing.assert_allclose(*seen, rtol=1e-5)
    ours.action_space.seed(0)
    for _ in range(3 * ROUNDS):
        actions = ours.action_space.sample()
        if name == "NumpyToTorch":
            actions = torch.as_tensor(actions)
        for one, two in zip(ours.step(actions)[:4], theirs.step(actions)[:4], strict=True):
            np.testing.assert_allclose(np.asarray(one), np.asarray(two), rtol=1e-5)
    theirs.close()
