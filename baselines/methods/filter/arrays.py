"""What the filter needs of NumPy and torch beyond operators, methods and the array API.

The rule is stated once. It is learnt in torch, through which gradients flow, and played in NumPy,
whose operations on the small arrays of a decision cost a third of torch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
import torch

Array = Any
"""Of NumPy or of torch; all arrays of a call are of one library and one precision."""


def detached(x: Array) -> Array:
    """The same numbers, through which no gradient flows."""
    return x.detach() if isinstance(x, torch.Tensor) else x


def flat(x: Array) -> Array:
    """The last two axes as one."""
    return x.reshape(*x.shape[:-2], -1)


def times(x: Array, matrix: Array) -> Array:
    """(…, n) times (n, m), or times a vector (n,), in one product: NumPy's `@` makes many."""
    product = x.reshape(-1, x.shape[-1]) @ matrix
    return product.reshape(*x.shape[:-1], *matrix.shape[1:])


def replaced(x: Array, index: tuple[Array, ...], values: Array) -> Array:
    """`x` with values at an index; of NumPy it is `x` itself, changed."""
    if isinstance(x, torch.Tensor):
        return x.index_put(index, values)
    x[index] = values
    return x


def logsumexp(x: Array) -> Array:
    """ln Σ eˣ over the last axis."""
    if isinstance(x, torch.Tensor):
        return x.logsumexp(-1)
    most = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - most).sum(-1)) + most[..., 0]


def softmax(x: Array) -> Array:
    """Probabilities over the last axis, from their logarithms up to a constant."""
    if isinstance(x, torch.Tensor):
        return x.softmax(-1)
    return np.exp(x - logsumexp(x)[..., None])


def log_sigmoid(x: Array) -> Array:
    """ln 1/(1 + e⁻ˣ)."""
    if isinstance(x, torch.Tensor):
        return torch.nn.functional.logsigmoid(x)
    return -np.logaddexp(np.zeros_like(x), -x)


def sigmoid(x: Array) -> Array:
    """1/(1 + e⁻ˣ)."""
    return x.sigmoid() if isinstance(x, torch.Tensor) else scipy.special.expit(x)


def erfc(x: Array) -> Array:
    """The complementary error function."""
    return x.erfc() if isinstance(x, torch.Tensor) else scipy.special.erfc(x)


def gelu(x: Array) -> Array:
    """x·Φ(x), Φ the normal distribution function (Hendrycks and Gimpel 2016)."""
    if isinstance(x, torch.Tensor):
        return torch.nn.functional.gelu(x)
    return x * scipy.special.ndtr(x)


def normalised(x: Array) -> Array:
    """Mean 0 and variance 1 over the last axis."""
    if isinstance(x, torch.Tensor):
        return torch.nn.functional.layer_norm(x, x.shape[-1:])
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + 1e-5)
