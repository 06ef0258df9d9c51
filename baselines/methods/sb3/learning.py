"""One way to train by Stable-Baselines3 or sb3-contrib: any of their algorithms, on any env."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecMonitor

from aigc_market.sb3 import GymnasiumVecEnv
from baselines.arena.protocol import Report
from baselines.arena.seeds import training_seed

REPORTS = 200
"""Of a training, at most."""


def learn(
    env: VectorEnv[Any, Any, Any],
    algorithm: type[BaseAlgorithm],
    policy: str | type[BasePolicy],
    recipe: Any,
    seed: int,
    report: Report = lambda done, total, row: None,
    policy_arguments: dict[str, Any] | None = None,
    watch: Callable[[Any], None] = lambda model: None,
) -> Any:
    """Train a policy.

    Args:
        env: where it learns, with `AutoresetMode.SAME_STEP`. Units are those of the environment:
            make it with `normalize=True` and `scale_rewards=True`.
        algorithm: such as `stable_baselines3.PPO`, `SAC` or `sb3_contrib.RecurrentPPO`.
        policy: of the algorithm, by name or class.
        recipe: its `rounds` are those to play, in all environments together; `arguments()` are the
            algorithm's, under its own names: `learning_rate`, `gamma`, `n_steps`, …
        seed: of every random choice.
        report: called after a rollout, at most `REPORTS` times, with the rounds played, those to be
            played, and the mean `reward` a round of the episodes that ended since, if any did.
        policy_arguments: of the policy's class.
        watch: called with the algorithm whenever it reports.

    Returns:
        The algorithm after training: its `policy`, its `num_timesteps`, and in `ep_info_buffer` the
        return `r` and the length `l` of every training episode, exploration included.
    """
    torch.set_num_threads(1)  # the networks are small, and runs fill the cores
    model: Any = algorithm(
        policy,
        VecMonitor(GymnasiumVecEnv(env, infos=False)),
        policy_kwargs=policy_arguments,
        stats_window_size=2**31,  # every episode is kept
        seed=training_seed(seed),
        device="cpu",
        **recipe.arguments(),
    )
    model.set_logger(Logger(None, []))  # SB3's own would make a folder
    model.learn(recipe.rounds, callback=_Progress(recipe.rounds, report, watch))
    model.policy.set_training_mode(False)
    return model


def episode_rewards(model: Any, start: int = 0) -> list[float]:
    """Mean reward a round of each training episode from the `start`-th on, as they ended."""
    episodes = islice(model.ep_info_buffer, start, None)
    return [float(episode["r"] / episode["l"]) for episode in episodes]


class Watch:
    """Measures a policy on the way of its training, in time that is not the training's.

    Args:
        rounds: of the training, which begins now.
        shares: of the rounds, rising, after which it is measured.
        measure: called with the policy; gives numbers by name.
    """

    def __init__(
        self, rounds: int, shares: Sequence[float], measure: Callable[[Any], dict[str, float]]
    ) -> None:
        self.curve: list[dict[str, float]] = []
        """What was measured, with `rounds` and `seconds` of training so far."""
        self._left, self._measure = [share * rounds for share in shares], measure
        self._began, self._spent = time.process_time(), 0.0

    @property
    def seconds(self) -> float:
        """CPU time of the training so far."""
        return time.process_time() - self._began - self._spent

    def __call__(self, model: Any) -> None:
        """Measure, if it is time: see `learn`."""
        done = model.num_timesteps
        if not self._left or done < self._left[0]:
            return
        row = {"rounds": float(done), "seconds": self.seconds}
        model.policy.set_training_mode(False)
        self.curve.append(row | self._measure(model.policy))
        self._spent += self.seconds - row["seconds"]
        self._left = [rounds for rounds in self._left if rounds > done]


class Remembering(VectorWrapper):
    """A vector environment that shows what is known of the episode so far.

    Args:
        env: with SAME_STEP autoreset; its episodes end together.
        know: gives (N, size) of observations (N, …), and of whether with them episodes begin.
        size: numbers that are known in an episode.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], know: Callable[[Any, bool], np.ndarray], size: int
    ) -> None:
        super().__init__(env)
        self._know = know
        self.single_observation_space = Box(-np.inf, np.inf, (size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(self, **given: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in every environment."""
        observations, infos = self.env.reset(**given)
        return self._know(observations, True), infos

    def step(self, actions: np.ndarray) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Act in every environment."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        ended = "final_obs" in infos
        if ended:
            infos = {**infos, "final_obs": self._know(infos["final_obs"], False)}
        return self._know(observations, ended), rewards, terminated, truncated, infos


class _Progress(BaseCallback):
    """Reports after rollouts; those of a replay buffer are of one round each."""

    def __init__(self, total: int, report: Report, watch: Callable[[Any], None]) -> None:
        super().__init__()
        self._total, self._report, self._watch = total, report, watch
        self._episodes = self._next = 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        done = min(self.num_timesteps, self._total)
        if done < self._next:
            return
        self._next = min(done + self._total // REPORTS, self._total)
        ended = episode_rewards(self.model, self._episodes)
        self._episodes += len(ended)
        row = {"reward": float(np.mean(ended))} if ended else {}
        self._report(done, self._total, row)
        self._watch(self.model)
