"""Tabular Q-learning on the last round's prices, as Calvano et al. (2020), in several lanes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from baselines.methods.sellers.seller_recipes import SellerRecipe


class QTable:
    """A Q-learner whose state is the last round's prices: its own first, then the others'.

    It is for any market, moving ones too, at the speed of the environments; the source's own
    experiment, compiled, is `python -m baselines calvano`.

    Args:
        M: providers.
        row: numbers of a round in what is seen; the first M of the last one are positions.
        grid: (L,) positions to choose from, evenly apart.
        rewards: (L,) what each price is thought to earn in a round at the start, in all states.
        recipe: hyperparameters.
        left: tells the share of training that is left, by which exploration falls.
        seed: of the draws.
        gamma: in place of the recipe's.
    """

    def __init__(
        self,
        M: int,
        row: int,
        grid: np.ndarray,
        rewards: np.ndarray,
        recipe: SellerRecipe,
        left: Callable[[], float],
        seed: int,
        gamma: float,
    ) -> None:
        self._M, self._row, self._grid, self._recipe = M, row, grid, recipe
        self._left, self._gamma = left, gamma
        self._rng = np.random.default_rng(seed)
        self._values = np.tile(rewards / (1.0 - gamma), (len(grid) ** M, 1))

    def act(self, seen: np.ndarray) -> np.ndarray:
        """Positions (B, 1)."""
        states = self._states(seen)
        chosen = self._values[states].argmax(axis=1)
        epsilon = np.exp(-self._recipe.table_decay * (1.0 - self._left()))
        tries = self._rng.random(len(seen)) < epsilon
        chosen[tries] = self._rng.integers(len(self._grid), size=int(tries.sum()))
        self._acted = states, chosen
        return self._grid[chosen][:, None]

    def learn(self, rewards: np.ndarray, after: np.ndarray, over: bool) -> None:
        """Update one lane after the other: two may have done the same."""
        values, rate = self._values, self._recipe.table_rate
        targets = rewards + self._gamma * values[self._states(after)].max(axis=1)
        for state, action, target in zip(*self._acted, targets, strict=True):
            values[state, action] += rate * (target - values[state, action])

    def choose(self, seen: np.ndarray) -> np.ndarray:
        """Positions (B, 1)."""
        return self._grid[self._values[self._states(seen)].argmax(axis=1)][:, None]

    def weights(self) -> dict[str, Tensor]:
        """The table (L^M, L)."""
        return {"values": torch.as_tensor(self._values)}

    def put(self, weights: dict[str, Tensor]) -> None:
        """The reverse of `weights`."""
        self._values = weights["values"].numpy().copy()

    def _states(self, seen: np.ndarray) -> np.ndarray:
        """(B,) of what is seen (B, n): strangers' prices are taken for the nearest of the grid."""
        last = seen.shape[1] - self._row
        positions = seen[:, last : last + self._M]
        highest = len(self._grid) - 1
        levels = np.rint((positions + 1.0) / 2.0 * highest).clip(0, highest).astype(int)
        return levels @ len(self._grid) ** np.arange(self._M)[::-1]
