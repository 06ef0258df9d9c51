"""Names of what a result depends on: when it changes, kept results are not taken up again."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import inspect
import json
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

import aigc_market
from aigc_market.ssim.model import LiveSSIM

_LENGTH = 12
_PACKAGE = Path(aigc_market.__file__).parent
_NOT_RULES = ("cli", "explorer", "rendering", "curves.py", "replay.py")
"""Modules of the package that show what was played, and decide nothing."""
_ARENA = Path(__file__).parents[1] / "arena"
_PLAYED = ("protocol", "rollout", "competition", "menu_rollout", "task", "arguments")
_SEEN = [_ARENA / f"{name}.py" for name in _PLAYED]
"""What all methods are played by; of the rest of the arena results do not depend."""


def digest(parts: Any) -> str:
    """Twelve hexadecimal digits of JSON, whatever the order of its keys."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


@cache
def code_digest(*modules: str) -> str:
    """Of the source of the rules: how markets are drawn and move, are solved, played and settled.

    And of what all methods see of a market. Source is whole files: comments count.

    Args:
        modules: others by name: of each, the Python files of its folder, and of the folders above
            up to its root package, whose own files count for those that stand directly in it.
    """
    paths = sorted(_PACKAGE.rglob("*.py"))
    rules = [path for path in paths if path.relative_to(_PACKAGE).parts[0] not in _NOT_RULES]
    others = sorted({path for module in modules for path in _files(module)})
    sources = [path.read_bytes() for path in (*rules, *_SEEN, *others)]
    return hashlib.sha256(b"\0".join(sources)).hexdigest()[:_LENGTH]


def _files(module: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # the parent is no package, or has no specification
        return []
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return []
    origin = Path(spec.origin)
    if "." not in module and origin.name != "__init__.py":  # beside it stands anybody's
        return [origin]
    above = module.count(".") - (origin.name != "__init__.py")
    folders = [origin.parents[i] for i in range(max(above, 1))]
    return [path for folder in folders for path in folder.glob("*.py")]


def described(value: Any) -> Any:
    """Any value as JSON that tells it from others: numbers, laws, moves, SSIM models, functions."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): described(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [described(part) for part in value]
    if isinstance(value, partial):
        return described([value.func, value.args, value.keywords])
    if inspect.isroutine(value) or isinstance(value, type):
        return [_named(value), *_within(value)]
    if isinstance(value, LiveSSIM):  # its model, schedule and pictures decide this and no more
        parts = {"curve": value(np.arange(value.max_steps + 1)).tolist()}
    elif dataclasses.is_dataclass(value):
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    else:
        parts = {name: part for name, part in vars(value).items() if not name.startswith("_")}
    return {"class": _named(type(value)), **described(parts)}


def _named(value: Any) -> list[str]:
    """A class or function by name, and by the source of its module: the package's is the rules'."""
    name = f"{value.__module__}:{value.__qualname__}"
    own = value.__module__.partition(".")[0] == aigc_market.__name__
    return [name] if own else [name, code_digest(value.__module__)]


def _within(function: Any) -> list[Any]:
    """What a function written on a line with others, or made by another, differs by."""
    if not inspect.isfunction(function):
        return []
    constants = [c for c in function.__code__.co_consts if not isinstance(c, CodeType)]
    closure = [cell.cell_contents for cell in function.__closure__ or ()]
    return described([constants, closure, function.__defaults__, function.__kwdefaults__])
