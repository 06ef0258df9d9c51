"""Rounds of the game whose images are really repainted."""

import copy
import pickle

import allowed
import gymnasium
import numpy as np
import pytest
from pettingzoo.test import api_test, parallel_api_test

import aigc_market
from aigc_market.ssim.repaint import RePaintSSIM

CALLS = 12
DELTA = 4450.0
CYCLES = 3
pytestmark = [
    *allowed.different_agents,
    *allowed.physical_units,
    allowed.unknown_option,
]


@pytest.fixture(scope="module")
def make_live(tiny, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    kept = {}

    def make(**changed):
        key = tuple(sorted(changed.items()))
        if key not in kept:
            arguments = {"schedule_calls": CALLS, "samples": 2, "cache_dir": cache, **changed}
            kept[key] = RePaintSSIM(tiny, **arguments)
        return kept[key]

    return make


@pytest.fixture(scope="module")
def live(make_live):
    return make_live()


def market(live, **changed):
    settled = {"K": 2, "ssim": live, "min_steps": 1, "max_steps": CALLS, "satisfaction": DELTA}
    return {**settled, **changed}


def rounds(live, **changed):
    return {**market(live), "max_cycles": CYCLES, **changed}


def play(env, price, steps):
    """One round of the AEC game: rewards and infos by agent."""
    for action in (price, *steps):
        env.step(np.array([action], np.float32))
    return dict(env.rewards), dict(env.infos)


def watch(monkeypatch, live):
    """The rounds that a service is asked to serve from now on, and its answers."""
    calls, serve = [], live.serve_round

    def watched(steps, rng):
        results = serve(steps, rng)
        calls.append((list(steps), results))
        return results

    monkeypatch.setattr(live, "serve_round", watched)
    return calls


# -- PettingZoo's own tests -------------------------------------------------------------------


def test_api(make_live, live, capsys):
    whole = {"continuous_actions": False, "normalize": True}
    for arguments in (rounds(make_live(keep_images=True)), rounds(live, K=1, **whole)):
        api_test(aigc_market.env(**arguments), num_cycles=2 * CYCLES)
        assert "Passed API test" in capsys.readouterr().out
    parallel_api_test(aigc_market.parallel_env(**rounds(live, K=3)), num_cycles=CYCLES)
    assert "Passed Parallel API test" in capsys.readouterr().out


# -- what is sold -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "asked", "sold"),
    [((1, CALLS), [3.4, 6.7], [3.0, 7.0]), ((2, 9), [2.3, 8.9], [2.0, 9.0])],
)
def test_a_purchase_is_rounded_to_whole_calls_within_the_bounds_and_paid_so(
    live, bounds, asked, sold
):
    env = aigc_market.raw_env(**rounds(live, min_steps=bounds[0], max_steps=bounds[1]))
    env.reset(seed=0)
    rewards, infos = play(env, 5.0, asked)
    assert [infos[vmu]["steps"] for vmu in ("vmu_0", "vmu_1")] == sold
    np.testing.assert_array_equal(infos["asp_0"]["demand"], sold)
    assert rewards["asp_0"] == infos["asp_0"]["utility"] == (5.0 - 1.0) * sum(sold)
    np.testing.assert_array_equal(env.observe("asp_0")[-3:], [5.0, *sold])


@pytest.mark.parametrize(
    ("asked", "capacity", "delivered"),
    [
        ([12.0, 12.0, 12.0], 20, [6, 6, 6]),  # 6.67 each
        ([12.0, 6.0, 1.0], 10, [6, 3, 0]),  # 6.32, 3.16 and 0.53: the last one gets nothing
        ([4.0, 4.0, 2.0], 10, [4, 4, 2]),
        ([11.6, 11.6, 8.0], 16.5, [6, 6, 4]),  # of 12, 12 and 8: 6.19, 6.19 and 4.12
    ],
)
def test_under_capacity_whole_calls_are_delivered(live, asked, capacity, delivered):
    env = aigc_market.raw_env(**rounds(live, K=3, capacity=capacity))
    env.reset(seed=0)
    rewards, infos = play(env, 4.0, asked)
    vmus = [infos[f"vmu_{k}"] for k in range(3)]
    assert [info["steps"] for info in vmus] == delivered
    assert sum(delivered) <= capacity
    assert rewards["asp_0"] == (4.0 - 1.0) * sum(delivered)
    for info in vmus:
        paid = 4.0 * info["steps"]
        gained = DELTA * (info["ssim"] - live(0.0))
        assert info["surplus"] == pytest.approx(gained - paid, rel=1e-9)


@pytest.mark.parametrize("bounds", [{"min_steps": 1.5}, {"max_steps": 10.5}])
def test_bounds_must_be_whole_calls_of_the_chain(live, bounds):
    ((name, value),) = bounds.items()
    message = f"{name} must be a whole number of network calls, got {value}"
    with pytest.raises(ValueError, match=message):
        aigc_market.Market(**market(live, **bounds))
    with pytest.raises(ValueError, match="max_steps must be at most 12"):
        aigc_market.Market(**market(live, max_steps=13))
    with pytest.raises(ValueError, match=message):
        aigc_market.raw_env(**rounds(live)).reset(seed=0, options=bounds)


# -- what is measured -------------------------------------------------------------------------


