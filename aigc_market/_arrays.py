"""What the rules need of an array library beyond operators.

Rules take NumPy arrays or torch tensors and answer in kind. NumPy is answered first and without
`array_api_compat`, because its look-up would cost as much as a whole rule on a few followers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import array_api_compat
import numpy as np


def namespace(*arrays: Any) -> Any:
    """The array-API namespace shared by `arrays` (the first must be an array)."""
    if isinstance(arrays[0], (np.ndarray, np.generic)):
        return _numpy()
    if is_tensor(arrays[0]):
        import array_api_compat.torch as xp  # found without caches, which compilers warn of

        return xp
    return array_api_compat.array_namespace(*arrays)


@cache
def _numpy() -> Any:
    # Asked for at the first use: it imports rare corners of NumPy, a fifth of our import time.
    return array_api_compat.array_namespace(np.empty(0))


def is_tensor(value: Any) -> bool:
    """Whether it is torch's, which is not imported for the question."""
    return any(kind.__module__ == "torch" for kind in type(value).__mro__[:-1])


def is_array(value: Any) -> bool:
    """Whether `value` is an array of any library (scalars are not)."""
    if value is None or isinstance(value, (float, int, str, np.ndarray, np.generic)):
        return isinstance(value, np.ndarray)
    return is_tensor(value) or array_api_compat.is_array_api_obj(value)


def ndim(value: Any) -> int:
    """How many axes an array has; 0 for a number, and for None."""
    return getattr(value, "ndim", 0)


def shape(value: Any) -> tuple[int, ...]:
    """Of an array; () of a number, and of None."""
    return tuple(getattr(value, "shape", ()))


def holds(condition: Any) -> bool:
    """Whether a comparison of numbers or arrays, on any device, is true everywhere."""
    return bool(namespace(condition).all(condition) if is_array(condition) else condition)


def clip(array: Any, low: Any, high: Any) -> Any:
    """`array` held within [low, high]. May reuse `array`'s memory: pass only a fresh result."""
    if isinstance(array, np.ndarray):  # at once it is five times as fast as bound by bound
        return array.clip(low, high, out=array)
    if isinstance(array, (float, np.generic)):
        return min(max(array, low), high)
    if is_tensor(array):  # its own method takes numbers and tensors, and asks nothing of them
        both = is_array(low) == is_array(high)
        return array.clamp(low, high) if both else array.clamp(min=low).clamp(max=high)
    return namespace(array).clip(array, low, high)


def larger(a: Any, b: Any) -> Any:
    """The larger of two, elementwise; `a` decides the library."""
    if isinstance(a, float):
        return max(a, b)
    if isinstance(a, np.ndarray):
        return np.maximum(a, b)
    return namespace(a).where(a > b, a, b)


def total(array: Any, axis: int) -> Any:
    """The sum over an axis; of NumPy in double precision."""
    if isinstance(array, np.ndarray):
        if axis == 0 and array.shape[0] == 2:  # as often, and a third faster
            return np.add(array[0], array[1], dtype=np.float64)
        return array.sum(axis=axis, dtype=np.float64)
    if is_tensor(array) and array.shape[axis] <= _FEW:
        first, *others = array.unbind(axis)
        return sum(others, start=first)
    return namespace(array).sum(array, axis=axis)


_FEW = 4  # so few are added three to five times as fast as torch sums them


def spread(array: Any, shape: tuple[int, ...]) -> Any:
    """`broadcast_to`, where it is needed: on one market it takes longer than arithmetic."""
    return array if array.shape == shape else namespace(array).broadcast_to(array, shape)


def exp(value: Any) -> Any:
    """eˣ, elementwise."""
    if isinstance(value, float):
        return math.exp(value)
    return np.exp(value) if isinstance(value, np.ndarray) else namespace(value).exp(value)


