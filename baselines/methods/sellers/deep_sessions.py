"""Sessions in which sellers learn by deep RL beside each other: B of them as one batch of networks.

Every session has random numbers and networks of its own, so that what happens in it does not
depend on those beside it (where the market stands still; markets that move are drawn for all
together).
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from aigc_market import _checks, competition
from aigc_market.competition.metrics import SAME
from baselines.arena.competition import CompetitionEnv
from baselines.arena.protocol import Report
from baselines.arena.seeds import training_seed
from baselines.arena.task import Task
from baselines.methods.sellers.deep_memory import Draws, Memory
from baselines.methods.sellers.deep_policies import Policies, new_learner
from baselines.methods.sellers.deep_recipe import DeepRecipe
from baselines.methods.sellers.sellers import markets_of, price_at, price_range
from baselines.runs.checkpoint import Checkpoint
from baselines.runs.digest import code_digest

EPISODE = 500
"""Periods after which a market that moves or is drawn begins anew; sellers do not notice."""
EVERY = 10 * EPISODE
"""Periods between two checkpoints."""
POINTS = 100
"""Of a curve, at most."""


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """Means over windows of a training, exploration included."""

    periods: np.ndarray
    """(W,) at the end of each window."""
    prices: np.ndarray
    """(W, B, M)"""
    utility: np.ndarray
    """(W, B, M)"""


class Sessions(nn.Module):
    """B sessions of a task side by side.

    Args:
        task: of the game "competition".
        recipe: hyperparameters.
        sessions: B.
        seed: of the first session; the next has the next one.
        frozen: sellers who do not learn, by their seat: policies of B sessions, who post greedy
            prices.
        learned: policies of B sessions whose sellers learn on, in place of new ones; they remember
            nothing of how they came to be, and optimizers begin anew.

    Raises:
        ValueError: a task of one provider, or policies that do not fit; the message says which.
    """

    sums: Tensor

    def __init__(
        self,
        task: Task,
        recipe: DeepRecipe,
        sessions: int,
        seed: int,
        frozen: Mapping[int, Policies] | None = None,
        learned: Policies | None = None,
    ) -> None:
        super().__init__()
        if task.game != "competition":
            raise ValueError(f"task must be of several providers, got {task.name!r}")
        self.task, self.recipe, self._seed = task, recipe, _checks.integer("seed", seed, at_least=0)
        self.B = _checks.integer("sessions", sessions, at_least=1)
        self._frozen = dict(sorted((frozen or {}).items()))
        self._env = CompetitionEnv(task, sessions, max_cycles=EPISODE)
        self.M = M = self._env.M
        for policies in [*self._frozen.values(), *([learned] if learned else [])]:
            policies.check(task)
            if policies.sessions != sessions:
                raise ValueError(
                    f"policies must be of {sessions} sessions, got those of {policies.sessions}"
                )
        self.seats = tuple(seat for seat in range(M) if seat not in self._frozen)
        self.prices = price_range(task, recipe)
        self._nash, self._gain = reward_scale(task)
        seeds = range(seed, seed + sessions)
        self.learner = new_learner(recipe, seeds, len(self.seats), M)
        if learned is not None:
            self._take_up(learned)
        uniform = {**self.learner.uniform, "warm_up": (1,)}
        self._draws = Draws(seeds, len(self.seats), self.learner.normal, uniform)
        blind = not recipe.memory
        self.memory = Memory(self.learner.remembers, sessions, M, self.seats, blind)
        self._windows = min(POINTS, recipe.periods)
        shape = (2, self._windows, sessions, M)
        self.register_buffer("sums", torch.zeros(shape, dtype=torch.float64))
        others = {str(seat): policies.digest() for seat, policies in self._frozen.items()}
        start = None if learned is None else learned.digest()
        parts = dataclasses.asdict(recipe), sessions, seed, others, start
        self.of = task.digest(*parts, code_digest(__name__))
        """Names all that the result depends on."""
        self.seconds = 0.0
        """Of this process, that the training has taken."""
        self._done = 0

    def _take_up(self, learned: Policies) -> None:
        mine, its = dataclasses.asdict(self.recipe), dataclasses.asdict(learned.recipe)
        for name in ("learner", "actor_width", "critic_width", "denoising_steps", "n_steps"):
            if mine[name] != its[name]:
                raise ValueError(f"{name} must be {its[name]} as learned, got {mine[name]}")
        if learned.prices != self.prices:
            raise ValueError(f"prices must be {learned.prices} as learned, got {self.prices}")
        self.learner.load_state_dict(learned.some(seats=self.seats).learner.state_dict())

    def run(
        self,
        checkpoint: Path | None = None,
        report: Report = lambda done, total, row: None,
        until: int | None = None,
    ) -> None:
        """Play and learn all periods, or go on where a killed training was.

        Args:
            checkpoint: a file of what has been learned so far, kept every EVERY periods and removed
                at the end.
            report: called as often, with the periods done, all of them, and the mean `utility`.
            until: stop after so many periods; it can be called again.
        """
        kept = Checkpoint(checkpoint, self.of, EVERY)
        adams = [update.adam for update in self.learner.updates]
        began = time.process_time()
        if not self._done:
            self._done = kept.restore(self, *adams)
            self.seconds = sum(row["seconds"] for row in kept.rows)
        total = self.recipe.periods
        for t in range(self._done, total if until is None else min(until, total)):
            if t % EPISODE == 0:
                drawn = np.random.SeedSequence((self._seed, 0, t // EPISODE)).generate_state(1)
                self._env.reset(training_seed(int(drawn[0]) // 2))
            self._period(t)
            self._done = t + 1
            if self._done % EVERY == 0:
                now = time.process_time()
                self.seconds, began = self.seconds + now - began, now
                kept.rows = [{"seconds": self.seconds}]
                kept.keep(self._done, self, *adams)
                utility = self.curve().utility[-1].mean()
                report(self._done, total, {"utility": float(utility)})
        self.seconds += time.process_time() - began
        if self._done == total:
            kept.discard()

    def _period(self, t: int) -> None:
        draws, learner = self._draws.at(t), self.learner
        if t < learner.warm_up:
            own = 2.0 * draws["warm_up"] - 1.0
        else:
            own = learner.act(self.memory.seen(torch.full((learner.G, 1), t)), draws, t)
        positions = np.empty((self.B, self.M))
        positions[:, self.seats] = own.view(self.B, -1).numpy()
        if self._frozen:
            last = price_at(self.memory.last(t).numpy(), self.prices)[:, None]
            low, high = self.prices
            for seat, policies in self._frozen.items():
                price = policies.mean(seat, last)[:, 0]
                positions[:, seat] = 2.0 * (price - low) / (high - low) - 1.0
        prices = price_at(positions, self.prices)
        self._env.step(prices)
        utility = np.transpose(self._env.settled.asp_utility)
        window = t * self._windows // self.recipe.periods
        self.sums[:, window] += torch.as_tensor(np.stack([prices, utility]))
        rewards = 2.0 * (utility - self._nash) / self._gain - 1.0
        self.memory.keep(t, torch.as_tensor(positions.clip(-1.0, 1.0)), torch.as_tensor(rewards))
        learner.learn(self.memory, t, draws)

    def curve(self) -> Curve:
        """Of the windows that are over."""
        ends = np.arange(1, self._windows + 1) * self.recipe.periods
        ends = -(-ends // self._windows)  # the first period of the next window
        over = int((ends <= self._done).sum())
        counts = np.diff(ends, prepend=0)[:over, None, None]
        prices, utility = self.sums.numpy()[:, :over] / counts
        return Curve(ends[:over], prices, utility)

    def policies(self) -> Policies:
        """The sellers as they are now, frozen."""
        learner = copy.deepcopy(self.learner)
        of = self.task, self.recipe, self.prices, self.M, self.seats
        return Policies(*of, learner, self.seconds)


def reward_scale(task: Task) -> tuple[np.ndarray, float]:
    """What sellers earn at the Nash equilibrium, (M,), and how much more in the cartel.

    Of a scenario that moves or is drawn, means over some markets. The second is a mean over the
    sellers too, so that it is above 0 for those who would lose by a cartel.

    Raises:
        ValueError: no Nash equilibrium is found, or a cartel earns no more.
    """
    markets = markets_of(task)
    nash, cartel = competition.nash(markets), competition.cartel(markets)
    known = np.atleast_1d(nash.converged)
    if not known.any():
        raise ValueError(f"scenario must have a Nash equilibrium of providers, got {task.name!r}")
    low, high = (np.atleast_2d(at.asp_utility)[known].mean(axis=0) for at in (nash, cartel))
    gain = float(np.mean(high - low))
    if gain <= SAME * abs(float(low.mean())):
        raise ValueError(f"scenario must have a cartel that earns more, got {task.name!r}")
    return low, gain
