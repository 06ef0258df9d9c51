"""PPO, recurrent PPO and TPPO, trained by Stable-Baselines3 and kept as files."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy

import aigc_market
from aigc_market.followers import FollowerPolicy
from aigc_market.sb3 import GymnasiumVecEnv, TransformerPolicy
from baselines.arena.protocol import Method
from baselines.arena.rollout import PHYSICAL, play_in
from baselines.arena.seeds import training_seed, validation_seed
from baselines.arena.task import Task
from baselines.arena.trainable import Report
from baselines.methods.sb3.feature_env import FeatureEnv
from baselines.methods.sb3.features import SeenRows, Units
from baselines.methods.sb3.players import RecurrentMethod, WindowMethod
from baselines.methods.sb3.recipes import Sb3Recipe, recipe
from baselines.methods.sb3.running_statistics import Statistics
from baselines.runs import policy_files


class _Kind(NamedTuple):
    """What makes a method what it is."""

    policy: Any
    """Class of the network, of SB3's or for it."""
    recurrent: bool = False
    statistics: bool = False
    """Whether it is shown `Statistics` of the episode so far, too."""


_KINDS = {
    "tppo": _Kind(TransformerPolicy),
    "ppo": _Kind(ActorCriticPolicy),
    "ppo_statistics": _Kind(ActorCriticPolicy, statistics=True),
    "recurrent_ppo": _Kind(RecurrentActorCriticPolicy, recurrent=True),
    "recurrent_ppo_statistics": _Kind(RecurrentActorCriticPolicy, recurrent=True, statistics=True),
}
VALIDATION_EPISODES = 256
"""In which it is found whether a policy earns more with its noise."""
NAMES = tuple(_KINDS)
"""The methods trained by Stable-Baselines3."""


@dataclass(frozen=True)
class Trained:
    """A policy, and how it came to be."""

    method: str
    policy: ActorCriticPolicy
    units: Units
    recipe: Sb3Recipe
    episodes: list[float]
    """Mean utility a round of each training episode, exploration included."""
    rounds: int
    """In all lanes together."""
    seconds: float
    noise: int | None = None
    """Seed of the policy's own noise in play; None where it plays its mean."""

    def player(self, num_envs: int) -> Method:
        """The policy in N episodes."""
        return _player(self.method, self.policy, self.units, self.recipe, self.noise, num_envs)

    def keep(self, out: Path, task: Task, seed: int) -> None:
        """Write it to one safetensors file, from which `Sb3Trainer.load` makes it again.

        Args:
            out: path of the file.
            task: what it was trained on.
            seed: of the training.
        """
        config = {
            "method": self.method,
            "task": task.as_json(),
            "seed": seed,
            "recipe": dataclasses.asdict(self.recipe),
            "units": dataclasses.asdict(self.units),
            "noise": self.noise,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "version": aigc_market.__version__,
        }
        policy_files.write(out, self.policy.state_dict(), config)


@dataclass(frozen=True)
class Sb3Trainer:
    """A trainer of the registry. A training that was cut short begins anew."""

    method: str
    """One of `NAMES`."""

    def recipe(self, task: Task) -> Sb3Recipe:
        """The recipe in use."""
        return recipe(self.method, task)

    def can_train(self, task: Task) -> str | None:
        """None: it needs nothing but the environment."""
        return None

    def learn(
        self,
        task: Task,
        seed: int,
        recipe: Sb3Recipe | None = None,
        report: Report = lambda done, total, row: None,
        followers: FollowerPolicy | None = None,
    ) -> Trained:
        """Train a policy.

        Args:
            task: what is trained on.
            seed: of every random choice.
            recipe: in place of the one in use.
            report: told, after each update, the rounds played and the mean `utility` a round of the
                episodes that ended since the last one.
            followers: whom it learns against, in place of the task's.
        """
        torch.set_num_threads(1)  # the networks are small, and sweeps fill the cores with runs
        recipe = recipe or self.recipe(task)
        given = {**PHYSICAL, "history": recipe.history, "judged": False}
        if followers is not None:
            given["followers"] = followers
        kind = _KINDS[self.method]
        lanes = FeatureEnv(task.environment(recipe.lanes, **given), kind.statistics)
        algorithm = RecurrentPPO if kind.recurrent else PPO
        model = algorithm(
            kind.policy,
            GymnasiumVecEnv(lanes, infos=False),
            learning_rate=lambda left: recipe.learning_rate * max(left, recipe.least_rate),
            n_steps=recipe.n_steps,
            batch_size=recipe.batch_size,
            n_epochs=recipe.n_epochs,
            gamma=recipe.gamma,
            policy_kwargs=_policy_arguments(self.method, recipe, lanes.units),
            seed=training_seed(seed),
            device="cpu",
        )
        began = time.perf_counter()
        model.learn(recipe.rounds, callback=_Progress(lanes, recipe.rounds, report))
        seconds = time.perf_counter() - began
        policy = model.policy
        policy.set_training_mode(False)
        trained = self.method, policy, lanes.units, recipe
        return Trained(*trained, lanes.episodes, model.num_timesteps, seconds)

    def train(
        self,
        task: Task,
        seed: int,
        out: Path,
        recipe: Sb3Recipe | None = None,
        report: Report = lambda done, total, row: None,
    ) -> None:
        """Train a policy and keep it in one safetensors file: see `learn`.

        It will play with its own noise if it earns more so in validation episodes.
        """
        quiet = self.learn(task, seed, recipe, report)
        noisy = dataclasses.replace(quiet, noise=training_seed(seed))
        better = max(quiet, noisy, key=lambda trained: _earned(trained, task))
        better.keep(out, task, seed)

    def load(self, path: Path) -> Callable[[int], Method]:
        """A policy kept by `train`: called with the number of episodes, it gives a method.

        Nothing in the file is executed.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is of another kind.
        """
        try:
            config, weights = policy_files.read(path)
            kept, units = Sb3Recipe(**config["recipe"]), Units(**config["units"])
            method = config["method"]
            policy = make_policy(method, kept, units)
            policy.load_state_dict(weights)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f"path must be a policy of {', '.join(NAMES)}, got {str(path)!r} ({error})"
            ) from error
        policy.set_training_mode(False)
        return partial(_player, method, policy, units, kept, config["noise"])


