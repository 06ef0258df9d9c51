"""`python -m baselines train METHOD`: a learned leader, or both sides."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.progress import Progress

from aigc_market import _checks
from baselines.arena import policies
from baselines.arena.arguments import EnvArguments
from baselines.arena.overrides import changed
from baselines.arena.registry import Entry, resolve
from baselines.arena.task import Task
from baselines.experiments.evaluate import play_and_show
from baselines.followers.both_learning import BothRecipe, leader_recipe
from baselines.followers.commands import FOLLOWERS, PICTURE, train_and_keep
from baselines.followers.policy import FollowerKind
from baselines.runs.files import check_folder, discard, write_csv


def train(
    method: tyro.conf.Positional[str],
    env: Annotated[EnvArguments, tyro.conf.arg(name="")] = EnvArguments(),  # noqa: B008 (frozen)
    recipe: tuple[str, ...] = (),
    seed: int = 0,
    out: Path | None = None,
    leader: Literal["tppo", "ppo"] | None = None,
    networks: FollowerKind | None = None,
    both: BothRecipe = BothRecipe(),  # noqa: B008 (frozen)
) -> None:
    """Train a leader and keep it; or a leader and its followers, each against the other.

    Args:
        method: of the registry, such as tppo or filter_ppo; or `both` sides.
        env: the market.
        recipe: hyperparameters as NAME=VALUE, in place of those in use for the market; a name that
            there is not is answered by those that there are.
        seed: of every random choice.
        out: folder for policy.safetensors and curve.csv; runs/METHOD-MARKET-seedSEED by default.
        leader: of both sides: the leader's method, tppo by default.
        networks: of both sides: one policy for all VMUs (the default), or one each.
        both: of both sides: the gradient, the followers' training and the two time scales.
    """
    _checks.integer("--seed", seed, at_least=0)
    task = Task().changed(env)
    out = out or Path("runs") / f"{method}-{task.name}-seed{seed}"
    if method == "both":
        leading = resolve(leader or "tppo")
        chosen = changed(leader_recipe(leading.name, task), recipe)
        train_and_keep(leading.name, networks or "shared-ppo", task, chosen, both, seed, out)
        return
    if leader is not None or networks is not None:
        raise ValueError(f"--leader and --networks are for `train both`, got `train {method}`")
    _train_alone(resolve(method), task, recipe, seed, out)
    play_and_show(policies.load(out).method, task, method)
    Console().print(f"Kept in {out}/: python -m baselines evaluate {out}", soft_wrap=True)


def _train_alone(entry: Entry, task: Task, words: tuple[str, ...], seed: int, out: Path) -> None:
    trainer = entry.get_trainer()
    reason = trainer.can_train(task)
    if reason is not None:
        raise ValueError(f"{entry.name} cannot be trained on {task.name}: {reason}")
    chosen = changed(trainer.recipe(task), words)
    check_folder(out)
    curve: list[dict[str, Any]] = []
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task(f"training {entry.name}")

        def report(done: int, total: int, row: dict[str, float]) -> None:
            progress.update(bar, completed=done, total=total)
            if row:
                curve.append({"done": done, **row})

        trainer.train(task, seed, out / policies.FILE, chosen, report)
    if curve:
        write_csv(out / "curve.csv", list(curve[0]), curve)
    discard(out, FOLLOWERS, PICTURE, *(() if curve else ("curve.csv",)))
