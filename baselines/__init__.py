"""Baselines of the pricing game: `python -m baselines --help`; `load_policy` reads a leader."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baselines.methods.filter.policy import load_policy

__all__ = ["load_policy"]


def __getattr__(name: str) -> Any:
    if name != "load_policy":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from baselines.methods.filter.policy import load_policy  # only now: it imports torch

    return load_policy
