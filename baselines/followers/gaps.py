"""How far from the equilibrium two learned sides are, each by itself and against the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3 import PPO

from aigc_market import game
from aigc_market.market import Market
from aigc_market.vmus import FollowerPolicy
from baselines.methods.sb3.training import for_learners, make_lanes

GAMES = 32
"""Games in which play is measured."""
GRID = 39
"""Prices from the cost to p_max at which followers are measured, visited or not."""
TEST_SEED = 9_000_000
"""Added to the seed of training."""
FINE_GRID = 200
"""Prices among which the best one against learned followers is looked for."""

_RNG = np.random.default_rng(0)  # learned followers do not draw from it


def measure(
    leader: PPO, followers: FollowerPolicy, arguments: dict[str, Any], seed: int
) -> dict[str, float]:
    """Play an episode without exploring, the learned leader against the learned followers.

    Returns:
        price: mean price.
        utility: mean U_p a round, against the learned followers.
        share: Σ U_p of its prices against best-responding followers, over Σ U_p*.
        share_learned: the same against the learned followers, over the best against these.
        gap: followers' lost surplus over their best, summed over a grid of prices.
        worst_gap: the greatest loss of a VMU at any price of the grid, over the mean best surplus.
        gap_played: as `gap`, at the prices that were posted.
    """
    games = make_lanes(GAMES, **for_learners({**arguments, "vmus": followers}))
    seen, _ = games.reset(seed=seed + TEST_SEED)
    mean, worst = gap_on_grid(games.market, followers)
    totals: dict[str, list[float]] = {}
    best_learned = None
    for _ in range(games.max_cycles):
        market = games.market
        actions, _ = leader.predict(seen, deterministic=True)
        seen, _, _, _, infos = games.step(actions)
        infos = infos.get("final_info", infos)
        if best_learned is None or games.settings.scenario.moves:
            best_learned = best_against(market, followers)
        lost, best = losses(market, infos["price"], followers)
        row = {
            "price": infos["price"],
            "regret": infos["regret"],
            "best": infos["equilibrium_utility"],
            "utility": infos["utility"],
            "best_learned": best_learned,
            "lost": lost,
            "best_surplus": best,
        }
        for name, value in row.items():
            totals.setdefault(name, []).append(float(np.sum(value)))
    sums = {name: sum(values) for name, values in totals.items()}
    return {
        "price": sums["price"] / (GAMES * games.max_cycles),
        "utility": sums["utility"] / (GAMES * games.max_cycles),
        "share": 1.0 - sums["regret"] / sums["best"],
        "share_learned": sums["utility"] / sums["best_learned"],
        "gap": mean,
        "worst_gap": worst,
        "gap_played": sums["lost"] / sums["best_surplus"],
    }


def grid(market: Market, size: int) -> np.ndarray:
    """Prices from the cost to p_max, each in every game: (size, GAMES)."""
    prices = np.linspace(market.cost, market.max_price, size)
    return np.repeat(prices[:, None], GAMES, axis=1)


def best_against(market: Market, followers: FollowerPolicy) -> np.ndarray:
    """The greatest U_p against followers over a fine grid of prices: (GAMES,)."""
    prices = grid(market, FINE_GRID)
    return game.settle(market, prices, followers(market, prices, _RNG)).asp_utility.max(axis=0)


def losses(
    market: Market, price: np.ndarray, followers: FollowerPolicy
) -> tuple[np.ndarray, np.ndarray]:
    """What each VMU loses at prices (…), and the surplus of its best response: (…, K) each.

    Both are of the steps asked for, as in `aigc_market.regret`.
    """
    bought, best = (
        game.vmu_surplus(price[..., None], market.satisfaction, market.ssim, steps)
        for steps in (followers(market, price, _RNG), game.best_response(market, price))
    )
    return best - bought, best


def gap_on_grid(market: Market, followers: FollowerPolicy) -> tuple[float, float]:
    """Mean and worst loss over a grid of prices, as shares of the mean best surplus."""
    lost, best = losses(market, grid(market, GRID), followers)
    there = np.broadcast_to(True if market.active is None else market.active, lost.shape)
    return float(lost.sum() / best.sum()), float(lost.max() / best[there].mean())
