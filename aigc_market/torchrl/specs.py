"""Gymnasium's spaces as TorchRL's specs, for agents side by side in games side by side."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium.spaces import Box, Discrete
from torchrl.data import Bounded, Categorical, MultiCategorical, TensorSpec, Unbounded


def spec_of(space: Any, shape: tuple[int, ...], kind: dict[str, Any]) -> TensorSpec:
    """The spec of a space, once for each place of a shape.

    Args:
        space: a flat Box, or Discrete or MultiDiscrete.
        shape: (N, agents), say.
        kind: `device` and `dtype` of real numbers.
    """
    if isinstance(space, Box):
        low, high = (
            torch.as_tensor(bound, **kind).expand(*shape, -1) for bound in (space.low, space.high)
        )
        return Bounded(low, high, torch.Size((*shape, *space.shape)), **kind)
    device = kind["device"]
    if isinstance(space, Discrete):
        return Categorical(int(space.n), torch.Size(shape), device=device)
    levels = torch.as_tensor(space.nvec, device=device)
    return MultiCategorical(levels, torch.Size((*shape, len(levels))), device=device)


def like(example: torch.Tensor) -> TensorSpec:
    """The spec of whatever has an example's shape and type."""
    return Unbounded(example.shape, dtype=example.dtype, device=example.device)
