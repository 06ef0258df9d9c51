"""VMUs that learn to spread their requests and to buy steps, beside sellers that learn to price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from aigc_market import competition
from aigc_market.competition import Competition
from baselines.methods.sellers.actor_critic import ActorCritic
from baselines.methods.sellers.price_units import FARTHEST, PriceUnits
from baselines.methods.sellers.seller_recipes import SellerRecipe


class LearningVMUs:
    """K VMUs that one PPO policy plays, each for itself; a follower policy of a competition.

    A VMU sees its δ, what it costs to reach each provider, and the prices posted, which is all that
    a best response depends on. Its action is a weight and steps for each provider, as in
    `competition_v0`; its reward is U_k.

    Half of the rounds that it learns from are played at prices drawn from the sellers' range
    instead of the posted ones, so that it knows what to do at prices that nobody posts (yet): what
    it would do there is what keeps sellers from going there.

    Args:
        games: N, markets side by side.
        outside: whether there is an outside option, which has a weight of its own.
        units: of what is seen and paid.
        recipe: hyperparameters.
        left: tells the share of training that is left.
        seed: of the weights and of the draws.
    """

    def __init__(
        self,
        games: int,
        outside: bool,
        units: PriceUnits,
        recipe: SellerRecipe,
        left: Callable[[], float],
        seed: int,
    ) -> None:
        self._units, self._rng = units, np.random.default_rng(seed)
        self._learner = ActorCritic(
            2 * games * units.K,
            1 + 2 * units.M,
            2 * units.M + outside,
            recipe,
            left,
            seed,
            gamma=0.0,
            n_steps=recipe.vmu_steps,
            learning_rate=recipe.vmu_learning_rate,
        )
        self.exploring = True

    def __call__(
        self, market: Competition, prices: Any, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Shares and steps (…, M, K) at prices (…, M)."""
        prices = np.asarray(prices, np.float64)
        if not self.exploring:
            return self._answer(market, prices, self._learner.choose)
        drawn = self._units.price(self._rng.uniform(-1.0, 1.0, prices.shape))
        both = np.stack([prices, drawn])
        shares, steps = self._answer(market, both, self._learner.act)
        self._played = market, both, shares, steps
        return shares[0], steps[0]

    def learn(self) -> None:
        """Take in the round that was answered last."""
        utility = competition.settle(*self._played).vmu_utility()
        market, both = self._played[:2]
        rewards = np.ravel(utility) / self._units.vmu_utility
        self._learner.learn(rewards, self._seen(market, both), over=False)

    def weights(self) -> dict[str, Tensor]:
        """Of the policy."""
        return self._learner.weights()

    def put(self, weights: dict[str, Tensor]) -> None:
        """The reverse of `weights`."""
        self._learner.put(weights)

    def _answer(
        self, market: Competition, prices: np.ndarray, act: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        actions = act(self._seen(market, prices)).reshape(*prices.shape[:-1], market.K, -1)
        chosen = np.swapaxes((np.clip(actions, -1.0, 1.0).astype(np.float64) + 1.0) / 2.0, -1, -2)
        steps, weights = chosen[..., : market.M, :], chosen[..., market.M :, :]
        total = weights.sum(axis=-2, keepdims=True)
        equal = 1.0 / weights.shape[-2]
        shares = np.where(total > 0, weights / np.where(total > 0, total, 1.0), equal)
        shares = shares[..., : market.M, :]  # the rest is the outside option's
        low, high = (np.asarray(b)[..., None, None] for b in (market.min_steps, market.max_steps))
        return shares, low + steps * (high - low)

    def _seen(self, market: Competition, prices: np.ndarray) -> np.ndarray:
        """(rows, 1 + 2M), by games and then by VMUs."""
        units, shape = self._units, (*prices.shape[:-1], market.K)
        satisfaction = np.asarray(market.satisfaction)[..., None] / units.satisfaction - 1.0
        reach = np.swapaxes(np.asarray(market.access_cost), -1, -2) / units.vmu_utility
        position = np.clip(units.position(prices), -FARTHEST, FARTHEST)[..., None, :]
        columns = [np.broadcast_to(c, (*shape, c.shape[-1])) for c in (satisfaction, reach)]
        columns.append(np.broadcast_to(position, (*shape, market.M)))
        return np.concatenate(columns, axis=-1, dtype=np.float32).reshape(-1, 1 + 2 * market.M)
