"""A learned method that is trained in no time, and methods that nobody trains, all counted."""

import dataclasses
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
from safetensors.numpy import load_file, save_file

from baselines.arena.registry import REGISTRY, Entry
from baselines.experiments.leaderboard import plots


class Always:
    """One price, for ever; it keeps what it sees."""

    def __init__(self, price, num_envs):
        self.prices = np.full(num_envs, price)
        self.seen = []

    def act(self, history):
        self.seen.append(history)
        return self.prices


def kept(path, price, rounds=5000, **config):
    """A policy's file made by hand."""
    task = {"scenario": "hidden", "arguments": {}}
    ours = {"method": "fake", "task": task, "seed": 0, "rounds": rounds, "seconds": 60.0}
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"config": json.dumps({**ours, **config})}
    save_file({"price": np.array([price])}, path, metadata=metadata)


@dataclasses.dataclass
class FakeRecipe:
    """What is to be posted."""

    price: float = 6.0


class Fake:
    """A trainer that needs no time."""

    counts: ClassVar[dict[str, int]]
    trained: ClassVar[list[tuple[str, int]]]
    drawn: ClassVar[list[Path]]

    @staticmethod
    def recipe(task):
        return FakeRecipe()

    @staticmethod
    def can_train(task):
        return None

    @classmethod
    def train(cls, task, seed, out, recipe=None):
        cls.counts["train"] += 1
        cls.trained.append((task.name, seed))
        kept(out, 6.0 + seed, seed=seed, task=task.as_json())

    @staticmethod
    def load(path):
        return lambda num_envs: Always(load_file(path)["price"].item(), num_envs)


def constant(task, num_envs, seed, price=None):
    Fake.counts["make"] += 1
    return Always(5.0, num_envs)


def random(task, num_envs, seed):
    Fake.counts["make"] += 1
    return Always(9.0, num_envs)


def install(monkeypatch):
    """Put them into the registry, as `fake`, `constant` and `random`; how often each is used.

    Figures are not drawn, which takes longer than all else; where they would be is `Fake.drawn`.
    """
    counts = {"train": 0, "make": 0}
    monkeypatch.setattr(Fake, "counts", counts, raising=False)
    monkeypatch.setattr(Fake, "trained", [], raising=False)
    monkeypatch.setattr(Fake, "drawn", [], raising=False)
    monkeypatch.setattr(plots, "draw", Fake.drawn.append)
    monkeypatch.setitem(REGISTRY, "fake", Entry("fake", trainer=f"{__name__}:Fake"))
    for name in ("constant", "random"):
        monkeypatch.setitem(REGISTRY, name, Entry(name, factory=f"{__name__}:{name}"))
    # Whether they can be made is asked too, which does not count.
    monkeypatch.setattr(Entry, "obstacle", lambda self, task: None)
    return counts
