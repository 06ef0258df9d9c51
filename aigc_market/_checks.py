"""Checks of arguments: each names the parameter, the value and what is allowed."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import array_api_compat
import numpy as np

from aigc_market._arrays import as_numpy, is_array, namespace


def numeric(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> Any:
    """A finite float, or an array of finite floats, within the limits.

    Numbers become Python floats, sequences and NumPy arrays become new float64 arrays; tensors of
    other libraries stay as they are.
    """
    limits = [
        f"{word} {limit:g}"
        for word, limit in (
            ("above", above),
            ("at least", at_least),
            ("at most", at_most),
            ("below", below),
        )
        if limit is not None
    ]
    allowed = " ".join(["finite numbers", " and ".join(limits)]).strip()
    array = _as_floats(name, value, allowed)
    xp: Any = np if isinstance(array, np.ndarray) else namespace(array)
    good = xp.isfinite(array)
    if above is not None:
        good = good & (array > above)
    if at_least is not None:
        good = good & (array >= at_least)
    if at_most is not None:
        good = good & (array <= at_most)
    if below is not None:
        good = good & (array < below)
    if not bool(xp.all(good)):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return float(array) if isinstance(array, np.ndarray) and array.ndim == 0 else array


def _as_floats(name: str, value: Any, allowed: str) -> Any:
    def wrong() -> TypeError:  # built only when raised: the repr of a tensor is slow
        return TypeError(f"{name} must be {allowed}, got {value!r} of type {type(value).__name__}")

    if isinstance(value, (bool, np.bool_, str, bytes)) or value is None:
        raise wrong()
    if is_array(value) and not isinstance(value, np.ndarray):
        if not array_api_compat.array_namespace(value).isdtype(value.dtype, "real floating"):
            raise wrong()
        return value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise wrong() from None
    if array.dtype.kind not in "fiu":
        raise wrong()
    return array.astype(np.float64)


def number(name: str, value: Any, **limits: float) -> float:
    """One finite float within the limits (see `numeric`)."""
    result = numeric(name, value, **limits)
    if not isinstance(result, float):
        raise TypeError(f"{name} must be one number, got {value!r}")
    return result


def integer(name: str, value: Any, *, at_least: int) -> int:
    """A whole number, at least `at_least`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(
            f"{name} must be a whole number of at least {at_least}, "
            f"got {value!r} of type {type(value).__name__}"
        )
    if value < at_least:
        raise ValueError(f"{name} must be a whole number of at least {at_least}, got {value!r}")
    return int(value)


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


def instance(name: str, value: Any, kind: Any, allowed: str) -> Any:
    """An object of one class."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {allowed}, got {value!r} of type {type(value).__name__}")
    return value


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(
            f"{name} must be True or False, got {value!r} of type {type(value).__name__}"
        )
    return bool(value)


def choice(name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """One of a few names."""
    allowed = list(allowed)
    if value is not None and not isinstance(value, str):
        raise TypeError(
            f"{name} must be one of {allowed}, got {value!r} of type {type(value).__name__}"
        )
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}")
    return value
