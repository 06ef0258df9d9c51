"""The live SSIM model: pictures are really repainted, and their SSIM really measured."""

from __future__ import annotations

import hashlib
import json
import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from skimage.metrics import structural_similarity

from aigc_market import _checks
from aigc_market.ssim.model import DemandCurve
from aigc_market.ssim.repaint import model, pictures, sampler
from aigc_market.ssim.scenes import Scene
from aigc_market.ssim.tabulated import TabulatedSSIM

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_MODES = ("executed", "respaced")
_REGIONS = ("whole", "unknown")
_DEVICES = ("cpu", "cuda", "mps")
_PATH = (str, os.PathLike)
_CHECKPOINTS = "'bundled', a folder or a hub id"


class Request(NamedTuple):
    """A picture to be repainted with so many steps."""

    image: np.ndarray
    """(size, size, 3), uint8 or in [0, 1]."""
    mask: np.ndarray
    """(size, size) bool: what is to be repainted."""
    steps: int
    """S, network calls executed."""
    seed: int
    """Of the noise."""


class Result(NamedTuple):
    """A picture repainted."""

    image: np.ndarray
    """(size, size, 3) float32 in [0, 1]; the known region is the original's."""
    ssim: float
    """Against the original."""


@dataclass(frozen=True)
class Curve:
    """SSIM against steps, measured."""

    steps: np.ndarray
    """(M,) 0, 1, …: 0 is the picture with its unknown region grey."""
    values: np.ndarray
    """(pictures, seeds, M) SSIM."""

    @property
    def mean(self) -> np.ndarray:
        """(M,) over pictures and seeds."""
        return self.values.mean(axis=(0, 1))

    @property
    def std(self) -> np.ndarray:
        """(M,) over pictures and seeds."""
        return self.values.std(axis=(0, 1))

    @property
    def samples(self) -> int:
        """How many chains were measured."""
        return self.values.shape[0] * self.values.shape[1]

    def table(self) -> TabulatedSSIM:
        """The mean as an SSIM model."""
        return TabulatedSSIM(self.steps, self.mean)


