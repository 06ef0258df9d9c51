"""Sellers that learn at the same time, each at its own seat, round by round; and their files."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from baselines.arena.protocol import Player, Report, training_config
from baselines.arena.seeds import training_seed
from baselines.arena.task import Task
from baselines.methods.sellers.learners import QTable
from baselines.methods.sellers.recipe import SellerRecipe
from baselines.methods.sellers.sellers import Design, Sellers, price_range, value_of_prices
from baselines.runs import policy_files

POINTS = 40
"""Of a learning curve."""


@dataclass(frozen=True)
class SellerTrainer:
    """A trainer of the registry: all providers of a competition, side by side."""

    method: str
    """Its name there."""
    design: Design

    def recipe(self, task: Task) -> SellerRecipe:
        """The recipe in use."""
        return SellerRecipe()

    def can_train(self, task: Task) -> str | None:
        """None if it can be trained for the task, else why not."""
        return None if task.game == "competition" else f"{task.name!r} has one provider"

    def train(
        self,
        task: Task,
        seed: int,
        out: Path,
        recipe: SellerRecipe | None = None,
        report: Report = lambda done, total, row: None,
    ) -> None:
        """Train a learner at every seat, and keep all in one safetensors file.

        Beside what all trainers write, its `config` has the range of `prices`, and `curve`: means
        over parts of the training, exploration included, of `price` and `reward` of each seat. Its
        `seconds` are of this process, which others on the machine do not lengthen.
        """
        torch.set_num_threads(1)  # the networks are small
        began, recipe = time.process_time(), recipe or self.recipe(task)
        table = self.design.learner == "q_learning"
        num_envs = recipe.table_envs if table else recipe.num_envs
        sellers = Sellers(self.design, task, price_range(task, recipe), seed, recipe, num_envs)
        env = sellers.environment(num_envs, recipe.max_cycles)
        M, learners, vmus = env.M, sellers.learners, sellers.vmus
        seats = np.split(np.arange(M), len(learners))
        seen = env.reset(training_seed(seed))
        if table:
            earned = value_of_prices(env.market, sellers.prices) * env.reward_scales[:, None]
            for learner, values in zip(learners, earned, strict=True):
                cast("QTable", learner).begin(values)
        steps = max(1, recipe.rounds // num_envs)
        curve: list[dict[str, Any]] = []
        since: list[np.ndarray] = []
        for step in range(1, steps + 1):
            left = 1.0 - (step - 1) / steps
            positions = np.empty((num_envs, M))
            for learner, own in zip(learners, seats, strict=True):
                acted = learner.act(np.concatenate(seen[own]), left)
                positions[:, own] = acted.reshape(len(own), num_envs).T
            if vmus is not None:
                vmus.left = left
            seen, rewards = env.step(sellers.actions(positions))
            for learner, own in zip(learners, seats, strict=True):
                learner.learn(rewards[:, own].T.ravel(), np.concatenate(seen[own]), env.over)
            if vmus is not None:
                vmus.learn()
            if env.over:
                seen = env.reset()
            since.append(np.stack([env.settled.prices.mean(axis=1), rewards.mean(axis=0)]))
            if step * POINTS // steps > (step - 1) * POINTS // steps:
                price, reward = np.mean(since, axis=0).tolist()
                curve.append({"rounds": step * num_envs, "price": price, "reward": reward})
                report(step * num_envs, steps * num_envs, {"reward": float(np.mean(reward))})
                since.clear()
        config = training_config(self.method, task, seed, recipe) | {
            "design": dataclasses.asdict(self.design),
            "rounds": steps * num_envs,
            "seconds": time.process_time() - began,
            "prices": sellers.prices,
            "curve": curve,
        }
        policy_files.write(out, sellers.module.state_dict(), config)

    def load(self, path: Path, seat: int = 0) -> Player:
        """A seller kept by `train`: see `Trainer` and `load`."""
        return load(path)[0].player(seat)


def load(path: Path) -> tuple[Sellers, dict[str, Any]]:
    """Sellers kept by a training, and its `config`. Nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of another kind.
    """
    config, weights = policy_files.read(path)
    try:
        design, task = Design(**config["design"]), Task.from_json(config["task"])
        small = SellerRecipe(**{**config["recipe"], "buffer_size": 1})
        low, high = config["prices"]
        sellers = Sellers(design, task, (low, high), config["seed"], small, num_envs=1)
        sellers.module.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # torch's is the last
        raise ValueError(
            f"path must be of sellers that have learned, got {str(path)!r}: {error!r}"
        ) from error
    return sellers, config


Q_LEARNING = SellerTrainer("q_learning", Design("q_learning"))
Q_LEARNING_MYOPIC = SellerTrainer("q_learning_myopic", Design("q_learning", gamma=0.0))
DQN = SellerTrainer("dqn", Design("dqn"))
PPO = SellerTrainer("ppo", Design("ppo"))
PPO_MYOPIC = SellerTrainer("ppo_myopic", Design("ppo", gamma=0.0))
PPO_SHARED = SellerTrainer("ppo_shared", Design("ppo", shared=True))
PPO_VMUS = SellerTrainer("ppo_vmus", Design("ppo", vmus=True))
TPPO = SellerTrainer("tppo", Design("tppo"))
