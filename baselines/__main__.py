"""The command line: `python -m baselines reproduce | train | evaluate | leaderboard`."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from baselines.arena.arguments import EnvArguments
from baselines.arena.measures import means
from baselines.arena.protocol import Method
from baselines.arena.registry import REGISTRY
from baselines.arena.task import Task
from baselines.experiments.leaderboard.command import leaderboard
from baselines.experiments.paper.grid import tune
from baselines.experiments.paper.live import play_live
from baselines.experiments.paper.reproduce import reproduce
from baselines.followers.both_sides import evaluate_both, train_and_keep
from baselines.followers.policy import FollowerKind
from baselines.followers.two_time_scales import BothRecipe
from baselines.methods import scripted as agents
from baselines.methods.sb3.training import Training, load, make_lanes, play_model, recipe, save
from baselines.methods.sb3.training import train as train_model

_Env = Annotated[EnvArguments, tyro.conf.arg(name="")]
_Training = Annotated[Training, tyro.conf.arg(name="")]


def train(
    agent: tyro.conf.Positional[Literal["tppo", "ppo", "both"]],
    env: _Env = EnvArguments(),  # noqa: B008 (frozen)
    training: _Training = Training(),  # noqa: B008 (frozen)
    seed: int = 0,
    out: Path | None = None,
    tensorboard: Path | None = None,
    leader: Literal["tppo", "ppo"] | None = None,
    followers: FollowerKind | None = None,
    both: BothRecipe = BothRecipe(),  # noqa: B008 (frozen)
) -> None:
    """Train a leader and keep it; or a leader and its followers, each against the other.

    Args:
        agent: PPO on a transformer (tppo) or on an MLP (ppo), with scripted followers; or both
            sides.
        env: the market.
        training: hyperparameters and budget of the leader.
        seed: of every random choice.
        out: folder for the weights, config.json and curve.csv; runs/AGENT by default.
        tensorboard: folder for TensorBoard logs (of a leader alone).
        leader: of both sides: the leader's network, tppo by default.
        followers: of both sides: one policy for all VMUs (the default), or one each.
        both: of both sides: the followers' training and the two time scales.
    """
    out = out or Path("runs") / agent
    if agent == "both":
        if tensorboard is not None:
            raise ValueError(f"tensorboard must be left out where both train, got {tensorboard}")
        leader, followers = leader or "tppo", followers or "shared-ppo"
        task = Task.of(env)
        recipe_of_leader = REGISTRY[leader].get_trainer().recipe(task)
        rounds = training.episodes * task.settings().max_cycles
        recipe_of_leader = dataclasses.replace(recipe_of_leader, rounds=rounds)
        train_and_keep(leader, followers, task, recipe_of_leader, both, seed, out)
        return
    if leader is not None or followers is not None:
        raise ValueError(f"--leader and --followers are for `train both`, got `train {agent}`")
    log = str(tensorboard) if tensorboard else None
    model, curve = train_model(
        agent, env.given(), training, seed, log, progress=sys.stderr.isatty()
    )
    save(out, model, {"method": agent, **recipe(env.as_json(), training, seed)})
    with open(out / "curve.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["episode", "utility"])
        writer.writerows(enumerate(curve, start=1))
    _show(agent, play_model(model, env.given(), episodes=10, seed=seed))
    Console().print(f"Kept in {out}/: python -m baselines evaluate {out}")


def evaluate(
    agent: tyro.conf.Positional[str],
    env: _Env = EnvArguments(),  # noqa: B008 (frozen)
    episodes: int = 10,
    seed: int = 0,
    live_rounds: int = 0,
    exploit: bool = False,
) -> None:
    """Play a leader and say how far from the equilibrium it is.

    Args:
        agent: a folder kept by `train`, or greedy, random or equilibrium.
        env: the market; what is left out is as the run was trained.
        episodes: how many. Scripted agents play them in turn and learn as they go.
        seed: of every random choice.
        live_rounds: rounds of a trained leader in which the VMUs' images are really repainted;
            needs a live market (`--scenario live`).
        exploit: train a fresh leader against the frozen followers and fresh followers against the
            frozen leader, and say what they gain; needs a trained leader.
    """
    if agent in agents.AGENTS:
        if exploit:
            raise ValueError(f"--exploit needs a folder kept by `train`, got {agent!r}")
        lanes = make_lanes(1, **env.given())
        scripted = agents.AGENTS[agent](lanes, seed)
        return _show(agent, means(agents.play(lanes, scripted, episodes, seed)))
    if (Path(agent) / "policy.safetensors").exists():
        return evaluate_both(Path(agent), env, seed, exploit)
    if exploit:
        raise ValueError(f"--exploit needs a run of `train both`, got {agent!r}")
    config = Path(agent) / "config.json"
    if not config.exists():
        raise SystemExit(
            f"agent must be one of {', '.join(agents.AGENTS)} or a folder kept by `train`, "
            f"got {agent!r}"
        )
    run = json.loads(config.read_text())
    trained = EnvArguments(**run["arguments"])
    arguments = {**trained.given(), **env.given()}
    model = load(Path(agent), arguments)
    _show(agent, play_model(model, arguments, episodes, seed))
    if live_rounds:
        raise ValueError("--live-rounds must be left out")
    return None


def _show(agent: str, measured: dict[str, float]) -> None:
    table = Table(title=f"{agent}: means a round")
    for column in ("price", "p*", "ASP utility", "U_p*", "share", "regret"):
        table.add_column(column, justify="right")
    share = measured["utility"] / measured["equilibrium_utility"]
    table.add_row(
        f"{measured['price']:.3f}",
        f"{measured['equilibrium_price']:.3f}",
        f"{measured['utility']:.2f}",
        f"{measured['equilibrium_utility']:.2f}",
        f"{share:.2%}",
        f"{measured['regret']:.2f}",
    )
    Console().print(table)


def _show_live(leader: Method, task: Task, rounds: int, seed: int) -> None:
    with Progress() as progress:
        bar = progress.add_task("repainting", total=rounds)
        records = play_live(
            leader, task, rounds, seed, lambda done: progress.update(bar, completed=done)
        )
    table = Table(title="served live; luck is what SSIM beside the table's is worth to a VMU")
    for column in ("round", "vmu", "price", "steps", "ssim", "table", "luck"):
        table.add_column(column, justify="right")
    for record in records:
        table.add_row(
            f"{record['round']:.0f}",
            f"{record['vmu']:.0f}",
            f"{record['price']:.3f}",
            f"{record['steps']:.0f}",
            f"{record['ssim']:.4f}",
            f"{record['table']:.4f}",
            f"{record['luck']:.1f}",
        )
    Console().print(table)


def calibrate(
    checkpoint: str = "bundled",
    images: str = "scenes",
    mask: Literal["half", "box", "stripes", "road", "strokes"] = "half",
    samples: int = 10,
    device: str = "cpu",
    mode: Literal["executed", "respaced"] = "executed",
    schedule_calls: int = 250,
    out: Path = Path("results/calibration"),
) -> None:
    """Measure SSIM against diffusion steps on repainted pictures, and solve the game on it.

    A calibration that was cut short goes on where it stopped. Needs the extra `repaint`.

    Args:
        checkpoint: bundled, a folder, or a hub id such as google/ddpm-ema-celebahq-256.
        images: scenes, photographs, or a folder of pictures.
        mask: what is repainted.
        samples: pictures, one chain each.
        device: cpu, cuda, cuda:1 or mps.
        mode: executed (S calls of one chain), or respaced (a whole chain in S calls).
        schedule_calls: calls of the whole chain.
        out: folder for ssim.csv, fig1.png, strip.png and calibration.md.
    """
    from aigc_market.ssim import RePaintSSIM  # torch and diffusers, for this command alone
    from baselines.experiments.paper.calibrate import calibrate as run

    service = RePaintSSIM(
        checkpoint,
        device,
        schedule_calls=schedule_calls,
        mask=mask,
        images=images,
        samples=samples,
        mode=mode,
        cache_dir=out / "cache",
    )
    run(service, out)


def main() -> None:
    """Run the command line. Bad arguments end it with their message, without a traceback."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            {
                "reproduce": reproduce,
                "train": train,
                "evaluate": evaluate,
                "tune": tune,
                "calibrate": calibrate,
                "leaderboard": leaderboard,
            },
            prog="python -m baselines",
            description="Baselines of the AIGC pricing game.",
        )
    except (ValueError, TypeError, ImportError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
