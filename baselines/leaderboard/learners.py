"""Methods that are trained: how each comes to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aigc_market.envs.settings import Settings
from aigc_market.ssim import QuadraticSSIM
from baselines.methods import learned
from baselines.methods.history import Method
from baselines.tppo import files, training


@dataclass(frozen=True)
class Learner:
    """How a learned method comes to be."""

    train: Callable[[str, int, Path], Any]
    """Called with a scenario's name, a seed, and the path of the safetensors file to be written:
    whole, with metadata `config`, JSON whose `record` holds at least `rounds` and `seconds`."""
    load: Callable[[Path], Callable[[int], Method]]
    """Called with that path; the answer, called with the number of episodes, is a method."""
    needs_gradient: bool = False
    """Whether training differentiates the simulator, which is possible with a quadratic SSIM."""

    def can_train(self, scenario: str) -> bool:
        """Whether the scenario is one that it can be trained in."""
        quadratic = isinstance(Settings.make(scenario).market.ssim, QuadraticSSIM)
        return quadratic or not self.needs_gradient


def _load_tppo(path: Path) -> Callable[[int], Method]:
    return files.load(path).method


LEARNED: dict[str, Learner] = {
    **{name: Learner(partial(learned.train, name), learned.load) for name in learned.NAMES},
    **{
        kind: Learner(partial(training.train, kind), _load_tppo, kind == "tppo_pathwise")
        for kind in training.KINDS
    },
}
"""Learned methods by name."""
