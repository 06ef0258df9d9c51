"""One method in many episodes of one task, side by side: the one evaluation loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from aigc_market.envs.pages.vector import PricingVectorEnv
from baselines.arena.protocol import History, Insider, Method
from baselines.arena.task import Task

PHYSICAL = {"normalize": False, "scale_rewards": False, "continuous_actions": True}
"""Arguments of an environment in the market's own units."""


@dataclass(frozen=True)
class RoundRow:
    """A round in what the leader of one provider's game sees (Eq. 16).

    It is p, S_1 … S_K and, where VMUs come and go, m_1 … m_K: who will answer next. S_k is what VMU
    k asked for.
    """

    K: int
    """How many VMUs there are."""
    masked: bool
    """Whether VMUs come and go."""

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return 1 + self.K * (2 if self.masked else 1)

    def split(self, rows: Any) -> tuple[Any, Any, Any]:
        """Take rows (…, width) apart, NumPy or torch.

        Returns:
            Prices (…), steps (…, K), and 1 for those who will answer the next price (…, K): for
            everyone where nobody comes or goes. Views, but for the latter.
        """
        steps, active = rows[..., 1 : self.K + 1], rows[..., self.K + 1 :]
        if not self.masked:
            active = array_api_compat.array_namespace(rows).ones_like(steps)
        return rows[..., 0], steps, active


Watch = Callable[[History, dict[str, Any]], None]
"""Called after each round with what the next decision knows, and the environment's infos."""


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

    @property
    def share(self) -> float:
        """1 − Σ regret / Σ U*, over all rounds and episodes."""
        return float(1.0 - self.regret.sum() / self.equilibrium_utility.sum())


def play(
    method: Method, task: Task, num_envs: int, seed: int, watch: Watch | None = None
) -> Played:
    """Play an episode in each of `num_envs` lanes.

    The markets, how they move, and the followers' noise depend on the seed and on `num_envs`, never
    on the prices: methods played with the same two are compared on the same episodes.

    Args:
        method: it sees the last round only, and no round at the start.
        task: what is played, in physical units whatever its arguments say of units.
        num_envs: N, episodes side by side.
        seed: of the markets and of the followers' noise; see `baselines.arena.seeds`.
        watch: see `Watch`.

    Raises:
        TypeError, ValueError: bad arguments of the environment, or prices that are none.
    """
    return play_in(task.environment(num_envs, history=1, **PHYSICAL), method, seed, watch)


def play_in(env: PricingVectorEnv, method: Method, seed: int, watch: Watch | None = None) -> Played:
    """Play an episode in each lane of an environment with history=1, in physical units.

    Where the environment does not judge (`judged=False`), regret and equilibria are NaN.
    """
    T, N = env.max_cycles, env.num_envs
    names = ("price", "utility", "regret", "equilibrium_price", "equilibrium_utility")
    rounds = {name: np.full((T, N), np.nan) for name in names}
    observations, _ = env.reset(seed=seed)
    if isinstance(method, Insider):
        method.enter(env)
    history = history_of(env, observations, begins=True)
    seconds = 0.0
    for t in range(T):
        began = time.perf_counter()
        prices = np.asarray(method.act(history))
        seconds += time.perf_counter() - began
        if prices.shape != (N,):
            raise ValueError(f"act must give prices of shape ({N},), got {prices!r}")
        observations, _, _, _, infos = env.step(prices[:, None].astype(np.float32))
        observations = infos.get("final_obs", observations)
        infos = infos.get("final_info", infos)
        for name in names:
            if name in infos:
                rounds[name][t] = infos[name]
        history = history_of(env, observations, begins=False)
        if watch is not None:
            watch(history, infos)
    return Played(**rounds, seconds_per_decision=seconds / (T * N))


def history_of(env: PricingVectorEnv, observations: np.ndarray, begins: bool) -> History:
    """What a method sees of an environment with history=1, in physical units.

    Args:
        env: where it plays.
        observations: (N, …): R where there is a capacity, the price and the steps asked for in
            the last round, and, where VMUs come and go, who will answer the next price.
        begins: whether no round has been played yet.
    """
    seen = observations.astype(np.float64)
    capacity = seen[:, 0] if env.settings.rationed else None
    row = RoundRow(env.settings.market.K, env.settings.masked)
    price, steps, active = row.split(seen[:, None, -row.width :])  # of one round
    played = slice(1 if begins else 0, None)
    return History(price[:, played], steps[:, played], active[:, 0] > 0.5, capacity)
