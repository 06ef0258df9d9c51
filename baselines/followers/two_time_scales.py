"""Leader and followers train together: the leader slowly, the followers fast."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from torch import nn

from aigc_market import _checks
from aigc_market.sb3 import GymnasiumVecEnv
from baselines.arena.protocol import Player
from baselines.arena.rollout import PHYSICAL
from baselines.arena.seeds import training_seed, validation_seed
from baselines.arena.task import Task
from baselines.followers.follower_env import FollowerEnv
from baselines.followers.follower_policy import FollowerKind, Followers
from baselines.followers.gaps import measure
from baselines.methods.sb3.features import FeatureEnv
from baselines.methods.sb3.players import WindowMethod
from baselines.methods.sb3.recipes import Sb3Recipe
from baselines.methods.sb3.trainer import Trained, make_model
from baselines.runs.checkpoint import Checkpoint


@dataclass(frozen=True)
class BothRecipe:
    """Hyperparameters of training both sides: the first tried, which met the targets."""

    leader_pace: float = 1 / 3
    """By what the leader's learning rate is multiplied: the less, the farther apart the scales."""
    follower_learning_rate: float = 3e-3
    """At the start; it falls linearly to a twentieth."""
    follower_updates: int = 2
    """Updates of each follower policy between two of the leader."""
    tremble: float = 0.25
    """Chance that followers are trained at a price drawn uniformly instead of one posted."""
    follower_rows: int = 256
    """VMUs, over all games side by side, that a follower policy plays at the same time."""
    follower_steps: int = 8
    """Rounds between two updates of followers."""
    follower_batch: int = 256
    """Purchases in a minibatch."""
    follower_epochs: int = 5
    """Passes over the purchases of an update."""
    log_std_init: float = -0.5
    """Logarithm of the first standard deviation of purchases in [−1, 1]."""
    every: int = 10
    """Updates of the leader between two measurements."""

    def __post_init__(self) -> None:
        for name in ("leader_pace", "follower_learning_rate"):
            _checks.number(name, getattr(self, name), above=0)
        _checks.number("tremble", self.tremble, at_least=0, below=1)
        for name in ("updates", "rows", "steps", "batch", "epochs"):
            _checks.integer(f"follower_{name}", getattr(self, f"follower_{name}"), at_least=1)
        _checks.integer("every", self.every, at_least=1)


@dataclass(frozen=True)
class BothTrained:
    """A leader and followers that have learned together."""

    leader: Trained
    followers: Followers
    rows: list[dict[str, float]]
    """`Measured`, with the leader's `rounds` and the `seconds` so far."""


