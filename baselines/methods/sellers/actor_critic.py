"""PPO and TPPO by Stable-Baselines3, driven from outside: the rounds are played elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from aigc_market.sb3 import TransformerPolicy
from baselines.methods.sellers.seller_recipes import SellerRecipe


class ActorCritic:
    """A PPO learner: SB3's policy, rollout buffer and update, and no environment.

    Args:
        rows: B.
        seen: n, the length of what is seen.
        actions: d, numbers of an action.
        recipe: hyperparameters.
        left: tells the share of training that is left, by which the learning rate falls.
        seed: of the weights and of the draws.
        history: rounds that are seen, for TPPO's transformer; None for PPO's MLP.
        gamma, n_steps, learning_rate: in place of the recipe's.
    """

    def __init__(
        self,
        rows: int,
        seen: int,
        actions: int,
        recipe: SellerRecipe,
        left: Callable[[], float],
        seed: int,
        history: int | None = None,
        **other: Any,
    ) -> None:
        chosen = {"gamma": recipe.gamma, "n_steps": recipe.n_steps}
        chosen |= {"learning_rate": recipe.learning_rate, **other}
        rate = chosen.pop("learning_rate")
        width = recipe.transformer_width if history else recipe.mlp_width
        network: dict[str, Any] = {"net_arch": [width, width]}
        if history:
            network = {"history": history, "in_front": 0}
            network |= {"width": width, "feedforward": 2 * width}
        self._model: Any = PPO(
            TransformerPolicy if history else ActorCriticPolicy,
            None,  # type: ignore[arg-type] (as where a model is loaded without its environment)
            learning_rate=lambda _: rate * max(left(), 0.05),
            batch_size=min(recipe.batch_size, rows * chosen["n_steps"]),
            n_epochs=recipe.n_epochs,
            policy_kwargs={"log_std_init": recipe.log_std_init, **network},
            seed=seed,
            device="cpu",
            _init_setup_model=False,
            **chosen,
        )
        self._model.observation_space = Box(-np.inf, np.inf, (seen,), np.float32)
        self._model.action_space = Box(-1.0, 1.0, (actions,), np.float32)
        self._model.n_envs = rows
        self._model._setup_model()
        self._model.set_logger(Logger(None, []))
        self._begins = np.ones(rows, bool)

    def act(self, seen: np.ndarray) -> np.ndarray:
        """Actions (B, d), drawn."""
        with torch.no_grad():
            actions, values, log_probs = self._model.policy(torch.as_tensor(seen))
        self._acted = seen, actions.numpy(), values, log_probs
        return self._acted[1]

    def learn(self, rewards: np.ndarray, after: np.ndarray, over: bool) -> None:
        """Keep the round, and update the policy when there are enough of them."""
        model, buffer = self._model, self._model.rollout_buffer
        seen, actions, values, log_probs = self._acted
        if over:  # cut short, not ended: what would have followed counts, as in SB3
            rewards = rewards + model.gamma * self._values(after).numpy()[:, 0]
        buffer.add(seen, actions, rewards, self._begins, values, log_probs)
        self._begins = np.full(len(rewards), over)
        if buffer.full:
            values = self._values(after)
            buffer.compute_returns_and_advantage(last_values=values, dones=self._begins)
            model.train()
            buffer.reset()

    def _values(self, seen: np.ndarray) -> Tensor:
        with torch.no_grad():
            return self._model.policy.predict_values(torch.as_tensor(seen))

    def choose(self, seen: np.ndarray) -> np.ndarray:
        """Actions (B, d): the means."""
        with torch.no_grad():
            actions = self._model.policy._predict(torch.as_tensor(seen), deterministic=True)
        return actions.numpy()

    def weights(self) -> dict[str, Tensor]:
        """Of actor and critic."""
        return self._model.policy.state_dict()

    def put(self, weights: dict[str, Tensor]) -> None:
        """The reverse of `weights`."""
        self._model.policy.load_state_dict(weights)
