"""Leader and followers train together: the leader slowly, the followers fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger

from aigc_market import _checks
from baselines.followers.gaps import measure
from baselines.followers.lanes import FollowerLanes
from baselines.followers.policy import FollowerKind, Followers, settings_of
from baselines.methods.sb3.training import Training, make_model


@dataclass(frozen=True)
class BothTraining:
    """Hyperparameters of training both sides: the first tried, which met the targets."""

    leader_pace: float = 1 / 3
    """By what the leader's learning rate is multiplied: the less, the farther apart the scales."""
    follower_learning_rate: float = 3e-3
    """At the start; it falls linearly to a twentieth, as the leader's does."""
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
        _checks.number("leader_pace", self.leader_pace, above=0)
        _checks.number("tremble", self.tremble, at_least=0, below=1)
        for name in ("follower_updates", "follower_rows", "follower_steps", "every"):
            _checks.integer(name, getattr(self, name), at_least=1)


def train_both(
    leader: str,
    followers: FollowerKind,
    arguments: dict[str, Any],
    of_leader: Training,
    both: BothTraining,
    seed: int,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> tuple[PPO, Followers, list[dict[str, float]]]:
    """Train a leader and its followers, each against the other as it is.

    In each iteration the followers are trained some updates at the prices that the leader posts
    (exploring), then the leader one update against the followers as they are (not exploring). The
    followers' rates are the greater: in the limit of two time scales they best respond to a leader
    that stands still, and the leader climbs U_p(p, S*(p)), the Stackelberg game's own gradient
    (Fiez et al. 2020; Zheng et al. 2022).

    Args:
        leader: "tppo" or "ppo".
        followers: one policy for all VMUs, or one each.
        arguments: of the environment.
        of_leader: the leader's hyperparameters and budget, as where it learns alone.
        both: the two time scales.
        seed: of every random choice.
        report: called with every measurement.

    Returns:
        The leader, the followers, and what was measured on the way.

    Raises:
        ValueError: actions that are not continuous, or scripted followers.
    """
    if "vmus" in arguments:
        raise ValueError(f"vmus must be left out where both train, got {arguments['vmus']!r}")
    torch.set_num_threads(1)
    start = time.perf_counter()
    progress = _Progress()
    settings = settings_of(arguments)
    if not settings.continuous_actions:
        raise ValueError("continuous_actions must be True where both sides learn, got False")
    models: list[PPO] = []
    policies: list[Any] = []
    learned = Followers(policies, settings)
    leading = make_model(leader, {**arguments, "vmus": learned}, of_leader, seed)
    leading.lr_schedule = progress.rate(both.leader_pace * of_leader.learning_rate)
    K = settings.market.K
    for i in range(1 if followers == "shared-ppo" else K):
        played = np.arange(K) if followers == "shared-ppo" else np.array([i])
        games = -(-both.follower_rows // len(played))
        lanes = FollowerLanes(
            arguments,
            lambda seen: leading.predict(seen)[0],
            learned,
            np.tile(played, (games, 1)),
            both.tremble,
            seed + 1000 * (i + 1),
        )
        models.append(
            PPO(
                "MlpPolicy",
                lanes,
                learning_rate=progress.rate(both.follower_learning_rate),
                n_steps=both.follower_steps,
                batch_size=both.follower_batch,
                n_epochs=both.follower_epochs,
                gamma=0.0,
                policy_kwargs={"log_std_init": both.log_std_init},
                seed=seed + i,
                device="cpu",
            )
        )
        policies.append(models[-1].policy)
    for model in (leading, *models):
        model.set_logger(Logger(None, []))
    rows = []
    rounds = of_leader.n_steps * of_leader.lanes
    iterations = -(-of_leader.episodes * settings.max_cycles // rounds)
    for iteration in range(iterations + 1):
        progress.done = iteration / iterations
        if iteration % both.every == 0 or iteration == iterations:
            measured = measure(leading, learned, arguments, seed)
            seconds = time.perf_counter() - start
            rows.append({"rounds": rounds * iteration, "seconds": seconds, **measured})
            report(rows[-1])
        if iteration == iterations:
            break
        for model in models:
            purchases = both.follower_steps * model.n_envs
            model.learn(both.follower_updates * purchases, reset_num_timesteps=False)
        leading.learn(rounds, reset_num_timesteps=False)
    return leading, learned, rows


@dataclass
class _Progress:
    """How far training is; SB3's own count starts anew at each call of `learn`."""

    done: float = 0.0

    def rate(self, first: float) -> Callable[[float], float]:
        """A learning rate that falls linearly from `first` to a twentieth of it."""
        return lambda _: first * max(1.0 - self.done, 0.05)
