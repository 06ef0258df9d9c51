"""The live SSIM model: pictures are really repainted, and their SSIM really measured."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_market import _checks
from aigc_market._files import write_atomically
from aigc_market.ssim.model import DemandCurve, Measured, Result
from aigc_market.ssim.repaint import calibration, diffusion, pictures
from aigc_market.ssim.repaint.calibration import Curve
from aigc_market.ssim.repaint.painter import Painter, check_device
from aigc_market.ssim.repaint.pictures import Request
from aigc_market.ssim.repaint.sampler import Schedule
from aigc_market.ssim.scenes import Scene
from aigc_market.ssim.tabulated import TabulatedSSIM

if TYPE_CHECKING:
    from aigc_market.ssim.repaint.fleet import Fleet


@dataclass(eq=False, repr=False)
class RePaintSSIM(Measured):
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

    checkpoint: str | os.PathLike[str] = "bundled"
    device: str = "cpu"
    dtype: str = "float32"
    schedule_calls: int = 250
    jump_length: int = 10
    jump_n_sample: int = 1
    mask: Any = "half"
    images: Any = "scenes"
    samples: int = 10
    seeds: int = 1
    region: str = "whole"
    mode: str = "executed"
    max_batch: int = 64
    compile: bool = False
    channels_last: bool = False
    keep_images: bool = False
    cache_dir: str | os.PathLike[str] | None = None
    engine: str = "local"
    workers: int = 1
    num_gpus_per_worker: float = 0

    def __post_init__(self) -> None:
        _check_engine(self.engine, self.device, self.workers, self.num_gpus_per_worker)
        painters = {field.name: getattr(self, field.name) for field in fields(Painter)}
        self.painter = Painter(**painters)
        """The model on its device, as each process has it."""
        self.mask, self.images = copy.deepcopy((self.mask, self.images))
        if isinstance(self.mask, np.ndarray):
            self.mask.flags.writeable = False
        else:
            _checks.choice("mask", self.mask, pictures.MASKS)
        for name in ("samples", "seeds"):
            _checks.integer(name, getattr(self, name), at_least=1)
        _checks.flag("keep_images", self.keep_images)
        self.cache_dir = _folder(self.cache_dir)
        # What is wrong with the model, the pictures or the cluster is found now.
        _ = self.schedule, self._scenes, self._painters

    @property
    def schedule(self) -> Schedule:
        """The calls of the whole chain."""
        return self.painter.schedule

    @property
    def pool(self) -> list[Scene]:
        """The pictures that are calibrated on and played with."""
        return copy.deepcopy(self._scenes)

    @cached_property
    def digest(self) -> str:
        """Of all that the curve depends on: weights, pictures, masks and settings."""
        content = hashlib.sha256(self.painter.diffusion.digest.encode())
        for number in range(len(self._scenes)):
            request = self._request(number, steps=1, seed=0)
            # To whole grey values: libraries differ in the last digits of a drawn scene.
            content.update(np.round(request.image * 255).astype(np.uint8).tobytes())
            content.update(request.mask.tobytes())
        names = ("dtype", "jump_length", "jump_n_sample", "mode", "region")
        settings = {name: getattr(self.painter, name) for name in names}
        settings |= {"seeds": self.seeds, "calls": len(self.schedule)}
        content.update(json.dumps(settings).encode())
        return content.hexdigest()[:20]

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
        size, calls = self.painter.diffusion.size, len(self.schedule)
        return self._painters.serve([pictures.check_request(r, size, calls) for r in requests])

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
        most = len(self.schedule)
        stops = [_checks.integer("steps", s, at_least=1, at_most=most) for s in steps]
        if not stops or sorted(set(stops)) != stops:
            raise ValueError(f"steps must ascend within 1 to {most}, got {list(steps)!r}")
        seeds = [pictures.check_seed(seed) for seed in seeds]
        scenes = [pictures.as_scene(image, self.painter.diffusion.size) for image in images]
        chains = [
            self._ask(scene, number, stops[-1], seed)
            for number, scene in enumerate(scenes)
            for seed in seeds
        ]
        values = np.array(self._painters.measure(chains, stops))
        return values.reshape(len(scenes), len(seeds), len(stops))

    def quality(self, original: np.ndarray, image: np.ndarray, mask: np.ndarray) -> float:
        """SSIM of a picture against the original, over the region that counts."""
        return self.painter.quality(original, image, mask)

    def curve(self, progress: Callable[[int, int], None] | None = None) -> Curve:
        """The calibration: SSIM at every step over `samples` pictures, kept on disk.

        A calibration that was cut short goes on where it stopped.

        Args:
            progress: called with pictures done and pictures in all.

        Raises:
            ValueError: a file among those kept that is of something else.
        """
        folder = _folder(self.cache_dir) / self.digest
        paths = [folder / f"{i}.npy" for i in range(len(self._scenes))]
        shape = self.seeds, len(self.schedule) + 1
        rows = {i: calibration.read(path, shape) for i, path in enumerate(paths) if path.exists()}
        missing = [i for i in range(len(paths)) if i not in rows]
        for start in range(0, len(missing), self.workers):  # each worker has one to measure
            numbers = missing[start : start + self.workers]
            folder.mkdir(parents=True, exist_ok=True)
            for i, row in zip(numbers, self._measured(numbers), strict=True):
                write_atomically(paths[i], lambda file, row=row: np.save(file, row))
                rows[i] = row
            if progress:
                progress(len(rows), len(paths))
        return Curve(np.stack([rows[i] for i in range(len(paths))]))

    def calibrate(self) -> TabulatedSSIM:
        """The measured mean curve as an SSIM model; read where it was measured before."""
        return self._table

    def serve_round(self, steps: Sequence[float], rng: np.random.Generator) -> list[Result]:
        """Serve a round of the game: each VMU brings a picture of the pool; 0 steps serve grey.

        Args:
            steps: whole numbers of steps, one a VMU.
            rng: draws the pictures and the seeds of the noise.

        Raises:
            TypeError, ValueError: steps that are no whole calls of the chain.
        """
        most = len(self.schedule)
        calls = np.asarray(_checks.numeric("steps", steps, at_least=0, at_most=most))
        if calls.ndim != 1 or np.any(calls != np.rint(calls)):
            raise ValueError(f"steps must be whole numbers, one a VMU, got {steps!r}")
        chosen = rng.integers(len(self._scenes), size=len(calls)).tolist()
        seeds = rng.integers(2**31, size=len(calls)).tolist()
        whole = calls.astype(int).tolist()
        brought = [self._request(*each) for each in zip(chosen, whole, seeds, strict=True)]
        painted = iter(self._painters.serve([asked for asked in brought if asked.steps]))
        return [next(painted) if asked.steps else self._unpainted(asked) for asked in brought]

    # -- the model of the game: the table's ----------------------------------------------------

    @property
    def max_steps(self) -> float:
        return float(len(self.schedule))

    def __call__(self, steps: Any) -> Any:
        return self._table(steps)

    def gain(self, steps: Any) -> Any:
        return self._table.gain(steps)

    def demand(self, rate: Any, min_steps: Any, max_steps: Any) -> Any:
        return self._table.demand(rate, min_steps, max_steps)

    def demand_curve(self, min_steps: Any, max_steps: Any) -> DemandCurve:
        return self._table.demand_curve(min_steps, max_steps)

    def check_market(self, min_steps: Any, max_steps: Any) -> None:
        self._table.check_market(min_steps, max_steps)
        for name, bound in (("min_steps", min_steps), ("max_steps", max_steps)):
            if bound != int(bound):
                raise ValueError(f"{name} must be a whole number of network calls, got {bound:g}")

    # -- inside --------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> RePaintSSIM:
        return self  # nothing in it changes, and copies of an environment may share a network

    def __getstate__(self) -> dict[str, Any]:
        made_again = ("_painters", "_scenes")
        return {name: value for name, value in vars(self).items() if name not in made_again}

    @cached_property
    def _painters(self) -> Painter | Fleet:
        if self.engine == "local":
            return self.painter
        try:
            from aigc_market.ssim.repaint.fleet import Fleet
        except ImportError:
            raise ImportError(
                "engine 'ray' needs Ray: pip install 'aigc-market[ray]'; 'local' needs nothing"
            ) from None
        return Fleet(self.painter, self.workers, self.num_gpus_per_worker)

    @cached_property
    def _scenes(self) -> list[Scene]:
        scenes = pictures.load(self.images, self.painter.diffusion.size, self.samples)
        for number, scene in enumerate(scenes):
            self._ask(scene, number, steps=1, seed=0)  # does the mask fit?
        return scenes

    @cached_property
    def _table(self) -> TabulatedSSIM:
        shipped = diffusion.BUNDLED / "curves" / f"{self.digest}.npy"
        if shipped.exists():
            return Curve(np.load(shipped).astype(np.float64)).table()
        return self.curve().table()

    def _request(self, number: int, steps: int, seed: int) -> Request:
        return self._ask(self._scenes[number], number, steps, seed)

    def _ask(self, scene: Scene, number: int, steps: int, seed: int) -> Request:
        """The request of any picture, masked as the pool's of that number (random strokes vary)."""
        return Request(scene.image, pictures.mask(self.mask, scene, number), steps, seed)

    def _unpainted(self, request: Request) -> Result:
        """The unknown region is grey; its SSIM is SSIM(0)."""
        grey = np.where(request.mask[..., None], np.float32(0.5), request.image)
        return Result(grey, self.quality(request.image, grey, request.mask))

    def _measured(self, numbers: Sequence[int]) -> np.ndarray:
        """SSIM of pictures of the pool at every step from 0 on, (pictures, seeds, M)."""
        calls, seeds = len(self.schedule), range(self.seeds)
        # Each picture has noise of its own, or the mean would keep the noise they share.
        chains = [self._request(n, calls, n * self.seeds + seed) for n in numbers for seed in seeds]
        measured = np.array(self._painters.measure(chains, range(1, calls + 1)))
        rows = np.column_stack([[self._unpainted(chain).ssim for chain in chains], measured])
        return rows.reshape(len(numbers), self.seeds, calls + 1)


