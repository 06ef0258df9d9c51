"""RePaint's sampling (Lugmayr et al., CVPR 2022), for many images at once, each at its own step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """The network calls of a chain, in order; levels are ᾱ, the share of signal in the variance."""

    times: np.ndarray
    """(C,) training time of each call."""
    level: np.ndarray
    """(C,) ᾱ before the call."""
    level_after: np.ndarray
    """(C,) ᾱ after its denoising step; 1 at the end."""

    def __len__(self) -> int:
        return len(self.times)


def respaced(alphas_cumprod: np.ndarray, calls: int) -> Schedule:
    """A whole chain in so many calls, by respaced betas, always from the noisiest time to 0."""
    times = np.round(np.linspace(len(alphas_cumprod) - 1, 0, calls)).astype(np.int64)
    level = alphas_cumprod[times]
    return Schedule(times, level, np.append(level[1:], 1.0))


def with_jumps(
    alphas_cumprod: np.ndarray, calls: int, jump_length: int, jump_n_sample: int
) -> Schedule:
    """RePaint's chain of at most so many calls: every `jump_length` steps it goes back that far.

    Args:
        alphas_cumprod: (T,) ᾱ of the training schedule.
        calls: an upper bound of the network calls.
        jump_length: steps of a jump back.
        jump_n_sample: how often each stretch is sampled; 1 means no jump.
    """
    depth = calls
    while depth + _jumped(depth, jump_length, jump_n_sample) > calls:
        depth -= 1
    base = respaced(alphas_cumprod, depth)
    order = np.array([depth - 1 - t for t in _descent(depth, jump_length, jump_n_sample)])
    return Schedule(base.times[order], base.level[order], base.level_after[order])


def _jumped(depth: int, jump_length: int, jump_n_sample: int) -> int:
    """Calls that the jumps add to a plain descent."""
    return len(range(0, depth - jump_length, jump_length)) * jump_length * (jump_n_sample - 1)


def _descent(depth: int, jump_length: int, jump_n_sample: int) -> list[int]:
    """Steps, counted from 0 at the clean end, at which the network is called."""
    jumps = dict.fromkeys(range(0, depth - jump_length, jump_length), jump_n_sample - 1)
    steps, t = [], depth
    while t > 0:
        t -= 1
        steps.append(t)
        if jumps.get(t, 0) > 0:
            jumps[t] -= 1
            t += jump_length
    return steps


@dataclass(frozen=True)
class Job:
    """One picture to repaint."""

    image: Tensor
    """(3, H, W) in [−1, 1]."""
    unknown: Tensor
    """(1, H, W) bool: what is to be repainted."""
    schedule: Schedule
    stops: Sequence[int]
    """Numbers of calls after which the picture is delivered, ascending; the last one ends it."""
    seed: int


class _Chain:
    """A job in progress."""

    def __init__(self, number: int, job: Job, device: torch.device, dtype: torch.dtype) -> None:
        self.number, self.job, self.called = number, job, 0
        # Noise is drawn on the CPU, so that a seed gives the same picture on every device.
        self._generator = torch.Generator().manual_seed(job.seed)
        self.image = job.image.to(device, dtype)
        self.unknown = job.unknown.to(device)

    @property
    def ends(self) -> bool:
        return self.called == self.job.stops[-1]

    def noise(self) -> Tensor:
        return torch.randn(self.job.image.shape, generator=self._generator)


def run(
    network: Callable[[Tensor, Tensor], Tensor],
    jobs: Sequence[Job],
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    clip: bool = True,
    max_batch: int = 64,
) -> Iterator[tuple[int, int, Tensor]]:
    """Repaint all jobs in one continuous batch.

    Each job leaves when it is done, and a waiting one takes its place, so that K jobs of at most
    `max_batch` cost max(S_k) network calls. A job's noise comes from its own seed: its picture does
    not depend on who shares the batch.

    Args:
        network: (B, 3, H, W) noisy pictures and (B,) times to the noise in them.
        jobs: what to repaint.
        device: of the network.
        dtype: of the network.
        clip: whether predictions of the clean picture are held within [−1, 1].
        max_batch: the most pictures in a network call.

    Yields:
        At each stop a job's number, the network calls executed for it, and its picture in [−1, 1];
        the known region is the original's.
    """
    waiting = deque(enumerate(jobs))
    active: list[_Chain] = []
    noisy = image = unknown = torch.empty(0)
    while waiting or active:
        room = min(max_batch - len(active), len(waiting))
        joining = [_Chain(*waiting.popleft(), device, dtype) for _ in range(room)]
        if joining:
            fresh = torch.stack([chain.noise() for chain in joining]).to(device, dtype)
            noisy = torch.cat([noisy, fresh]) if active else fresh
            active += joining
            image = torch.stack([chain.image for chain in active])
            unknown = torch.stack([chain.unknown for chain in active])
        level, after, following, times = _coefficients(active, device)
        predicted = network(noisy, times).to(torch.float32)
        clean = (noisy.to(torch.float32) - (1 - level).sqrt() * predicted) / level.sqrt()
        if clip:
            clean = clean.clamp(-1.0, 1.0)
        pictures = torch.where(unknown, clean, image.to(torch.float32))
        for chain, picture in zip(active, pictures, strict=True):
            chain.called += 1
            if chain.called in chain.job.stops:
                yield chain.number, chain.called, picture
        keep = [i for i, chain in enumerate(active) if not chain.ends]
        active = [active[i] for i in keep]
        if not active:
            continue
        if len(keep) < len(clean):
            clean, predicted, image, unknown, level, after, following = (
                array[keep] for array in (clean, predicted, image, unknown, level, after, following)
            )
        noise = torch.stack([chain.noise() for chain in active]).to(device)
        noisy = _denoise(clean, predicted, image, unknown, level, after, noise)
        noisy = _renoise(active, noisy, after, following, device).to(dtype)


def _coefficients(
    active: list[_Chain], device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """ᾱ before the call, after it, and before the following one, (B, 1, 1, 1); times (B,)."""
    rows = []
    for chain in active:
        schedule, i = chain.job.schedule, chain.called
        after = schedule.level_after[i]
        following = schedule.level[i + 1] if i + 1 < len(schedule) else after
        rows.append((schedule.level[i], after, following, schedule.times[i]))
    table = torch.from_numpy(np.array(rows, dtype=np.float64)).to(torch.float32).to(device)
    level, after, following = (table[:, j, None, None, None] for j in range(3))
    return level, after, following, table[:, 3].to(torch.int64)


def _denoise(
    clean: Tensor,
    predicted: Tensor,
    image: Tensor,
    unknown: Tensor,
    level: Tensor,
    after: Tensor,
    noise: Tensor,
) -> Tensor:
    """One step of the reverse process where unknown, the forward process's marginal where known.

    The former is DDIM's Eq. 12 with η = 1, which is DDPM's posterior; the latter RePaint's Eq. 8a.
    One draw of noise serves both, for no pixel is in both regions.
    """
    variance = (1 - after) / (1 - level) * (1 - level / after)
    # √(1 − ᾱ′ − variance), multiplied out: where there is little signal the difference cancels.
    direction = (1 - after) * (level / (after * (1 - level))).sqrt() * predicted
    from_model = after.sqrt() * clean + direction + variance.sqrt() * noise
    from_image = after.sqrt() * image.to(torch.float32) + (1 - after).sqrt() * noise
    return torch.where(unknown, from_model, from_image)


def _renoise(
    active: list[_Chain], noisy: Tensor, after: Tensor, following: Tensor, device: torch.device
) -> Tensor:
    """Where the schedule jumps back, the forward process from one level to a noisier one."""
    jumping = [i for i, back in enumerate((following < after).flatten().tolist()) if back]
    if jumping:
        noise = torch.stack([active[i].noise() for i in jumping]).to(device)
        kept = following[jumping] / after[jumping]
        noisy[jumping] = kept.sqrt() * noisy[jumping] + (1 - kept).sqrt() * noise
    return noisy
