"""PPO, recurrent PPO and TPPO, trained by Stable-Baselines3 and kept as files."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy

import aigc_market
from aigc_market.envs.pages.vector import PricingVectorEnv
from aigc_market.envs.stackelberg import Settings, Stackelberg
from aigc_market.followers import FollowerPolicy
from aigc_market.sb3 import EncoderDecoder, TransformerPolicy
from baselines.arena.protocol import Method, Report
from baselines.arena.rollout import PHYSICAL, play_in
from baselines.arena.seeds import training_seed, validation_seed
from baselines.arena.task import Task
from baselines.methods.sb3.features import SeenRows
from baselines.methods.sb3.learning import Remembering, episode_rewards, learn
from baselines.methods.sb3.players import NORMALIZED, RecurrentMethod, WindowMethod, normalized
from baselines.methods.sb3.recipes import Sb3Recipe, recipe
from baselines.methods.sb3.running_statistics import Statistics
from baselines.runs import policy_files


class RowsPolicy(TransformerPolicy):
    """The transformer on the rows of `SeenRows`, where nothing stands in front of them."""

    def _build_mlp_extractor(self) -> None:
        network: Any = EncoderDecoder(self.features_dim, **self.transformer)
        self.mlp_extractor = network


_KINDS: dict[str, tuple[Any, bool]] = {
    "tppo": (RowsPolicy, False),
    "ppo": (ActorCriticPolicy, False),
    "ppo_statistics": (ActorCriticPolicy, True),
    "recurrent_ppo": (RecurrentActorCriticPolicy, False),
    "recurrent_ppo_statistics": (RecurrentActorCriticPolicy, True),
}
"""Of each method the network's class, and whether it is shown `Statistics`."""
VALIDATION_EPISODES = 256
"""In which it is found whether a policy earns more with its noise."""
NAMES = tuple(_KINDS)
"""The methods trained by Stable-Baselines3."""


@dataclass(frozen=True)
class Trained:
    """A policy, and how it came to be."""

    method: str
    policy: ActorCriticPolicy
    settings: Settings
    """Of the environments that it has learnt in: see `normalized`."""
    recipe: Sb3Recipe
    episodes: list[float]
    """Mean reward a round of each training episode, exploration included."""
    rounds: int
    """In all lanes together."""
    seconds: float
    noise: int | None = None
    """Seed of the policy's own noise in play; None where it plays its mean."""

    def player(self, num_envs: int) -> Method:
        """The policy in N episodes."""
        network, statistics = _KINDS[self.method]
        player = RecurrentMethod if network is RecurrentActorCriticPolicy else WindowMethod
        rng = None if self.noise is None else np.random.default_rng(self.noise)
        return player(self.policy, self.settings, num_envs, statistics, rng)

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
            report: told of the progress, as by `learn`.
            followers: whom it learns against, in place of the task's.
        """
        recipe = recipe or self.recipe(task)
        policy, statistics = _KINDS[self.method]
        settings = normalized(task, recipe.history)
        given = {**NORMALIZED, "history": recipe.history, "judged": False}
        if followers is not None:
            given["followers"] = followers
        env: Any = task.environment(recipe.lanes, **given)
        if statistics:
            env = with_statistics(env)
        began = time.perf_counter()
        algorithm = RecurrentPPO if policy is RecurrentActorCriticPolicy else PPO
        arguments = _policy_arguments(self.method, recipe, settings)
        model = learn(env, algorithm, policy, recipe, seed, report, arguments)
        seconds = time.perf_counter() - began
        of_training = episode_rewards(model), model.num_timesteps, seconds
        return Trained(self.method, model.policy, settings, recipe, *of_training)

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

        def earned(trained: Trained) -> float:
            """What a leader can know of how well it plays: no oracle is asked."""
            lanes = task.environment(VALIDATION_EPISODES, history=1, **PHYSICAL, judged=False)
            played = play_in(lanes, trained.player(lanes.num_envs), validation_seed(0))
            return float(played.utility.mean())

        quiet = self.learn(task, seed, recipe, report)
        noisy = dataclasses.replace(quiet, noise=training_seed(seed))
        max(quiet, noisy, key=earned).keep(out, task, seed)

    def load(self, path: Path) -> Callable[[int], Method]:
        """A policy kept by `train`: called with the number of episodes, it gives a method.

        Nothing in the file is executed.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is of another kind.
        """
        config, weights = policy_files.read(path)
        try:
            method, recipe = config["method"], Sb3Recipe(**config["recipe"])
            settings = normalized(Task.from_json(config["task"]), recipe.history)
            policy = make_policy(method, recipe, settings)
            policy.load_state_dict(weights)
            of_training = [], config["rounds"], config["seconds"], config["noise"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: torch's
            raise ValueError(
                f"path must be a policy of {', '.join(NAMES)}, got {str(path)!r} ({error})"
            ) from error
        policy.set_training_mode(False)
        return Trained(method, policy, settings, recipe, *of_training).player


TPPO, PPO_MLP, PPO_STATISTICS, RECURRENT_PPO, RECURRENT_PPO_STATISTICS = map(Sb3Trainer, NAMES)


def with_statistics(env: PricingVectorEnv) -> Remembering:
    """An environment of `normalized` settings whose observations have `Statistics` behind them."""
    space: Any = env.single_observation_space
    size = space.shape[0] + Statistics.size(env.settings.market.K)
    return Remembering(env, Statistics(env.settings, env.num_envs).beside, size)


def make_policy(method: str, recipe: Sb3Recipe, settings: Settings) -> Any:
    """An untrained policy.

    Args:
        method: one of `NAMES`.
        recipe: of which `width` and `log_std_init` count.
        settings: of the environments that it plays: see `normalized`.
    """
    game, (policy, statistics) = Stackelberg(settings, scripted=True), _KINDS[method]
    seen, action = game.leader.space, game.prices[0].space
    if statistics:
        size = seen.shape[0] + Statistics.size(settings.market.K)
        seen = Box(-np.inf, np.inf, (size,), np.float32)
    arguments = _policy_arguments(method, recipe, settings)
    return policy(seen, action, recipe.rate, **arguments)


def _policy_arguments(method: str, recipe: Sb3Recipe, settings: Settings) -> dict[str, Any]:
    """Of the policy's class, beside its spaces."""
    (policy, statistics), width = _KINDS[method], recipe.width
    of_network: dict[str, Any]
    if policy is RecurrentActorCriticPolicy:
        # The critic reads the actor's LSTM: as good as one of its own, in half the time.
        of_network = {
            "net_arch": [width],
            "lstm_hidden_size": width,
            "shared_lstm": True,
            "enable_critic_lstm": False,
        }
    elif policy is RowsPolicy:
        of_network = {
            "history": recipe.history,
            "in_front": 0,  # a capacity stands in each row: see `SeenRows`
            "query_size": int(recipe.query_price),
            "width": width,
            "feedforward": 2 * width,
        }
    else:
        of_network = {"net_arch": [width, width]}
    behind = Statistics.size(settings.market.K) if statistics else 0
    return {
        "log_std_init": recipe.log_std_init,
        "optimizer_kwargs": {"eps": 1e-5, "fused": True},  # SB3's, and one call for all weights
        "features_extractor_class": SeenRows,
        "features_extractor_kwargs": {"settings": settings, "statistics": behind},
        **of_network,
    }
