"""How learners of menus are trained, by scenario."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from stable_baselines3.common.noise import NormalActionNoise

from aigc_market import _checks
from baselines.arena.task import Task
from baselines.methods.sb3.recipes import NoisyRecipe, PpoRecipe, Recipe, ReplayRecipe


@dataclass(frozen=True, kw_only=True)
class SacMenuRecipe(ReplayRecipe):
    """Of SAC, which learns its temperature."""

    target_entropy: float
    """What the policy's entropy is led to, in nats, for each number of a menu."""
    numbers: int = 1
    """Of a menu: 2L."""

    def arguments(self) -> dict[str, Any]:
        """Of SAC."""
        return {**super().arguments(), "target_entropy": self.numbers * self.target_entropy}


@dataclass(frozen=True, kw_only=True)
class NoisyMenuRecipe(NoisyRecipe):
    """Of TD3, whatever its actor; each number of a menu has noise of its own."""

    numbers: int = 1
    """Of a menu: 2L."""

    def arguments(self) -> dict[str, Any]:
        """Of TD3."""
        spread = np.full(self.numbers, self.exploration)
        return {**super().arguments(), "action_noise": NormalActionNoise(0.0 * spread, spread)}


def recipe(method: str, task: Task) -> Any:
    """The recipe in use: that of a market that stands still, or of drawn ones.

    Raises:
        ValueError: there is none for the method.
    """
    found = _RECIPES[_checks.choice("method", method, _RECIPES)][task.stands_still]
    if isinstance(found, SacMenuRecipe | NoisyMenuRecipe):
        found = replace(found, numbers=2 * task.settings().contracts)
    return found


_STANDING: dict[str, Any] = {
    "rounds": 40_000,
    "history": 1,
    "lanes": 10,
    "learning_rate": 3e-3,
    "least_rate": 0.0,
    "batch_size": 64,
    "buffer_size": 40_000,
    "learning_starts": 1_000,
}
_DRAWN: dict[str, Any] = {
    **_STANDING,
    "rounds": 300_000,
    "history": 5,
    "lanes": 32,
    "batch_size": 128,
    "buffer_size": 300_000,
    "learning_starts": 5_000,
}
_SLOWER: dict[str, Any] = {
    **_STANDING,
    "rounds": 5_000,
    "lanes": 1,
    "learning_rate": 1e-3,
    "batch_size": 256,
    "learning_starts": 500,
}
"""With fewer steps of the gradient a round a diffusion policy stayed longer at the bounds."""
_DIFFUSION_DRAWN: dict[str, Any] = {
    **_DRAWN,
    "rounds": 400_000,
    "lanes": 64,
    "learning_rate": 1e-3,
    "batch_size": 256,
    "buffer_size": 400_000,
    "learning_starts": 10_000,
}
_PPO = PpoRecipe(
    rounds=200_000,
    history=1,
    lanes=20,
    n_steps=20,
    batch_size=200,
    n_epochs=6,
    learning_rate=5e-3,
    least_rate=0.0,
    log_std_init=-1.0,
)
_PPO_DRAWN = replace(
    _PPO,
    rounds=1_000_000,
    history=5,
    lanes=128,
    n_steps=25,
    batch_size=800,
    n_epochs=4,
    learning_rate=3e-3,
)
_RECIPES: dict[str, dict[bool, Recipe]] = {
    "ppo": {True: _PPO, False: _PPO_DRAWN},
    "sac": {
        True: SacMenuRecipe(**_STANDING, target_entropy=-4.0),
        False: SacMenuRecipe(**_DRAWN, target_entropy=-2.0),
    },
    "td3": {
        True: NoisyMenuRecipe(**{**_STANDING, "batch_size": 256}, exploration=0.2),
        False: NoisyMenuRecipe(**_DRAWN, exploration=0.1),
    },
    "diffusion_td3": {
        True: NoisyMenuRecipe(**_SLOWER, exploration=0.1),
        False: NoisyMenuRecipe(**_DIFFUSION_DRAWN, exploration=0.05),
    },
}
"""By method, and by whether the market stands still: those that earned most of the ones tried.

In validation episodes, by trainings of seeds from 1000 on: 20 of PPO, 8 of SAC, 14 of TD3, 17 of
the diffusion policy. At larger rates PPO went over the edge of what VMUs pay now and then, and did
not come back.
"""
