"""Sellers that learn at the same time, each at its own seat, round by round; and their files."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.arena.seeds import training_seed
from baselines.methods.sellers.actor_critic import ActorCritic
from baselines.methods.sellers.games import Games
from baselines.methods.sellers.learning_vmus import LearningVMUs
from baselines.methods.sellers.lockstep_learner import Learner
from baselines.methods.sellers.price_units import LEVELS, PriceUnits
from baselines.methods.sellers.q_network import QNetwork
from baselines.methods.sellers.q_table import QTable
from baselines.methods.sellers.seller_recipes import SellerRecipe, parts
from baselines.methods.sellers.theory import markets_of, units_of, value_of_prices
from baselines.runs import policy_files

POINTS = 40
"""Of a learning curve."""


@dataclass
class Sellers:
    """The sellers of a market that have learned together, and how."""

    scenario: str
    method: str
    seed: int
    units: PriceUnits
    recipe: SellerRecipe
    learners: list[Learner]
    """One for each seat, or one for all."""
    vmus: LearningVMUs | None = None
    """VMUs that have learned beside them."""
    curve: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """Means over parts of the training, exploration included: `rounds`, `price` and `utility` of
    each seat."""
    seconds: float = 0.0
    """Of this process, which others on the machine do not lengthen."""

    def price(self, games: Games, seat: int) -> np.ndarray:
        """(N,) prices of a seat in the round to come, without exploring."""
        learner = self.learners[seat if len(self.learners) > 1 else 0]
        return self.units.price(learner.choose(self.units.features(games.rows(seat)))[:, 0])

    def keep(self, path: Path) -> None:
        """Write them to one safetensors file, which appears whole or not at all."""
        sides: dict[str, Any] = {str(i): learner for i, learner in enumerate(self.learners)}
        if self.vmus is not None:
            sides["vmus"] = self.vmus
        weights = {
            f"{side}.{name}": value
            for side, learner in sides.items()
            for name, value in learner.weights().items()
        }
        names = ("scenario", "method", "seed", "curve", "seconds")
        config = {name: getattr(self, name) for name in names}
        config |= {"units": vars(self.units), "recipe": vars(self.recipe)}
        policy_files.write(path, weights, config)

    @classmethod
    def load(cls, path: Path) -> Sellers:
        """Sellers kept by `keep`. Nothing in the file is executed.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is of another kind.
        """
        config, weights = policy_files.read(path)
        try:
            return cls._of(config, weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:  # torch's is the last
            raise ValueError(
                f"path must be of sellers that have learned, got {str(path)!r}: {error!r}"
            ) from error

    @classmethod
    def _of(cls, config: dict[str, Any], weights: dict[str, Any]) -> Sellers:
        recipe = SellerRecipe(**config.pop("recipe"))
        units = PriceUnits(**config.pop("units"))
        small = dataclasses.replace(recipe, lanes=1, table_lanes=1, buffer_size=1)
        of = config["method"], config["scenario"], config["seed"]
        learners, vmus = _make(*of, units, small, lambda: 0.0, np.zeros((units.M, LEVELS)))
        for side, learner in [*enumerate(learners), ("vmus", vmus)]:
            if learner is not None:
                start = f"{side}."
                own = {n.removeprefix(start): v for n, v in weights.items() if n.startswith(start)}
                learner.put(own)
        if vmus is not None:
            vmus.exploring = False
        return cls(units=units, recipe=recipe, learners=learners, vmus=vmus, **config)


def train(scenario: str, method: str, seed: int, recipe: SellerRecipe) -> Sellers:
    """Train a learner at every seat of a scenario's markets, all at the same time.

    Args:
        scenario: its name.
        method: a learner's name, with a variant's or without (see `seller_recipes`).
        seed: of every random choice.
        recipe: budget and hyperparameters.
    """
    torch.set_num_threads(1)  # the networks are small
    base, _ = parts(method)
    units = units_of(scenario)
    lanes = recipe.table_lanes if base == "q_learning" else recipe.lanes
    steps = max(1, recipe.rounds // lanes)
    done = 0
    thought: Any = np.zeros((units.M, LEVELS))
    if base == "q_learning":
        market = markets_of(scenario, 1, recipe.max_cycles, training_seed(seed))
        thought = [value_of_prices(units, market, seat) for seat in range(units.M)]
    learners, vmus = _make(
        method, scenario, seed, units, recipe, lambda: 1.0 - done / steps, thought
    )
    games = Games(scenario, lanes, recipe.max_cycles, vmus)
    seats = np.split(np.arange(units.M), len(learners))

    def sight(some: np.ndarray) -> np.ndarray:
        return np.concatenate([units.features(games.rows(int(seat))) for seat in some])

    games.reset(training_seed(seed))
    curve, sums, since = [], np.zeros((2, units.M)), 0
    began = time.process_time()
    seen = [sight(some) for some in seats]
    while done < steps:
        prices = np.empty((lanes, units.M))
        for learner, some, before in zip(learners, seats, seen, strict=True):
            positions = learner.act(before).reshape(len(some), lanes)
            prices[:, some] = units.price(positions).T
        utilities = games.step(prices)
        seen = [sight(some) for some in seats]
        for learner, some, after in zip(learners, seats, seen, strict=True):
            rewards = utilities[:, some].T.ravel() / units.utility
            learner.learn(rewards, after, games.over)
        if vmus is not None:
            vmus.learn()
        if games.over:
            games.reset()
            seen = [sight(some) for some in seats]
        sums += prices.mean(axis=0), utilities.mean(axis=0)
        done, since = done + 1, since + 1
        if done * POINTS // steps > (done - 1) * POINTS // steps:
            price, utility = (sums / since).tolist()
            curve.append({"rounds": done * lanes, "price": price, "utility": utility})
            sums, since = np.zeros_like(sums), 0
    if vmus is not None:
        vmus.exploring = False
    seconds = time.process_time() - began
    return Sellers(scenario, method, seed, units, recipe, learners, vmus, curve, seconds)


def _make(
    method: str,
    scenario: str,
    seed: int,
    units: PriceUnits,
    recipe: SellerRecipe,
    left: Callable[[], float],
    rewards: Any,
) -> tuple[list[Learner], LearningVMUs | None]:
    """Untrained learners: one for each seat, or one for all, and VMUs where they learn too."""
    base, variant = parts(method)
    gamma = 0.0 if variant == "_myopic" else recipe.gamma
    count = 1 if variant == "_shared" else units.M
    lanes = recipe.table_lanes if base == "q_learning" else recipe.lanes
    rows = lanes * (units.M // count)
    row = units.M + units.K
    width = units.history * row
    seeds = np.random.SeedSequence((seed, 0)).generate_state(count + 1) // 2
    *of_sellers, of_vmus = (training_seed(int(drawn)) for drawn in seeds)
    learners: list[Learner] = []
    for own, thought in zip(of_sellers, rewards, strict=False):
        if base == "q_learning":
            learner = QTable(units.M, row, units.grid, thought, recipe, left, own, gamma)
        elif base == "dqn":
            learner = QNetwork(rows, width, units.grid, recipe, left, own, gamma)
        else:
            history = units.history if base == "tppo" else None
            learner = ActorCritic(rows, width, 1, recipe, left, own, history, gamma=gamma)
        learners.append(learner)
    if variant != "_vmus":
        return learners, None
    outside = Games(scenario, 1, 1).market.outside is not None
    return learners, LearningVMUs(lanes, outside, units, recipe, left, of_vmus)
