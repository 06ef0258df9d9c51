"""RePaint's sampling (Lugmayr et al., CVPR 2022), for many images at once, each at its own step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

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

    @cached_property
    def table(self) -> np.ndarray:
        """(C, 4): ᾱ before each call, after it and before the following one, and its time."""
        following = np.append(self.level[1:], self.level_after[-1])
        return np.column_stack([self.level, self.level_after, following, self.times])


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

    def jumps(depth: int) -> range:
        return range(0, depth - jump_length, jump_length)  # where, counted from the clean end

    depth = calls
    while depth + len(jumps(depth)) * jump_length * (jump_n_sample - 1) > calls:
        depth -= 1
    left = dict.fromkeys(jumps(depth), jump_n_sample - 1)
    order, step = [], depth
    while step > 0:
        step -= 1
        order.append(depth - 1 - step)
        if left.get(step, 0) > 0:
            left[step] -= 1
            step += jump_length
    base = respaced(alphas_cumprod, depth)
    return Schedule(base.times[order], base.level[order], base.level_after[order])


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

    def __init__(self, number: int, job: Job, device: torch.device) -> None:
        self.number, self.job, self.called = number, job, 0
        # Noise is drawn on the CPU, so that a seed gives the same picture on every device.
        self._generator = torch.Generator().manual_seed(job.seed)
        self.image, self.unknown = job.image.to(device), job.unknown.to(device)
        self.noisy = self.noise().to(device)

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
    while waiting or active:
        room = min(max_batch - len(active), len(waiting))
        active += [_Chain(*waiting.popleft(), device) for _ in range(room)]
        noisy = torch.stack([chain.noisy for chain in active])
        image = torch.stack([chain.image for chain in active])
        unknown = torch.stack([chain.unknown for chain in active])
        rows = np.array([chain.job.schedule.table[chain.called] for chain in active])
        table = torch.from_numpy(rows).to(torch.float32).to(device)
        level, after, following = table[:, :3, None, None, None].unbind(1)
        predicted = network(noisy.to(dtype), table[:, 3].to(torch.int64)).to(torch.float32)
        clean = (noisy - (1 - level).sqrt() * predicted) / level.sqrt()
        if clip:
            clean = clean.clamp(-1.0, 1.0)
        pictures = torch.where(unknown, clean, image)
        for chain, picture in zip(active, pictures, strict=True):
            chain.called += 1
            if chain.called in chain.job.stops:
                yield chain.number, chain.called, picture
        # Where unknown, DDIM's Eq. 12 with η = 1, which is DDPM's posterior; where known, the
        # forward process's marginal, RePaint's Eq. 8a. No pixel is both: one draw serves them.
        noise = torch.stack([chain.noise() for chain in active]).to(device)
        variance = (1 - after) / (1 - level) * (1 - level / after)
        # √(1 − ᾱ′ − variance), multiplied out: where there is little signal the difference cancels.
        direction = (1 - after) * (level / (after * (1 - level))).sqrt() * predicted
        from_model = after.sqrt() * clean + direction + variance.sqrt() * noise
        from_image = after.sqrt() * image + (1 - after).sqrt() * noise
        noisy = torch.where(unknown, from_model, from_image)
        # Where the schedule jumps back, the forward process to a noisier level.
        back = (following < after).flatten().nonzero().flatten().tolist()
        if back:
            noise = torch.stack([active[i].noise() for i in back]).to(device)
            kept = following[back] / after[back]
            noisy[back] = kept.sqrt() * noisy[back] + (1 - kept).sqrt() * noise
        for chain, picture in zip(active, noisy, strict=True):
            chain.noisy = picture
        active = [chain for chain in active if chain.called < chain.job.stops[-1]]
