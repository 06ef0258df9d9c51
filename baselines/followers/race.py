"""How long `train both` takes to come near the equilibrium, beside what it took in older code.

    git worktree add ../before 280949c
    python -m baselines.followers.race ../before

Trainings of old and new code take turns, in two processes with one thread each that have trained
before. A training is over at the first measurement that finds the leader at 99 % of U_p* and the
followers' gap at 1 %, and the time spent measuring is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:  # a worker, which runs the code of PYTHONPATH
    sys.path.pop(0)

import tyro

from baselines.runs.files import write_csv

NEAR = {"share": 0.99, "gap": 0.01}
SIZES, SEEDS = (2, 10), 5
NEW = str(Path(__file__).parents[2])
RACERS: dict[str, dict[str, Any]] = {
    "before": {},
    "before, measured after each update": {"every": 1},
    "ppo": {"gradient": "ppo"},
    "pathwise": {"gradient": "pathwise"},
}
"""Hyperparameters of `both` that are set; those of older code come from its own folder."""


def race(
    before: tyro.conf.Positional[Path], out: Path = Path("race.csv"), leader: str = "ppo"
) -> None:
    """Time old and new code by turns, at K = 2 and 10 with five seeds each.

    Args:
        before: folder of a clone at an older commit.
        out: file for `racer, K, seed, cpu_seconds, wall_seconds, rounds, share, gap`.
        leader: `ppo` or `tppo`.
    """
    rows: list[dict[str, Any]] = []
    with _Worker(before) as old, _Worker(Path(NEW)) as new:
        for K in SIZES:
            for seed in range(SEEDS):
                for name, both in RACERS.items():
                    worker = old if name.startswith("before") else new
                    run = worker.train({"leader": leader, "K": K, "seed": seed, "both": both})
                    rows.append({"racer": name, "K": K, "seed": seed, **run})
                    print(rows[-1], flush=True)
    write_csv(out, list(rows[0]), rows)
    for K in SIZES:
        for name in RACERS:
            times = [r["cpu_seconds"] for r in rows if r["racer"] == name and r["K"] == K]
            print(f"K={K} {name}: mean {sum(times) / len(times):.3f} worst {max(times):.3f}")


class _Worker:
    """A process that trains with the code of a folder."""

    def __init__(self, folder: Path) -> None:
        env = {**os.environ, "PYTHONPATH": str(folder.absolute()), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", __file__, "work"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def train(self, asked: dict[str, Any]) -> dict[str, Any]:
        pipes: Any = self._process
        pipes.stdin.write(json.dumps(asked) + "\n")
        pipes.stdin.flush()
        return json.loads(pipes.stdout.readline())


class _NearError(Exception):
    """The training has come near the equilibrium."""


def _work(lines: Iterator[str]) -> None:
    import time

    import torch

    from baselines.arena.task import Task
    from baselines.followers import two_time_scales as code

    torch.set_num_threads(1)
    leader_recipe = getattr(code, "leader_recipe", None)
    if leader_recipe is None:
        from baselines.methods.sb3.recipes import recipe as leader_recipe
    measure, spent = code.measure, [0.0, 0.0]

    def clocks() -> tuple[float, float]:
        return time.process_time(), time.perf_counter()

    def timed(*arguments: Any) -> Any:
        before = clocks()
        measured = measure(*arguments)
        for i, now in enumerate(clocks()):
            spent[i] += now - before[i]
        return measured

    code.measure = timed

    def train(leader: str, K: int, seed: int, both: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        task = Task("paper", {"K": K})
        recipe, hyperparameters = leader_recipe(leader, task), code.BothRecipe(**both)
        spent[:] = 0.0, 0.0
        began = clocks()

        def report(row: dict[str, float]) -> None:
            cpu, wall = (now - b - s for now, b, s in zip(clocks(), began, spent, strict=True))
            found.update(cpu_seconds=round(cpu, 4), wall_seconds=round(wall, 4))
            found.update({name: row[name] for name in ("rounds", "share", "gap")})
            if row["share"] >= NEAR["share"] and row["gap"] <= NEAR["gap"]:
                raise _NearError

        try:
            code.train_both(leader, "shared-ppo", task, recipe, hyperparameters, seed, report)
            found.update(cpu_seconds=float("inf"), wall_seconds=float("inf"))  # never near
        except _NearError:
            pass
        return found

    warm = False
    for line in lines:
        asked = json.loads(line)
        if not warm:
            train(**{**asked, "seed": 99})
            warm = True
        print(json.dumps(train(**asked)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["work"]:
        _work(iter(sys.stdin))
    else:
        tyro.cli(race)
