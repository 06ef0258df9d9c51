"""One seller of contracts in many episodes side by side, and what its menus were worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market import menus, rules
from aigc_market.followers import FollowerPolicy
from baselines.arena.task import Task

UNITS = {"normalize": True, "scale_rewards": True}
"""Arguments of an environment in which a seller of contracts learns and plays."""

Offer = Callable[[np.ndarray], np.ndarray]
"""Called with what N leaders see, in those units; gives their menus in [−1, 1], (N, 2L)."""


@dataclass(frozen=True)
class PlayedMenus:
    """What happened in each round of each episode, (T, N) each."""

    utility: np.ndarray
    """What was earned."""
    regret: np.ndarray
    """What the menu costs against rational VMUs; never negative."""
    best: np.ndarray
    """U*, what the best menu of as many contracts earns of rational VMUs."""
    menu: np.ndarray
    """(T, N, L, 2) contracts (S, T)."""
    incentive: np.ndarray
    """What a VMU would gain by another's contract (IC): see `assignment_gaps`, of all VMUs the
    mean. NaN where there is not one contract for each."""
    participation: np.ndarray
    """What it would gain by taking none (IR)."""
    incentive_share: np.ndarray
    """The same as shares of δ·(max SSIM − SSIM(0)), of all VMUs the mean."""
    participation_share: np.ndarray

    @property
    def share(self) -> float:
        """1 − Σ regret / Σ U*, over all rounds and episodes."""
        return float(1.0 - self.regret.sum() / self.best.sum())

    @property
    def earned(self) -> float:
        """What was earned over Σ U*: of noisy VMUs, too."""
        return float(self.utility.sum() / self.best.sum())


def play_menus(
    offer: Offer,
    task: Task,
    num_envs: int,
    seed: int,
    history: int = 1,
    followers: FollowerPolicy | None = None,
) -> PlayedMenus:
    """Play an episode in each of `num_envs` lanes.

    The markets depend on the seed and on `num_envs` alone, so that sellers played with the same two
    are compared on the same episodes.

    Args:
        offer: what is played.
        task: of the game of menus.
        num_envs: N, episodes side by side.
        seed: of the markets and of the VMUs' noise; see `baselines.arena.seeds`.
        history: rounds that are seen.
        followers: choose, in place of the task's.

    Raises:
        TypeError, ValueError: bad arguments of the environment, or actions that are none.
    """
    of_vmus = {} if followers is None else {"followers": followers}
    env: Any = task.environment(num_envs, history=history, **UNITS, **of_vmus)
    seen, _ = env.reset(seed=seed)
    rounds = []
    for _ in range(env.max_cycles):
        market, one_each = env.market, env.settings.contracts == env.settings.market.K
        seen, _, _, _, infos = env.step(np.clip(offer(seen), -1.0, 1.0).astype(np.float32))
        seen, infos = infos.get("final_obs", seen), infos.get("final_info", infos)
        told = [infos[name] for name in ("utility", "regret", "equilibrium_utility", "menu")]
        gaps = _gaps(market, infos["menu"]) if one_each else np.full((4, num_envs), np.nan)
        rounds.append([*told, *gaps])
    return PlayedMenus(*(np.array(column) for column in zip(*rounds, strict=True)))


def _gaps(market: Any, menu: np.ndarray) -> np.ndarray:
    """(4, N): IC and IR gaps, in money and as shares.

    Contracts are read as the literature of learned menus means them: the one with the k-th least
    steps for the VMU with the k-th lowest δ.
    """
    shape = (len(menu), market.K)
    market = market.replace(satisfaction=np.sort(np.broadcast_to(market.satisfaction, shape)))
    order = np.argsort(menu[..., 0], axis=-1, kind="stable")[..., None]
    steps, fees = np.moveaxis(np.take_along_axis(menu, order, axis=-2), -1, 0).astype(np.float64)
    gaps = np.array(menus.assignment_gaps(market, np.minimum(steps, market.max_steps), fees))
    most, ssim = market.per_vmu(market.max_steps), market.ssim
    free = rules.best_surplus(market.satisfaction, ssim, 0.0, most)
    return np.concatenate([gaps.mean(axis=-1), (gaps / free).mean(axis=-1)])
