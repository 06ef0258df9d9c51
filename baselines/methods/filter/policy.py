"""Trained leaders as files: weights and what made them in one safetensors file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from baselines.arena.protocol import PublicParameters
from baselines.methods.filter.network import PricingNetwork, Shape
from baselines.runs.policy_files import read, write


def save(path: Path, network: PricingNetwork, record: dict[str, Any]) -> None:
    """Write a leader; the file appears whole or not at all.

    Args:
        path: of the file, `*.safetensors`.
        network: the leader.
        record: how it was trained, as JSON takes it.
    """
    config = {
        **record,
        "any_K": True,
        "public": dataclasses.asdict(network.public),
        "shape": dataclasses.asdict(network.shape),
    }
    write(path, network.state_dict(), config)


def load(path: Path) -> PricingNetwork:
    """Read a leader that `save` wrote. Nothing in it is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind.
    """
    try:
        config, weights = read(path)
        network = PricingNetwork(PublicParameters(**config["public"]), Shape(**config["shape"]))
        network.load_state_dict(weights)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"path must be a leader's file, got {str(path)!r} ({error})") from error
    return network.eval()
