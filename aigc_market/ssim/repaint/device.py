"""Devices that may not be there."""

from __future__ import annotations

import torch


def check_device(name: str) -> torch.device:
    """The device of a name, if it is there.

    Raises:
        TypeError, ValueError: it is no device, or not there.
    """
    allowed = "'cpu', 'cuda', 'cuda:1' or 'mps'"
    if not isinstance(name, str):
        raise TypeError(f"device must be {allowed}, got {name!r} of type {type(name).__name__}")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device must be {allowed}, got {name!r}") from None
    if device.type not in ("cpu", "cuda", "mps"):  # "meta" would paint nothing at all
        raise ValueError(f"device must be {allowed}, got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name!r} is not there: torch sees {torch.cuda.device_count()} CUDA devices"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device {name!r} is not there: torch sees no MPS device")
    return device
