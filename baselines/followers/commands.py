"""`train both` and `evaluate RUN [--exploit]`: what they print, keep and draw."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from aigc_market import followers as scripted
from aigc_market import palette
from aigc_market.followers import FollowerPolicy
from baselines.arena import policies
from baselines.arena.protocol import Player
from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.figures import panels, save
from baselines.followers.both_learning import BothRecipe, train_both
from baselines.followers.exploit import exploit
from baselines.followers.gaps import measure
from baselines.followers.policy import FollowerKind, Followers
from baselines.methods.sb3.recipes import PpoRecipe
from baselines.runs.files import check_folder, read_frame, write_csv

FOLLOWERS = "followers.safetensors"
"""In the folder of a run, beside its leader."""
PICTURE = "both.png"
_COLUMNS = {
    "rounds": "{:,.0f}",
    "seconds": "{:.0f}",
    "price": "{:.3f}",
    "share": "{:.2%}",
    "share_learned": "{:.2%}",
    "gap": "{:.2%}",
    "worst_gap": "{:.2%}",
}
_MEANS = {
    "share": "leader's share of U_p*, against best responses",
    "share_learned": "leader's share of the best against the learned followers",
    "gap": "surplus that followers lose, over prices from c to p_max",
    "worst_gap": "the worst of it",
    "gap_played": "surplus that followers lose at the prices played",
}
_LEAST = 1e-4
"""What is less is drawn here: an axis of logarithms has no zero."""


def train_and_keep(
    leader: str,
    followers: FollowerKind,
    task: Task,
    recipe: PpoRecipe,
    both: BothRecipe,
    seed: int,
    out: Path,
) -> None:
    """Train both sides, and keep their policies, curve.csv and both.png in a folder."""
    check_folder(out)
    console = Console()
    for name, meaning in _MEANS.items():
        console.print(f"{name}: {meaning}", style="dim")
    console.print("".join(f"{name:>14}" for name in _COLUMNS), soft_wrap=True)

    rows = []

    def report(row: dict[str, float]) -> None:
        rows.append(row)
        values = [text.format(row[name]) for name, text in _COLUMNS.items()]
        console.print("".join(f"{value:>14}" for value in values), soft_wrap=True, highlight=False)

    checkpoint = out / "both.checkpoint"
    led, buying = train_both(leader, followers, task, recipe, both, seed, report, checkpoint)
    led.keep(out / policies.FILE, task, seed)
    assert isinstance(buying, Followers)  # rational ones are the control's alone
    buying.save(out / FOLLOWERS, gradient=both.gradient)
    write_csv(out / "curve.csv", list(rows[0]), rows)
    draw(out / "curve.csv", out / PICTURE)
    checkpoint.unlink(missing_ok=True)  # another run in this folder may have been done before
    console.print(f"Kept in {out}/: python -m baselines evaluate {out} [--exploit]", soft_wrap=True)


def draw(curve: Path, picture: Path) -> None:
    """What the leader's prices and the followers' purchases lose, against rounds, from a CSV."""
    rows = read_frame(curve)
    figure, axes = panels(2, columns=2, width=3.9, height=3.4, sharey=True)
    lines = (
        ("against best responses", 1 - rows["share"]),
        ("against the learned followers", 1 - rows["share_learned"]),
        ("mean over all prices", rows["gap"]),
        ("worst at any price", rows["worst_gap"]),
        ("mean at the prices played", rows["gap_played"]),
    )
    colours = palette.BLUE, palette.VERMILLION, palette.SKY
    titles = "Utility that the leader loses", "Surplus that followers lose"
    for one, title, shown in zip(axes, titles, (lines[:2], lines[2:]), strict=True):
        for (label, values), colour in zip(shown, colours, strict=False):
            one.plot(rows["rounds"] / 1000, values.clip(lower=_LEAST), label=label, color=colour)
        one.set(xlabel="Rounds of the leader, thousands", yscale="log", ylim=(0.7 * _LEAST, 30))
        one.set_title(title)
        one.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        one.legend(frameon=False)
    axes[0].set_ylabel("Lost, as a share of the best")
    save(figure, picture)


def followers_of(folder: Path | None, task: Task) -> FollowerPolicy:
    """The followers that the leader of a run was trained with: learned, or the task's.

    Raises:
        ValueError: learned followers that do not fit the task.
    """
    if folder is not None and (folder / FOLLOWERS).exists():
        return Followers.load(folder / FOLLOWERS, task.settings())
    return scripted.resolve(task.arguments.get("followers", task.settings().scenario.followers))


def show_both(leader: Player, followers: FollowerPolicy, task: Task, seed: int) -> None:
    """Say how a leader and its learned followers do against each other."""
    measured = measure(leader, followers, task, demonstration_seed(seed))
    table = Table(title="against the followers that it was trained with", show_header=False)
    for name, meaning in _MEANS.items():
        table.add_row(meaning, f"{getattr(measured, name):>8.2%}")
    Console().print(table)


def show_exploit(leader: Player, followers: FollowerPolicy, task: Task, seed: int) -> None:
    """Train fresh best responders and say what they gain, beside what the rules say."""
    table = Table("in the place of", title="gain of a best responder in the place of each side")
    for column in ("trained", "by the rules"):
        table.add_column(column, justify="right")
    gains = exploit(leader, followers, task, seed)
    for name, gain in zip(("leader", "a follower"), gains, strict=True):
        error = f" ± {gain.error:.2%}" if gain.error else ""  # where followers draw
        table.add_row(name, f"{gain.trained:.2%}", f"{gain.by_rules:.2%}{error}")
    Console().print(table)
