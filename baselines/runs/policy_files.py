"""Trained policies as files: weights, and JSON about them, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from aigc_market._files import parse_json
from baselines.runs.files import write_atomically


def write(path: Path, weights: Mapping[str, Tensor], config: dict[str, Any]) -> None:
    """Write a policy; the file appears whole or not at all.

    Args:
        path: of the file, `*.safetensors`.
        weights: by name.
        config: what the weights are of and how they came to be, as JSON takes it.
    """
    whole = {name: value.contiguous() for name, value in weights.items()}
    write_atomically(path, save(whole, metadata={"config": json.dumps(config)}))


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a policy's file says of itself, and its weights. Nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind.
    """
    wanted = f"path must be a file of trained weights, got {str(path)!r}"
    if not path.is_file():
        raise FileNotFoundError(wanted)
    try:
        with safe_open(path, framework="pt") as file:
            config = (file.metadata() or {}).get("config", "")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except SafetensorError as error:
        raise ValueError(f"{wanted}: it is no safetensors ({error})") from None
    return parse_json(f"{wanted}: its config", config), weights
