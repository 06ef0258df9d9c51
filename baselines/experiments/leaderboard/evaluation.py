"""One method in many episodes of one task: a unit of the leaderboard's work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from baselines.arena import policies
from baselines.arena.protocol import Player
from baselines.arena.registry import Entry
from baselines.arena.rollout import PHYSICAL, Played, play_in
from baselines.arena.seeds import (
    demonstration_seed,
    outside_seed,
    test_seed,
    validation_seed,
)
from baselines.arena.task import Task
from baselines.experiments.leaderboard.worlds import World
from baselines.runs.files import write_atomically

BLOCK = 500
"""Episodes played side by side."""
WINDOWS = {"1-10": slice(0, 10), "11-100": slice(10, None), "all": slice(None)}
"""Rounds of an episode that are measured apart."""
TRACES = 8
"""Episodes whose prices are kept, for the figures."""
Stage = Literal["demonstration", "validation", "test", "outside"]
"""Which episodes: those that may be looked at, those by which policies are chosen, or those in
which methods are measured, within their law and out of it."""
_SEEDS = {
    "demonstration": demonstration_seed,
    "validation": validation_seed,
    "test": test_seed,
    "outside": outside_seed,
}


@dataclass(frozen=True)
class Evaluation:
    """A method on episodes of a task."""

    entry: Entry
    task: Task
    """What the method was trained or is tuned for."""
    seed: int
    """Of its training; where nothing is trained, of its own random choices."""
    episodes: int
    policy: Path | None = None
    """File of the policy of a learned method."""
    stage: Stage = "test"
    world: World | None = None
    """What is played in place of the task."""

    @property
    def first_seed(self) -> int:
        """Of the episodes."""
        return _SEEDS[self.stage](0)

    def __str__(self) -> str:
        where = "" if self.world is None else f", {self.world.change}"
        return f"{self.entry.name} on {self.task.name}{where}, seed {self.seed}"

    @property
    def digest(self) -> str:
        """Of all that the result depends on."""
        plan: list[Any] = [self.episodes, BLOCK, self.first_seed]
        if self.world is not None:
            plan.append(self.world.digest_parts())
        what = self.entry.name, self.seed, self.entry.code_digest(), self._what()
        return self.task.digest(plan, what)

    def file(self, out: Path) -> Path:
        """Readable, and different for all that the result depends on."""
        name = re.sub(r"\W+", "_", self.entry.name)
        folder = out / "played" / self.stage
        return folder / f"{name}-{self.task.name}-seed{self.seed}-{self.digest}.npz"

    def _what(self) -> Any:
        """The policy, or the parameters of a method that is tuned instead of trained."""
        if self.policy is not None:
            return policies.sha256(self.policy)
        return self.entry.tuned(self.task)

    def player(self) -> Player:
        """The method, for any number of episodes side by side."""
        if self.policy is not None:
            return policies.load(self.policy).method
        return lambda num_envs: self.entry.make(self.task, num_envs, self.seed)

    def execute(self, out: Path) -> None:
        """Play the episodes and keep what happened, unless that was done before.

        The file has, for each episode and each window but the last, sums over its rounds (2, N) of
        `regret`, `utility` and `equilibrium_utility`; for each round, sums over episodes (T,) of
        `round_regret` and `round_equilibrium_utility`; and the first episodes' `price` and
        `equilibrium_price`, (T, TRACES); and `decision_microseconds` of one episode played alone.
        """
        path = self.file(out)
        if not path.exists():
            arrays = self.play()
            write_atomically(path, lambda file: np.savez_compressed(file, **arrays))

    def play(self) -> dict[str, Any]:
        """Play the episodes; see `execute`."""
        player = self.player()
        sizes = [min(BLOCK, self.episodes - i) for i in range(0, self.episodes, BLOCK)]
        methods = {size: player(size) for size in set(sizes)}
        blocks = [self._played(methods[size], size, i) for i, size in enumerate(sizes)]
        alone = self._played(player(1), 1, 0)
        return _summed(blocks, 1e6 * alone.seconds_per_decision)

    def _played(self, method: Any, size: int, block: int) -> Played:
        task, more = self.task, {}
        if self.world is not None:
            task, more = self.world.task, self.world.environment_arguments()
        env = task.environment(size, history=1, **PHYSICAL, **more)
        return play_in(env, method, _SEEDS[self.stage](block))


def _summed(blocks: list[Played], decision_microseconds: float) -> dict[str, Any]:
    arrays: dict[str, Any] = {"decision_microseconds": np.array(decision_microseconds)}
    for name in ("regret", "utility", "equilibrium_utility"):
        rounds = np.hstack([getattr(played, name) for played in blocks])
        parts = list(WINDOWS.values())[:2]
        arrays[name] = np.stack([rounds[part].sum(axis=0) for part in parts])
        if name != "utility":
            arrays[f"round_{name}"] = rounds.sum(axis=1)
    for name in ("price", "equilibrium_price"):
        arrays[name] = getattr(blocks[0], name)[:, :TRACES]
    return arrays


def stage_of(first_seed: int) -> Stage:
    """The stage whose episodes begin with a seed.

    Raises:
        ValueError: none does.
    """
    stages: dict[int, Any] = {seed(0): stage for stage, seed in _SEEDS.items()}
    if first_seed not in stages:
        known = ", ".join(map(str, stages))
        raise ValueError(f"first_seed must be one of {known}, got {first_seed}")
    return stages[first_seed]
