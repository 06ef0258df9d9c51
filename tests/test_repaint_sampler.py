"""RePaint's sampler: its chains, its batches, and the paper's algorithm written once more."""

import dataclasses
import heapq

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from painting import SIZE, rounding

from aigc_market.ssim.repaint import diffusion as checkpoints
from aigc_market.ssim.repaint import sampler, scene
from aigc_market.ssim.repaint.sampler import Job, respaced, with_jumps

CPU = torch.device("cpu")
LINEAR = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
"""ᾱ of Ho et al. 2020, which leaves enough signal at the noisiest time to compare digits."""


@pytest.fixture(scope="module")
def diffusion(tiny):
    return checkpoints.load(str(tiny))


@pytest.fixture(scope="module")
def levels(diffusion):
    return diffusion.alphas_cumprod


@pytest.fixture(scope="module")
def network(diffusion):
    """Takes the pictures of a batch one by one: the size of a batch decides how libraries round."""

    def predict(noisy, times):
        with torch.inference_mode():
            pairs = zip(noisy.split(1), times.split(1), strict=True)
            return torch.cat([diffusion.network(*pair, return_dict=False)[0] for pair in pairs])

    return predict


def picture(seed):
    return torch.from_numpy(scene(seed, SIZE).image).permute(2, 0, 1) * 2 - 1


