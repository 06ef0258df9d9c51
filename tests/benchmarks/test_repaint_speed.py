"""The service beside its peers: serving one by one, and the bare network. See test_speed.py."""

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_repaint import RePaintScheduler

from aigc_market.ssim import RePaintSSIM
from aigc_market.ssim.repaint import Request, pictures


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def service(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here: not measured")
    return RePaintSSIM(device=request.param)


def requests(service, count, steps):
    made = []
    for i in range(count):
        scene = service.pool[i % len(service.pool)]
        made.append(Request(scene.image, pictures.mask("half", scene, i), int(steps[i]), i))
    return made


def test_a_batch_against_one_by_one(compare, service):
    steps = np.random.default_rng(0).integers(10, 251, 32)
    batch = requests(service, 32, steps)

    def together():
        service.serve(batch)
        return 32

    def one_by_one():
        for request in batch:
            service.serve([request])
        return 32

    target = "≤ 0.65" if service.device.type == "cpu" else "≤ 0.125"
    compare(
        f"time of 32 mixed requests, against one by one, {service.device.type}",
        target,
        together,
        one_by_one,
        of="time",
        repeats=1,
    )


def test_overhead_over_the_bare_network(compare, service):
    batch = requests(service, 8, [20] * 8)
    size = service.pool[0].image.shape[0]
    noisy = torch.zeros(8, 3, size, size, device=service.device)
    times = torch.zeros(8, dtype=torch.int64, device=service.device)

    def served():
        service.serve(batch)
        return 20

    def bare():
        for _ in range(20):
            service.painter.network(noisy, times)
        if service.device.type == "cuda":
            torch.cuda.synchronize()
        return 20

    compare(
        f"time of a call at batch 8, against the bare network, {service.device.type}",
        "≤ 1.1",
        served,
        bare,
        of="time",
    )


def test_images_against_diffusers_own_loop(compare, service):
    if service.device.type == "cpu":
        pytest.skip("a row for GPUs")
    calls, count = 250, 64
    batch = requests(service, count, [calls] * count)
    scheduler = RePaintScheduler(1000, beta_schedule="squaredcos_cap_v2", eta=1.0)
    scheduler.set_timesteps(calls, jump_length=10, jump_n_sample=1, device=service.device)
    images = [torch.from_numpy(r.image).permute(2, 0, 1)[None].to(service.device) for r in batch]
    known = [torch.from_numpy(~r.mask)[None, None].float().to(service.device) for r in batch]

    def ours():
        service.serve(batch)
        return count

    def theirs():
        for image, mask in zip(images[:4], known[:4], strict=True):
            picture = torch.randn_like(image)
            for t in scheduler.timesteps:
                predicted = service.painter.network(picture, t[None])
                picture = scheduler.step(predicted, int(t), picture, image, mask).prev_sample
        torch.cuda.synchronize()
        return 4

    compare("images/s of 64 requests, against diffusers' scheduler", "≥ 5", ours, theirs)
