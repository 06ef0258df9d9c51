"""Learned leaders: Stable-Baselines3's PPO with an MLP (ppo) or with the transformer (tppo)."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

import aigc_market
from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.sb3 import GymnasiumVecEnv, TransformerPolicy
from baselines.arena.measures import means, measure

LEARNERS = ("tppo", "ppo")


@dataclass(frozen=True)
class Training:
    """Hyperparameters, the same for both learners: docs/baselines.md tells how they were chosen."""

    episodes: int = 200
    """Episodes in all lanes together."""
    lanes: int = 10
    """Episodes played side by side."""
    n_steps: int = 20
    """Rounds in each lane between updates."""
    batch_size: int = 100
    """Rounds in a minibatch."""
    n_epochs: int = 10
    """Passes over the rounds of an update."""
    learning_rate: float = 3e-3
    """At the start; it falls linearly to a twentieth."""
    gamma: float = 0.0
    """Discount. Here a price moves nothing but its own round's reward."""
    clip_range: float = 0.2
    """PPO's clipping."""
    log_std_init: float = -1.0
    """Logarithm of the first standard deviation of prices in [−1, 1]."""


def make_lanes(num_envs: int, **arguments: Any) -> PricingVectorEnv:
    """The vector environment; arguments are those of `aigc_market/Pricing-v0`."""
    env = gymnasium.make_vec("aigc_market/Pricing-v0", num_envs=num_envs, **arguments)
    assert isinstance(env, PricingVectorEnv)
    return env


def for_learners(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments with the units that learners want, unless they say otherwise."""
    return {"normalize": True, "scale_rewards": True, **arguments}


def make_model(
    method: str,
    arguments: dict[str, Any],
    training: Training,
    seed: int,
    tensorboard: str | None = None,
) -> PPO:
    """An untrained learner and its environment."""
    env = make_lanes(training.lanes, **for_learners(arguments))
    policy_kwargs: dict[str, Any] = {"log_std_init": training.log_std_init}
    if method == "tppo":
        policy_kwargs["history"] = env.settings.history

    def learning_rate(remaining: float) -> float:
        return training.learning_rate * max(remaining, 0.05)

    return PPO(
        TransformerPolicy if method == "tppo" else "MlpPolicy",
        GymnasiumVecEnv(env),
        learning_rate=learning_rate,
        n_steps=training.n_steps,
        batch_size=training.batch_size,
        n_epochs=training.n_epochs,
        gamma=training.gamma,
        clip_range=training.clip_range,
        policy_kwargs=policy_kwargs,
        seed=seed,
        device="cpu",
        tensorboard_log=tensorboard,
    )


class EpisodeUtilities(BaseCallback):
    """Records the mean utility a round of every episode finished, in order."""

    def __init__(self, max_cycles: int) -> None:
        super().__init__()
        self.utilities: list[float] = []
        self._max_cycles = max_cycles
        self._total: Any = 0.0

    def _on_step(self) -> bool:
        self._total = self._total + np.array([info["utility"] for info in self.locals["infos"]])
        if self.locals["dones"].all():
            self.utilities.extend((self._total / self._max_cycles).tolist())
            self._total = 0.0
        return True


def train(
    method: str,
    arguments: dict[str, Any],
    training: Training,
    seed: int,
    tensorboard: str | None = None,
    progress: bool = False,
) -> tuple[PPO, list[float]]:
    """Train a leader.

    Args:
        method: "tppo" or "ppo".
        arguments: of the environment.
        training: hyperparameters and budget.
        seed: of every random choice.
        tensorboard: folder of logs, or None.
        progress: show a progress bar.

    Returns:
        The trained model, and the mean utility of each training episode.
    """
    torch.set_num_threads(1)  # the networks are small, and sweeps fill the cores with runs
    model = make_model(method, arguments, training, seed, tensorboard)
    env: Any = model.get_env()
    [max_cycles] = set(env.get_attr("max_cycles"))
    record = EpisodeUtilities(max_cycles)
    model.learn(
        training.episodes * max_cycles,
        callback=record,
        progress_bar=progress,
        tb_log_name=f"{method}-seed{seed}",
    )
    return model, record.utilities


def play_model(model: PPO, arguments: dict[str, Any], episodes: int, seed: int) -> dict[str, float]:
    """Play episodes side by side without exploring. Returns means over all rounds."""
    env = make_lanes(episodes, **for_learners(arguments))
    observations, _ = env.reset(seed=seed)
    rounds = []
    for _ in range(env.max_cycles):
        actions, _ = model.predict(observations, deterministic=True)
        observations, _, _, _, infos = env.step(actions)
        rounds.append(measure(infos))
    return means(rounds)


def save(folder: Path, model: PPO, config: dict[str, Any]) -> None:
    """Keep a trained leader: `policy.pt` (weights alone, nothing pickled) and `config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "policy.pt.tmp"
    torch.save(model.policy.state_dict(), partial)
    os.replace(partial, folder / "policy.pt")
    write_json(folder / "config.json", config)


def load(folder: Path, arguments: dict[str, Any]) -> PPO:
    """A leader kept by `save`, for an environment with the same spaces.

    Raises:
        FileNotFoundError: `folder` holds no run.
        ValueError: the environment's spaces are others.
    """
    config = json.loads((folder / "config.json").read_text())
    model = make_model(config["method"], arguments, Training(**config["training"]), seed=0)
    take_up(model.policy, torch.load(folder / "policy.pt", weights_only=True), folder)
    return model


def take_up(policy: torch.nn.Module, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Put a run's weights into a policy; ValueError where it is of another shape."""
    shapes, own = ({k: v.shape for k, v in d.items()} for d in (weights, policy.state_dict()))
    if shapes != own:
        raise ValueError(
            f"the market must be one that looks like that of {folder} (K, history, what is drawn, "
            "who comes and goes): the policy kept there has inputs of another shape"
        )
    policy.load_state_dict(weights)


def write_json(path: Path, content: Any) -> None:
    """A file that appears whole or not at all."""
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(partial, path)


def recipe(arguments: dict[str, Any], training: Training, seed: int) -> dict[str, Any]:
    """What a run depends on, as JSON: its settings and the package's version."""
    return {
        "arguments": arguments,
        "training": dataclasses.asdict(training),
        "seed": seed,
        "version": aigc_market.__version__,
    }
