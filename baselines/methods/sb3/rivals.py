"""Learned rivals of TPPO: SB3's PPO with an MLP on n rounds, and sb3-contrib's RecurrentPPO."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.spaces.utils import flatdim
from gymnasium.vector import VectorWrapper
from gymnasium.vector.utils import batch_space
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

import aigc_market
from aigc_market.sb3 import GymnasiumVecEnv
from baselines.arena.protocol import History, Method, PublicParameters
from baselines.arena.registry import Report
from baselines.arena.task import Task
from baselines.runs.policy_files import read, write


@dataclass(frozen=True)
class Recipe:
    """How a policy is trained. docs/hidden-markets/search.csv has what else was tried."""

    rounds: int = 5_000_000
    """In all lanes together."""
    history: int = 5
    """Rounds observed; 1 for the LSTM, which remembers the others."""
    lanes: int = 128
    """Episodes played side by side."""
    n_steps: int = 25
    """Rounds in each lane between updates."""
    batch_size: int = 800
    """Rounds in a minibatch."""
    n_epochs: int = 4
    """Passes over the rounds of an update."""
    learning_rate: float = 1e-3
    """At the start; it falls linearly to nothing."""
    log_std_init: float = -1.5
    """Logarithm of the first standard deviation of prices in [−1, 1]."""
    ent_coef: float = 0.0
    """Weight of the entropy."""
    gamma: float = 0.0
    """Discount."""
    width: int = 64
    """Of both hidden layers, and of the LSTM."""


_POLICIES: dict[str, Any] = {
    "ppo": ActorCriticPolicy,
    "recurrent_ppo": RecurrentActorCriticPolicy,
}
NAMES = tuple(_POLICIES)
"""The learned rivals: PPO with an MLP, and with an LSTM."""


def recipe_for(method: str, scenario: str) -> Recipe:
    """The tuned recipe."""
    if method == "recurrent_ppo":
        return Recipe(rounds=3_000_000, history=1, lanes=64, n_steps=100, batch_size=3200)
    if scenario == "capacity":  # with 5 M rounds it ends at .77 instead of .90
        return Recipe(history=32, rounds=2_000_000)
    return Recipe(history=32 if scenario == "drift" else 5)


@dataclass(frozen=True)
class Units:
    """Between the market's units and the network's."""

    public: PublicParameters
    masked: bool
    """Whether rows say who will answer the next price: (p, S_1 … S_K, m_1 … m_K)."""

    @property
    def row(self) -> int:
        """Numbers in a row."""
        return 1 + self.public.K * (2 if self.masked else 1)

    def price(self, action: np.ndarray) -> np.ndarray:
        """Prices that actions in [−1, 1] mean."""
        low, high = self.public.cost, self.public.max_price
        return low + (np.clip(action, -1.0, 1.0) + 1.0) / 2.0 * (high - low)

    def features(self, rows: np.ndarray) -> np.ndarray:
        """Rows (…, n, row) as a network's input (…, n·row): all numbers around 0 and 1."""
        low, high = self.public.cost, self.public.max_price
        scaled = np.array(rows, np.float32)
        scaled[..., 0] = 2.0 * (scaled[..., 0] - low) / (high - low) - 1.0
        scaled[..., 1 : self.public.K + 1] *= 2.5 / self.public.max_steps
        return scaled.reshape(*scaled.shape[:-2], -1)

    def spaces(self, history: int) -> tuple[Box, Box]:
        """Of a network's input and of its action."""
        features = Box(-np.inf, np.inf, (history * self.row,), np.float32)
        return features, Box(-1.0, 1.0, (1,), np.float32)


