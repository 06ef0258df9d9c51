"""Sellers of contracts that are trained by Stable-Baselines3, and kept as files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.noise import NormalActionNoise

from baselines.arena.menu_rollout import UNITS, Offer, play_menus
from baselines.arena.protocol import Report
from baselines.arena.seeds import validation_seed
from baselines.arena.task import Task
from baselines.methods.sb3.learning import Watch, learn
from baselines.methods.sb3.recipes import NoisyRecipe, PpoRecipe, Recipe, ReplayRecipe
from baselines.methods.sb3.trainer import CURVE_EPISODES, KINDS, WATCHED, Trained
from baselines.runs import policy_files


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


@dataclass(frozen=True)
class MenuTrainer:
    """A trainer of the registry. A training that was cut short begins anew."""

    method: str
    """One of those of `_RECIPES`."""

    def recipe(self, task: Task) -> Any:
        """The recipe in use: that of a market that stands still, or of drawn ones."""
        found = _RECIPES[self.method][task.stands_still]
        if isinstance(found, SacMenuRecipe | NoisyMenuRecipe):
            found = replace(found, numbers=2 * task.settings().contracts)
        return found

    def can_train(self, task: Task) -> str | None:
        """None: it needs nothing but the environment."""
        return None

    def train(
        self,
        task: Task,
        seed: int,
        out: Path,
        recipe: Any = None,
        report: Report = lambda done, total, row: None,
    ) -> None:
        """Train a policy and keep what plays of it in one safetensors file.

        The file's config has a `curve`, too: what the policy without noise did in validation
        episodes on the way, with `rounds` and `seconds` (of the CPU) of training so far.
        """
        recipe, kind = recipe or self.recipe(task), KINDS[self.method]
        env: Any = task.environment(recipe.lanes, **UNITS, history=recipe.history, judged=False)

        def measure(policy: Any) -> dict[str, float]:
            seed = validation_seed(0)
            played = play_menus(offered(policy), task, CURVE_EPISODES, seed, recipe.history)
            return {"share": played.share, "earned": played.earned}

        watch, given = Watch(recipe.rounds, WATCHED, measure), recipe.policy_arguments()
        model = learn(env, kind.algorithm, kind.network, recipe, seed, report, given, watch)
        of_training = [], model.num_timesteps, watch.seconds, None, tuple(watch.curve)
        trained = Trained(self.method, model.policy, env.settings, recipe, *of_training)
        trained.keep(out, task, seed)

    def load(self, path: Path, noisy: bool = False) -> Offer:
        """A policy kept by `train`. Nothing in the file is executed.

        Args:
            path: of the file.
            noisy: whether its actions are drawn, from PyTorch's generator; else they are the mean,
                or a chain of no noise.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is of another kind.
        """
        config, weights = policy_files.read(path)
        try:
            kind = KINDS[self.method]
            task = Task.from_json(config["task"])
            recipe = type(self.recipe(task))(**config["recipe"])
            env: Any = task.environment(1, **UNITS, history=recipe.history)
            spaces = env.single_observation_space, env.single_action_space
            policy: Any = kind.network(*spaces, recipe.rate, **recipe.policy_arguments())
            kind.kept(policy).load_state_dict(weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: torch's
            raise ValueError(
                f"path must be a policy of {self.method} for menus, got {str(path)!r} ({error})"
            ) from error
        policy.set_training_mode(False)
        return offered(policy, noisy)


def offered(policy: Any, noisy: bool = False) -> Offer:
    """What a policy of SB3 offers of what it sees."""

    def offer(seen: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return policy._predict(torch.from_numpy(seen), deterministic=not noisy).numpy()

    return offer


PPO, SAC, TD3, DIFFUSION_TD3 = map(MenuTrainer, ("ppo", "sac", "td3", "diffusion_td3"))

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
