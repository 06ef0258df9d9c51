"""RePaint's chains against diffusers' scheduler, with one network and one stream of noise."""

import numpy as np
import pytest
import torch
from painting import SIZE, rounding

pytest.importorskip("diffusers", reason="needs the extra 'peers'")

import diffusers

from aigc_market.ssim.repaint import sampler
from aigc_market.ssim.repaint.sampler import Job, Schedule, with_jumps


@pytest.fixture(scope="module")
def network(tiny):
    """A network of random weights, loaded by diffusers."""
    unet = diffusers.UNet2DModel.from_pretrained(tiny)

    def predict(noisy, times):
        with torch.inference_mode():
            return unet(noisy, times, return_dict=False)[0]

    return predict


def levels(betas):
    """ᾱ after each step of noise."""
    return np.cumprod(1 - betas)


def task(seed):
    """A picture of noise in [−1, 1], and its right half to repaint."""
    generator = np.random.default_rng(seed)
    image = torch.from_numpy(generator.uniform(-1, 1, (3, SIZE, SIZE)).astype(np.float32))
    unknown = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    unknown[..., SIZE // 2 :] = True
    return image, unknown


def ours(network, schedule, image, unknown, seed):
    """(C, 3, H, W) what is delivered after each call."""
    stops = list(range(1, len(schedule) + 1))
    painted = sampler.run(
        network, [Job(image, unknown, schedule, stops, seed)], device=torch.device("cpu")
    )
    delivered = {calls: picture.clone() for _, calls, picture in painted}
    return torch.stack([delivered[calls] for calls in stops]).numpy()


def theirs(network, scheduler, image, unknown, seed):
    """The same by the loop of diffusers' RePaintPipeline."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(image.shape, generator=generator)[None]
    known, delivered, last = (~unknown).float()[None], [], scheduler.timesteps[0] + 1
    for t in scheduler.timesteps:
        if t < last:
            step = scheduler.step(
                network(x, t[None]), int(t), x, image[None], known, generator=generator
            )
            delivered.append(torch.where(unknown, step.pred_original_sample[0], image))
            x = step.prev_sample
        else:
            x = scheduler.undo_step(x, int(last), generator)
        last = t
    return torch.stack(delivered).numpy()


def held_against(compared, network, chain, scheduler, seed):
    image, unknown = task(seed)
    mine = ours(network, chain, image, unknown, seed)
    other = theirs(network, scheduler, image, unknown, seed)
    compared("RePaint chain", "diffusers", mine, other, rounding(chain))


def calls_of(scheduler):
    """The times at which the network is called, without the steps back."""
    times = scheduler.timesteps.numpy()
    return times[np.append(True, np.diff(times) < 0)]


@pytest.mark.parametrize("seed", range(5))
def test_a_respaced_chain_paints_the_same(network, seed, compared):
    scheduler = diffusers.RePaintScheduler(1000, beta_schedule="linear", eta=1.0)
    scheduler.set_timesteps(20, jump_length=10, jump_n_sample=1)
    times = calls_of(scheduler)
    assert times.tolist() == list(range(950, -1, -50))
    alphas = levels(np.linspace(1e-4, 0.02, 1000))
    chain = Schedule(times, alphas[times], np.append(alphas[times[1:]], 1.0))
    held_against(compared, network, chain, scheduler, seed)


@pytest.mark.parametrize("samples", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_chain_with_jumps_paints_the_same(network, samples, seed, compared):
    """Of jumps by one step of training, for which both draw the noise of a jump at once."""
    depth, betas = 20, np.linspace(1e-3, 0.25, 20)
    scheduler = diffusers.RePaintScheduler(
        depth, beta_schedule="linear", beta_start=1e-3, beta_end=0.25, eta=1.0
    )
    scheduler.set_timesteps(depth, jump_length=1, jump_n_sample=samples)
    times = calls_of(scheduler)
    chain = with_jumps(levels(betas), len(times), 1, samples)
    np.testing.assert_array_equal(chain.times, times)
    held_against(compared, network, chain, scheduler, seed)


@pytest.mark.parametrize("depth", [1, 2, 11, 40, 250])
@pytest.mark.parametrize(("length", "samples"), [(10, 1), (1, 2), (3, 3), (10, 10)])
def test_jumps_of_any_length_call_the_network_at_the_same_times(depth, length, samples, compared):
    scheduler = diffusers.RePaintScheduler(depth)
    scheduler.set_timesteps(depth, jump_length=length, jump_n_sample=samples)
    times = calls_of(scheduler)
    alphas = levels(np.linspace(1e-4, 0.02, depth))
    chain = with_jumps(alphas, len(times), length, samples)
    compared("RePaint timetable", "diffusers", chain.times, times, 0.0)