def half():
    unknown = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    unknown[..., SIZE // 2 :] = True
    return unknown


def job(schedule, stops, seed=0, which=None):
    return Job(picture(seed if which is None else which), half(), schedule, stops, seed)


def paint(network, jobs, **options):
    """Pictures by job and stop, and the size of every batch."""
    pictures, batches = {}, []

    def counting(noisy, times):
        batches.append(len(noisy))
        return network(noisy, times)

    for number, calls, picture in sampler.run(counting, jobs, device=CPU, **options):
        assert (number, calls) not in pictures
        pictures[number, calls] = picture.clone()
    return pictures, batches


def nothing(noisy, times):
    return torch.zeros_like(noisy)


def difference(one, other):
    return float((one - other).abs().max())


# -- chains -----------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 2, 3, 10, 77, 250, 1000])
def test_a_respaced_chain_runs_from_the_noisiest_time_to_0(levels, calls):
    chain = respaced(levels, calls)
    assert len(chain) == calls
    assert chain.times[0] == 999
    assert chain.times[-1] == (0 if calls > 1 else 999)  # one call cannot be both
    assert chain.level_after[-1] == 1.0
    assert np.all(np.diff(chain.times) < 0)
    np.testing.assert_array_equal(chain.level, levels[chain.times])
    np.testing.assert_array_equal(chain.level_after[:-1], chain.level[1:])


def naive_steps(depth, jump_length, jump_n_sample):
    """The walk of diffusers' RePaintScheduler.set_timesteps, one step at a time, up and down."""
    jumps = {}
    for j in range(0, depth - jump_length, jump_length):
        jumps[j] = jump_n_sample - 1
    walk, t = [], depth
    while t >= 1:
        t -= 1
        walk.append(t)
        if jumps.get(t, 0) > 0:
            jumps[t] -= 1
            for _ in range(jump_length):
                t += 1
                walk.append(t)
    return [t for previous, t in zip([depth, *walk], walk, strict=False) if t < previous]


@pytest.mark.parametrize("jumps", [(10, 1), (1, 2), (3, 3), (10, 10)])
def test_a_chain_with_jumps_is_the_longest_that_fits(levels, jumps):
    for calls in (1, 2, 9, 10, 11, 37, 250):
        chain = with_jumps(levels, calls, *jumps)
        depth = len(set(chain.times.tolist()))
        times = respaced(levels, depth).times[::-1]
        walk = naive_steps(depth, *jumps)
        assert chain.times.tolist() == [int(times[t]) for t in walk]
        np.testing.assert_array_equal(chain.level, levels[chain.times])
        np.testing.assert_array_equal(chain.level_after, np.append(1.0, levels[times])[walk])
        assert len(chain) <= calls
        if depth < calls:
            assert len(naive_steps(depth + 1, *jumps)) > calls


def test_absurdly_many_jumps_take_no_time(levels):
    assert len(with_jumps(levels, 250, 10, 10**12)) <= 250


# -- the algorithm, against the paper's -------------------------------------------------------


def algorithm_1(network, schedule, image, unknown, seed):
    """Lugmayr et al.'s Algorithm 1 for one picture, with DDIM's η = 1 as in diffusers.

    Returns the predicted clean picture after each call, the known region pasted in.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(image.shape, generator=generator)
    delivered = []
    for i in range(len(schedule)):
        now, after = float(schedule.level[i]), float(schedule.level_after[i])
        noise_in_x = network(x[None], torch.tensor([int(schedule.times[i])]))[0]
        clean = ((x - (1 - now) ** 0.5 * noise_in_x) / now**0.5).clamp(-1, 1)
        delivered.append(torch.where(unknown, clean, image))
        if i + 1 == len(schedule):
            break
        z = torch.randn(image.shape, generator=generator)
        variance = (1 - after) / (1 - now) * (1 - now / after)
        known = after**0.5 * image + (1 - after) ** 0.5 * z
        direction = max(1 - after - variance, 0.0) ** 0.5 * noise_in_x
        painted = after**0.5 * clean + direction + variance**0.5 * z
        x = torch.where(unknown, painted, known)
        back = float(schedule.level[i + 1])
        if back < after:
            z = torch.randn(image.shape, generator=generator)
            x = (back / after) ** 0.5 * x + (1 - back / after) ** 0.5 * z
    return delivered


@pytest.mark.parametrize(("jump_length", "jump_n_sample"), [(10, 1), (3, 2), (1, 3), (4, 4)])
def test_a_whole_chain_is_the_papers_algorithm(network, jump_length, jump_n_sample):
    chain = with_jumps(LINEAR, 24, jump_length, jump_n_sample)
    task = job(chain, list(range(1, len(chain) + 1)), seed=5)
    painted, batches = paint(network, [task])
    expected = algorithm_1(network, chain, task.image, task.unknown, 5)
    assert len(batches) == len(expected) == len(chain)
    for i, picture in enumerate(expected):
        assert difference(painted[0, i + 1], picture) < rounding(chain), i
        known = torch.where(task.unknown, 0.0, painted[0, i + 1])
        assert torch.equal(known, torch.where(task.unknown, 0.0, task.image))  # to the last bit


def test_predictions_are_clipped_only_where_the_schedule_says_so(network, levels):
    task = job(respaced(levels, 4), [1, 2, 3, 4])
    clipped, _ = paint(network, [task])
    free, _ = paint(network, [task], clip=False)
    assert max(float(p.abs().max()) for p in clipped.values()) == 1.0
    assert float(free[0, 1].abs().max()) > 10  # one call from pure noise of an untrained network


# -- batches ----------------------------------------------------------------------------------


def greedy(steps, max_batch):
    """Calls of a batch whose free places are taken at once, in the order of the requests."""
    places = [0] * max_batch
    for calls in steps:
        heapq.heappush(places, heapq.heappop(places) + calls)
    return max(places)


@settings(max_examples=40)
@given(steps=st.lists(st.integers(1, 9), max_size=9), max_batch=st.integers(1, 10))
def test_a_small_batch_serves_all_in_as_few_calls_as_it_can(steps, max_batch):
    levels = np.linspace(0.999, 0.01, 50)
    chain = respaced(levels, 9)
    image, unknown = torch.zeros(3, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool)
    jobs = [Job(image, unknown, chain, [calls], k) for k, calls in enumerate(steps)]
    painted, batches = paint(nothing, jobs, max_batch=max_batch)
    assert set(painted) == {(k, calls) for k, calls in enumerate(steps)}
    assert len(batches) == greedy(steps, max_batch)
    assert sum(batches) == sum(steps)
    assert max(batches, default=0) <= max_batch


@pytest.mark.parametrize("max_batch", [2, 64])
def test_nobodys_picture_depends_on_who_shares_the_batch_or_on_stops(network, levels, max_batch):
    jumping, plain = with_jumps(levels, 20, 4, 2), with_jumps(levels, 20, 10, 1)
    jobs = [job(jumping, [1, 2, 9, len(jumping)], 4)]
    jobs += [job(plain, [steps], seed) for seed, steps in enumerate([20, 3, 11, 1])]
    jobs += [job(respaced(levels, calls), [calls], 2) for calls in (1, 4, 9)]
    together, _ = paint(network, jobs, max_batch=max_batch)
    backwards, _ = paint(network, jobs[::-1], max_batch=max_batch)
    for (k, calls), result in together.items():
        alone, _ = paint(network, [dataclasses.replace(jobs[k], stops=[calls])])
        assert torch.equal(alone[0, calls], result)
        assert torch.equal(backwards[len(jobs) - 1 - k, calls], result)


def test_half_precision_reaches_the_network(levels):
    seen = set()

    def watching(noisy, times):
        seen.add((noisy.dtype, times.dtype))
        return noisy * 0

    painted, _ = paint(watching, [job(respaced(levels, 3), [3])], dtype=torch.bfloat16)
    assert seen == {(torch.bfloat16, torch.int64)}
    assert painted[0, 3].dtype == torch.float32
