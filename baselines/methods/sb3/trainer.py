"""Leaders that are trained by Stable-Baselines3 or sb3-contrib, and kept as files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy

from aigc_market.envs.pages.vector import PricingVectorEnv
from aigc_market.envs.stackelberg import Settings, Stackelberg
from aigc_market.followers import FollowerPolicy
from aigc_market.sb3 import DiffusionPolicy, EncoderDecoder, TransformerPolicy
from baselines.arena.protocol import Method, Report, training_config
from baselines.arena.rollout import PHYSICAL, play, play_in
from baselines.arena.seeds import training_seed, validation_seed
from baselines.arena.task import Task
from baselines.methods.sb3.features import SeenRows
from baselines.methods.sb3.learning import Remembering, Watch, episode_rewards, learn
from baselines.methods.sb3.players import RecurrentMethod, WindowMethod, normalized, units
from baselines.methods.sb3.recipes import (
    GridRecipe,
    NoisyRecipe,
    PpoRecipe,
    Recipe,
    ReplayRecipe,
    RolloutRecipe,
    recipe,
)
from baselines.methods.sb3.running_statistics import Statistics
from baselines.runs import policy_files


class RowsPolicy(TransformerPolicy):
    """The transformer on the rows of `SeenRows`, where nothing stands in front of them."""

    def _build_mlp_extractor(self) -> None:
        network: Any = EncoderDecoder(self.features_dim, **self.transformer)
        self.mlp_extractor = network


@dataclass(frozen=True)
class Kind:
    """What a method is made of."""

    algorithm: type[BaseAlgorithm]
    network: type[BasePolicy]
    recipe: type[Recipe]
    plays: str = ""
    """The part of the network that plays, where the others are of use in training alone."""

    def kept(self, policy: Any) -> Any:
        """The part of a policy that is kept."""
        return getattr(policy, self.plays) if self.plays else policy


KINDS = {
    "tppo": Kind(PPO, RowsPolicy, PpoRecipe),
    "ppo": Kind(PPO, ActorCriticPolicy, PpoRecipe),
    "recurrent_ppo": Kind(RecurrentPPO, RecurrentActorCriticPolicy, PpoRecipe),
    "a2c": Kind(A2C, ActorCriticPolicy, RolloutRecipe),
    "sac": Kind(SAC, SACPolicy, ReplayRecipe, "actor"),
    "td3": Kind(TD3, TD3Policy, NoisyRecipe, "actor"),
    "diffusion_td3": Kind(TD3, DiffusionPolicy, NoisyRecipe, "actor"),
    "dqn": Kind(DQN, DQNPolicy, GridRecipe, "q_net"),
}
"""By the method's name."""
VALIDATION_EPISODES = 256
"""In which it is found whether a policy earns more with its noise."""
CURVE_EPISODES = 128
"""Of validation too, by which a training is watched."""
WATCHED = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)
"""Shares of a training's rounds after which it is watched."""


@dataclass(frozen=True)
class Trained:
    """A policy, and how it came to be."""

    method: str
    policy: Any
    settings: Settings
    """Of the environments that it has learnt in: see `normalized`."""
    recipe: Recipe
    episodes: list[float]
    """Mean reward a round of each training episode, exploration included."""
    rounds: int
    """In all lanes together."""
    seconds: float
    """CPU time of training, without what it was watched in."""
    noise: int | None = None
    """Seed of the policy's own noise in play; None where it plays its mean."""
    curve: tuple[dict[str, float], ...] = ()
    """What its mean did in validation episodes on the way: `rounds` and `seconds` of training so
    far, `share` of the oracle's utility, `earned` over it."""

    def player(self, num_envs: int) -> Method:
        """The policy in N episodes."""
        recurrent = KINDS[self.method].network is RecurrentActorCriticPolicy
        player = RecurrentMethod if recurrent else WindowMethod
        rng = None if self.noise is None else np.random.default_rng(self.noise)
        return player(self.policy, self.settings, num_envs, self.recipe.statistics, rng)

    def keep(self, out: Path, task: Task, seed: int) -> None:
        """Write it to one safetensors file, from which `Sb3Trainer.load` makes it again.

        Args:
            out: path of the file.
            task: what it was trained on.
            seed: of the training.
        """
        config = training_config(self.method, task, seed, self.recipe)
        config |= {name: getattr(self, name) for name in ("noise", "rounds", "seconds", "curve")}
        policy_files.write(out, KINDS[self.method].kept(self.policy).state_dict(), config)


