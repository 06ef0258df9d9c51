"""`train both` and `evaluate RUN --exploit`: what they print and keep."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from stable_baselines3 import PPO

from aigc_market import vmus
from aigc_market.vmus import FollowerPolicy
from baselines.followers.exploit import exploit
from baselines.followers.gaps import measure
from baselines.followers.learning_curve import draw
from baselines.followers.policy import FollowerKind, Followers, settings_of
from baselines.followers.two_time_scales import BothTraining, train_both
from baselines.methods.sb3.training import Training, recipe, save

_COLUMNS = {
    "rounds": "{:,.0f}",
    "seconds": "{:.0f}",
    "price": "{:.3f}",
    "share": "{:.2%}",
    "share_learned": "{:.2%}",
    "gap": "{:.2%}",
    "worst_gap": "{:.2%}",
}


def train_and_keep(
    leader: str,
    followers: FollowerKind,
    arguments: dict[str, Any],
    as_json: dict[str, Any],
    of_leader: Training,
    both: BothTraining,
    seed: int,
    out: Path,
) -> None:
    """Train both sides, and keep weights, config.json, curve.csv and both.png in `out`."""
    console = Console()
    console.print(
        "share: of U_p*, against best responses; share_learned: of the best against the learned "
        "followers; gap: surplus that followers lose, over prices from c to p_max",
        style="dim",
    )
    console.print("".join(f"{name:>14}" for name in _COLUMNS), soft_wrap=True)

    def report(row: dict[str, float]) -> None:
        values = [text.format(row[name]) for name, text in _COLUMNS.items()]
        console.print("".join(f"{value:>14}" for value in values), soft_wrap=True, highlight=False)

    model, learned, rows = train_both(
        leader, followers, arguments, of_leader, both, seed, report=report
    )
    config = recipe(as_json, of_leader, seed)
    save(out, model, {"method": leader, "followers": followers, "both": vars(both), **config})
    learned.save(out)
    partial = out / "curve.csv.tmp"
    with open(partial, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(out / "curve.csv")
    draw(out / "curve.csv", out / "both.png")
    console.print(f"Kept in {out}/: python -m baselines evaluate {out} [--exploit]", soft_wrap=True)


def followers_of(folder: Path, config: dict[str, Any], arguments: dict[str, Any]) -> FollowerPolicy:
    """The followers that a run's leader was trained with: learned, or scripted."""
    settings = settings_of(arguments)
    if "followers" in config:
        return Followers.load(folder, settings)
    return vmus.resolve(arguments.get("vmus", settings.scenario.vmus))


def show_both(leader: PPO, followers: FollowerPolicy, arguments: dict[str, Any], seed: int) -> None:
    """Say how a leader and its learned followers do against each other."""
    measured = measure(leader, followers, arguments, seed)
    rows = {
        "leader's share of U_p*, against best responses": f"{measured['share']:.2%}",
        "leader's share of the best against the learned followers": (
            f"{measured['share_learned']:.2%}"
        ),
        "followers' gap, over prices from c to p_max": f"{measured['gap']:.2%}",
        "the worst of it": f"{measured['worst_gap']:.2%}",
        "followers' gap at the prices played": f"{measured['gap_played']:.2%}",
    }
    _print("against the followers that it was trained with", ("", ""), rows.items())


def show_exploit(
    leader: PPO, followers: FollowerPolicy, arguments: dict[str, Any], seed: int
) -> None:
    """Train fresh best responders and say what they gain, beside what the rules say."""
    found = exploit(leader, followers, arguments, seed)
    rows = [
        ("leader", f"{found.leader_trained:.2%}", f"{found.leader_exact:.2%}"),
        ("a follower", f"{found.followers_trained:.2%}", f"{found.followers_exact:.2%}"),
    ]
    title = "gain of a best responder in the place of each side"
    _print(title, ("in the place of", "trained", "exact"), rows)


def _print(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(title=title, show_header=any(columns))
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
