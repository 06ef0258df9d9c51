"""Trained leaders as files: weights and what made them in one safetensors file."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file

from baselines.methods.history import Terms
from baselines.tppo.leader import Leader
from baselines.tppo.network import MarketTransformer, Shape

WEIGHTS = Path(__file__).parent.parent / "weights"
"""The trained leaders that are kept in the repository."""


@dataclass(frozen=True)
class Policy:
    """A trained leader."""

    network: MarketTransformer
    """Its weights."""
    record: dict[str, Any]
    """How it was trained: method, scenario, seed, recipe, rounds, seconds."""

    def method(self, num_envs: int) -> Leader:
        """The leader of `num_envs` episodes side by side, as a `baselines.methods` method."""
        return Leader(self.network, num_envs)


def save(path: Path, network: MarketTransformer, record: dict[str, Any]) -> None:
    """Write a leader; the file appears whole or not at all.

    Args:
        path: of the file, `*.safetensors`.
        network: the leader.
        record: how it was trained, as JSON takes it.
    """
    config = {
        "terms": dataclasses.asdict(network.terms),
        "shape": dataclasses.asdict(network.shape),
        "record": record,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".tmp")
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(weights, partial, metadata={"config": json.dumps(config)})
    os.replace(partial, path)


def load(path: Path) -> Policy:
    """Read a leader that `save` wrote. Nothing in it is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind.
    """
    if not path.is_file():
        raise FileNotFoundError(f"path must be a file of trained weights, got {str(path)!r}")
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {})["config"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        shape = {**config["shape"], "decays": tuple(config["shape"]["decays"])}
        network = MarketTransformer(Terms(**config["terms"]), Shape(**shape))
        network.load_state_dict(weights)
    except Exception as error:
        raise ValueError(f"path must be a leader's file, got {str(path)!r} ({error})") from error
    return Policy(network.eval(), config["record"])


def load_policy(name: str | Path) -> Policy:
    """A trained leader: one of the repository's, or one's own.

    Args:
        name: a scenario, such as `hidden`, whose pathwise leader is meant, or `SCENARIO-METHOD`,
            such as `crowd-tppo_causal`; anything that ends in `.safetensors` is a path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: an unknown name, or a file of another kind.
    """
    if str(name).endswith(".safetensors"):
        return load(Path(name))
    known = {path.stem for path in WEIGHTS.glob("*.safetensors")}
    for stem in (str(name), f"{name}-tppo_pathwise"):
        if stem in known:
            return load(WEIGHTS / f"{stem}.safetensors")
    raise ValueError(f"name must be a path or one of {', '.join(sorted(known))}, got {name!r}")
