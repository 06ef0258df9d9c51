"""DQN by Stable-Baselines3, driven from outside: the rounds are played elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from stable_baselines3 import DQN
from stable_baselines3.common.logger import Logger
from torch import Tensor

from baselines.methods.sellers.seller_recipes import SellerRecipe


class QNetwork:
    """A DQN learner: SB3's networks, replay buffer and update, and no environment.

    Args:
        rows: B.
        seen: n, the length of what is seen.
        grid: (L,) positions to choose from.
        recipe: hyperparameters.
        left: tells the share of training that is left, by which exploration falls.
        seed: of the weights and of the draws.
        gamma: in place of the recipe's.
    """

    def __init__(
        self,
        rows: int,
        seen: int,
        grid: np.ndarray,
        recipe: SellerRecipe,
        left: Callable[[], float],
        seed: int,
        gamma: float,
    ) -> None:
        self._grid, self._left, self._recipe = grid, left, recipe
        self._rng = np.random.default_rng(seed)
        self._model: Any = DQN(
            "MlpPolicy",
            None,  # type: ignore[arg-type] (as where a model is loaded without its environment)
            learning_rate=recipe.learning_rate,
            buffer_size=recipe.buffer_size,
            gamma=gamma,
            target_update_interval=max(recipe.target_interval, rows),
            policy_kwargs={"net_arch": [recipe.mlp_width, recipe.mlp_width]},
            seed=seed,
            device="cpu",
            _init_setup_model=False,
        )
        self._model.observation_space = Box(-np.inf, np.inf, (seen,), np.float32)
        self._model.action_space = Discrete(len(grid))
        self._model.n_envs = rows
        self._model._setup_model()
        self._model.set_logger(Logger(None, []))

    def act(self, seen: np.ndarray) -> np.ndarray:
        """Positions (B, 1): each row explores on its own, with a chance that falls."""
        chosen = self._best(seen)
        begun = (1.0 - self._left()) / self._recipe.exploration_fraction
        epsilon = max(1.0 - begun, self._recipe.exploration_least)
        tries = self._rng.random(len(seen)) < epsilon
        chosen[tries] = self._rng.integers(len(self._grid), size=int(tries.sum()))
        self._acted = seen, chosen
        return self._grid[chosen][:, None]

    def learn(self, rewards: np.ndarray, after: np.ndarray, over: bool) -> None:
        """Remember the round, and take a step on a batch of remembered ones."""
        model, (seen, chosen) = self._model, self._acted
        never = np.zeros(len(seen), bool)  # an episode is cut short, it does not end
        infos: list[dict[str, Any]] = [{}] * len(seen)
        model.replay_buffer.add(seen, after, chosen[:, None], rewards, never, infos)
        model._on_step()  # copies the network now and then
        size = self._recipe.batch_size
        if model.replay_buffer.size() * len(seen) >= size:
            model.train(gradient_steps=1, batch_size=size)

    def choose(self, seen: np.ndarray) -> np.ndarray:
        """Positions (B, 1): those of the highest values."""
        return self._grid[self._best(seen)][:, None]

    def weights(self) -> dict[str, Tensor]:
        """Of the network that values prices."""
        return self._model.q_net.state_dict()

    def put(self, weights: dict[str, Tensor]) -> None:
        """The reverse of `weights`."""
        self._model.q_net.load_state_dict(weights)

    def _best(self, seen: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self._model.q_net(torch.as_tensor(seen)).argmax(dim=1).numpy()
