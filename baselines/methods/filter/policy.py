"""Trained leaders as files: weights and what made them in one safetensors file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.arena.protocol import Method, PublicParameters
from baselines.methods.filter.leader import Leader
from baselines.methods.filter.network import MarketTransformer, Shape
from baselines.runs.policy_files import read, write

WEIGHTS = Path(__file__).parents[2] / "weights"
"""The trained leaders that are kept in the repository."""


@dataclass(frozen=True)
class Policy:
    """A trained leader."""

    network: MarketTransformer
    """Its weights."""
    record: dict[str, Any]
    """How it was trained: method, task, seed, recipe, rounds, seconds."""

    def method(self, num_envs: int) -> Method:
        """The leader of `num_envs` episodes side by side, for the arena."""
        return Leader(self.network, num_envs)


def save(path: Path, network: MarketTransformer, record: dict[str, Any]) -> None:
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


def load(path: Path) -> Policy:
    """Read a leader that `save` wrote. Nothing in it is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind.
    """
    try:
        config, weights = read(path)
        network = MarketTransformer(PublicParameters(**config["public"]), Shape(**config["shape"]))
        network.load_state_dict(weights)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"path must be a leader's file, got {str(path)!r} ({error})") from error
    return Policy(network.eval(), config)


def load_policy(name: str | Path) -> Policy:
    """A trained leader: one of the repository's, or one's own.

    Args:
        name: a scenario, such as `hidden`, whose pathwise leader is meant; or `SCENARIO-METHOD`,
            such as `crowd-filter_ppo`; anything that ends in `.safetensors` is a path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: an unknown name, or a file of another kind.
    """
    if str(name).endswith(".safetensors"):
        return load(Path(name))
    known = {path.stem for path in WEIGHTS.glob("*.safetensors")}
    for stem in (str(name), f"{name}-filter_pathwise"):
        if stem in known:
            return load(WEIGHTS / f"{stem}.safetensors")
    raise ValueError(f"name must be a path or one of {', '.join(sorted(known))}, got {name!r}")
