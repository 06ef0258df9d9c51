"""Methods that are trained: how each comes to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aigc_market.envs.settings import Settings
from aigc_market.ssim import QuadraticSSIM
from baselines.arena.protocol import Method
from baselines.methods.filter import files, training
from baselines.methods.sb3 import rivals


@dataclass(frozen=True)
class Learner:
    """How a learned method comes to be."""

    train: Callable[[str, int, Path], Any]
    """Called with a scenario's name, a seed, and the path of the safetensors file to be written:
    whole, with metadata `config`, JSON whose `record` holds at least `rounds` and `seconds`."""
    load: Callable[[Path], Callable[[int], Method]]
    """Called with that path; the answer, called with the number of episodes, is a method."""
    needs: str = ""
    """What training uses of the simulator's inside: "rules", "gradient" of the rules, or nothing.
    Both are at hand with a quadratic SSIM."""

    def can_train(self, scenario: str) -> bool:
        """Whether the scenario is one that it can be trained in."""
        quadratic = isinstance(Settings.make(scenario).market.ssim, QuadraticSSIM)
        return quadratic or not self.needs


def _load_tppo(path: Path) -> Callable[[int], Method]:
    return files.load(path).method


_NEEDS = {"tppo_filter": "rules", "tppo_pathwise": "gradient"}

LEARNED: dict[str, Learner] = {
    **{name: Learner(partial(rivals.train, name), rivals.load) for name in rivals.NAMES},
    **{
        kind: Learner(partial(training.train, kind), _load_tppo, _NEEDS.get(kind, ""))
        for kind in training.KINDS
    },
}
"""Learned methods by name."""
