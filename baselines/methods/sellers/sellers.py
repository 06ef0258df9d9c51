"""The sellers of a market that learn or have learned together: a learner at each seat."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch

from aigc_market import competition
from aigc_market.competition import Competition
from aigc_market.envs import batch
from aigc_market.envs.competition import CompetitionGame
from aigc_market.envs.spaces import constants
from baselines.arena.competition import CompetitionEnv
from baselines.arena.protocol import History, Player
from baselines.arena.seeds import training_seed
from baselines.arena.task import Task
from baselines.methods.sellers.deep_recipe import DeepRecipe
from baselines.methods.sellers.learners import GRID, ActorCritic, Learner, QNetwork, QTable
from baselines.methods.sellers.learning_vmus import LearningVMUs
from baselines.methods.sellers.recipe import LEVELS, SellerRecipe

UNITS = {"normalize": True, "scale_rewards": True, "continuous_actions": True, "judged": False}
"""Arguments of the environments that learners see."""


@dataclass(frozen=True)
class Design:
    """Who learns, and how."""

    learner: Literal["q_learning", "dqn", "ppo", "tppo"]
    gamma: float = 0.95
    """Discount; 0 for sellers that do not look ahead."""
    shared: bool = False
    """One policy for all seats, in place of one each."""
    vmus: bool = False
    """Whether the VMUs learn too."""


class Sellers:
    """A learner at each seat of a task's markets.

    Learners post positions in [−1, 1] of one range of prices; what they see and are paid is in the
    units of environments whose p_max is the highest price of that range.

    Args:
        design: who learns.
        task: on which they learn.
        prices: the lowest and the highest of the range: see `price_range`.
        seed: of every random choice.
        recipe: hyperparameters.
        num_envs: environments side by side.
    """

    def __init__(
        self,
        design: Design,
        task: Task,
        prices: tuple[float, float],
        seed: int,
        recipe: SellerRecipe,
        num_envs: int,
    ) -> None:
        self.prices, arguments = prices, {**task.arguments, "max_price": prices[1]}
        self.task = dataclasses.replace(task, arguments=arguments)
        settings = dataclasses.replace(self.task.settings(), **UNITS)
        self.game = game = CompetitionGame(settings, scripted=True)
        count = 1 if design.shared else game.M
        rows, spaces = num_envs * (game.M // count), (game.leader.space, game.prices[0].space)
        seeds = np.random.SeedSequence((seed, 0)).generate_state(count + 1) // 2
        *own_seeds, vmu_seed = (training_seed(int(drawn)) for drawn in seeds)

        def made(own: int) -> Learner:
            if design.learner == "q_learning":
                lowest = prices[0] / prices[1]
                return QTable(game.M, game.leader.width, lowest, recipe, design.gamma, own)
            if design.learner == "dqn":
                return QNetwork(spaces, rows, recipe, design.gamma, own)
            history = settings.history if design.learner == "tppo" else None
            return ActorCritic(spaces, rows, recipe, design.gamma, own, history)

        self.learners = [made(own) for own in own_seeds]
        """One for each seat, or one for all."""
        self.vmus: LearningVMUs | None = None
        """VMUs that learn beside them."""
        modules = {str(i): learner.module for i, learner in enumerate(self.learners)}
        if design.vmus:
            self.vmus = LearningVMUs(settings, prices, num_envs, recipe, vmu_seed)
            modules["vmus"] = self.vmus.learner.module
        self.module = torch.nn.ModuleDict(modules)
        """Holds all that is learned."""

    def environment(self, num_envs: int, max_cycles: int) -> CompetitionEnv:
        """Where they learn."""
        followers: Any = self.vmus or "best_response"
        more = {**UNITS, "max_cycles": max_cycles, "followers": followers}
        return CompetitionEnv(self.task, num_envs, **more)

    def actions(self, positions: np.ndarray) -> np.ndarray:
        """Actions of that environment."""
        cost, highest = self.game.settings.price_bounds
        return 2.0 * (price_at(positions, self.prices) - cost) / (highest - cost) - 1.0

    def player(self, seat: int) -> Player:
        """The learner of a seat as a method, which neither learns nor explores."""
        return partial(LearnedSeller, self, seat)


class LearnedSeller:
    """A learner at a seat, in N games.

    Args:
        sellers: of whom it is one.
        seat: where it sits, and has learned to.
        num_envs: N.
    """

    def __init__(self, sellers: Sellers, seat: int, num_envs: int) -> None:
        self._learner = sellers.learners[seat if len(sellers.learners) > 1 else 0]
        self._prices, self._viewer = sellers.prices, sellers.game.leader
        self._seen = batch.History(self._viewer, num_envs)
        self._cost = np.roll(sellers.game.settings.market.cost, -seat)

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        if history.rivals is None:
            raise ValueError("a seller that learned beside rivals must play beside rivals")
        if history.prices.shape[1]:
            prices = np.column_stack([history.prices[:, -1], history.rivals[:, -1]])
            self._seen.add([prices.T, history.steps[:, -1].T])
        else:  # as in the environments: at the costs nothing was sold
            self._seen.fill([self._cost[:, None], 0.0])
        capacity = [] if history.capacity is None else [history.capacity[:, None]]
        front = constants(self._viewer.front, capacity, len(history.prices))
        seen = self._seen.seen(front.T, copy=False)
        low, high = self._viewer.space.low, self._viewer.space.high  # strangers may leave them
        return price_at(self._learner.act(np.clip(seen, low, high))[:, 0], self._prices)


def price_at(positions: np.ndarray, prices: tuple[float, float]) -> np.ndarray:
    """The prices at positions in [−1, 1] of a range; others are clipped."""
    low, high = prices
    return low + (np.clip(positions, -1.0, 1.0).astype(np.float64) + 1.0) / 2.0 * (high - low)


def markets_of(task: Task) -> Competition:
    """The market of a task, or some where they move or are drawn."""
    env = CompetitionEnv(task, 64)
    env.reset(training_seed(0))
    return env.market


def price_range(task: Task, recipe: SellerRecipe | DeepRecipe) -> tuple[float, float]:
    """The lowest and the highest price that learners choose from.

    Raises:
        ValueError: a grid in whose markets no Nash equilibrium of providers is found.
    """
    if recipe.prices == "all":
        return task.settings().price_bounds
    grids = np.asarray(competition.price_grid(markets_of(task), LEVELS))
    if np.isnan(grids).all():
        raise ValueError(f"scenario must have a Nash equilibrium of providers, got {task.name!r}")
    return float(np.nanmin(grids)), float(np.nanmax(grids))


def value_of_prices(market: Competition, prices: tuple[float, float]) -> np.ndarray:
    """(M, LEVELS) what each price of a grid earns in a round while the others draw theirs from it.

    Args:
        market: one, or a batch to average over.
        prices: range of the grid.
    """
    axes = np.meshgrid(*[price_at(GRID, prices)] * market.M, indexing="ij")
    posted = np.stack(axes, axis=-1)  # (LEVELS, …, M)
    posted = posted[..., None, :] if market.batch_shape else posted
    answer = competition.respond(market, posted)
    earned = competition.settle(market, posted, answer.shares, answer.steps).asp_utility
    of_seats = (np.moveaxis(earned[..., m], m, 0) for m in range(market.M))
    return np.stack([of_seat.reshape(LEVELS, -1).mean(axis=1) for of_seat in of_seats])
