"""VMUs that learn to spread their requests and to buy steps, beside sellers that learn to price."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from aigc_market import competition
from aigc_market.competition import Competition
from aigc_market.envs.competition import CompetitionGame, Settings
from baselines.methods.sellers.learners import ActorCritic
from baselines.methods.sellers.recipe import SellerRecipe


class LearningVMUs:
    """K VMUs that one PPO policy plays, each for itself; a follower policy of a competition.

    A VMU sees its δ, what it costs to reach each provider, and the prices posted, which is all that
    a best response depends on. Its action is a weight and steps for each provider, as in
    `competition_v0`; its reward is U_k. Units are those of the environments.

    Half of the rounds that it learns from are played at prices drawn from the sellers' range
    instead of the posted ones, so that it knows what to do at prices that nobody posts (yet): what
    it would do there is what keeps sellers from going there.

    Args:
        settings: of the environments, with `normalize=True`.
        prices: the lowest and the highest of the sellers' range.
        num_envs: N, markets side by side.
        recipe: hyperparameters.
        seed: of the weights and of the draws.
    """

    def __init__(
        self,
        settings: Settings,
        prices: tuple[float, float],
        num_envs: int,
        recipe: SellerRecipe,
        seed: int,
    ) -> None:
        self._game = game = CompetitionGame(settings, scripted=False)
        self._prices, self._rng = prices, np.random.default_rng(seed)
        # What stands in front of the rows: δ, costs and prices; the rows are of no use to them.
        self._fields = game.follower.front
        count, space = sum(field.width for field in self._fields), game.follower.space
        spaces = Box(space.low[:count], space.high[:count]), game.choices.space
        rate = recipe.vmu_learning_rate
        own = dataclasses.replace(recipe, n_steps=recipe.vmu_steps, learning_rate=rate)
        self.learner = ActorCritic(spaces, 2 * num_envs * game.K, own, gamma=0.0, seed=seed)
        self.left: float | None = None
        """Share of the training that is left, while they explore; None: they do not."""

    def __call__(
        self, market: Competition, prices: Any, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Shares and steps (…, M, K) at prices (…, M)."""
        prices = np.asarray(prices, np.float64)
        if self.left is None:
            return self._answer(market, prices)
        both = np.stack([prices, self._rng.uniform(*self._prices, prices.shape)])
        shares, steps = self._answer(market, both)
        self._played = market, both, shares, steps
        return shares[0], steps[0]

    def learn(self) -> None:
        """Take in the round that was answered last."""
        utility = competition.settle(*self._played).vmu_utility()
        market, both = self._played[:2]
        rewards = np.ravel(utility * self._game.follower_scales(market))
        self.learner.learn(rewards, self._seen(market, both), over=False)

    def _answer(self, market: Competition, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        actions = self.learner.act(self._seen(market, prices), self.left)
        numbers = actions.astype(np.float64).reshape(*prices.shape[:-1], market.K, -1)
        chosen = self._game.choices.meant(
            np.moveaxis(numbers, (-1, -2), (0, 1)), market.min_steps, market.max_steps
        )
        shares, steps = (np.moveaxis(part, (0, 1), (-2, -1)) for part in chosen)
        return shares, steps

    def _seen(self, market: Competition, prices: np.ndarray) -> np.ndarray:
        """(rows, n), by games and then by VMUs, in the environments' units."""
        parts = [*self._game.follower_front(market), prices[..., None, :]]
        columns = [
            np.broadcast_to(part * field.scale, (*prices.shape[:-1], market.K, field.width))
            for part, field in zip(parts, self._fields, strict=True)
        ]
        seen = np.concatenate(columns, axis=-1, dtype=np.float32)
        return seen.reshape(-1, seen.shape[-1])
