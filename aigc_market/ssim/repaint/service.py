"""The live SSIM model: pictures are really repainted, and their SSIM really measured."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from aigc_market import _checks
from aigc_market.ssim.model import DemandCurve, Result
from aigc_market.ssim.repaint import pictures, pool, request
from aigc_market.ssim.repaint.calibration import Calibration, Curve
from aigc_market.ssim.repaint.dispatch import Dispatch
from aigc_market.ssim.repaint.painter import Painter
from aigc_market.ssim.repaint.pool import Pool
from aigc_market.ssim.repaint.request import Request
from aigc_market.ssim.repaint.sampler import Schedule
from aigc_market.ssim.scenes import Scene
from aigc_market.ssim.tabulated import TabulatedSSIM

if TYPE_CHECKING:
    from aigc_market.ssim.repaint.fleet import Fleet


class RePaintSSIM:
    """SSIM of pictures that a diffusion model repaints (RePaint, Lugmayr et al. 2022).

    S counts the network calls executed along one fixed chain of `schedule_calls`. The picture
    delivered after S calls is the model's prediction of the clean picture at that point, with the
    known region pasted in. As an SSIM model of the game it answers from the table that `calibrate`
    measures, whose purchases are whole calls; an environment serves each round's VMUs for real.

    Args:
        checkpoint: "bundled" (32×32 road scenes), a folder, or a hub id such as
            "google/ddpm-ema-celebahq-256"; a diffusers DDPM in safetensors.
        device: "cpu", "cuda", "cuda:1", "mps"; never chosen for you.
        dtype: "float32", "float16" or "bfloat16".
        schedule_calls: calls of the whole chain: all that a VMU can buy.
        jump_length: steps of RePaint's jumps back.
        jump_n_sample: how often each stretch is sampled; 1 means no jump.
        mask: "half", "box", "stripes", "road", "strokes", or an array.
        images: "scenes", "photographs", a folder, or pictures.
        samples: pictures that are calibrated on and played with.
        seeds: chains a picture in the calibration.
        region: whose SSIM counts: the "whole" picture, or its "unknown" part.
        mode: "executed", or "respaced": a whole chain respaced to S calls, for comparison.
        max_batch: the most pictures in a network call.
        compile: run the network through torch.compile.
        channels_last: keep pictures channels last.
        keep_images: whether an environment's infos carry the pictures served.
        cache_dir: where calibrations are kept; the user's cache folder by default.
        engine: "local": this process paints; "ray": actors on a Ray cluster do, each on a `device`
            of its own. It is the cluster that this process is connected to, that RAY_ADDRESS names
            or that runs on this machine, else one started here. A folder named by
            `checkpoint` must be there on every node.
        workers: actors, each with one CPU and a batch of its own; 1 with engine "local".
        num_gpus_per_worker: GPUs that each actor holds, such as 1 or 0.5; above 0 with "cuda", and
            with it only.

    SSIM is scikit-image's, with the window of Wang et al. 2004: Gaussian, σ = 1.5, 11 × 11, data
    range 1, channels averaged.

    Raises:
        TypeError, ValueError: a bad argument, a device that is not there, a bad checkpoint, more
            workers or GPUs than the cluster has.
        ImportError: engine "ray" without Ray.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike[str] = "bundled",
        device: str = "cpu",
        dtype: str = "float32",
        schedule_calls: int = 250,
        jump_length: int = 10,
        jump_n_sample: int = 1,
        mask: Any = "half",
        images: Any = "scenes",
        samples: int = 10,
        seeds: int = 1,
        region: str = "whole",
        mode: str = "executed",
        max_batch: int = 64,
        compile: bool = False,  # noqa: A002 (torch's word)
        channels_last: bool = False,
        keep_images: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
        engine: str = "local",
        workers: int = 1,
        num_gpus_per_worker: float = 0,
    ) -> None:
        self.keep_images = _checks.flag("keep_images", keep_images)
        self._dispatch = Dispatch(engine, device, workers, num_gpus_per_worker)
        self._painter = Painter(
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
            schedule_calls=schedule_calls,
            jump_length=jump_length,
            jump_n_sample=jump_n_sample,
            region=region,
            mode=mode,
            max_batch=max_batch,
            compile=compile,
            channels_last=channels_last,
        )
        self._pool = Pool(self._painter, images, mask, samples)
        self._calibration = Calibration(self._painter, self._pool, seeds, cache_dir)
        # What is wrong with the model, the pictures or the cluster is found now.
        _ = self.schedule, self._pool.scenes, self._painters

    @property
    def checkpoint(self) -> str:
        """The diffusion model's name or folder."""
        return str(self._painter.checkpoint)

    @property
    def device(self) -> torch.device:
        """Where it paints; with engine "ray", of each worker."""
        return torch.device(self._painter.device)

    @property
    def mode(self) -> str:
        """What a step is."""
        return self._painter.mode

    @property
    def schedule(self) -> Schedule:
        """The calls of the whole chain."""
        return self._painter.schedule

    @property
    def pool(self) -> list[Scene]:
        """The pictures that are calibrated on and played with."""
        return copy.deepcopy(self._pool.scenes)

    @property
    def mask(self) -> Any:
        """Where they are repainted."""
        return copy.deepcopy(self._pool.mask)

    @property
    def cache_dir(self) -> Path:
        """Where calibrations are kept."""
        return self._calibration.folder

    @property
    def digest(self) -> str:
        """Of all that the curve depends on: weights, pictures, masks and settings."""
        return self._calibration.digest

    # -- serving -------------------------------------------------------------------------------

    def serve(self, requests: Sequence[Request]) -> list[Result]:
        """Repaint all requests, each in a continuous batch which it leaves when its steps are done.

        With engine "ray" they are split over the workers. What a worker had when it died is served
        again by another: seeds are the requests' own, so the pictures are the same.

        Raises:
            TypeError, ValueError: a bad request, before anything is run.
            OutOfMemoryError: says the largest batch that fits, and keeps what was served.
            RuntimeError: engine "ray", and no worker starts, or the same requests kill each one.
        """
        size, calls = self._painter.diffusion.size, len(self.schedule)
        return self._painters.serve([request.checked(asked, size, calls) for asked in requests])

    def measure(
        self, images: Sequence[Any], seeds: Sequence[int], steps: Sequence[int]
    ) -> np.ndarray:
        """SSIM at every number of steps, from one chain an image and seed.

        Args:
            images: pictures (size, size, 3), or each a `Scene`, whose road the mask may be.
            seeds: of the noise.
            steps: numbers of steps, ascending, from 1 to `schedule_calls`.

        Returns:
            (images, seeds, steps) SSIM.
        """
        stops = [_checks.integer("steps", s, at_least=1) for s in steps]
        if not stops or stops[-1] > len(self.schedule) or sorted(set(stops)) != stops:
            raise ValueError(
                f"steps must ascend within 1 to {len(self.schedule)}, got {list(steps)!r}"
            )
        seeds = [request.checked_seed(seed) for seed in seeds]
        scenes = [pictures.as_scene(image, self._painter.diffusion.size) for image in images]
        chains = [
            self._pool.ask(scene, number, stops[-1], seed)
            for number, scene in enumerate(scenes)
            for seed in seeds
        ]
        values = np.array(self._painters.measure(chains, stops))
        return values.reshape(len(scenes), len(seeds), len(stops))

    def quality(self, original: np.ndarray, image: np.ndarray, mask: np.ndarray) -> float:
        """SSIM of a picture against the original, over the region that counts."""
        return self._painter.quality(original, image, mask)

    def curve(self, progress: Callable[[int, int], None] | None = None) -> Curve:
        """The calibration: SSIM at every step over `samples` pictures, kept on disk.

        A calibration that was cut short goes on where it stopped.

        Args:
            progress: called with pictures done and pictures in all.
        """
        return self._calibration.curve(self._painters.measure, self._dispatch.workers, progress)

    def calibrate(self) -> TabulatedSSIM:
        """The measured mean curve as an SSIM model; read where it was measured before."""
        return self._table

    # -- the model of the game -----------------------------------------------------------------

    @property
    def max_steps(self) -> float:
        """All that can be bought: the calls of the chain."""
        return float(len(self.schedule))

    @property
    def linear_demand(self) -> bool:
        """No: it is that of a table."""
        return False

    @property
    def parameters(self) -> tuple[Any, ...]:
        """None: a service is one model for all VMUs."""
        return ()

    def __call__(self, steps: Any) -> Any:
        return self._table(steps)

    def gain(self, steps: Any) -> Any:
        """SSIM(steps) − SSIM(0), of the table."""
        return self._table.gain(steps)

    def demand(self, rate: Any, min_steps: Any, max_steps: Any) -> Any:
        """What a follower buys that knows the table."""
        return self._table.demand(rate, min_steps, max_steps)

    def demand_curve(self, min_steps: Any, max_steps: Any) -> DemandCurve:
        """`demand` as a whole."""
        return self._table.demand_curve(min_steps, max_steps)

    def check_market(self, min_steps: Any, max_steps: Any) -> None:
        """Bounds must be whole calls of the chain."""
        self._table.check_market(min_steps, max_steps)
        for name, bound in (("min_steps", min_steps), ("max_steps", max_steps)):
            if bound != int(bound):
                raise ValueError(f"{name} must be a whole number of network calls, got {bound:g}")

    def map(self, function: Callable[[Any], Any]) -> RePaintSSIM:
        """The same service: it has no parameters of single markets."""
        return self

    def serve_round(self, steps: Sequence[float], rng: np.random.Generator) -> list[Result]:
        """Serve a round of the game: each VMU brings a picture of the pool; 0 steps serve grey.

        Args:
            steps: whole numbers of steps, one a VMU.
            rng: draws the pictures and the seeds of the noise.

        Raises:
            TypeError, ValueError: steps that are no whole calls of the chain.
        """
        calls = _whole(steps, len(self.schedule))
        chosen = rng.integers(len(self._pool.scenes), size=len(calls)).tolist()
        seeds = rng.integers(2**31, size=len(calls)).tolist()
        brought = [self._pool.request(*each) for each in zip(chosen, calls, seeds, strict=True)]
        painted = iter(self._painters.serve([asked for asked in brought if asked.steps]))
        return [next(painted) if asked.steps else self._unpainted(asked) for asked in brought]

    def _unpainted(self, asked: Request) -> Result:
        grey = pool.grey(asked)
        return Result(grey, self.quality(asked.image, grey, asked.mask))

    # -- inside --------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> RePaintSSIM:
        return self  # nothing in it changes, and copies of an environment may share a network

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_painters"}

    @cached_property
    def _table(self) -> TabulatedSSIM:
        return (self._calibration.shipped() or self.curve()).table()

    @cached_property
    def _painters(self) -> Painter | Fleet:
        return self._dispatch.start(self._painter)


def _whole(steps: Sequence[float], most: int) -> list[int]:
    """Steps as whole calls, checked."""
    values = np.asarray(_checks.numeric("steps", steps, at_least=0))
    if values.ndim != 1 or np.any(values != np.rint(values)) or np.any(values > most):
        raise ValueError(f"steps must be whole numbers from 0 to {most}, one a VMU, got {steps!r}")
    return values.astype(int).tolist()
