"""Repainting itself: one diffusion model on one device, requests in one continuous batch."""

from __future__ import annotations

import os
import platform
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import torch
from skimage.metrics import structural_similarity

from aigc_market import _checks
from aigc_market.ssim.model import Result
from aigc_market.ssim.repaint import diffusion, sampler
from aigc_market.ssim.repaint.pictures import Request

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class OutOfMemoryError(RuntimeError):
    """The device cannot hold a batch. `served` keeps the results that were done, by number."""

    def __init__(self, limit: str, served: dict[int, Result], requests: int) -> None:
        super().__init__(limit, served, requests)  # all of them: it has to survive pickling
        self.limit, self.served, self.requests = limit, served, requests

    def __str__(self) -> str:
        return (
            f"{self.limit}; {len(self.served)} of {self.requests} requests were served and are "
            "kept in `served`"
        )


@dataclass(frozen=True)
class Painter:
    """A diffusion model on a device; what it is made of is loaded when it is first needed.

    Fields are the arguments of `RePaintSSIM`; a pickle holds nothing else. The device is looked for
    by who sends the painter there.

    Raises:
        TypeError, ValueError: a bad argument.
    """

    checkpoint: str | os.PathLike[str]
    device: str
    dtype: str
    schedule_calls: int
    jump_length: int
    jump_n_sample: int
    region: str
    mode: str
    max_batch: int
    compile: bool
    channels_last: bool

    def __post_init__(self) -> None:
        allowed = "'bundled', a folder or a hub id"
        _checks.instance("checkpoint", self.checkpoint, (str, os.PathLike), allowed)
        object.__setattr__(self, "checkpoint", str(self.checkpoint))
        for name in ("schedule_calls", "jump_length", "jump_n_sample", "max_batch"):
            _checks.integer(name, getattr(self, name), at_least=1)
        _checks.choice("dtype", self.dtype, DTYPES)
        _checks.choice("region", self.region, ("whole", "unknown"))
        _checks.choice("mode", self.mode, ("executed", "respaced"))
        for name in ("compile", "channels_last"):
            _checks.flag(name, getattr(self, name))

    def start(self, digest: str) -> None:
        """Bring the model to the device, in an actor of a cluster.

        Raises:
            ValueError: the model is another one here, or the device is not there.
        """
        check_device(self.device)
        if self.diffusion.digest != digest:
            raise ValueError(
                f"checkpoint {self.checkpoint!r} must be the same on every node, got another one "
                f"on {platform.node()}"
            )
        _ = self.network

    def serve(self, requests: Sequence[Request]) -> list[Result]:
        """Repaint checked requests in one continuous batch.

        Raises:
            OutOfMemoryError: says the largest batch that fits, and keeps what was served.
        """
        painted = self._paint(requests, [(request.steps,) for request in requests])
        return [result for *_, result in sorted(painted, key=lambda each: each[0])]

    def measure(self, chains: Sequence[Request], stops: Sequence[int]) -> list[np.ndarray]:
        """SSIM after each of the stops, (stops,) for each chain; their own `steps` do not count."""
        if self.mode == "respaced":  # another schedule, and so another chain, for each stop
            wanted = [chain._replace(steps=calls) for chain in chains for calls in stops]
            scores = np.array([result.ssim for result in self.serve(wanted)])
            return list(scores.reshape(len(chains), len(stops)))
        measured: list[list[float]] = [[] for _ in chains]
        for number, _, result in self._paint(chains, [stops] * len(chains)):
            measured[number].append(result.ssim)
        return list(np.array(measured))

    def quality(self, original: np.ndarray, image: np.ndarray, mask: np.ndarray) -> float:
        """SSIM of a picture against the original, over the region that counts."""
        score, field, *_ = structural_similarity(
            original,
            image,
            channel_axis=-1,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        return float(score) if self.region == "whole" else float(field[mask].mean())

    @cached_property
    def schedule(self) -> sampler.Schedule:
        """The network calls of a whole chain."""
        return self._schedule(self.schedule_calls)

    @cached_property
    def diffusion(self) -> diffusion.Diffusion:
        """The model, on the CPU until `network` is asked for."""
        return diffusion.load(str(self.checkpoint))

    @cached_property
    def network(self) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """The model's network on the device."""
        memory = torch.channels_last if self.channels_last else torch.contiguous_format
        network: Any = self.diffusion.network
        network = network.to(self.device, memory_format=memory)
        if self.dtype != "float32":  # diffusers warns of any change of type
            network = network.to(DTYPES[self.dtype])
        if self.compile:
            network = torch.compile(network)

        def predict(noisy: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                return network(noisy.contiguous(memory_format=memory), times, return_dict=False)[0]

        return predict

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _schedule(self, calls: int) -> sampler.Schedule:
        levels = self.diffusion.alphas_cumprod
        if calls > len(levels):
            raise ValueError(
                f"schedule_calls must be at most {len(levels)}, the model's times, got {calls}"
            )
        if self.mode == "respaced":
            return sampler.respaced(levels, calls)
        return sampler.with_jumps(levels, calls, self.jump_length, self.jump_n_sample)

    def _job(self, request: Request, stops: Sequence[int]) -> sampler.Job:
        schedule = self._schedule(stops[-1]) if self.mode == "respaced" else self.schedule
        # Copies: arrays that Ray hands over may not be written to, of which torch warns.
        image = torch.tensor(request.image).permute(2, 0, 1) * 2 - 1
        unknown = torch.tensor(request.mask)[None]
        return sampler.Job(image, unknown, schedule, stops, request.seed)

    def _paint(
        self, requests: Sequence[Request], stops: Sequence[Sequence[int]]
    ) -> Iterator[tuple[int, int, Result]]:
        """A request's number, the calls executed for it, and its result, at each of its stops."""
        served: dict[int, Result] = {}
        painted = sampler.run(
            self.network,
            [self._job(*pair) for pair in zip(requests, stops, strict=True)],
            device=torch.device(self.device),
            dtype=DTYPES[self.dtype],
            clip=self.diffusion.clip,
            max_batch=self.max_batch,
        )
        try:
            for number, calls, picture in painted:
                request = requests[number]
                array = ((picture.clamp(-1, 1) + 1) / 2).permute(1, 2, 0).to("cpu", torch.float32)
                image = np.where(request.mask[..., None], array.numpy(), request.image)
                result = Result(image, self.quality(request.image, image, request.mask))
                if calls == stops[number][-1]:
                    served[number] = result
                yield number, calls, result
        except torch.OutOfMemoryError as error:
            traceback.clear_frames(error.__traceback__)  # they hold the batch that did not fit
            fits = self._largest_batch(min(self.max_batch, len(requests)) - 1)
            limit = f"max_batch must be at most {fits} on {self.device}, got {self.max_batch}"
            raise OutOfMemoryError(limit, served, len(requests)) from error

    def _largest_batch(self, below: int) -> int:
        """The largest batch that fits, by halving."""
        size, fits, dtype = self.diffusion.size, 0, DTYPES[self.dtype]
        while fits < below:
            trial = (fits + below + 1) // 2
            try:
                noisy = torch.zeros(trial, 3, size, size, device=self.device, dtype=dtype)
                self.network(noisy, torch.zeros(trial, device=self.device, dtype=torch.int64))
                fits = trial
            except torch.OutOfMemoryError:
                below = trial - 1
        return fits


def check_device(name: str) -> None:
    """Look for a device.

    Raises:
        TypeError, ValueError: it is no device, or not there.
    """
    allowed = "'cpu', 'cuda', 'cuda:1' or 'mps'"
    _checks.instance("device", name, str, allowed)
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):  # "meta" would paint nothing at all
        raise ValueError(f"device must be {allowed}, got {name!r}")
    if device.type == "cuda":
        count = torch.cuda.device_count()
    else:
        count = int(device.type == "cpu" or torch.backends.mps.is_available())
    if (device.index or 0) >= count:
        kind = device.type.upper()
        raise ValueError(f"device {name!r} is not there: torch sees {count} {kind} devices")
