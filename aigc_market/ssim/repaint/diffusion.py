"""Loading a diffusion model: weights in safetensors only, everything checked before use."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

from aigc_market._files import read_json

BUNDLED = Path(__file__).parent / "bundled"
"""The small model of road scenes that the package brings."""

_MODEL_KEYS = ("sample_size", "in_channels", "out_channels", "block_out_channels")
_PICKLES = (".bin", ".ckpt", ".pt", ".pth")
_SMALLEST = 11
_SCHEDULE_KEYS = ("num_train_timesteps", "beta_schedule")


class CheckpointError(ValueError):
    """A checkpoint that is missing, unsafe, damaged or of another kind."""


class Diffusion(NamedTuple):
    """A diffusion model and its noise schedule."""

    network: UNet2DModel
    size: int
    """Pixels of a side."""
    alphas_cumprod: np.ndarray
    """(T,) ᾱ of the training schedule."""
    clip: bool
    """Whether predictions of the clean picture are held within [−1, 1]."""
    digest: str
    """Of the weights and configurations."""


def load(checkpoint: str) -> Diffusion:
    """A diffusers DDPM: "bundled", a local folder, or the id of a model on the hub.

    A folder holds `config.json` and `diffusion_pytorch_model.safetensors` of a `UNet2DModel` and
    `scheduler_config.json`, side by side or in the folders `unet` and `scheduler`.

    Raises:
        CheckpointError: nothing there, pickled weights (loading them could run any code), damaged
            or non-finite weights, missing keys, or a model that does not predict noise of pictures.
    """
    folder = BUNDLED if checkpoint == "bundled" else Path(checkpoint)
    if folder.is_dir():
        nested = (folder / "unet").is_dir()
        places = [folder / "unet", folder / "scheduler"] if nested else [folder, folder]
        _check_files(folder, *places)
        model_place, schedule_place = map(str, places)
    elif checkpoint == "bundled":  # never an id on the hub
        raise CheckpointError(f"checkpoint 'bundled' must be the folder {folder}: it is not there")
    elif checkpoint.count("/") > 1 or checkpoint.startswith((".", "/", "~")):
        raise CheckpointError(f"checkpoint must be a folder that exists, got {checkpoint!r}")
    else:
        model_place = schedule_place = checkpoint
    try:
        loaded: Any = UNet2DModel.from_pretrained(
            model_place,
            use_safetensors=True,
            torch_dtype=torch.float32,
            low_cpu_mem_usage=False,  # True needs another package, and warns without it
            output_loading_info=True,
        )
        settings = [
            UNet2DModel.load_config(model_place),
            DDPMScheduler.load_config(schedule_place),
        ]
        schedule: Any = DDPMScheduler.from_pretrained(schedule_place)
    except Exception as error:  # of many kinds, by what is wrong with the files
        raise CheckpointError(
            f"checkpoint {checkpoint!r} could not be loaded as a UNet2DModel in safetensors with a "
            f"scheduler_config.json: {error}"
        ) from error
    network, info = loaded
    wrong = _wrong(network, info, schedule)
    if wrong:
        raise CheckpointError(f"checkpoint {checkpoint!r} must {wrong}")
    network.eval().requires_grad_(False)
    return Diffusion(
        network,
        network.config.sample_size,
        schedule.alphas_cumprod.to(torch.float64).numpy(),
        bool(schedule.config.get("clip_sample", True)),
        _digest(network, settings),
    )


def _check_files(folder: Path, model: Path, schedule: Path) -> None:
    """What diffusers would say nothing of, or nothing clear."""
    configs = {
        model / "config.json": _MODEL_KEYS,
        schedule / "scheduler_config.json": _SCHEDULE_KEYS,
    }
    for path in (model / "diffusion_pytorch_model.safetensors", *configs):
        if not path.exists():
            pickles = sorted(p.name for p in path.parent.glob("*") if p.suffix in _PICKLES)
            reason = "it is not there"
            if pickles:
                reason = (
                    f"it holds {', '.join(pickles)}: unpickling a file can run any code, so only "
                    "safetensors are loaded; convert it with diffusers' save_pretrained"
                )
            raise CheckpointError(f"checkpoint {folder} must hold {path.name}: {reason}")
    for path, keys in configs.items():
        try:
            missing = [key for key in keys if key not in read_json(path)]
        except ValueError as error:
            raise CheckpointError(str(error)) from None
        if missing:
            raise CheckpointError(f"{path} must name {', '.join(missing)}")


def _wrong(network: Any, info: dict[str, Any], schedule: Any) -> str | None:
    """What a model that was loaded must do, if there is something that it does not."""
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[what]:  # diffusers goes on, with random weights
            return (
                "hold the weights that its config.json describes, "
                f"got {what.replace('_', ' ')} {info[what][0]} and {len(info[what]) - 1} more"
            )
    channels = network.config.in_channels, network.config.out_channels
    if channels != (3, 3):
        return f"take and give 3 channels, its network has {channels}"
    size = network.config.sample_size
    if not isinstance(size, int) or size < _SMALLEST:
        return (
            f"have a sample_size of at least {_SMALLEST} pixels, the window of SSIM, got {size!r}"
        )
    kind = schedule.config.get("prediction_type", "epsilon")
    if kind != "epsilon":
        return f"predict epsilon (noise), not {kind}"
    weights = network.state_dict()
    broken = [name for name, value in weights.items() if not bool(torch.isfinite(value).all())]
    if broken:
        return f"hold finite weights, got NaN or infinity in {broken[0]} and {len(broken) - 1} more"
    return None


def _digest(network: Any, settings: list[Any]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    # As written in the files: what diffusers fills in may change with its version, and ᾱ in its
    # last bit with the machine.
    for config in settings:
        written = {name: value for name, value in config.items() if not name.startswith("_")}
        digest.update(json.dumps(written, sort_keys=True).encode())
    return digest.hexdigest()
