"""Random tensors, asked for as `numpy.random.Generator` is."""

from __future__ import annotations

from typing import Any

import torch


class Draws:
    """A stream of random numbers on a device, by the names of NumPy's generators.

    Compilers cannot follow a generator of one's own: what is compiled draws from torch's own of the
    device, which `torch.manual_seed` seeds.

    Args:
        device: of the tensors.
        dtype: of the tensors.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._generator = torch.Generator(device)

    def seed(self, seed: int) -> None:
        """Begin the stream of a seed."""
        self._generator.manual_seed(seed)

    def state(self) -> torch.Tensor:
        """Where the stream is, for `go_back`."""
        return self._generator.get_state()

    def go_back(self, state: torch.Tensor) -> None:
        """Go on from there."""
        self._generator.set_state(state)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            "laws and moves must draw by random, uniform, standard_normal or standard_exponential "
            f"in games on tensors, got {name!r}"
        )

    @property
    def _kind(self) -> dict[str, Any]:
        kind: dict[str, Any] = {"device": self._device, "dtype": self._dtype}
        return kind if torch.compiler.is_compiling() else {**kind, "generator": self._generator}

    def random(self, shape: Any) -> torch.Tensor:
        """Uniform on [0, 1)."""
        return torch.rand(shape, **self._kind)

    def uniform(self, low: Any, high: Any, shape: Any) -> torch.Tensor:
        """Uniform between bounds that broadcast with the shape."""
        return low + self.random(shape) * (high - low)

    def standard_normal(self, shape: Any) -> torch.Tensor:
        """Standard normal."""
        return torch.randn(shape, **self._kind)

    def standard_exponential(self, shape: Any) -> torch.Tensor:
        """Exponential with mean 1."""
        return -torch.log1p(-self.random(shape))
