"""Sellers of contracts in test episodes as units of work: learners, and what they are beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aigc_market._files import read_json
from baselines.arena.menu_rollout import Offer, PlayedMenus, play_menus
from baselines.arena.registry import resolve
from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.arena.training import Training
from baselines.methods import menu_fixed
from baselines.runs import policy_files
from baselines.runs.digest import code_digest, digest
from baselines.runs.files import holding, write_json

FIXED = {"constant": menu_fixed.constant, "random": menu_fixed.anything}
"""Sellers that nobody trains, by name."""
GAPS = ("incentive", "participation", "incentive_share", "participation_share")


@dataclass(frozen=True)
class Selling:
    """A seller in test episodes, which no training plays.

    Args:
        method: one of `FIXED`, or of the registry's learners of menus.
        task: of the game of menus.
        seed: of the training, or of the search for a fixed menu.
        recipe: of a learner.
        episodes: how many.
    """

    method: str
    task: Task
    seed: int
    recipe: Any = None
    episodes: int = 1000

    def __str__(self) -> str:
        return f"{self.method} on {self.task.name}, seed {self.seed}"

    @property
    def training(self) -> Training | None:
        """What has to be done before; nothing where nobody learns."""
        if self.method in FIXED:
            return None
        return Training(resolve(self.method), self.task, self.seed, self.recipe)

    def file(self, out: Path) -> Path:
        """Where the record stands."""
        name = f"{self.task.name}-{self.method}-seed{self.seed}"
        of = name if self.training is None else self.training.file(out).name
        code = code_digest(__name__, menu_fixed.__name__), self.task.digest()
        return out / "sold" / f"{name}-{digest([of, self.episodes, *code])}.json"

    def execute(self, out: Path) -> None:
        """Play, and keep what was lost and earned in each episode."""
        torch.manual_seed(self.seed)
        record: dict[str, Any] = {"rounds": None, "seconds": None, "curve": []}
        if self.training is None:
            played = self._played(FIXED[self.method](self.task, self.seed))
        else:
            path, trainer = self.training.file(out), self.training.entry.get_trainer("menus")
            config, _ = policy_files.read(path)
            record = {name: config[name] for name in record}
            load: Any = trainer.load
            played = self._played(load(path), config["recipe"]["history"])
            if self.method != "td3":  # whose policy has no noise of its own
                noisy = self._played(load(path, noisy=True), config["recipe"]["history"])
                record |= {"noisy_share": noisy.share, "noisy_earned": noisy.earned}
        record |= {"earned": played.earned, "last_menu": played.menu[-1, 0].tolist()}
        record |= {name: float(getattr(played, name).mean()) for name in GAPS}
        record |= {name: getattr(played, name).sum(axis=0).tolist() for name in ("regret", "best")}
        write_json(self.file(out), record)

    def _played(self, offer: Offer, history: int = 1) -> PlayedMenus:
        return play_menus(offer, self.task, self.episodes, demonstration_seed(0), history)

    def record(self, out: Path) -> dict[str, Any]:
        """What was kept; `regret` and `best` are (episodes,), over all rounds of each."""
        path = self.file(out)
        kept = holding(path, read_json(path), "regret", "best", "curve")
        return kept | {name: np.array(kept[name]) for name in ("regret", "best")}
