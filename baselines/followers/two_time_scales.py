"""Leader and followers train together: the leader slowly, the followers fast."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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
from baselines.followers.both_by_ppo import PPO, Clipped, LeaderHead, LeaderValue
from baselines.followers.both_pathwise import Pathwise
from baselines.followers.follower_policy import (
    FollowerKind,
    FollowerNetwork,
    Followers,
    agents_network,
    sees,
)
from baselines.followers.gaps import measure
from baselines.followers.learning_games import LearningGames
from baselines.methods.sb3.players import WindowMethod
from baselines.methods.sb3.recipes import Sb3Recipe, recipe
from baselines.methods.sb3.trainer import Trained, make_policy
from baselines.runs.checkpoint import Checkpoint

Gradient = Literal["ppo", "pathwise"]


@dataclass(frozen=True)
class BothRecipe:
    """Hyperparameters of training both sides."""

    gradient: Gradient = "ppo"
    """`ppo`, or `pathwise`: the derivative of what is earned, through the market."""
    leader_pace: float = 1.5
    """By what the leader's learning rate is multiplied: the less, the farther apart the scales."""
    follower_learning_rate: float | None = None
    """At the start; it falls linearly to a twentieth. None: .006, or .01 where pathwise."""
    follower_updates: int | None = None
    """Updates of the followers for each of the leader. None: one after every five rounds or fewer
    that the leader learns from, or one where pathwise."""
    head_start: int = 4
    """Updates of the leader that are left out at the beginning: followers who have learned nothing
    yet make it too dear."""
    tremble: float = 0.25
    """Share of the games in which prices are drawn uniformly instead of posted by the leader."""
    follower_batch: int = 2560
    """Purchases in a minibatch (ppo)."""
    follower_steps: int = 5
    """Minibatches in an update of the followers; as many as make a pass, if fewer (ppo)."""
    width: int = 64
    """Of both hidden layers of the followers' networks."""
    log_std_init: float = -1.0
    """Logarithm of the standard deviation of purchases in [−1, 1] at the start (ppo)."""
    log_std_end: float = -3.0
    """The same at the end, to which it goes linearly (ppo). A deviation that is learnt falls to a
    fiftieth while the few VMUs that differ most from all others still buy far too much."""
    every: int = 5
    """Updates of the leader between two measurements."""

    def __post_init__(self) -> None:
        _checks.choice("gradient", self.gradient, ("ppo", "pathwise"))
        _checks.number("leader_pace", self.leader_pace, above=0)
        _checks.number("follower_learning_rate", self.follower_rate, above=0)
        _checks.number("tremble", self.tremble, at_least=0, below=1)
        _checks.integer("head_start", self.head_start, at_least=0)
        if self.follower_updates is not None:
            _checks.integer("follower_updates", self.follower_updates, at_least=1)
        for name in ("log_std_init", "log_std_end"):
            _checks.number(name, getattr(self, name))
        for name in ("follower_batch", "follower_steps", "width", "every"):
            _checks.integer(name, getattr(self, name), at_least=1)

    @property
    def follower_rate(self) -> float:
        """The followers' learning rate at the start."""
        if self.follower_learning_rate is not None:
            return self.follower_learning_rate
        return 0.01 if self.gradient == "pathwise" else 0.006

    def updates(self, rounds: int) -> int:
        """The followers' updates for one of the leader, which learns from so many rounds."""
        if self.follower_updates is not None:
            return self.follower_updates
        return 1 if self.gradient == "pathwise" else -(-rounds // 5)


def leader_recipe(method: str, task: Task) -> Sb3Recipe:
    """The leader's recipe where followers learn too: in many games at once, few rounds of each.

    Recipes for markets that are hidden are so already; they have `ROUNDS` of them.
    """
    alone = recipe(method, task)
    if alone.lanes >= GAMES:
        return replace(alone, rounds=ROUNDS)
    return replace(
        alone, rounds=2 * alone.rounds, lanes=GAMES, n_steps=3, batch_size=1024, n_epochs=3
    )


BETAS = 0.8, 0.99
"""Of the followers' Adam: what is best for them moves with the leader, so the past counts less."""
GAMES = 128
"""As many are as fast as few."""
ROUNDS = 200_000
"""Where markets are hidden."""


@dataclass(frozen=True)
class BothTrained:
    """A leader and followers that have learned together."""

    leader: Trained
    followers: FollowerPolicy
    """`Followers`, or rational ones."""
    rows: list[dict[str, float]]
    """`Measured`, with the leader's `rounds` and the `seconds` so far."""


def train_both(
    leader: str,
    followers: FollowerKind | None,
    task: Task,
    recipe: Sb3Recipe,
    both: BothRecipe,
    seed: int,
    report: Callable[[dict[str, float]], None] = lambda row: None,
    checkpoint: Path | None = None,
) -> BothTrained:
    """Train a leader and its followers, each against the other as it is.

    Args:
        leader: `tppo` or `ppo`.
        followers: one network for all VMUs, or one each. None: rational ones, in the same games:
            what the leader gets against these is what it can be held to.
        task: what is played.
        recipe: the leader's hyperparameters and budget: `rounds` in `lanes` games side by side.
        both: the two time scales.
        seed: of every random choice.
        report: called with every measurement.
        checkpoint: path of a file with all that has been learned at the last measurement, from
            which the same training goes on; None keeps nothing.

    Raises:
        ValueError: scripted followers, discrete actions, or a recipe that a gradient cannot follow.
    """
    _check(task, recipe, both)
    torch.set_num_threads(1)  # the networks are small
    torch.manual_seed(training_seed(seed))
    pathwise = both.gradient == "pathwise"
    games = LearningGames(task, recipe.lanes, recipe.history, both.tremble, pathwise)
    policy = make_policy(leader, recipe, games.settings)
    settings = task.settings()
    shape = games.K, sees(settings), followers == "shared-ppo", both.width
    network = FollowerNetwork(*shape)
    answering = scripted.best_response if followers is None else Followers(network, settings)
    critic = agents_network(*shape)
    of_followers = torch.optim.Adam(
        [*network.parameters(), *critic.parameters()], betas=BETAS, fused=True
    )
    updates = both.updates(recipe.n_steps)
    sides: PPO | Pathwise
    if pathwise:
        buyers = None if followers is None else network
        sides = Pathwise(games, policy, buyers, of_followers, updates)
    else:
        leading = Clipped(
            LeaderHead(policy),
            LeaderValue(policy),
            policy.optimizer,
            recipe.batch_size,
        )
        buying = Clipped(
            network,
            critic,
            of_followers,
            max(1, both.follower_batch // games.K),
        )
        sides = PPO(
            games,
            leading,
            None if followers is None else buying,
            recipe.n_steps,
            recipe.gamma,
            recipe.n_epochs,
            updates,
            both.follower_steps,
        )
    optimizers = policy.optimizer, of_followers
    rates = (
        (both.leader_pace * recipe.learning_rate, recipe.least_rate),
        (both.follower_rate, LEAST_RATE),
    )
    rounds = sides.rounds * recipe.lanes
    iterations = -(-recipe.rounds // rounds)
    measured_at = [*range(0, iterations, both.every), iterations]
    kept = Checkpoint(checkpoint, task.digest(leader, followers, seed, repr((recipe, both))), 1)
    learning = nn.ModuleList([policy, network, critic]), *optimizers
    done = kept.restore(*learning)
    began = time.perf_counter() - kept.seconds
    for row in kept.rows:
        report(row)
    player = partial(WindowMethod, policy, games.settings)
    for block in range(done, len(measured_at)):
        if block > 0:
            _begin_anew(games, seed, block)
            for iteration in range(measured_at[block - 1], measured_at[block]):
                passed = iteration / iterations
                log_std = both.log_std_init + passed * (both.log_std_end - both.log_std_init)
                network.deviation = math.exp(log_std)
                for optimizer, (first, least) in zip(optimizers, rates, strict=True):
                    left = max(1.0 - passed, least)
                    optimizer.param_groups[0]["lr"] = first * left
                sides.iterate(iteration >= both.head_start)
        measured = measure(player, answering, task, validation_seed(seed))
        row = {"rounds": rounds * measured_at[block], "seconds": time.perf_counter() - began}
        kept.rows.append(row | dataclasses.asdict(measured))
        kept.keep(block + 1, *learning)
        report(kept.rows[-1])
    last = kept.rows[-1]
    counted = int(last["rounds"]), last["seconds"]
    trained = Trained(leader, policy, games.settings, recipe, [], *counted)
    return BothTrained(trained, answering, kept.rows)


LEAST_RATE = 0.05
"""Share of the followers' learning rate that is left at the end."""


def _check(task: Task, recipe: Sb3Recipe, both: BothRecipe) -> None:
    if "followers" in task.arguments:
        raise ValueError(
            f"followers must be left out where both learn, got {task.arguments['followers']!r}"
        )
    if not task.settings().continuous_actions:
        raise ValueError("continuous_actions must be True where both sides learn, got False")
    if both.gradient == "ppo":
        _checks.integer("n_steps", recipe.n_steps, at_least=2)  # a price is paid a round later
        if both.updates(recipe.n_steps) > recipe.n_steps:
            raise ValueError(
                "follower_updates must be at most the rounds that the leader learns from, "
                f"n_steps = {recipe.n_steps}, got {both.follower_updates!r}"
            )
    elif recipe.gamma != 0:
        raise ValueError(
            "gamma must be 0 where the gradient is pathwise, which is of a price's own round, "
            f"got {recipe.gamma!r}"
        )


def _begin_anew(games: LearningGames, seed: int, block: int) -> None:
    """Begin a new episode, and random numbers that depend on these two alone."""
    drawn = np.random.SeedSequence((seed, block)).generate_state(2).tolist()
    torch.manual_seed(drawn[0])
    games.begin(training_seed(drawn[1] // 2))