class OutOfMemoryError(RuntimeError):
    """The device cannot hold a batch. `served` keeps the results that were done."""

    def __init__(self, message: str, served: dict[int, Result]) -> None:
        super().__init__(message)
        self.served = served


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

    SSIM is scikit-image's, with the window of Wang et al. 2004: Gaussian, σ = 1.5, 11 × 11, data
    range 1, channels averaged.

    Raises:
        TypeError, ValueError: a bad argument, a device that is not there, a bad checkpoint.
    """

    live = True

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
    ) -> None:
        self.checkpoint = str(_checks.instance("checkpoint", checkpoint, _PATH, _CHECKPOINTS))
        self.device = _device(device)
        self.dtype = _checks.choice("dtype", dtype, _DTYPES)
        self.schedule_calls = _checks.integer("schedule_calls", schedule_calls, at_least=1)
        self.jump_length = _checks.integer("jump_length", jump_length, at_least=1)
        self.jump_n_sample = _checks.integer("jump_n_sample", jump_n_sample, at_least=1)
        if not isinstance(mask, np.ndarray):
            _checks.choice("mask", mask, pictures.MASKS)
        self.mask = mask
        self.images = images
        self.samples = _checks.integer("samples", samples, at_least=1)
        self.seeds = _checks.integer("seeds", seeds, at_least=1)
        self.region = _checks.choice("region", region, _REGIONS)
        self.mode = _checks.choice("mode", mode, _MODES)
        self.max_batch = _checks.integer("max_batch", max_batch, at_least=1)
        self.compile = _checks.flag("compile", compile)
        self.keep_images = _checks.flag("keep_images", keep_images)
        self.channels_last = _checks.flag("channels_last", channels_last)
        if cache_dir is not None:
            _checks.instance("cache_dir", cache_dir, _PATH, "a folder or None")
        self.cache_dir = Path(cache_dir) if cache_dir is not None else _user_cache()
        if self.cache_dir.exists() and not self.cache_dir.is_dir():
            raise ValueError(f"cache_dir must be a folder, got the file {str(cache_dir)!r}")
        self.schedule = self._schedule(self.schedule_calls)
        for i, scene in enumerate(self.pool):  # bad pictures or masks are found now
            pictures.mask(mask, scene, i)

    # -- serving -------------------------------------------------------------------------------

    def serve(self, requests: Sequence[Request]) -> list[Result]:
        """Repaint all requests in one continuous batch; each leaves it when its steps are done.

        Raises:
            TypeError, ValueError: a bad request, before anything is run.
            OutOfMemoryError: says the largest batch that fits, and keeps what was served.
        """
        checked = [self._check(request) for request in requests]
        jobs = [self._job(request, (request.steps,)) for request in checked]
        results: dict[int, Result] = {}

        def deliver(number: int, calls: int, picture: torch.Tensor) -> None:
            request = checked[number]
            image = np.where(request.mask[..., None], _to_array(picture), request.image)
            results[number] = Result(image, self.quality(request.image, image, request.mask))

        self._run(jobs, deliver, results)
        return [results[number] for number in range(len(jobs))]

    def measure(
        self, images: Sequence[Any], seeds: Sequence[int], steps: Sequence[int]
    ) -> np.ndarray:
        """SSIM at every number of steps, from one chain an image and seed.

        Args:
            images: pictures (size, size, 3), or `Scene`s, whose road the mask may be.
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
        scenes = [self._scene(image) for image in images]
        masks = [pictures.mask(self.mask, scene, i) for i, scene in enumerate(scenes)]
        return self._measure(scenes, masks, [_seed(seed) for seed in seeds], stops)

    def _measure(
        self,
        scenes: list[Scene],
        masks: list[np.ndarray],
        seeds: Sequence[int],
        stops: Sequence[int],
    ) -> np.ndarray:
        values = np.zeros((len(scenes), len(seeds), len(stops)))
        chains = [
            (scene.image, mask, seed)
            for scene, mask in zip(scenes, masks, strict=True)
            for seed in seeds
        ]
        if self.mode == "respaced":
            wanted = [
                Request(image, mask, calls, seed) for image, mask, seed in chains for calls in stops
            ]
            values.flat[:] = [result.ssim for result in self.serve(wanted)]
            return values
        requests = [Request(image, mask, stops[-1], seed) for image, mask, seed in chains]
        place = {calls: j for j, calls in enumerate(stops)}

        def deliver(number: int, calls: int, picture: torch.Tensor) -> None:
            request = requests[number]
            image = np.where(request.mask[..., None], _to_array(picture), request.image)
            i, j = divmod(number, len(seeds))
            values[i, j, place[calls]] = self.quality(request.image, image, request.mask)

        self._run([self._job(request, stops) for request in requests], deliver, {})
        return values

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

    # -- the curve -----------------------------------------------------------------------------

    def curve(self, progress: Callable[[int, int], None] | None = None) -> Curve:
        """The calibration: SSIM at every step over `samples` pictures, kept on disk.

        A calibration that was cut short goes on where it stopped.

        Args:
            progress: called with pictures done and pictures in all.
        """
        folder = self.cache_dir / self.digest
        steps = np.arange(len(self.schedule) + 1)
        scenes = self.pool
        rows = []
        for i, scene in enumerate(scenes):
            path = folder / f"{i}.npy"
            if path.exists():
                rows.append(np.load(path))
                continue
            where = pictures.mask(self.mask, scene, i)
            # Each picture has noise of its own, or the mean would keep the noise they share.
            seeds = range(i * self.seeds, (i + 1) * self.seeds)
            measured = self._measure([scene], [where], seeds, range(1, len(steps)))[0]
            nothing = np.where(where[..., None], np.float32(0.5), scene.image)
            at_zero = np.full((self.seeds, 1), self.quality(scene.image, nothing, where))
            rows.append(np.concatenate([at_zero, measured], axis=1))
            folder.mkdir(parents=True, exist_ok=True)
            _keep(path, rows[-1])
            if progress:
                progress(i + 1, len(scenes))
        return Curve(steps, np.stack(rows))

    def calibrate(self) -> TabulatedSSIM:
        """The measured mean curve as an SSIM model; read where it was measured before."""
        return self._table

    @cached_property
    def pool(self) -> list[Scene]:
        """The pictures that are calibrated on and played with."""
        return pictures.load(self.images, self._diffusion.size, self.samples)

    @cached_property
    def digest(self) -> str:
        """Of all that the curve depends on: weights, pictures, masks and settings."""
        content = hashlib.sha256(self._diffusion.digest.encode())
        for i, scene in enumerate(self.pool):
            # To whole grey values: libraries differ in the last digits of a drawn scene.
            content.update(np.round(scene.image * 255).astype(np.uint8).tobytes())
            content.update(pictures.mask(self.mask, scene, i).tobytes())
        settings = {
            name: getattr(self, name)
            for name in ("dtype", "jump_length", "jump_n_sample", "mode", "region", "seeds")
        }
        content.update(json.dumps({**settings, "calls": len(self.schedule)}).encode())
        return content.hexdigest()[:20]

    # -- the model of the game -----------------------------------------------------------------

    @property
    def max_steps(self) -> float:
        """All that can be bought: the calls of the chain."""
        return float(len(self.schedule))

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
        """
        chosen = rng.integers(len(self.pool), size=len(steps))
        seeds = rng.integers(2**31, size=len(steps))
        results: dict[int, Result] = {}
        requests = {}
        for k, calls in enumerate(steps):
            scene = self.pool[chosen[k]]
            where = pictures.mask(self.mask, scene, int(chosen[k]))
            if calls >= 1:
                requests[k] = Request(scene.image, where, int(calls), int(seeds[k]))
            else:
                grey = np.where(where[..., None], np.float32(0.5), scene.image)
                results[k] = Result(grey, self.quality(scene.image, grey, where))
        results.update(zip(requests, self.serve(list(requests.values())), strict=True))
        return [results[k] for k in range(len(steps))]

    # -- inside --------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> RePaintSSIM:
        return self  # nothing in it changes, and copies of an environment may share a network

    def __getstate__(self) -> dict[str, Any]:
        loaded = ("_diffusion", "_network", "pool")
        return {name: value for name, value in vars(self).items() if name not in loaded}

    @cached_property
    def _table(self) -> TabulatedSSIM:
        shipped = model.BUNDLED / "curves" / f"{self.digest}.npy"  # of the bundled model
        if shipped.exists():
            values = np.load(shipped).astype(np.float64)
            return Curve(np.arange(values.shape[-1]), values).table()
        return self.curve().table()

    @cached_property
    def _diffusion(self) -> model.Diffusion:
        return model.load(self.checkpoint)

    @cached_property
    def _network(self) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        network: Any = self._diffusion.network
        network = network.to(self.device)
        if self.dtype != "float32":  # diffusers warns of any change of type
            network = network.to(_DTYPES[self.dtype])
        if self.channels_last:
            network = network.to(memory_format=torch.channels_last)
        if self.compile:
            network = torch.compile(network)

        def predict(noisy: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
            if self.channels_last:
                noisy = noisy.contiguous(memory_format=torch.channels_last)
            with torch.inference_mode():
                return network(noisy, times, return_dict=False)[0]

        return predict

    def _schedule(self, calls: int) -> sampler.Schedule:
        levels = self._diffusion.alphas_cumprod
        if calls > len(levels):
            raise ValueError(
                f"schedule_calls must be at most {len(levels)}, the model's times, got {calls}"
            )
        if self.mode == "respaced":
            return sampler.respaced(levels, calls)
        return sampler.with_jumps(levels, calls, self.jump_length, self.jump_n_sample)

    def _job(self, request: Request, stops: Sequence[int]) -> sampler.Job:
        schedule = self.schedule
        if self.mode == "respaced":
            schedule = self._schedule(request.steps)
        image = torch.from_numpy(request.image).permute(2, 0, 1) * 2 - 1
        unknown = torch.from_numpy(request.mask)[None]
        return sampler.Job(image, unknown, schedule, stops, request.seed)

    def _run(
        self, jobs: list[sampler.Job], deliver: sampler.Deliver, served: dict[int, Result]
    ) -> None:
        try:
            with torch.inference_mode():
                sampler.run(
                    self._network,
                    jobs,
                    deliver,
                    device=self.device,
                    dtype=_DTYPES[self.dtype],
                    clip=self._diffusion.clip,
                    max_batch=self.max_batch,
                )
        except torch.OutOfMemoryError as error:
            traceback.clear_frames(error.__traceback__)  # they hold the batch that did not fit
            fits = self._largest_batch(min(self.max_batch, len(jobs)) - 1)
            raise OutOfMemoryError(
                f"max_batch must be at most {fits} on {self.device}, got {self.max_batch}; "
                f"{len(served)} of {len(jobs)} requests were served and are kept in `served`",
                served,
            ) from error

    def _largest_batch(self, below: int) -> int:
        """The largest batch that fits, by halving."""
        size, fits, dtype = self._diffusion.size, 0, _DTYPES[self.dtype]
        while fits < below:
            trial = (fits + below + 1) // 2
            try:
                noisy = torch.zeros(trial, 3, size, size, device=self.device, dtype=dtype)
                self._network(noisy, torch.zeros(trial, device=self.device, dtype=torch.int64))
                fits = trial
            except torch.OutOfMemoryError:
                below = trial - 1
        return fits

    def _scene(self, image: Any) -> Scene:
        scene = image if isinstance(image, Scene) else Scene(image, np.zeros((1, 1), bool))
        return scene._replace(image=pictures.check(scene.image, self._diffusion.size))

    def _check(self, request: Request) -> Request:
        _checks.instance("request", request, Request, "a Request(image, mask, steps, seed)")
        steps = _checks.integer("steps", request.steps, at_least=1)
        if steps > len(self.schedule):
            raise ValueError(f"steps must be at most {len(self.schedule)}, got {steps}")
        seed = _seed(request.seed)
        image = pictures.check(request.image, self._diffusion.size)
        mask = pictures.mask(np.asarray(request.mask), Scene(image, np.zeros((1, 1), bool)), 0)
        return Request(image, mask, steps, seed)


def _device(name: str) -> torch.device:
    allowed = "'cpu', 'cuda', 'cuda:1' or 'mps'"
    if not isinstance(name, str):
        raise TypeError(f"device must be {allowed}, got {name!r} of type {type(name).__name__}")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device must be {allowed}, got {name!r}") from None
    if device.type not in _DEVICES:  # "meta" would paint nothing at all
        raise ValueError(f"device must be {allowed}, got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name!r} is not there: torch sees {torch.cuda.device_count()} CUDA devices"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device {name!r} is not there: torch sees no MPS device")
    return device


def _seed(seed: Any) -> int:
    seed = _checks.integer("seed", seed, at_least=0)
    if seed >= 2**63:
        raise ValueError(f"seed must be below 2**63, got {seed}")
    return seed


def _user_cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "aigc_market" / "repaint"


def _to_array(picture: torch.Tensor) -> np.ndarray:
    """(3, H, W) in [−1, 1] to (H, W, 3) in [0, 1]."""
    array = ((picture.clamp(-1, 1) + 1) / 2).permute(1, 2, 0).to("cpu", torch.float32)
    return np.ascontiguousarray(array.numpy())


def _keep(path: Path, array: np.ndarray) -> None:
    partial = path.with_suffix(f".{os.getpid()}.tmp")  # of this process: several may calibrate
    with open(partial, "wb") as file:
        np.save(file, array)
    partial.replace(path)
