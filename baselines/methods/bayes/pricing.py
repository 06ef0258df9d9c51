"""Bayes methods: a filter that knows the scenario's law, and a rule that prices by its beliefs."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from baselines.arena.protocol import History, Method, PublicParameters
from baselines.arena.task import Task
from baselines.methods.bayes import rules
from baselines.methods.bayes.known_capacity import RationedBelief, ShareLaw
from baselines.methods.bayes.law import MarketLaw
from baselines.methods.bayes.lines import LineFilter, LineGrid
from baselines.methods.bayes.particles import ParticleFilter
from baselines.methods.bayes.purchases import Observation
from baselines.methods.bayes.regimes import RegimeFilter
from baselines.methods.bayes.rules import Decision, Rule
from baselines.methods.fixed import Constant

PRICES = 96
"""Prices to choose from, evenly spaced."""
SHARED, OWN = 32, 48
"""Size of the grid of lines; twice as many earn no more."""

Filter = LineFilter | RegimeFilter | ParticleFilter
"""The posterior of N environments, of which `together` are best looked at in one go."""


def pricing_by(rule: Rule, task: Task, num_envs: int, seed: int) -> Method:
    """A method that knows the law of the task's markets, and all that is not drawn.

    Args:
        rule: how it prices by what it believes.
        task: what is played.
        num_envs: N.
        seed: of every random choice.

    Raises:
        ValueError: a task with a law that is not known here.
    """
    if task.stands_still:
        price = task.settings().oracle.equilibrium.price
        return Constant(task, num_envs, seed, float(price))
    law, public, filters = MarketLaw.of(task), task.public(), make_filter(task, num_envs, seed)
    share = None if law.share is None else ShareLaw(law.share, public.K * public.min_steps)
    return Bayes(filters, public, num_envs, seed, law.sigma, rule, share)


bayes = partial(pricing_by, rules.greedy)
"""The price that is best in expectation."""
bayes_thompson = partial(pricing_by, rules.thompson)
"""The best price of a market drawn from the posterior."""


def bayes_information(task: Task, num_envs: int, seed: int, horizon: float = 4.0) -> Method:
    """The best price in expectation, what it teaches in `horizon` rounds included."""
    return pricing_by(rules.information(horizon), task, num_envs, seed)


def make_filter(task: Task, envs: int, seed: int) -> Filter:
    """The filter that the task's law calls for, of N environments."""
    law, public = MarketLaw.of(task), task.public()
    if law.drift is not None:
        return ParticleFilter(law, public, envs, particles=2048, seed=seed)
    if law.hazard:
        return RegimeFilter(_grid(task), public, envs, law.hazard, hypotheses=8)
    return LineFilter(_grid(task), public, envs)


@lru_cache(maxsize=8)
def _grid(task: Task) -> LineGrid:
    return LineGrid.of(MarketLaw.of(task), SHARED, OWN)


class Bayes:
    """A leader that prices by the posterior.

    Args:
        belief: the filter.
        public: what is known of the markets.
        num_envs: N.
        seed: of every random choice.
        sigma: σ of the followers' noise.
        rule: one of `rules`.
        share: the law of a capacity, where it says something of the market.
    """

    def __init__(
        self,
        belief: Filter,
        public: PublicParameters,
        num_envs: int,
        seed: int,
        sigma: float,
        rule: Rule,
        share: ShareLaw | None = None,
    ) -> None:
        self._filter, self._rule, self._sigma, self._share = belief, rule, sigma, share
        self._envs = np.arange(num_envs)
        self._rng = np.random.default_rng(seed)
        self._prices = np.linspace(public.cost, public.max_price, PRICES).astype("f4")
        self._gain = self._prices - np.float32(public.cost)

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        observation = None
        if history.prices.shape[1] == 0:
            self._filter.begin()
        else:
            last = history.prices[:, -1], history.steps[:, -1]
            observation = Observation(*last, self._answering)
        self._answering = history.active.copy()
        chosen = np.empty(len(self._envs), int)
        size = self._filter.together
        for start in range(0, len(self._envs), size):
            part = self._envs[start : start + size]
            of_part = None if observation is None else observation.of(part)
            active, capacity = history.active[part], None
            belief, at = self._filter.observe(part, of_part, active), (self._prices, self._gain)
            if history.capacity is not None:
                capacity = history.capacity[part].astype("f4")
                belief = RationedBelief(belief, *at, capacity, self._share, self._rng)
            decision = Decision(belief, *at, active, self._sigma, capacity)
            chosen[part] = self._rule(decision, self._rng)
        return self._prices[chosen].astype(float)