@dataclass(frozen=True)
class Sb3Trainer:
    """A trainer of the registry. A training that was cut short begins anew."""

    method: str
    """One of `NAMES`."""

    def recipe(self, task: Task) -> Any:
        """The recipe in use."""
        return recipe(self.method, task)

    def can_train(self, task: Task) -> str | None:
        """None: it needs nothing but the environment."""
        return None

    def learn(
        self,
        task: Task,
        seed: int,
        recipe: Any = None,
        report: Report = lambda done, total, row: None,
        followers: FollowerPolicy | None = None,
        watched: Sequence[float] = (),
    ) -> Trained:
        """Train a policy.

        Args:
            task: what is trained on.
            seed: of every random choice.
            recipe: in place of the one in use.
            report: told of the progress, as by `learn`.
            followers: whom it learns against, in place of the task's.
            watched: shares of the rounds, rising, after which `Trained.curve` has a row.
        """
        recipe, kind = recipe or self.recipe(task), KINDS[self.method]
        settings = normalized(task, recipe.history, kind.algorithm is not DQN)
        given = {**units(kind.algorithm is not DQN), "history": recipe.history, "judged": False}
        if followers is not None:
            given["followers"] = followers
        env: Any = task.environment(recipe.lanes, **given)
        if recipe.statistics:
            env = with_statistics(env)
        arguments = _policy_arguments(self.method, recipe, settings)

        def measure(policy: Any) -> dict[str, float]:
            of_now = Trained(self.method, policy, settings, recipe, [], 0, 0.0)
            played = play(of_now.player(CURVE_EPISODES), task, CURVE_EPISODES, validation_seed(0))
            earned = float(played.utility.sum() / played.equilibrium_utility.sum())
            return {"share": played.share, "earned": earned}

        watch = Watch(recipe.rounds, watched, measure)
        model = learn(env, kind.algorithm, kind.network, recipe, seed, report, arguments, watch)
        of_training = episode_rewards(model), model.num_timesteps, watch.seconds
        curve = tuple(watch.curve)
        return Trained(self.method, model.policy, settings, recipe, *of_training, curve=curve)

    def train(
        self,
        task: Task,
        seed: int,
        out: Path,
        recipe: Any = None,
        report: Report = lambda done, total, row: None,
    ) -> None:
        """Train a policy and keep it in one safetensors file: see `learn`.

        One that learned with noise of its own will play with it if that earns more in validation
        episodes.
        """

        def earned(trained: Trained) -> float:
            """What a leader can know of how well it plays: no oracle is asked."""
            lanes = task.environment(VALIDATION_EPISODES, history=1, **PHYSICAL, judged=False)
            played = play_in(lanes, trained.player(lanes.num_envs), validation_seed(0))
            return float(played.utility.mean())

        trained = self.learn(task, seed, recipe, report, watched=WATCHED)
        if hasattr(trained.policy, "log_std"):
            noisy = dataclasses.replace(trained, noise=training_seed(seed))
            trained = max(trained, noisy, key=earned)
        trained.keep(out, task, seed)

    def load(self, path: Path) -> Callable[[int], Method]:
        """A policy kept by `train`: see `Trainer`."""
        config, weights = policy_files.read(path)
        try:
            method = config["method"]
            kind, task = KINDS[method], Task.from_json(config["task"])
            recipe = kind.recipe(**config["recipe"])
            settings = normalized(task, recipe.history, kind.algorithm is not DQN)
            policy = make_policy(method, recipe, settings)
            kind.kept(policy).load_state_dict(weights)
            of_training = [], config["rounds"], config["seconds"], config["noise"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: torch's
            raise ValueError(
                f"path must be a policy of {', '.join(NAMES)}, got {str(path)!r} ({error})"
            ) from error
        policy.set_training_mode(False)
        return Trained(method, policy, settings, recipe, *of_training).player


NAMES = tuple(KINDS)
"""The methods trained by Stable-Baselines3."""
TPPO, PPO_MLP, RECURRENT_PPO, A2C_MLP, SAC_MLP, TD3_MLP, DIFFUSION_TD3, DQN_MLP = map(
    Sb3Trainer, NAMES
)


def with_statistics(env: PricingVectorEnv) -> Remembering:
    """An environment of `normalized` settings whose observations have `Statistics` behind them."""
    space: Any = env.single_observation_space
    size = space.shape[0] + Statistics.size(env.settings.market.K)
    return Remembering(env, Statistics(env.settings, env.num_envs).beside, size)


def make_policy(method: str, recipe: Recipe, settings: Settings) -> Any:
    """An untrained policy.

    Args:
        method: one of `NAMES`.
        recipe: of which those numbers count that its network has.
        settings: of the environments that it plays: see `normalized`.
    """
    game = Stackelberg(settings, scripted=True)
    seen, action = game.leader.space, game.prices[0].space
    if recipe.statistics:
        size = seen.shape[0] + Statistics.size(settings.market.K)
        seen = Box(-np.inf, np.inf, (size,), np.float32)
    arguments = _policy_arguments(method, recipe, settings)
    return KINDS[method].network(seen, action, recipe.rate, **arguments)


def _policy_arguments(method: str, recipe: Any, settings: Settings) -> dict[str, Any]:
    """Of the policy's class, beside its spaces.

    Raises:
        ValueError: statistics for a transformer, which reads rows alone.
    """
    network, width = KINDS[method].network, recipe.width
    behind = Statistics.size(settings.market.K) if recipe.statistics else 0
    given = recipe.policy_arguments()
    given["features_extractor_class"] = SeenRows
    given["features_extractor_kwargs"] = {"settings": settings, "statistics": behind}
    if network is RecurrentActorCriticPolicy:
        # The critic reads the actor's LSTM: as good as one of its own, in half the time.
        given |= {
            "net_arch": [width],
            "lstm_hidden_size": width,
            "shared_lstm": True,
            "enable_critic_lstm": False,
        }
    elif network is RowsPolicy:
        if behind:
            raise ValueError("statistics must be False for tppo, which reads rows, got True")
        given |= {
            "history": recipe.history,
            "in_front": 0,  # a capacity stands in each row: see `SeenRows`
            "query_size": int(recipe.query_price),
            "width": width,
            "feedforward": 2 * width,
        }
    return given
