"""Hyperparameters from the command line: `name=value` in place of a recipe's own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, TypeVar

Recipe = TypeVar("Recipe")


def changed(recipe: Recipe, words: Sequence[str]) -> Recipe:
    """A recipe with some hyperparameters set otherwise.

    Args:
        recipe: a dataclass; what is in a dataclass within it is named `outer.inner`.
        words: `name=value` each.

    Raises:
        ValueError: a name that the recipe does not have, or a value of another kind.
    """
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f"--recipe must be NAME=VALUE, got {word!r}")
        recipe = _replaced(recipe, name, name, text)
    return recipe


def _replaced(recipe: Any, name: str, whole: str, text: str) -> Any:
    first, _, rest = name.partition(".")
    known = [field.name for field in dataclasses.fields(recipe)]
    if first not in known:
        raise ValueError(f"--recipe must set one of {', '.join(known)}, got {whole!r}")
    old = getattr(recipe, first)
    if dataclasses.is_dataclass(old):
        new = _replaced(old, rest, whole, text)
    elif rest:
        raise ValueError(f"--recipe: {first} has no parts, got {whole!r}")
    else:
        new = _read(f"--recipe {whole}", text, old)
    return dataclasses.replace(recipe, **{first: new})


def _read(name: str, text: str, old: Any) -> Any:
    """The text as a value of the kind of the old one."""
    if not isinstance(old, bool | int | float | str):
        raise ValueError(f"{name} must be left out: it is {old!r}, got {text!r}")
    if isinstance(old, bool):
        if text not in ("true", "false"):
            raise ValueError(f"{name} must be true or false, got {text!r}")
        return text == "true"
    if isinstance(old, str):
        return text
    kind = "a whole number of at least 1" if isinstance(old, int) else "a finite number"
    try:
        value = type(old)(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (isinstance(old, int) and value < 1):
        raise ValueError(f"{name} must be {kind}, got {text!r}")
    return value
