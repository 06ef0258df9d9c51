"""Many small networks as one: G multilayer perceptrons, each with rows and weights of its own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

SLOPE = 0.2
"""Of the leaky rectifier below zero, as in the published program."""


class Networks(nn.Module):
    """G perceptrons with leaky rectifiers.

    Args:
        weights: of each layer (G, in, out).
        biases: of each layer (G, 1, out).
    """

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(weights), nn.ParameterList(biases)

    def forward(self, x: Tensor) -> Tensor:
        """(G, n, out) of (G, n, in)."""
        layers = list(zip(self.weights, self.biases, strict=True))
        for weight, bias in layers[:-1]:
            x = leaky_relu(torch.baddbmm(bias, x, weight), SLOPE, inplace=True)
        weight, bias = layers[-1]
        return torch.baddbmm(bias, x, weight)


def drawn(
    rngs: Sequence[np.random.Generator],
    count: int,
    sizes: Sequence[int],
    last: float | None = None,
    bias: float = 0.0,
) -> Networks:
    """New networks: orthogonal hidden layers, and an even last one.

    Args:
        rngs: of each session, so that its networks are the same whatever stands beside it.
        count: networks of each session; those of the first session stand first.
        sizes: numbers read, widths of the hidden layers, numbers given.
        last: the last weights lie within ± this; None: Glorot's bound.
        bias: of the last layer.
    """
    weights, biases = [], []
    for i, (n, m) in enumerate(itertools.pairwise(sizes)):
        shape = (count, n, m)
        if i < len(sizes) - 2:
            normal = np.concatenate([rng.standard_normal(shape, np.float32) for rng in rngs])
            weight = _orthogonal(torch.as_tensor(normal))
        else:
            bound = (6.0 / (n + m)) ** 0.5 if last is None else last
            even = np.concatenate([rng.uniform(-bound, bound, shape) for rng in rngs])
            weight = torch.as_tensor(even, dtype=torch.float32)
        weights.append(weight)
        biases.append(torch.zeros(len(weight), 1, m))
    biases[-1].fill_(bias)
    return Networks(weights, biases)


def _orthogonal(normal: Tensor) -> Tensor:
    """(G, n, m) with orthonormal rows or columns, as `torch.nn.init.orthogonal_`."""
    wide = normal.shape[1] < normal.shape[2]
    q, r = torch.linalg.qr(normal.mT if wide else normal)
    q = q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None]
    return (q.mT if wide else q).contiguous()


class Update:
    """Adam on G sellers' parameters at once, which is Adam on each: it is elementwise.

    Args:
        parameters: with leading axes G, or C·G where each seller has C networks.
        G: sellers.
        rate: the learning rate.
        clip: the largest norm of a seller's gradient; None: any.
    """

    def __init__(
        self, parameters: Sequence[Tensor], G: int, rate: float, clip: float | None = None
    ) -> None:
        self._parameters, self._G, self._clip = list(parameters), G, clip
        self.adam = torch.optim.Adam(self._parameters, rate, fused=True)

    def step(self, loss: Tensor) -> None:
        """Descend a loss that is the sum of the sellers', by these parameters alone."""
        gradients = torch.autograd.grad(loss, self._parameters)
        if self._clip is not None:
            gradients = clipped(gradients, self._G, self._clip)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        self.adam.step()


def clipped(gradients: Sequence[Tensor], G: int, largest: float) -> list[Tensor]:
    """Gradients (C·G, …) of G sellers, scaled where the norm of a seller's is too large."""
    rows = [gradient.reshape(-1, G, gradient[0].numel()) for gradient in gradients]
    squares = torch.stack([row.square().sum(dim=(0, 2)) for row in rows]).sum(dim=0)
    scale = (largest / squares.sqrt().clamp(min=1e-12)).clamp(max=1.0)
    scaled = [row * scale[:, None] for row in rows]
    return [row.view_as(gradient) for row, gradient in zip(scaled, gradients, strict=True)]


@torch.no_grad()
def follow(targets: nn.Module, networks: nn.Module, tau: float) -> None:
    """Move target networks a step τ towards those that learn."""
    for target, parameter in zip(targets.parameters(), networks.parameters(), strict=True):
        target.lerp_(parameter, tau)
