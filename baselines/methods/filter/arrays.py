"""What the filter needs of NumPy and torch beyond operators, methods and the array API.

The rule is stated once. It is learnt in torch, through which gradients flow, and played in NumPy,
whose operations on the small arrays of a decision cost less than half of torch's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special
import torch

from aigc_market._arrays import namespace

Array = Any
"""Of NumPy or of torch; all arrays of a call are of one library and one precision."""


def detached(x: Array) -> Array:
    """The same numbers, through which no gradient flows."""
    return x.detach() if isinstance(x, torch.Tensor) else x


def replaced(x: Array, index: tuple[Array, ...], values: Array) -> Array:
    """`x` with values at an index; of NumPy it is `x` itself, changed."""
    if isinstance(x, torch.Tensor):
        return x.index_put(index, values)
    x[index] = values
    return x


def flat(x: Array) -> Array:
    """The last two axes as one."""
    return x.reshape(*x.shape[:-2], -1)


def times(x: Array, matrix: Array) -> Array:
    """(…, n) times (n, m), or times a vector (n,), in one product: NumPy's `@` makes many."""
    product = x.reshape(-1, x.shape[-1]) @ matrix
    return product.reshape(*x.shape[:-1], *matrix.shape[1:])


def logsumexp(x: Array) -> Array:
    """ln Σ eˣ over the last axis."""
    if isinstance(x, torch.Tensor):
        return x.logsumexp(-1)
    most = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - most).sum(-1)) + most[..., 0]


def softmax(x: Array) -> Array:
    """Probabilities over the last axis, from their logarithms up to a constant."""
    return namespace(x).exp(x - logsumexp(x)[..., None])


def log_sigmoid(x: Array) -> Array:
    """ln 1/(1 + e⁻ˣ)."""
    return -namespace(x).logaddexp(0 * x, -x)


def sigmoid(x: Array) -> Array:
    """1/(1 + e⁻ˣ)."""
    return namespace(x).exp(log_sigmoid(x))


def erfc(x: Array) -> Array:
    """The complementary error function."""
    return x.erfc() if isinstance(x, torch.Tensor) else scipy.special.erfc(x)


def gelu(x: Array) -> Array:
    """x·Φ(x), Φ the normal distribution function (Hendrycks and Gimpel 2016)."""
    return 0.5 * x * erfc(-math.sqrt(0.5) * x)


def normalised(x: Array) -> Array:
    """Mean 0 and variance 1 over the last axis."""
    x = x - x.mean(-1)[..., None]
    return x / namespace(x).sqrt((x**2).mean(-1)[..., None] + 1e-5)