class Lanes(VectorWrapper):
    """A scenario as the networks train in it: their units, and no infos."""

    def __init__(self, num_envs: int, task: Task, history: int) -> None:
        env = task.environment(num_envs, history=history)
        super().__init__(env)
        market = task.public()
        self._shape = (num_envs, history, -1)
        width = flatdim(env.single_observation_space) // history
        self.units = Units(market, masked=width > market.K + 1)
        # Utilities become rewards of about 1; the value function needs no more.
        room = market.K * market.max_steps * (market.max_price - market.cost)
        self._reward_scale = 10.0 / room
        self.single_observation_space, self.single_action_space = self.units.spaces(history)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, **given: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every lane."""
        return self._features(self.env.reset(**given)[0]), {}

    def step(self, actions: np.ndarray) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Post a price in every lane."""
        prices = self.units.price(actions).astype(np.float32)
        observations, rewards, terminated, truncated, infos = self.env.step(prices)
        ended = {}
        if "final_obs" in infos:
            ended = {"final_obs": self._features(infos["final_obs"]), "final_info": {}}
        rewards = rewards * self._reward_scale
        return self._features(observations), rewards, terminated, truncated, ended

    def _features(self, observations: np.ndarray) -> np.ndarray:
        return self.units.features(observations.reshape(self._shape))


class SeenRows(BaseFeaturesExtractor):
    """Rows with a flag for those that were played, all 0 for others, and 1 / (1 + how many were).

    Rows before the first round look as if the price had been the cost and nobody had bought, which
    a smooth network confuses with low prices.
    """

    def __init__(self, space: Box, row: int, K: int) -> None:
        super().__init__(space, space.shape[0] // row * (row + 1) + 1)
        self._row, self._K = row, K

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """(B, n·row) to (B, n·(row + 1) + 1)."""
        rows = observations.unflatten(1, (-1, self._row))
        steps = rows[..., 1 : self._K + 1]
        played = (rows[..., :1] > -1.0) | (steps > 0.0).any(dim=-1, keepdim=True)
        flagged = torch.cat([rows * played, played], dim=-1).flatten(1)
        return torch.cat([flagged, 1.0 / (1.0 + played.sum(dim=1))], dim=1)


def train(method: str, task: Task, seed: int, out: Path, recipe: Recipe | None = None) -> None:
    """Train a policy and keep it.

    Args:
        method: "ppo" or "recurrent_ppo".
        task: what is trained on.
        seed: of every random choice.
        out: path of the safetensors file, which appears whole or not at all.
        recipe: the tuned one by default.
    """
    recipe = recipe or recipe_for(method, task.scenario_name)
    torch.set_num_threads(1)  # the networks are small, and sweeps fill the cores with runs
    lanes = Lanes(recipe.lanes, task, recipe.history)
    arguments: dict[str, Any] = {
        "env": GymnasiumVecEnv(lanes),
        "learning_rate": lambda remaining: recipe.learning_rate * remaining,
        "n_steps": recipe.n_steps,
        "batch_size": recipe.batch_size,
        "n_epochs": recipe.n_epochs,
        "gamma": recipe.gamma,
        "ent_coef": recipe.ent_coef,
        "policy_kwargs": _policy_arguments(method, recipe, lanes.units),
        "seed": seed,
        "device": "cpu",
    }
    began = time.perf_counter()
    algorithm: Any = PPO if method == "ppo" else RecurrentPPO
    model = algorithm(_POLICIES[method], **arguments)
    model.learn(recipe.rounds)
    config = {
        "units": dataclasses.asdict(lanes.units),
        "method": method,
        "task": task.as_json(),
        "seed": seed,
        "recipe": dataclasses.asdict(recipe),
        "rounds": model.num_timesteps,
        "seconds": time.perf_counter() - began,
        "version": aigc_market.__version__,
    }
    write(out, model.policy.state_dict(), config)


def load(path: Path) -> Callable[[int], Method]:
    """A policy kept by `train`: called with the number of episodes, it gives a method.

    Nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind.
    """
    try:
        config, weights = read(path)
        recipe = Recipe(**config["recipe"])
        units = Units(PublicParameters(**config["units"]["public"]), config["units"]["masked"])
        method = config["method"]
        policy: Any = _POLICIES[method](
            *units.spaces(recipe.history), lambda _: 0.0, **_policy_arguments(method, recipe, units)
        )
        policy.load_state_dict(weights)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"path must be a policy of {', '.join(NAMES)}, got {str(path)!r}"
        ) from error
    policy.set_training_mode(False)
    player = WindowMethod if method == "ppo" else RecurrentMethod
    return functools.partial(player, policy, units, recipe.history)


