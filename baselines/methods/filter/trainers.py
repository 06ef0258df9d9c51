"""Trainers of the registry: fit a filter, train the network on it, keep the result as one file.

`filter_unfitted`, `filter`, `filter_ppo` and `filter_pathwise` each differ from the one before in
one thing: that the filter is fitted; that the network is trained, by PPO; and by which gradient.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import nn

from baselines.arena.protocol import Method, Report, training_config
from baselines.arena.rollout import play
from baselines.arena.seeds import validation_seed
from baselines.arena.task import Task
from baselines.methods.filter import pathwise, ppo
from baselines.methods.filter.fit import FitRecipe, fitted
from baselines.methods.filter.leader import Leader, load
from baselines.methods.filter.network import PricingNetwork, Shape, in_numpy, initial
from baselines.methods.filter.pathwise import PathwiseRecipe
from baselines.methods.sb3.recipes import PpoRecipe
from baselines.runs.checkpoint import Checkpoint
from baselines.runs.digest import code_digest
from baselines.runs.policy_files import write


@dataclass(frozen=True)
class FilterRecipe:
    """How a leader on a filter of demand is made."""

    improvement: PpoRecipe | PathwiseRecipe | None
    """How the network is trained once the filter is fitted; None: it stays as it begins, with the
    price that is best by the filter and some dispersion."""
    fit: FitRecipe = field(default_factory=FitRecipe)
    """How the filter is fitted."""
    shape: Shape = field(default_factory=Shape)


@dataclass(frozen=True)
class FilterTrainer:
    """A trainer of the registry.

    The fit of the filter is kept beside the leader. A pathwise training that was cut short goes on
    from its checkpoint, a file beside it too, with the same result as if it had not been.
    """

    method: str
    """Its name in the registry."""
    improvement: type[PpoRecipe | PathwiseRecipe] | None
    """How the network is trained once the filter is fitted."""

    def recipe(self, task: Task) -> FilterRecipe:
        """The recipe in use."""
        K, improvement = task.public().K, None
        if self.improvement is PathwiseRecipe:
            improvement = PathwiseRecipe(lanes=_lanes(128, 480, K))
        if self.improvement is PpoRecipe:
            lanes = _lanes(256, 640, K)  # sixty updates by whole episodes
            improvement = PpoRecipe(
                rounds=6000 * lanes,
                history=1,
                lanes=lanes,
                n_steps=100,
                batch_size=max(2, 25 * lanes // 2),
                n_epochs=4,
                learning_rate=1e-3,
                least_rate=0.0,
                log_std_init=-1.5,
                gamma=0.0,  # until other values have been tried
                width=Shape.width,
            )
        return FilterRecipe(improvement, FitRecipe(lanes=_lanes(32, 160, K)))

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
        """Train a leader and keep it, see `Trainer`.

        The fit of the filter is kept beside it, where other trainings of the same task and seed
        find it.

        Raises:
            ValueError: the task is one for which `can_train` says why not.
        """
        reason = self.can_train(task)
        if reason is not None:
            raise ValueError(f"task must be one that {self.method} can train for: {reason}")
        torch.set_num_threads(1)  # the network is small, and sweeps fill the cores with runs
        torch.manual_seed(seed)
        recipe = self.recipe(task) if recipe is None else recipe
        weights = initial(recipe.shape)
        network = PricingNetwork(task.public(), weights)
        fit = fitted(network.demand_filter, task, recipe.fit, seed, out.parent)
        config = training_config(self.method, task, seed, recipe)
        config |= {"any_K": True, "public": dataclasses.asdict(task.public())}
        of = task.digest(config, code_digest(__name__))
        checkpoint = Checkpoint(out.with_suffix(".checkpoint"), of, every=1)
        began, rounds = time.perf_counter(), 0
        if isinstance(recipe.improvement, PathwiseRecipe):
            rounds = pathwise.train(weights, task, recipe.improvement, seed, checkpoint, report)
        if isinstance(recipe.improvement, PpoRecipe):
            rounds = ppo.train(weights, task, recipe.improvement, seed, report)
            if not _noise_pays(weights, task):
                weights["log_std"].data.fill_(-math.inf)
        config["rounds"] = fit["rounds"] + rounds
        config["seconds"] = fit["seconds"] + checkpoint.seconds + time.perf_counter() - began
        write(out, weights.state_dict(), config)
        checkpoint.discard()

    def load(self, path: Path) -> Callable[[int], Method]:
        """A leader kept by `train`, see `Trainer` and `leader.load`."""
        return partial(Leader, *load(path))


def _noise_pays(weights: nn.ParameterDict, task: Task) -> bool:
    """Whether what PPO learnt with noise earns more with it, in episodes of validation."""
    network, lanes = PricingNetwork(task.public(), in_numpy(weights)), 256
    earned = [
        play(Leader(network, std, lanes), task, lanes, validation_seed(0)).utility.mean()
        for std in (0.0, weights["log_std"].exp().item())
    ]
    return earned[1] > earned[0]


def _lanes(most: int, slots: int, K: int) -> int:
    """Episodes in a batch: at most so many, and so many slots of VMUs in all of them together."""
    return max(1, min(most, slots // K))


FILTER = FilterTrainer("filter", None)
FILTER_PPO = FilterTrainer("filter_ppo", PpoRecipe)
FILTER_PATHWISE = FilterTrainer("filter_pathwise", PathwiseRecipe)
