"""Learners that are trained beside each other round by round: a table, and SB3's DQN and PPO.

All see (B, n) single-precision numbers and answer with prices as positions (B, 1) in [−1, 1], or,
as VMUs, with actions (B, d); others are clipped. Training calls `act` and `learn` by turns.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticPolicy

from aigc_market.sb3 import TransformerPolicy
from baselines.methods.sellers.recipe import LEVELS, SellerRecipe

GRID = np.linspace(-1.0, 1.0, LEVELS)
"""Positions of those that choose from a grid."""


class Learner(Protocol):
    """A learner in B games at once: it gives actions, and then learns what came of them."""

    module: torch.nn.Module
    """Holds all that is learned."""

    def act(self, seen: np.ndarray, left: float | None = None) -> np.ndarray:
        """Actions (B, d).

        Args:
            seen: (B, n).
            left: share of the training that is left, while it explores; None: it does not.
        """
        ...

    def learn(self, rewards: np.ndarray, after: np.ndarray, over: bool) -> None:
        """Take in the round.

        Args:
            rewards: (B,).
            after: (B, n), what is seen next.
            over: whether the episodes were cut short here; what comes after belongs to others.
        """
        ...


class QTable:
    """Tabular Q-learning on the last round's prices, as Calvano et al. (2020).

    It is for any market, moving ones too, at the speed of the environments; the source's own
    experiment, compiled, is `python -m baselines calvano`.

    Args:
        M: providers.
        row: numbers of a round in what is seen, of which the first M are prices, its own first.
        lowest: the lowest price of the grid in the units of what is seen; the highest is 1.
        recipe, gamma: hyperparameters.
        seed: of the draws.
    """

    def __init__(
        self, M: int, row: int, lowest: float, recipe: SellerRecipe, gamma: float, seed: int
    ) -> None:
        self._M, self._row, self._lowest, self._recipe = M, row, lowest, recipe
        self._gamma, self._rng = gamma, np.random.default_rng(seed)
        self.module = torch.nn.Module()
        table = torch.zeros((LEVELS**M, LEVELS), dtype=torch.float64)
        self.module.register_buffer("values", table)
        self._values = table.numpy()  # the same memory

    def begin(self, rewards: np.ndarray) -> None:
        """Value prices in all states by what they earn, (LEVELS,) in a round, for ever."""
        self._values[:] = rewards / (1.0 - self._gamma)

    def act(self, seen: np.ndarray, left: float | None = None) -> np.ndarray:
        """Positions (B, 1)."""
        states = self._states(seen)
        chosen = self._values[states].argmax(axis=1)
        if left is not None:
            epsilon = np.exp(-self._recipe.table_decay * (1.0 - left))
            _explore(chosen, epsilon, self._rng)
        self._acted = states, chosen
        return GRID[chosen][:, None]

    def learn(self, rewards: np.ndarray, after: np.ndarray, over: bool) -> None:
        """Update one game after the other: two may have done the same."""
        values, rate = self._values, self._recipe.table_rate
        targets = rewards + self._gamma * values[self._states(after)].max(axis=1)
        for state, action, target in zip(*self._acted, targets, strict=True):
            values[state, action] += rate * (target - values[state, action])

    def _states(self, seen: np.ndarray) -> np.ndarray:
        """(B,) of what is seen (B, n): strangers' prices are taken for the nearest of the grid."""
        last = seen.shape[1] - self._row
        share = (seen[:, last : last + self._M] - self._lowest) / (1.0 - self._lowest)
        levels = np.rint(share * (LEVELS - 1)).clip(0, LEVELS - 1).astype(int)
        return levels @ LEVELS ** np.arange(self._M)[::-1]


def _explore(chosen: np.ndarray, epsilon: float, rng: np.random.Generator) -> None:
    """With probability ε, in each row on its own, another level of the grid, in place."""
    tries = rng.random(len(chosen)) < epsilon
    chosen[tries] = rng.integers(LEVELS, size=int(tries.sum()))


def _without_environment(algorithm: Any, policy: Any, spaces: Any, rows: int, **given: Any) -> Any:
    """A model of SB3 for B rows, made as where SB3 loads one: its rounds are played elsewhere."""
    model = algorithm(policy, None, device="cpu", _init_setup_model=False, **given)
    model.observation_space, model.action_space = spaces
    model.n_envs = rows
    model._setup_model()
    model.set_logger(Logger(None, []))
    return model


