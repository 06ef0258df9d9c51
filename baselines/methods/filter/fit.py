"""Fit the filter of demand to what is bought in a scenario: by likelihood, and nothing hidden."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aigc_market.envs.vector import PricingVectorEnv
from baselines.arena.task import Task
from baselines.methods.filter.demand_filter import DemandBelief
from baselines.runs.policy_files import read, write


@dataclass(frozen=True)
class Recipe:
    """How a filter is fitted."""

    updates: int = 100
    """Batches of episodes, played at random prices."""
    lanes: int = 128
    """Episodes in a batch."""
    learning_rate: float = 0.1
    """Adam's for the prior's table, at the start; it falls linearly to nothing."""
    single: float = 4.0
    """Learning rate of the other parameters, single numbers, as a multiple."""


def recipe_for(task: Task) -> Recipe:
    """The recipe in use."""
    return Recipe(lanes=32) if task.scenario == "crowd" else Recipe()


def fitted(
    belief: DemandBelief, task: Task, recipe: Recipe, seed: int, path: Path
) -> dict[str, Any]:
    """Fit a filter in place, or take it from the file in which an equal fit was kept.

    Args:
        belief: the filter.
        task: what is played.
        recipe: hyperparameters and budget.
        seed: of every random choice.
        path: of the file.

    Returns:
        What the file records: among others the rounds played and the seconds spent.
    """
    wanted = {"task": task.as_json(), "seed": seed, "recipe": dataclasses.asdict(recipe)}
    if path.exists():
        record, weights = read(path)
        if {key: record.get(key) for key in wanted} == wanted:
            belief.load_state_dict(weights)
            return record
    env = task.environment(recipe.lanes, history=1)
    began = time.perf_counter()
    fit(belief, env, recipe, seed)
    seconds = time.perf_counter() - began
    rounds = recipe.updates * recipe.lanes * env.max_cycles
    record = {**wanted, "rounds": rounds, "seconds": seconds}
    write(path, belief.state_dict(), record)
    return record


def fit(belief: DemandBelief, env: PricingVectorEnv, recipe: Recipe, seed: int) -> list[float]:
    """Fit a filter in place.

    Args:
        belief: the filter.
        env: with history=1, in physical units.
        recipe: hyperparameters and budget.
        seed: of every random choice.

    Returns:
        Mean log-likelihood of a round in each batch.
    """
    groups = [
        {"params": [p for p in belief.parameters() if p.ndim]},
        {"params": [p for p in belief.parameters() if not p.ndim]},
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.95))
    trace = []
    for update in range(recipe.updates):
        rate = recipe.learning_rate * (1 - update / recipe.updates)
        for group, scale in zip(optimizer.param_groups, (1.0, recipe.single), strict=True):
            group["lr"] = rate * scale
        found = evidence(belief, *explore(env, np.random.default_rng([seed, update])))
        optimizer.zero_grad()
        (-found).backward()
        optimizer.step()
        trace.append(found.item())
    belief.zero_grad()  # what is trained next must not find these gradients
    return trace


def evidence(belief: DemandBelief, price: Tensor, steps: Tensor, active: Tensor) -> Tensor:
    """Mean log-likelihood of a round, by what was known before it; shapes as `explore` returns."""
    state, found = belief.begin(active[:, 0]), []
    for t in range(price.shape[1]):
        now = price[:, t], steps[:, t], active[:, t], active[:, t + 1]
        state, of_round = belief.observe(state, *now)
        found.append(of_round)
    return torch.stack(found).mean()


def explore(env: PricingVectorEnv, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """An episode in every lane at random prices.

    Returns:
        Prices (B, T), steps (B, T, K) and who is there (B, T + 1, K).
    """
    market = env.settings.market
    K, T = market.K, env.max_cycles
    shares = random.random((T, env.num_envs, 1), np.float32) ** 1.5
    prices = np.float32(market.cost) + shares * np.float32(market.max_price - market.cost)
    observation, _ = env.reset(seed=int(random.integers(2**31)))
    rows = [np.array(observation)]
    for price in prices:
        observation, _, _, _, infos = env.step(price)
        rows.append(np.array(infos.get("final_obs", observation)))
    seen = torch.from_numpy(np.stack(rows, axis=1))
    masks = seen[..., K + 1 :]
    active = masks if masks.shape[-1] else torch.ones_like(seen[..., 1:])
    return seen[:, 1:, 0], seen[:, 1:, 1 : K + 1], active