TPPO, PPO_MLP, PPO_STATISTICS, RECURRENT_PPO, RECURRENT_PPO_STATISTICS = map(Sb3Trainer, NAMES)


def make_policy(method: str, recipe: Sb3Recipe, units: Units) -> Any:
    """An untrained policy.

    Args:
        method: one of `NAMES`.
        recipe: of which `history`, `width` and `log_std_init` count.
        units: of its input and its answer.
    """
    arguments = _policy_arguments(method, recipe, units)
    kind = _KINDS[method]
    spaces = units.spaces(recipe.history, _extra(kind, units))
    return kind.policy(*spaces, lambda _: recipe.learning_rate, **arguments)


def _policy_arguments(method: str, recipe: Sb3Recipe, units: Units) -> dict[str, Any]:
    """Of the policy's class, beside its spaces."""
    kind, width = _KINDS[method], recipe.width
    of_network: dict[str, Any]
    if kind.recurrent:
        # The critic reads the actor's LSTM: as good as one of its own, in half the time.
        of_network = {
            "net_arch": [width],
            "lstm_hidden_size": width,
            "shared_lstm": True,
            "enable_critic_lstm": False,
        }
    elif kind.policy is TransformerPolicy:
        of_network = {
            "history": recipe.history,
            "in_front": 0,  # a capacity stands in each row: see `Units`
            "query_size": int(recipe.query_price),
            "width": width,
            "feedforward": 2 * width,
        }
    else:
        of_network = {"net_arch": [width, width]}
    return {
        "log_std_init": recipe.log_std_init,
        "features_extractor_class": SeenRows,
        "features_extractor_kwargs": {"units": units, "statistics": _extra(kind, units)},
        **of_network,
    }


def _extra(kind: _Kind, units: Units) -> int:
    """Numbers that a network is shown beside the last rounds."""
    return Statistics.size(units) if kind.statistics else 0


def _player(
    method: str, policy: Any, units: Units, recipe: Sb3Recipe, noise: int | None, num_envs: int
) -> WindowMethod:
    kind = _KINDS[method]
    player = RecurrentMethod if kind.recurrent else WindowMethod
    rng = None if noise is None else np.random.default_rng(noise)
    return player(policy, units, recipe.history, num_envs, kind.statistics, rng)


def _earned(trained: Trained, task: Task) -> float:
    """Mean utility in validation episodes: what a leader can know of how well it plays."""
    lanes = task.environment(VALIDATION_EPISODES, history=1, **PHYSICAL, judged=False)
    player = trained.player(VALIDATION_EPISODES)
    return float(play_in(lanes, player, validation_seed(0)).utility.mean())


class _Progress(BaseCallback):
    """Reports after each update."""

    def __init__(self, lanes: FeatureEnv, total: int, report: Report) -> None:
        super().__init__()
        self._lanes, self._total, self._report = lanes, total, report
        self._told = 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        ended = self._lanes.episodes[self._told :]
        self._told += len(ended)
        row = {"utility": float(np.mean(ended))} if ended else {}
        self._report(min(self.num_timesteps, self._total), self._total, row)