def log(value: Any) -> Any:
    """The natural logarithm, elementwise."""
    if isinstance(value, float):
        return math.log(value)
    return np.log(value) if isinstance(value, np.ndarray) else namespace(value).log(value)


def running_sum(array: Any) -> Any:
    """Of each place along the last axis, the sum of what stands there and before it."""
    if isinstance(array, np.ndarray):
        return np.cumsum(array, axis=-1)
    # Of array_api_compat's own sum of tensors, compilers warn.
    return array.cumsum(-1) if is_tensor(array) else namespace(array).cumulative_sum(array, axis=-1)


def sums_from_end(array: Any) -> Any:
    """Of each place along the last axis, the sum of what stands there and behind it."""
    if isinstance(array, np.ndarray):
        return np.cumsum(array[..., ::-1], axis=-1)[..., ::-1]
    xp = namespace(array)
    return xp.flip(running_sum(xp.flip(array, axis=-1)), axis=-1)


def least_from_end(array: Any) -> Any:
    """Of each place along the last axis, the least of what stands there and behind it."""
    if isinstance(array, np.ndarray):
        return np.minimum.accumulate(array[..., ::-1], axis=-1)[..., ::-1]
    return array.flip(-1).cummin(-1).values.flip(-1)  # torch's: the standard has none


def pick(array: Any, index: Any) -> Any:
    """Elements along the last axis: `take_along_axis`, of one market in a tenth of its time."""
    if isinstance(array, np.ndarray) and array.ndim == 1:
        return array[index]
    return namespace(array).take_along_axis(array, index, axis=-1)


def contiguous(array: Any) -> Any:
    """A tensor in one piece of memory, which some of torch's functions warn if it is not."""
    return array.contiguous() if is_tensor(array) else array


def as_numpy(value: Any) -> np.ndarray:
    """`value` as a NumPy array, one of no numeric type where it is ragged."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError):
        return np.asarray(None)


def unwrap(array: Any) -> Any:
    """A number, as far as the library has them, in place of an array without axes."""
    return array if array.ndim else array[()]


def convert(value: Any, like: Any) -> Any:
    """`value` as an array of the library, floating type and device of the array `like`.

    Truth values stay what they are.
    """
    if not is_array(value) or isinstance(like, np.ndarray) or type(value) is type(like):
        return value
    xp = namespace(like)
    dtype = xp.bool if namespace(value).isdtype(value.dtype, "bool") else like.dtype
    return xp.asarray(value, dtype=dtype, device=device(like))


def to_numpy(value: Any) -> Any:
    """A tensor as an array in double precision, without its gradient; all else as it is."""
    return value.detach().cpu().double().numpy() if is_tensor(value) else value


def device(array: Any) -> Any:
    """Where an array lives."""
    return array.device if is_tensor(array) else array_api_compat.device(array)


def broadcast(value: Any, shape: tuple[int, ...]) -> Any:
    """`value` broadcast to a shape; of NumPy fresh memory, the last axis first in it."""
    if isinstance(value, np.ndarray):
        return np.array(np.broadcast_to(value, shape), order="F")
    return namespace(value).broadcast_to(value, shape)


def redrawn(old: Any, where: Any, draw: Callable[..., Any]) -> Any:
    """A copy of `old` with new draws in some places.

    Args:
        old: any shape.
        where: bool of that shape.
        draw: so many numbers, (count,), given also a function that takes from an array of that
            shape the numbers that stand there. Of NumPy's only those that are needed are drawn; on
            a device, where one would wait to know how many these are, one for each place.
    """
    if not isinstance(old, np.ndarray):
        xp = namespace(old)
        new = draw(math.prod(old.shape), lambda array: xp.reshape(array, (-1,)))
        return xp.where(where, xp.reshape(new, old.shape), old)
    places = np.flatnonzero(where)
    if not len(places):
        return old
    new = old.flatten()
    new[places] = draw(len(places), lambda array: array.ravel()[places])
    return new.reshape(old.shape)
