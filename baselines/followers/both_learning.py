"""Leader and followers train together: the leader slowly, the followers fast."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from aigc_market import _checks
from aigc_market import followers as scripted
from aigc_market.followers import FollowerPolicy
from baselines.arena.seeds import training_seed, validation_seed
from baselines.arena.task import Task
from baselines.followers.games import LearningGames
from baselines.followers.gaps import measure
from baselines.followers.gradients import PPO, Pathwise
from baselines.followers.policy import FollowerKind, FollowerNetwork, Followers, sees
from baselines.methods.sb3.players import normalized
from baselines.methods.sb3.recipes import PpoRecipe, recipe
from baselines.methods.sb3.trainer import Trained, make_policy
from baselines.runs.checkpoint import Checkpoint

Gradient = Literal["ppo", "pathwise"]
GAMES = 128
"""Games side by side: as many are as fast as few."""
BETAS = 0.8, 0.99
"""Of the followers' Adam: what is best for them moves with the leader, so the past counts less."""
LOG_STD = -1.0, -3.0
"""Logarithm of the deviation of followers' purchases in [−1, 1], at the start and at the end (ppo).
A deviation that is learnt falls to a fiftieth while the few VMUs that differ most from all others
still buy far too much."""


@dataclass(frozen=True)
class BothRecipe:
    """Hyperparameters of training both sides."""

    gradient: Gradient = "ppo"
    """`ppo`, or `pathwise`: the derivative of what is earned, through the market."""
    leader_pace: float = 1.5
    """By what the leader's learning rate is multiplied: the less, the farther apart the scales."""
    follower_learning_rate: float | None = None
    """At the start; it falls linearly to a twentieth. None: .006, or .01 where pathwise."""
    head_start: int = 4
    """Updates of the leader that are left out at the beginning: followers who have learned nothing
    yet make it too dear."""
    explore: int = 3
    """Prices drawn uniformly in each game at which followers learn too, beside the one in force:
    the trembling hand of Selten (1975)."""
    every: int = 5
    """Updates of the leader between two measurements."""

    def __post_init__(self) -> None:
        _checks.choice("gradient", self.gradient, ("ppo", "pathwise"))
        _checks.number("leader_pace", self.leader_pace, above=0)
        _checks.number("follower_learning_rate", self.follower_rate, above=0)
        for name in ("head_start", "explore"):
            _checks.integer(name, getattr(self, name), at_least=0)
        _checks.integer("every", self.every, at_least=1)

    @property
    def follower_rate(self) -> float:
        """The followers' learning rate at the start."""
        if self.follower_learning_rate is not None:
            return self.follower_learning_rate
        return 0.01 if self.gradient == "pathwise" else 0.006


def leader_recipe(method: str, task: Task) -> PpoRecipe:
    """The leader's recipe where followers learn too: in many games at once, few rounds of each."""
    alone = recipe(method, task)
    if not task.stands_still:
        # A network of rounds alone, whose gradient may be that of a price's own round.
        seen = {"history": 32 if method == "ppo" else alone.history, "statistics": False}
        of_both = {"rounds": 200_000, "lanes": GAMES, "learning_rate": 1e-3, "gamma": 0.0}
        return replace(alone, **of_both, **seen)
    return replace(
        alone,
        rounds=40_000,
        lanes=GAMES,
        n_steps=3,
        batch_size=1024,
        n_epochs=3,
        learning_rate=3e-3,
        least_rate=0.05,
        log_std_init=-1.0,
    )


