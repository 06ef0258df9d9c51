"""Checks of arguments: each names the parameter, the value and what is allowed."""

from __future__ import annotations

import contextlib
import difflib
import numbers
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from aigc_market._arrays import as_numpy, is_array, namespace

_LIMITS = {
    "above": operator.gt,
    "at_least": operator.ge,
    "at_most": operator.le,
    "below": operator.lt,
}


def numeric(name: str, value: Any, **limits: float) -> Any:
    """A finite float, or an array of finite floats, within the limits.

    Numbers become Python floats, sequences and NumPy arrays become new float64 arrays; tensors of
    other libraries stay as they are.

    Args:
        name: of the parameter.
        value: of the parameter.
        limits: by the words `above`, `at_least`, `at_most` and `below`.
    """
    array = _as_floats(value)
    if array is None:
        raise _wrong_type(name, _numbers(limits), value)
    xp: Any = np if isinstance(array, np.ndarray) else namespace(array)
    good = xp.isfinite(array)
    for word, limit in limits.items():
        good = good & _LIMITS[word](array, limit)
    if not bool(xp.all(good)):
        raise ValueError(f"{name} must be {_numbers(limits)}, got {value!r}")
    return float(array) if isinstance(array, np.ndarray) and array.ndim == 0 else array


def _numbers(limits: dict[str, float]) -> str:
    words = [f"{word.replace('_', ' ')} {limit:g}" for word, limit in limits.items()]
    return " ".join(["finite numbers", " and ".join(words)]).strip()


def _as_floats(value: Any) -> Any:
    """An array of floats; None where the value is no number and no array of numbers."""
    if isinstance(value, (bool, np.bool_, str, bytes)) or value is None:
        return None
    if is_array(value) and not isinstance(value, np.ndarray):
        return value if namespace(value).isdtype(value.dtype, "real floating") else None
    array = as_numpy(value)
    return array.astype(np.float64) if array.dtype.kind in "fiu" else None


def _wrong_type(name: str, allowed: str, value: Any) -> TypeError:
    return TypeError(f"{name} must be {allowed}, got {value!r} of type {type(value).__name__}")


def number(name: str, value: Any, **limits: float) -> float:
    """One finite float within the limits (see `numeric`)."""
    result = numeric(name, value, **limits)
    if not isinstance(result, float):
        raise TypeError(f"{name} must be one number, got {value!r}")
    return result


def integer(name: str, value: Any, *, at_least: int, at_most: int | None = None) -> int:
    """A whole number within the limits."""
    whole = issubclass(type(value), numbers.Integral) and not isinstance(value, bool)
    if whole and value >= at_least and (at_most is None or value <= at_most):
        return int(value)
    limits = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
    if not whole:
        raise _wrong_type(name, f"a whole number {limits}", value)
    raise ValueError(f"{name} must be a whole number {limits}, got {value!r}")


def mask(name: str, value: Any, length: int) -> Any:
    """An array of truth values (…, length); NumPy's are copied, tensors stay as they are."""
    foreign = is_array(value) and not isinstance(value, np.ndarray)
    array = value if foreign else as_numpy(value).copy()
    boolean = namespace(array).isdtype(array.dtype, "bool")
    if not boolean or tuple(array.shape)[-1:] != (length,):
        raise (ValueError if boolean else TypeError)(
            f"{name} must hold {length} truth values along its last axis, got {value!r}"
        )
    return array


def leading_axes(name: str, value: Any, own: int, batch: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a batch and, before an array's own last axes, of the array: they must fit.

    Args:
        name: of the parameter.
        value: a number or an array.
        own: how many axes are its own.
        batch: of what stands beside it.
    """
    given = tuple(np.shape(value))
    try:
        return np.broadcast_shapes(given[: len(given) - own], batch)
    except ValueError:
        raise ValueError(
            f"{name} must have leading axes that fit the batch {batch}, "
            f"got {value!r} of shape {given}"
        ) from None


def instance(name: str, value: Any, kind: Any, allowed: str) -> Any:
    """An object of one class."""
    if not isinstance(value, kind):
        raise _wrong_type(name, allowed, value)
    return value


def flag(name: str, value: Any) -> bool:
    """True or False."""
    return bool(instance(name, value, (bool, np.bool_), "True or False"))


def choice(name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """One of a few names."""
    allowed = list(allowed)
    if value is not None and not isinstance(value, str):
        raise _wrong_type(name, f"one of {allowed}", value)
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}{meant(value, allowed)}")
    return value


def meant(word: Any, names: Iterable[Any]) -> str:
    """How an error about an unknown name ends: with the known one that is most like it, if any."""
    known = [name for name in names if isinstance(name, str)]
    near = difflib.get_close_matches(word, known, 1) if isinstance(word, str) else []
    return f"; did you mean {near[0]!r}?" if near else ""


@contextlib.contextmanager
def needed(extra: str, what: str) -> Iterator[None]:
    """Around an import of what an extra of this package brings: an error says what to install."""
    try:
        yield
    except ImportError as error:
        raise ImportError(f"{what}: pip install 'aigc-market[{extra}]' ({error})") from error
