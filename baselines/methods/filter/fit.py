"""Fit the filter of demand to what is bought at random prices: by likelihood, nothing hidden."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aigc_market.envs.pages.vector import PricingVectorEnv
from baselines.arena.rollout import PHYSICAL, history_of
from baselines.arena.seeds import training_seed
from baselines.arena.task import Task
from baselines.methods.filter.demand_filter import DemandFilter
from baselines.runs.digest import code_digest
from baselines.runs.policy_files import read, write


@dataclass(frozen=True)
class FitRecipe:
    """How a filter is fitted."""

    updates: int = 40
    """Batches of episodes, played at random prices."""
    lanes: int = 32
    """Episodes in a batch."""
    learning_rate: float = 0.1
    """Adam's for the prior's table, at the start; it falls linearly to nothing."""
    single: float = 4.0
    """Learning rate of the other parameters, single numbers, as a multiple."""


def fitted(
    demand_filter: DemandFilter, task: Task, recipe: FitRecipe, seed: int, folder: Path
) -> dict[str, Any]:
    """Fit a filter in place, or take it from the file in which an equal fit was kept.

    Args:
        demand_filter: the filter, on tensors.
        task: what is played.
        recipe: hyperparameters and budget.
        seed: of every random choice.
        folder: of the file. Its name holds all that the fit depends on.

    Returns:
        The rounds played and the seconds spent.
    """
    weights = demand_filter.weights
    grid = list(weights["log_prior"].shape)
    of = task.digest(dataclasses.asdict(recipe), grid, seed, code_digest(__name__))
    path = folder / f"{task.name}-fit-seed{seed}-{of}.safetensors"
    if path.exists():
        record, kept = read(path)
        with torch.no_grad():
            for name, value in weights.items():
                value.copy_(kept[name])
        return record
    env = task.environment(recipe.lanes, history=1, judged=False, **PHYSICAL)
    began = time.perf_counter()
    fit(demand_filter, env, recipe, seed)
    seconds = time.perf_counter() - began
    record = {"rounds": recipe.updates * recipe.lanes * env.max_cycles, "seconds": seconds}
    write(path, {name: value.detach() for name, value in weights.items()}, record)
    return record


def fit(
    demand_filter: DemandFilter, env: PricingVectorEnv, recipe: FitRecipe, seed: int
) -> list[float]:
    """Fit a filter in place.

    Args:
        demand_filter: the filter, on tensors.
        env: with history=1, in physical units.
        recipe: hyperparameters and budget.
        seed: of every random choice.

    Returns:
        Mean log-likelihood of a round in each batch.
    """
    prior, *single = demand_filter.weights.values()
    optimizer = torch.optim.Adam([{"params": [prior]}, {"params": single}], betas=(0.9, 0.95))
    trace = []
    for update in range(recipe.updates):
        rate = recipe.learning_rate * (1 - update / recipe.updates)
        for group, scale in zip(optimizer.param_groups, (1.0, recipe.single), strict=True):
            group["lr"] = rate * scale
        rng = np.random.default_rng([seed, update])
        found = log_likelihood(demand_filter, *explore(env, rng))
        optimizer.zero_grad()
        (-found).backward()
        optimizer.step()
        trace.append(found.item())
    optimizer.zero_grad()  # what is trained next must not find these gradients
    return trace


def log_likelihood(
    demand_filter: DemandFilter, price: Tensor, steps: Tensor, active: Tensor
) -> Tensor:
    """Mean log-likelihood of a round, by what was known before it; shapes as `explore` returns."""
    state, found = demand_filter.begin(active[:, 0]), []
    for t in range(price.shape[1]):
        now = price[:, t], steps[:, t], active[:, t], active[:, t + 1]
        state, of_round = demand_filter.observe(state, *now)
        found.append(of_round)
    return torch.stack(found).mean()


def explore(env: PricingVectorEnv, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """An episode in every environment at random prices.

    Returns:
        Prices (B, T), steps asked for (B, T, K), and 1 for who is there (B, T + 1, K).
    """
    market = env.settings.market
    shares = rng.random((env.max_cycles, env.num_envs), np.float32) ** 1.5
    prices = market.cost + shares * np.float32(market.max_price - market.cost)
    observations, _ = env.reset(seed=training_seed(int(rng.integers(2**31))))
    known = [history_of(env, observations, begins=True)]
    for price in prices:
        observations, *_, infos = env.step(price[:, None])
        known.append(history_of(env, infos.get("final_obs", observations), begins=False))
    rounds = (
        prices.T,
        np.concatenate([history.steps for history in known], axis=1),
        np.stack([history.active for history in known], axis=1),
    )
    price, steps, active = (torch.as_tensor(part, dtype=torch.float32) for part in rounds)
    return price, steps, active
