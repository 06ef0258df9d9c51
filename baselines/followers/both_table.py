"""How near both sides come to the equilibrium, and what the leader gets of rational followers.

    python -m baselines.followers.both_table

trains each pair, and beside it the same leader against rational followers in the same games,
measures both in games that nobody has trained in, and writes both.csv. What was trained is kept
under a name of all that it depends on. `docs/write_numbers.py` makes the tables of the docs.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.followers.both_learning import BothRecipe, Gradient, leader_recipe, train_both
from baselines.followers.gaps import measure
from baselines.followers.policy import FollowerKind
from baselines.methods.sb3.recipes import PpoRecipe
from baselines.runs.digest import code_digest, described
from baselines.runs.files import read_frame, write_atomically, write_csv
from baselines.runs.runner import Runner

UNLIKE = ["100", "200", "300", "400"]
DRAWN = ["uniform", "80", "400"]
GAMES = 256
"""In which each pair is measured: VMUs in the tails of a law are in them too."""


@dataclass(frozen=True)
class Pair:
    """A leader and followers, trained together in a market and measured."""

    market: str
    task: Task
    leader: str = "ppo"
    followers: FollowerKind = "shared-ppo"
    gradient: Gradient = "ppo"
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.leader} and {self.followers} by {self.gradient} on {self.task.name}"

    def file(self, out: Path) -> Path:
        """Where its numbers stand."""
        depends = described([self, *self._recipes()]), code_digest("baselines.methods.sb3.trainer")
        parts = self.task.name, self.leader, self.followers, self.gradient, f"seed{self.seed}"
        return out / "pairs" / f"{'-'.join(parts)}-{self.task.digest(*depends, GAMES)}.csv"

    def execute(self, out: Path) -> None:
        """Train the pair, and its leader against rational followers; measure, and keep a row."""
        games = self.task, demonstration_seed(self.seed), GAMES
        began = time.process_time()
        both = self.task, *self._recipes(), self.seed
        leader, followers = train_both(self.leader, self.followers, *both)
        spent = time.process_time() - began
        control, rational = train_both(self.leader, None, *both)
        found = measure(leader.player, followers, *games)
        row = {name: value for name, value in vars(self).items() if name != "task"}
        row |= {
            "rounds": leader.rounds,
            "cpu_seconds": round(spent, 2),
            "control": measure(control.player, rational, *games).share,
        }
        for name in ("share", "share_learned", "gap", "worst_gap", "gap_played"):
            row[name] = getattr(found, name)
        write_csv(self.file(out), list(row), [row])

    def _recipes(self) -> tuple[PpoRecipe, BothRecipe]:
        recipe = leader_recipe(self.leader, self.task)
        return recipe, BothRecipe(gradient=self.gradient, every=recipe.rounds)


CASES = (
    Pair("hidden", Task("hidden")),
    Pair("δ = 100, 200, 300, 400", Task("paper", {"K": 4, "satisfaction": UNLIKE})),
    Pair("δ ~ U(80, 400), K = 2", Task("paper", {"satisfaction": DRAWN})),
    Pair("δ ~ U(80, 400), K = 10", Task("paper", {"K": 10, "satisfaction": DRAWN})),
    Pair("δ = 200, K = 2", Task("paper")),
    Pair("δ = 200, K = 10", Task("paper", {"K": 10})),
    Pair("drift", Task("drift")),
    Pair("δ = 200, K = 2", Task("paper"), leader="tppo"),
    Pair("δ = 200, K = 2", Task("paper"), leader="tppo", followers="independent-ppo"),
    Pair("δ = 200, K = 10", Task("paper", {"K": 10}), leader="tppo"),
)
"""Of both gradients and of all seeds."""
GRADIENTS: tuple[Gradient, ...] = ("ppo", "pathwise")


def both_table(
    out: Path = Path("results/both"), seeds: int = 5, workers: int | None = None
) -> None:
    """Train and measure every case by both gradients, and write both.csv.

    Args:
        out: folder of the results; those that are there are not made again.
        seeds: trainings of each case.
        workers: trainings at the same time; as many as there are cores by default.
    """
    import pandas as pd

    runner = Runner(out, workers)
    pairs = [
        replace(case, gradient=gradient, seed=seed)
        for case, gradient, seed in itertools.product(CASES, GRADIENTS, range(seeds))
    ]
    done = runner("pairs", sorted(pairs, key=lambda pair: pair.seed))
    rows = [read_frame(pair.file(out)) for pair in pairs if pair in done]
    if rows:
        write_atomically(out / "both.csv", pd.concat(rows).to_csv(index=False))
    runner.report()


if __name__ == "__main__":
    tyro.cli(both_table)