def train_both(
    leader: str,
    followers: FollowerKind,
    task: Task,
    recipe: Sb3Recipe,
    both: BothRecipe,
    seed: int,
    report: Callable[[dict[str, float]], None] = lambda row: None,
    checkpoint: Path | None = None,
) -> BothTrained:
    """Train a leader and its followers, each against the other as it is.

    In each iteration the followers are trained some updates at the prices that the leader posts
    (exploring), then the leader one update against the followers as they are (not exploring). The
    followers' rates are the greater: in the limit of two time scales they best respond to a leader
    that stands still, and the leader climbs U_p(p, S*(p)), the Stackelberg game's own gradient
    (Fiez et al. 2020; Zheng et al. 2022).

    Episodes and random numbers begin anew after each measurement, from seeds of their own, so that
    a training that was cut short goes on as if it had not been.

    Args:
        leader: "tppo" or "ppo".
        followers: one policy for all VMUs, or one each.
        task: what is played.
        recipe: the leader's hyperparameters and budget, as where it learns alone.
        both: the two time scales.
        seed: of every random choice.
        report: called with every measurement.
        checkpoint: path of a file with all that has been learned at the last measurement, from
            which the same training goes on; None keeps nothing.

    Raises:
        ValueError: scripted followers, or discrete actions.
    """
    _check(task)
    torch.set_num_threads(1)  # the networks are small
    progress = _Progress()
    learned = Followers([], task.settings())
    given = {**PHYSICAL, "history": recipe.history, "vmus": learned, "judged": False}
    lanes = FeatureEnv(task.environment(recipe.lanes, **given))
    leading = make_model(leader, lanes, recipe, training_seed(seed))
    leading.lr_schedule = progress.rate(both.leader_pace * recipe.learning_rate, recipe.least_rate)
    window = leading.policy, lanes.units, recipe.history
    models = _make_followers(followers, task, partial(_Exploring, *window), learned, both, progress)
    sides = [leading, *models]
    for side in sides:
        side.set_logger(Logger(None, []))
    rounds = recipe.n_steps * recipe.lanes
    iterations = -(-recipe.rounds // rounds)
    measured_at = [*range(0, iterations, both.every), iterations]
    kept = Checkpoint(checkpoint, task.digest(leader, followers, seed, repr((recipe, both))), 1)
    policies = nn.ModuleList([side.policy for side in sides])
    learning = policies, *[side.policy.optimizer for side in sides]
    done = kept.restore(*learning)
    began = time.perf_counter() - kept.seconds
    for row in kept.rows:
        report(row)
    for block in range(done, len(measured_at)):
        if block > 0:
            _begin_anew(sides, seed, block)
            for iteration in range(measured_at[block - 1], measured_at[block]):
                progress.done = iteration / iterations
                for model in models:
                    purchases = both.follower_updates * both.follower_steps * model.n_envs
                    model.learn(purchases, reset_num_timesteps=False)
                leading.learn(rounds, reset_num_timesteps=False)
        measured = measure(partial(WindowMethod, *window), learned, task, validation_seed(seed))
        row = {"rounds": rounds * measured_at[block], "seconds": time.perf_counter() - began}
        kept.rows.append(row | dataclasses.asdict(measured))
        kept.keep(block + 1, *learning)
        report(kept.rows[-1])
    last = kept.rows[-1]
    policy, units, _ = window
    trained = Trained(
        leader, policy, units, recipe, lanes.episodes, int(last["rounds"]), last["seconds"]
    )
    return BothTrained(trained, learned, kept.rows)


def _check(task: Task) -> None:
    if "vmus" in task.arguments:
        raise ValueError(f"vmus must be left out where both learn, got {task.arguments['vmus']!r}")
    if not task.settings().continuous_actions:
        raise ValueError("continuous_actions must be True where both sides learn, got False")


class _Exploring(WindowMethod):
    """The leader as it trains: it draws its prices."""

    def _decide(self, features: torch.Tensor, begins: bool) -> torch.Tensor:
        return self._policy._predict(features, deterministic=False)


def _make_followers(
    kind: FollowerKind,
    task: Task,
    leader: Player,
    learned: Followers,
    both: BothRecipe,
    progress: _Progress,
) -> list[PPO]:
    """Untrained followers and the games that they play; their policies are put into `learned`."""
    K = learned.settings.market.K
    models = []
    for played in [np.arange(K)] if kind == "shared-ppo" else np.arange(K)[:, None]:
        games = -(-both.follower_rows // len(played))
        env = FollowerEnv(task, leader, learned, np.tile(played, (games, 1)), both.tremble)
        model = PPO(
            "MlpPolicy",
            GymnasiumVecEnv(env, infos=False),
            learning_rate=progress.rate(both.follower_learning_rate),
            n_steps=both.follower_steps,
            batch_size=both.follower_batch,
            n_epochs=both.follower_epochs,
            gamma=0.0,
            policy_kwargs={"log_std_init": both.log_std_init},
            device="cpu",
        )
        models.append(model)
        learned.policies.append(model.policy)
    return models


def _begin_anew(sides: Sequence[PPO], seed: int, block: int) -> None:
    """Begin new episodes on all sides, and random numbers that depend on these two alone."""
    drawn = np.random.SeedSequence((seed, block)).generate_state(len(sides))
    for side, own in zip(sides, drawn.tolist(), strict=True):
        side.set_random_seed(training_seed(own // 2))
        side._last_obs = None  # SB3 then resets the environment


@dataclass
class _Progress:
    """How far training is; SB3's own count starts anew at each call of `learn`."""

    done: float = 0.0

    def rate(self, first: float, least: float = 0.05) -> Callable[[float], float]:
        """A learning rate that falls linearly from `first`; at the end, `least` of it is left."""
        return lambda _: first * max(1.0 - self.done, least)
