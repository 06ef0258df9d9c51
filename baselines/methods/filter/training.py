"""One command for all ways to train a leader: train, and keep the result as one file."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import aigc_market
from aigc_market.ssim import QuadraticSSIM
from baselines.arena.protocol import Method
from baselines.arena.registry import Report
from baselines.arena.task import Task
from baselines.methods.filter import files, fit, pathwise, ppo, windows
from baselines.methods.filter.network import MarketTransformer, Shape
from baselines.runs.checkpoint import Checkpoint

KINDS = ("filter", "tppo", "filter_ppo", "filter_pathwise")
"""The fitted filter alone, with the network as it is before training: what the others start from;
PPO on windows, without a filter (the paper's way); PPO on causal episodes; and straight through the
rules."""

Recipe = windows.Recipe | ppo.Recipe | pathwise.Recipe | None


def recipe_for(kind: str, scenario: str) -> Recipe:
    """The tuned recipe, None for the filter; docs/hidden-markets.md tells what else was tried."""
    if kind == "filter":
        return None
    if kind == "tppo":
        return windows.Recipe()
    if kind == "filter_ppo":
        return ppo.Recipe(lanes=64) if scenario == "crowd" else ppo.Recipe()
    return _PATHWISE.get(scenario, pathwise.Recipe())


def shape_for(kind: str) -> Shape:
    """The architecture; windows go without the filter, which would run anew for each of them."""
    return Shape(belief=kind != "tppo")


_PATHWISE = {"crowd": pathwise.Recipe(lanes=48, trial=192)}


def train(
    kind: str,
    task: Task,
    seed: int,
    out: Path,
    shape: Shape | None = None,
    recipe: Recipe | None = None,
    fitting: fit.Recipe | None = None,
    every: int = 50,
    report: Callable[[int], None] = lambda _: None,
) -> MarketTransformer:
    """Train a leader and keep it.

    A training by `filter_ppo` or `filter_pathwise` that was cut short goes on from its checkpoint,
    a file beside `out`, with the same result as if it had not been.

    Args:
        kind: one of `KINDS`.
        task: what is trained on.
        seed: of every random choice.
        out: path of the safetensors file, which appears whole or not at all.
        shape: the architecture; by default that of `shape_for`.
        recipe: hyperparameters and budget; the tuned ones by default.
        fitting: how the filter of demand is fitted before that. The fit is kept beside `out`, where
            other trainings of the same scenario and seed find it.
        every: updates between two writes of the checkpoint.
        report: called with the rounds or updates done.
    """
    torch.set_num_threads(1)  # the network is small, and sweeps fill the cores with runs
    torch.manual_seed(seed)
    recipe = recipe or recipe_for(kind, task.scenario_name)
    network = MarketTransformer(task.public(), shape or shape_for(kind))
    fitted: dict[str, Any] = {"rounds": 0, "seconds": 0.0}
    if network.belief:
        fitting = fitting or fit.recipe_for(task)
        path = out.with_name(f"{task.name}-fit-seed{seed}.safetensors")
        fitted = fit.fitted(network.belief, task, fitting, seed, path)
    of = task.digest(kind, seed, repr((network.shape, recipe, fitting)))
    checkpoint = Checkpoint(out.with_suffix(".checkpoint"), of, every)
    began = time.perf_counter()
    rounds = 0
    if recipe is None:
        trial = _PATHWISE.get(task.scenario_name, pathwise.Recipe()).trial
        rounds = pathwise.settle(network, task.settings(), trial, seed)
    if isinstance(recipe, windows.Recipe):
        rounds = windows.train(network, task, recipe, seed, report)
    elif isinstance(recipe, ppo.Recipe):
        env = task.environment(recipe.lanes, history=1)
        rounds = ppo.train(network, env, recipe, seed, checkpoint, report)
    elif isinstance(recipe, pathwise.Recipe):
        settings = task.settings()
        rounds = pathwise.train(network, settings, recipe, seed, checkpoint, report)
    record: dict[str, Any] = {
        "method": kind,
        "task": task.as_json(),
        "seed": seed,
        "recipe": dataclasses.asdict(recipe) if recipe else None,
        "fitted": fitted,
        "rounds": rounds + fitted["rounds"],
        "seconds": fitted["seconds"] + checkpoint.seconds + time.perf_counter() - began,
        "version": aigc_market.__version__,
    }
    files.save(out, network, record)
    checkpoint.discard()
    return network


@dataclass(frozen=True)
class Trainer:
    """The trainer of one of `KINDS`."""

    kind: str

    def recipe(self, task: Task) -> Any:
        """The tuned recipe; the fit's where that is all."""
        return recipe_for(self.kind, task.scenario_name) or fit.recipe_for(task)

    def can_train(self, task: Task) -> str | None:
        """Two play in the rules themselves, which only a quadratic SSIM allows."""
        quadratic = isinstance(task.settings().market.ssim, QuadraticSSIM)
        if quadratic or self.kind in ("tppo", "filter_ppo"):
            return None
        return f"{self.kind} needs a quadratic SSIM"

    def train(
        self,
        task: Task,
        seed: int,
        out: Path,
        recipe: Any = None,
        report: Report = lambda done, total, row: None,
    ) -> None:
        """Train and keep a leader."""
        if isinstance(recipe, fit.Recipe):
            train(self.kind, task, seed, out, fitting=recipe)
        else:
            train(self.kind, task, seed, out, recipe=recipe)

    def load(self, path: Path) -> Callable[[int], Method]:
        """A leader kept by `train`."""
        return files.load(path).method


FILTER, TPPO = Trainer("filter"), Trainer("tppo")
FILTER_PPO, FILTER_PATHWISE = Trainer("filter_ppo"), Trainer("filter_pathwise")
