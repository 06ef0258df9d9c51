"""`aigc-market info`: what is installed."""

from __future__ import annotations

import importlib.util
import json as jsons
import platform
import re
from importlib import metadata
from typing import Any

import gymnasium
import pettingzoo
from rich.console import Console
from rich.table import Table

import aigc_market

_PACKAGE = "aigc-market"
_REGISTRIES: dict[str, Any] = {
    "Gymnasium": gymnasium.registry,
    # PettingZoo has registries from version 1.27 on.
    "PettingZoo aec": getattr(pettingzoo, "aec_registry", {}),
    "PettingZoo parallel": getattr(pettingzoo, "parallel_registry", {}),
}


def info(json: bool = False) -> None:
    """Versions, extras that are present, registered ids, and devices: put it into bug reports.

    Args:
        json: The same as JSON.
    """
    extras = metadata.metadata(_PACKAGE).get_all("Provides-Extra") or []
    found: dict[str, Any] = {
        "python": f"{platform.python_version()} on {platform.platform()}",
        _PACKAGE: aigc_market.__version__,
        "dependencies": {name: _version(name) for name, _ in _requirements("")},
        "extras": {extra: sorted(_missing(extra)) for extra in extras},
        "environments": {
            library: [name for name in registry if name.startswith("aigc_market/")]
            for library, registry in _REGISTRIES.items()
        },
        "devices": _devices(),
    }
    if json:
        print(jsons.dumps(found, indent=2))
        return
    table = Table(show_header=False)
    for name, value in found.items():
        for what, each in value.items() if isinstance(value, dict) else [("", value)]:
            words = each if isinstance(each, str) else ", ".join(each or ["none"])
            if name == "extras":
                words = f"missing: {words}" if each else "present"
            table.add_row(f"{name} {what}".strip(), words)
    Console().print(table)


def _missing(extra: str) -> set[str]:
    """What of an extra is not installed; an extra may name other extras of this package."""
    missing = set()
    for name, inner in _requirements(extra):
        if name == _PACKAGE:
            missing.update(*map(_missing, inner.split(",")))
        elif _version(name) is None:
            missing.add(name)
    return missing


def _requirements(extra: str) -> list[tuple[str, str]]:
    """What an extra, or "" for the package itself, requires; each with its own extras."""
    pattern = r"([\w.-]+)(?:\[(.*?)\])?[^;]*(?:;.*extra\s*==\s*['\"]([^'\"]+))?"
    found = [re.findall(pattern, line)[0] for line in metadata.requires(_PACKAGE) or ()]
    return [(name, inner) for name, inner, of in found if of == extra]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[str]:
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    gpus = range(torch.cuda.device_count())
    devices = [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in gpus]
    return ["cpu", *devices, *(["mps"] if torch.backends.mps.is_available() else [])]
