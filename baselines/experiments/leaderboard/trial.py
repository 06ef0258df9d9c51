"""What the leaderboard is made of: one policy or rule in one scenario, played or trained once."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import aigc_market
from baselines import methods
from baselines.arena.protocol import Method
from baselines.arena.rollout import Played, play, terms
from baselines.experiments.leaderboard.learners import LEARNED
from baselines.methods.filter.files import WEIGHTS
from baselines.runs.policy_files import read

TEST_SEED = 7_000_000
"""Of the first block of test episodes; tuning and training use seeds far below."""
BLOCK = 500
"""Test episodes played side by side."""
WINDOWS = {"1-10": slice(0, 10), "11-100": slice(10, None), "all": slice(None)}
"""Rounds of an episode that are measured apart."""
TRACES = 8
"""Episodes whose prices are kept, for the figures."""


@dataclass(frozen=True)
class Arena:
    """A scenario, with its own number of VMUs or another."""

    scenario: str
    K: int | None = None

    @property
    def name(self) -> str:
        """As it stands in the tables."""
        return self.scenario if self.K is None else f"{self.scenario}-K{self.K}"

    @property
    def overrides(self) -> dict[str, Any]:
        """Keyword arguments of the environment."""
        return {} if self.K is None else {"K": self.K}


@dataclass(frozen=True)
class Training:
    """One training of a learned method."""

    method: str
    scenario: str
    seed: int

    def file(self, out: Path) -> Path:
        """Where its policy stands."""
        return out / "trained" / f"{self.scenario}-{self.method}-seed{self.seed}.safetensors"


def train_once(training: Training, out: Path) -> Training:
    """Train and keep the policy, unless that was done before."""
    path = training.file(out)
    if not path.exists():
        LEARNED[training.method].train(training.scenario, training.seed, path)
    return training


def shipped(method: str, scenario: str) -> Path | None:
    """The policy that comes with the package, None where there is none."""
    path = WEIGHTS / f"{scenario}-{method}.safetensors"
    return path if path.exists() else None


def plays_any_size(policy: Path) -> bool:
    """Whether it takes one token for each VMU, and so any number of them."""
    return read(policy)[0].get("shape", {}).get("tokens") == "vmu"


@dataclass(frozen=True)
class Trial:
    """One method on an arena's test episodes."""

    arena: Arena
    method: str
    seed: int
    """Of its training; where nothing is trained, of its own random choices."""
    episodes: int
    policy: Path | None = None
    """File of the policy of a learned method."""

    def file(self, out: Path) -> Path:
        """Readable, and different for all that the result depends on."""
        settings = [self.episodes, TEST_SEED, BLOCK, self._what(), aigc_market.__version__]
        digest = _digest(json.dumps(settings).encode())[:12]
        return out / "played" / f"{self.method}-{self.arena.name}-seed{self.seed}-{digest}.npz"

    def _what(self) -> Any:
        """The policy, or the parameters of a method that is tuned instead of trained."""
        if self.policy is not None:
            return _digest(self.policy.read_bytes())
        tuned = json.loads(methods.TUNED.read_text())
        return tuned.get(self.arena.scenario, {}).get(self.method, {})

    def make(self, num_envs: int) -> Method:
        """The method, for this many episodes side by side."""
        if self.policy is not None:
            return LEARNED[self.method].load(self.policy)(num_envs)
        market = terms(self.arena.scenario, **self.arena.overrides)
        return methods.make(self.method, self.arena.scenario, market, num_envs, self.seed)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def execute(trial: Trial, out: Path) -> Trial:
    """Play a trial and keep it, unless that was done before.

    The file has, for each episode and each window but the last, sums over its rounds (2, N) of
    `regret`, `utility` and `equilibrium_utility`; for each round, sums over episodes (T,) of
    `round_regret` and `round_equilibrium_utility`; and the first episodes' `price` and
    `equilibrium_price`, (T, TRACES); and `decision_microseconds` of one episode played alone.
    """
    path = trial.file(out)
    if path.exists():
        return trial
    torch.set_num_threads(1)
    scenario, overrides = trial.arena.scenario, trial.arena.overrides
    blocks: list[Played] = []
    sizes = [min(BLOCK, trial.episodes - i) for i in range(0, trial.episodes, BLOCK)]
    players = {size: trial.make(size) for size in set(sizes)}
    for i, size in enumerate(sizes):
        blocks.append(play(players[size], scenario, size, TEST_SEED + i, **overrides))
    alone = play(trial.make(1), scenario, 1, TEST_SEED, **overrides)
    arrays: dict[str, Any] = {"decision_microseconds": np.array(1e6 * alone.seconds_per_decision)}
    for name in ("regret", "utility", "equilibrium_utility"):
        rounds = np.hstack([getattr(played, name) for played in blocks])
        parts = list(WINDOWS.values())[:2]
        arrays[name] = np.stack([rounds[part].sum(axis=0) for part in parts])
        if name != "utility":
            arrays[f"round_{name}"] = rounds.sum(axis=1)
    for name in ("price", "equilibrium_price"):
        arrays[name] = getattr(blocks[0], name)[:, :TRACES]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.tmp")
    with open(partial, "wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(partial, path)
    return trial
