"""One command for all ways to train a leader: train, and keep the result as one file."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import aigc_market
from aigc_market.envs.settings import Settings
from aigc_market.envs.vector import PricingVectorEnv
from baselines.arena.rollout import terms as terms_of
from baselines.methods.filter import files, fit, pathwise, ppo, windows
from baselines.methods.filter.network import MarketTransformer, Shape
from baselines.runs.checkpoint import Checkpoint

KINDS = ("tppo_filter", "tppo", "tppo_causal", "tppo_pathwise")
"""The fitted filter alone, with the network as it is before training: what the others start from;
PPO on windows, without a filter (the paper's way); PPO on causal episodes; and straight through the
rules."""

Recipe = windows.Recipe | ppo.Recipe | pathwise.Recipe | None


def recipe_for(kind: str, scenario: str) -> Recipe:
    """The tuned recipe, None for the filter; docs/hidden-markets.md tells what else was tried."""
    if kind == "tppo_filter":
        return None
    if kind == "tppo":
        return windows.Recipe()
    if kind == "tppo_causal":
        return ppo.Recipe(lanes=64) if scenario == "crowd" else ppo.Recipe()
    return _PATHWISE.get(scenario, pathwise.Recipe())


def shape_for(kind: str) -> Shape:
    """The architecture; windows go without the filter, which would run anew for each of them."""
    return Shape(belief=kind != "tppo")


_PATHWISE = {"crowd": pathwise.Recipe(lanes=48, trial=192)}


def train(
    kind: str,
    scenario: str,
    seed: int,
    out: Path,
    shape: Shape | None = None,
    recipe: Recipe | None = None,
    fitting: fit.Recipe | None = None,
    every: int = 50,
    report: Callable[[int], None] = lambda _: None,
) -> MarketTransformer:
    """Train a leader and keep it.

    A training by `tppo_causal` or `tppo_pathwise` that was cut short goes on from its checkpoint,
    a file beside `out`, with the same result as if it had not been.

    Args:
        kind: one of `KINDS`.
        scenario: a preset's name.
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
    recipe = recipe or recipe_for(kind, scenario)
    network = MarketTransformer(terms_of(scenario), shape or shape_for(kind))
    fitted: dict[str, Any] = {"rounds": 0, "seconds": 0.0}
    if network.belief:
        fitting = fitting or fit.recipe_for(scenario)
        path = out.with_name(f"{scenario}-filter-seed{seed}.safetensors")
        fitted = fit.fitted(network.belief, scenario, fitting, seed, path)
    checkpoint = Checkpoint(out.with_suffix(".checkpoint"), every)
    began = time.perf_counter()
    rounds = 0
    if recipe is None:
        trial = _PATHWISE.get(scenario, pathwise.Recipe()).trial
        rounds = pathwise.settle(network, Settings.make(scenario), trial, seed)
    if isinstance(recipe, windows.Recipe):
        rounds = windows.train(network, scenario, recipe, seed, report)
    elif isinstance(recipe, ppo.Recipe):
        env = PricingVectorEnv(recipe.lanes, scenario=scenario, history=1)
        rounds = ppo.train(network, env, recipe, seed, checkpoint, report)
    elif isinstance(recipe, pathwise.Recipe):
        settings = Settings.make(scenario)
        rounds = pathwise.train(network, settings, recipe, seed, checkpoint, report)
    record: dict[str, Any] = {
        "method": kind,
        "scenario": scenario,
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
