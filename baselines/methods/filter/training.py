"""Trainers of the registry: fit a filter, train the network on it, keep the result as one file.

Beside the methods there are ablations of `filter_pathwise`: each differs from it in one thing.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

import aigc_market
from baselines.arena.protocol import Method
from baselines.arena.rollout import PHYSICAL, play
from baselines.arena.seeds import validation_seed
from baselines.arena.task import Task
from baselines.arena.trainable import Report
from baselines.methods.filter import pathwise, policy, ppo
from baselines.methods.filter.fit import FitRecipe, fitted
from baselines.methods.filter.leader import Leader
from baselines.methods.filter.network import PricingNetwork, Shape
from baselines.methods.filter.pathwise import PathwiseRecipe
from baselines.methods.filter.ppo import PpoRecipe
from baselines.runs.checkpoint import Checkpoint
from baselines.runs.digest import source_digest


@dataclass(frozen=True)
class FilterRecipe:
    """How a leader on a filter of demand is made."""

    improvement: PpoRecipe | PathwiseRecipe | None
    """How the network is trained once the filter is fitted; None: it stays as it begins, with the
    price that is best by the filter and some dispersion."""
    fit: FitRecipe | None = field(default_factory=FitRecipe)
    """How the filter is fitted; None: it stays as it begins, or there is none."""
    shape: Shape = field(default_factory=Shape)


@dataclass(frozen=True)
class FilterTrainer:
    """A trainer of the registry.

    A training that was cut short goes on from its checkpoint, a file beside that of the leader,
    with the same result as if it had not been.
    """

    method: str
    """Its name in the registry."""
    improvement: type[PpoRecipe | PathwiseRecipe] | None
    """How the network is trained once the filter is fitted."""
    shape: Shape = field(default_factory=Shape)
    fitted: bool = True
    """Whether the filter, if there is one, is fitted."""
    equal_rounds: bool = False
    """Whether PPO plays as many rounds as the pathwise gradient does."""
    every: int = 50
    """Updates between two writes of the checkpoint."""

    def recipe(self, task: Task) -> FilterRecipe:
        """The recipe in use; docs/hidden-markets.md tells what else was tried."""
        K, improvement, fit = task.public().K, None, None
        pathwise_recipe = PathwiseRecipe(lanes=_lanes(128, 480, K))
        if self.improvement is PathwiseRecipe:
            improvement = pathwise_recipe
        if self.improvement is PpoRecipe:
            improvement = PpoRecipe(lanes=_lanes(256, 640, K))
        if isinstance(improvement, PpoRecipe) and self.equal_rounds:
            episodes = pathwise_recipe.updates * pathwise_recipe.lanes
            improvement = replace(improvement, updates=round(episodes / improvement.lanes))
        if self.fitted and self.shape.filter:
            fit = FitRecipe(lanes=_lanes(32, 160, K))
        return FilterRecipe(improvement, fit, self.shape)

    def can_train(self, task: Task) -> str | None:
        """None; or why the gradient cannot go through the rules."""
        if self.improvement is not PathwiseRecipe:
            return None
        return pathwise.obstacle(task)

    def train(
        self,
        task: Task,
        seed: int,
        out: Path,
        recipe: FilterRecipe | None = None,
        report: Report = lambda done, total, row: None,
    ) -> None:
        """Train a leader and keep it.

        Args:
            task: what is played.
            seed: of every random choice.
            out: path of the file. The fit of the filter is kept beside it, where other trainings of
                the same task and seed find it.
            recipe: in place of the one in use.
            report: told of the updates done.

        Raises:
            ValueError: the task is one for which `can_train` says why not.
        """
        reason = self.can_train(task)
        if reason is not None:
            raise ValueError(f"task must be one that {self.method} can train for: {reason}")
        torch.set_num_threads(1)  # the network is small, and sweeps fill the cores with runs
        torch.manual_seed(seed)
        recipe = self.recipe(task) if recipe is None else recipe
        network = PricingNetwork(task.public(), recipe.shape)
        fit: dict[str, Any] = {"rounds": 0, "seconds": 0.0}
        if network.demand_filter is not None and recipe.fit is not None:
            fit = fitted(network.demand_filter, task, recipe.fit, seed, out.parent)
        record: dict[str, Any] = {
            "method": self.method,
            "task": task.as_json(),
            "seed": seed,
            "recipe": dataclasses.asdict(recipe),
            "version": aigc_market.__version__,
        }
        of = task.digest(record, source_digest(sorted(Path(__file__).parent.glob("*.py"))))
        checkpoint = Checkpoint(out.with_suffix(".checkpoint"), of, self.every)
        began = time.perf_counter()
        rounds = _improve(network, task, recipe.improvement, seed, checkpoint, report)
        record["rounds"] = fit["rounds"] + rounds
        record["seconds"] = fit["seconds"] + checkpoint.seconds + time.perf_counter() - began
        policy.save(out, network, record)
        checkpoint.discard()

    def load(self, path: Path) -> Callable[[int], Method]:
        """A leader kept by `train`: called with the number of episodes, it gives a method.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is of another kind.
        """
        return partial(Leader, policy.load(path))


def _improve(
    network: PricingNetwork,
    task: Task,
    recipe: PpoRecipe | PathwiseRecipe | None,
    seed: int,
    checkpoint: Checkpoint,
    report: Report,
) -> int:
    """Train the network in place; returns the rounds played."""
    rounds = 0
    if isinstance(recipe, PathwiseRecipe):
        done = partial(_tell, report, recipe.updates)
        rounds = pathwise.train(network, task, recipe, seed, checkpoint, done)
    if isinstance(recipe, PpoRecipe):
        done = partial(_tell, report, recipe.updates)
        env = task.environment(recipe.lanes, history=1, judged=False, **PHYSICAL)
        rounds = ppo.train(network, env, recipe, seed, checkpoint, done)
    if not (isinstance(recipe, PpoRecipe) and _noise_pays(network, task)):
        network.log_std.data.fill_(-math.inf)
    return rounds


def _tell(report: Report, of: int, updates: int) -> None:
    report(updates, of, {})


def _noise_pays(network: PricingNetwork, task: Task) -> bool:
    """Whether what PPO learnt with noise plays better with it, in episodes of validation."""
    lanes, log_std = _lanes(256, 640, task.public().K), network.log_std.item()

    def share(log_std: float) -> float:
        network.log_std.data.fill_(log_std)
        return play(Leader(network, lanes), task, lanes, validation_seed(0)).share

    without, with_noise = share(-math.inf), share(log_std)
    return with_noise > without


def _lanes(most: int, slots: int, K: int) -> int:
    """Episodes in a batch: at most so many, and so many slots of VMUs in all of them together."""
    return max(1, min(most, slots // K))


FILTER = FilterTrainer("filter", None)
FILTER_PPO = FilterTrainer("filter_ppo", PpoRecipe)
CAUSAL_PPO = FilterTrainer("causal_ppo", PpoRecipe, Shape(filter=False))
FILTER_PATHWISE = FilterTrainer("filter_pathwise", PathwiseRecipe)

# Ablations of filter_pathwise
NO_TIME_ATTENTION = replace(
    FILTER_PATHWISE, method="pathwise_no_time_attention", shape=Shape(over_time=False)
)
NO_VMU_ATTENTION = replace(
    FILTER_PATHWISE, method="pathwise_no_vmu_attention", shape=Shape(over_vmus=False)
)
MLP = replace(FILTER_PATHWISE, method="pathwise_mlp", shape=Shape(over_time=False, over_vmus=False))
NO_FILTER = replace(FILTER_PATHWISE, method="pathwise_no_filter", shape=Shape(filter=False))
FLAT_PRIOR = replace(FILTER_PATHWISE, method="pathwise_flat_prior", fitted=False)
EQUAL_ROUNDS = replace(FILTER_PPO, method="filter_ppo_equal_rounds", equal_rounds=True)
