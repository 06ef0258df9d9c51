"""The live service, beside serving one by one, the bare network, and diffusers' own loop."""

import time

import numpy as np
import torch
from diffusers.schedulers.scheduling_repaint import RePaintScheduler
from measure import NotMeasuredError, Row, repeat

from aigc_market.ssim import RePaintSSIM
from aigc_market.ssim.repaint import Request, pictures


def service_on(device):
    """A service, and the clock by which to measure it."""
    if device == "cuda" and not torch.cuda.is_available():
        raise NotMeasuredError("there is no GPU")
    return RePaintSSIM(device=device), time.process_time if device == "cpu" else time.perf_counter


def requests(service, steps):
    """Requests of the service's own pictures."""
    scenes = [service.pool[i % len(service.pool)] for i in range(len(steps))]
    return [
        Request(scene.image, pictures.mask("half", scene, i), int(calls), i)
        for i, (scene, calls) in enumerate(zip(scenes, steps, strict=True))
    ]


def together(device):
    """Mixed requests in one batch, and one by one."""
    service, clock = service_on(device)
    asked = requests(service, np.random.default_rng(0).integers(10, 101, 16))
    return (
        repeat(lambda: service.serve(asked), clock=clock),
        repeat(lambda: [service.serve([request]) for request in asked], clock=clock),
    )


def overhead(device):
    """Network calls in the service, and alone."""
    service, clock = service_on(device)
    asked = requests(service, [20] * 8)
    size = service.pool[0].image.shape[0]
    noisy = torch.zeros(8, 3, size, size, device=service.device)
    times = torch.zeros(8, dtype=torch.int64, device=service.device)

    def bare():
        for _ in range(20):
            service.painter.network(noisy, times)
        if device == "cuda":
            torch.cuda.synchronize()

    return repeat(lambda: service.serve(asked), clock=clock), repeat(bare, clock=clock)


def diffusers_loop():
    """Images of 64 requests, and of four by diffusers' scheduler."""
    service, clock = service_on("cuda")
    asked = requests(service, [250] * 64)
    scheduler = RePaintScheduler(1000, beta_schedule="squaredcos_cap_v2", eta=1.0)
    scheduler.set_timesteps(250, jump_length=10, jump_n_sample=1, device=service.device)
    images = [torch.from_numpy(r.image).permute(2, 0, 1)[None].to(service.device) for r in asked]
    known = [torch.from_numpy(~r.mask)[None, None].float().to(service.device) for r in asked]

    def theirs():
        for image, mask in zip(images[:4], known[:4], strict=True):
            picture = torch.randn_like(image)
            for t in scheduler.timesteps:
                predicted = service.painter.network(picture, t[None])
                picture = scheduler.step(predicted, int(t), picture, image, mask).prev_sample
        torch.cuda.synchronize()

    return repeat(lambda: service.serve(asked), 64, clock), repeat(theirs, 4, clock)


ROWS = [
    *(
        row
        for device, goal in (("cpu", "≤ 0.65"), ("cuda", "≤ 0.125"))
        for row in (
            Row(
                f"live-batch-{device}",
                goal,
                f"time of 16 mixed requests at once against one by one, {device.upper()}",
                lambda device=device: together(device),
                slices=3,
            ),
            Row(
                f"live-overhead-{device}",
                "≤ 1.1",
                f"time of a call at batch 8 against the bare network, {device.upper()}",
                lambda device=device: overhead(device),
            ),
        )
    ),
    Row(
        "live-diffusers",
        "≥ 5",
        "images of 64 requests against diffusers' scheduler, CUDA",
        diffusers_loop,
        slices=3,
    ),
]
