"""How methods of Stable-Baselines3 are trained, by scenario."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.noise import NormalActionNoise

from aigc_market import _checks
from baselines.arena.task import Task


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all recipes have, under Stable-Baselines3's names."""

    rounds: int
    """In all lanes together."""
    history: int
    """Rounds observed; 1 for the LSTM, which remembers the others."""
    lanes: int
    """Episodes played side by side."""
    learning_rate: float
    """At the start; it falls linearly."""
    least_rate: float
    """Share of the learning rate that is left at the end."""
    gamma: float = 0.0
    """Discount. Rational followers do not remember: a price moves its own round's reward alone."""
    width: int = 64
    """Of both hidden layers (an MLP), of the LSTM (recurrent_ppo), of a token (tppo)."""
    statistics: bool = False
    """Whether it is shown `Statistics` of the episode so far behind its rows."""

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if field.type == "bool":
                _checks.flag(name, value)
            elif field.type == "int":
                _checks.integer(name, value, at_least=2 if name == "batch_size" else 1)
        _checks.number("learning_rate", self.learning_rate, above=0)
        for name in ("least_rate", "gamma"):
            _checks.number(name, getattr(self, name), at_least=0, at_most=1)

    def arguments(self) -> dict[str, Any]:
        """Of the algorithm."""
        return {"learning_rate": self.rate, "gamma": self.gamma}

    def policy_arguments(self) -> dict[str, Any]:
        """Of the policy's class: an MLP, and its optimizer."""
        fused = {"fused": True}  # one call for all weights
        adam = {"optimizer_class": torch.optim.Adam, "optimizer_kwargs": fused}
        return {"net_arch": [self.width, self.width], **adam}

    def rate(self, left: float) -> float:
        """The learning rate when this share of the training is left."""
        return self.learning_rate * max(left, self.least_rate)


@dataclass(frozen=True, kw_only=True)
class RolloutRecipe(Recipe):
    """Of A2C, and what it shares with PPO."""

    n_steps: int
    """Rounds in each lane between updates."""
    log_std_init: float
    """Logarithm of the first standard deviation of prices in [−1, 1]."""

    def arguments(self) -> dict[str, Any]:
        """Of A2C."""
        return {**super().arguments(), "n_steps": self.n_steps}

    def policy_arguments(self) -> dict[str, Any]:
        """With the deviation, and SB3's ε for PPO."""
        adam = {"optimizer_kwargs": {"fused": True, "eps": 1e-5}}
        return {**super().policy_arguments(), **adam, "log_std_init": self.log_std_init}


@dataclass(frozen=True, kw_only=True)
class PpoRecipe(RolloutRecipe):
    """Of PPO, whatever its network."""

    batch_size: int
    """Rounds in a minibatch."""
    n_epochs: int
    """Passes over the rounds of an update."""
    query_price: bool = True
    """tppo: whether the decoder queries with the last price, the paper's way, or with a learnt
    vector."""

    def arguments(self) -> dict[str, Any]:
        """Of PPO."""
        return {**super().arguments(), "batch_size": self.batch_size, "n_epochs": self.n_epochs}


@dataclass(frozen=True, kw_only=True)
class ReplayRecipe(Recipe):
    """Of SAC, and what it shares with the others that learn from a replay buffer.

    After each round of all lanes, one step of the gradient is taken.
    """

    batch_size: int
    """Rounds in a step of the gradient."""
    buffer_size: int
    """Rounds remembered."""
    learning_starts: int = 2_000
    """Rounds at random before the first step."""
    tau: float = 0.005
    """What target networks take over of the others in a step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.number("tau", self.tau, above=0, at_most=1)

    def arguments(self) -> dict[str, Any]:
        """Of SAC."""
        names = ("batch_size", "buffer_size", "learning_starts", "tau")
        return {**super().arguments(), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, kw_only=True)
class NoisyRecipe(ReplayRecipe):
    """Of TD3, whatever its actor."""

    exploration: float
    """Standard deviation of the normal noise of prices in [−1, 1]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.number("exploration", self.exploration, at_least=0)

    def arguments(self) -> dict[str, Any]:
        """Of TD3."""
        noise = NormalActionNoise(np.zeros(1), np.full(1, self.exploration))
        return {**super().arguments(), "action_noise": noise}