def _policy_arguments(method: str, recipe: Recipe, units: Units) -> dict[str, Any]:
    """Of the policy's class, beside its spaces."""
    arguments: dict[str, Any] = {
        "net_arch": [recipe.width, recipe.width],
        "log_std_init": recipe.log_std_init,
        "features_extractor_class": SeenRows,
        "features_extractor_kwargs": {"row": units.row, "K": units.public.K},
    }
    if method == "recurrent_ppo":
        # The critic reads the actor's LSTM: as good as one of its own, in half the time.
        arguments |= {
            "net_arch": [recipe.width],
            "lstm_hidden_size": recipe.width,
            "shared_lstm": True,
            "enable_critic_lstm": False,
        }
    return arguments


class WindowMethod:
    """A policy on the last n rounds; before the first, the price was the cost and nothing sold."""

    def __init__(self, policy: Any, units: Units, rounds: int, num_envs: int) -> None:
        self._policy = policy
        self._units = units
        self._window = np.zeros((num_envs, rounds, units.row))

    def act(self, history: History) -> np.ndarray:
        """Prices (N,), without exploring."""
        self._observe(history)
        features = torch.from_numpy(self._units.features(self._window))
        with torch.no_grad():
            actions = self._decide(features, begins=history.prices.shape[1] == 0)
        return self._units.price(actions[:, 0].double().numpy())

    def _observe(self, history: History) -> None:
        K = self._units.public.K
        if history.prices.shape[1] == 0:
            self._window[:] = 0.0
            self._window[:, :, 0] = self._units.public.cost
            if self._units.masked:
                self._window[:, :, K + 1 :] = history.active[:, None]
            return
        self._window[:, :-1] = self._window[:, 1:]
        self._window[:, -1, 0] = history.prices[:, -1]
        self._window[:, -1, 1 : K + 1] = history.steps[:, -1]
        if self._units.masked:
            self._window[:, -1, K + 1 :] = history.active

    def _decide(self, features: torch.Tensor, begins: bool) -> torch.Tensor:
        return self._policy._predict(features, deterministic=True)


class RecurrentMethod(WindowMethod):
    """A policy with an LSTM, whose state lasts an episode."""

    def _decide(self, features: torch.Tensor, begins: bool) -> torch.Tensor:
        N = len(features)
        if begins:
            layers, _, size = self._policy.lstm_hidden_state_shape
            self._state = (torch.zeros(layers, N, size), torch.zeros(layers, N, size))
        starts = torch.full((N,), float(begins))
        actions, self._state = self._policy._predict(features, self._state, starts, True)
        return actions


@dataclass(frozen=True)
class Rival:
    """The trainer of one of `NAMES`."""

    method: str

    def recipe(self, task: Task) -> Recipe:
        """The tuned recipe."""
        return recipe_for(self.method, task.scenario_name)

    def can_train(self, task: Task) -> str | None:
        """It can everywhere."""
        return None

    def train(
        self,
        task: Task,
        seed: int,
        out: Path,
        recipe: Recipe | None = None,
        report: Report = lambda done, total, row: None,
    ) -> None:
        """Train and keep a policy."""
        train(self.method, task, seed, out, recipe)

    def load(self, path: Path) -> Callable[[int], Method]:
        """A policy kept by `train`."""
        return load(path)


PPO_TRAINER, RECURRENT_PPO_TRAINER = Rival("ppo"), Rival("recurrent_ppo")
