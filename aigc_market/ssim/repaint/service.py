"""The live SSIM model: pictures are really repainted, and their SSIM really measured."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from aigc_market import _checks
from aigc_market.ssim.model import DemandCurve, Result
from aigc_market.ssim.repaint import calibration, model, painter, pictures
from aigc_market.ssim.repaint.calibration import Curve
from aigc_market.ssim.repaint.painter import Painter, Request
from aigc_market.ssim.scenes import Scene
from aigc_market.ssim.tabulated import TabulatedSSIM

if TYPE_CHECKING:
    from aigc_market.ssim.repaint.fleet import Fleet

_ENGINES = ("local", "ray")
_PAINTERS_OWN = (
    *("checkpoint", "dtype", "schedule_calls", "jump_length", "jump_n_sample", "region", "mode"),
    *("max_batch", "compile", "channels_last"),
)
_PATH = (str, os.PathLike)
_CHECKPOINTS = "'bundled', a folder or a hub id"


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
        self.checkpoint = str(_checks.instance("checkpoint", checkpoint, _PATH, _CHECKPOINTS))
        self.engine = _checks.choice("engine", engine, _ENGINES)
        self.workers = _checks.integer("workers", workers, at_least=1)
        self.num_gpus_per_worker = _checks.number(
            "num_gpus_per_worker", num_gpus_per_worker, at_least=0
        )
        self.device = self._device(device)
        self.dtype = _checks.choice("dtype", dtype, painter.DTYPES)
        self.schedule_calls = _checks.integer("schedule_calls", schedule_calls, at_least=1)
        self.jump_length = _checks.integer("jump_length", jump_length, at_least=1)
        self.jump_n_sample = _checks.integer("jump_n_sample", jump_n_sample, at_least=1)
        if not isinstance(mask, np.ndarray):
            _checks.choice("mask", mask, pictures.MASKS)
        self.mask = mask
        self.images = images
        self.samples = _checks.integer("samples", samples, at_least=1)
        self.seeds = _checks.integer("seeds", seeds, at_least=1)
        self.region = _checks.choice("region", region, painter.REGIONS)
        self.mode = _checks.choice("mode", mode, painter.MODES)
        self.max_batch = _checks.integer("max_batch", max_batch, at_least=1)
        self.compile = _checks.flag("compile", compile)
        self.keep_images = _checks.flag("keep_images", keep_images)
        self.channels_last = _checks.flag("channels_last", channels_last)
        if cache_dir is not None:
            _checks.instance("cache_dir", cache_dir, _PATH, "a folder or None")
        self.cache_dir = Path(cache_dir) if cache_dir is not None else _user_cache()
        if self.cache_dir.exists() and not self.cache_dir.is_dir():
            raise ValueError(f"cache_dir must be a folder, got the file {str(cache_dir)!r}")
        self._painter = Painter(
            **{name: getattr(self, name) for name in _PAINTERS_OWN}, device=str(self.device)
        )
        self.schedule = self._painter.schedule
        for i, scene in enumerate(self.pool):  # bad pictures or masks are found now
            pictures.mask(mask, scene, i)
        if self.engine == "ray":
            self._painters  # noqa: B018 (connects, and finds out whether there is room)

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
        return self._painters.serve([self._check(request) for request in requests])

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
        scenes = [self._scene(image) for image in images]
        chains = [
            Request(scene.image, where, stops[-1], seed)
            for i, scene in enumerate(scenes)
            for where in [pictures.mask(self.mask, scene, i)]
            for seed in map(_seed, seeds)
        ]
        return self._measure(chains, stops).reshape(len(scenes), len(seeds), len(stops))

    def _measure(self, chains: list[Request], stops: Sequence[int]) -> np.ndarray:
        return np.array(self._painters.measure(chains, stops))

    def quality(self, original: np.ndarray, image: np.ndarray, mask: np.ndarray) -> float:
        """SSIM of a picture against the original, over the region that counts."""
        return self._painter.quality(original, image, mask)

    # -- the curve -----------------------------------------------------------------------------

    def curve(self, progress: Callable[[int, int], None] | None = None) -> Curve:
        """The calibration: SSIM at every step over `samples` pictures, kept on disk.

        A calibration that was cut short goes on where it stopped.

        Args:
            progress: called with pictures done and pictures in all.
        """
        rows = calibration.complete(
            self.cache_dir / self.digest,
            len(self.pool),
            self._rows,
            at_once=self.workers,
            progress=progress,
        )
        return Curve(np.arange(rows.shape[-1]), rows)

    def _rows(self, numbers: list[int]) -> list[np.ndarray]:
        """SSIM of pictures of the pool at every step from 0 on, (seeds, M) each."""
        stops = range(1, len(self.schedule) + 1)
        at_zero, chains = [], []
        for i in numbers:
            image = self.pool[i].image
            where = pictures.mask(self.mask, self.pool[i], i)
            at_zero.append(self.quality(image, _grey(image, where), where))
            # Each picture has noise of its own, or the mean would keep the noise they share.
            seeds = range(i * self.seeds, (i + 1) * self.seeds)
            chains += [Request(image, where, stops[-1], seed) for seed in seeds]
        measured = self._measure(chains, stops).reshape(len(numbers), self.seeds, len(stops))
        return [
            np.concatenate([np.full((self.seeds, 1), first), rest], axis=1)
            for first, rest in zip(at_zero, measured, strict=True)
        ]

    def calibrate(self) -> TabulatedSSIM:
        """The measured mean curve as an SSIM model; read where it was measured before."""
        return self._table

    @cached_property
    def pool(self) -> list[Scene]:
        """The pictures that are calibrated on and played with."""
        return pictures.load(self.images, self._painter.diffusion.size, self.samples)

    @cached_property
    def digest(self) -> str:
        """Of all that the curve depends on: weights, pictures, masks and settings."""
        content = hashlib.sha256(self._painter.diffusion.digest.encode())
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
                grey = _grey(scene.image, where)
                results[k] = Result(grey, self.quality(scene.image, grey, where))
        results.update(zip(requests, self.serve(list(requests.values())), strict=True))
        return [results[k] for k in range(len(steps))]

    # -- inside --------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> RePaintSSIM:
        return self  # nothing in it changes, and copies of an environment may share a network

    def __getstate__(self) -> dict[str, Any]:
        loaded = ("_painters", "pool")
        return {name: value for name, value in vars(self).items() if name not in loaded}

    @cached_property
    def _table(self) -> TabulatedSSIM:
        shipped = model.BUNDLED / "curves" / f"{self.digest}.npy"  # of the bundled model
        if shipped.exists():
            values = np.load(shipped).astype(np.float64)
            return Curve(np.arange(values.shape[-1]), values).table()
        return self.curve().table()

    @cached_property
    def _painters(self) -> Painter | Fleet:
        if self.engine == "local":
            return self._painter
        try:
            from aigc_market.ssim.repaint.fleet import Fleet
        except ImportError:
            raise ImportError(
                "engine 'ray' needs Ray: pip install 'aigc-market[ray]'; 'local' needs nothing"
            ) from None
        return Fleet(self._painter, self.workers, self.num_gpus_per_worker)

    def _device(self, name: str) -> torch.device:
        """The device; with engine "ray" it is the workers', who look for it themselves."""
        gpus = self.num_gpus_per_worker
        if self.engine == "local":
            if self.workers != 1 or gpus != 0:
                raise ValueError(
                    "workers must be 1 and num_gpus_per_worker 0 with engine 'local', "
                    f"got {self.workers} and {gpus:g}: engine 'ray' has more"
                )
            return painter.check_device(name)
        if name not in ("cpu", "cuda"):
            raise ValueError(
                f"device must be 'cpu' or 'cuda' with engine 'ray', which picks GPUs, got {name!r}"
            )
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(f"num_gpus_per_worker above 1 must be a whole number, got {gpus:g}")
        if (name == "cuda") != (gpus > 0):
            allowed = "above 0 with device 'cuda'" if name == "cuda" else "0 with device 'cpu'"
            raise ValueError(f"num_gpus_per_worker must be {allowed}, got {gpus:g}")
        return torch.device(name)

    def _scene(self, image: Any) -> Scene:
        scene = image if isinstance(image, Scene) else Scene(image, np.zeros((1, 1), bool))
        return scene._replace(image=pictures.check(scene.image, self._painter.diffusion.size))

    def _check(self, request: Request) -> Request:
        _checks.instance("request", request, Request, "a Request(image, mask, steps, seed)")
        steps = _checks.integer("steps", request.steps, at_least=1)
        if steps > len(self.schedule):
            raise ValueError(f"steps must be at most {len(self.schedule)}, got {steps}")
        seed = _seed(request.seed)
        image = pictures.check(request.image, self._painter.diffusion.size)
        mask = pictures.mask(np.asarray(request.mask), Scene(image, np.zeros((1, 1), bool)), 0)
        return Request(image, mask, steps, seed)


def _seed(seed: Any) -> int:
    seed = _checks.integer("seed", seed, at_least=0)
    if seed >= 2**63:
        raise ValueError(f"seed must be below 2**63, got {seed}")
    return seed


def _user_cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "aigc_market" / "repaint"


def _grey(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The picture of which nothing has been painted."""
    return np.where(where[..., None], np.float32(0.5), image)
