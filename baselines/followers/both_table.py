"""How near both sides come to the equilibrium, and what the leader gets of rational followers.

    python -m baselines.followers.both_table

trains each pair, and beside it the same leader against rational followers in the same games,
measures both in games that nobody has trained in, and writes the rows. `docs/write_numbers.py`
makes the table of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.followers.follower_policy import FollowerKind
from baselines.followers.gaps import measure
from baselines.followers.two_time_scales import BothRecipe, Gradient, leader_recipe, train_both
from baselines.runs.files import read_frame, write_csv

UNLIKE = ["100", "200", "300", "400"]
DRAWN = ["uniform", "80", "400"]


@dataclass(frozen=True)
class Case:
    """A market in which both sides learn."""

    name: str
    task: Task
    leader: str = "ppo"
    followers: FollowerKind = "shared-ppo"


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
GAMES = 256
"""In which each pair is measured: VMUs in the tails of a law are in them too."""


def both_table(
    out: Path = Path("docs/both-sides/both.csv"),
    seeds: int = 3,
) -> None:
    """Train and measure every case by both gradients.

    Args:
        out: file for the rows, one for each training; it grows with each of them, and trainings of
            which it has a row are not made again. Remove it where the code of training has changed.
        seeds: trainings of each case.
    """
    rows = read_frame(out).to_dict("records") if out.exists() else []
    done = {tuple(row[name] for name in KEY) for row in rows}
    order = [
        (case.name, case.leader, case.followers, gradient)
        for case in CASES
        for gradient in GRADIENTS
    ]
    for seed in range(seeds):
        for case in CASES:
            for gradient in GRADIENTS:
                key = case.name, case.leader, case.followers, gradient, seed
                if key not in done:
                    rows.append(dict(zip(KEY, key, strict=True)) | train(case, gradient, seed))
                    print(rows[-1], flush=True)
                    rows.sort(key=lambda row: (order.index(_pair(row)), row["seed"]))
                    write_csv(out, list(rows[0]), rows)


KEY = ("market", "leader", "followers", "gradient", "seed")


def _pair(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY[:-1])


def train(case: Case, gradient: Gradient, seed: int) -> dict[str, Any]:
    """Train a pair, and its leader against rational followers.

    Returns:
        What `measure` finds of the pair, the leader's `rounds`, `cpu_seconds` of the pair's
        training, and `control`: the share that the other leader gets.
    """
    recipe = leader_recipe(case.leader, case.task)
    both = BothRecipe(gradient=gradient, every=recipe.rounds)
    found = []
    for followers in (case.followers, None):
        began = time.process_time()
        pair = train_both(case.leader, followers, case.task, recipe, both, seed)
        spent = time.process_time() - began
        test = demonstration_seed(seed)
        found.append((measure(pair.leader.player, pair.followers, case.task, test, GAMES), spent))
    (learned, spent), (control, _) = found
    return {
        "rounds": recipe.rounds,
        "cpu_seconds": round(spent, 2),
        "control": control.share,
        "share": learned.share,
        "share_learned": learned.share_learned,
        "gap": learned.gap,
        "worst_gap": learned.worst_gap,
        "gap_played": learned.gap_played,
    }


if __name__ == "__main__":
    tyro.cli(both_table)
