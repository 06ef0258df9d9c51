"""The runs of Fig. 2: a method in one market that stands still, and what came of it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aigc_market._files import read_json
from baselines.arena.registry import resolve
from baselines.arena.rollout import Played, play
from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.experiments.paper.live import play_live
from baselines.methods.sb3.recipes import Recipe
from baselines.methods.sb3.trainer import NAMES, Sb3Trainer
from baselines.runs.digest import described
from baselines.runs.files import holding, write_json

LEARNERS = ("tppo", "ppo")
"""Of the paper."""
OTHERS = tuple(name for name in NAMES if name not in LEARNERS)
"""That may be trained beside them."""
METHODS = (*LEARNERS, *OTHERS, "greedy", "random", "equilibrium")


@dataclass(frozen=True)
class Run:
    """One method in one market: a unit of work (see `baselines.runs.runner`)."""

    method: str
    task: Task
    seeds: tuple[int, ...]
    """A learner has one. Others play all of theirs side by side."""
    recipe: Recipe
    """Of a learner. The other methods play as many rounds as learners are trained."""
    live_rounds: int = 0
    """Rounds that a learner plays on the live service after training."""

    def __str__(self) -> str:
        seeds = f"seed{'s' * (len(self.seeds) > 1)} {', '.join(map(str, self.seeds))}"
        return f"{self.method} in {self.task.name}, {seeds}"

    @property
    def num_vmus(self) -> int:
        """K."""
        return self.task.public().K

    @property
    def cost(self) -> float:
        """Of a step."""
        return self.task.public().cost

    def file(self, out: Path) -> Path:
        """Where the results stand: readable, and different for all that they depend on."""
        code = resolve(self.method).code_digest(), described(type(self))
        settings = self.seeds, dataclasses.asdict(self.recipe), self.live_rounds
        depends = self.task.digest(self.method, settings, *code)
        seeds = "-".join(str(seed) for seed in dict.fromkeys((self.seeds[0], self.seeds[-1])))
        return out / "runs" / f"{self.method}-{self.task.name}-seed{seeds}-{depends}.json"

    def execute(self, out: Path) -> None:
        """Do it, and write what was done and what came of each seed: see `results`."""
        began = time.process_time()
        found = self._train() if self.method in NAMES else self._play_on()
        seconds = (time.process_time() - began) / len(self.seeds)
        records = [
            {"seed": seed, **of_seed, "rounds": self.recipe.rounds, "seconds": seconds}
            for seed, of_seed in zip(self.seeds, found, strict=True)
        ]
        done = {"method": self.method, "task": self.task.as_json()}
        done |= {"recipe": dataclasses.asdict(self.recipe), "results": records}
        write_json(self.file(out), done)

    def results(self, out: Path) -> list[dict[str, Any]]:
        """A record for each seed.

        `price` and `utility` after training (learners without exploring; greedy and random as they
        always play, in the last tenth of their rounds), the equilibrium's, `exploiting`: the
        utility of those rounds in which nothing was explored (greedy's that post a price again; of
        others, all), `rounds` of training, `seconds` of CPU time, `episodes`: the mean utility of
        each training episode, and `live`: see `play_live`.
        """
        path = self.file(out)
        return holding(path, read_json(path), "results")["results"]

    def _train(self) -> list[dict[str, Any]]:
        [seed] = self.seeds
        trained = Sb3Trainer(self.method).learn(self.task, seed, self.recipe)
        played = play(trained.player(1), self.task, 1, demonstration_seed(seed))
        live: list[dict[str, float]] = []
        if self.live_rounds:
            player = trained.player(1)
            live = play_live(player, self.task, self.live_rounds, demonstration_seed(seed))
        best = float(played.equilibrium_utility[0, 0])
        episodes = [best * reward for reward in trained.episodes]
        exploiting = float(played.utility.mean())
        return [{**_means(played), "exploiting": exploiting, "episodes": episodes, "live": live}]

    def _play_on(self) -> list[dict[str, Any]]:
        """One long episode a seed, so that greedy remembers all that it has tried."""
        length, rounds = self.task.settings().max_cycles, self.recipe.rounds
        task = Task(self.task.scenario, {**self.task.arguments, "max_cycles": rounds})
        method = resolve(self.method).make(task, len(self.seeds), self.seeds[0])
        played = play(method, task, len(self.seeds), demonstration_seed(self.seeds[0]))
        last = -max(rounds // 10, 1)
        found = []
        for price, utility in zip(played.price.T, played.utility.T, strict=True):
            exploits = np.ones(rounds, bool)
            if self.method == "greedy":
                exploits[np.unique(price, return_index=True)[1]] = False  # a price's first round
            pieces = np.array_split(utility, max(rounds // length, 1))
            found.append(
                {
                    **_means(played, last),
                    "price": float(price[last:].mean()),
                    "utility": float(utility[last:].mean()),
                    "exploiting": float(utility[last:][exploits[last:]].mean()),
                    "episodes": [float(piece.mean()) for piece in pieces],
                    "live": [],
                }
            )
        return found


def _means(played: Played, first: int = 0) -> dict[str, float]:
    """Of the rounds from the first on."""
    names = ("price", "utility", "equilibrium_price", "equilibrium_utility")
    return {name: float(getattr(played, name)[first:].mean()) for name in names}


def longest_first(runs: Iterable[Run]) -> list[Run]:
    """An order that keeps all workers busy to the end."""
    return sorted(runs, key=lambda run: (METHODS.index(run.method), -run.num_vmus))
