"""`python -m baselines evaluate METHOD-or-RUN`: how far from the equilibrium a leader is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from aigc_market import _checks
from baselines.arena import policies
from baselines.arena.arguments import EnvArguments
from baselines.arena.protocol import Player
from baselines.arena.registry import REGISTRY, resolve
from baselines.arena.rollout import play
from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.experiments.paper.live import play_live
from baselines.followers.commands import FOLLOWERS, followers_of, show_both, show_exploit


def evaluate(
    leader: tyro.conf.Positional[str | None] = None,
    method: str | None = None,
    env: Annotated[EnvArguments, tyro.conf.arg(name="")] = EnvArguments(),  # noqa: B008 (frozen)
    episodes: int = 10,
    seed: int = 0,
    live_rounds: int = 0,
    exploit: bool = False,
) -> None:
    """Play a leader and say how far from the equilibrium it is.

    Args:
        leader: a method of the registry, such as kalman or equilibrium (of those that are trained,
            the policy that comes along for the scenario is played); or a run that `train` kept.
        method: a method of your own instead, `module:factory`: a callable (task, num_envs, seed)
            that gives a Method.
        env: the market; what is left out is as the run was trained.
        episodes: how many, side by side. No training plays them, nor are they the leaderboard's.
        seed: of the episodes, and of the method's random choices.
        live_rounds: rounds in which the VMUs' images are really repainted besides; needs a live
            market (`--scenario live`).
        exploit: train a fresh leader against the followers and fresh followers against the leader,
            and say what they gain.
    """
    _checks.integer("--episodes", episodes, at_least=1)
    _checks.integer("--seed", seed, at_least=0)
    _checks.integer("--live-rounds", live_rounds, at_least=0)
    name = leader or method
    if name is None or (leader is not None and method is not None):
        raise ValueError(
            "leader must be a method or a run, and left out where --method is given, "
            f"got {leader!r} and {method!r}"
        )
    if leader is None and ":" not in name:
        raise ValueError(f"--method must be module:factory, got {method!r}")
    run = None if ":" in name or name in REGISTRY else Path(name)
    player, task = _method(name, Task().changed(env), seed) if run is None else _run(run, env)
    play_and_show(player, task, name, episodes, seed)
    folder = run.parent if run is not None and run.is_file() else run
    if folder is not None and (folder / FOLLOWERS).exists():
        show_both(player, followers_of(folder, task), task, seed)
    if exploit:
        show_exploit(player, followers_of(folder, task), task, seed)
    if live_rounds:
        _show_live(player, task, live_rounds, seed)


def _method(name: str, task: Task, seed: int) -> tuple[Player, Task]:
    """A method of the registry, or a user's own, and what it plays."""
    entry = resolve(name)
    if entry.factory is not None:
        return lambda num_envs: entry.make(task, num_envs, seed), task
    kept = policies.shipped(name, task.scenario_name, best=True)
    if not kept:
        raise ValueError(
            f"leader must be trained first, no policy of {name} for {task.scenario_name} comes "
            f"along: python -m baselines train {name} --scenario {task.scenario_name}"
        )
    policy = policies.load(*kept.values())
    policy.check(task)
    return policy.method, task


def _run(path: Path, env: EnvArguments) -> tuple[Player, Task]:
    """The leader of a run, and its market with what is given in place of its own."""
    if not path.exists():
        raise ValueError(
            f"leader must be one of {', '.join(REGISTRY)}, or a run kept by `train`, "
            f"got {str(path)!r}{_checks.meant(str(path), REGISTRY)}"
        )
    policy = policies.load(path)
    task = policy.task.changed(env)
    policy.check(task)
    return policy.method, task


def play_and_show(
    player: Player, task: Task, title: str, episodes: int = 10, seed: int = 0
) -> None:
    """Play demonstration episodes side by side and print means over all rounds."""
    played = play(player(episodes), task, episodes, demonstration_seed(seed))
    cells = {
        "price": f"{played.price.mean():.3f}",
        "p*": f"{played.equilibrium_price.mean():.3f}",
        "ASP utility": f"{played.utility.mean():.2f}",
        "U_p*": f"{played.equilibrium_utility.mean():.2f}",
        "share": f"{played.share:.2%}",
        "regret": f"{played.regret.mean():.2f}",
    }
    title = f"{title} on {task.name}: means a round"
    _print(title, cells, [list(cells.values())], "share and regret: against rational VMUs")


def _show_live(player: Player, task: Task, rounds: int, seed: int) -> None:
    with Progress() as progress:
        bar = progress.add_task("repainting", total=rounds)
        seed, show = demonstration_seed(seed), lambda done: progress.update(bar, completed=done)
        records = play_live(player(1), task, rounds, seed, show)
    formats = {
        "round": "{:.0f}",
        "vmu": "{:.0f}",
        "price": "{:.3f}",
        "steps": "{:.0f}",
        "ssim": "{:.4f}",
        "table": "{:.4f}",
        "luck": "{:.1f}",
    }
    rows = [[text.format(record[name]) for name, text in formats.items()] for record in records]
    _print("served live; luck is what SSIM beside the table's is worth to a VMU", formats, rows)


def _print(
    title: str, columns: Iterable[str], rows: Iterable[Sequence[str]], caption: str | None = None
) -> None:
    headers = [Column(column, justify="right") for column in columns]
    table = Table(*headers, title=title, caption=caption)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