@pytest.mark.parametrize("vmu_reward", ["surplus", "utility"])
def test_infos_and_rewards_are_of_the_ssim_measured(monkeypatch, live, vmu_reward):
    served = watch(monkeypatch, live)
    env = aigc_market.raw_env(**rounds(live, vmu_reward=vmu_reward, satisfaction=[4000, 5000]))
    env.reset(seed=3)
    rewards, infos = play(env, 6.0, [4.0, 10.0])
    ((steps, results),) = served
    assert steps == [4.0, 10.0]
    for k, delta in enumerate((4000, 5000)):
        info, measured = infos[f"vmu_{k}"], results[k].ssim
        assert info["ssim"] == pytest.approx(measured, rel=1e-9)
        assert info["ssim"] != pytest.approx(live(steps[k]), abs=1e-6)  # not the table's mean
        surplus = delta * (measured - live(0.0)) - 6.0 * steps[k]
        utility = delta * measured - 6.0 * steps[k]
        assert info["surplus"] == pytest.approx(surplus, rel=1e-9)
        expected = surplus if vmu_reward == "surplus" else utility
        assert rewards[f"vmu_{k}"] == pytest.approx(expected, rel=1e-9)
        assert "image" not in info


@pytest.mark.parametrize("view", ["raw_env", "parallel_env"])
def test_a_round_is_served_once_for_all(monkeypatch, live, view):
    served = watch(monkeypatch, live)
    env = getattr(aigc_market, view)(**rounds(live, K=3))
    env.reset(seed=0)
    assert served == []
    for count in range(1, CYCLES + 1):
        if view == "raw_env":
            play(env, 5.0, [1.0, 2.0, 3.0])
        else:
            actions = {agent: np.array([2.0], np.float32) for agent in env.agents}
            env.step(actions)
        assert len(served) == count
        assert len(served[-1][0]) == 3


def test_images_come_with_infos_where_wanted_and_who_declines_keeps_a_grey_one(make_live):
    live = make_live(keep_images=True)
    env = aigc_market.parallel_env(**rounds(live, min_steps=0))
    env.reset(seed=0, options={"price": 5.0})
    bids = {"asp_0": 5.0, "vmu_0": 0.0, "vmu_1": 4.0}
    _, rewards, _, _, infos = env.step({agent: np.array([bids[agent]], "f4") for agent in bids})
    for vmu in ("vmu_0", "vmu_1"):
        image = infos[vmu]["image"]
        assert image.shape == (16, 16, 3)
        assert image.dtype == np.float32
        originals = [scene.image[:, :8] for scene in live.pool]
        assert any((image[:, :8] == original).all() for original in originals)
        assert (image[:, 8:] == 0.5).all() == (vmu == "vmu_0")
    assert "image" not in infos["asp_0"]
    assert rewards["asp_0"] == (5.0 - 1.0) * 4
    assert infos["vmu_0"]["steps"] == 0
    gained = infos["vmu_0"]["ssim"] - live(0.0)  # its picture is not the mean of the pool
    assert infos["vmu_0"]["surplus"] == pytest.approx(DELTA * gained, rel=1e-9)


def episode(env, seed):
    env.reset(seed=seed)
    rng, log = np.random.default_rng(0), []
    while env.agents:
        actions = {agent: rng.uniform(2, CALLS, 1).astype(np.float32) for agent in env.agents}
        _, rewards, _, _, infos = env.step(actions)
        log.append([*rewards.values(), *(infos[v]["ssim"] for v in ("vmu_0", "vmu_1"))])
    return log


def test_equal_seeds_are_equal_episodes(live):
    env = aigc_market.parallel_env(**rounds(live))
    first = episode(env, 11)
    assert episode(env, 11) == first
    assert episode(aigc_market.parallel_env(**rounds(live)), 11) == first
    assert episode(env, 12) != first


def test_copies_of_an_environment_play_on_alike(live):
    env = aigc_market.raw_env(**rounds(live))
    env.reset(seed=5)
    play(env, 5.0, [3.0, 4.0])
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    rewards, infos = play(env, 6.0, [8.0, 2.0])
    for other in copies:
        other_rewards, other_infos = play(other, 6.0, [8.0, 2.0])
        assert other_rewards == rewards
        assert other_infos["vmu_0"] == infos["vmu_0"]


# -- single-agent views -----------------------------------------------------------------------


def uneven(market, price, rng):
    """Followers who ask for parts of calls."""
    return np.broadcast_to(np.array([3.4, 6.7]), (*np.shape(price), market.K))


@pytest.mark.parametrize(("capacity", "sold"), [(None, [3.0, 7.0]), (8, [2.0, 5.0])])
def test_the_single_and_the_vector_environment_sell_whole_calls(monkeypatch, live, capacity, sold):
    served = watch(monkeypatch, live)
    physical = {"normalize": False, "scale_rewards": False}
    arguments = rounds(live, capacity=capacity, followers=uneven, **physical)
    single = gymnasium.make("aigc_market/Pricing-v0", **arguments)
    single.reset(seed=0)
    seen, reward, _, _, info = single.step(np.array([5.0], np.float32))
    np.testing.assert_array_equal(info["demand"], [3.0, 7.0])
    np.testing.assert_array_equal(seen[-2:], [3.0, 7.0])
    assert reward == info["utility"] == 4.0 * sum(sold)
    lanes = gymnasium.make_vec(
        "aigc_market/Pricing-v0", 3, vectorization_mode="vector_entry_point", **arguments
    )
    lanes.reset(seed=0)
    seen, rewards, _, _, infos = lanes.step(np.array([[5.0], [2.0], [5.0]], np.float32))
    np.testing.assert_array_equal(infos["demand"], [[3.0, 7.0]] * 3)
    np.testing.assert_array_equal(seen[:, -2:], [[3.0, 7.0]] * 3)
    np.testing.assert_array_equal(rewards, np.array([4.0, 1.0, 4.0]) * sum(sold))
    assert served == []  # nobody looks at images: SSIM is the table's