class QNetwork:
    """DQN of Stable-Baselines3, on the grid.

    Args:
        spaces: of what is seen and of actions.
        rows: B.
        recipe, gamma: hyperparameters.
        seed: of the weights and of the draws.
    """

    def __init__(
        self, spaces: tuple[Box, Any], rows: int, recipe: SellerRecipe, gamma: float, seed: int
    ) -> None:
        self._model = _without_environment(
            DQN,
            "MlpPolicy",
            (spaces[0], Discrete(LEVELS)),
            rows,
            learning_rate=recipe.learning_rate,
            buffer_size=recipe.buffer_size,
            gamma=gamma,
            target_update_interval=max(recipe.target_interval, rows),
            exploration_fraction=recipe.exploration_fraction,
            exploration_final_eps=recipe.exploration_least,
            policy_kwargs={"net_arch": [recipe.mlp_width] * 2},
            seed=seed,
        )
        self.module = self._model.policy
        self._batch_size, self._rng = recipe.batch_size, np.random.default_rng(seed)

    def act(self, seen: np.ndarray, left: float | None = None) -> np.ndarray:
        """Positions (B, 1)."""
        with torch.no_grad():
            chosen = self._model.q_net(torch.as_tensor(seen)).argmax(dim=1).numpy()
        if left is not None:
            _explore(chosen, self._model.exploration_schedule(left), self._rng)
        self._acted = seen, chosen
        return GRID[chosen][:, None]

    def learn(self, rewards: np.ndarray, after: np.ndarray, over: bool) -> None:
        """Remember the round, and take a step on a batch of remembered ones."""
        model, (seen, chosen) = self._model, self._acted
        never = np.zeros(len(seen), bool)  # an episode is cut short, it does not end
        infos: list[dict[str, Any]] = [{}] * len(seen)
        model.replay_buffer.add(seen, after, chosen[:, None], rewards, never, infos)
        model._on_step()  # copies the network now and then
        if model.replay_buffer.size() * len(seen) >= self._batch_size:
            model.train(gradient_steps=1, batch_size=self._batch_size)


class ActorCritic:
    """PPO of Stable-Baselines3.

    Args:
        spaces: of what is seen and of actions.
        rows: B.
        recipe, gamma: hyperparameters.
        seed: of the weights and of the draws.
        history: rounds that are seen, for TPPO's transformer; None for PPO's MLP.
    """

    def __init__(
        self,
        spaces: tuple[Box, Any],
        rows: int,
        recipe: SellerRecipe,
        gamma: float,
        seed: int,
        history: int | None = None,
    ) -> None:
        network: dict[str, Any] = {"net_arch": [recipe.mlp_width] * 2}
        if history is not None:
            width = recipe.transformer_width
            network = {"history": history, "in_front": 0}
            network |= {"width": width, "feedforward": 2 * width}
        self._model = _without_environment(
            PPO,
            ActorCriticPolicy if history is None else TransformerPolicy,
            spaces,
            rows,
            learning_rate=lambda left: recipe.learning_rate * max(left, 0.05),
            n_steps=recipe.n_steps,
            batch_size=min(recipe.batch_size, rows * recipe.n_steps),
            n_epochs=recipe.n_epochs,
            gamma=gamma,
            policy_kwargs={"log_std_init": recipe.log_std_init, **network},
            seed=seed,
        )
        self.module = self._model.policy
        self._begins = np.ones(rows, bool)

    def act(self, seen: np.ndarray, left: float | None = None) -> np.ndarray:
        """Actions (B, d): drawn, or the means."""
        policy, tensor = self._model.policy, torch.as_tensor(seen)
        with torch.no_grad():
            if left is None:
                return policy._predict(tensor, deterministic=True).numpy()
            actions, values, log_probs = policy(tensor)
        self._model._current_progress_remaining = left
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
            last = self._values(after)
            buffer.compute_returns_and_advantage(last_values=last, dones=self._begins)
            model.train()
            buffer.reset()

    def _values(self, seen: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return self._model.policy.predict_values(torch.as_tensor(seen))
