"""One method in many episodes of one scenario, side by side."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market.envs.settings import Settings
from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.scenarios import Scenario
from baselines.arena.protocol import History, Method, Terms


@dataclass(frozen=True)
class Played:
    """What happened in each round of each episode, (T, N) each."""

    price: np.ndarray
    utility: np.ndarray
    """What was earned."""
    regret: np.ndarray
    """What the price costs against followers without noise; never negative."""
    equilibrium_price: np.ndarray
    equilibrium_utility: np.ndarray
    """The best that any price earns of followers without noise, U*."""
    seconds_per_decision: float
    """Time in the method alone, over all T·N decisions."""


def play(
    method: Method, scenario: str | Scenario, num_envs: int, seed: int, **overrides: Any
) -> Played:
    """Play an episode in each of `num_envs` lanes.

    The markets, how they move, and the followers' noise depend on the seed and on `num_envs`, never
    on the prices: methods played with the same two are compared on the same episodes.

    Args:
        method: it sees the last round only, and no round at the start.
        scenario: a preset's name or your own.
        num_envs: episodes, side by side.
        seed: of the markets and of the followers' noise.
        overrides: keyword arguments of the environment, such as K or max_cycles.

    Raises:
        TypeError, ValueError: bad arguments of the environment, or prices that are none.
    """
    env = PricingVectorEnv(num_envs, scenario=scenario, history=1, **overrides)
    K, T = env.settings.market.K, env.max_cycles
    names = ("price", "utility", "regret", "equilibrium_price", "equilibrium_utility")
    rounds = {name: np.empty((T, num_envs)) for name in names}
    observations, _ = env.reset(seed=seed)
    history = History(np.empty((num_envs, 0)), np.empty((num_envs, 0, K)), _active(observations, K))
    seconds = 0.0
    for t in range(T):
        began = time.perf_counter()
        prices = method.act(history)
        seconds += time.perf_counter() - began
        observations, _, _, _, infos = env.step(prices[:, None].astype(np.float32))
        infos = infos.get("final_info", infos)
        for name in names:
            rounds[name][t] = infos[name]
        # The observation has the steps delivered; infos have those asked for.
        steps = observations[:, None, 1 : K + 1].astype(np.float64)
        history = History(rounds["price"][t][:, None], steps, _active(observations, K))
    return Played(**rounds, seconds_per_decision=seconds / (T * num_envs))


def terms(scenario: str | Scenario, **overrides: Any) -> Terms:
    """What the leader knows of the scenario's markets."""
    market = Settings.make(scenario, **overrides).market
    names = ("K", "cost", "max_price", "min_steps", "max_steps")
    return Terms(**{name: getattr(market, name) for name in names})


def _active(observations: np.ndarray, K: int) -> np.ndarray:
    """Who will answer the next price, (N, K): rows (p, S…, m…) say so, rows (p, S…) mean all."""
    mask = observations[:, K + 1 :]
    return mask > 0.5 if mask.shape[1] else np.ones((len(observations), K), bool)
