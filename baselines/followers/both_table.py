"""How near both sides come to the equilibrium, and what the leader gets of rational followers.

    python -m baselines.followers.both_table

trains each pair, and beside it the same leader against rational followers in the same games,
measures both in games that nobody has trained in, and writes both.csv. What was trained is kept
under a name of all that it depends on. `docs/write_numbers.py` makes the tables of the docs.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.followers.both_learning import BothRecipe, Gradient, leader_recipe, train_both
from baselines.followers.gaps import measure
from baselines.followers.policy import FollowerKind
from baselines.runs.digest import code_digest
from baselines.runs.files import read_frame, write_atomically, write_csv
from baselines.runs.runner import Runner

UNLIKE = ["100", "200", "300", "400"]
DRAWN = ["uniform", "80", "400"]
GAMES = 256
"""In which each pair is measured: VMUs in the tails of a law are in them too."""


@dataclass(frozen=True)
class Case:
    """A market in which both sides learn."""

    market: str
    task: Task
    leader: str = "ppo"
    followers: FollowerKind = "shared-ppo"
    rounds: int | None = None
    """In place of those of the leader's recipe."""


CASES = (
    Case("hidden", Task("hidden")),
    Case("δ = 100, 200, 300, 400", Task("paper", {"K": 4, "satisfaction": UNLIKE})),
    Case("δ ~ U(80, 400), K = 2", Task("paper", {"satisfaction": DRAWN})),
    Case("δ ~ U(80, 400), K = 10", Task("paper", {"K": 10, "satisfaction": DRAWN})),
    Case("δ = 200, K = 2", Task("paper")),
    Case("δ = 200, K = 10", Task("paper", {"K": 10})),
    Case("drift", Task("drift")),
    Case("δ = 200, K = 2", Task("paper"), leader="tppo"),
    Case("δ = 200, K = 2", Task("paper"), leader="tppo", followers="independent-ppo"),
    Case("δ = 200, K = 10", Task("paper", {"K": 10}), leader="tppo"),
)
GRADIENTS: tuple[Gradient, ...] = ("ppo", "pathwise")


@dataclass(frozen=True)
class Pair:
    """A leader and followers, trained together and measured."""

    case: Case
    gradient: Gradient
    seed: int

    def __str__(self) -> str:
        case = self.case
        return f"{case.leader} and {case.followers} by {self.gradient} on {case.task.name}"

    def file(self, out: Path) -> Path:
        """Where its numbers stand."""
        task, case = self.case.task, dataclasses.replace(self.case, task=Task())
        code = code_digest("baselines.followers.both_learning", "baselines.methods.sb3.trainer")
        recipes = [dataclasses.asdict(recipe) for recipe in self._recipes()]
        digest = task.digest(repr(case), self.gradient, self.seed, recipes, code, GAMES)
        parts = task.name, case.leader, case.followers, self.gradient, f"seed{self.seed}"
        return out / "pairs" / f"{'-'.join(parts)}-{digest}.csv"

    def execute(self, out: Path) -> None:
        """Train the pair, and its leader against rational followers; measure, and keep a row."""
        case, seed, test = self.case, self.seed, demonstration_seed(self.seed)
        began = time.process_time()
        pair = train_both(case.leader, case.followers, case.task, *self._recipes(), seed)
        spent = time.process_time() - began
        other = train_both(case.leader, None, case.task, *self._recipes(), seed)
        found = measure(pair.leader.player, pair.followers, case.task, test, GAMES)
        control = measure(other.leader.player, other.followers, case.task, test, GAMES)
        row: dict[str, Any] = {
            "market": case.market,
            "leader": case.leader,
            "followers": case.followers,
            "gradient": self.gradient,
            "seed": seed,
            "rounds": pair.leader.rounds,
            "cpu_seconds": round(spent, 2),
            "control": control.share,
        }
        for name in ("share", "share_learned", "gap", "worst_gap", "gap_played"):
            row[name] = getattr(found, name)
        write_csv(self.file(out), list(row), [row])

    def _recipes(self) -> tuple[Any, BothRecipe]:
        recipe = leader_recipe(self.case.leader, self.case.task)
        recipe = dataclasses.replace(recipe, rounds=self.case.rounds or recipe.rounds)
        return recipe, BothRecipe(gradient=self.gradient, every=recipe.rounds)


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
    pairs = [Pair(case, how, seed) for case in CASES for how in GRADIENTS for seed in range(seeds)]
    by_seed = sorted(pairs, key=lambda pair: pair.seed)
    done = runner("pairs", by_seed)
    rows = [read_frame(pair.file(out)) for pair in pairs if pair in done]
    if rows:
        write_atomically(out / "both.csv", pd.concat(rows).to_csv(index=False))
    runner.report()


if __name__ == "__main__":
    tyro.cli(both_table)