@dataclass(frozen=True, kw_only=True)
class GridRecipe(ReplayRecipe):
    """Of DQN, on the grid of prices."""

    exploration_fraction: float = 0.3
    """Share of the rounds in which ε falls linearly from 1 to `exploration_final_eps`."""
    exploration_final_eps: float = 0.05
    target_update_interval: int = 10_000
    """Rounds between two copies of the network."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("exploration_fraction", "exploration_final_eps"):
            _checks.number(name, getattr(self, name), above=0, at_most=1)

    def arguments(self) -> dict[str, Any]:
        """Of DQN; `tau` = 1 is a copy."""
        names = ("exploration_fraction", "exploration_final_eps", "target_update_interval")
        own = {name: getattr(self, name) for name in names}
        return {**super().arguments(), **own, "train_freq": 1}


_STANDING = PpoRecipe(
    rounds=20_000,
    history=5,
    lanes=20,
    n_steps=20,
    batch_size=200,
    n_epochs=6,
    learning_rate=1e-2,
    least_rate=0.05,
    log_std_init=-1.0,
)
_HIDDEN = PpoRecipe(
    rounds=1_200_000,
    history=5,
    lanes=128,
    n_steps=25,
    batch_size=800,
    n_epochs=4,
    learning_rate=1e-3,
    least_rate=0.0,
    log_std_init=-1.5,
    statistics=True,
)
_RECURRENT = replace(_HIDDEN, rounds=600_000, history=1, lanes=64, n_steps=50)
_A2C = RolloutRecipe(
    rounds=1_200_000,
    history=5,
    lanes=128,
    n_steps=5,
    learning_rate=1e-3,
    least_rate=0.0,
    log_std_init=-1.5,
    statistics=True,
)
_REPLAY: dict[str, Any] = {
    "rounds": 500_000,
    "history": 5,
    "lanes": 64,
    "learning_rate": 1e-3,
    "least_rate": 0.0,
    "batch_size": 256,
    "buffer_size": 200_000,
    "statistics": True,
}
_FASTER: dict[str, Any] = {**_REPLAY, "learning_rate": 3e-3}
_FIXED: dict[str, Any] = {
    **_REPLAY,
    "rounds": 20_000,
    "lanes": 10,
    "buffer_size": 20_000,
    "learning_starts": 500,
    "statistics": False,
}
_SLOWER: dict[str, Any] = {**_FIXED, "rounds": 6_000, "lanes": 1, "learning_rate": 3e-4}
"""With fewer steps a round a diffusion policy stayed at the bounds."""
_RECIPES: dict[tuple[str, str], Recipe] = {
    ("ppo", "standing"): _STANDING,
    ("ppo", "hidden"): _HIDDEN,
    ("recurrent_ppo", "standing"): replace(_STANDING, history=1),
    ("recurrent_ppo", "hidden"): _RECURRENT,
    ("tppo", "standing"): replace(_STANDING, width=32),
    ("tppo", "hidden"): replace(_HIDDEN, history=16, rounds=400_000, width=32, statistics=False),
    ("a2c", "standing"): replace(
        _A2C, rounds=20_000, lanes=20, log_std_init=-1.0, statistics=False
    ),
    ("a2c", "hidden"): replace(_A2C, learning_rate=3e-3),
    ("sac", "standing"): ReplayRecipe(**_FIXED),
    ("sac", "hidden"): ReplayRecipe(**_FASTER, gamma=0.9),
    ("td3", "standing"): NoisyRecipe(**_FIXED, exploration=0.2),
    ("td3", "hidden"): NoisyRecipe(**_FASTER, gamma=0.9, exploration=0.2),
    ("diffusion_td3", "standing"): NoisyRecipe(**_SLOWER, exploration=0.2),
    ("diffusion_td3", "hidden"): NoisyRecipe(**_REPLAY, gamma=0.99, exploration=0.2),
    ("dqn", "standing"): GridRecipe(**_FIXED, target_update_interval=1_000),
    ("dqn", "hidden"): GridRecipe(**_FASTER, gamma=0.9),
}


def recipe(method: str, task: Task) -> Any:
    """The recipe in use: that of the scenario, of hidden markets, or of one that stands still.

    That of PPO for the latter is one for all. Under seeds from 1000 on, which `reproduce` does not
    use, it earned most after training of those tried with at most 800 gradient steps: 29 with PPO,
    5 with TPPO. Learning rates and discounts of hidden markets are those of six each that earned
    most in validation episodes of `hidden`: see `tune`.
    """
    if task.stands_still:
        return _RECIPES[method, "standing"]
    scenario = task.as_json()["scenario"]
    return _RECIPES.get((method, scenario), _RECIPES[method, "hidden"])