def train_both(
    leader: str,
    followers: FollowerKind | None,
    task: Task,
    recipe: PpoRecipe,
    both: BothRecipe,
    seed: int,
    report: Callable[[dict[str, float]], None] = lambda row: None,
    checkpoint: Path | None = None,
) -> tuple[Trained, FollowerPolicy]:
    """Train a leader and its followers, each against the other as it is.

    Args:
        leader: `tppo` or `ppo`.
        followers: one network for all VMUs, or one each. None: rational ones, in the same games:
            what the leader gets against these is what it can be held to.
        task: what is played.
        recipe: the leader's hyperparameters and budget: `rounds` in `lanes` games side by side.
        both: the two time scales.
        seed: of every random choice.
        report: called with every measurement: `Measured`, with the leader's `rounds` and the
            `seconds` so far.
        checkpoint: path of a file with all that has been learned at the last measurement, from
            which the same training goes on; None keeps nothing.

    Returns:
        The leader, and `Followers` or rational ones.

    Raises:
        ValueError: scripted followers, discrete actions, or a recipe that a gradient cannot follow.
    """
    _check(task, recipe, both)
    torch.set_num_threads(1)  # the networks are small
    torch.manual_seed(training_seed(seed))
    games = LearningGames(task, recipe.lanes, recipe.history)
    settings = normalized(task, recipe.history)
    policy = make_policy(leader, recipe, settings)
    network = FollowerNetwork(games.K, sees(settings), followers == "shared-ppo")
    answering = scripted.best_response if followers is None else Followers(network, settings)
    of_followers = torch.optim.Adam(network.parameters(), betas=BETAS, fused=True)
    learning = None if followers is None else network
    kind = Pathwise if both.gradient == "pathwise" else PPO
    sides = kind(games, policy, learning, of_followers, both.explore, recipe)
    paced = replace(recipe, learning_rate=both.leader_pace * recipe.learning_rate)
    rounds = sides.rounds * recipe.lanes
    iterations = -(-recipe.rounds // rounds)
    measured_at = [*range(0, iterations, both.every), iterations]
    kept = Checkpoint(checkpoint, task.digest(leader, followers, seed, repr((recipe, both))), 1)
    state = nn.ModuleList([policy, network]), policy.optimizer, of_followers
    done = kept.restore(*state)
    began = time.perf_counter() - kept.seconds
    for row in kept.rows:
        report(row)
    trained = Trained(leader, policy, settings, recipe, [], 0, 0.0)
    for block in range(done, len(measured_at)):
        if block > 0:
            # Random numbers that depend on these two alone: a training may be cut short here.
            drawn = np.random.SeedSequence((seed, block)).generate_state(2).tolist()
            torch.manual_seed(drawn[0])
            games.begin(training_seed(drawn[1] // 2))
            for iteration in range(measured_at[block - 1], measured_at[block]):
                passed = iteration / iterations
                policy.optimizer.param_groups[0]["lr"] = paced.rate(1.0 - passed)
                of_followers.param_groups[0]["lr"] = both.follower_rate * max(1.0 - passed, 0.05)
                log_std = LOG_STD[0] + passed * (LOG_STD[1] - LOG_STD[0])
                sides.iterate(iteration >= both.head_start, math.exp(log_std))
        measured = measure(trained.player, answering, task, validation_seed(seed))
        row = {"rounds": rounds * measured_at[block], "seconds": time.perf_counter() - began}
        kept.rows.append(row | asdict(measured))
        kept.keep(block + 1, *state)
        report(kept.rows[-1])
    last = kept.rows[-1]
    return replace(trained, rounds=int(last["rounds"]), seconds=last["seconds"]), answering


def _check(task: Task, recipe: PpoRecipe, both: BothRecipe) -> None:
    if "followers" in task.arguments:
        raise ValueError(
            f"followers must be left out where both learn, got {task.arguments['followers']!r}"
        )
    if not task.settings().continuous_actions:
        raise ValueError("continuous_actions must be True where both sides learn, got False")
    if both.gradient == "ppo":
        _checks.integer("n_steps", recipe.n_steps, at_least=2)  # a price is paid a round later
    elif recipe.gamma != 0:
        raise ValueError(
            "gamma must be 0 where the gradient is pathwise, which is of a price's own round, "
            f"got {recipe.gamma!r}"
        )
