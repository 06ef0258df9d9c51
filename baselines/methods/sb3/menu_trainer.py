"""Sellers of contracts that are trained by Stable-Baselines3, and kept as files."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import aigc_market
from baselines.arena.menu_rollout import UNITS, Offer, play_menus
from baselines.arena.protocol import Report
from baselines.arena.seeds import validation_seed
from baselines.arena.task import Task
from baselines.methods.sb3 import menu_recipes
from baselines.methods.sb3.learning import Watch, learn
from baselines.methods.sb3.recipes import Recipe, RolloutRecipe
from baselines.methods.sb3.trainer import CURVE_EPISODES, KINDS, WATCHED
from baselines.runs import policy_files


@dataclass(frozen=True)
class MenuTrainer:
    """A trainer of the registry. A training that was cut short begins anew."""

    method: str
    """One of those of `menu_recipes`."""

    def recipe(self, task: Task) -> Any:
        """The recipe in use."""
        return menu_recipes.recipe(self.method, task)

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

        watch, arguments = Watch(recipe.rounds, WATCHED, measure), _policy_arguments(recipe)
        model = learn(env, kind.algorithm, kind.network, recipe, seed, report, arguments, watch)
        config = {
            "method": self.method,
            "task": task.as_json(),
            "seed": seed,
            "recipe": dataclasses.asdict(recipe),
            "rounds": model.num_timesteps,
            "seconds": watch.seconds,
            "curve": watch.curve,
            "version": aigc_market.__version__,
        }
        policy_files.write(out, self._playing(model.policy).state_dict(), config)

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
            policy: Any = kind.network(*spaces, recipe.rate, **_policy_arguments(recipe))
            self._playing(policy).load_state_dict(weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: torch's
            raise ValueError(
                f"path must be a policy of {self.method} for menus, got {str(path)!r} ({error})"
            ) from error
        policy.set_training_mode(False)
        return offered(policy, noisy)

    def _playing(self, policy: Any) -> Any:
        """The part of a policy that is kept."""
        part = KINDS[self.method].plays
        return getattr(policy, part) if part else policy


def offered(policy: Any, noisy: bool = False) -> Offer:
    """What a policy of SB3 offers of what it sees."""

    def offer(seen: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return policy._predict(torch.from_numpy(seen), deterministic=not noisy).numpy()

    return offer


def _policy_arguments(recipe: Recipe) -> dict[str, Any]:
    """Of the policy's class, beside its spaces."""
    optimizer: dict[str, Any] = {"fused": True}  # one call for all weights
    of_network: dict[str, Any] = {"net_arch": [recipe.width, recipe.width]}
    if isinstance(recipe, RolloutRecipe):
        of_network["log_std_init"] = recipe.log_std_init
        optimizer["eps"] = 1e-5  # SB3's for PPO
    return {**of_network, "optimizer_class": torch.optim.Adam, "optimizer_kwargs": optimizer}


PPO, SAC, TD3, DIFFUSION_TD3 = map(MenuTrainer, ("ppo", "sac", "td3", "diffusion_td3"))
