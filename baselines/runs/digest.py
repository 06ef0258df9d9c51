"""Names of what a result depends on: when it changes, kept results are not taken up again."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib.util
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

import aigc_market
from aigc_market.ssim.model import LiveSSIM

_LENGTH = 12
_PACKAGE = Path(aigc_market.__file__).parent
_BASELINES = Path(__file__).parents[1]
_LEFT_OUT = _PACKAGE, _BASELINES / "arena", _BASELINES / "runs"
_NOT_RULES = ("cli", "explorer", "rendering", "curves.py", "replay.py")
"""Modules of the package that show what was played, and decide nothing."""
_SEEN = _BASELINES / "arena" / "protocol.py", _BASELINES / "arena" / "rollout.py"
"""What all methods are played by; of the rest of the arena results do not depend."""


def digest(parts: Any) -> str:
    """Twelve hexadecimal digits of JSON, whatever the order of its keys."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


@cache
def code_digest(*modules: str) -> str:
    """Of the source of the rules: how markets are drawn and move, are solved, played and settled.

    And of what all methods see of a market.

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
    origin = _origin(module)
    if origin is None:
        return []
    if "." not in module and origin.name != "__init__.py":  # beside it stands anybody's
        return [origin]
    above = module.count(".") - (origin.name != "__init__.py")
    folders = [origin.parents[i] for i in range(max(above, 1))]
    return [path for folder in folders for path in folder.glob("*.py")]


def source_digest(paths: Iterable[Path]) -> str:
    """Of Python files, without comments, docstrings and layout."""
    return digest([_statements(path.read_text(encoding="utf-8")) for path in paths])


@cache
def module_digest(module: str) -> str:
    """Of the source of a module, and of what it imports, directly or not, from beside it.

    Beside it: from its own package or folder, but not from `aigc_market`, which `code_digest` is
    for, nor from what all methods share, which would make every result depend on everything.
    """
    origin = _origin(module)
    if origin is None:
        return ""
    root = origin.parents[module.count(".") + (origin.name == "__init__.py")]
    sources: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _origin(name)
        if name in sources or path is None or not path.is_relative_to(root):
            continue
        if "site-packages" in path.parts or any(map(path.is_relative_to, _LEFT_OUT)):
            continue
        sources[name] = path
        waiting += _imports(name, path)
    return source_digest(sources[name] for name in sorted(sources))


def _origin(module: str) -> Path | None:
    """The file of a module in Python; None where there is no such module or file."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # the parent is no package, or has no specification
        return None
    origin = spec.origin if spec is not None else None
    return Path(origin) if origin is not None and origin.endswith(".py") else None


def _imports(module: str, path: Path) -> Iterator[str]:
    """Modules that a module may import, wherever in it; some of the names may be no modules."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(name, package) if node.level else name
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _statements(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            strings = [part for part in node.body if _is_string(part)]
            node.body = [part for part in node.body if part not in strings]
    return ast.unparse(tree)


def _is_string(statement: ast.stmt) -> bool:
    """A docstring, of a module, class, function or attribute."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def described(value: Any) -> Any:
    """Any value as JSON that tells it from others: numbers, laws, moves, SSIM models, functions.

    Code that is not the package's counts by its source; the package's, by `code_digest`.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): described(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [described(part) for part in value]
    if inspect.isroutine(value) or isinstance(value, type):
        return [_code(value), *_within(value)]
    if isinstance(value, partial):
        return described([value.func, value.args, value.keywords])
    if isinstance(value, LiveSSIM):  # its model, schedule and pictures decide this and no more
        parts = {"curve": value(np.arange(value.max_steps + 1)).tolist()}
    elif dataclasses.is_dataclass(value):
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    else:
        parts = {name: part for name, part in vars(value).items() if not name.startswith("_")}
    return {"class": _code(type(value)), **described(parts)}


def _within(function: Any) -> list[Any]:
    """What a function written on a line with others, or made by another, differs by."""
    if not inspect.isfunction(function):
        return []
    constants = [c for c in function.__code__.co_consts if not isinstance(c, CodeType)]
    closure = [cell.cell_contents for cell in function.__closure__ or ()]
    return described([constants, closure, function.__defaults__, function.__kwdefaults__])


def _code(value: Any) -> str:
    """A class or function, by name and, where it is not the package's, by source."""
    name = f"{value.__module__}:{value.__qualname__}"
    if value.__module__.partition(".")[0] == aigc_market.__name__:
        return name
    try:
        return f"{name} {digest(inspect.getsource(value))}"
    except (OSError, TypeError):  # made in an interpreter, or compiled
        return name
