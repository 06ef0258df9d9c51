"""Sellers of contracts that nobody trains: one menu for ever, or any."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import differential_evolution

from aigc_market import menus
from baselines.arena.menu_rollout import Offer
from baselines.arena.seeds import training_seed
from baselines.arena.task import Task


def constant(task: Task, seed: int, markets: int = 2048) -> Offer:
    """The menu that earns most of rational VMUs in drawn markets, if it must be one for all.

    It is the best that differential evolution found (scipy's, unpolished), and so a lower bound.

    Args:
        task: of the game of menus.
        seed: of the markets drawn and of the search.
        markets: how many are drawn.
    """
    env: Any = task.environment(markets)
    env.reset(seed=training_seed(seed))
    market, settings = env.market, env.settings
    highest = np.array([settings.market.max_steps, settings.fee_bound])

    def menu_of(place: np.ndarray) -> np.ndarray:
        return highest * place.reshape(-1, 2) ** (1, 2)  # most fees are too high: look at low ones

    def lost(place: np.ndarray) -> float:
        menu = np.broadcast_to(menu_of(place), (markets, settings.contracts, 2))
        return -float(menus.settle_rational(market, menu).asp_utility.mean())

    bounds = [(0.0, 1.0)] * (2 * settings.contracts)
    found = differential_evolution(lost, bounds, rng=seed, polish=False, maxiter=120, tol=1e-6)
    action = (2.0 * menu_of(found.x) / highest - 1.0).ravel()
    return lambda seen: np.broadcast_to(action, (len(seen), len(action)))


def anything(task: Task, seed: int) -> Offer:
    """Menus drawn uniformly from all there are, each round anew."""
    rng, numbers = np.random.default_rng(seed), 2 * task.settings().contracts
    return lambda seen: rng.uniform(-1.0, 1.0, (len(seen), numbers))
