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

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_MODEL_KEYS = ("sample_size", "in_channels", "out_channels", "block_out_channels")
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
    local = folder.is_dir()
    if local:
        _check_folder(folder)
    elif checkpoint == "bundled":  # never an id on the hub
        raise CheckpointError(f"checkpoint 'bundled' must be the folder {folder}: it is not there")
    elif checkpoint.count("/") > 1 or checkpoint.startswith((".", "/", "~")):
        raise CheckpointError(f"checkpoint must be a folder that exists, got {checkpoint!r}")
    source = str(folder) if local else checkpoint
    nested = (folder / "unet").is_dir()
    try:
        model_place: dict[str, Any] = {"subfolder": "unet"} if nested else {}
        schedule_place: dict[str, Any] = {"subfolder": "scheduler"} if nested else {}
        loaded: Any = UNet2DModel.from_pretrained(
            source,
            use_safetensors=True,
            torch_dtype=torch.float32,
            low_cpu_mem_usage=False,  # True needs another package, and warns without it
            output_loading_info=True,
            **model_place,
        )
        settings = [
            UNet2DModel.load_config(source, **model_place),
            DDPMScheduler.load_config(source, **schedule_place),
        ]
        schedule: Any = DDPMScheduler.from_pretrained(source, **schedule_place)
    except Exception as error:  # of many kinds, by what is wrong with the files
        raise CheckpointError(
            f"checkpoint {checkpoint!r} could not be loaded as a UNet2DModel in safetensors with a "
            f"scheduler_config.json: {error}"
        ) from error
    network, info = loaded
    # Where weights are missing, diffusers goes on with random ones.
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[what]:
            raise CheckpointError(
                f"checkpoint {checkpoint!r} must hold the weights that its config.json describes, "
                f"got {what.replace('_', ' ')} {info[what][0]} and {len(info[what]) - 1} more"
            )
    return _checked(checkpoint, network, schedule, settings)


def _check_folder(folder: Path) -> None:
    model, schedule = (
        (folder / "unet", folder / "scheduler") if (folder / "unet").is_dir() else (folder, folder)
    )
    pickles = sorted(
        path.name for path in model.iterdir() if path.suffix in (".bin", ".ckpt", ".pt", ".pth")
    )
    if not (model / _WEIGHTS).exists():
        reason = (
            f"it holds {', '.join(pickles)}: unpickling a file can run any code, so only "
            "safetensors are loaded; convert it with diffusers' save_pretrained"
            if pickles
            else "it is not there"
        )
        raise CheckpointError(f"checkpoint {folder} must hold {_WEIGHTS}: {reason}")
    for path, keys in (
        (model / "config.json", _MODEL_KEYS),
        (schedule / "scheduler_config.json", _SCHEDULE_KEYS),
    ):
        if not path.exists():
            raise CheckpointError(f"checkpoint {folder} must hold {path.name}: it is not there")
        try:
            config = read_json(path)
        except ValueError as error:
            raise CheckpointError(str(error)) from None
        missing = [key for key in keys if key not in config]
        if missing:
            raise CheckpointError(f"{path} must name {', '.join(missing)}")


def _checked(checkpoint: str, network: Any, schedule: Any, settings: list[Any]) -> Diffusion:
    channels = network.config.in_channels, network.config.out_channels
    if channels != (3, 3):
        raise CheckpointError(
            f"checkpoint {checkpoint!r} must take and give 3 channels, its network has {channels}"
        )
    size = network.config.sample_size
    if not isinstance(size, int) or size < _SMALLEST:
        raise CheckpointError(
            f"checkpoint {checkpoint!r} must have a sample_size of at least {_SMALLEST} pixels, "
            f"the window of SSIM, got {size!r}"
        )
    kind = schedule.config.get("prediction_type", "epsilon")
    if kind != "epsilon":
        raise CheckpointError(f"checkpoint {checkpoint!r} must predict epsilon (noise), not {kind}")
    weights = network.state_dict()
    broken = [name for name, value in weights.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise CheckpointError(
            f"checkpoint {checkpoint!r} must hold finite weights, got NaN or infinity in "
            f"{broken[0]} and {len(broken) - 1} more"
        )
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    # As written in the files: what diffusers fills in may change with its version, and ᾱ in its
    # last bit with the machine.
    for config in settings:
        written = {name: value for name, value in config.items() if not name.startswith("_")}
        digest.update(json.dumps(written, sort_keys=True).encode())
    levels = schedule.alphas_cumprod.to(torch.float64).numpy()
    network.eval().requires_grad_(False)
    clip = bool(schedule.config.get("clip_sample", True))
    return Diffusion(network, size, levels, clip, digest.hexdigest())