def _check_engine(engine: str, device: str, workers: int, num_gpus_per_worker: float) -> None:
    """Of a local engine the device too; those of Ray look for it themselves."""
    _checks.choice("engine", engine, ("local", "ray"))
    _checks.integer("workers", workers, at_least=1)
    gpus = _checks.number("num_gpus_per_worker", num_gpus_per_worker, at_least=0)
    if engine == "local":
        if workers != 1 or gpus != 0:
            raise ValueError(
                "workers must be 1 and num_gpus_per_worker 0 with engine 'local', "
                f"got {workers} and {gpus:g}: engine 'ray' has more"
            )
        check_device(device)
        return
    if device not in ("cpu", "cuda"):
        raise ValueError(
            f"device must be 'cpu' or 'cuda' with engine 'ray', which picks GPUs, got {device!r}"
        )
    if gpus > 1 and gpus != int(gpus):
        raise ValueError(f"num_gpus_per_worker above 1 must be a whole number, got {gpus:g}")
    if (device == "cuda") != (gpus > 0):
        allowed = "above 0 with device 'cuda'" if gpus == 0 else "0 with device 'cpu'"
        raise ValueError(f"num_gpus_per_worker must be {allowed}, got {gpus:g}")


def _folder(cache_dir: str | os.PathLike[str] | None) -> Path:
    """Of the curves of all services; by default in the user's cache."""
    if cache_dir is None:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(root) / "aigc_market" / "repaint"
    _checks.instance("cache_dir", cache_dir, (str, os.PathLike), "a folder or None")
    folder = Path(cache_dir)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"cache_dir must be a folder, got the file {str(cache_dir)!r}")
    return folder
