"""What the leaderboard is made of: one policy or rule in one scenario, played or trained once."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.arena.protocol import Method
from baselines.arena.registry import REGISTRY
from baselines.arena.rollout import Played, play
from baselines.arena.seeds import test_seed
from baselines.arena.task import Task
from baselines.runs.files import write_atomically
from baselines.runs.policy_files import read

WEIGHTS = Path(__file__).parents[2] / "weights"
"""The trained policies that are kept in the repository."""
BLOCK = 500
"""Test episodes played side by side."""
WINDOWS = {"1-10": slice(0, 10), "11-100": slice(10, None), "all": slice(None)}
"""Rounds of an episode that are measured apart."""
TRACES = 8
"""Episodes whose prices are kept, for the figures."""


@dataclass(frozen=True)
class Training:
    """One training of a learned method."""

    method: str
    task: Task
    seed: int

    def file(self, out: Path) -> Path:
        """Where its policy stands: readable, and different for all that it depends on."""
        recipe = REGISTRY[self.method].get_trainer().recipe(self.task)
        depends = self.task.digest(dataclasses.asdict(recipe))
        name = f"{self.task.name}-{self.method}-seed{self.seed}-{depends}.safetensors"
        return out / "trained" / name


def train_once(training: Training, out: Path) -> Training:
    """Train and keep the policy, unless that was done before."""
    path = training.file(out)
    if not path.exists():
        trainer = REGISTRY[training.method].get_trainer()
        trainer.train(training.task, training.seed, path)
    return training


def shipped(method: str, task: Task) -> Path | None:
    """The policy that comes with the package, None where there is none."""
    path = WEIGHTS / f"{task.scenario}-{method}.safetensors"
    return path if path.exists() else None


def plays_any_size(policy: Path) -> bool:
    """Whether it takes one token for each VMU, and so any number of them."""
    return read(policy)[0].get("any_K", False)


@dataclass(frozen=True)
class Trial:
    """One method on a task's test episodes."""

    task: Task
    method: str
    seed: int
    """Of its training; where nothing is trained, of its own random choices."""
    episodes: int
    policy: Path | None = None
    """File of the policy of a learned method."""

    def file(self, out: Path) -> Path:
        """Readable, and different for all that the result depends on."""
        depends = self.task.digest(self.episodes, BLOCK, test_seed(0), self._what())
        return out / "played" / f"{self.method}-{self.task.name}-seed{self.seed}-{depends}.npz"

    def _what(self) -> Any:
        """The policy, or the parameters of a method that is tuned instead of trained."""
        if self.policy is not None:
            return hashlib.sha256(self.policy.read_bytes()).hexdigest()
        return REGISTRY[self.method].tuned(self.task)

    def make(self, num_envs: int) -> Method:
        """The method, for this many episodes side by side."""
        entry = REGISTRY[self.method]
        if self.policy is not None:
            return entry.get_trainer().load(self.policy)(num_envs)
        return entry.make(self.task, num_envs, self.seed)


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
    blocks: list[Played] = []
    sizes = [min(BLOCK, trial.episodes - i) for i in range(0, trial.episodes, BLOCK)]
    players = {size: trial.make(size) for size in set(sizes)}
    for i, size in enumerate(sizes):
        blocks.append(play(players[size], trial.task, size, test_seed(i)))
    alone = play(trial.make(1), trial.task, 1, test_seed(0))
    arrays: dict[str, Any] = {"decision_microseconds": np.array(1e6 * alone.seconds_per_decision)}
    for name in ("regret", "utility", "equilibrium_utility"):
        rounds = np.hstack([getattr(played, name) for played in blocks])
        parts = list(WINDOWS.values())[:2]
        arrays[name] = np.stack([rounds[part].sum(axis=0) for part in parts])
        if name != "utility":
            arrays[f"round_{name}"] = rounds.sum(axis=1)
    for name in ("price", "equilibrium_price"):
        arrays[name] = getattr(blocks[0], name)[:, :TRACES]
    write_atomically(path, lambda file: np.savez_compressed(file, **arrays))
    return trial
